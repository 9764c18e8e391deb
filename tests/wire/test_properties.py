"""What holds for every message, and not for a few chosen ones.

Hypothesis makes the messages: any JSON value, any text, any bytes, cut into packets anywhere. The
judge of JSON is Python's `json`, which 1.x uses. `tests.fuzz` goes on where these examples end.
"""

import json
import math
import re
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from msl_network.constants import NOTIFICATION_UID
from msl_network.escaping import has_controls
from msl_network.wire import codec, messages
from msl_network.wire.framing import Framer, LineTooLongError
from msl_network.wire.handshake import QUESTIONS, ManagerHandshake, read_answer
from msl_network.wire.messages import ClientIdentity, Message, MessageError, parse
from msl_network.wire.terminal import parse_client, parse_typed
from tests.fuzz.targets import TARGETS

# half a surrogate pair is text for Python and for JSON, though not for UTF-8
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
TEXT = st.text(max_size=20)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=-(10**400), max_value=10**400),
    st.floats(allow_nan=True, allow_infinity=True),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, ANY_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(ANY_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
ARGS = st.lists(VALUES, max_size=3)
KWARGS = st.dictionaries(ANY_TEXT, VALUES, max_size=3)
LINE = st.binary(max_size=30).map(lambda line: line.replace(b"\n", b""))
ENDS = st.sampled_from([b"\n", b"\r\n"])


def same(a, b):
    """Whether values are equal, NaN to NaN, and of the same types."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b


def outcome(function, argument, errors):
    """What a function returns, or which of the errors it raises that it may raise."""
    try:
        return function(argument)
    except errors as error:
        return error


# --- framing -------------------------------------------------------------------------------


def feed(stream, cuts, limit=1000):
    framer = Framer(limit)
    lines = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        lines += framer.feed(stream[start:end])
    return lines, framer.waiting


@st.composite
def streams(draw):
    lines = draw(st.lists(st.tuples(LINE, ENDS), max_size=6))
    rest = draw(LINE)
    stream = b"".join(line + end for line, end in lines) + rest
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    # a carriage return at the end of a line is that of its end
    expected = [line[:-1] if end == b"\n" and line[-1:] == b"\r" else line for line, end in lines]
    return stream, cuts, expected, len(rest)


@given(streams())
@example((b"\r\n", [1], [b""], 0))
@example((b"a\r\nb", [2], [b"a"], 1))
def test_lines_do_not_depend_on_the_packets(case):
    stream, cuts, lines, waiting = case
    assert feed(stream, cuts) == (lines, waiting)


MESSAGES = [
    messages.request_line("add", (1, [math.nan]), {"k": "Ω"}, service="S", uid="1"),
    messages.result_line({"a": None}, requester="C[h:1]", uid="1"),
    messages.error_line(KeyError("x"), requester="C[h:1]", uid="1", traceback=["a\n"]),
    messages.notification_line("S", (1,), {}),
    messages.items_line("__items__", [b"1", b'"\xce\xa9"'], requester="C[h:1]", uid="1"),
    messages.news_line({"S": b"null"}, {}, 1),
    b"client Some Name\n",
    b"\r\n",
]


@pytest.mark.parametrize("before", MESSAGES)
@pytest.mark.parametrize("line", MESSAGES)
def test_every_split_of_every_message_into_three_packets(before, line):
    stream = before + line
    expected = feed(stream, [])
    assert len(expected[0]) == 2
    for i in range(len(stream) + 1):
        for j in range(i, len(stream) + 1, 1 if len(stream) < 60 else 5):
            assert feed(stream, [i, j]) == expected


@given(st.binary(max_size=40), st.lists(st.integers(0, 40), max_size=6), st.integers(0, 20))
def test_limit_does_not_depend_on_the_packets(stream, cuts, limit):
    """A line above the limit is refused however it comes, one within it never."""
    cuts = sorted(min(cut, len(stream)) for cut in cuts)
    complete = stream.split(b"\n")
    rest = complete.pop()
    lengths = [len(line.removesuffix(b"\r")) for line in complete]
    try:
        lines, waiting = feed(stream, cuts, limit)
    except LineTooLongError:
        assert max([*lengths, len(rest) - 1]) > limit
    else:
        assert max([*lengths, 0]) <= limit
        assert waiting <= limit + 1
        assert (lines, waiting) == feed(stream, [])


# --- codec ---------------------------------------------------------------------------------


@given(VALUES)
@example([10**4299, -(10**4299)])
@example({"": None, "\ud800": math.nan, "null": [-0.0, 5e-324, 1e308]})
def test_a_value_comes_back_and_is_what_json_reads(value):
    text = codec.encode(value)
    assert b"\n" not in text
    assert b"\r" not in text
    assert text.decode()
    assert same(codec.decode(text), value)
    assert same(codec.decode(memoryview(text)), value)
    assert same(json.loads(text), value)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_json_writes_is_read_as_json_reads_it(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair that is not escaped is not UTF-8
    assert same(codec.decode(data), json.loads(text))


@given(st.one_of(st.binary(max_size=40), st.text('[]{}",:0123456789.eE-+ntfaluNI \\', max_size=12)))
def test_any_bytes_are_read_as_json_reads_them_or_refused_as_it_refuses_them(data):
    data = data.encode() if isinstance(data, str) else data
    try:
        expected = json.loads(data.decode())
    except ValueError:
        with pytest.raises(ValueError):
            codec.decode(data)
    else:
        assert same(codec.decode(data), expected)


# --- messages ------------------------------------------------------------------------------


@given(TEXT, ARGS, KWARGS, st.none() | TEXT, st.none() | TEXT, TEXT)
def test_request(attribute, args, kwargs, service, requester, uid):
    line = messages.request_line(
        attribute, args, kwargs, service=service, requester=requester, uid=uid
    )
    assert line.endswith(b"\r\n")
    assert line.count(b"\n") == 1
    message = parse(line[:-2])
    assert (message.attribute, message.service) == (attribute, service)
    assert (message.requester, message.uid) == (requester, uid)
    assert same(message.positional(), args)
    assert same(message.keywords(), kwargs)
    assert not message.is_reply


@given(ARGS, KWARGS, TEXT)
def test_request_is_passed_on_as_the_bytes_that_came(args, kwargs, uid):
    """A Manager builds no values, so nothing can change on the way."""
    args_text = json.dumps(args, indent=1).replace("\n", "").encode()
    kwargs_text = json.dumps(kwargs).encode()
    line = b'{"attribute":"a","service":"S","args":%s,"kwargs":%s,"uid":%s}' % (
        args_text,
        kwargs_text,
        codec.encode(uid),
    )
    came = parse(line)
    passed = messages.message_line(came, "C[h:1]")
    if not re.search(rb"NaN|Infinity|\\ud[89a-f]", line):  # what msgspec does not read
        assert args_text in passed
        assert kwargs_text in passed
    message = parse(passed[:-2])
    assert same(message.positional(), args)
    assert same(message.keywords(), kwargs)
    assert (message.uid, message.requester, message.service) == (uid, "C[h:1]", "S")


@given(VALUES, st.none() | TEXT, TEXT)
def test_result(result, requester, uid):
    message = parse(messages.result_line(result, requester=requester, uid=uid)[:-2])
    assert same(message.value(), result)
    assert (message.requester, message.uid, message.error) == (requester, uid, False)
    assert message.is_reply
    assert message.is_notification == (uid == NOTIFICATION_UID)


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=3), st.none() | TEXT, TEXT)
def test_error(text, traceback, requester, uid):
    error = messages.error_line(
        RuntimeError(text), requester=requester, uid=uid, traceback=traceback
    )
    message = parse(error[:-2])
    assert message.error
    assert message.is_reply
    assert message.message == f"RuntimeError: {text}"
    assert message.traceback == traceback
    assert message.error_text().endswith(message.message)
    assert (message.requester, message.uid) == (requester, uid)


@given(ANY_TEXT, st.lists(TEXT, max_size=5), TEXT)
def test_errors_of_several_requests_are_those_of_each(text, uids, requester):
    error = ConnectionAbortedError(text)
    lines = messages.error_lines(error, uids, requester=requester, replicas=2)
    each = [messages.error_line(error, requester=requester, uid=u, replicas=2) for u in uids]
    assert lines.count(b"\n") == len(uids)
    for line, expected in zip(lines.splitlines(), each, strict=True):
        assert codec.decode(line) == codec.decode(expected)


@given(VALUES, TEXT, TEXT)
def test_what_is_written_already_comes_back(value, requester, uid):
    written = Raw(codec.encode(value))
    line = messages.written_line(result=written, requester=requester, uid=uid, error=False)
    message = parse(line[:-2])
    assert same(message.value(), value)
    assert (message.requester, message.uid) == (requester, uid)


@given(st.lists(VALUES, max_size=4), TEXT, TEXT)
def test_items_and_a_list_of_them(items, requester, uid):
    texts = [codec.encode(item) for item in items]
    line = messages.items_line("__items__", texts, requester=requester, uid=uid)
    message = parse(line[:-2])
    assert same(message.positional(), items)
    assert (message.attribute, message.requester, message.uid) == ("__items__", requester, uid)
    line = messages.list_line(b",".join(texts), requester=requester, uid=uid)
    assert same(parse(line[:-2]).value(), items)


@given(
    st.dictionaries(TEXT, VALUES, max_size=3),
    st.dictionaries(TEXT, VALUES, max_size=3),
    st.integers(0),
)
def test_news(services, clients, number):
    written = [{name: codec.encode(v) for name, v in part.items()} for part in (services, clients)]
    message = parse(messages.news_line(*written, number)[:-2])
    assert (message.attribute, message.service) == ("__news__", "Manager")
    news = {"number": number, "services": services, "clients": clients}
    assert same(message.positional(), [news] if number else [])


@given(TEXT, ARGS, KWARGS)
def test_notification(service, args, kwargs):
    message = parse(messages.notification_line(service, args, kwargs)[:-2])
    assert message.is_notification
    assert message.service == service
    assert same(message.value(), [args, kwargs])


@st.composite
def objects(draw):
    """Objects that are nearly messages: right names, any values."""
    names = st.sampled_from([*Message.__struct_fields__, "unknown"])
    return json.dumps(draw(st.dictionaries(names, VALUES, max_size=6))).encode()


@given(st.one_of(st.binary(max_size=60), objects()))
def test_any_line_is_a_message_or_a_message_error(line):
    message = outcome(parse, line, MessageError)
    if isinstance(message, MessageError):
        assert str(message)
        assert isinstance(message.uid, str)
    else:
        assert isinstance(message, Message)
        assert isinstance(message.positional(), list)
        assert isinstance(message.keywords(), dict)
        assert isinstance(message.error_text(), str)
        message.value()


# --- connecting, and a person at a terminal ------------------------------------------------


@given(VALUES)
def test_an_answer_is_read_as_it_was_meant(answer):
    assert same(read_answer(messages.result_line(answer)[:-2]), answer)


@given(st.binary(max_size=60))
def test_any_answer_is_a_value_or_no_text(line):
    try:
        read_answer(line)
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            line.decode()


@given(st.sampled_from(list(QUESTIONS)), VALUES)
def test_connecting_ends_after_the_questions_of_its_row(authentication, answer):
    handshake = ManagerHandshake(authentication, "Manager[h:1]")
    asked = []
    while handshake.question is not None:
        asked.append(handshake.question)
        codec.encode(handshake.args)
        handshake.accept(answer)
    assert tuple(asked) == QUESTIONS[authentication]


IDENTITY_FIELDS = [
    *("type", "name", "attributes", "max_clients", "language", "os", "features", "replica"),
    *("streams", "doc", "docs"),
]
IDENTITIES = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(["client", "Service", {}, [], -1, None]) | VALUES
        for name in IDENTITY_FIELDS
    },
)


@given(VALUES | IDENTITIES)
def test_any_identity_is_one_or_says_why_not(value):
    identity = outcome(messages.parse_identity, value, (TypeError, KeyError))
    if isinstance(identity, Exception):
        assert str(identity)
    else:
        assert isinstance(identity, ClientIdentity)
        assert identity.name.encode() == value["name"].encode()


WORDS = st.one_of(
    TEXT,
    st.sampled_from(
        ["client", "link", "identity", "x=", "=", '"', "'", "[1, 2]", "1e999", "{", "\\"]
    ),
)


@given(st.lists(WORDS, max_size=6).map(" ".join))
def test_any_typed_line_is_a_request_an_identity_or_neither(line):
    identity = parse_client(line)
    if identity is not None:
        known = outcome(messages.parse_identity, identity, TypeError)
        assert has_controls(identity["name"]) if isinstance(known, TypeError) else known.name
    message = parse_typed(line)
    if message is not None:
        assert isinstance(message.positional(), list)
        assert isinstance(message.keywords(), dict)
        if message.service != "Manager":
            assert same(
                parse(messages.message_line(message, "C[h:1]")[:-2]).positional(),
                message.positional(),
            )


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@given(data=st.binary(max_size=200))
def test_targets_of_the_fuzzers(target, data):
    target(data)

"""What lines mean, and how they are written."""

import json
import math

import pytest

from msl_network.wire import messages
from msl_network.wire.messages import Message, MessageError, parse

IDENTITY = {"type": "Service", "name": "x", "attributes": {"add": "(x, y)"}}


def test_request_of_1x():
    message = parse(
        b'{"args": [1, NaN], "attribute": "add", "error": false, "kwargs": {"a": null}, '
        b'"service": "BasicMath", "uid": "b7c1", "unknown": []}'
    )
    assert (message.service, message.attribute, message.uid) == ("BasicMath", "add", "b7c1")
    assert repr(message.positional()) == "[1, nan]"
    assert message.keywords() == {"a": None}
    assert not message.is_reply


def test_reply_and_notification():
    reply = parse(b'{"error":false,"requester":"C[h:1]","result":null,"uid":"7"}')
    assert reply.is_reply
    assert not reply.is_notification
    assert reply.value() is None
    line = messages.notification_line("Heart", (1,), {"x": math.inf})
    notification = parse(line.rstrip())
    assert notification.is_notification
    assert notification.service == "Heart"
    assert notification.value() == [[1], {"x": math.inf}]


def test_request_is_passed_on_as_it_came():
    """The Manager does not build the values, so nothing can be lost on the way."""
    args = b'[1.0e5,  "\\u00fc", 123456789012345678901234567890]'
    line = b'{"service":"S","attribute":"a","args":' + args + b',"kwargs":{"k": 1},"uid":"u"}'
    passed = messages.message_line(parse(line), "Client[h:1]")
    assert args in passed
    assert passed.endswith(b"\r\n")
    assert json.loads(passed) == {
        "args": [1.0e5, "ü", 123456789012345678901234567890],
        "attribute": "a",
        "error": False,
        "kwargs": {"k": 1},
        "requester": "Client[h:1]",
        "service": "S",
        "uid": "u",
    }


def test_error():
    line = messages.error_line(KeyError("x"), requester="C[h:1]", uid="7", traceback=["a", "b"])
    assert json.loads(line) == {
        "error": True,
        "message": "KeyError: 'x'",
        "requester": "C[h:1]",
        "result": None,
        "traceback": ["a", "b"],
        "uid": "7",
    }
    assert parse(line.rstrip()).error_text() == "a\nb\nKeyError: 'x'"
    assert Message(error=True).error_text() == "UnknownError: No error message has been provided"


@pytest.mark.parametrize(
    ("line", "uid", "is_json", "is_reply"),
    [
        (b"hello world", "", False, False),
        (b'"A Service" add 1 2', "", False, False),
        (b"5 apples", "", False, False),
        (b"[1]", "", True, False),
        (b'{"attribute": 5, "uid": "u"}', "u", True, False),
        (b'{"attribute": 5, "args": [NaN], "uid": "u"}', "u", True, False),
        (b'{"result": 1, "error": "no", "uid": "u"}', "u", True, True),
        (b'{"result": NaN, "error": "no", "uid": "u"}', "u", True, True),
        (b'{"result": "\xff", "uid": "u"}', "u", True, True),
        (b'{"attribute": "\xff", "uid": "u"}', "", False, False),
        (b'{"args": {}, "uid": "u"}', "u", True, False),
    ],
)
def test_what_is_no_message(line, uid, is_json, is_reply):
    with pytest.raises(MessageError) as caught:
        parse(line)
    error = caught.value
    assert (error.uid, error.is_json, error.is_reply) == (uid, is_json, is_reply)


@pytest.mark.parametrize(
    "name",
    [
        "a\nb",
        "\x1b[2J",
        "\x00",
        "\x7f",
        "\x9b1A",
        "a\tb",
        "\u202eb",
        "\u2066b",
        "\u2028",
        "x" * 1001,
    ],
)
def test_name_that_could_act_on_a_terminal_or_forge_a_line(name):
    with pytest.raises(TypeError, match=r"^Invalid identity: .* name") as caught:
        messages.parse_identity({**IDENTITY, "name": name})
    assert str(caught.value).isprintable()
    assert messages.parse_identity({**IDENTITY, "name": "Ångström 🔬 (\u200d) 電圧"})


def test_identity():
    identity = messages.parse_identity(IDENTITY)
    assert isinstance(identity, messages.ServiceIdentity)
    assert (identity.language, identity.os, identity.limit) == ("unknown", "unknown", -1)
    assert messages.parse_identity({**IDENTITY, "max_clients": 3, "language": None}).limit == 3
    assert messages.parse_identity({**IDENTITY, "max_clients": -7}).limit == -1
    client = messages.parse_identity({"type": "CLIENT", "name": "x", "os": "any", "more": 1})
    assert not isinstance(client, messages.ServiceIdentity)
    assert client.os == "any"


@pytest.mark.parametrize(
    ("traceback", "lines"),
    [
        (b'["a", "b"]', ["a", "b"]),
        (b'"a\\nb"', ["a", "b"]),
        (b"null", []),
        (b'["a", 5, [[]]]', ["a"]),
        # more digits than Python reads: the error itself is not lost for that
        (b"[" + b"9" * 5000 + b"]", []),
    ],
)
def test_traceback(traceback, lines):
    error = parse(b'{"error":true,"message":"E: x","result":null,"traceback":' + traceback + b"}")
    assert error.traceback == lines
    assert error.error_text() == "\n".join([*lines, "E: x"])

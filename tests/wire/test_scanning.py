"""A very long line read in steps: the same as if it had been read at once."""

import json
import random

import pytest

from msl_network.wire import scanning
from msl_network.wire.messages import MessageError, parse
from msl_network.wire.scanning import Scan


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(scanning, "WINDOW", 200)
    monkeypatch.setattr(scanning, "MARGIN", 10)
    monkeypatch.setattr(scanning, "TOKENS", 20)


def read(line):
    scan = Scan(line)
    steps = 1
    while (message := scan.step()) is None:
        steps += 1
    return message, steps


def request(args, **more):
    fields = {"service": "S", "attribute": "a", "uid": "u", "args": args, "kwargs": {}, **more}
    return json.dumps(fields, ensure_ascii=False).encode()


WAVEFORM = [[i / 7, -i, float("nan")] for i in range(1000)]


@pytest.mark.parametrize(
    "args",
    [
        [],
        [WAVEFORM],
        [[i / 7 for i in range(5000)], [1] * 500],
        ["x" * 5000, 'é😀\n"\\' * 300],
        [{"a": {str(i): [i, {"b": None}] for i in range(300)}}],
        [[[[[[i]]]], float("-inf")] for i in range(300)],
        [[[]] * 500, [{}] * 500],
    ],
)
def test_it_is_the_same_as_at_once(small_windows, args):
    line = request(args, kwargs={"k": args})
    message, steps = read(line)
    expected = parse(line)
    for name in ("service", "attribute", "uid", "error", "requester"):
        assert getattr(message, name) == getattr(expected, name)
    assert repr(message.positional()) == repr(args)
    assert repr(message.keywords()) == repr({"k": args})
    assert steps > len(line) // 400
    reply = json.dumps({"result": args, "requester": "c", "uid": "u"}).encode()
    assert repr(read(reply)[0].value()) == repr(args)


@pytest.mark.parametrize("count", [1, 2])
def test_broken_lines_are_refused_as_they_are_at_once(small_windows, count):
    chance = random.Random(count)
    text = request([WAVEFORM[:20], "text é \\", {"a": [True, None, {"b": 1e-7}]}], kwargs={"x": 1})
    outcomes = {True: 0, False: 0}
    for _ in range(2000):
        line = bytearray(text)
        for _ in range(count):
            place = chance.randrange(len(line))
            line[place : place + chance.randrange(2)] = chance.choice(
                [b"", *(bytes([c]) for c in b'[]{},:"\\0-.eE\xff a\x00')]
            )
        line = bytes(line)
        outcome = []
        for reader in (parse, lambda line: read(line)[0]):
            try:
                outcome.append(reader(line).uid)
            except MessageError:
                outcome.append(None)
        assert outcome[0] == outcome[1], line
        outcomes[outcome[0] is None] += 1
    assert min(outcomes.values()) > 50


@pytest.mark.parametrize(
    ("line", "text", "uid"),
    [
        (b"[" * 100_000, r"not JSON: unexpected \[+ at byte 0", ""),
        (b'{"uid":"u","args":' + b"[" * 100_000, "nested too deeply", "u"),
        (b'{"uid":"u","args":[' + b"9" * 200_000 + b"]}", "not JSON: unexpected 9+", "u"),
        (b"\x00" * 100_000, r"unexpected (\\x00)+ at byte 0", ""),
        (b'{"args":[1', "it ends too early", ""),
        (b'{"uid":"' + b"u" * 100_000 + b'"}', "`uid` is larger than 65536 bytes", ""),
        (b'{"uid":"u","args":["\xff"]}', "not UTF-8", "u"),
        (b'{"uid":"u","args":{}}', "`args` must be an array", "u"),
        (b'{"uid":"u","attribute":5}', "Expected `str | null`, got `int`", "u"),
        (b'{"uid":"u"} x', "unexpected x at byte 12", "u"),
    ],
)
def test_line_that_is_no_message(line, text, uid):
    with pytest.raises(MessageError, match=text) as caught:
        read(line)
    assert caught.value.uid == uid


@pytest.mark.parametrize("inner", ["[[[[[1]]]]],", "[],", "{},", "[1,[2,[3,[4,[5,6]]]]],"])
def test_no_step_reads_more_than_a_window(inner):
    line = request([])
    line = line.replace(b"[]", b"[" + inner.encode() * 50_000 + b"1]")
    scan = Scan(line)
    before = 0
    while scan.step() is None:
        assert 0 < scan._position - before <= scanning.WINDOW
        before = scan._position
    assert before > 0

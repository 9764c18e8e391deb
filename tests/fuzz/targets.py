"""What is fuzzed: each target takes any bytes, and raises when a promise of the wire layer breaks.

A target lets only what is documented pass: a value, or one of the errors that the docstring of the
function names. Anything else is a crash for whoever runs it: hypothesis, atheris or the mutator.
"""

import contextlib
import json
import re
from collections.abc import Callable

from msl_network.manager.registry import Registry
from msl_network.wire import codec, scanning
from msl_network.wire.framing import Framer, LineTooLongError
from msl_network.wire.handshake import Authentication, ManagerHandshake, read_answer
from msl_network.wire.messages import (
    Message,
    MessageError,
    error_line,
    message_line,
    parse,
    parse_identity,
    result_line,
    written_line,
)
from msl_network.wire.scanning import Scan
from msl_network.wire.terminal import parse_client, parse_typed

from .peers import PEER_TARGETS

__all__ = ["TARGETS"]

LIMIT = 6000
"""Most bytes of a line here: short, so that fuzzers find what happens above it."""


_LONG = re.compile(rb'[-+.0-9eE]{60}|"[^"]{50,}|"(?:[^"\\]|\\.){50,}')
"""What does not fit into a window here, and is not read in steps: a long number or name."""

DEPTH = 900
"""Most brackets of a text that `json` judges: where its limit is depends on who calls it."""


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)


def _feed(packets: list[bytes]) -> tuple[list[bytes], bool]:
    framer = Framer(LIMIT)
    lines: list[bytes] = []
    for packet in packets:
        try:
            lines += framer.feed(packet)
        except LineTooLongError:
            return lines, True
    return lines, False


def fuzz_lines(data: bytes) -> None:
    """A stream of bytes: its lines do not depend on the packets, and each is read or refused."""
    lines, too_long = _feed([data])
    size = 1 + len(data) % 7
    again, again_too_long = _feed([data[i : i + size] for i in range(0, len(data), size)])
    _expect(too_long == again_too_long, "only some packets make a line too long")
    _expect(too_long or lines == again, "the lines depend on the packets")
    for line in again:
        try:
            message = parse(line)
        except MessageError as error:
            error_line(ValueError(str(error)), uid=error.uid)
            if not error.is_json:
                _typed(line)
        else:
            _read(message)


def _read(message: Message) -> None:
    for read in (message.positional, message.keywords, message.value):
        # an integer of thousands of digits, or nested too deeply for where it is read
        with contextlib.suppress(ValueError):
            read()
    message.error_text()
    if message.attribute is None or message.is_reply:
        return
    passed = message_line(message, "Client[host:1]")
    _expect(passed.endswith(b"\r\n") and passed.count(b"\n") == 1, "more than one line")
    again = parse(passed[:-2])
    for name in ("attribute", "args", "kwargs"):
        _expect(
            _plain(getattr(again, name)) == _plain(getattr(message, name)),
            f"{name!r} changed on the way",
        )


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value
    text = bytes(value)  # type: ignore[call-overload]
    try:
        return repr(codec.decode(text))  # which may be written in more than one way
    except ValueError:
        return text


def fuzz_scan(data: bytes) -> None:
    """A line that is read in steps means what it means when it is read at once."""
    line = data.replace(b"\n", b" ")
    if not line or line.count(b"[") + line.count(b"{") > DEPTH or _LONG.search(line):
        return
    scan = Scan(line)
    scanned: Message | MessageError | None = None
    limits = scanning.WINDOW, scanning.MARGIN
    scanning.WINDOW, scanning.MARGIN = 128, 64
    try:
        while scanned is None:
            scanned = scan.step()
    except MessageError as error:
        scanned = error
    finally:
        scanning.WINDOW, scanning.MARGIN = limits
    try:
        message = parse(line)
    except MessageError:
        # a field that a Manager does not need may be anything
        return
    if isinstance(scanned, MessageError):
        raise AssertionError(f"only when read at once it is a message: {scanned}")
    for name in ("attribute", "service", "uid", "error", "requester"):
        _expect(getattr(scanned, name) == getattr(message, name), f"another {name!r}")
    for read in ("positional", "keywords", "value"):
        with contextlib.suppress(ValueError):
            expected = getattr(message, read)()
            _expect(repr(getattr(scanned, read)()) == repr(expected), f"other {read!r}")


def fuzz_codec(data: bytes) -> None:
    """Any text: what `json` reads is read as that, and comes back; the rest is a ValueError."""
    if data.count(b"[") + data.count(b"{") > DEPTH:
        with contextlib.suppress(ValueError):
            codec.decode(data)
        return
    try:
        value = codec.decode(data)
    except ValueError:
        try:
            json.loads(data.decode())
        except ValueError:
            return
        raise AssertionError("json reads it") from None
    expected = json.loads(data.decode())
    _expect(repr(value) == repr(expected), "json reads something else")
    text = codec.encode(value)
    _expect(b"\n" not in text and b"\r" not in text, "more than one line")
    _expect(repr(codec.decode(text)) == repr(value), "it does not come back")


def fuzz_handshake(data: bytes) -> None:
    """Any answers to what a Manager asks: a device is registered, or told why not."""
    for authentication in (Authentication.NONE, Authentication.PASSWORD, Authentication.LOGIN):
        handshake = ManagerHandshake(authentication, "Manager[host:1875]")
        answer: object = None
        for line in data.split(b"\n"):
            if handshake.question is None:
                break
            result_line(handshake.args)
            try:
                answer = read_answer(line)
            except UnicodeDecodeError:
                return
            handshake.accept(answer)
        if handshake.question is None:
            _identify(answer)


def _identify(answer: object) -> None:
    value = parse_client(answer) if isinstance(answer, str) else answer
    registry = Registry("Manager[host:1875]")
    try:
        identity = parse_identity(value)
        record = registry.add(f"{identity.name}[host:1]", "host:1", identity)
    except (TypeError, KeyError, NameError) as error:
        error_line(error)
        return
    # everybody who asks for the identities is sent this
    parse(written_line(result={identity.name: record.entry()})[:-2]).value()


def fuzz_terminal(data: bytes) -> None:
    """A line that a person types: a request, an identity, or neither."""
    _typed(data.replace(b"\n", b" "))


def _typed(line: bytes) -> None:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return
    identity = parse_client(text)
    if identity is not None:
        with contextlib.suppress(TypeError):  # its name has control characters, or is too long
            parse_identity(identity)
    message = parse_typed(text)
    if message is not None:
        _read(message)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "lines": fuzz_lines,
    "scan": fuzz_scan,
    "codec": fuzz_codec,
    "handshake": fuzz_handshake,
    "terminal": fuzz_terminal,
    **PEER_TARGETS,
}

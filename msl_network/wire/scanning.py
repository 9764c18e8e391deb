r"""A very long line read in steps, so that nobody else has to wait for it.

Reading 256 MiB takes a tenth of a second, and several seconds where `NaN` is in it, which needs
Python's `json`. A Manager has no use for the values: it wants to know what kind of message this is,
and that whoever it is passed on to can read it. So the text is checked with regular expressions, 64
kilobytes at a time, and where the fields begin and end is all that is kept.
"""

import codecs
import json
import re

import msgspec
from msgspec import Raw

from .messages import Message, MessageError, parse

__all__ = ["Scan"]

WINDOW = 64 * 1024
"""Bytes of a step, some milliseconds. No number and no name of a field can be longer."""

MARGIN = 4096
"""Bytes at the end of a window in which nothing new is begun, unless the line ends there."""

LEVELS = 3
"""Levels of nesting that a regular expression takes at once, such as rows of a table."""

TOKENS = 2000
"""Most brackets and other single things of a step, which are slower than what is between them."""

DEPTH = 900
"""Most levels of nesting, as in shorter lines, where it is Python's limit of recursion."""

FIELD_LIMIT = 64 * 1024
"""Most bytes of a name, a uid and whatever else is needed of a message but its values."""

_SPACE = rb"[ \t\n\r]*+"
_SCALAR = (
    rb"(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
    rb"|NaN|-?Infinity|true|false|null)"
)
_BODY = rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+'
_STRING = b'"' + _BODY + b'"'
_ATOM = b"(?:" + _SCALAR + b"|" + _STRING + b")" + _SPACE
_KEY = _STRING + _SPACE + b":" + _SPACE


def _nested(item: bytes, levels: int) -> bytes:
    if not levels:
        return item
    # behind each item there is the end, or a comma and no end
    array = rb"\[%b(?:%b(?:,%b(?!\])|(?=\])))*+\]" % (_SPACE, item, _SPACE)
    record = rb"\{%b(?:%b%b(?:,%b(?!\})|(?=\})))*+\}" % (_SPACE, _KEY, item, _SPACE)
    return _nested(b"(?:%b|(?:%b|%b)%b)" % (_ATOM, array, record, _SPACE), levels - 1)


_ITEM = _nested(_ATOM, LEVELS)

_space = re.compile(_SPACE)
_scalar = re.compile(_SCALAR)
_body = re.compile(_BODY)
_string = re.compile(_STRING)
_key = re.compile(b"(" + _STRING + b")" + _SPACE + b":" + _SPACE)
_items = re.compile(b"(?:" + _ITEM + b"," + _SPACE + b")*+")
_pairs = re.compile(b"(?:" + _KEY + _ITEM + b"," + _SPACE + b")*+")
_structure = re.compile(rb'["\[\]{}]')
_flat = msgspec.json.Decoder(Raw)

_BEGIN, _VALUE, _KEY_NEXT, _AFTER, _IN_STRING = range(5)
_ARRAY, _OBJ = ord("["), ord("{")
_NEEDED = ("attribute", "service", "uid", "error", "requester")


class Scan:
    """Reads one line, a step at a time.

    Args:
        line: The line. It must not change afterwards.
    """

    def __init__(self, line: bytes) -> None:
        self._line = line
        self._position = 0
        self._state = _BEGIN
        self._stack = bytearray()
        self._fresh = False  # whether the innermost array or object has nothing in it yet
        self._field = ""
        self._start = 0
        self._fields: dict[str, tuple[int, int]] = {}
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    def step(self) -> Message | None:
        """Read on.

        Returns:
            The message; None while there is more to read.

        Raises:
            MessageError: It is not JSON, not UTF-8, no object, or a field has a wrong type.
        """
        start = self._position
        end = min(start + WINDOW, len(self._line))
        self._advance(start, end)
        last = self._position == len(self._line)
        try:
            self._utf8.decode(bytes(memoryview(self._line)[start : self._position]), final=last)
        except UnicodeDecodeError as error:
            raise self._error(f"The message is not UTF-8: {error.reason}", is_json=False) from None
        if not last:
            return None
        if self._stack or self._state != _AFTER:
            raise self._error("The message is not JSON: it ends too early", is_json=False)
        return self._message()

    # --- one step ------------------------------------------------------------------------

    def _advance(self, start: int, end: int) -> None:
        last = end == len(self._line)
        position = self._skip_space(start, end)
        for _ in range(TOKENS):
            if position == end or (not last and end - position < MARGIN and position > start):
                break
            before = position
            position = self._token(position, end)
            if position == before:
                # it does not fit into what is left of the window
                if last or before == start:
                    raise self._unexpected(before)
                break
            position = self._skip_space(position, end)
        self._position = position

    def _skip_space(self, position: int, end: int) -> int:
        if self._state == _IN_STRING:
            return position
        return _space.match(self._line, position, end).end()  # type: ignore[union-attr]

    def _token(self, position: int, end: int) -> int:
        """Take the next thing; returns where it ends, which is where it begins if it is none."""
        line, state, stack = self._line, self._state, self._stack
        if state == _IN_STRING:
            position = _body.match(line, position, end).end()  # type: ignore[union-attr]
            if line[position : position + 1] == b'"' and position < end:
                return self._value_ends(position + 1)
            return position
        if not stack:
            if state != _BEGIN or line[position] != _OBJ:
                raise self._unexpected(position)
            return self._open(position)
        array = stack[-1] == _ARRAY
        char = line[position]
        if state == _AFTER:
            if char == ord(","):
                self._state = _VALUE if array else _KEY_NEXT
                return position + 1
            return self._close(position)
        if self._fresh and char == (ord("]") if array else ord("}")):
            return self._close(position)
        if state == _KEY_NEXT:
            return self._name(position, end)
        if array and (after := self._run(position, end)) > position:
            self._fresh = False
            return after
        return self._value(position, end)

    def _run(self, position: int, end: int) -> int:
        # items with a comma behind each, as many as there are
        line = self._line
        structure = _structure.search(line, position, end)
        flat = line.rfind(b",", position, structure.start() if structure else end)
        if flat - position > MARGIN:
            try:
                # an order of magnitude faster, and does not read NaN
                _flat.decode(b"[" + line[position:flat] + b"]")
                return flat + 1
            except ValueError:
                pass
        return _items.match(line, position, end).end()  # type: ignore[union-attr]

    def _name(self, position: int, end: int) -> int:
        line = self._line
        if len(self._stack) > 1:
            after = _pairs.match(line, position, end).end()  # type: ignore[union-attr]
            if after > position:
                self._fresh = False
                return after
        match = _key.match(line, position, end)
        if match is None:
            return position
        if len(self._stack) == 1:
            self._field = json.loads(match[1].decode(errors="replace"))
        self._fresh = False
        self._state = _VALUE
        return match.end()

    def _value(self, position: int, end: int) -> int:
        line = self._line
        char = line[position]
        if len(self._stack) == 1:
            self._start = position
        if char in (_ARRAY, _OBJ):
            return self._open(position)
        self._fresh = False
        if char == ord('"'):
            match = _string.match(line, position, end)
            if match is None:
                self._state = _IN_STRING
                return position + 1
        else:
            match = _scalar.match(line, position, end)
            # a number may go on behind the window, after its `e+` too
            if match is None or (match.end() > end - 3 and end < len(line)):
                return position
        return self._value_ends(match.end())

    def _open(self, position: int) -> int:
        if len(self._stack) == DEPTH:
            raise self._error("The JSON text is nested too deeply")
        self._stack.append(self._line[position])
        self._state = _VALUE if self._stack[-1] == _ARRAY else _KEY_NEXT
        self._fresh = True
        return position + 1

    def _close(self, position: int) -> int:
        closes = ord("]") if self._stack[-1] == _ARRAY else ord("}")
        if self._line[position] != closes:
            raise self._unexpected(position)
        self._stack.pop()
        self._fresh = False
        return self._value_ends(position + 1)

    def _value_ends(self, position: int) -> int:
        self._state = _AFTER
        if len(self._stack) == 1:
            self._fields[self._field] = (self._start, position)
        return position

    # --- what it means -------------------------------------------------------------------

    def _message(self) -> Message:
        for name in _NEEDED:
            start, end = self._fields.get(name, (0, 0))
            if end - start > FIELD_LIMIT:
                raise self._error(f"`{name}` is larger than {FIELD_LIMIT} bytes")
        try:
            message = parse(self._envelope(_NEEDED))
        except MessageError as error:
            raise self._error(str(error)) from None
        view = memoryview(self._line)
        for name, first in (("args", _ARRAY), ("kwargs", _OBJ), ("result", None)):
            if name in self._fields:
                start, end = self._fields[name]
                if first is not None and view[start] != first:
                    raise self._error("`args` must be an array and `kwargs` an object")
                setattr(message, name, Raw(view[start:end]))
        return message

    def _envelope(self, names: tuple[str, ...]) -> bytes:
        fields = []
        for name in names:
            if name in self._fields:
                start, end = self._fields[name]
                fields.append(b'"%b":%b' % (name.encode(), self._line[start:end]))
        return b"{" + b",".join(fields) + b"}"

    def _error(self, text: str, *, is_json: bool = True) -> MessageError:
        uid = ""
        start, end = self._fields.get("uid", (0, 0))
        if end - start <= FIELD_LIMIT:
            try:
                uid = parse(self._envelope(("uid",))).uid or ""
            except MessageError:
                uid = ""
        return MessageError(text, uid=uid, is_json=is_json, is_reply="result" in self._fields)

    def _unexpected(self, position: int) -> MessageError:
        what = ascii(bytes(self._line[position : position + 10]))[2:-1] or "the end"
        return self._error(
            f"The message is not JSON: unexpected {what} at byte {position}", is_json=False
        )

"""JSON text from Python values and back, without a loss.

What 1.x peers send with Python's `json` must arrive unharmed: `NaN`, `Infinity` and `-Infinity`
as bare literals, integers of any number of digits. `msgspec` is an order of magnitude faster
than `json`, keeps long integers exact, but refuses those literals and writes `null` instead
of them. So it does the work, and `json` what it can't do:

* a text that msgspec refuses is given to `json`, which decides;
* only a text with `null` in it can have lost a NaN, so it is written again by `json`.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

__all__ = ["assemble", "decode", "encode", "plain", "use_backend"]


def plain(value: Any) -> Any:
    """A value that JSON has no word for, as one that it has.

    Args:
        value: An object with a callable `to_json()`, a NumPy scalar or array (or anything else
            that has `dtype` and `tolist()`), a subclass of a built-in type, or what msgspec
            can take apart (dataclasses, sets, dates, enumerations, bytes as Base64 text).

    Raises:
        TypeError: It is none of these.
    """
    to_json = getattr(value, "to_json", None)
    if callable(to_json):
        return to_json()
    if hasattr(value, "dtype") and callable(getattr(value, "tolist", None)):
        return value.tolist()
    if isinstance(value, Decimal):
        # the number that msgspec writes for it
        text = str(value)
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    kind: Any
    for kind in (float, int, str, dict, list, tuple):
        # one that is of the type itself is the key of an object, which must be text
        if isinstance(value, kind) and type(value) is not kind:
            return kind(value)

    def inner(item: Any) -> Any:
        if item is value:
            raise TypeError  # msgspec does not know it either
        return plain(item)

    try:
        result = msgspec.to_builtins(value, enc_hook=inner)
    except TypeError:
        result = value
    if result is value or isinstance(value, list | tuple | dict):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return result


_encoder = msgspec.json.Encoder(enc_hook=plain, decimal_format="number")
_decoder = msgspec.json.Decoder()
_writer = json.JSONEncoder(separators=(",", ":"), default=plain)


def _write(value: Any) -> bytes:
    try:
        return _writer.encode(value).encode()
    except TypeError as error:
        # keys that only msgspec takes, such as dates
        try:
            value = msgspec.to_builtins(
                value, enc_hook=plain, builtin_types=(Decimal,), str_keys=True
            )
        except TypeError:
            raise error from None
        return _writer.encode(value).encode()


def _encode(value: Any) -> bytes:
    try:
        try:
            text = _encoder.encode(value)
        except (TypeError, UnicodeEncodeError):
            # keys that only `json` takes (None, True), lone surrogates, or nothing for JSON at all
            return _write(value)
        if b"null" in text:
            return _write(value)
    except RecursionError:
        raise ValueError("The value is nested too deeply, or contains itself") from None
    return text


def _decode(text: bytes | memoryview) -> Any:
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise ValueError("The JSON text is nested too deeply") from None
    except ValueError:
        try:
            # of bytes, `json` would take UTF-16 and halves of surrogate pairs, too
            return json.loads(str(text, "utf-8"))
        except RecursionError:
            raise ValueError("The JSON text is nested too deeply") from None


_backend: tuple[Callable[[Any], bytes], Callable[[bytes | memoryview], Any]] = (_encode, _decode)


def use_backend(
    dumps: Callable[[Any], str | bytes] | None, loads: Callable[[bytes], Any] | None
) -> None:
    """Let another library do the work; None for both restores this one."""
    global _backend
    if dumps is None or loads is None:
        _backend = (_encode, _decode)
        return

    def write(value: Any) -> bytes:
        text = dumps(value)
        return text if isinstance(text, bytes) else text.encode()

    def read(text: bytes | memoryview) -> Any:
        return loads(bytes(text))

    _backend = (write, read)


def encode(value: Any) -> bytes:
    """Write a value as JSON in UTF-8, on one line.

    Raises:
        TypeError: JSON has no word for something in it.
        ValueError: It contains itself.
    """
    return _backend[0](value)


def assemble(value: Any) -> bytes:
    """Write a value of which each part that may be large is a `msgspec.Raw`, written by `encode`.

    Nothing is looked for in it: what else there is of numbers is finite, and its text is Unicode.
    """
    return _encoder.encode(value)


def decode(text: bytes | memoryview) -> Any:
    """Read a value from JSON in UTF-8.

    Raises:
        ValueError: It is not JSON, not UTF-8, or nested too deeply.
    """
    return _backend[1](text)

"""Which library reads and writes JSON.

The default is this package's own way (msgspec, with Python's `json` for what that can't do),
which is the fastest here and loses neither NaN nor a digit of a long integer. Other libraries can
be chosen as in 1.x, in a program with `use` or for all programs with the environment variable
MSL_NETWORK_JSON; with ujson and orjson, NaN and integers above 64 bits are what those make of
them.
"""

import importlib
import os
from enum import Enum
from typing import Any

from .wire import codec

__all__ = ["Package", "deserialize", "serialize", "use"]


class Package(Enum):
    """The libraries to choose from; each has an alias, as in 1.x."""

    BUILTIN = "BUILTIN"
    JSON = "BUILTIN"  # noqa: PIE796
    ULTRA = "ULTRA"
    UJSON = "ULTRA"  # noqa: PIE796
    RAPID = "RAPID"
    RAPIDJSON = "RAPID"  # noqa: PIE796
    SIMPLE = "SIMPLE"
    SIMPLEJSON = "SIMPLE"  # noqa: PIE796
    OR = "OR"
    ORJSON = "OR"  # noqa: PIE796


_MODULES: dict[Package, tuple[str, dict[str, Any]]] = {
    Package.ULTRA: (
        "ujson",
        {"ensure_ascii": False, "encode_html_chars": False, "escape_forward_slashes": False},
    ),
    Package.RAPID: ("rapidjson", {"ensure_ascii": False}),
    Package.SIMPLE: ("simplejson", {"ensure_ascii": False, "allow_nan": True}),
    Package.OR: ("orjson", {}),
}


def use(value: Package | str) -> None:
    """Choose the library that reads and writes JSON in this process.

    Args:
        value: A member of `Package`, or its name in any case.

    Raises:
        ValueError: There is no such member.
        ImportError: The library is not installed.
    """
    if isinstance(value, str):
        try:
            value = Package[value.upper()]
        except KeyError:
            names = ", ".join(Package.__members__)
            raise ValueError(f"Unknown JSON package {value!r}. Must be one of {names}") from None
    if value is Package.BUILTIN:
        codec.use_backend(None, None)
        return
    name, options = _MODULES[value]
    module = importlib.import_module(name)
    codec.use_backend(lambda obj: module.dumps(obj, **options), module.loads)


def serialize(obj: Any) -> str:
    """Write an object as JSON text.

    Raises:
        TypeError: JSON has no word for something in it.
    """
    return codec.encode(obj).decode()


def deserialize(s: str | bytes | bytearray) -> Any:
    """Read an object from JSON text.

    Raises:
        ValueError: It is not JSON.
    """
    return codec.decode(s.encode() if isinstance(s, str) else bytes(s))


use(os.environ.get("MSL_NETWORK_JSON") or Package.BUILTIN)

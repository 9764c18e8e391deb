"""Lines that a person types instead of JSON, on `openssl s_client` or `nc`."""

import ast
import re
import warnings

from msgspec import Raw

from ..constants import DISCONNECT_REQUEST, MANAGER
from .codec import encode
from .messages import Message

__all__ = ["parse_client", "parse_typed"]

_WORDS = {"true": True, "false": False, "null": None, "none": None}

# a word: quoted parts keep their spaces, and may follow a name and an equals sign
_ITEM = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
_NAME = re.compile(r"([^\W\d]\w*)\s*=\s*", re.ASCII)
_SPACED_EQUALS = re.compile(r"""("[^"]*"|'[^']*')|(?<!\s)\s*=\s*""")


def parse_client(line: str) -> dict[str, str] | None:
    """Read `client` or `client Some Name`, the identity of a person at a terminal."""
    words = line.replace('"', "").replace("'", "").split()
    if not words or words[0].lower() != "client":
        return None
    return {
        "type": "client",
        "name": " ".join(words[1:]) or "Client",
        "language": "unknown",
        "os": "unknown",
    }


def parse_typed(line: str) -> Message | None:
    """Read a request that a person typed.

    Returns:
        The request, or None if the line is not one.
    """
    line = line.strip()
    lowered = line.lower()
    if lowered == "identity":
        return Message(service=MANAGER, attribute="identity")
    if lowered in ("disconnect", "exit", DISCONNECT_REQUEST):
        return Message(service="self", attribute=DISCONNECT_REQUEST)
    items = _items(line)
    if len(items) < 2 or line.lstrip("\ufeff").startswith("{"):
        return None  # what begins like an object is JSON with a mistake
    if items[0].lower() == "link":
        name = line[len(items[0]) :].strip().replace('"', "").replace("'", "")
        return Message(service=MANAGER, attribute="link", args=Raw(encode([name])))
    args: list[bytes] = []
    kwargs: dict[str, bytes] = {}
    for item in items[2:]:
        if keyword := _NAME.match(item):
            kwargs[keyword[1]] = _value(item[keyword.end() :])
        else:
            args.append(_value(item))
    return Message(
        service=_unquote(items[0]),
        attribute=_unquote(items[1]),
        args=Raw(b"[%b]" % b",".join(args)),
        kwargs=Raw(b"{%b}" % b",".join(b'"%b":%b' % (k.encode(), v) for k, v in kwargs.items())),
    )


def _items(line: str) -> list[str]:
    tight = _SPACED_EQUALS.sub(lambda m: m[1] or "=", line)
    return _ITEM.findall(tight)


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _value(text: str) -> bytes:
    """What a word means, as JSON."""
    if text.lower() in _WORDS:
        return encode(_WORDS[text.lower()])
    try:
        with warnings.catch_warnings():
            # what a compiler thinks of `1or` or "\\d" is nothing for the Manager's own output
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            return encode(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return encode(_unquote(text))

"""A value as a short text, as Python source, and as text that is safe in HTML."""

import html
import math
from typing import Any, Final

from ...escaping import escaped

__all__ = [
    "CELL_LIMIT",
    "clipped",
    "is_number",
    "note",
    "quoted",
    "source",
    "summary",
    "text_html",
    "written",
]

TEXT_LIMIT: Final = 10_000
"""Most characters of a text that are shown: some two hundred lines."""

LINES: Final = 40
"""Most lines of a text that can't be folded."""

CELL_LIMIT: Final = 200
"""Most characters of a table's cell that are shown."""

DIGITS: Final = 1000
"""Most digits of an integer that are shown."""


def is_number(value: Any) -> bool:
    """Whether a value is an integer or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def quoted(text: str) -> str:
    """A text for HTML: nothing in it is markup, and no character acts."""
    return html.escape(escaped(text.replace("\r\n", "\n"), keep="\n\t"))


def note(text: str) -> str:
    """A remark below a value; nothing, if the text is empty."""
    return f'<div class="msl-quiet">{quoted(text)}</div>' if text else ""


def written(value: int | float) -> str:
    """A number with all its digits, unless it is an integer with a thousand of them."""
    if isinstance(value, float):
        # that of a subclass, as numpy's is, would have the name of its class in it
        return float.__repr__(value)
    if value.bit_length() > DIGITS * math.log2(10):
        return f"an integer of about {int(value.bit_length() * math.log10(2)) + 1} digits"
    return int.__repr__(value)


def summary(value: Any, limit: int = CELL_LIMIT) -> str:
    """A value in one line of text.

    Args:
        value: The value.
        limit: Most characters.
    """
    if isinstance(value, str):
        # cut before it is quoted, which takes its time for a long one
        text = repr(value[:limit])
        return text if len(value) <= limit and len(text) <= limit else f"{text[: limit - 1]}…"
    text = repr(clipped(value, 2, 10))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def source(value: Any) -> str:
    """A value as Python source.

    Args:
        value: A number, a text, None, or lists and dicts of such.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, dict):
        return f"{{{', '.join(f'{source(k)}: {source(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(source, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(source, value))}{',' * (len(value) == 1)})"
    return repr(value)


class _Omitted:
    """What stands for the items that are not shown."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def clipped(value: Any, depth: int, items: int) -> Any:
    """A copy of a value that is small enough to be written.

    Args:
        value: The value.
        depth: Levels of nested data that are kept.
        items: Most items of each list and dict that are kept.
    """
    if isinstance(value, str):
        if len(value) <= CELL_LIMIT:
            return value
        return _Omitted(f"{value[:CELL_LIMIT]!r}… ({len(value)} characters)")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _Omitted(written(value))
    if isinstance(value, list | tuple):
        if value and depth == 0:
            return _Omitted(f"[… {len(value)} items]")
        copy: list[Any] = [clipped(item, depth - 1, items) for item in value[:items]]
        if len(value) > items:
            copy.append(_Omitted(f"… {len(value) - items} more"))
        return copy if isinstance(value, list) else tuple(copy)
    if isinstance(value, dict):
        if value and depth == 0:
            return _Omitted(f"{{… {len(value)} items}}")
        names = list(value)[:items]
        pairs: dict[Any, Any] = {
            clipped(name, 0, items): clipped(value[name], depth - 1, items) for name in names
        }
        if len(value) > items:
            pairs[_Omitted("…")] = _Omitted(f"{len(value) - items} more")
        return pairs
    if isinstance(value, bytes | bytearray):
        if len(value) <= CELL_LIMIT:
            return bytes(value)
        return _Omitted(f"{bytes(value[:CELL_LIMIT])!r}… ({len(value)} bytes)")
    return _Omitted(repr(value)[:CELL_LIMIT])


def text_html(value: str) -> str:
    """A text as it is; a long one can be folded.

    Args:
        value: The text.
    """
    if not value:
        return '<span class="msl-value msl-quiet">an empty text</span>'
    shown = f'<pre class="msl-value">{quoted(value[:TEXT_LIMIT])}</pre>'
    lines = len(value.splitlines())
    if lines > LINES or len(value) > TEXT_LIMIT:
        size = f"{lines:,} lines, {len(value):,} characters"
        if len(value) > TEXT_LIMIT:
            size += f", the first {TEXT_LIMIT:,} of them:"
        shown = f"<details open><summary>{size}</summary>{shown}</details>"
    return shown

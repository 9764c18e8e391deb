"""A value that came over the network as HTML: of a bounded size, none of its text as markup."""

import html
import math
import pprint
import statistics
from typing import Any, Final

__all__ = ["source", "summary", "to_html"]

TEXT_LIMIT: Final = 10_000
"""Most characters of a text that are shown: some two hundred lines."""

ROWS: Final = 30
"""Most rows of a table, and items of a list, that are shown."""

COLUMNS: Final = 12
"""Most columns of a table that are shown."""

CELL_LIMIT: Final = 200
"""Most characters of a table's cell that are shown."""

ONE_LINE: Final = 72
"""Most characters of a list that is shown as it is."""

DEPTH: Final = 4
"""Levels of nested data that are shown."""

DIGITS: Final = 1000
"""Most digits of an integer that are shown."""


def to_html(value: Any) -> str:
    """Show a value.

    Numbers and texts stand as they are, many of them as how many there are and a part of them;
    what has names as a table; what is nested is folded.

    Args:
        value: The value.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict) and value:
        return _named(value)
    line = repr(_clipped(value, 2 * DEPTH, ROWS))
    if isinstance(value, list | tuple) and (len(line) > ONE_LINE or _is_records(value)):
        return _several(value)
    return f'<span class="msl-value">{html.escape(line)}</span>'


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
    text = repr(_clipped(value, 2, 10))
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


def _clipped(value: Any, depth: int, items: int) -> Any:
    """A copy of a value that is small enough to be written."""
    if isinstance(value, str):
        if len(value) <= CELL_LIMIT:
            return value
        return _Omitted(f"{value[:CELL_LIMIT]!r}… ({len(value)} characters)")
    if isinstance(value, int) and value.bit_length() > 3 * DIGITS:
        return _Omitted(f"an integer of about {int(value.bit_length() * math.log10(2)) + 1} digits")
    if isinstance(value, list | tuple):
        if value and depth == 0:
            return _Omitted(f"[… {len(value)} items]")
        copy: list[Any] = [_clipped(item, depth - 1, items) for item in value[:items]]
        if len(value) > items:
            copy.append(_Omitted(f"… {len(value) - items} more"))
        return copy if isinstance(value, list) else tuple(copy)
    if isinstance(value, dict):
        if value and depth == 0:
            return _Omitted(f"{{… {len(value)} items}}")
        names = list(value)[:items]
        pairs: dict[Any, Any] = {
            _clipped(name, 0, items): _clipped(value[name], depth - 1, items) for name in names
        }
        if len(value) > items:
            pairs[_Omitted("…")] = _Omitted(f"{len(value) - items} more")
        return pairs
    if isinstance(value, bytes | bytearray):
        return value[:CELL_LIMIT]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _Omitted(repr(value)[:CELL_LIMIT])


def _text(value: str) -> str:
    if not value:
        return '<span class="msl-value msl-quiet">an empty text</span>'
    shown = html.escape(value[:TEXT_LIMIT])
    more = f"… {len(value)} characters in all" if len(value) > TEXT_LIMIT else ""
    return f'<pre class="msl-value">{shown}</pre>{_note(more)}'


def _note(text: str) -> str:
    return f'<div class="msl-quiet">{html.escape(text)}</div>' if text else ""


def _cell(value: Any) -> str:
    if isinstance(value, str):
        more = "…" if len(value) > CELL_LIMIT else ""
        return f"<td>{html.escape(value[:CELL_LIMIT])}{more}</td>"
    if isinstance(value, dict | list | tuple) and len(repr(_clipped(value, 2, 10))) > 60:
        return f"<td>{_folded(value)}</td>"
    number = ' class="msl-number"' if _is_number(value) else ""
    return f"<td{number}>{html.escape(summary(value))}</td>"


def _folded(value: Any) -> str:
    written = pprint.pformat(_clipped(value, DEPTH, 10), width=80, sort_dicts=False)[:2000]
    kind = "names" if isinstance(value, dict) else "items"
    return (
        f"<details><summary>{len(value)} {kind}</summary>"
        f"<pre>{html.escape(written)}</pre></details>"
    )


def _table(head: list[str], rows: list[str], note: str = "") -> str:
    titles = "".join(f'<th scope="col">{html.escape(title[:CELL_LIMIT])}</th>' for title in head)
    top = f"<thead><tr>{titles}</tr></thead>" if head else ""
    return (
        f'<div class="msl-scroll"><table class="msl-table">{top}'
        f"<tbody>{''.join(rows)}</tbody></table></div>{_note(note)}"
    )


def _named(value: dict[Any, Any]) -> str:
    names = list(value)[:ROWS]
    rows = [
        f'<tr><th scope="row">{html.escape(str(name)[:CELL_LIMIT])}</th>{_cell(value[name])}</tr>'
        for name in names
    ]
    return _table([], rows, _more(len(value), "names"))


def _more(count: int, things: str) -> str:
    return f"the first {ROWS} of {count} {things}" if count > ROWS else ""


def _several(value: list[Any] | tuple[Any, ...]) -> str:
    if all(map(_is_number, value)):
        return _numbers(value)
    if _is_records(value):
        columns = list(dict.fromkeys(name for item in value[:ROWS] for name in item))
        rows = [
            "<tr>"
            + "".join(_cell(item[c]) if c in item else "<td></td>" for c in columns[:COLUMNS])
            + "</tr>"
            for item in value[:ROWS]
        ]
        return _table([str(c) for c in columns[:COLUMNS]], rows, _size(value, len(columns)))
    if all(isinstance(item, list | tuple) and item for item in value) and len(value) > 1:
        width = max(len(item) for item in value[:ROWS])
        rows = ["<tr>" + "".join(map(_cell, item[:COLUMNS])) + "</tr>" for item in value[:ROWS]]
        return _table([], rows, _size(value, width))
    rows = [
        f'<tr><th scope="row">{index}</th>{_cell(item)}</tr>'
        for index, item in enumerate(value[:ROWS])
    ]
    return _table([], rows, _more(len(value), "items"))


def _size(value: list[Any] | tuple[Any, ...], columns: int) -> str:
    cut = len(value) > ROWS or columns > COLUMNS
    return f"a part of {len(value)} rows and {columns} columns" if cut else ""


def _is_records(value: list[Any] | tuple[Any, ...]) -> bool:
    return bool(value) and all(isinstance(item, dict) and item for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(value: list[Any] | tuple[Any, ...]) -> str:
    if len(value) <= ROWS:
        text = f"[{', '.join(summary(item) for item in value)}]"
        return f'<span class="msl-value">{html.escape(text)}</span>'
    half = ROWS // 3
    first, last = ([summary(item) for item in part] for part in (value[:half], value[-half:]))
    text = f"[{', '.join([*first, '…', *last])}]"
    finite = [item for item in value if isinstance(item, int) or math.isfinite(item)]
    note = f"{len(value)} numbers"
    try:
        if finite:
            mean = statistics.fmean(finite)
            note += f": minimum {min(finite):.6g}, maximum {max(finite):.6g}, mean {mean:.6g}"
    except OverflowError:
        pass  # integers beyond what a float can be
    if len(finite) < len(value):
        note += f"; {len(value) - len(finite)} of them not finite"
    return f'<span class="msl-value">{html.escape(text)}</span>{_note(note)}'

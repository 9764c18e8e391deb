"""Tables, and what is nested."""

import pprint
from collections.abc import Iterable, Sequence
from typing import Any, Final

from .picture import picture_html, picture_of
from .text import CELL_LIMIT, clipped, is_number, note, quoted, summary

__all__ = ["DEPTH", "ROWS", "cell", "items_html", "named_html", "table_html"]

ROWS: Final = 30
"""Most rows of a table, and items of a list, that are shown."""

COLUMNS: Final = 12
"""Most columns of a table that are shown."""

DEPTH: Final = 4
"""Levels of nested data that are shown."""

PICTURES: Final = 4
"""Most pictures of a table that are shown."""

FOLDED: Final = 6
"""Most items of each list and dict of nested data that are shown."""

FOLDED_FROM: Final = 60
"""Characters from which on nested data is folded."""


def named_html(value: dict[Any, Any]) -> str:
    """What has names: a row for each, with pictures.

    Args:
        value: Values by their name.
    """
    rows, pictures = [], 0
    for name in list(value)[:ROWS]:
        picture = picture_of(value[name]) if pictures < PICTURES else None
        pictures += picture is not None
        shown = (
            cell(value[name]) if picture is None else f"<td>{picture_html(picture, str(name))}</td>"
        )
        rows.append(f'<tr><th scope="row">{quoted(str(name)[:CELL_LIMIT])}</th>{shown}</tr>')
    return table_html([], rows, _first(len(value), "names"))


def items_html(value: Sequence[Any]) -> str:
    """Several values: dicts as the rows of a table, lists as well, what else there is by its place.

    Args:
        value: The values.
    """
    if value and all(isinstance(item, dict) and item for item in value):
        columns = list(dict.fromkeys(name for item in value[:ROWS] for name in item))
        rows = [
            "<tr>"
            + "".join(cell(item[c]) if c in item else "<td></td>" for c in columns[:COLUMNS])
            + "</tr>"
            for item in value[:ROWS]
        ]
        return table_html([str(c) for c in columns[:COLUMNS]], rows, _size(value, len(columns)))
    if len(value) > 1 and all(isinstance(item, list | tuple) and item for item in value):
        width = max(len(item) for item in value[:ROWS])
        rows = ["<tr>" + "".join(map(cell, item[:COLUMNS])) + "</tr>" for item in value[:ROWS]]
        return table_html([], rows, _size(value, width))
    rows = [
        f'<tr><th scope="row">{index}</th>{cell(item)}</tr>'
        for index, item in enumerate(value[:ROWS])
    ]
    return table_html([], rows, _first(len(value), "items"))


def cell(value: Any) -> str:
    """A value as a cell of a table.

    Args:
        value: The value.
    """
    if isinstance(value, str):
        more = "…" if len(value) > CELL_LIMIT else ""
        return f"<td>{quoted(value[:CELL_LIMIT])}{more}</td>"
    nested = isinstance(value, dict | list | tuple)
    text = repr(clipped(value, 2, 10)) if nested else ""
    if len(text) > FOLDED_FROM or "…" in text:
        return f"<td>{_folded(value)}</td>"
    number = ' class="msl-number"' if is_number(value) else ""
    return f"<td{number}>{quoted(summary(value))}</td>"


def table_html(
    head: Sequence[str], rows: Iterable[str], remark: str = "", *, at_end: bool = False
) -> str:
    """A table that scrolls.

    Args:
        head: The titles of the columns; none for a table without.
        rows: The rows, in HTML.
        remark: What to say below it.
        at_end: Whether its end is seen, and not its beginning.
    """
    titles = "".join(f'<th scope="col">{quoted(title[:CELL_LIMIT])}</th>' for title in head)
    top = f"<thead><tr>{titles}</tr></thead>" if head else ""
    where = "msl-scroll msl-at-end" if at_end else "msl-scroll"
    return (
        f'<div class="{where}" tabindex="0"><table class="msl-table">{top}'
        f"<tbody>{''.join(rows)}</tbody></table></div>{note(remark)}"
    )


def _folded(value: dict[Any, Any] | Sequence[Any]) -> str:
    text = pprint.pformat(clipped(value, DEPTH, FOLDED), width=80, sort_dicts=False)[:2000]
    kind = "names" if isinstance(value, dict) else "items"
    return (
        f"<details><summary>{len(value):,} {kind} "
        f'<span class="msl-quiet">{quoted(summary(value, FOLDED_FROM))}</span></summary>'
        f"<pre>{quoted(text)}</pre></details>"
    )


def _first(count: int, things: str) -> str:
    return f"the first {ROWS} of {count:,} {things}" if count > ROWS else ""


def _size(value: Sequence[Any], columns: int) -> str:
    cut = len(value) > ROWS or columns > COLUMNS
    return f"a part of {len(value):,} rows and {columns:,} columns" if cut else ""

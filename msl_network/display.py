"""How things look as a cell's result: what each says of itself, as HTML and as text.

IPython asks an object for `_repr_mimebundle_`; that is all that is known of it here. The HTML reads
well without its styles, which GitHub takes away, and in a dark theme; none of what comes from the
network is markup in it. `msl_network.notebook` adds a widget.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from .escaping import escaped

__all__ = [
    "Description",
    "Displayed",
    "Table",
    "attributes_table",
    "set_widget",
    "to_html",
    "to_text",
]

ROWS: Final = 200
"""Most rows of a table."""

CELL: Final = 200
"""Most characters of a cell of a table, and of a line of text."""

DOC: Final = 4000
"""Most characters of a docstring, and of a text that is folded away: its end."""

VALUE: Final = 60
"""Most characters of a value beside its name."""

COLUMN: Final = 44
"""Most characters that are kept free for a column, where columns are made of characters."""

# GitHub takes `style` away and leaves `align`; the themes of JupyterLab do the contrary
_CELL: Final = 'align="left" style="text-align:left;vertical-align:top"'


@dataclass(frozen=True, slots=True)
class Table:
    """A table, whose first column is code.

    Attributes:
        head: The titles of the columns.
        rows: The rows; texts, with as many cells as there are titles.
    """

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Description:
    """What an object says of itself.

    Attributes:
        title: Its name.
        state: What it is, and how it is doing: goes on where the name ends.
        line: The same in one line of text, which begins the text; None for `title` and `state`.
        facts: What else is known of it, by name.
        doc: Its docstring, or the like.
        table: A table.
        folded: A title, and a long text that is folded away.
    """

    title: str
    state: str = ""
    line: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    doc: str = ""
    table: Table | None = None
    folded: tuple[str, str] | None = None


Widget: TypeAlias = Callable[[Any], dict[str, Any] | None]

_widget: Widget | None = None


def set_widget(widget: Widget | None) -> None:
    """Choose what else an object is shown as.

    Args:
        widget: Called with an object; returns a mimebundle, or None if it has no widget for it.
            None for no widgets at all.
    """
    global _widget
    _widget = widget


class Displayed:
    """An object that says of itself what a cell's result shows."""

    __slots__ = ()

    def _repr_description_(self) -> Description:
        """What the object says of itself, without asking anybody for long."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What IPython shows."""
        description = self._repr_description_()
        bundle = {"text/plain": to_text(description), "text/html": to_html(description)}
        return {**bundle, **((_widget and _widget(self)) or {})}


def attributes_table(attributes: dict[str, Any], docs: dict[str, str]) -> Table:
    """What a Service offers.

    Args:
        attributes: The signatures or values, by name; `...` for a value that nobody has asked for.
        docs: The docstrings, by name.
    """
    rows = [
        (f"{name}{_offer(offer)}", docs.get(name, "").partition("\n")[0])
        for name, offer in sorted(attributes.items())
    ]
    return Table(("Attribute", "Description"), rows)


def _offer(offer: Any) -> str:
    if isinstance(offer, str) and offer.startswith("("):
        return offer
    try:
        return " = …" if offer is ... else f" = {_cut(repr(offer), VALUE)}"
    except ValueError:
        return " = an integer of very many digits"


# --- as HTML ---------------------------------------------------------------------------------


def to_html(description: Description) -> str:
    """Write what an object says of itself as HTML.

    Args:
        description: What it says.
    """
    import html

    def shown(text: str, *, keep: str = "") -> str:
        return html.escape(escaped(text, keep=keep))

    def pre(text: str) -> str:
        style = "white-space:pre-wrap;margin:0.3em 0 0.8em;max-height:24em;overflow:auto"
        return f'<pre style="{style}">{shown(text, keep=_LINES)}</pre>'

    parts = [f"<p><b>{shown(description.title)}</b> {shown(description.state)}</p>"]
    if description.doc:
        parts.append(pre(_cut(description.doc, DOC)))
    if description.facts:
        facts = "".join(
            f'<tr><th scope="row" {_CELL}>{shown(name)}</th><td {_CELL}>{shown(_cut(fact))}</td>'
            "</tr>"
            for name, fact in description.facts.items()
        )
        parts.append(f"<table><tbody>{facts}</tbody></table>")
    if (table := description.table) is not None and table.rows:
        head = "".join(f'<th scope="col" {_CELL}>{shown(title)}</th>' for title in table.head)
        rows = "".join(
            f"<tr><td {_CELL}><code>{shown(_cut(first))}</code></td>"
            + "".join(f"<td {_CELL}>{shown(_cut(cell))}</td>" for cell in rest)
            + "</tr>"
            for first, *rest in table.rows[:ROWS]
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        if more := _more(table):
            parts.append(f"<p>{more}</p>")
    if description.folded is not None:
        title, text = description.folded
        parts.append(f"<details><summary>{shown(title)}</summary>{pre(_end(text))}</details>")
    return f"<div>{''.join(parts)}</div>"


# --- as text ---------------------------------------------------------------------------------

_LINES: Final = "\n\t"


def to_text(description: Description) -> str:
    """Write what an object says of itself as text.

    Args:
        description: What it says.
    """
    line = description.line
    first = f"{description.title} {description.state}" if line is None else line
    blocks = [escaped(first, keep=_LINES if line is not None else "")]
    if description.doc:
        blocks.append(_indented(escaped(_cut(description.doc, DOC), keep=_LINES)))
    if description.facts:
        blocks.append(_columns([(f"{name}:", fact) for name, fact in description.facts.items()]))
    if (table := description.table) is not None and table.rows:
        blocks.append(_columns([table.head, *table.rows[:ROWS]]))
        if more := _more(table):
            blocks.append(f"  {more}")
    if description.folded is not None:
        title, text = description.folded
        blocks.append(f"{escaped(title)}:\n\n{escaped(_end(text), keep=_LINES)}")
    return "\n\n".join(blocks)


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    cells = [[escaped(_cut(cell)) for cell in row] for row in rows]
    widths = [min(COLUMN, max(map(len, column))) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        line = ""
        for column, cell in enumerate(row):
            start = sum(widths[:column]) + 2 * (column + 1)
            if cell and len(line) > start - 2:
                # what is left of it is too long
                lines.append(line)
                line = ""
            line = line.ljust(start) + cell if cell else line
        lines.append(line)
    return "\n".join(line.rstrip() for line in lines)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.split("\n"))


def _more(table: Table) -> str:
    return f"… and {len(table.rows) - ROWS} more" if len(table.rows) > ROWS else ""


def _cut(text: str, most: int = CELL) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _end(text: str) -> str:
    return text if len(text) <= DOC else f"…{text[1 - DOC :]}"

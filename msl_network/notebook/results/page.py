"""Any value, in the form that suits it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .matrix import is_matrix, matrix_html
from .picture import picture_html, picture_of
from .series import Series, series_of, thinned
from .sketch import sketch_html
from .statistics import Statistics, statistics_html
from .table import DEPTH, ROWS, items_html, named_html, table_html
from .text import clipped, is_number, note, quoted, text_html, written
from .unit import unit_of

__all__ = ["Page", "page_of", "to_html"]

ONE_LINE: Final = 72
"""Most characters of a list that is shown as it is."""

NUMBERS: Final = 1000
"""Most numbers of a list that are written."""


@dataclass(frozen=True, slots=True)
class Page:
    """A value that is ready to be shown.

    Attributes:
        above: HTML: the value, or what the numbers of a plot have in common.
        plot: The numbers to plot; None for no plot.
        below: HTML: what is below the plot.
        unit: The unit of the numbers.
    """

    above: str
    plot: Series | None = None
    below: str = ""
    unit: str = ""


def to_html(value: Any, *, attribute: str = "", doc: str = "") -> str:
    """Show a value, also where no kernel is running.

    Numbers and texts stand as they are, many numbers with their statistics and a sketch; what has
    names as a table; a picture as a picture; what is nested is folded.

    Args:
        value: The value.
        attribute: The name of the method that returned it.
        doc: The docstring of that method.
    """
    page = page_of(value, attribute=attribute, doc=doc)
    sketch = "" if page.plot is None else sketch_html(page.plot)
    return f"{page.above}{sketch}{page.below}"


def page_of(value: Any, *, attribute: str = "", doc: str = "") -> Page:
    """Find the form that suits a value. It takes a while for a large one.

    Args:
        value: The value.
        attribute: The name of the method that returned it.
        doc: The docstring of that method.
    """
    value = _plain(value)
    unit = unit_of(attribute, doc)
    if is_number(value):
        return Page(_value(written(value), unit))
    picture = picture_of(value)
    if picture is not None:
        return Page(picture_html(picture, attribute))
    if isinstance(value, str):
        return Page(text_html(value))
    if is_matrix(value):
        fold = _folded("The numbers", items_html(value))
        return Page(matrix_html(value, unit, attribute) + fold)
    series = series_of(value)
    if series is not None:
        return _plotted(value, series, unit)
    if isinstance(value, dict) and value:
        return Page(named_html(value))
    line = repr(clipped(value, 2 * DEPTH, ROWS))
    if isinstance(value, list | tuple):
        if value and all(map(is_number, value)):
            return Page(_value(line, unit))
        if len(line) > ONE_LINE or (value and all(isinstance(item, dict) for item in value)):
            return Page(items_html(value))
    return Page(_value(line))


def _plain(value: Any) -> Any:
    """What a program may give besides what comes over the network: arrays."""
    if hasattr(value, "dtype") and callable(getattr(value, "tolist", None)):
        return value.tolist()
    if isinstance(value, dict):
        return {
            name: _plain(item) if hasattr(item, "dtype") else item for name, item in value.items()
        }
    return value


def _value(text: str, unit: str = "") -> str:
    of = f'\N{NO-BREAK SPACE}<span class="msl-unit">{quoted(unit)}</span>' if unit else ""
    return f'<span class="msl-value">{quoted(text)}</span>{of}'


def _folded(title: str, content: str, *, is_open: bool = False) -> str:
    return f"<details{' open' * is_open}><summary>{quoted(title)}</summary>{content}</details>"


def _plotted(value: Any, series: Series, unit: str) -> Page:
    # of pairs, and of several lists, nobody can tell which of them has the unit
    single = series.x is None and list(series.named) == [""]
    unit = unit if single else ""
    named = {name: Statistics([numbers]) for name, numbers in series.named.items()}
    if series.x is not None:
        named = {series.x_label: Statistics([series.x]), **named}
    points = thinned(series)
    remark = ""
    if points.count < series.count:
        remark = (
            f"The plot has {points.count:,} of {series.count:,} points: "
            "of each stretch the smallest and the largest"
        )
    below = note(remark) + _folded(
        "The numbers", _numbers(value, series), is_open=series.count <= ROWS
    )
    return Page(statistics_html(named, unit), points, below, unit)


def _numbers(value: Any, series: Series) -> str:
    if series.x is None and list(series.named) == [""]:
        return f'<div class="msl-scroll msl-value" tabindex="0">{quoted(_listed(value))}</div>'
    columns = [*([series.x] if series.x is not None else []), *series.named.values()]
    heads = [*([series.x_label] if series.x is not None else []), *series.named]
    most = NUMBERS // len(columns)
    rows = [
        "<tr>" + "".join(f'<td class="msl-number">{written(c[i])}</td>' for c in columns) + "</tr>"
        for i in range(min(most, series.count))
    ]
    cut = f"the first {most:,} of {series.count:,} rows" if series.count > most else ""
    return table_html(heads, rows, cut)


def _listed(numbers: Sequence[int | float]) -> str:
    if len(numbers) <= NUMBERS:
        return f"[{', '.join(map(written, numbers))}]"
    half = NUMBERS // 2
    first, last = (
        [written(number) for number in part] for part in (numbers[:half], numbers[-half:])
    )
    return f"[{', '.join([*first, f'… {len(numbers) - 2 * half:,} more …', *last])}]"

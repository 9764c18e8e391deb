"""The items of a method that yields, as they come: what they have in common, and the latest."""

from collections import deque
from collections.abc import Hashable, Sequence
from itertools import islice
from typing import Any, Final

from .series import MOST_NAMES, Series, is_pair, is_x_name
from .statistics import Statistics, statistics_html
from .table import table_html
from .text import is_number, note, quoted, summary

__all__ = ["Items", "latest_html"]

LATEST: Final = 12
"""Most items that are listed: as many as can be seen without scrolling."""


class Items:
    """Items of which numbers are plotted: single ones, pairs of x and y, or dicts of numbers.

    Args:
        before: How many there were before those that are added.

    Attributes:
        count: How many there have been.
        is_plotted: Whether all of them are numbers, of one of these kinds.
    """

    def __init__(self, before: int = 0) -> None:
        self.count = self._before = before
        self.is_plotted = True
        self._kind: Hashable = None
        self._named: dict[str, Statistics] = {}
        self._last: dict[str, int | float] = {}
        self._latest: deque[tuple[int, Any]] = deque(maxlen=LATEST)

    def add(self, items: Sequence[Any]) -> Series | None:
        """Add items.

        Returns:
            The points to add to the plot; None if there is no plot.
        """
        start, self.count = self.count, self.count + len(items)
        first = max(0, len(items) - LATEST)
        self._latest.extend(enumerate(islice(items, first, None), start + first))
        if not items or not self.is_plotted:
            return None
        self._kind = self._kind or _kind(items[0])
        self.is_plotted = self._kind is not None and all(_kind(i) == self._kind for i in items)
        if not self.is_plotted:
            return None
        points = self._points(items, start)
        for name, numbers in points.named.items():
            self._named.setdefault(name, Statistics()).add(numbers)
            self._last[name] = numbers[-1]
        return points

    @property
    def is_single(self) -> bool:
        """Whether the items are single numbers, so that the unit is theirs."""
        return self._kind == "number"

    def statistics_html(self, unit: str) -> str:
        """What the numbers have in common so far."""
        unit = unit if self.is_single else ""
        known = self.count - self._before
        told = f"of the last {known:,} of {self.count:,} items" if self._before else ""
        return statistics_html(self._named, unit, last=self._last) + note(told)

    def latest(self) -> list[tuple[int, Any]]:
        """The latest items with their places."""
        return list(self._latest)

    def _points(self, items: Sequence[Any], start: int) -> Series:
        x: Sequence[int | float] = range(start, start + len(items))
        if self._kind == "number":
            return Series({"": items}, x)
        if self._kind == "pair":
            x, y = zip(*items, strict=True)
            return Series({"y": y}, x, "x")
        named: dict[str, Sequence[int | float]] = {
            name: [item[name] for item in items] for name in items[0]
        }
        label = next(iter(named))
        if len(named) > 1 and is_x_name(label):
            return Series({n: named[n] for n in named if n != label}, named[label], label)
        return Series(named, x)


def latest_html(latest: Sequence[tuple[int, Any]], count: int) -> str:
    """The latest items as a table, the newest at the end.

    Args:
        latest: The items with their places.
        count: How many there are in all.
    """
    # not folded: it would fold itself again with each update
    rows = [
        f'<tr><th scope="row">{place:,}</th><td>{quoted(summary(item))}</td></tr>'
        for place, item in latest
    ]
    told = f"the latest {len(latest)} of {count:,} items" if count > len(latest) else ""
    return table_html(["Item", "Value"], rows, told, at_end=True)


def _kind(item: Any) -> Hashable:
    """What an item is: a number, a pair, or numbers with these names; None for anything else."""
    if is_number(item):
        return "number"
    if is_pair(item):
        return "pair"
    if (
        isinstance(item, dict)
        and 0 < len(item) <= MOST_NAMES
        and all(map(is_number, item.values()))
    ):
        return tuple(item)
    return None

"""Numbers that are plotted, and how many of them are."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Any, Final

from .text import is_number

__all__ = ["MOST_NAMES", "Series", "is_pair", "is_x_name", "series_of", "thinned"]

Numbers = Sequence[int | float]

FEWEST: Final = 10
"""Fewest numbers that are plotted: fewer are read more easily as they are."""

MOST_NAMES: Final = 8
"""Most series in one plot: more can't be told apart."""

MOST: Final = 4000
"""Most points of a plot: it has fewer pixels than that in a row."""

_X_NAMES: Final = re.compile(r"x|t|time|time_?stamps?|seconds|time_\w+|t_\w+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers to plot.

    Attributes:
        named: The numbers of each series by its name, all equally many.
        x: Where they are; None for one after the other.
        x_label: What that is.
    """

    named: dict[str, Numbers]
    x: Numbers | None = None
    x_label: str = ""

    @property
    def count(self) -> int:
        """How many numbers each series has."""
        return len(next(iter(self.named.values())))


def is_pair(value: Any) -> bool:
    """Whether a value is two numbers."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_number, value))


def is_x_name(name: str) -> bool:
    """Whether a name says that numbers are where others are: a time, or an x."""
    return _X_NAMES.fullmatch(name[:100]) is not None


def series_of(value: Any) -> Series | None:
    """The numbers to plot that a value is; None if it is none.

    Args:
        value: A list of numbers, of pairs, a few long lists, or a dict of such.
    """
    if isinstance(value, dict):
        return _of_dict(value)
    if not isinstance(value, list | tuple) or not value:
        return None
    if len(value) >= FEWEST:
        if all(map(is_number, value)):
            return Series({"": value})
        if all(map(is_pair, value)):
            x, y = zip(*value, strict=True)
            return Series({"y": y}, x, "x")
        return None
    if _are_long(value):
        return Series({str(index): numbers for index, numbers in enumerate(value)})
    return None


def _of_dict(value: dict[Any, Any]) -> Series | None:
    if not 0 < len(value) <= MOST_NAMES + 1 or not _are_long(list(value.values())):
        return None
    named = {str(name): numbers for name, numbers in value.items()}
    first = next(iter(named))
    if len(named) > 1 and is_x_name(first) and _rises(named[first]):
        return Series({name: named[name] for name in named if name != first}, named[first], first)
    return Series(named) if len(named) <= MOST_NAMES else None


def _are_long(lists: Sequence[Any]) -> bool:
    return all(
        isinstance(numbers, list | tuple)
        and len(numbers) == len(lists[0]) >= FEWEST
        and all(map(is_number, numbers))
        for numbers in lists
    )


def _rises(numbers: Numbers) -> bool:
    return all(before < after for before, after in pairwise(numbers))


def thinned(series: Series, most: int = MOST) -> Series:
    """As many points as a plot needs, with the extremes of each part among them.

    Args:
        series: The numbers.
        most: About how many points to keep.

    Returns:
        Numbers of the series, none of them changed, in floats.
    """
    lines = [*series.named.values(), *([] if series.x is None else [series.x])]
    count = series.count
    if count <= most:
        kept = list(range(count))
    else:
        size = math.ceil(count / max(1, most // (2 * len(lines))))
        kept = [i for start in range(0, count, size) for i in _kept(lines, start, start + size)]
    named: dict[str, Numbers] = {
        name: [_float(line[i]) for i in kept] for name, line in series.named.items()
    }
    x: Numbers = kept if series.x is None else [_float(series.x[i]) for i in kept]
    return Series(named, x, series.x_label)


def _kept(lines: list[Numbers], start: int, stop: int) -> Iterator[int]:
    """The places of the extremes, and of one that is not finite, which is a gap."""
    places = set()
    for line in lines:
        part = line[start:stop]
        finite = [isinstance(v, int) or math.isfinite(v) for v in part]
        numbers = part if all(finite) else list(compress(part, finite))
        if numbers:
            places |= {part.index(min(numbers)), part.index(max(numbers))}
        if len(numbers) < len(part):
            places.add(finite.index(False))
    yield from (start + place for place in sorted(places))


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf  # a gap, as it can't be drawn

"""What many numbers have in common."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from .text import CELL_LIMIT, quoted, written

__all__ = ["Statistics", "statistics_html"]

CHUNK: Final = 50_000
"""Numbers that are taken at once: what is done with them takes no other thread's time for long."""

_NONE: Final = "\N{EN DASH}"
"""What stands for a number that there is none of."""


class Statistics:
    """Count, range, mean and standard deviation of numbers, which may come one after the other.

    Attributes:
        count: How many there are.
        finite: How many of them are finite: the rest are of these.
        smallest: The smallest one; None if there is none.
        largest: The largest one; None if there is none.
        mean: Their mean; None if there are none, or if it can't be computed in floats.
    """

    def __init__(self, values: Iterable[Sequence[int | float]] = ()) -> None:
        self.count = 0
        self.finite = 0
        self.smallest: int | float | None = None
        self.largest: int | float | None = None
        self.mean: float | None = None
        # the root of the sum of the squared differences from the mean
        self._spread: float | None = 0.0
        for part in values:
            self.add(part)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of a sample, with n - 1; None for fewer than two numbers."""
        if self._spread is None or self.finite < 2:
            return None
        return self._spread / math.sqrt(self.finite - 1)

    def add(self, values: Sequence[int | float]) -> None:
        """Add numbers."""
        for start in range(0, len(values), CHUNK):
            self._add(values[start : start + CHUNK])

    def _add(self, values: Sequence[int | float]) -> None:
        self.count += len(values)
        finite = [value for value in values if isinstance(value, int) or math.isfinite(value)]
        if not finite:
            return
        smallest, largest = min(finite), max(finite)
        mean, spread = _mean_and_spread(finite)
        if self.smallest is None or self.largest is None:
            self.smallest, self.largest = smallest, largest
            self.mean, self._spread = mean, spread
            self.finite = len(finite)
            return
        before, self.finite = self.finite, self.finite + len(finite)
        self.smallest, self.largest = min(self.smallest, smallest), max(self.largest, largest)
        if self.mean is None or mean is None:
            self.mean = self._spread = None
            return
        apart = mean - self.mean
        if self._spread is not None and spread is not None and math.isfinite(apart):
            between = apart * math.sqrt(before / self.finite) * math.sqrt(len(finite))
            self._spread = math.hypot(self._spread, spread, between)
        else:
            self._spread = None
        share = len(finite) / self.finite
        self.mean = self.mean * (1 - share) + mean * share


def _mean_and_spread(values: Sequence[int | float]) -> tuple[float | None, float | None]:
    mean = spread = None
    try:
        if all(isinstance(value, int) for value in values):
            # nanoseconds since 1970 have more digits than a float
            total = sum(values)
            mean = total / len(values)
            base = int(total // len(values))
            values = [value - base for value in values]
            center = sum(values) / len(values)
        else:
            mean = center = _mean(values)
        spread = math.dist(values, [center] * len(values))
    except OverflowError:
        pass  # integers beyond what a float can be
    return mean, spread if spread is not None and math.isfinite(spread) else None


def _mean(values: Sequence[int | float]) -> float:
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


def statistics_html(
    named: Mapping[str, Statistics],
    unit: str = "",
    *,
    last: Mapping[str, int | float] | None = None,
) -> str:
    """Statistics as a table.

    Args:
        named: The statistics of each series; the name of a single one may be empty.
        unit: The unit of the numbers.
        last: The last number of each series, where more may come.
    """
    named_ones = list(named) != [""]
    titles = ["Name"] if named_ones else []
    titles += ["Count", "Mean", "Std. dev. (n \N{MINUS SIGN} 1)", "Minimum", "Maximum"]
    not_finite = any(one.finite < one.count for one in named.values())
    titles += ["Not finite"] if not_finite else []
    # at the end, so that its digits, which come and go, move nothing
    titles += ["Last"] if last is not None else []
    rows, number = "", ' class="msl-number"'
    for name, one in named.items():
        cells = [f"{one.count:,}"]
        cells += [_with_unit(text, unit) for text in (_mean_text(one), _rounded(one.deviation))]
        cells += [_with_unit(_short(end, one), unit) for end in (one.smallest, one.largest)]
        cells += [f"{one.count - one.finite:,}"] if not_finite else []
        cells += [_with_unit(_short(last[name], one), unit)] if last is not None else []
        head = f'<th scope="row">{quoted(name[:CELL_LIMIT])}</th>' if named_ones else ""
        numbers = "".join(f"<td{number}>{cell}</td>" for cell in cells)
        rows += f"<tr>{head}{numbers}</tr>"
    heads = "".join(
        f'<th scope="col"{"" if title == "Name" else number}>{title}</th>' for title in titles
    )
    return (
        '<div class="msl-scroll" tabindex="0"><table class="msl-table msl-statistics">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _with_unit(number: str, unit: str) -> str:
    return quoted(f"{number}\N{NO-BREAK SPACE}{unit}" if unit and number != _NONE else number)


def _exact(value: int | float | None) -> str:
    return _NONE if value is None else written(value)


def _rounded(value: float | None, digits: int = 4) -> str:
    if value is None or not math.isfinite(value):
        return _NONE
    if not value:
        return "0"
    place = math.floor(math.log10(abs(value)))
    if -5 < place < 7:
        return f"{value:.{max(0, digits - 1 - place)}f}"
    return f"{value:.{digits - 1}e}"


def _mean_text(one: Statistics) -> str:
    """The mean with as many digits as its standard deviation makes sense of."""
    return _exact(one.mean) if one.mean is None else _like_deviation(one.mean, one.deviation)


def _short(value: int | float | None, one: Statistics) -> str:
    """A number as the mean is, so that the table fits into half a page; an integer as it is."""
    if not isinstance(value, float) or not math.isfinite(value):
        return _exact(value)
    return min(_like_deviation(value, one.deviation), _exact(value), key=len)


def _like_deviation(value: float, deviation: float | None) -> str:
    if not value or not deviation:
        return _exact(value)
    digits = math.floor(math.log10(abs(value))) - math.floor(math.log10(deviation)) + 4
    return _rounded(value, min(max(digits, 4), 16))

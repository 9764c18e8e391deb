"""Points of several lines, of which the oldest are dropped."""

from array import array
from collections.abc import Mapping, Sequence, Sized
from typing import Any

__all__ = ["Points"]

_NAN = float("nan")


class Points:
    """The values of several lines at the same places; where a line has none, there is NaN.

    Args:
        most: Most places; beyond them the oldest are dropped.

    Attributes:
        x: The places.
        lines: The values by the name of their line.
        end: How many places there have been.

    Raises:
        ValueError: There is no room for a point.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"There must be room for a point, not for {most}")
        self._most = most
        self.x = array("d")
        self.lines: dict[str, array[float]] = {}
        self.end = 0

    def __len__(self) -> int:
        return len(self.x)

    @property
    def begin(self) -> int:
        """How many places have been dropped."""
        return self.end - len(self.x)

    def extend(self, values: Mapping[str, Sequence[float]], x: Sequence[float] | None) -> None:
        """Add places.

        Args:
            values: The values by the name of their line, which may be new. What is no number
                becomes NaN.
            x: The places; None for one after the other.

        Raises:
            ValueError: There are more values than places.
        """
        columns = {name: _floats(column) for name, column in values.items()}
        count = _longest(columns)
        if x is None:
            begin = self.x[-1] + 1 if self.x else 0.0
            places = array("d", [begin + i for i in range(count)])
        else:
            places = _floats(x)
        if count > len(places):
            raise ValueError(f"There are {count} values, but x has {len(places)}")
        for name in columns:
            if name not in self.lines:
                self.lines[name] = array("d", [_NAN]) * len(self.x)
        self.x += places
        self.end += len(places)
        for name, line in self.lines.items():
            line += columns.get(name, array("d"))
            line += array("d", [_NAN]) * (len(self.x) - len(line))
        surplus = len(self.x) - self._most
        if surplus > 0:
            for column in (self.x, *self.lines.values()):
                del column[:surplus]

    def tobytes(self, first: int) -> bytes:
        """All that has come from this place on: x, then each line, as 64-bit floats."""
        begin = max(0, first - self.begin)
        return b"".join(column[begin:].tobytes() for column in (self.x, *self.lines.values()))


def _longest(columns: Mapping[str, Sized]) -> int:
    """The length of the longest one."""
    return max(map(len, columns.values()), default=0)


def _floats(values: Sequence[Any]) -> "array[float]":
    try:
        return array("d", values)
    except (TypeError, ValueError, OverflowError):
        return array("d", map(_float, values))


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return _NAN

"""A plot as a small picture, for where there is no browser with a running kernel."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from .png import data_uri, png
from .series import Series
from .text import quoted, written

__all__ = ["sketch_html"]

WIDTH: Final = 640
HEIGHT: Final = 120
"""Pixels of a sketch."""

_COLOURS: Final = bytes.fromhex("000000 2b7bba")
"""None, and a blue that can be seen on white and on black."""

PEN: Final = 2
"""Pixels that a line is thick."""


def sketch_html(series: Series, x_unit: str = "") -> str:
    """A small picture of each series.

    Args:
        series: The numbers, as few as `thinned` leaves.
        x_unit: The unit of `x`.
    """
    x = series.x if series.x is not None else range(series.count)
    shown = ""
    for name, y in series.named.items():
        drawn = _drawn(x, y)
        ends = _ends(y)
        if drawn is None or ends is None:
            continue
        title = f"<div>{quoted(name)}</div>" if len(series.named) > 1 else ""
        alt = f"Plot {name}".rstrip() + f": from {written(ends[0])} to {written(ends[1])}"
        shown += (
            f'{title}<img class="msl-picture" alt="{quoted(alt)}" width="{WIDTH}" '
            f'height="{HEIGHT}" src="{data_uri("image/png", drawn)}">'
        )
    ends = _ends(x)
    if not shown or ends is None:
        return ""
    label = quoted(series.x_label or "numbers")
    return f'{shown}<div class="msl-quiet">{label} {written(ends[0])} to {written(ends[1])}</div>'


def _ends(numbers: Sequence[int | float]) -> tuple[int | float, int | float] | None:
    finite = [number for number in numbers if math.isfinite(number)]
    return (min(finite), max(finite)) if finite else None


def _drawn(x: Sequence[int | float], y: Sequence[int | float]) -> bytes | None:
    """Draw a line through points; None if there are none."""
    across, up = _scaled(x, WIDTH - PEN), _scaled(y, HEIGHT - PEN)
    points = [
        None if a is None or b is None else (a, HEIGHT - PEN - b)
        for a, b in zip(across, up, strict=True)
    ]
    if not any(points):
        return None
    rows = [bytearray(WIDTH) for _ in range(HEIGHT)]

    def dot(column: int, row: int) -> None:
        for line in rows[row : row + PEN]:
            line[column : column + PEN] = b"\1" * PEN

    for point in points:
        if point is not None:
            dot(*point)
    for start, end in pairwise(points):
        if start is None or end is None:
            continue
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        for step in range(1, steps):
            dot(
                start[0] + round((end[0] - start[0]) * step / steps),
                start[1] + round((end[1] - start[1]) * step / steps),
            )
    return png(WIDTH, map(bytes, rows), _COLOURS, transparent=True)


def _scaled(numbers: Sequence[int | float], most: int) -> list[int | None]:
    """Numbers as pixels from 0; None for what is not finite."""
    ends = _ends(numbers)
    if ends is None:
        return [None] * len(numbers)
    # halves, since a difference can be beyond what a float can be
    low, span = ends[0] / 2, ends[1] / 2 - ends[0] / 2
    return [
        (round((number / 2 - low) / span * most) if span else most // 2)
        if math.isfinite(number)
        else None
        for number in numbers
    ]

"""Numbers in rows and columns, as a picture."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from .png import data_uri, png
from .statistics import Statistics, statistics_html
from .text import is_number, quoted, written

__all__ = ["Rows", "is_matrix", "matrix_html"]

Rows = Sequence[Sequence[int | float]]

SIDE: Final = 8
"""Fewest rows and columns of a picture: fewer are read more easily as a table."""

PIXELS: Final = 1000
"""Most pixels in a row or a column: more numbers share one."""

SHOWN: Final = 400
"""About how many pixels the longer side of a small picture gets."""

BAR: Final = 12
"""Pixels that the colour bar is high."""

COLOURS: Final = 255
"""How many colours there are, besides the one of what is not finite."""

# From dark violet to light yellow, as lightness rises by the same amount each time: equal steps of
# the numbers look equal, also printed in grey and to who can't tell red from green.
_ANCHORS: Final = bytes.fromhex("2e0056 272286 024e8c 056f8f 038e97 01af97 4bce80 abe069 f8ed60")
_NOT_FINITE: Final = bytes.fromhex("e6007e")


def is_matrix(value: Any) -> bool:
    """Whether a value is rows of numbers, all equally long, and enough of them for a picture."""
    return (
        isinstance(value, list | tuple)
        and len(value) >= SIDE
        and all(isinstance(row, list | tuple) and len(row) == len(value[0]) for row in value)
        and len(value[0]) >= SIDE
        and all(map(is_number, value[0]))
        and all(is_number(number) for row in value for number in row)
    )


def matrix_html(rows: Rows, unit: str = "", name: str = "") -> str:
    """Rows of numbers as a picture with a colour bar and statistics.

    Args:
        rows: The rows; see `is_matrix`.
        unit: The unit of the numbers.
        name: What they are, for who can't see the picture.
    """
    numbers = Statistics(rows)
    table = statistics_html({"": numbers}, unit)
    low, high = numbers.smallest, numbers.largest
    try:
        if low is None or high is None:
            return table
        low_float, high_float = float(low), float(high)
    except OverflowError:
        return table  # integers beyond what a float can be
    height, width = len(rows), len(rows[0])
    share = math.ceil(max(height, width) / PIXELS)
    center = numbers.mean if numbers.mean is not None else low_float / 2 + high_float / 2
    fewer = rows if share == 1 else list(_reduced(rows, share, center))
    zoom = max(1, round(SHOWN / max(len(fewer), len(fewer[0]))))
    picture = png(
        len(fewer[0]) * zoom,
        _pixels(fewer, low_float, high_float, zoom),
        _NOT_FINITE + _colours(),
    )
    bar = png(COLOURS, [bytes(range(1, COLOURS + 1))] * BAR, _NOT_FINITE + _colours())
    ends = [quoted(f"{written(end)} {unit}".rstrip()) for end in (low, high)]
    told = f"{height:,} rows \N{MULTIPLICATION SIGN} {width:,} columns, row 0 at the top"
    if share > 1:
        told += (
            f"; a pixel is {share} \N{MULTIPLICATION SIGN} {share} numbers, "
            "and shows the one farthest from the mean"
        )
    if numbers.finite < numbers.count:
        told += "; not finite: pink"
    alt = f"{name or 'Numbers'} as a picture: {height} rows, {width} columns, "
    return (
        f"{table}"
        f'<img class="msl-picture msl-pixels" alt="{quoted(alt)}from {ends[0]} to {ends[1]}" '
        f'width="{len(fewer[0]) * zoom}" src="{data_uri("image/png", picture)}">'
        f'<div class="msl-scale"><span class="msl-mono">{ends[0]}</span> '
        f'<img alt="to" width="{COLOURS}" height="{BAR}" src="{data_uri("image/png", bar)}"> '
        f'<span class="msl-mono">{ends[1]}</span></div>'
        f'<div class="msl-quiet">{told}</div>'
    )


def _colours() -> bytes:
    anchors = [_ANCHORS[at : at + 3] for at in range(0, len(_ANCHORS), 3)]
    colours = bytearray()
    for index in range(COLOURS):
        place = index / (COLOURS - 1) * (len(anchors) - 1)
        at = min(int(place), len(anchors) - 2)
        colours += bytes(
            round(a + (b - a) * (place - at))
            for a, b in zip(anchors[at], anchors[at + 1], strict=True)
        )
    return bytes(colours)


def _pixels(rows: Rows, low: float, high: float, zoom: int) -> Iterator[bytes]:
    """The colour of each number, from 1; 0 for what is not finite."""
    # a difference can be beyond what a float can be
    half = 0.5 if math.isinf(high - low) else 1.0
    low, span = low * half, high * half - low * half
    scale = (COLOURS - 1) / span if span else 0.0
    if math.isinf(scale):
        half, low, span = 2.0**60, low * 2.0**60, span * 2.0**60
        scale = (COLOURS - 1) / span
    for row in rows:
        try:
            line = bytes([round((value * half - low) * scale) + 1 for value in row])
        except (ValueError, OverflowError):  # there are some that are not finite
            line = bytes(
                [
                    round((value * half - low) * scale) + 1 if math.isfinite(value) else 0
                    for value in row
                ]
            )
        if zoom > 1:
            line = b"".join(line[at : at + 1] * zoom for at in range(len(line)))
        for _ in range(zoom):
            yield line


def _reduced(rows: Rows, share: int, center: float) -> Iterator[list[int | float]]:
    """Each block of numbers as the one that is farthest from the center."""
    for top in range(0, len(rows), share):
        block = rows[top : top + share]
        reduced = []
        for left in range(0, len(rows[0]), share):
            finite = [v for row in block for v in row[left : left + share] if math.isfinite(v)]
            if finite:
                least, most = min(finite), max(finite)
                reduced.append(most if most - center >= center - least else least)
            else:
                reduced.append(math.nan)
        yield reduced

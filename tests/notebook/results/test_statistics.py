"""What many numbers have in common: right, or not said."""

import math
import random
import statistics

import pytest

from msl_network.notebook.results.statistics import Statistics, statistics_html

RANDOM = random.Random(1)
NOW = 1_700_000_000_000_000_000  # in nanoseconds


@pytest.mark.parametrize(
    "values",
    [
        [RANDOM.gauss(5, 2) for _ in range(1000)],
        [1e9 + RANDOM.random() for _ in range(1000)],
        [1e200 * RANDOM.random() for _ in range(100)],
        [1e-200 * RANDOM.random() for _ in range(100)],
        [1.7e308, -1.7e308 / 3, 1.6e308],
        [NOW + RANDOM.randrange(1000) for _ in range(1000)],
        [1, 2.5, 10**20],
        [7.0],
        [3, 3, 3],
    ],
)
def test_they_are_those_of_the_standard_library(values):
    got = Statistics([values])
    assert (got.count, got.finite) == (len(values), len(values))
    assert (got.smallest, got.largest) == (min(values), max(values))
    assert got.mean == pytest.approx(float(statistics.mean(values)), rel=1e-12)
    if len(values) < 2:
        assert got.deviation is None
    elif max(values) > 1e308:
        assert got.deviation is None or got.deviation == pytest.approx(1.22e308, rel=0.1)
    else:
        assert got.deviation == pytest.approx(float(statistics.stdev(values)), rel=1e-9)


def test_numbers_that_come_one_after_the_other():
    values = [RANDOM.gauss(1e6, 1) for _ in range(200_000)]
    at_once, later = Statistics([values]), Statistics()
    for start in range(0, len(values), 7_000):
        later.add(values[start : start + 7_000])
    for got in (at_once, later):
        assert got.mean == pytest.approx(statistics.fmean(values), rel=1e-14)
        assert got.deviation == pytest.approx(statistics.stdev(values[:50_000]), rel=0.01)
    assert later.deviation == pytest.approx(at_once.deviation, rel=1e-9)


def test_what_is_not_finite_is_counted_and_left_out():
    got = Statistics([[1, math.nan, math.inf], [-math.inf], [3.0]])
    assert (got.count, got.finite, got.smallest, got.largest) == (5, 2, 1, 3.0)
    assert (got.mean, got.deviation) == (2.0, math.sqrt(2))
    assert '<td class="msl-number">3</td>' in statistics_html({"": got})


def test_what_can_not_be_computed_is_not_said():
    for values in ([], [math.nan], [10**400, 1, 2], [10**400, 0.5]):
        got = Statistics([values])
        assert got.mean is None
        assert got.deviation is None
        assert "\N{EN DASH}" in statistics_html({"": got}, "V")


def test_the_table_fits_into_half_a_page():
    got = Statistics([[175 + 0.1 * math.sin(i) for i in range(100)]])
    shown = statistics_html({"": got}, last={"": 175.00000000000003})
    cells = shown.replace("</td>", '<td class="msl-number">').split('<td class="msl-number">')
    numbers = [cell for cell in cells if cell.replace(".", "").isdigit()]
    assert numbers == ["100", "175.00038", "0.07107", "174.90000", "175.09999", "175.00000"]

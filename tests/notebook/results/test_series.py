"""Numbers that are plotted."""

import math
import random

import pytest

from msl_network.notebook.results.series import series_of, thinned
from msl_network.notebook.results.sketch import sketch_html

WAVE = [math.sin(i / 10) for i in range(100)]


def test_what_is_plotted():
    assert series_of(WAVE).named == {"": WAVE}
    pairs = series_of([[i, y] for i, y in enumerate(WAVE)])
    assert list(pairs.x) == list(range(100))
    assert list(pairs.named["y"]) == WAVE
    assert list(series_of([WAVE, WAVE]).named) == ["0", "1"]
    named = series_of({"time": list(range(100)), "a": WAVE, "b": WAVE})
    assert (named.x_label, list(named.named)) == ("time", ["a", "b"])
    # time does not go backwards
    assert list(series_of({"time": WAVE, "a": WAVE}).named) == ["time", "a"]


@pytest.mark.parametrize(
    "value",
    [[1.0] * 5, [True] * 50, [*WAVE, "x"], {"a": WAVE, "b": WAVE[1:]}, {"a": WAVE, "b": 1}, {}, []],
)
def test_what_is_not(value):
    assert series_of(value) is None


def test_a_long_one_keeps_its_extremes_and_its_gaps():
    rng = random.Random(1)
    values = [rng.random() for _ in range(100_000)]
    values[12_345], values[54_321], values[77_777] = 1e6, -1e6, math.nan
    points = thinned(series_of(values))
    assert points.count < 5000
    at = dict(zip(points.x, points.named[""], strict=True))
    assert (at[12_345], at[54_321]) == (1e6, -1e6)
    assert math.isnan(at[77_777])
    assert all(values[i] == y for i, y in at.items() if i != 77_777)
    assert list(points.x) == sorted(points.x)


def test_several_have_the_same_x():
    n = 20_000
    points = thinned(series_of({"t": list(range(n)), "a": WAVE * 200, "b": [5.0] * (n - 1) + [9]}))
    assert points.named["b"][-1] == 9
    assert len(points.x) == len(points.named["a"]) == len(points.named["b"])


def test_a_sketch_is_drawn_of_anything():
    hostile = [10**400, math.nan, math.inf, 1.7e308, -1.7e308, 5e-324] * 5
    for value in (WAVE, hostile, [0.0] * 20, [[y, x] for x, y in enumerate(WAVE)]):
        assert "data:image/png;base64," in sketch_html(thinned(series_of(value)))
    assert sketch_html(thinned(series_of([math.nan] * 20))) == ""

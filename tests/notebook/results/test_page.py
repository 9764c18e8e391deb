"""A value in the form that suits it, as HTML."""

import json
import math
import time

import pytest

from msl_network.notebook.results import source, summary, to_html


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (10, ">10<"),
        (1e-30, ">1e-30<"),
        (math.nan, ">nan<"),
        (None, ">None<"),
        (True, ">True<"),
        ("two\nlines", "two\nlines"),
        ([1, 2.5], ">[1, 2.5]<"),
        ([], ">[]<"),
    ],
)
def test_simple_values_stand_as_they_are(value, shown):
    assert shown in to_html(value)


@pytest.mark.parametrize("value", [1.0000000000000002, 10**400, -0.0, 123456789.123456789])
def test_no_digit_of_a_number_is_lost(value):
    shown = to_html(value, attribute="read_kelvin")
    assert f">{value!r}</span>" in shown
    assert ">K</span>" in shown
    assert str(value) in to_html([value, 1])


def test_the_unit_is_that_of_numbers_only():
    named = {"attribute": "voltage", "doc": "Return the voltage in volts."}
    for value in (5, [1, 2.5], [0.5] * 100, [[1.5] * 9] * 9):
        assert "V</" in to_html(value, **named)
    for value in ("x", None, True, {"count": 5}, [[0, 1]] * 50, {"t": [1] * 20, "v": [2] * 20}):
        assert "V</" not in to_html(value, **named)


def test_many_numbers():
    shown = to_html([*range(1000), math.nan], attribute="time_s")
    for cell in ("1,001", "0 s", "999 s", "499.5 s", "288.8 s", "1"):
        assert f">{cell}</td>" in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert "<img" in shown  # also where no kernel is running
    assert "498, 499, … 1 more …, 501, 502" in shown
    assert ">100</td>" in to_html([10**400] * 100)


def test_tables():
    shown = to_html([{"t": 0, "v": 1.5}, {"t": 1, "w": "x"}])
    assert [shown.count(tag) for tag in ("<tr>", "<th ", "<td")] == [3, 3, 6]
    assert "a part of 500 rows and 3 columns" in to_html([[1, 2, 3]] * 500)
    assert '<th scope="row">name</th><td>lamp</td>' in to_html({"name": "lamp"})


def test_arrays_of_a_program_are_as_those_that_came():
    numpy = pytest.importorskip("numpy")
    assert to_html(numpy.arange(50.0)) == to_html([float(i) for i in range(50)])
    assert to_html({"a": numpy.eye(2)}) == to_html({"a": [[1.0, 0.0], [0.0, 1.0]]})
    assert ">1.5<" in to_html(numpy.float64(1.5))


def test_nested_data_is_folded():
    shown = to_html({"levels": {"a": list(range(100)), "b": {"c": {"d": {"e": {"f": 1}}}}}})
    assert "<details><summary>2 names " in shown
    assert "… 94 more" in shown
    assert "<details>" in to_html([{"small": {"a": {"b": [1, 2]}}}])


@pytest.mark.parametrize(
    "value",
    [
        "<script>",
        ["<script>"],
        {"<script>": 1},
        {"a": {"<script>": ["<script>" * 20]}},
        [{"<script>": "<script>"}],
        [["<script>"], ["<script>"]],
        {"<script>": list(range(50)), "b": list(range(50))},
    ],
)
def test_nothing_is_markup(value):
    shown = to_html(value, attribute="<script>") + to_html([value] * 40)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


HOSTILE = "\u202e\x1b[31m\ud800\x00"


@pytest.mark.parametrize(
    "value",
    [
        HOSTILE,
        {HOSTILE: HOSTILE},
        [{HOSTILE: [HOSTILE] * 50}] * 3,
        {HOSTILE: list(range(20)), "b": list(range(20))},
    ],
)
def test_no_character_acts(value):
    shown = to_html(value)
    assert not set(HOSTILE) - set("[31m") & set(shown)
    assert "u202e" in shown
    shown.encode()


def test_the_size_is_bounded():
    deep = value = []
    for _ in range(500):
        deep.append([])
        deep = deep[0]
    big = {f"n{i}": {"data": list(range(1000)), "text": "x" * 10_000} for i in range(1000)}
    wide = [{f"c{j}": big for j in range(100)} for _ in range(100)]
    began = time.monotonic()
    for item in (value, big, wide, "x" * 10**7, [0.5] * 10**6, 10**20_000, {"n": 10**20_000}):
        assert len(to_html(item)) < 1_000_000
        assert len(summary(item)) <= 200
    assert time.monotonic() - began < 20


def test_source_is_what_python_reads():
    value = {"a": [1, 2.5, None, True, ("x",)], "b": "it's"}
    assert eval(source(value)) == value
    assert math.isnan(eval(source([math.nan]))[0])
    assert json.loads(json.dumps(eval(source({"x": [-math.inf]})))) == {"x": [-math.inf]}

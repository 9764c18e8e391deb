"""A value as HTML."""

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


def test_many_numbers():
    shown = to_html([*range(1000), math.nan])
    assert "1001 numbers: minimum 0, maximum 999, mean 499.5; 1 of them not finite" in shown
    assert "500" not in shown
    assert "numbers" in to_html([10**400] * 100)


def test_tables():
    shown = to_html([{"t": 0, "v": 1.5}, {"t": 1, "w": "x"}])
    assert [shown.count(tag) for tag in ("<tr>", "<th ", "<td")] == [3, 3, 6]
    assert "a part of 500 rows and 2 columns" in to_html([[1, 2]] * 500)
    assert '<th scope="row">name</th><td>lamp</td>' in to_html({"name": "lamp"})


def test_nested_data_is_folded():
    shown = to_html({"levels": {"a": list(range(100)), "b": {"c": {"d": {"e": {"f": 1}}}}}})
    assert "<details><summary>2 names</summary>" in shown
    assert "… 90 more" in shown


@pytest.mark.parametrize(
    "value",
    [
        "<script>",
        ["<script>"],
        {"<script>": 1},
        {"a": {"<script>": ["<script>" * 20]}},
        [{"<script>": "<script>"}],
        [["<script>"], ["<script>"]],
    ],
)
def test_nothing_is_markup(value):
    shown = to_html(value) + to_html([value] * 40)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_the_size_is_bounded():
    deep = value = []
    for _ in range(500):
        deep.append([])
        deep = deep[0]
    big = {f"n{i}": {"data": list(range(1000)), "text": "x" * 10_000} for i in range(1000)}
    wide = [{f"c{j}": big for j in range(100)} for _ in range(100)]
    began = time.monotonic()
    for item in (value, big, wide, "x" * 10**7, [0.5] * 10**6, 10**20_000, {"n": 10**20_000}):
        assert len(to_html(item)) < 1_500_000
        assert len(summary(item)) <= 200
    assert time.monotonic() - began < 20


def test_source_is_what_python_reads():
    value = {"a": [1, 2.5, None, True, ("x",)], "b": "it's"}
    assert eval(source(value)) == value
    assert math.isnan(eval(source([math.nan]))[0])
    assert json.loads(json.dumps(eval(source({"x": [-math.inf]})))) == {"x": [-math.inf]}

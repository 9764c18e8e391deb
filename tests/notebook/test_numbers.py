import pytest

from msl_network.notebook.numbers import LOOKED_AT, numbers_in


@pytest.mark.parametrize(
    ("args", "kwargs", "found"),
    [
        ((1, 2.5), {}, {"args[0]": 1, "args[1]": 2.5}),
        ((), {"t": 21.5, "on": True, "name": "oven"}, {'kwargs["t"]': 21.5}),
        (([1, [2, "x"]],), {}, {"args[0][0]": 1, "args[0][1][0]": 2}),
        (({"a": {"b c": -1}},), {}, {'args[0]["a"]["b c"]': -1}),
        (({'"\n\u202e': 1},), {}, {'args[0]["\\"\\n\\u202e"]': 1}),
        ((list(range(17)),), {}, {}),  # an array
        (([[[[[1]]]]],), {}, {}),  # too deep
        (({5: 1, "x" * 41: 2},), {}, {}),
        ((None, "1", {}), {"none": None}, {}),
    ],
)
def test_paths(args, kwargs, found):
    assert numbers_in(args, kwargs) == found


def test_search_ends():
    wide = [[[0] * 16] * 16] * 16
    assert len(numbers_in([wide] * 16, {})) < LOOKED_AT

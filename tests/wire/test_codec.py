"""JSON text and Python values."""

import dataclasses
import json
import math
from datetime import date
from decimal import Decimal

import pytest

from msl_network.wire import codec

LONG = int("1234567890" * 20)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        "",
        'Ω µ° 漢字 🌡 \u2028 \x00 " \\ /',
        LONG,
        -LONG,
        2**53 + 1,
        0.1,
        5e-324,
        1.7976931348623157e308,
        [[[{"a": [None, {"": []}]}]]],
        {"ключ": [1, 2.5, None]},
    ],
)
def test_values_come_back_unharmed(value):
    text = codec.encode(value)
    assert b"\n" not in text
    assert json.loads(text) == value
    back = codec.decode(text)
    assert back == value
    assert type(back) is type(value)
    assert codec.decode(memoryview(text)) == value


def test_nan_and_infinities_are_bare_literals_as_in_1x():
    text = codec.encode({"values": [math.nan, math.inf, -math.inf, None, 1.5]})
    assert text == b'{"values":[NaN,Infinity,-Infinity,null,1.5]}'
    values = codec.decode(text)["values"]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, None, 1.5]
    assert codec.encode("null") == b'"null"'


class WithToJson:
    def to_json(self):
        return {"unit": "V"}


class Text(str):
    pass


KEYS = {"2026-01-02": 1, "eA==": 0.5}


@dataclasses.dataclass
class Point:
    x: float
    y: float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([Decimal("1.5"), Decimal(5), Decimal("NaN")], [1.5, 5, math.nan]),
        ([Decimal("1.5"), Decimal(5), Decimal("NaN"), None], [1.5, 5, math.nan, None]),
        (WithToJson(), {"unit": "V"}),
        ([WithToJson()], [{"unit": "V"}]),
        (Text("text"), "text"),
        ((1, (2,)), [1, [2]]),
        (Point(1.0, math.nan), {"x": 1.0, "y": math.nan}),
        (date(2026, 1, 2), "2026-01-02"),
        ({1: "a", None: "b", False: "c"}, {"1": "a", "null": "b", "false": "c"}),
        ("\ud800", "\ud800"),
        # the same, whether there is a `null` or half a surrogate pair somewhere, or not
        *(
            ([{date(2026, 1, 2): 1, b"x": Decimal("0.5")}, other], [KEYS, other])
            for other in (1, None, math.nan, "\ud800")
        ),
    ],
)
def test_what_json_has_no_word_for(value, expected):
    assert repr(codec.decode(codec.encode(value))) == repr(expected)


def test_numpy():
    numpy = pytest.importorskip("numpy")
    value = {
        "array": numpy.array([[1.5, math.nan], [2.5, math.inf]]),
        "scalar": numpy.float32(0.5),
        "count": numpy.int64(2**62),
        "flag": numpy.bool_(True),
    }
    back = codec.decode(codec.encode(value))
    assert repr(back["array"]) == "[[1.5, nan], [2.5, inf]]"
    assert (back["scalar"], back["count"], back["flag"]) == (0.5, 2**62, True)
    # within what is taken apart by msgspec, with and without a `null` somewhere
    point = Point(numpy.float32(0.5), numpy.arange(2))
    for value in ([point], [point, None]):
        assert codec.decode(codec.encode(value))[0] == {"x": 0.5, "y": [0, 1]}


def test_what_cannot_be_written():
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        codec.encode({"a": [object()]})
    for value in ({(1, 2): 3}, {(1, 2): None}):
        with pytest.raises(TypeError, match="keys must be str"):
            codec.encode(value)
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError):
        codec.encode(endless)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"nan", b"\xff", b'"\xff"', b"[1,]", b"[" * 100_000),
        # what Python's `json` reads of bytes, but is not UTF-8
        *(b'"\xed\xa0\x80"', '"a"'.encode("utf-16"), '"a"'.encode("utf-32"), b"\xef\xbb\xbf1"),
    ],
)
def test_what_cannot_be_read(text):
    with pytest.raises(ValueError):
        codec.decode(text)

"""Pictures that a Service returns, and those that are made of its numbers."""

import base64
import math
import re
import struct
import zlib

import pytest

from msl_network.notebook.results import to_html
from msl_network.notebook.results.picture import picture_of
from msl_network.notebook.results.png import png

PNG = png(3, [b"\0\1\0"] * 2, b"\xff\0\0\0\xff\0")
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x04JF\xff\xff\xc0\x00\x0b\x08\x01\x02\x03\x04\x01\x01\x11\x00\xff\xd9"
    + bytes(20)
)


def chunks(content):
    at, found = 8, {}
    while at < len(content):
        (size,) = struct.unpack_from(">I", content, at)
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + data) == struct.unpack_from(">I", content, at + 8 + size)[0]
        found[kind.decode()] = data
        at += 12 + size
    return found


def colours(shown):
    """The rows of the first picture, as colours."""
    content = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', shown)[1])
    parts = chunks(content)
    width, height = struct.unpack(">2I", parts["IHDR"][:8])
    lines, palette = zlib.decompress(parts["IDAT"]), parts["PLTE"]
    rows = [lines[y * (width + 1) + 1 : (y + 1) * (width + 1)] for y in range(height)]
    return [[palette[3 * i : 3 * i + 3].hex() for i in row] for row in rows]


@pytest.mark.parametrize("file", [PNG, JPEG], ids=["png", "jpeg"])
def test_it_is_known_in_each_form(file):
    text = base64.b64encode(file).decode()
    size = (3, 2) if file is PNG else (0x0304, 0x0102)
    forms = [file, bytearray(file), list(file), text, f"data:image/any;base64,{text}"]
    forms.append("\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\n")
    for form in forms:
        picture = picture_of(form)
        assert (picture.width, picture.height) == size
        assert picture.content == file


def test_it_is_shown_with_its_size_and_can_be_saved():
    shown = to_html(base64.b64encode(PNG).decode(), attribute="snapshot")
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in shown
    assert 'alt="Picture returned by snapshot, 3 \N{MULTIPLICATION SIGN} 2 pixels"' in shown
    assert 'download="snapshot.png"' in shown
    assert to_html({"picture": list(PNG), "exposure": 0.1}).count("<img") == 1


@pytest.mark.parametrize(
    "value",
    [
        "iVBORw0KGgo is how a picture begins",
        "/9j/" + "A" * 100,
        "data:image/svg+xml;base64," + base64.b64encode(b"<svg onload='x()'/>" * 9).decode(),
        "data:image/svg+xml,<svg onload='x()'/>",
        "data:text/html;base64," + base64.b64encode(PNG).decode(),
        PNG[:20],
        [*PNG[:10], 256] * 9,
        [*PNG, None],
        [255, 216, 255] * 20,
        b"GIF89a" * 20,
    ],
)
def test_nothing_else_is_one(value):
    shown = to_html(value)
    assert "data:image/svg" not in re.sub(r"<pre.*</pre>", "", shown)
    assert picture_of(value) is None


@pytest.mark.parametrize("size", [(100_000, 100_000), (20_000, 10), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_a_bomb_is_not_unpacked(size):
    bomb = PNG[:16] + struct.pack(">2I", *size) + PNG[24:]
    shown = to_html(base64.b64encode(bomb).decode())
    assert "<img" not in shown
    assert "too large to be shown" in shown
    assert f"{size[0]:,} \N{MULTIPLICATION SIGN} {size[1]:,}" in shown
    large = PNG + bytes(20_000_000)
    assert "<img" not in to_html(large) + to_html(base64.b64encode(large).decode())


def test_rows_and_columns_of_numbers():
    rows = [[float(x * y) for x in range(10)] for y in range(8)]
    rows[1][1] = math.nan
    shown = to_html(rows, doc="Return the voltages in volts.")
    picture = colours(shown)
    zoom = len(picture) // 8
    assert (len(picture), len(picture[0])) == (8 * zoom, 10 * zoom)
    small = [row[::zoom] for row in picture[::zoom]]
    assert (small[0][0], small[7][9]) == ("2e0056", "f8ed60")
    assert small[1][1] == "e6007e"
    assert len({*small[7]}) == 10
    for told in ("63.0 V", "0.0 V", "not finite: pink", "8 rows", "10 columns"):
        assert told in shown.replace("\N{NO-BREAK SPACE}", " ")


def test_a_large_one_keeps_its_extremes():
    rows = [[0.0] * 2500 for _ in range(2500)]
    rows[1234][567] = -5.0
    rows[2000][2000] = 5.0
    picture = colours(to_html(rows))
    assert (len(picture), len(picture[0])) == (834, 834)
    assert (picture[411][189], picture[666][666]) == ("2e0056", "f8ed60")


def test_numbers_at_the_edge_of_floats():
    for low, high in ((-1.7e308, 1.7e308), (0.0, 5e-324), (3, 3), (10**400, 0)):
        rows = [[low] * 9 for _ in range(9)]
        rows[3][3] = high
        assert "<table" in to_html(rows)
    assert "<img" not in to_html([[math.nan] * 9] * 9)

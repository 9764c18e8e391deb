"""Pictures: PNG and JPEG, by what they are and not by what is said of them."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

from .png import data_uri
from .text import note

__all__ = ["Picture", "picture_html", "picture_of"]

PICTURE_BYTES: Final = 8 * 2**20
"""Largest file that is shown: it travels to the browser as text, and again for the download."""

PIXELS: Final = 40_000_000
"""Most pixels that are shown: a browser unpacks each to 4 bytes, however small the file."""

SIDE: Final = 16_384
"""Most pixels in a row or a column that are shown, which is what browsers can draw."""

HEAD: Final = 2**18
"""Bytes of a very large file in which its width and height are looked for."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_BASE64: Final = ("iVBORw0KGgo", "/9j/")
_URI: Final = "data:image/"
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH: Final = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture.

    Attributes:
        kind: `"image/png"` or `"image/jpeg"`.
        width: Pixels of a row.
        height: Pixels of a column.
        size: Bytes of the file.
        content: The file; of one that is too large to be shown the beginning.
    """

    kind: str
    width: int
    height: int
    size: int
    content: bytes

    @property
    def description(self) -> str:
        """What it is, in words."""
        kind = self.kind.partition("/")[2].upper()
        size = f"{self.size:,} bytes" if self.size < 10_000 else f"{self.size / 1000:,.0f} kB"
        return f"{kind}, {self.width:,} \N{MULTIPLICATION SIGN} {self.height:,} pixels, {size}"


def picture_of(value: Any) -> Picture | None:
    """The picture that a value is.

    Args:
        value: The bytes of a file; over the network they come as Base64 text, as a `data:` URI
            or as a list of integers.

    Returns:
        None if it is no picture.
    """
    found = _content(value)
    if found is None:
        return None
    content, length = found
    if content.startswith(_PNG):
        kind, size = "image/png", _png_size(content)
    elif content.startswith(_JPEG):
        kind, size = "image/jpeg", _jpeg_size(content)
    else:
        return None
    return None if size is None else Picture(kind, *size, length, content)


def picture_html(picture: Picture, name: str = "") -> str:
    """A picture, with its size and a way to save it.

    Args:
        picture: The picture.
        name: What it is of, for the file's name and for who can't see it.
    """
    of, width, height = picture.kind.partition("/")[2], picture.width, picture.height
    told = picture.description
    if picture.size > PICTURE_BYTES or width * height > PIXELS or max(width, height) > SIDE:
        return note(f"A picture that is too large to be shown here: {told}")
    address = data_uri(picture.kind, picture.content)
    stem = "".join(c for c in name if c.isascii() and (c.isalnum() or c in "_-"))[:60] or "picture"
    file = f"{stem}.{'jpg' if of == 'jpeg' else of}"
    alt = f"Picture returned by {stem}" if name else "Picture"
    return (
        f'<img class="msl-picture" alt="{alt}, {width} \N{MULTIPLICATION SIGN} {height} pixels" '
        f'width="{min(width, 800)}" src="{address}">'
        f'<div class="msl-quiet">{told} · <a download="{file}" href="{address}">Download</a></div>'
    )


def _content(value: Any) -> tuple[bytes, int] | None:
    """The bytes that may be a picture, and how many there are: of very many only the first."""
    if isinstance(value, bytes | bytearray):
        return bytes(value), len(value)
    if isinstance(value, list | tuple):
        if list(value[:3]) not in (list(_PNG[:3]), list(_JPEG)):
            return None
        part = value if len(value) <= PICTURE_BYTES else value[:HEAD]
        try:
            return bytes(part), len(value)
        except (TypeError, ValueError):
            return None
    return _decoded(value) if isinstance(value, str) else None


def _decoded(text: str) -> tuple[bytes, int] | None:
    start = len(text) - len(text.lstrip())
    if text.startswith(_URI, start):
        comma = text.find(",", start, start + 100)
        if not text.endswith(";base64", start, max(start, comma)):
            return None
        start = comma + 1
    if not text.startswith(_BASE64, start):
        return None
    size = (len(text) - start) * 3 // 4
    part = "".join(
        (text[start:] if size <= 1.1 * PICTURE_BYTES else text[start : start + HEAD]).split()
    )
    try:
        content = base64.b64decode(part[: len(part) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return None
    return content, len(content) if size <= 1.1 * PICTURE_BYTES else size


def _png_size(content: bytes) -> tuple[int, int] | None:
    if content[12:16] != b"IHDR" or len(content) < 33:
        return None
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    return (width, height) if width and height else None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = 2
    # a segment has at least 4 bytes, so this ends
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1  # filler
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker in _FRAMES:
            height, width = (int.from_bytes(content[at + i : at + i + 2]) for i in (5, 7))
            return (width, height) if width and height else None
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return None

"""Pictures made here."""

import base64
import struct
import zlib
from collections.abc import Iterable

__all__ = ["data_uri", "png"]


def png(width: int, rows: Iterable[bytes], palette: bytes, *, transparent: bool = False) -> bytes:
    """Write a PNG of up to 256 colours.

    Args:
        width: Pixels of a row.
        rows: The rows from the top, a byte for each pixel: the index of its colour.
        palette: Red, green and blue of each colour.
        transparent: Whether the first colour is none, but lets through what is behind it.
    """
    lines = [b"\0" + row for row in rows]
    header = struct.pack(">2I5B", width, len(lines), 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", palette)]
    if transparent:
        chunks.append((b"tRNS", b"\0"))
    chunks += [(b"IDAT", zlib.compress(b"".join(lines), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def data_uri(kind: str, content: bytes) -> str:
    """A picture as the address of an `<img>`.

    Args:
        kind: `"image/png"` or `"image/jpeg"`.
        content: The file.
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"

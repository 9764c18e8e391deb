"""A stream of bytes cut into lines, of a bounded length."""

from typing import Any

__all__ = ["COPIED", "END", "Framer", "LineTooLongError"]

END = b"\r\n"
"""What ends a message. A receiver takes a bare line feed too, as a person's terminal sends it."""


COPIED = 16 * 1024 * 1024
"""Most bytes of a line that are copied. A longer one is a `bytearray`: it takes a tenth of a second
to copy the largest, and nothing else is done meanwhile."""


class LineTooLongError(ValueError):
    """A peer sent more bytes without a line end than a message may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The message is larger than the limit of {limit} bytes")
        self.limit = limit


class Framer:
    """Cuts a stream of bytes into lines.

    Args:
        limit: Most bytes of a line, its end not counted.
    """

    __slots__ = ("_buffer", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes of a line whose end has not come yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream.

        Returns:
            The lines that these bytes complete, without their ends.

        Raises:
            LineTooLongError: A line is longer than the limit. Nothing more can be read.
        """
        buffer = self._buffer
        if data.endswith(b"\n") and not buffer:
            lines = data.split(b"\n")
            lines.pop()
        else:
            # only the new bytes are searched, so that a large message costs no square of its size
            head, found, rest = data.partition(b"\n")
            buffer += head
            if not found:
                if len(buffer) > self.limit + 1:  # one for a carriage return
                    raise LineTooLongError(self.limit)
                return []
            first: Any = bytes(buffer) if len(buffer) <= COPIED else buffer
            if first is buffer and first.endswith(b"\r"):
                del first[-1]
            lines = rest.split(b"\n")
            lines.insert(0, first)
            self._buffer = bytearray(lines.pop())
        limit = self.limit
        for i, line in enumerate(lines):
            if line.endswith(b"\r"):
                lines[i] = line = line[:-1]
            if len(line) > limit:
                raise LineTooLongError(limit)
        if len(self._buffer) > limit + 1:
            raise LineTooLongError(limit)
        return lines

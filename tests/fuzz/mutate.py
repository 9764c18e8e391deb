"""A mutator: messages that are nearly right, the same ones for the same seed.

It knows no coverage and needs nothing but Python, so it runs where atheris can't be installed, and
makes what is sent to a live Manager.
"""

from collections.abc import Sequence
from random import Random

from .seeds import WORDS

__all__ = ["Mutator"]

NUMBERS = (
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"9" * 19,
    b"9" * 400,
    b"9" * 4400,
    b"1e-400",
    b"-0.0",
)


class Mutator:
    """Makes new messages of given ones.

    Args:
        seeds: The messages to begin with.
        seed: Of the random numbers.
        longest: Most bytes of a message.
        words: What is put in whole.
    """

    def __init__(
        self,
        seeds: Sequence[bytes],
        seed: int,
        *,
        longest: int = 8192,
        words: Sequence[bytes] = WORDS,
    ) -> None:
        self._seeds = seeds
        self._words = words
        self._longest = longest
        self._random = Random(seed)
        self._changes = (
            self._flip,
            self._set,
            self._delete,
            self._repeat,
            self._insert_word,
            self._insert_bytes,
            self._splice,
            self._number,
            self._nest,
            self._cut,
        )

    def __iter__(self) -> "Mutator":
        return self

    def __next__(self) -> bytes:
        """The next message."""
        random = self._random
        data = bytearray(random.choice(self._seeds))
        for _ in range(1 + int(random.random() ** 2 * 6)):
            random.choice(self._changes)(data)
        return bytes(data[: self._longest])

    def _at(self, data: bytearray) -> int:
        return int(self._random.random() * (len(data) + 1))

    def _span(self, data: bytearray, most: int) -> slice:
        start = self._at(data)
        return slice(start, start + 1 + int(self._random.random() * most))

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._at(data) % len(data)] ^= 1 << int(self._random.random() * 8)

    def _set(self, data: bytearray) -> None:
        if data:
            data[self._at(data) % len(data)] = self._random.choice(b'"[]{}:,\\\r\n\x00\x7f\xff 0-=')

    def _delete(self, data: bytearray) -> None:
        del data[self._span(data, 16)]

    def _repeat(self, data: bytearray) -> None:
        span = data[self._span(data, 32)]
        times = self._random.choice((1, 1, 2, 5, 50))
        at = self._at(data)
        data[at:at] = span * times

    def _insert_word(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = self._random.choice(self._words)

    def _insert_bytes(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = self._random.randbytes(1 + int(self._random.random() * 4))

    def _splice(self, data: bytearray) -> None:
        other = self._random.choice(self._seeds)
        data[self._at(data) :] = other[self._at(bytearray(other)) :]

    def _number(self, data: bytearray) -> None:
        digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
        if digits:
            at = self._random.choice(digits)
            data[at : at + 1] = self._random.choice(NUMBERS)

    def _nest(self, data: bytearray) -> None:
        depth = self._random.choice((1, 3, 60, 400, 1500))
        opening, closing = self._random.choice(((b"[", b"]"), (b'{"a":', b"}")))
        span = self._span(data, 8)
        data[span] = opening * depth + data[span] + closing * depth

    def _cut(self, data: bytearray) -> None:
        del data[self._at(data) :]

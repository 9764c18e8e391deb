"""A Service that makes and scales lists of numbers."""

from typing import Union

from msl_network import Service

__all__ = ["MyArray"]

Number = Union[int, float]  # noqa: UP007 - so it stands in the signatures that Clients see


class MyArray(Service):
    """Makes and scales lists of numbers."""

    @staticmethod
    def linspace(start: Number, stop: Number, n: int = 100) -> list[float]:
        """Return `n` numbers from `start` to `stop`, at equal distances."""
        step = (stop - start) / float(n - 1)
        return [start + i * step for i in range(int(n))]

    @staticmethod
    def scalar_multiply(scalar: Number, data: list[float]) -> list[float]:
        """Return each of the numbers multiplied by `scalar`."""
        return [scalar * element for element in data]


if __name__ == "__main__":
    MyArray().start()

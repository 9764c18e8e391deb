"""A Service that does sums, some of them slowly."""

import time
from typing import Union

from msl_network import Service

__all__ = ["BasicMath"]

Number = Union[int, float]  # noqa: UP007 - so it stands in the signatures that Clients see


class BasicMath(Service):
    """Does sums. Each method takes a second more than the one before, as in 1.x."""

    euler = 2.718281828459045

    @property
    def pi(self) -> float:
        """The ratio of a circle's circumference to its diameter."""
        return 3.141592653589793

    def add(self, x: Number, y: Number) -> Number:
        """Return the sum, after 1 second."""
        time.sleep(1)
        return x + y

    def subtract(self, x: Number, y: Number) -> Number:
        """Return the difference, after 2 seconds."""
        time.sleep(2)
        return x - y

    def multiply(self, x: Number, y: Number) -> Number:
        """Return the product, after 3 seconds."""
        time.sleep(3)
        return x * y

    def divide(self, x: Number, y: Number) -> Number:
        """Return the quotient, after 4 seconds."""
        time.sleep(4)
        return x / float(y)

    def ensure_positive(self, x: Number) -> bool:
        """Return True, after 5 seconds.

        Raises:
            ValueError: The number is negative.
        """
        time.sleep(5)
        if x < 0:
            raise ValueError("The value is < 0")
        return True

    def power(self, x: Number, n: Number = 2) -> Number:
        """Return the power, after 6 seconds."""
        time.sleep(6)
        result: Number = x**n
        return result


if __name__ == "__main__":
    BasicMath().start()

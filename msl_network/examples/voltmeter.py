"""A voltmeter, simulated, with all that a call can do besides returning."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Iterator

from msl_network import Service, serial

__all__ = ["OutOfRangeError", "Voltmeter"]

RANGES = (0.1, 1.0, 10.0, 100.0)
"""The ranges of the instrument, in volts."""


class OutOfRangeError(ValueError):
    """A voltage is outside of the range of the instrument."""


class Voltmeter(Service):
    """A voltmeter that measures a decaying sine, with some noise.

    Args:
        name: The name on the Manager; None for the name of the class.
        delay: Seconds that one reading takes.
        seed: The noise is the same for the same seed; None for another one each time.
        replica: Whether it shares its name with others.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        delay: float = 0.01,
        seed: int | None = None,
        replica: bool = False,
    ) -> None:
        super().__init__(name=name, replica=replica)
        self._delay = delay
        self._noise = random.Random(seed)  # noqa: S311 - nothing secret
        self._range = 10.0

    def range(self) -> float:
        """The range in use, in volts."""
        return self._range

    @serial
    def set_range(self, volts: float) -> float:
        """Choose the smallest range in which a voltage can be measured.

        Args:
            volts: The largest voltage that is expected.

        Returns:
            The range, in volts.

        Raises:
            OutOfRangeError: There is none.
        """
        for limit in RANGES:
            if abs(volts) <= limit:
                self._range = limit
                return limit
        raise OutOfRangeError(f"{volts} V is more than {RANGES[-1]:g} V")

    @serial
    def voltage(self, seconds: float = 0.0) -> float:
        """Measure once.

        Args:
            seconds: When, after the beginning of the decay.

        Returns:
            The voltage in volts.
        """
        return self._read(seconds)

    @serial
    def average(self, readings: int = 100) -> dict[str, float]:
        """Measure several times; can be stopped, and tells how far it is.

        Args:
            readings: How many readings to take.

        Returns:
            The `mean` and the standard deviation `std`, in volts, and their `count`, which is
            smaller than `readings` if it was stopped.
        """
        values: list[float] = []
        for i in range(readings):
            if self.request is not None and self.request.cancelled:
                break
            values.append(self._read(0.0))
            self.progress(i + 1, readings, f"{values[-1]:.3f} V")
        mean = math.fsum(values) / len(values) if values else math.nan
        square = math.fsum((value - mean) ** 2 for value in values)
        std = math.sqrt(square / (len(values) - 1)) if len(values) > 1 else math.nan
        return {"mean": mean, "std": std, "count": len(values)}

    @serial
    def scan(self, stop: float = 1.0, points: int = 100) -> Iterator[tuple[float, float]]:
        """Measure the decay; each point comes as soon as it is measured.

        Args:
            stop: Seconds after the beginning at which to stop.
            points: How many points to measure.

        Yields:
            The time in seconds and the voltage in volts.
        """
        for i in range(points):
            seconds = stop * i / max(1, points - 1)
            yield seconds, self._read(seconds)
            self.progress(i + 1, points)

    async def settle(self, tolerance: float = 0.05) -> float:
        """Wait until ten readings in a row are the same.

        Args:
            tolerance: By how much they may differ, in volts.

        Returns:
            The voltage in volts.
        """
        readings: deque[float] = deque(maxlen=10)
        seconds = 0.0
        while len(readings) < 10 or max(readings) - min(readings) > tolerance:
            await asyncio.sleep(self._delay)
            readings.append(self._simulated(seconds))
            seconds += 0.1
        return readings[-1]

    def _read(self, seconds: float) -> float:
        if self.request is None:
            raise RuntimeError("A reading is taken for a Client")
        self.request.sleep(self._delay)
        volts = self._simulated(seconds)
        if abs(volts) > self._range:
            raise OutOfRangeError(f"{volts:.3f} V in the range of {self._range:g} V")
        return volts

    def _simulated(self, seconds: float) -> float:
        decay = 5 * math.exp(-2 * seconds) * math.cos(12 * seconds)
        return decay + self._noise.gauss(0.0, 0.01)

"""Some Services of a soak, in one process. They count what they execute, and tick."""

import threading
import time
import zlib

from msl_network import Service
from tests.census import Errors, census
from tests.child import Pipe

from .score import Score

TICK = 0.2
"""Seconds between two notifications of a Service."""

REMEMBERED = 10_000
"""Numbers of a Client that are remembered, of those that it has sent last."""


class Executed:
    """The numbers that a Client has sent: each must come once at the most."""

    def __init__(self):
        self._seen = set()
        self._floor = 0

    def is_new(self, number):
        if number in self._seen or number < self._floor:
            return False
        self._seen.add(number)
        if len(self._seen) > 2 * REMEMBERED:
            kept = sorted(self._seen)[-REMEMBERED:]
            self._floor, self._seen = kept[0], set(kept)
        return True


class Soaked(Service):
    """A Service of a soak.

    Args:
        name: The name on the Manager.
        score: Where it says what is wrong.
    """

    def __init__(self, name, score):
        super().__init__(name=name)
        self._score = score
        self._executed = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name=f"ticks of {name}", daemon=True)
        self._ticker.start()

    def echo(self, text, checksum):
        """Return a text whose checksum is right."""
        if zlib.crc32(text.encode()) != checksum:
            self._score.is_wrong(f"{self.name}: a text of {len(text)} characters came damaged")
        return [text, checksum]

    def reverse(self, array):
        """Return an array the other way round."""
        return array[::-1]

    def step(self, client, number):
        """Do what must not be done twice."""
        with self._lock:
            if not self._executed.setdefault(client, Executed()).is_new(number):
                self._score.is_wrong(f"{self.name}: step {number} of {client} was executed twice")
        self._score.right("step", 0)
        return number

    def wait(self, seconds):
        """Take some time."""
        time.sleep(seconds)
        return seconds

    def _tick(self):
        number = 0
        while not self._ended.wait(TICK):
            number += 1
            self.emit_notification(number)

    def stop_ticking(self):
        self._ended.set()
        self._ticker.join()


def main():
    pipe = Pipe()
    errors, score = Errors(), Score()
    services = [Soaked(name, score) for name in pipe.config["services"]]
    for service in services:
        service.ignore_attributes("stop_ticking")
    running = [service.start_in_background(**pipe.config["kwargs"]) for service in services]
    pipe.ready()
    pipe.serve(
        {
            "score": score.as_dict,
            "census": lambda: {**census(), "errors": errors.texts},
        }
    )
    for one in running:
        one.stop()
    for service in services:
        service.stop_ticking()


if __name__ == "__main__":
    main()

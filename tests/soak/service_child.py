"""Some Services of a soak, in one process. They count what they execute, and tick."""

import contextlib
import threading
import time
import zlib

from msl_network import Service, serial
from tests.census import Errors, census
from tests.child import Pipe

from .score import Score

TICK = 0.2
"""Seconds between two notifications of a Service."""

REMEMBERED = 10_000
"""Numbers of a Client that are remembered, of those that it has sent last."""


RELOAD = 1.0
"""Seconds between two reloads of a Service."""

POOL = "Pool"
"""The name that a Service of each process shares, a replica."""


class OvenError(ValueError):
    """An exception of a Service's own."""


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
        options: Further keyword arguments of a Service.
    """

    def __init__(self, name, score, **options):
        super().__init__(name=name, **options)
        self._score = score
        self._streams = 0
        self._at_once = 0
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
        """Take some time, unless the request is given up."""
        self.request.sleep(seconds)
        self.request.raise_if_cancelled()
        return seconds

    def fail(self, text):
        """Raise what has been asked for."""
        raise OvenError(text)

    def work(self, count):
        """Tell how far it is."""
        for number in range(count):
            self.progress(number, count, f"{number} of {count}")
        return count

    def scan(self, text, count):
        """Yield so many items, and count who has not been ended."""
        with self._stream():
            for number in range(count):
                yield [number, text]

    async def follow(self, text, count):
        """The same, on the loop."""
        with self._stream():
            for number in range(count):
                yield [number, text]

    @contextlib.contextmanager
    def _stream(self):
        with self._lock:
            self._streams += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams -= 1

    @serial
    def alone(self, number):
        """Do what nobody else must do at the same time."""
        self._at_once += 1
        if self._at_once != 1:
            self._score.is_wrong(f"{self.name}: {self._at_once} requests are in one lane")
        time.sleep(0.002)
        self._at_once -= 1
        return number

    def _tick(self):
        number = 0
        while not self._ended.wait(TICK):
            number += 1
            self.emit_notification(number)

    def stop_ticking(self):
        self._ended.set()
        self._ticker.join()


class Reloaded(Service):
    """A Service that is put in place of itself again and again.

    Args:
        name: The name on the Manager.
        number: How often that has been done.
    """

    def __init__(self, name, number):
        super().__init__(name=name)
        self._number = number
        self.latest = number  # so that it offers something else each time

    def number(self):
        """How often it has been reloaded."""
        return self._number


class Reloader:
    """Reloads a Service for as long as it is to.

    Args:
        running: The Service.
        score: Where it says what came of it.

    Attributes:
        is_calm: Whether nothing may fail.
    """

    def __init__(self, running, score):
        self._running = running
        self._score = score
        self._number = 0
        self._ended = threading.Event()
        self._works = threading.Event()
        self._turn = threading.Lock()
        self.is_calm = True
        self._thread = threading.Thread(target=self._reload, name="reloads", daemon=True)
        self._thread.start()

    def work(self, is_working):
        """Begin, or stop; returns when that is so."""
        with self._turn:
            (self._works.set if is_working else self._works.clear)()

    def calm(self, is_calm):
        self.is_calm = is_calm

    def _reload(self):
        while not self._ended.wait(RELOAD):
            with self._turn:
                if self._works.is_set():
                    self._reload_once()

    def _reload_once(self):
        was_calm, self._number = self.is_calm, self._number + 1
        try:
            self._running.reload(Reloaded(self._running.service.name, self._number))
        except Exception as error:
            if was_calm and self.is_calm:
                self._score.is_wrong(f"reload {self._number}: {error!r}")
        else:
            self._score.right("reload", 0)

    def end(self):
        self._ended.set()
        self._thread.join()


def main():
    pipe = Pipe()
    errors, score = Errors(), Score()
    kwargs = pipe.config["kwargs"]
    services = [Soaked(name, score) for name in pipe.config["services"]]
    services.append(Soaked(POOL, score, replica=True))
    for service in services:
        service.ignore_attributes("stop_ticking")
    running = [service.start_in_background(**kwargs) for service in services]
    running.append(Reloaded(pipe.config["reloaded"], 0).start_in_background(**kwargs))
    reloader = Reloader(running[-1], score)

    def count():
        streams = sum(service._streams for service in services)
        return {**census(), "streams": streams, "errors": errors.texts}

    pipe.ready()
    pipe.serve(
        {
            "score": score.as_dict,
            "census": count,
            "work": reloader.work,
            "calm": reloader.calm,
        }
    )
    reloader.end()
    for one in running:
        one.stop()
    for service in services:
        service.stop_ticking()


if __name__ == "__main__":
    main()

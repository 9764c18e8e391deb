"""Run a Service of either package: PACKAGE, its own and the Manager's keyword arguments as JSON."""

import importlib
import json
import sys
import time

network = importlib.import_module(sys.argv[1])


class Reading:
    """What JSON has no word for, but can tell one."""

    def to_json(self):
        return {"value": 1.25, "unit": "V"}


class Probe(network.Service):
    """Does what an instrument could do."""

    channels = 4

    @property
    def temperature(self):
        return 21.5

    def echo(self, *args, **kwargs):
        return args, kwargs

    def add(self, x: float, y: float = 1) -> float:
        return x + y

    def slow(self, seconds):
        time.sleep(seconds)
        return "slow"

    def fail(self, text):
        raise ValueError(text)

    def reading(self):
        return Reading()

    def unserialisable(self):
        return object()

    def emit(self, count):
        for i in range(count):
            self.emit_notification_threadsafe(i, square=i * i)
        return count

    def shutdown_service(self, *args, **kwargs):
        return [args, kwargs]


Probe(**json.loads(sys.argv[2])).start(**json.loads(sys.argv[3]))

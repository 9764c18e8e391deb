"""What came of the requests of a process: how many, which errors, and everything that was wrong."""

import threading
from collections import Counter

MOST = 20
"""Most wrong things that are kept in words; further ones are counted."""


class Wrong(Exception):
    """A reply is not what was asked for."""


class Score:
    """Counts, from any thread.

    Attributes:
        done: How often each kind of work ended in the right result.
        errors: How often it ended in each error that may happen while a Manager is away.
        wrong: What must never happen.
        slowest: Seconds of the slowest piece of work.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self.done = Counter()
        self.errors = Counter()
        self.wrong = []
        self.wrong_count = 0
        self.slowest = 0.0

    def right(self, work, seconds):
        with self._lock:
            self.done[work] += 1
            self.slowest = max(self.slowest, seconds)

    def failed(self, work, error):
        with self._lock:
            self.errors[f"{work}: {kind(error)}"] += 1

    def is_wrong(self, text):
        with self._lock:
            self.wrong_count += 1
            if len(self.wrong) < MOST:
                self.wrong.append(text)

    def as_dict(self):
        with self._lock:
            return {
                "done": dict(self.done),
                "errors": dict(self.errors),
                "wrong": list(self.wrong),
                "wrong count": self.wrong_count,
                "slowest": self.slowest,
            }


def kind(error):
    """The name of an error; of a remote one also what it was there."""
    remote = getattr(error, "type", None)
    return type(error).__name__ + (f" ({remote})" if remote else "")

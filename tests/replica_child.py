"""One of the Services that share a name, in a process of its own that a test kills.

Run by `child.Child("tests.replica_child", ...)` with the keyword arguments of `start`.
"""

import os
import threading

from msl_network import Service
from tests.child import Pipe


class Worker(Service):
    """Says which process it is."""

    def __init__(self, **kwargs):
        super().__init__(replica=True, **kwargs)
        self.begun = 0
        self.heard = []
        self.release = threading.Event()

    @property
    def serial_number(self):
        return os.getpid()

    def work(self):
        self.begun += 1
        self.release.wait(30)
        return os.getpid()

    def scan(self, points):
        for _ in range(points):
            yield os.getpid()

    def expose(self):
        self.begun += 1
        self.progress(os.getpid())
        if not self.request.sleep(30):
            self.heard.append("cancelled")

    def shutdown_service(self):
        return os.getpid()


def main():
    pipe = Pipe()
    worker = Worker()
    with worker.start_in_background(**pipe.config) as running:
        pipe.ready()
        pipe.serve(
            {
                "begun": lambda: worker.begun,
                "heard": lambda: worker.heard,
                "release": worker.release.set,
                "emit": lambda: worker.emit_notification(os.getpid()),
                "is running": running.is_running,
            }
        )
        worker.release.set()


if __name__ == "__main__":
    main()

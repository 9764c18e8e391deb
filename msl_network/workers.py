"""Threads that run the methods of a Service."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

__all__ = ["Workers"]


class Workers:
    """A pool of threads, started as they are needed.

    It does less than `concurrent.futures.ThreadPoolExecutor` (no futures, which a Service does not
    need to send a reply) and is several times faster. Its threads do not keep the process alive:
    a method that waits for an instrument for ever does not stop a program from ending.

    Args:
        name: The prefix of the threads' names.
        most: Most threads.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._jobs: SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0  # threads that wait for a job, less the jobs that wait for a thread
        self._threads = 0
        self._closed = False

    def submit(self, job: Callable[..., None], *args: Any) -> None:
        """Run a function on a thread. It must not raise.

        Raises:
            RuntimeError: The pool is closed.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("The pool of threads is closed")
            self._free -= 1
            if self._free < 0 and self._threads < self._most:
                self._threads += 1
                self._free += 1
                threading.Thread(
                    target=self._work, name=f"{self._name}-{self._threads}", daemon=True
                ).start()
        self._jobs.put((job, args))

    def close(self) -> None:
        """Let the threads end, each after the job that it is at, without waiting for them."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            threads = self._threads
        for _ in range(threads):
            self._jobs.put(None)

    def _work(self) -> None:
        jobs, lock = self._jobs, self._lock
        while (item := jobs.get()) is not None:
            job, args = item
            job(*args)
            del item, job, args  # nothing is kept alive by a thread that waits
            with lock:
                self._free += 1

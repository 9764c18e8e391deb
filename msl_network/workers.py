"""Threads for what blocks: the methods of a Service, a database, the look-up of a name."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["NoThreadError", "Workers"]

T = TypeVar("T")


class NoThreadError(RuntimeError):
    """There is no thread for a job: the pool is closed, or the interpreter is at its end."""


class Workers:
    """A pool of threads, started as they are needed.

    It does less than `concurrent.futures.ThreadPoolExecutor` (no future where nobody waits for one)
    and is several times faster. Its threads do not keep the process alive: a method that waits
    for an instrument for ever does not stop a program from ending. And it still takes jobs in
    `atexit` handlers, where an executor does not.

    Args:
        name: The prefix of the threads' names.
        most: Most threads.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        # jobs with their arguments; None ends a thread
        self._jobs: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0  # threads that wait for a job, less the jobs that wait for a thread
        self._threads = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return max(0, -self._free)

    def submit(self, job: Callable[..., None], *args: Any) -> None:
        """Run a function on a thread. It must not raise.

        Raises:
            NoThreadError: There is no thread for it.
        """
        with self._lock:
            self._take_thread()
        self._jobs.put((job, args))

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function on a thread and wait for its result, on any event loop.

        At the end of the interpreter, where no thread can be started any more and nothing else is
        held up by it, it is run here.
        """
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*args))
            except BaseException as error:
                future.set_exception(error)

        try:
            self.submit(job)
        except NoThreadError:
            job()
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the threads end, each after the job that it is at, without waiting for them."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            threads = self._threads
        for _ in range(threads):
            self._jobs.put(None)

    def _take_thread(self) -> None:
        if self._closed:
            raise NoThreadError(f"The threads of {self._name!r} have ended")
        if self._free <= 0 and self._threads < self._most:
            self._start_thread()
        self._free -= 1

    def _start_thread(self) -> None:
        name = f"{self._name}-{self._threads + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError as error:
            # at the end of the interpreter; those that there are still work
            if not self._threads:
                raise NoThreadError(str(error)) from error
            return
        self._threads += 1
        self._free += 1

    def _work(self) -> None:
        jobs, lock = self._jobs, self._lock
        while (item := jobs.get()) is not None:
            job, args = item
            job(*args)
            del item, job, args  # nothing is kept alive by a thread that waits
            with lock:
                self._free += 1

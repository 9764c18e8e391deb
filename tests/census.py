"""What a process holds, in numbers that can be compared: before some load and after it."""

import asyncio
import gc
import logging
import re
import threading

import psutil

from msl_network import loop_thread

POOL = re.compile(r".*-\d+$")
"""The names of the threads in a pool, which has as many as were needed at the same time, never more
than its limit, and keeps them. They are counted for themselves."""


LOGGERS = ("msl_network", "asyncio")


class Errors(logging.Handler):
    """Keeps what this package logs as a defect: not that a peer misbehaves, but an exception.

    asyncio tells of one in a callback, and of a task's that nobody waited for.
    """

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def close(self):
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)
        super().close()

    def emit(self, record):
        defect = record.exc_info or record.levelno >= logging.CRITICAL or record.name == "asyncio"
        if defect and len(self.texts) < 20:
            self.texts.append(self.format(record))


async def _tasks():
    own = asyncio.current_task()
    return sorted(str(t.get_coro()) for t in asyncio.all_tasks() if t is not own)


def census():
    """Count what this process holds."""
    tasks = loop_thread.submit(_tasks()).result(60)
    names = [thread.name for thread in threading.enumerate()]
    gc.collect()
    process = psutil.Process()
    return {
        "descriptors": process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),
        "threads": sum(not POOL.match(name) for name in names),
        "pool": sum(bool(POOL.match(name)) for name in names),
        "tasks": len(tasks),
        "task names": tasks[:5],
        "memory": process.memory_info().rss / 2**20,
    }

"""The one thread and event loop on which a process has its network.

A cell that computes for an hour, blocks or is interrupted does not stop what happens here:
replies, notifications and other requests. The loop is uvloop's where the platform has it.
"""

import asyncio
import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from .workers import Workers

__all__ = ["get_loop", "in_thread", "on_loop", "submit"]

T = TypeVar("T")

logger = logging.getLogger(__package__)

THREADS = 32
"""Most things that block at the same time on behalf of the loop: connecting to a computer
that does not answer, a Service's clean-up."""

EXIT_TIMEOUT = 2.0
"""Seconds that the loop has to stop when the process ends."""

_threads = Workers("msl-network", THREADS)
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop: uvloop's, or where there is none asyncio's."""
    try:
        import uvloop
    except ImportError:
        # the default loop of Windows can't watch a socket
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def get_loop() -> asyncio.AbstractEventLoop:
    """The event loop of the network, started when it is first asked for."""
    global _loop, _thread
    with _lock:
        if _loop is None or _loop.is_closed():
            loop = new_event_loop()
            ready = threading.Event()
            _thread = threading.Thread(
                target=_run, args=(loop, ready), name="msl-network", daemon=True
            )
            _thread.start()
            ready.wait()
            _loop = loop
        return _loop


def on_loop() -> bool:
    """Whether the calling thread is the one that runs the loop of the network."""
    return _thread is threading.current_thread()


def submit(coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
    """Run a coroutine on the loop of the network, from any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, get_loop())


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Run what blocks on a thread, and wait for its result; on the loop of the network."""
    return await _threads.run(function, *args)


def _run(loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    loop.call_soon(ready.set)
    while True:
        try:
            with contextlib.suppress(RuntimeError):
                loop.run_forever()
            return
        except (SystemExit, KeyboardInterrupt):
            # of a coroutine of the user's, which a loop lets through: nobody else's network ends
            logger.exception("a coroutine wanted to end the program")


def _stop() -> None:
    loop, thread = _loop, _thread
    if loop is None or thread is None:
        return
    with contextlib.suppress(RuntimeError):  # it is closed
        loop.call_soon_threadsafe(loop.stop)
    thread.join(EXIT_TIMEOUT)


# registered when this is imported, and so called last: what others do at exit needs the loop
atexit.register(_stop)


def _forget() -> None:
    # A thread does not survive a fork: the child makes its own when it needs one.
    global _lock, _loop, _thread, _threads
    _lock = threading.Lock()
    _threads = Workers("msl-network", THREADS)
    _loop = _thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

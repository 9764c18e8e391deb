"""Calling what a user wants to have called: handlers of notifications and of what happens."""

import asyncio
import contextlib
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

__all__ = ["Callbacks", "Handler", "Notifier"]

T = TypeVar("T")

logger = logging.getLogger(__package__)

NOTIFICATIONS_WAITING = 10_000
"""Most notifications that wait for a slow handler; of further ones the oldest are dropped, with a
line in the log."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of the user's, and where it is called.

    Attributes:
        function: The function, which may be a coroutine function.
        loop: The loop on which it is called; None for a thread of its own.
        context: The context in which it is called, that of who gave the function: what it prints
            in a notebook stands below that cell.
    """

    function: Callable[..., Any]
    loop: asyncio.AbstractEventLoop | None = None
    context: Context = field(default_factory=copy_context)


class Callbacks(Generic[T]):
    """What is to be called when something happens, until it is taken away; from any thread."""

    def __init__(self) -> None:
        self._callbacks: dict[object, T] = {}

    def __iter__(self) -> Iterator[T]:
        # of a copy: another thread may just be adding one
        return iter(tuple(self._callbacks.values()))

    def __len__(self) -> int:
        return len(self._callbacks)

    def add(self, callback: T) -> Callable[[], None]:
        """Add one; returns what takes it away again."""
        key = object()
        self._callbacks[key] = callback

        def remove() -> None:
            self._callbacks.pop(key, None)

        return remove


class Notifier:
    """Calls handlers, one after the other, where they can send requests and take their time.

    Args:
        loop: The loop of the network, for coroutines that have none of their own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Context, Callable[..., Any], Any, dict[str, Any]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._dropped = 0

    def call(self, handler: Handler, args: Any = (), kwargs: dict[str, Any] | None = None) -> None:
        """Have a handler called; on the loop of the network."""
        # a copy, since it may be called again before it has returned
        context = handler.context.copy()
        call = (handler.function, args, kwargs or {})
        if handler.loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed: nobody is there any more
                handler.loop.call_soon_threadsafe(_handle, *call, context=context)
        elif inspect.iscoroutinefunction(handler.function):
            context.run(_handle, *call)
        else:
            self._call_in_thread(context, *call)

    def close(self) -> None:
        """Let the thread end when all that waits has been called."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _call_in_thread(
        self, context: Context, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> None:
        with self._changed:
            if self._thread is None and not self._start_thread():
                return
            if len(self._waiting) >= NOTIFICATIONS_WAITING:
                self._waiting.popleft()
                self._dropped += 1
                if self._dropped == 1 or self._dropped % NOTIFICATIONS_WAITING == 0:
                    logger.warning(
                        "a notification handler is too slow, %d notification(s) dropped",
                        self._dropped,
                    )
            self._waiting.append((context, function, args, kwargs))
            self._changed.notify()

    def _start_thread(self) -> bool:
        thread = threading.Thread(target=self._run, name="msl-network-notifications", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # no memory, or the interpreter is at its end: the connection goes on without
            logger.error("a notification is not handled: %s", error)
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        self._thread = None
                        return
                    self._changed.wait()
                context, function, args, kwargs = self._waiting.popleft()
            try:
                result = context.run(function, *args, **kwargs)
                if inspect.iscoroutine(result):
                    self._loop.call_soon_threadsafe(_keep, result, context=context)
            except BaseException:
                # a SystemExit too: the notifications that follow still have their handlers
                logger.exception("a notification handler failed")
            del context, function, args, kwargs  # nothing is kept alive by a thread that waits


def _handle(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> None:
    try:
        result = function(*args, **kwargs)
        if inspect.iscoroutine(result):
            _keep(result)
    except Exception:
        logger.exception("a notification handler failed")


def _keep(coroutine: Coroutine[Any, Any, Any]) -> None:
    task = asyncio.ensure_future(coroutine)
    _handling.add(task)
    task.add_done_callback(_handled)


_handling: set[asyncio.Future[Any]] = set()


def _handled(task: "asyncio.Future[Any]") -> None:
    _handling.discard(task)
    if not task.cancelled() and (error := task.exception()):
        logger.error("a notification handler failed", exc_info=error)

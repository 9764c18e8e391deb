"""Calling what a user wants to have called: handlers of notifications and of what happens."""

import asyncio
import contextlib
import inspect
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from ..constants import MESSAGE_LIMIT

__all__ = ["Callbacks", "Handler", "Notifier"]

T = TypeVar("T")

logger = logging.getLogger(__package__)

NOTIFICATIONS_WAITING = 10_000
"""Most notifications that wait for a slow handler, or for a loop that is held up; of further ones
the oldest are dropped, with a line in the log. So many coroutines run at the same time."""

NOTIFICATION_BYTES = MESSAGE_LIMIT
"""Most bytes of them, where they are large; one may be as large as a message can be."""


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


class _Call(NamedTuple):
    context: Context
    function: Callable[..., Any]
    args: Any
    kwargs: dict[str, Any]
    size: int


class _Waiting:
    """The calls that wait for one thread or loop. It has no lock of its own."""

    def __init__(self) -> None:
        self._calls: deque[_Call] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: _Call) -> None:
        """Add one, for which the oldest make way."""
        self._calls.append(call)
        self._size += call.size
        while len(self) > 1 and (
            len(self) > NOTIFICATIONS_WAITING or self._size > NOTIFICATION_BYTES
        ):
            self.next()
            _drop()

    def next(self) -> _Call:
        """Take the one that has waited for longest."""
        call = self._calls.popleft()
        self._size -= call.size
        return call


_dropped = itertools.count(1)


def _drop() -> None:
    count = next(_dropped)
    if count % NOTIFICATIONS_WAITING == 1:
        logger.warning("a notification handler is too slow, %d notification(s) dropped", count)


class Notifier:
    """Calls handlers, one after the other, where they can send requests and take their time.

    Args:
        loop: The loop of the network, for coroutines that have none of their own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting = _Waiting()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()

    def call(
        self,
        handler: Handler,
        args: Any = (),
        kwargs: dict[str, Any] | None = None,
        *,
        size: int = 0,
    ) -> None:
        """Have a handler called; on the loop of the network.

        Args:
            handler: The handler.
            args: The positional arguments.
            kwargs: The keyword arguments.
            size: The bytes that these are on the network.
        """
        # a copy, since it may be called again before it has returned
        call = _Call(handler.context.copy(), handler.function, args, kwargs or {}, size)
        if handler.loop is not None:
            self._call_on_loop(handler.loop, call)
        elif inspect.iscoroutinefunction(handler.function):
            call.context.run(_handle, call)
        else:
            self._call_in_thread(call)

    def close(self) -> None:
        """Let the thread end when all that waits has been called."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _call_on_loop(self, loop: asyncio.AbstractEventLoop, call: _Call) -> None:
        with self._changed:
            if loop.is_closed():  # nobody is there any more
                self._loops.pop(loop, None)
                return
            waiting = self._loops.setdefault(loop, _Waiting())
            is_first = not waiting
            waiting.add(call)
        if is_first:
            with contextlib.suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(self._call_next, loop, waiting)

    def _call_next(self, loop: asyncio.AbstractEventLoop, waiting: _Waiting) -> None:
        with self._changed:
            call = waiting.next()
            is_last = not waiting
        # first: a handler may raise what ends the loop for now
        if not is_last:
            loop.call_soon(self._call_next, loop, waiting)
        call.context.run(_handle, call)

    def _call_in_thread(self, call: _Call) -> None:
        with self._changed:
            if self._thread is None and not self._start_thread():
                return
            self._waiting.add(call)
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
                call = self._waiting.next()
            result: Any = None
            try:
                result = call.context.run(call.function, *call.args, **call.kwargs)
                if inspect.iscoroutine(result):
                    keep = self._loop.call_soon_threadsafe
                    keep(_keep, result, call.size, context=call.context)
            except BaseException:
                # a SystemExit too: the notifications that follow still have their handlers
                logger.exception("a notification handler failed")
            del call, result  # nothing is kept alive by a thread that waits


def _handle(call: _Call) -> None:
    try:
        result = call.function(*call.args, **call.kwargs)
        if inspect.iscoroutine(result):
            _keep(result, call.size)
    except Exception:
        logger.exception("a notification handler failed")


def _keep(coroutine: Coroutine[Any, Any, Any], size: int) -> None:
    is_full = len(_handling) >= NOTIFICATIONS_WAITING
    if _handling and size > NOTIFICATION_BYTES // NOTIFICATIONS_WAITING:
        is_full = is_full or sum([*_handling.values()]) + size > NOTIFICATION_BYTES
    if is_full:
        coroutine.close()
        _drop()
        return
    task = asyncio.ensure_future(coroutine)
    _handling[task] = size
    task.add_done_callback(_handled)


# the bytes of what each coroutine that runs has been given
_handling: dict[asyncio.Future[Any], int] = {}


def _handled(task: "asyncio.Future[Any]") -> None:
    _handling.pop(task, None)
    if not task.cancelled() and (error := task.exception()):
        logger.error("a notification handler failed", exc_info=error)

"""The items of a method that yields, as they come."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any, Self

from .. import loop_thread
from ..asking import wait
from ..constants import STREAM_BYTES, STREAM_ITEMS
from .errors import ReplyTimeoutError

if TYPE_CHECKING:
    from .reply import Cancellation, Progress, Reply

__all__ = ["AsyncStream", "Items", "Stream"]

TAKEN_AT_ONCE = STREAM_ITEMS // 4
"""Items after which the Service is told that they have been taken, so that it never has to wait for
a Client that is as fast as itself."""

TOO_FAR_AHEAD = 10
"""How many times as many items, or bytes of them, as it may be ahead a Service can send: one that
does not wait does not fill the memory."""


class Items:
    """The items of one request that have come and have not been taken; for any threads.

    Args:
        acknowledge: Tells the Service how many items have been taken in all.
    """

    def __init__(self, acknowledge: Callable[[int], None]) -> None:
        self._acknowledge = acknowledge
        self._items: deque[Any] = deque()
        self._lock = threading.Lock()
        # (index of the last item, bytes) of each line of which not all has been taken
        self._lines: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._taken = 0
        self._told = 0
        self._bells: deque[Future[None]] = deque()

    def add(self, items: list[Any], size: int) -> bool:
        """Note items that have come; on the loop of the network.

        Args:
            items: The items.
            size: The bytes of their line.

        Returns:
            Whether the Service waits for who takes them, as it has to.
        """
        with self._lock:
            if (
                len(self._items) + len(items) > TOO_FAR_AHEAD * STREAM_ITEMS
                or self._bytes > TOO_FAR_AHEAD * STREAM_BYTES
            ):
                return False
            if items:
                self._items.extend(items)
                self._lines.append((self._taken + len(self._items), size))
                self._bytes += size
        self.ring()
        return True

    def ring(self) -> None:
        """Tell who waits that there is something new."""
        while self._bells:
            # another thread may be doing it, and who waited may have been cancelled
            with contextlib.suppress(IndexError, InvalidStateError):
                self._bells.popleft().set_result(None)

    def new_bell(self) -> Future[None]:
        """What is done when there is something new from now on."""
        bell = Future[None]()
        self._bells.append(bell)
        return bell

    def take(self) -> list[Any]:
        """The next item, in a list; an empty one while there is none."""
        with self._lock:
            if not self._items:
                return []
            item = self._items.popleft()
            self._taken = taken = self._taken + 1
            while self._lines and self._lines[0][0] <= taken:
                self._bytes -= self._lines.popleft()[1]
            tell = not self._items or taken - self._told >= TAKEN_AT_ONCE
            if tell:
                self._told = taken
        if tell:
            self._acknowledge(taken)
        return [item]


class _Stream:
    """What both kinds have in common.

    Args:
        reply: The end of the stream.
        timeout: Seconds to wait for each item; None for as long as it takes.
        owner: What keeps the Client connected.
    """

    def __init__(self, reply: "Reply[Any]", timeout: float | None, owner: object) -> None:
        assert reply.items is not None  # noqa: S101 - that is what it was asked for
        self._reply = reply
        self._items = items = reply.items
        self._timeout = timeout
        self._owner = owner
        self._loop = loop_thread.get_loop()
        reply.add_done_callback(lambda _: items.ring())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._reply.request}>"

    def __del__(self) -> None:
        # not here: the garbage collector may be called where the lock of the socket is held
        if not self._reply.done():
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._reply.cancel)

    @property
    def progress(self) -> "Progress | None":
        """The latest report of the Service of how far it is; None before the first."""
        return self._reply.progress

    @property
    def cancellation(self) -> "Cancellation | None":
        """What became of the method, once the stream has been left early; None before."""
        return self._reply.cancellation

    def _next(self) -> list[Any]:
        """The next item, in a list; an empty one if it has not come yet.

        Raises:
            StopAsyncIteration: There are no more.
            Exception: What ended it.
        """
        if self._reply.cancelled():
            raise StopAsyncIteration
        ended = self._reply.done()  # before the look: the end comes after the items
        item = self._items.take()
        if item or not ended:
            return item
        self._reply.result(0)
        raise StopAsyncIteration

    def _too_late(self) -> TimeoutError:
        self._reply.cancel()
        text = f"{self._reply.request} did not yield anything within {self._timeout:g} seconds"
        return ReplyTimeoutError(text, self._reply.cancellation)


class Stream(_Stream):
    """The items of a method that yields: `for item in link.scan(...)`.

    Whoever leaves the loop early, or forgets the stream, ends the method: its `finally` runs.
    """

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> Any:
        try:
            while not (item := self._next()):
                bell = self._items.new_bell()
                if item := self._next():
                    break
                try:
                    wait(bell, self._timeout)
                except TimeoutError:
                    if not bell.done():
                        raise self._too_late() from None
            return item[0]
        except StopAsyncIteration:
            raise StopIteration from None
        except BaseException as error:
            self._reply.interrupted(error)
            raise

    def close(self) -> None:
        """End it."""
        self._reply.cancel()


class AsyncStream(_Stream):
    """The items of a method that yields: `async for item in link.aio.scan(...)`.

    Whoever leaves the loop early, or forgets the stream, ends the method: its `finally` runs.
    """

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __anext__(self) -> Any:
        try:
            while not (item := self._next()):
                bell = self._items.new_bell()
                if item := self._next():
                    break
                try:
                    async with asyncio.timeout(self._timeout):
                        await asyncio.wrap_future(bell)
                except TimeoutError:
                    raise self._too_late() from None
            return item[0]
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self._reply.interrupted(error)
            raise

    async def aclose(self) -> None:
        """End it."""
        self._reply.cancel()

"""The items of a method that yields, as they come."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self

from ..asking import wait
from ..constants import STREAM_ITEMS

if TYPE_CHECKING:
    from .reply import Reply

__all__ = ["AsyncStream", "Items", "Stream"]

TAKEN_AT_ONCE = STREAM_ITEMS // 4
"""Items after which the Service is told that they have been taken, so that it never has to wait for
a Client that is as fast as itself."""


class Items:
    """The items of one request that have come and have not been taken.

    Args:
        acknowledge: Tells the Service how many items have been taken in all.
    """

    def __init__(self, acknowledge: Callable[[int], None]) -> None:
        self._acknowledge = acknowledge
        self._items: deque[Any] = deque()
        self._taken = 0
        self._told = 0
        self._bell: Future[None] | None = None

    def add(self, items: list[Any]) -> None:
        """Note items that have come; on the loop of the network."""
        self._items.extend(items)
        self.ring()

    def ring(self) -> None:
        """Tell who waits that there is something new."""
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.set_result(None)

    def new_bell(self) -> Future[None]:
        """What is done when there is something new from now on."""
        self._bell = bell = Future[None]()
        return bell

    def take(self) -> list[Any]:
        """The next item, in a list; an empty one while there is none."""
        if not self._items:
            return []
        item = self._items.popleft()
        self._taken += 1
        if not self._items or self._taken - self._told >= TAKEN_AT_ONCE:
            self._told = self._taken
            self._acknowledge(self._taken)
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
        reply.add_done_callback(lambda _: items.ring())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._reply.request}>"

    def __del__(self) -> None:
        self._reply.cancel()

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
        return TimeoutError(text)


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
        except BaseException:
            self._reply.cancel()  # an interrupt, too
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
        except BaseException:
            self._reply.cancel()
            raise

    async def aclose(self) -> None:
        """End it."""
        self._reply.cancel()

"""Sending the items of a generator as they come, and no faster than they are taken."""

import asyncio
import threading
import time
from collections import deque
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from .constants import ITEMS, MESSAGE_LIMIT, STREAM_BYTES, STREAM_ITEMS
from .wire.codec import encode
from .wire.messages import items_line

if TYPE_CHECKING:
    from .request import Request

__all__ = ["Collected", "ItemSender"]

BATCH_BYTES = 64 * 1024
"""Bytes of items that leave in one line without waiting for more."""

BATCH_PAUSE = 0.002
"""Seconds in which further items join those that wait. One that comes after a longer pause
leaves at once."""


class Collected:
    """The items of a request whose Client wants all of them at once, as one of 1.x does.

    A method that yields for ever would fill the memory; it ends when nobody wants its items.

    Args:
        request: The request.
    """

    def __init__(self, request: "Request") -> None:
        self.items: list[Any] = []
        self._request = request
        self._bytes = 0

    def add(self, item: Any) -> None:
        """Add an item.

        Raises:
            TypeError: It can't be written as JSON.
            ValueError: They are more than a message can have.
            concurrent.futures.CancelledError: The Client has given the request up, or has gone.
        """
        self._request.raise_if_cancelled()
        if self._request._is_gone:
            raise CancelledError("The Client has gone")
        # 8 bytes more for where it is in the memory: there may be many small ones
        self._bytes += len(encode(item)) + 8
        if self._bytes > MESSAGE_LIMIT:
            raise ValueError(
                f"{self._request.attribute!r} yields more than a message can have. "
                f"Take its items one by one"
            )
        self.items.append(item)


class ItemSender:
    """The items of one request on their way to its Client.

    Args:
        request: The request.
        loop: The loop of the network.
    """

    def __init__(self, request: "Request", loop: asyncio.AbstractEventLoop) -> None:
        self._request = request
        self._loop = loop
        self._changed = threading.Condition()
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        # (index of the last item, bytes) of each line that the Client has not taken all of
        self._lines: deque[tuple[int, int]] = deque()
        self._made = 0
        self._taken = 0
        self._bytes = 0
        self._last = 0.0
        self._flushes = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: Any) -> bool:
        """Send an item, from a thread; waits until there is room.

        Returns:
            Whether further items are wanted.

        Raises:
            TypeError: The item can't be written as JSON.
        """
        data = encode(item)
        with self._changed:
            self._add(data)
            while self._is_full and not self._request.cancelled:
                self._changed.wait()
        return not self._request.cancelled

    async def put_on_loop(self, item: Any) -> bool:
        """Send an item, on the loop; waits until there is room.

        Returns:
            Whether further items are wanted: a method may go on when it is cancelled.

        Raises:
            TypeError: The item can't be written as JSON.
        """
        data = encode(item)
        with self._changed:
            self._add(data)
        while self._is_full and not self._request.cancelled:
            self._waiter = self._loop.create_future()
            await self._waiter
        return not self._request.cancelled

    def taken(self, count: int) -> None:
        """Note how many items the Client has taken in all; on the loop."""
        with self._changed:
            self._taken = max(self._taken, min(count, self._made))
            while self._lines and self._lines[0][0] <= self._taken:
                self._bytes -= self._lines.popleft()[1]
            self._changed.notify_all()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def wake(self) -> None:
        """Have who waits for room look whether the request has been given up."""
        with self._changed:
            self._changed.notify_all()

    def flush(self) -> None:
        """Send what waits for further items, from any thread."""
        with self._changed:
            self._flush()

    @property
    def _is_full(self) -> bool:
        return self._made - self._taken >= STREAM_ITEMS or self._bytes >= STREAM_BYTES

    def _add(self, item: bytes) -> None:
        self._batch.append(item)
        self._batch_bytes += len(item)
        self._made += 1
        now = time.monotonic()
        if (
            now - self._last >= BATCH_PAUSE
            or self._batch_bytes >= BATCH_BYTES
            or self._made - self._taken >= STREAM_ITEMS
        ):
            self._flush()
        elif not self._flushes:
            self._flushes = True
            self._loop.call_soon_threadsafe(self._loop.call_later, BATCH_PAUSE, self._flush_later)

    def _flush_later(self) -> None:
        with self._changed:
            self._flushes = False
            self._flush()

    def _flush(self) -> None:
        if not self._batch:
            return
        request = self._request
        line = items_line(ITEMS, self._batch, requester=request.requester, uid=request.uid)
        self._lines.append((self._made, len(line)))
        self._bytes += len(line)
        self._batch, self._batch_bytes = [], 0
        self._last = time.monotonic()
        if not request.cancelled:
            request._connection.send(line)

"""Sending the items of a generator as they come, and no faster than they are taken."""

import asyncio
import threading
import time
from collections import deque
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from .constants import ITEMS, NAME_LIMIT, STREAM_BYTES, STREAM_ITEMS
from .wire.codec import encode
from .wire.messages import items_line, list_line

if TYPE_CHECKING:
    from .request import Request

__all__ = ["Collected", "ItemSender", "check_size"]

BATCH_BYTES = 64 * 1024
"""Bytes of items that leave in one line without waiting for more."""

ENVELOPE = 4 * NAME_LIMIT
"""Bytes that a line with one item can have besides it: names and a uid, of few of them escaped."""

BATCH_PAUSE = 0.002
"""Seconds in which further items join those that wait. One that comes after a longer pause
leaves at once."""


def check_size(request: "Request", size: int, limit: int) -> None:
    """Check that what a request leads to can be sent: a Manager drops who sends more.

    Raises:
        ValueError: It can't.
    """
    if size > limit:
        raise ValueError(
            f"What {request.attribute!r} returns has {size} bytes, more than a message can have "
            f"({limit}). Ask for it in parts"
        )


class Collected:
    """The items of a request whose Client wants all of them at once, as one of 1.x does.

    A method that yields for ever would fill the memory; it ends when nobody wants its items.

    Args:
        request: The request.
        limit: Most bytes of them.
    """

    def __init__(self, request: "Request", limit: int) -> None:
        self._request = request
        self._limit = limit
        self._text = bytearray()
        self._count = 0

    def add(self, item: Any) -> int:
        """Add an item; returns how many there are.

        Raises:
            TypeError: It can't be written as JSON.
            ValueError: They are more than a message can have.
            concurrent.futures.CancelledError: The Client has given the request up, or has gone.
        """
        self._request.raise_if_cancelled()
        if self._request._is_gone:
            raise CancelledError("The Client has gone")
        if self._count:
            self._text += b","
        self._text += encode(item)
        self._count += 1
        if len(self._text) > self._limit:
            raise ValueError(
                f"{self._request.attribute!r} yields more than a message can have. "
                f"Take its items one by one"
            )
        return self._count

    def reply(self) -> bytes:
        """The line with all of them."""
        request = self._request
        line = list_line(self._text, requester=request.requester, uid=request.uid)
        check_size(request, len(line), self._limit)
        return line


class ItemSender:
    """The items of one request on their way to its Client.

    Args:
        request: The request.
        loop: The loop of the network.
        limit: Most bytes of an item.

    Attributes:
        request: The request.
    """

    def __init__(self, request: "Request", loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self.request = request
        self._loop = loop
        self._limit = limit
        self._changed = threading.Condition()
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        # (index of the last item, bytes) of each line that the Client has not taken all of
        self._lines: deque[tuple[int, int]] = deque()
        self._made = 0
        self._taken = 0
        self._bytes = 0
        self._unsent = 0  # lines for which the Manager has no room yet
        self._last = 0.0
        self._flushes = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: Any) -> bool:
        """Send an item, from a thread; waits until there is room.

        Returns:
            Whether further items are wanted.

        Raises:
            TypeError: The item can't be written as JSON.
            ValueError: It is more than a message can have.
        """
        data = self._encoded(item)
        with self._changed:
            self._add(data)
            while self.is_full and not self.request.cancelled:
                self._changed.wait()
        return not self.request.cancelled

    async def put_on_loop(self, item: Any) -> bool:
        """Send an item, on the loop; waits until there is room.

        Returns:
            Whether further items are wanted: a method may go on when it is cancelled.

        Raises:
            TypeError: The item can't be written as JSON.
            ValueError: It is more than a message can have.
        """
        data = self._encoded(item)
        with self._changed:
            self._add(data)
        while self.is_full and not self.request.cancelled:
            self._waiter = self._loop.create_future()
            await self._waiter
        return not self.request.cancelled

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
    def count(self) -> int:
        """How many items have been taken."""
        return self._taken

    @property
    def is_full(self) -> bool:
        """Whether it waits until items are taken, or there is room for them."""
        return (
            self._made - self._taken >= STREAM_ITEMS
            or self._bytes >= STREAM_BYTES
            or self._unsent > 0
        )

    def _encoded(self, item: Any) -> bytes:
        data = encode(item)
        check_size(self.request, len(data) + ENVELOPE, self._limit)
        return data

    def _add(self, item: bytes) -> None:
        if self._batch_bytes + len(item) > BATCH_BYTES:
            self._flush()  # one that just fits into a message is alone in it
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
        request = self.request
        line = items_line(ITEMS, self._batch, requester=request.requester, uid=request.uid)
        self._lines.append((self._made, len(line)))
        self._bytes += len(line)
        self._batch, self._batch_bytes = [], 0
        self._last = time.monotonic()
        if not request.cancelled and (room := request._connection.offer(line)) is not None:
            self._unsent += 1
            room.add_done_callback(self._was_sent)

    def _was_sent(self, _: object) -> None:
        with self._changed:
            self._unsent -= 1
        self._loop.call_soon_threadsafe(self.taken, 0)

"""The calls of a panel that are under way."""

import asyncio
import html
import math
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import ipywidgets

from ...client.blocking import Link
from ...client.errors import ReplyTimeoutError
from ...client.reply import Progress, Reply
from ...client.stream import AsyncStream
from .base import button, close_all
from .history import Call, weigh
from .history_table import shortened
from .lines import call_line, stream_line

__all__ = ["RunningCall", "RunningRows"]

ITEMS: Final = 10_000
"""Most items of a stream that are kept, the last ones."""

BYTES: Final = 50 * 1024 * 1024
"""Most bytes of them, about."""

AHEAD: Final = 50_000
"""Most items that have come and have not been taken; then the Service waits."""

BECAME_WAIT: Final = 5.0
"""Seconds to wait for a Service to say what became of a call that was given up."""


class RunningCall:
    """A call that is under way; on the loop of the network, but for `cancel`.

    Args:
        number: Which one of the panel's calls it is.
        link: The link.
        method: The name of the method.
        args: The positional arguments.
        kwargs: The keyword arguments.
        timeout: Seconds that it may take, or that each item may take; None for any time.

    Attributes:
        number: Which one of the panel's calls it is.
        method: The name of the method.
        doc: Its docstring.
        request: The request as Python.
        code: The Python line that does the same, also with its items.
        began: When it began.
        is_stream: Whether it yields items.
        is_given_up: Whether it has been given up, by a person or since it took too long.
        count: How many items have come.
    """

    def __init__(
        self,
        number: int,
        link: Link,
        method: str,
        args: Iterable[Any],
        kwargs: dict[str, Any],
        timeout: float | None,
    ) -> None:
        self.number = number
        self.method = method
        self.doc = link.service_docs.get(method, "")
        self.is_stream = method in link.service_streams
        self.is_given_up = False
        self.count = 0
        self.began = datetime.now().astimezone()
        self._link, self._args, self._kwargs, self._timeout = link, tuple(args), kwargs, timeout
        self.request = call_line(method, self._args, kwargs, timeout)
        self.code = stream_line(self.request) if self.is_stream else self.request
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._sent: Reply[Any] | AsyncStream | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._new: list[Any] = []
        self._kept = _LastItems()
        self._room = asyncio.Event()

    def __repr__(self) -> str:
        return f"<RunningCall {self.number}: {shortened(self.request)}>"

    @property
    def duration(self) -> float:
        """Seconds since it began."""
        return self._loop.time() - self._start

    @property
    def progress(self) -> Progress | None:
        """What the Service has reported last."""
        return None if self._sent is None else self._sent.progress

    @property
    def items(self) -> list[Any]:
        """The last items of those that have been taken."""
        return self._kept.as_list()

    async def run(self) -> Any:
        """Send the request, and wait for its end.

        Returns:
            What the method returned; None if it yielded items instead.

        Raises:
            asyncio.CancelledError: It has been given up.
            Exception: It failed, or could not be sent.
        """
        try:
            return await self._run()
        except ReplyTimeoutError:
            self.is_given_up = True
            raise

    async def _run(self) -> Any:
        if not self.is_stream:
            call = self._link[self.method]
            options = {"asynchronous": True, "timeout": self._timeout}
            self._sent = reply = call(*self._args, **self._kwargs, **options)
            return await reply
        call = self._link.aio[self.method]
        self._sent = stream = call(*self._args, **self._kwargs, timeout=self._timeout)
        async for item in stream:
            self.count += 1
            self._new.append(item)
            if len(self._new) >= AHEAD:
                self._room.clear()
                await self._room.wait()
        if self.is_given_up:
            raise asyncio.CancelledError
        return None

    def take(self) -> list[Any]:
        """The items that have come since it was called last."""
        new, self._new = self._new, []
        if new:
            self._kept.add(new)
        self._room.set()
        return new

    def cancel(self) -> None:
        """Give it up, from any thread."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        self.is_given_up = True
        if isinstance(self._sent, AsyncStream):
            self._leaving = self._loop.create_task(self._sent.aclose())
        elif self._sent is not None:
            self._sent.cancel()

    async def became(self) -> str:
        """What became of it, now that it has been given up: a key of `GIVEN_UP`.

        The Service has some seconds to say it.
        """
        cancellation = None if self._sent is None else self._sent.cancellation
        if cancellation is None:
            return "not begun"
        try:
            return await asyncio.wait_for(cancellation, BECAME_WAIT)
        except TimeoutError:
            return "no answer"

    def ended(self, outcome: Any, setup: str) -> Call:
        """What is remembered of it.

        Args:
            outcome: What it returned, or the exception that it ended with.
            setup: The Python lines that connect and link.
        """
        self.take()
        items = self.items if self.is_stream else None
        if self.is_stream and not isinstance(outcome, BaseException):
            outcome = items
        return Call(
            number=self.number,
            method=self.method,
            args=self._args,
            kwargs=self._kwargs,
            outcome=outcome,
            duration=self.duration,
            request=self.request,
            code=self.code,
            began=self.began,
            items=items,
            count=self.count,
            setup=setup,
            doc=self.doc,
        )


class _LastItems:
    """The last items of a stream, in the batches in which they were taken."""

    def __init__(self) -> None:
        self._batches: deque[tuple[list[Any], int]] = deque()
        self._count = 0
        self._bytes = 0

    def add(self, batch: list[Any]) -> None:
        size = weigh(batch)
        self._batches.append((batch, size))
        self._count += len(batch)
        self._bytes += size
        while len(self._batches) > 1:
            oldest, size = self._batches[0]
            if self._count - len(oldest) < ITEMS and self._bytes <= BYTES:
                break
            self._batches.popleft()
            self._count -= len(oldest)
            self._bytes -= size

    def as_list(self) -> list[Any]:
        return [item for batch, _ in self._batches for item in batch][-ITEMS:]


class RunningRows(ipywidgets.VBox):  # type: ignore[misc]
    """A line for each call that is under way, with a button to give it up.

    There is always one, so that what is below stays where it is when a call begins or ends.
    """

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._free: list[_Row] = []
        idle = ipywidgets.HTML('<span class="msl-quiet">No call is under way.</span>')
        self._idle = ipywidgets.HBox([idle])
        self._idle.add_class("msl-running")
        self._shown: tuple[Any, ...] = (self._idle,)
        super().__init__([self._idle])

    def show(self, calls: Iterable[RunningCall]) -> None:
        """Show the calls as they are now; on the loop of the network."""
        running = {call.number: call for call in calls}
        for number in self._rows.keys() - running.keys():
            self._free.append(self._rows.pop(number))
        for number, call in running.items():
            if number not in self._rows:
                self._rows[number] = self._free.pop() if self._free else _Row()
            self._rows[number].show(call)
        rows: tuple[Any, ...] = tuple(self._rows.values()) or (self._idle,)
        if rows != self._shown:
            self._shown = self.children = rows

    def close(self) -> None:
        """Take it off the page, with the lines that wait for a call."""
        if "_free" in self.__dict__:
            close_all((*self._free, *self._rows.values(), self._idle))
        super().close()


class _Row(ipywidgets.HBox):  # type: ignore[misc]
    """One call."""

    def __init__(self) -> None:
        self._call: RunningCall | None = None
        self._text = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 auto", width="auto"))
        self._bar = ipywidgets.FloatProgress(
            max=1.0, layout=ipywidgets.Layout(flex="0 1 10em", width="10em")
        )
        self._stop = button("Cancel this", "Give this request up", self._cancel)
        super().__init__([self._text, self._bar, self._stop])
        self.add_class("msl-running")

    def show(self, call: RunningCall) -> None:
        self._call = call
        share, words = _progress(call)
        self._bar.layout.visibility = "hidden" if share is None else "visible"
        self._bar.value = share or 0.0
        self._stop.disabled = call.is_given_up
        self._text.value = (
            f'<div class="msl-mono msl-cut">{html.escape(shortened(call.request))}</div>'
            f'<div class="msl-quiet msl-cut">{html.escape(words)}</div>'
        )

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()


def _progress(call: RunningCall) -> tuple[float | None, str]:
    """How much of a call is done, from 0 to 1 or None if nobody knows, and that in words."""
    seconds = int(call.duration)
    parts = [f"{seconds // 60}:{seconds % 60:02}"]
    if call.is_given_up:
        parts.append("given up, asking what became of it …")
    if call.is_stream:
        parts.append(f"{call.count:,} {'item' if call.count == 1 else 'items'}")
    share = None
    if (progress := call.progress) is not None:
        value, total, message = progress
        try:
            share = min(1.0, max(0.0, value / total)) if total else None
        except OverflowError:  # integers beyond what a float can be
            share = None
        if share is not None and math.isnan(share):
            share = None
        try:
            done = f"{share:.0%}" if share is not None else f"{value:,.6g} done"
        except OverflowError:
            done = "a lot done"
        parts += [done, message] if message else [done]
    return share, " · ".join(parts)

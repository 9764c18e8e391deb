"""A request of a Client, as the method sees it that it was made for."""

import asyncio
import threading
import time
from collections.abc import Collection
from concurrent.futures import CancelledError
from contextvars import ContextVar
from typing import TYPE_CHECKING

from . import loop_thread
from .constants import PROGRESS, PROGRESS_INTERVAL, PROGRESS_MESSAGE
from .wire.messages import request_line

if TYPE_CHECKING:
    from .line_socket import LineSocket
    from .service import Service
    from .streaming import ItemSender
    from .wire.messages import Message

__all__ = ["CANCELLED", "Request", "current_request", "current_service", "running_service"]

CANCELLED = (asyncio.CancelledError, CancelledError)
"""What ends a method that has been given up: on the loop, and in a thread."""


class Request:
    """A request of a Client: `self.request` in a method of a Service.

    Attributes:
        requester: The network name of the Client.
        attribute: What it asks for.
        uid: The uid of the request.
    """

    __slots__ = (
        "_cancelled",
        "_connection",
        "_event",
        "_has_begun",
        "_is_gone",
        "_is_unread",
        "_known",
        "_message",
        "_progress",
        "_sender",
        "_service",
        "_size",
        "_stream",
        "_task",
        "attribute",
        "requester",
        "uid",
    )

    def __init__(
        self, message: "Message", connection: "LineSocket", known: Collection[str]
    ) -> None:
        self.requester = message.requester or ""
        self.attribute = message.attribute or ""
        self.uid = message.uid or ""
        self._message = message
        # a reply on another connection could be taken for that of a later request
        self._connection = connection
        self._known = known
        self._progress: Progress | None = None
        self._is_gone = False  # whether its Client, or the connection, has gone
        self._is_unread = False  # whether it is ended since nobody takes its items
        self._size = 0  # bytes that are counted for it
        self._stream = message.stream and "stream" in known and bool(self.uid)
        self._sender: ItemSender | None = None
        self._cancelled = False
        self._has_begun = False
        self._service: Service | None = None  # the object that executes it, from its beginning on
        self._event: threading.Event | None = None
        self._task: asyncio.Task[None] | None = None

    def _can(self, feature: str) -> bool:
        """Whether the Client and the Manager know a feature.

        A Manager of 1.x passes on whatever a Client says that it can, and closes the connection of
        a Service that takes it at its word.
        """
        return feature in self._known and feature in self._message.features

    def __repr__(self) -> str:
        return f"<Request of {self.requester} for {self.attribute!r}>"

    @property
    def cancelled(self) -> bool:
        """Whether the Client has given it up."""
        return self._cancelled

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun: it waits in line, or for a thread."""
        return not self._has_begun

    def sleep(self, seconds: float) -> bool:
        """Wait, in a thread; for less long if the Client gives the request up.

        Args:
            seconds: How long.

        Returns:
            Whether it was so long; False if the request has been given up.
        """
        # before the look at the flag: who cancels sets the flag before the look at the event
        event = self._event = self._event or threading.Event()
        return not (self._cancelled or event.wait(seconds))

    def raise_if_cancelled(self) -> None:
        """End the method here if the Client has given the request up.

        Raises:
            concurrent.futures.CancelledError: It has.
        """
        if self._cancelled:
            raise CancelledError("The Client has given the request up")

    def progress(self, value: float, total: float | None = None, message: str = "") -> None:
        """Tell the Client how far it is, from any thread. Costs nothing if nobody wants to know.

        Ten reports a second are sent, and the latest one is always among them.

        Args:
            value: How much is done.
            total: How much there is to do; None if that is not known.
            message: A word about what is being done.
        """
        if self._progress is not None or self._can("progress"):
            if self._progress is None:
                self._progress = Progress(self)
            self._progress.report(value, total, str(message)[:PROGRESS_MESSAGE])

    def _cancel(self) -> None:
        """Note that it has been given up; on the loop."""
        self._cancelled = True
        if self._event is not None:
            self._event.set()
        if self._sender is not None:
            self._sender.wake()
        if self._task is not None:
            self._task.cancel()


class Progress:
    """Reports of the progress of a request, not more than a person sees."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._lock = threading.Lock()
        self._latest: tuple[float, float | None, str] | None = None
        self._next = 0.0
        self._waits = False
        self._ended = False

    def report(self, value: float, total: float | None, message: str) -> None:
        """Send a report, or keep it for the next one."""
        with self._lock:
            self._latest = value, total, message
            wait = self._next - time.monotonic()
            if wait <= 0:
                self._send()
            elif not self._waits:
                self._waits = True
                loop = loop_thread.get_loop()
                loop.call_soon_threadsafe(loop.call_later, wait, self._send_latest)

    def end(self) -> None:
        """Send no more: the reply is next."""
        with self._lock:
            self._ended = True

    def _send_latest(self) -> None:
        with self._lock:
            self._waits = False
            self._send()

    def _send(self) -> None:
        if self._latest is None or self._ended:
            return
        request, report, self._latest = self._request, self._latest, None
        self._next = time.monotonic() + PROGRESS_INTERVAL
        request._connection.send(
            request_line(PROGRESS, report, requester=request.requester, uid=request.uid)
        )


current_request: ContextVar[Request | None] = ContextVar("current_request", default=None)

current_service: "ContextVar[Service | None]" = ContextVar("current_service", default=None)
"""The Service whose task or handler runs here, which no request has called."""


def running_service() -> "Service | None":
    """The Service whose code runs here: in a method, a task or a handler of it."""
    request = current_request.get()
    return current_service.get() if request is None else request._service

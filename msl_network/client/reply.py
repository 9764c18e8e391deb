"""The reply to a request, which will come."""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from concurrent.futures import Future, InvalidStateError
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

from ..asking import WAKE_UP, wait_awake
from ..constants import PROGRESS_MESSAGE
from ..escaping import escaped
from .notifier import Handler, Notifier
from .stream import Items

__all__ = ["Cancellation", "Progress", "Reply", "waited_for"]

T = TypeVar("T")


class Awaitable(Future[T], Generic[T]):
    """A future that can be waited for in a thread with `result()`, or awaited on any loop."""

    def __await__(self) -> Generator[Any, None, T]:
        return waited_for(self).__await__()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result.

        Raises:
            TimeoutError: It has not come within `timeout` seconds.
        """
        return wait_awake(self, timeout)


class Progress(NamedTuple):
    """How far a request is.

    Attributes:
        value: How much is done.
        total: How much there is to do; None if that is not known.
        message: A word about what is being done.
    """

    value: float
    total: float | None = None
    message: str = ""


class Cancellation(Awaitable[str]):
    """What became of a request that was given up.

    The result is one of:

    * `"not begun"`: it was cancelled before it began,
    * `"stopped"`: it had begun, and was stopped,
    * `"ended"`: it ended all the same,
    * `"unknown"`: nobody can tell, since the other side knows no more than 1.x, or the connection
      was lost.
    """

    def settle(self, how: str) -> None:
        """Set the result, unless there is one."""
        with contextlib.suppress(InvalidStateError):
            self.set_result(how)


class Reply(Awaitable[T], Generic[T]):
    """A future for a reply: wait for it in a thread with `result()`, or `await` it.

    Attributes:
        uid: The uid of the request.
        service: The Service that was asked, or `"Manager"`.
        attribute: What it was asked for.
        cancellation: What became of the request, once it has been given up; None before.
        progress: The latest report of the Service of how far it is; None before the first.
        on_progress: Called with the value, the total and the message of each report.
        bell: Is done when there is something new; for who waits.
        items: What a method has yielded, where that is wanted one by one.
        line: What is sent again if the connection is lost; None for a request that must not be.
        connection: The connection that it was sent on.
        sent: Whether it has been sent.
    """

    cancellation: Cancellation | None = None
    progress: Progress | None = None
    on_progress: Handler | None = None
    bell: Future[None] | None = None
    items: Items | None = None
    line: bytes | None = None
    connection: object = None
    sent: bool = False

    def __init__(
        self, uid: str, service: str, attribute: str, give_up: "Callable[[Reply[Any]], None]"
    ) -> None:
        super().__init__()
        self.uid = uid
        self.service = service
        self.attribute = attribute
        self._give_up = give_up
        self._told = True

    @property
    def request(self) -> str:
        """`service.attribute`."""
        return f"{self.service}.{self.attribute}"

    def __repr__(self) -> str:
        if self.cancelled():
            state = "cancelled"
        elif not self.done():
            state = "pending"
        elif error := self.exception():
            state = f"failed: {type(error).__name__}"
        else:
            state = "finished"
        return f"<Reply of {self.request} {state}>"

    def ring(self) -> None:
        """Tell who waits that there is something new."""
        bell, self.bell = self.bell, None
        if bell is not None:
            with contextlib.suppress(InvalidStateError):  # another thread may be doing it
                bell.set_result(None)

    def report(self, values: list[Any], notifier: Notifier) -> None:
        """Note a report of progress, and have the handler called with the latest one."""
        match values:
            case [int() | float() as value, int() | float() | None as total, str(message)]:
                self.progress = Progress(value, total, escaped(message[:PROGRESS_MESSAGE]))
            case _:
                return
        self.ring()
        if self.on_progress is not None and self._told:
            self._told = False
            notifier.call(replace(self.on_progress, function=self._tell))

    def _tell(self) -> Any:
        # of those that come while a slow handler is called, it is told the latest
        self._told = True
        if self.on_progress is not None and self.progress is not None:
            return self.on_progress.function(*self.progress)
        return None

    def cancel(self) -> bool:
        """Give the request up: the Service is told, and a reply that still comes is dropped.

        Returns:
            Whether it is given up; False if the reply has come. `cancellation` then tells what
            became of it.
        """
        if self.cancelled():
            return True
        cancelled = super().cancel()
        if cancelled:
            self._give_up(self)
        return cancelled


async def waited_for(future: "Future[T]") -> T:
    """Wait for a future of another thread on the running loop.

    A cancelled wait cancels the future.
    """
    here = asyncio.wrap_future(future)
    try:
        while not here.done():
            await asyncio.wait({here}, timeout=WAKE_UP)
    except BaseException:
        here.cancel()
        raise
    return here.result()

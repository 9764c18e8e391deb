"""The reply to a request, which will come."""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from concurrent.futures import Future, InvalidStateError
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

from ..asking import WAKE_UP, check_not_on_loop, holds_up_a_loop, wait, wait_awake
from ..constants import OUTGOING_LIMIT, PROGRESS_MESSAGE
from ..escaping import escaped
from ..line_socket import LineSocket
from ..wire.messages import TooManyError
from .notifier import Handler, Notifier
from .stream import Items

__all__ = ["Cancellation", "Progress", "Reply", "refuse_too_many", "wait_for_room", "waited_for"]

T = TypeVar("T")


class Awaitable(Future[T], Generic[T]):
    """A future that can be waited for in a thread with `result()`, or awaited on any loop."""

    def __await__(self) -> Generator[Any, None, T]:
        return waited_for(self).__await__()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result.

        Raises:
            TimeoutError: It has not come within `timeout` seconds.
            RuntimeError: Called on the thread of the network, in a `done` callback of another one
                for instance, which would wait for itself.
        """
        check_not_on_loop(self)
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

    def cancel(self) -> bool:
        """Nothing is given up: who has waited for long enough can ask again."""
        return False

    def __reduce__(self) -> Any:
        # of the error that has it, in another process: there nobody will tell any more
        return _settled, (self.result(0) if self.done() else "unknown",)


def _settled(how: str) -> Cancellation:
    cancellation = Cancellation()
    cancellation.settle(how)
    return cancellation


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
        times_held: How often it has been held, for a Service that was not there.
        room: Done when the request is on its way; None if it did not have to wait for that.
    """

    cancellation: Cancellation | None = None
    progress: Progress | None = None
    on_progress: Handler | None = None
    bell: Future[None] | None = None
    items: Items | None = None
    line: bytes | None = None
    connection: LineSocket | None = None
    sent: bool = False
    times_held: int = 0
    room: Future[bool] | None = None
    _is_late = False

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
        begun = self._begin_to_give_up()
        if super().cancel():
            return True
        if begun and not self._is_late:
            self.cancellation = None  # the reply was faster
        return False

    def interrupted(self, error: BaseException) -> None:
        """Give the request up for what has ended the wait for it; nothing if the reply has come.

        Args:
            error: What has: it is given the `cancellation`.
        """
        if self.cancel():
            error.cancellation = self.cancellation  # type: ignore[attr-defined]

    def is_late(self) -> "Cancellation | None":
        """Note that it is going to fail, and its request to be given up; on the loop.

        Returns:
            What will become of the request; None if the reply has come.
        """
        self._is_late = True
        self._begin_to_give_up()
        return self.cancellation

    def begin_to_send(self) -> bool:
        """Note that it is sent; False if it has been given up and never was."""
        with self._condition:
            self.sent = self.sent or not self.done()
            return self.sent

    def _begin_to_give_up(self) -> bool:
        with self._condition:
            if self.cancellation is not None or self.done():
                return False
            self.cancellation = Cancellation()
            # before those of the user, who may wait in one for what became of it; and not of each
            # reply, few of which are given up
            self._done_callbacks.insert(0, _let_go)  # type: ignore[attr-defined]
            return True


def _let_go(reply: Any) -> None:
    if reply.cancelled():
        # or who waits for several of them (`concurrent.futures.wait`) is not told
        reply.set_running_or_notify_cancel()
    elif not reply._is_late:
        return
    reply._give_up(reply)


def refuse_too_many(reply: Reply[Any]) -> None:
    """Let a request wait for room among a few others, as who is on an event loop can't wait.

    Raises:
        TooManyError: There are too many.
    """
    waiting = 0 if reply.connection is None else reply.connection.queued
    if waiting > OUTGOING_LIMIT:
        reply.cancel()
        raise TooManyError(
            f"{reply.request} is not asked for: {waiting} bytes of requests wait already, as the "
            f"Manager is slower. Wait for replies before you send more"
        )


def wait_for_room(reply: Reply[Any]) -> None:
    """Wait on this thread until a request is on its way, or given up.

    Raises:
        TooManyError: A wait would hold up an event loop, and too many wait already.
    """
    room = reply.room
    if room is None or holds_up_a_loop():
        refuse_too_many(reply)
        return
    try:
        wait(room)
    except BaseException as error:
        if not room.cancelled():
            reply.interrupted(error)
            raise


async def waited_for(future: "Future[T]") -> T:
    """Wait for a future of another thread on the running loop.

    A cancelled wait cancels the future.
    """
    here = asyncio.wrap_future(future)
    try:
        while not here.done():
            await asyncio.wait({here}, timeout=WAKE_UP)
        return here.result()
    except BaseException as error:
        if isinstance(future, Reply):
            future.interrupted(error)
        else:
            future.cancel()
        if not here.cancel() and not here.cancelled():
            here.exception()  # or asyncio complains that nobody has seen it
        raise

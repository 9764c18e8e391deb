"""The reply to a request, which will come."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from ..asking import WAKE_UP, wait_awake

__all__ = ["Reply", "waited_for"]

T = TypeVar("T")


class Reply(Future[T], Generic[T]):
    """A future for a reply: wait for it in a thread with `result()`, or `await` it.

    Attributes:
        uid: The uid of the request.
        service: The Service that was asked, or `"Manager"`.
        attribute: What it was asked for.
        line: What is sent again if the connection is lost; None for a request that must not be.
        connection: The connection that it was sent on.
    """

    line: bytes | None = None
    connection: object = None

    def __init__(
        self, uid: str, service: str, attribute: str, give_up: "Callable[[Reply[Any]], None]"
    ) -> None:
        super().__init__()
        self.uid = uid
        self.service = service
        self.attribute = attribute
        self._give_up = give_up

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

    def __await__(self) -> Generator[Any, None, T]:
        return waited_for(self).__await__()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the reply.

        Raises:
            TimeoutError: It has not come within `timeout` seconds; the request goes on.
        """
        return wait_awake(self, timeout)

    def cancel(self) -> bool:
        """Give the request up: a reply that still comes is dropped."""
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

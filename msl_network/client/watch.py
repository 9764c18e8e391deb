"""What is on a Manager, kept current for a Client that watches it."""

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable
from concurrent.futures import InvalidStateError
from typing import TYPE_CHECKING, Any, Self

from .notifier import Handler, Notifier
from .reply import Awaitable
from .watching import POLL, Entries

if TYPE_CHECKING:
    from .watching import Watching

__all__ = ["Watch"]

OVERDUE = 60.0
"""Seconds after which a handler that has not been called is to be called again: what waits for a
handler of notifications that is far too slow is dropped, and this with it."""


class Watch:
    """What is on a Manager, kept current until it is closed.

    Not made by a user: see `Client.watch`. It ends with its Client, which it keeps. While the
    connection is lost nothing is known, so that there are neither Services nor Clients; after that
    they are there again.

    Example:
        >>> with client.watch() as watch:
        ...     while "BasicMath" not in watch.services:
        ...         time.sleep(0.1)

    Attributes:
        known: A future that is done when it has been told first what there is.
    """

    def __init__(
        self,
        watching: "Watching",
        owner: object,
        callback: "Callable[[Watch], Any] | None",
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.known: Awaitable[None] = Awaitable()
        self._watching = watching
        self._owner: object = owner
        self._callback = callback
        self._handler = Handler(self._call, loop)
        self._called_at: float | None = None
        self._turn = asyncio.Lock()  # of a coroutine function, which is called once at a time
        self._closed = self._ended = False
        watching.open(self, keep=callback is not None)

    def __repr__(self) -> str:
        if self.is_closed:
            return "<Watch closed>"
        where = f"Manager[{self._watching.address}]"
        if not self._watching.is_known:
            return f"<Watch of {where}, which is away>"
        how = "live" if self.is_live else f"looked at every {POLL:g} seconds"
        services, clients = len(self.services), len(self.clients)
        return f"<Watch of {where}: {services} Services, {clients} Clients, {how}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    @property
    def services(self) -> Entries:
        """What the Manager says of the Services, by name.

        Beside what `Client.identities` has there are, where the Manager is not of 1.x, `"links"`
        and `"locks"`, the network names of the Clients that are linked and of those that hold a
        lock, and `"lock"`, which is `"exclusive"`, `"shared"` or None.
        """
        return {} if self._closed else dict(self._watching.services)

    @property
    def clients(self) -> Entries:
        """What the Manager says of the Clients, by network name."""
        return {} if self._closed else dict(self._watching.clients)

    @property
    def network_name(self) -> str:
        """What the Manager calls this Client, in links and locks; empty where it does not tell."""
        return self._watching.network_name

    @property
    def is_live(self) -> bool:
        """Whether the Manager tells what changes.

        If not, it is one of 1.x, which is asked every two seconds, or the connection is lost.
        """
        return self._watching.is_live and not self.is_closed

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed, or has ended with its Client."""
        return self._closed or self._ended

    def close(self) -> None:
        """Watch no more. Nothing happens if it is closed."""
        if self.__dict__.get("_closed", True):
            return
        self._closed = True
        self._owner = None
        self._watching.closed()

    # --- for who opens it ------------------------------------------------------------------

    def too_late(self, timeout: float | None) -> TimeoutError:
        """The error for a Manager that has not told what there is."""
        text = f"Manager[{self._watching.address}] has not told what is on it"
        return TimeoutError(f"{text} within {timeout} seconds")

    # --- for its engine, on the loop -------------------------------------------------------

    def changed(self, notifier: Notifier) -> None:
        """Have the handler called; those that come while it waits for its turn count as one."""
        with contextlib.suppress(InvalidStateError):
            self.known.set_result(None)
        now = time.monotonic()
        waits = self._called_at is not None and (
            self._turn.locked() or now - self._called_at < OVERDUE
        )
        if self._callback is None or waits:
            return
        self._called_at = now
        notifier.call(self._handler)

    def ended(self, reason: Exception, notifier: Notifier) -> None:
        """There is nothing to watch any more."""
        self._ended, self._owner = True, None
        try:
            self.known.set_exception(reason)  # for who waits for it, and not for its handler
        except InvalidStateError:
            self.changed(notifier)

    def _call(self) -> Any:
        if inspect.iscoroutinefunction(self._callback):
            return self._call_in_turn()
        self._called_at = None
        return None if self._callback is None or self._closed else self._callback(self)

    async def _call_in_turn(self) -> None:
        async with self._turn:
            self._called_at = None
            if self._callback is not None and not self._closed:
                await self._callback(self)

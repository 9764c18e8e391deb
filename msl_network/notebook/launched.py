"""The Managers that this process has started on other computers, and which Clients use them."""

import asyncio
import contextlib
import functools
import os
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakSet, WeakValueDictionary

from ..client.blocking import Client
from ..client.session import Session
from ..constants import SHUTDOWN_TIMEOUT
from .steps import Steps

if TYPE_CHECKING:
    import asyncssh

    from ..ssh import RemoteManager

__all__ = ["Address", "LaunchedManager", "find", "one_at_a_time", "used_by"]

Address: TypeAlias = tuple[str, int]
"""The host and the port of a Manager."""

_launched: "dict[Address, LaunchedManager]" = {}
_locks: "WeakValueDictionary[Address, asyncio.Lock]" = WeakValueDictionary()

if hasattr(os, "register_at_fork"):
    # what a process has started is not its child's to end
    os.register_at_fork(after_in_child=_launched.clear)


class LaunchedManager:
    """A Manager on another computer that was started over SSH, and ends with its last Client.

    Whoever connects to it from this process is its Client: a cell that is run again gets a new
    one, and the old one goes at some time. One that stays goes on running without any.

    Only used on the loop of the network.

    Args:
        address: Where it is, as the user says it.
        connection: The SSH connection; without it, the Manager ends if it is not to stay.
        manager: The process there.
        watching: What shows its log. More can be added, and what nobody else has goes.
    """

    def __init__(
        self,
        address: Address,
        connection: "asyncssh.SSHClientConnection",
        manager: "RemoteManager",
        watching: "WeakSet[Steps]",
    ) -> None:
        self.address = address
        self.manager = manager
        self.watching = watching
        self._connection = connection
        self._users: set[Session] = set()
        self._ending: asyncio.Task[None] | None = None
        _launched[address] = self
        manager.ended.add_done_callback(self._has_ended)

    def _has_ended(self, _: object) -> None:
        if not self.manager.stay:
            for session in self._users:
                session.give_up()

    @property
    def users(self) -> frozenset[Session]:
        """The sessions of the Clients that use it."""
        return frozenset(self._users)

    def join(self, session: Session) -> None:
        """Use it until the session has ended, or `leave` is called."""
        self._users.add(session)
        session.on_end.add(functools.partial(self.leave, session))

    def leave(self, session: Session) -> None:
        """Use it no longer; who is the last ends it. More than once is fine."""
        self._users.discard(session)
        if not self._users and self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())

    async def left(self, session: Session) -> None:
        """Use it no longer, and wait for its end if nobody else does."""
        self.leave(session)
        await self.ended()

    async def ended(self) -> None:
        """Wait for its end, if it is ending."""
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def _end(self) -> None:
        from ..ssh import close_connection

        try:
            if not self.manager.stay:
                with contextlib.suppress(TimeoutError):
                    await self.manager.aclose(SHUTDOWN_TIMEOUT)
            await close_connection(self._connection)
        finally:
            if _launched.get(self.address) is self:
                del _launched[self.address]


def one_at_a_time(address: Address) -> asyncio.Lock:
    """The lock of who looks for a Manager, and starts it: one that is being started is found."""
    return _locks.setdefault(address, asyncio.Lock())


async def find(address: Address) -> LaunchedManager | None:
    """The Manager that this process has started there, if it is running.

    One that is ending has ended before this returns.
    """
    launched = _launched.get(address)
    if launched is None:
        return None
    await launched.ended()
    return launched if _launched.get(address) is launched and launched.manager.running else None


def used_by(client: Client) -> LaunchedManager | None:
    """The Manager of a Client, if this process has started it."""
    session = client._session
    return next((each for each in tuple(_launched.values()) if session in each.users), None)

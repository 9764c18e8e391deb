"""The engine of the watches of a Client: knows what is on its Manager while somebody watches."""

import asyncio
import contextlib
import logging
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

from ..constants import CONNECT_TIMEOUT, MANAGER
from .errors import RemoteError

if TYPE_CHECKING:
    from .session import Session
    from .watch import Watch

__all__ = ["POLL", "Entries", "Watching"]

logger = logging.getLogger(__package__)

Entries: TypeAlias = dict[str, dict[str, Any]]

POLL = 2.0
"""Seconds between two looks at a Manager that does not tell what changes."""

MOST = 100_000
"""Most Services, and most Clients, that are kept of a Manager that tells of more and more of them:
ten times what one has."""

EARLY = 100
"""Most lines of news that are kept before what they are news to: of ten seconds."""


class Watching:
    """What is on a Manager, for all watches of a Client; on the loop, unless it says otherwise.

    It asks the Manager to tell what changes. One that can't is asked for all again and again.

    Args:
        session: The engine of the Client.

    Attributes:
        services: The Services by name. Replaced, not changed, so that any thread can read it.
        clients: The Clients by network name, likewise.
        network_name: What the Manager calls this Client; empty where it does not tell.
        is_known: Whether the Manager has said what there is.
        is_live: Whether it tells what changes.
    """

    def __init__(self, session: "Session", loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._loop = loop
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()
        # those with a handler, which is called whether or not somebody keeps the watch
        self._kept: set[Watch] = set()
        self._task: asyncio.Task[None] | None = None
        self._stop()

    @property
    def address(self) -> str:
        """`host:port` of the Manager."""
        return self._session.options.address

    def open(self, watch: "Watch", *, keep: bool) -> None:
        """Begin to watch, from any thread.

        Args:
            watch: What is told.
            keep: Whether it is told although nobody else keeps it.
        """
        self._loop.call_soon_threadsafe(self._open, watch, keep)

    def _open(self, watch: "Watch", keep: bool) -> None:
        session = self._session
        if not (session.is_connected or session.is_reconnecting):
            error = ConnectionError(f"Disconnected from Manager[{self.address}], cannot watch it")
            watch.ended(error, session.notifier)
            return
        self._watches.add(watch)
        if keep:
            self._kept.add(watch)
        # what the others know may be news of a tenth of a second, or of two: who begins to watch
        # sees what it has just done itself
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.back()

    def closed(self) -> None:
        """Watch no more than is still open, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._closed)

    def _closed(self) -> None:
        for watch in [watch for watch in self._watches if watch.is_closed]:
            self._watches.discard(watch)
            self._kept.discard(watch)
        if self._watches or self._task is None:
            return
        is_told = self.is_live or self._early is not None
        self._stop()
        if is_told:
            with contextlib.suppress(ConnectionError):  # it may just be lost
                self._session.request(MANAGER, "watch", (False,), {})

    # --- for the session -------------------------------------------------------------------

    def back(self) -> None:
        """Find out what there is, if somebody watches."""
        if self._task is None and self._watches and self._session.is_connected:
            self._task = self._loop.create_task(self._follow())

    def lost(self) -> None:
        """The connection is lost."""
        was_known = self.is_known
        self._stop()
        if was_known:
            for watch in list(self._watches):
                watch.changed(self._session.notifier)

    def end(self, reason: Exception) -> None:
        """The connection has ended for good."""
        self._stop()
        for watch in list(self._watches):
            watch.ended(reason, self._session.notifier)
        self._kept.clear()

    def told(self, args: list[Any]) -> None:
        """The Manager tells what has changed."""
        if self._early is not None:
            if len(self._early) < EARLY:
                self._early.append(args)
            else:
                self._early[:] = [[]]  # not all that has changed is known
        elif self.is_live:
            self._change(args)

    # --- inside ----------------------------------------------------------------------------

    def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self.services: Entries = {}
        self.clients: Entries = {}
        self.network_name = ""
        self.is_known = self.is_live = False
        # news that came before what they are news to; None while nobody waits for that
        self._early: list[list[Any]] | None = None

    async def _follow(self) -> None:
        with contextlib.suppress(ConnectionError):  # it will be back
            if "news" in self._session.manager_features:
                await self._subscribe()
            else:
                await self._poll()

    async def _subscribe(self) -> None:
        self._early = []
        try:
            state = await self._session.request(MANAGER, "watch", (True,), {})
            name, number = str(state["name"]), int(state["number"])
            services, clients = _entries(state["services"]), _entries(state["clients"])
        except (RemoteError, ValueError, TypeError, KeyError, OverflowError) as error:
            logger.error("Manager[%s] does not tell what changes: %s", self.address, error)
            self._early = None
            await self._poll()
            return
        self.network_name, self.is_live = name, True
        self._set(services, clients)
        early, self._early = self._early, None
        for args in early:
            self._change(args, after=number)
            if not self.is_live:
                return  # it is asked anew, and what comes next is in its answer

    async def _poll(self) -> None:
        while True:
            try:
                reply = self._session.request(MANAGER, "identity", (), {}, timeout=CONNECT_TIMEOUT)
                identity = await reply
                self._set(_entries(identity["services"]), _entries(identity["clients"]))
            except (RemoteError, TimeoutError, ValueError, TypeError, KeyError) as error:
                logger.warning("Manager[%s] does not say what is on it: %s", self.address, error)
            await asyncio.sleep(POLL)

    def _change(self, args: list[Any], after: int = 0) -> None:
        match args:
            case [{"number": int(number)}] if number <= after:
                pass  # of an earlier watch: it is known already
            case [{"services": dict() as services, "clients": dict() as clients}]:
                self._set(_changed(self.services, services), _changed(self.clients, clients))
            case _:
                # this Client is too far behind to be told all that has changed
                self.is_live = False
                self._task = None
                self.back()

    def _set(self, services: Entries, clients: Entries) -> None:
        is_new = not self.is_known or (services, clients) != (self.services, self.clients)
        self.services, self.clients, self.is_known = services, clients, True
        for watch in list(self._watches):
            if is_new or not watch.known.done():
                watch.changed(self._session.notifier)


def _changed(before: Entries, changes: dict[str, Any]) -> Entries:
    gone = {name for name, entry in changes.items() if entry is None}
    kept = {name: entry for name, entry in before.items() if name not in gone}
    return dict(list((kept | _entries(changes)).items())[:MOST])


def _entries(value: Any) -> Entries:
    """What a Manager says of devices, without what can't be right."""
    known = value.items() if isinstance(value, dict) else ()
    return {name: _entry(entry) for name, entry in known if isinstance(entry, dict)}


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in entry.items() if isinstance(value, _KINDS.get(name, object))
    }


_KINDS: dict[str, type] = {"attributes": dict, "links": list, "locks": list}

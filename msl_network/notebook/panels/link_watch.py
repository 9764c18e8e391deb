"""What has become of the link that a panel has, in words."""

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ...client.blocking import Link
from ...client.watch import Watch

__all__ = ["LinkWatch"]


class LinkWatch:
    """Watches one link after the other, for a panel; on the loop of the network.

    Args:
        changed: A method of the panel, which it does not keep: called when something has changed.
    """

    def __init__(self, changed: Callable[..., None]) -> None:
        self._changed = _unless_gone(changed)
        self._leave: list[Callable[[], None]] = []
        self._watch: Watch | None = None
        self._watching: asyncio.Task[None] | None = None

    def follow(self, link: Link) -> None:
        """Watch this link, and no other one."""
        self.stop()
        client: Any = link._owner
        events = (link.aio.on_changed, link.aio.on_restored, client.aio.on_connection_lost)
        self._leave = [tell(self._changed) for tell in events]

        async def watch() -> None:
            with suppress(ConnectionError):  # it is shown already
                self._watch = await client.aio.watch(self._changed)
            self._changed()

        self._watching = asyncio.create_task(watch())

    def stop(self) -> None:
        """Watch nothing."""
        for leave in self._leave:
            leave()
        self._leave = []
        if self._watching is not None:
            self._watching.cancel()
        if self._watch is not None:
            self._watch.close()
        self._watching = self._watch = None

    def trouble(self, link: Link) -> tuple[str, str] | None:
        """What is wrong with a link: the kind of what a panel tells, and in words."""
        client: Any = link._owner
        if link._state.session is None:
            return "error", "unlinked"
        if client.is_reconnecting():
            return "busy", "the connection is lost and is being made again"
        if not client.is_connected():
            return "error", "disconnected"
        away = self._watch is not None and link.service_name not in self._watch.services
        if away or link._state.is_lost:
            return "busy", "the Service is away, and will be linked again when it is back"
        return None


def _unless_gone(method: Callable[..., None]) -> Callable[..., None]:
    """A function that calls a method of a panel, as long as the panel is there."""
    reference = weakref.WeakMethod(method)

    def call(*args: object) -> None:
        if (known := reference()) is not None:
            known(*args)

    return call

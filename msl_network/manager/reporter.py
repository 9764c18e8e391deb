"""Tells the Clients that watch what has changed, in its own time: see `News`."""

import asyncio
from collections.abc import Callable

from ..connection import Connection
from ..constants import NEWS_BYTES, NEWS_INTERVAL, NEWS_RATE
from ..wire.codec import assemble
from ..wire.messages import news_line
from .registry import Registry

__all__ = ["Reporter"]


class Reporter:
    """Sends news, on the event loop: never more of them than a Client reads, nor before results.

    Args:
        registry: Where the changes are noted.
        connection: Finds the connection of a registered Client, by its network name.
    """

    def __init__(self, registry: Registry, connection: Callable[[str], Connection]) -> None:
        self._registry = registry
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        registry.news.on_change = self._wake

    def close(self) -> None:
        """Tell nobody anything any more."""
        self._registry.news.on_change = None
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        if self._timer is None:
            when = max(self._loop.time() + NEWS_INTERVAL, self._not_before)
            self._timer = self._loop.call_at(when, self._tell)

    def _tell(self) -> None:
        self._timer = None
        news = self._registry.news
        # those who know the same are told the same
        lines: dict[int, tuple[bytes, int]] = {}
        for client, number in list(news.watchers.items()):
            connection = self._connection(client)
            if number == news.number or not connection.is_idle:
                continue
            if number not in lines:
                lines[number] = self._line(number)
            line, upto = lines[number]
            if upto:
                news.watchers[client] = upto
            else:
                news.unwatch(client)
            connection.send(line)
        news.forget()
        largest = max((len(line) for line, _ in lines.values()), default=0)
        self._not_before = self._loop.time() + largest / NEWS_RATE
        if any(number < news.number for number in news.watchers.values()):
            self._wake()

    def _line(self, number: int) -> tuple[bytes, int]:
        """Write what has changed after a change, or as much of it as a line may have.

        Returns:
            The line, and up to which change it tells; 0 if it tells that not all is known any more,
            so that who watches has to ask anew.
        """
        changes = self._registry.news.since(number)
        if changes is None:
            return news_line(), 0
        services: dict[str, bytes] = {}
        clients: dict[str, bytes] = {}
        size = upto = 0
        for change in changes:
            told = services if change.is_service else clients
            text = assemble(self._registry.entry(change.name, is_service=change.is_service))
            size += len(text) + len(change.name)
            if size > NEWS_BYTES and upto:
                break
            told[change.name], upto = text, change.number
        return news_line(services, clients, upto), upto

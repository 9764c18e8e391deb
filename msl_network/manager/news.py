"""What has changed on a Manager since those who watch it were told; pure bookkeeping."""

from collections.abc import Callable
from typing import NamedTuple

from ..constants import NEWS_KEPT

__all__ = ["Change", "News"]


class Change(NamedTuple):
    """That something has changed, not what: whoever is told is told how it is now.

    Attributes:
        number: How many changes there had been, with this one.
        is_service: Whether it is about a Service; if not, about a Client.
        name: The name of the Service, or the network name of the Client.
    """

    number: int
    is_service: bool
    name: str


class News:
    """The names of what has changed, each once, for as long as somebody has not been told.

    Attributes:
        number: How many changes there have been.
        watchers: Up to which change each of the Clients that watch has been told, by network name.
        on_change: Called after each change, when somebody watches.
    """

    def __init__(self) -> None:
        self.number = 0
        self.watchers: dict[str, int] = {}
        self.on_change: Callable[[], None] | None = None
        # the number of the latest change of each; in the order of these numbers
        self._changes: dict[tuple[bool, str], int] = {}
        # up to here there may be changes that have been forgotten
        self._forgotten = 0

    def watch(self, client: str) -> None:
        """Note that a Client knows all that there is now, and wants to know what changes."""
        self.watchers[client] = self.number

    def unwatch(self, client: str) -> None:
        """Note that a Client does not want to know any more; fine if it never did."""
        self.watchers.pop(client, None)
        self.forget()

    def note(self, name: str, *, is_service: bool) -> None:
        """Note that something has changed."""
        if not self.watchers:
            return
        self.number += 1
        key = (is_service, name)
        self._changes.pop(key, None)
        self._changes[key] = self.number
        if len(self._changes) > NEWS_KEPT:
            oldest = next(iter(self._changes))
            self._forgotten = self._changes.pop(oldest)
        if self.on_change is not None:
            self.on_change()

    def since(self, number: int) -> list[Change] | None:
        """What has changed after a change, the oldest first; None if that is not known any more."""
        if number < self._forgotten:
            return None
        found = []
        for key, at in reversed(self._changes.items()):
            if at <= number:
                break
            found.append(Change(at, *key))
        found.reverse()
        return found

    def forget(self) -> None:
        """Forget what everybody has been told."""
        told = min(self.watchers.values(), default=self.number)
        changes = self._changes
        while changes and changes[oldest := next(iter(changes))] <= told:
            del changes[oldest]

"""Who may stay in front of the door: connections of which nobody knows yet whose they are.

Their number is bounded, for an address and in all, and nothing else is: a person who types a
password may take two minutes. Where there is no room for a new one, it is made. Pure bookkeeping.
"""

import ipaddress
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Admission", "neighbourhood"]

V = TypeVar("V")


def neighbourhood(address: str) -> str:
    """Whose an address is: itself, or for IPv6 the network of 64 bits that one host is given."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class _Group(Generic[V]):
    """Those from one neighbourhood, each kind with who was heard of longest ago first."""

    __slots__ = ("silent", "speaking")

    def __init__(self) -> None:
        self.silent: dict[V, None] = {}
        self.speaking: dict[V, None] = {}

    def __len__(self) -> int:
        return len(self.silent) + len(self.speaking)

    def first_to_go(self) -> V:
        return next(iter(self.silent or self.speaking))


class Admission(Generic[V]):
    """The connections that are not registered yet.

    Who has never said anything makes way first, the oldest of them before the others; then who
    was silent for longest. A flood from one address costs that address its places, and no other.

    Args:
        per_address: Most from one address.
        total: Most in all.
    """

    def __init__(self, per_address: int, total: int) -> None:
        self._per_address = per_address
        self._total = total
        self._groups: dict[str, _Group[V]] = {}
        self._where: dict[V, str] = {}

    def __len__(self) -> int:
        return len(self._where)

    def __iter__(self) -> Iterator[V]:
        return iter(list(self._where))

    def enter(self, visitor: V, address: str) -> V | None:
        """Let somebody in, who has said nothing yet.

        Returns:
            Who has to make way for it, and has been taken off the books.
        """
        place = neighbourhood(address)
        group = self._groups.get(place)
        leaving = None
        if group is not None and len(group) >= self._per_address:
            leaving = group.first_to_go()
        elif len(self._where) >= self._total:
            leaving = max(self._groups.values(), key=len).first_to_go()
        if leaving is not None:
            self.leave(leaving)
        # its group may have gone with the one that left
        self._groups.setdefault(place, _Group()).silent[visitor] = None
        self._where[visitor] = place
        return leaving

    def spoke(self, visitor: V) -> None:
        """Note that somebody has said something."""
        place = self._where.get(visitor)
        if place is not None:
            group = self._groups[place]
            group.silent.pop(visitor, None)
            group.speaking.pop(visitor, None)
            group.speaking[visitor] = None

    def leave(self, visitor: V) -> None:
        """Forget somebody who is known now, or has gone. Fine if that is so already."""
        place = self._where.pop(visitor, None)
        if place is not None:
            group = self._groups[place]
            group.silent.pop(visitor, None)
            group.speaking.pop(visitor, None)
            if not len(group):
                del self._groups[place]

    def make_room(self) -> V | None:
        """Take somebody off the books where a place is needed for other reasons.

        Returns:
            The first who has to go; None if nobody is here.
        """
        if not self._where:
            return None
        leaving = max(self._groups.values(), key=len).first_to_go()
        self.leave(leaving)
        return leaving

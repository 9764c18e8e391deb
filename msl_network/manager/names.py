"""The names of computers, looked up without holding anybody up."""

import asyncio
import functools
import socket
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..escaping import has_controls
from ..workers import Workers

__all__ = ["Names"]

LOOKUP_TIMEOUT = 5.0
"""Seconds for a name or an address to be looked up; then there is none."""

T = TypeVar("T")


class Names:
    """Looks names up on threads of its own: a name server that does not answer blocks nobody."""

    def __init__(self) -> None:
        self._threads = Workers("msl-network-names", 4)

    async def of(self, address: str) -> str:
        """The name that the reverse look-up of an address gives; the address where it gives none.

        Whoever is in charge of the address decides what it is: nobody is to be trusted by it before
        `lead_to` has looked where it leads.
        """
        name = await self._look_up(lambda: socket.getfqdn(address), address)
        return address if has_controls(name) else name

    async def lead_to(self, names: Iterable[str], address: str) -> bool:
        """Whether one of some names has an address."""
        for name in names:
            found: set[str] = set()
            if address in await self._look_up(functools.partial(_addresses, name), found):
                return True
        return False

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    async def _look_up(self, function: Callable[[], T], otherwise: T) -> T:
        try:
            return await asyncio.wait_for(self._threads.run(function), LOOKUP_TIMEOUT)
        except (OSError, TimeoutError, UnicodeError):
            return otherwise


def _addresses(name: str) -> set[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return {str(info[4][0]).partition("%")[0] for info in found}

"""The names of computers, looked up without holding anybody up."""

import asyncio
import functools
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from ..escaping import has_controls
from ..workers import Workers
from .admission import neighbourhood

__all__ = ["Names", "plain"]

logger = logging.getLogger(__package__)

LOOKUP_TIMEOUT = 5.0
"""Seconds for a name or an address to be looked up; then there is none."""

LOOK_UPS = 32
"""Most look-ups at a time, each on a thread, and each for another address."""

T = TypeVar("T")


def plain(name: str) -> str:
    """A name or an address as it is compared: neither has capitals, nor more than one spelling."""
    name = name.strip().rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)


class Names:
    """Looks names up on threads of its own: a name server that does not answer blocks nobody.

    Whoever is in charge of an address decides how long its look-up takes. There is one at a time
    for each `admission.neighbourhood`, so that who connects a hundred times takes no more than one
    of the threads from the others.
    """

    def __init__(self) -> None:
        self._threads = Workers("msl-network-names", LOOK_UPS)
        # a turn is there for as long as anybody has it or waits for it
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._looking: set[asyncio.Task[Any]] = set()

    async def of(self, address: str) -> str:
        """The name that the reverse look-up of an address gives; the address where it gives none.

        Whoever is in charge of the address decides what it is: nobody is to be trusted by it before
        `lead_to` has looked where it leads.
        """
        name = await self._look_up(lambda: socket.getfqdn(address), address, address)
        return address if has_controls(name) else name

    async def is_trusted(
        self, address: str, names: Iterable[str], trusted: frozenset[str], *, is_local: bool
    ) -> bool:
        """Whether a computer is one of those that are trusted, by its address or by a name.

        Args:
            address: Its address.
            names: What it is called; by others than ourselves, unless it is this computer.
            trusted: The names and addresses that are trusted, as `plain` writes them.
            is_local: Whether it is this computer.
        """
        if plain(address) in trusted:
            return True
        claimed = {plain(name) for name in names} & trusted
        if claimed and (is_local or await self.lead_to(claimed, address)):
            return True
        for name in claimed:
            logger.warning(
                "%s calls itself %r, a name that does not lead there: trust the address "
                "if it is the right computer",
                address,
                name,
            )
        return False

    async def lead_to(self, names: Iterable[str], address: str) -> bool:
        """Whether one of some names has an address."""
        for name in names:
            found: set[str] = set()
            if address in await self._look_up(functools.partial(_addresses, name), found, address):
                return True
        return False

    def close(self) -> None:
        """Let go of the threads."""
        for looking in self._looking:
            looking.cancel()
        self._threads.close()

    async def _look_up(self, function: Callable[[], T], otherwise: T, address: str) -> T:
        turn = self._turns.setdefault(neighbourhood(address), asyncio.Lock())
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                await turn.acquire()
                looking = asyncio.create_task(self._threads.run(function))
                # a look-up can't be ended: the turn is over when its thread is free, and not before
                looking.add_done_callback(functools.partial(self._done, turn))
                self._looking.add(looking)
                return await asyncio.shield(looking)
        except (OSError, TimeoutError, UnicodeError):
            return otherwise

    def _done(self, turn: asyncio.Lock, looking: "asyncio.Task[Any]") -> None:
        turn.release()
        self._looking.discard(looking)
        if not looking.cancelled():
            looking.exception()  # somebody may have stopped waiting for it


def _addresses(name: str) -> set[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return {str(info[4][0]).partition("%")[0] for info in found}

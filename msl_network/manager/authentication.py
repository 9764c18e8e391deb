"""Whether a device may connect: passwords, logins, trusted hostnames."""

import asyncio
import contextlib
import hmac
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakValueDictionary

from .. import passwords
from ..constants import (
    LOGIN_ATTEMPTS,
    LOGIN_DELAY,
    LOGIN_DELAY_MAX,
    LOGIN_FORGET,
    LOGIN_REMEMBERED,
    LOGINS_FAILED,
    LOGINS_REMEMBERED,
)
from ..database import UserRecord, UsersTable
from ..workers import Workers
from .admission import neighbourhood

__all__ = ["Brake", "Login", "LoginCheck", "same_password"]

logger = logging.getLogger(__package__)

DERIVATIONS = min(4, os.cpu_count() or 1)
"""Most passwords that are checked at a time: each takes a processor, of which a Pi has four, for
some tenths of a second, and 16 MiB."""

_SECRET = os.urandom(32)


def _digest(password: str) -> bytes:
    # half a surrogate pair is no UTF-8, and no password
    return hmac.digest(_SECRET, password.encode(errors="surrogatepass"), "sha256")


def same_password(given: object, expected: str) -> bool:
    """Compare passwords in a time that tells neither the length nor how much of them is equal."""
    if not isinstance(given, str):
        return False
    return hmac.compare_digest(_digest(given), _digest(expected))


_SEVERAL = object()


def _kept(username: object) -> bytes | None:
    return _digest(username) if isinstance(username, str) else None


@dataclass(slots=True)
class _Failures:
    count: int
    last: float
    username: object = None  # whose they are, as a digest; _SEVERAL, if of more than one user


class Brake:
    """Slows down who tries one password after the other, by `admission.neighbourhood`.

    With IPv6 a single computer has 2^64 addresses, each of them good for three more tries.
    """

    def __init__(self) -> None:
        # who failed last is the last; what is kept of each is of one size, whatever was sent
        self._failures: dict[str, _Failures] = {}
        # a turn is there for as long as anybody waits for it
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait until a try from an address may be made: one at a time, and not too soon.

        Without that, a hundred passwords could be tried at once before the first was found wrong.
        """
        turn = self._turns.setdefault(neighbourhood(address), asyncio.Lock())
        async with turn:
            if delay := self.delay(address):
                await asyncio.sleep(delay)
            yield

    def delay(self, address: str) -> float:
        """Seconds that the next try from an address has to wait."""
        place = neighbourhood(address)
        failures = self._failures.get(place)
        if failures is None or failures.count < LOGIN_ATTEMPTS:
            return 0.0
        now = time.monotonic()
        if now - failures.last > LOGIN_FORGET:
            del self._failures[place]
            return 0.0
        pause = LOGIN_DELAY * 2.0 ** min(failures.count - LOGIN_ATTEMPTS, 10)
        return min(pause, LOGIN_DELAY_MAX)

    def failed(self, address: str, username: object = None) -> None:
        """Note a wrong password, and for which user it was."""
        place, user = neighbourhood(address), _kept(username)
        failures = self._failures.pop(place, None) or _Failures(0, 0.0, user)
        failures.count += 1
        failures.last = time.monotonic()
        if failures.username != user:
            failures.username = _SEVERAL
        self._failures[place] = failures
        if len(self._failures) > LOGINS_FAILED:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, address: str, username: object = None) -> None:
        """Note a right password, and for which user it was.

        It makes up for the wrong ones of that user alone: who has an account could otherwise try
        those of others as often as they like, with a login of their own in between.
        """
        place = neighbourhood(address)
        failures = self._failures.get(place)
        if failures is not None and failures.username == _kept(username):
            del self._failures[place]


class Login(NamedTuple):
    """What came of a login."""

    right: bool
    """Whether the password is that of the user."""

    is_admin: bool = False
    """Whether the user is an administrator."""

    username: str | None = None
    """The name of the user, if there is one. Any other name that was given may be a password, typed
    where it does not belong, and is not to be repeated anywhere."""


class _Remembered(NamedTuple):
    user: UserRecord
    digest: bytes
    until: float


class LoginCheck:
    """Checks logins against the table of users, off the event loop.

    What a password is checked against takes a processor a tenth of a second, and half a second on
    a Pi. When a Manager comes back, a hundred Clients log in at once and wait 10 seconds at most,
    so:

    - the table is read on its one thread, the keys are derived on `DERIVATIONS` others, without
      Python's lock;
    - a right login is remembered for a minute, not as the password but as a digest of it with a
      secret of this process. It counts for as long as the record of the user is the same: a new
      password and a user who is removed take effect at once.

    A hundred Clients of one user thus cost one derivation, those of a hundred users one each.

    Args:
        users: The table. It is used on one thread, the pool's.
        thread: A pool with one thread.
    """

    def __init__(self, users: UsersTable, thread: Workers) -> None:
        self._users = users
        self._thread = thread
        self._threads = Workers("msl-network-passwords", DERIVATIONS)
        # who has to wait does it before the table is read and what is remembered is looked up
        self._turns = asyncio.Semaphore(DERIVATIONS)
        self._remembered: dict[str, _Remembered] = {}

    async def check(self, username: object, password: object) -> Login:
        """Check a login.

        Raises:
            sqlite3.Error: The table can't be read.
        """
        if not isinstance(username, str) or not isinstance(password, str):
            return Login(False)
        digest = _digest(password)
        name = None
        async with self._turns:
            # once more for what was remembered, and once for a record that changed meanwhile
            for _ in range(3):
                user, kinds = await self._thread.run(self._users.for_login, username)
                if user is None:
                    name, key, salt = None, None, b""
                else:
                    name, key, salt = user[1:4]
                    if self._is_remembered(user, digest):
                        return Login(True, bool(user[4]), name)
                right = await self._threads.run(passwords.matches, password, key, salt, kinds)
                if not right or user is None:
                    break
                self._remember(await self._upgraded(user, password), digest)
        return Login(False, username=name)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    async def _upgraded(self, user: UserRecord, password: str) -> UserRecord:
        """Derive the key of a user anew if it was not derived as keys are now."""
        if passwords.kind_of(user[2]) == passwords.CURRENT:
            return user
        key, salt = await self._threads.run(passwords.protect, password)
        try:
            replaced = await self._thread.run(self._users.replace_key, user, key, salt)
        except sqlite3.Error as error:
            logger.warning("the key of the user %r stays that of 1.x: %s", user[1], error)
            return user
        return (*user[:2], key, salt, user[4]) if replaced else user

    def _is_remembered(self, user: UserRecord, digest: bytes) -> bool:
        remembered = self._remembered.get(user[1])
        return (
            remembered is not None
            and remembered.user[:4] == user[:4]
            and time.monotonic() < remembered.until
            and hmac.compare_digest(remembered.digest, digest)
        )

    def _remember(self, user: UserRecord, digest: bytes) -> None:
        now = time.monotonic()
        self._remembered.pop(user[1], None)
        self._remembered[user[1]] = _Remembered(user, digest, now + LOGIN_REMEMBERED)
        for name in list(self._remembered):  # the oldest first
            expired = self._remembered[name].until < now
            if not expired and len(self._remembered) <= LOGINS_REMEMBERED:
                break
            del self._remembered[name]

"""Whether a device may connect: passwords, logins, trusted hostnames."""

import hmac
import time
from dataclasses import dataclass

from ..constants import LOGIN_ATTEMPTS, LOGIN_DELAY, LOGIN_DELAY_MAX, LOGIN_FORGET
from ..database import UsersTable
from ..workers import Workers

__all__ = ["Brake", "LoginCheck", "same_password"]


def same_password(given: object, expected: str) -> bool:
    """Compare passwords in a time that does not tell how much of them is equal."""
    if not isinstance(given, str):
        return False
    # half a surrogate pair is no UTF-8, and no password
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())


@dataclass(slots=True)
class _Failures:
    count: int
    last: float
    next: float = 0.0


class Brake:
    """Slows down who tries one password after the other, by address."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failures] = {}

    def delay(self, address: str) -> float:
        """Seconds that a try from an address has to wait, behind those that wait already."""
        failures = self._failures.get(address)
        if failures is None or failures.count < LOGIN_ATTEMPTS:
            return 0.0
        now = time.monotonic()
        if now - failures.last > LOGIN_FORGET:
            del self._failures[address]
            return 0.0
        pause = LOGIN_DELAY * 2.0 ** min(failures.count - LOGIN_ATTEMPTS, 10)
        failures.next = max(failures.next, now) + min(pause, LOGIN_DELAY_MAX)
        return failures.next - now

    def failed(self, address: str) -> None:
        """Note a wrong password."""
        now = time.monotonic()
        if len(self._failures) > 10_000:
            self._failures = {
                key: value
                for key, value in self._failures.items()
                if now - value.last <= LOGIN_FORGET
            }
        failures = self._failures.setdefault(address, _Failures(0, now))
        failures.count += 1
        failures.last = now

    def succeeded(self, address: str) -> None:
        """Note a right password."""
        self._failures.pop(address, None)


class LoginCheck:
    """Looks a login up in the table of users, off the event loop.

    Args:
        users: The table. It is used on one thread, the pool's.
        thread: A pool with one thread.
    """

    def __init__(self, users: UsersTable, thread: Workers) -> None:
        self._users = users
        self._thread = thread

    async def check(self, username: object, password: object) -> tuple[bool, bool]:
        """Check a login.

        Returns:
            Whether it is right, and whether the user is an administrator.

        Raises:
            sqlite3.Error: The table can't be read.
        """
        if not isinstance(username, str) or not isinstance(password, str):
            return False, False
        try:
            return await self._thread.run(self._check, username, password)
        except UnicodeEncodeError:  # half a surrogate pair: no name, no password
            return False, False

    def _check(self, username: str, password: str) -> tuple[bool, bool]:
        if not self._users.is_password_valid(username, password):
            return False, False
        return True, self._users.is_admin(username)

"""What a Manager holds of all messages together, and whose connection ends when that is too much.

Pure bookkeeping, of what takes a megabyte to matter: what is small is counted in steps.
"""

import sys
from collections import deque
from collections.abc import Callable

from .wire.framing import LineTooLongError

__all__ = ["SHARED", "Account", "Budget", "NoRoomError"]

STEP = 16 * 1024
"""Bytes by which an account has to change before that is counted: ten thousand connections with
less are 160 MB, half of what they cost anyway."""

SHARED = 64 * 1024
"""Bytes of a line from which on it is counted once, however many it waits for: a picture that a
Service sends to a hundred Clients is in the memory once."""


class NoRoomError(LineTooLongError):
    """All messages together are more than a Manager holds, and of this device it holds the most."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = (
            f"The Manager holds more than {limit} bytes of messages, and most of them are of "
            f"this device. Send and read them one after the other",
        )


class Account:
    """What is held of the messages from and for one connection.

    Made by `Budget.open`.

    Attributes:
        owner: Whose connection it is: the devices at one address are one owner.
        make_way: Called with an error when the connection has to end.
        is_used: Whether anything is held.
    """

    __slots__ = ("_budget", "_lines", "_size", "is_used", "make_way", "owner")

    def __init__(self, budget: "Budget", owner: str) -> None:
        self.owner = owner
        self.make_way: Callable[[NoRoomError], None] = lambda error: None
        self._budget = budget
        self._size = 0
        self._lines: deque[memoryview] = deque()
        self.is_used = False

    def update(self, size: int) -> None:
        """Note how many bytes are held, without the lines that are added and removed."""
        change = size - self._size
        if change and (not size or abs(change) >= STEP):
            self._size = size
            self._budget._changed(self, change)

    def add(self, line: bytes | memoryview) -> None:
        """Note a line of more than `SHARED` bytes that waits behind others."""
        view = memoryview(line)
        self._lines.append(view)
        self._budget._changed(self, self._budget._use(view))

    def remove_first(self) -> None:
        """Note that the line which was added first waits no more."""
        self._budget._changed(self, -self._budget._drop(self._lines.popleft()))

    def has_room(self, size: int) -> bool:
        """Whether that many bytes more can be held without anybody's having to make way."""
        return self._budget.total + size <= self._budget.limit

    def close(self) -> None:
        """Note that nothing is held any more."""
        while self._lines:
            self.remove_first()
        self.update(0)

    def _share(self) -> float:
        """Its part of the total: of a line that waits for several, each has its part."""
        uses = self._budget._uses
        return self._size + sum(line.nbytes / uses[id(line.obj)] for line in self._lines)


class Budget:
    """Bounds the bytes that are held of all messages together.

    Whoever has the most of them makes way, so that others find room: of the addresses the one with
    the most, and of its connections the one with the most.

    Args:
        limit: Most bytes.

    Attributes:
        limit: Most bytes.
        total: The bytes that are held.
    """

    def __init__(self, limit: int = sys.maxsize) -> None:
        self.limit = limit
        self.total = 0
        self._holders: set[Account] = set()
        # for how many a line waits, by its identity
        self._uses: dict[int, int] = {}

    def open(self, owner: str) -> Account:
        """Make an account."""
        return Account(self, owner)

    def _use(self, line: memoryview) -> int:
        """Note that a line waits for one more; returns the bytes that it adds to the total."""
        uses = self._uses.get(id(line.obj), 0)
        self._uses[id(line.obj)] = uses + 1
        return 0 if uses else line.nbytes

    def _drop(self, line: memoryview) -> int:
        uses = self._uses.pop(id(line.obj)) - 1
        if uses:
            self._uses[id(line.obj)] = uses
            return 0
        return line.nbytes

    def _changed(self, account: Account, change: int) -> None:
        self.total += change
        account.is_used = account._size > 0 or bool(account._lines)
        if account.is_used:
            self._holders.add(account)
        else:
            self._holders.discard(account)
        if change > 0:
            while self.total > self.limit and self._holders:
                self._relieve()

    def _relieve(self) -> None:
        shares = {account: account._share() for account in self._holders}
        owners: dict[str, float] = {}
        for account, share in shares.items():
            owners[account.owner] = owners.get(account.owner, 0) + share
        greediest = max(owners, key=lambda owner: owners[owner])
        most = max(
            (account for account in shares if account.owner == greediest),
            key=lambda account: shares[account],
        )
        most.close()
        most.make_way(NoRoomError(self.limit))

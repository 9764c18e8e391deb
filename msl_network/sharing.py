"""What a Service has for all of its Clients, shared so that none of them can have all of it."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from .wire.messages import TooManyError
from .workers import NoThreadError, Workers

__all__ = ["SharedWorkers", "Shares"]

T = TypeVar("T", bound=Hashable)


class Shares:
    """So many of something, of which nobody can have more than is left to the others.

    Who is alone gets half of it, who comes next half of the rest. It has no lock of its own.

    Args:
        most: How many there are.

    Attributes:
        left: How many are left.
        held: How many each one has who has any.
    """

    def __init__(self, most: int) -> None:
        self.left = most
        self.held: dict[str, int] = {}

    def take(self, owner: str, count: int = 1) -> bool:
        """Take some, if the owner may have so many more; returns whether that is so."""
        held = self.held.get(owner, 0) + count
        if held > self.left:
            return False
        self.held[owner] = held
        self.left -= count
        return True

    def take_anyway(self, owner: str, count: int = 1) -> None:
        """Take some, whether there are any or not."""
        self.held[owner] = self.held.get(owner, 0) + count
        self.left -= count

    def give(self, owner: str, count: int = 1) -> None:
        """Give back what has been taken."""
        self.left += count
        if self.held[owner] == count:
            del self.held[owner]
        else:
            self.held[owner] -= count


class SharedWorkers(Workers, Generic[T]):
    """Threads that owners share: each item is run on one, and the owners take turns.

    Args:
        name: The prefix of the threads' names.
        run: Runs an item. It must not raise.
        most: Most items that run at the same time; an owner has its share of them, see `Shares`.
        lasting: Most items that may do so for as long as they like besides, see `lasting`.
    """

    def __init__(self, name: str, run: Callable[[T], None], most: int, lasting: int) -> None:
        super().__init__(name, most + lasting)
        self._run = run
        self._shares = Shares(most)
        self._lasting = Shares(lasting)
        # what waits, by owner; whose turn is next first
        self._queues: OrderedDict[str, dict[T, None]] = OrderedDict()
        self._count = 0

    @property
    def waiting(self) -> int:
        """How many items wait for a thread."""
        return self._count + super().waiting

    def run_for(self, owner: str, item: T) -> None:
        """Run an item, now or when it is the owner's turn.

        Raises:
            NoThreadError: There is no thread for it.
        """
        with self._lock:
            if owner in self._queues or not self._shares.take(owner):
                self._queues.setdefault(owner, {})[item] = None
                self._count += 1
                return
            self._begin(owner, item)

    def discard(self, owner: str, item: T) -> None:
        """Let an item wait no more. Fine if it does not."""
        with self._lock:
            own = self._queues.get(owner, {})
            if item in own:
                self._take_out(owner, item)

    def remove(self, owner: str | None = None) -> list[T]:
        """Let the items of an owner wait no more, or all of them, and return them."""
        with self._lock:
            names = list(self._queues) if owner is None else [owner]
            removed = [item for name in names for item in self._queues.pop(name, ())]
            self._count -= len(removed)
        return removed

    @contextmanager
    def lasting(self, owner: str) -> Iterator[None]:
        """Let the item that runs here hold up no other one meanwhile, however long it takes.

        Raises:
            TooManyError: The owner has as many of them as it may.
        """
        with self._lock:
            if not self._lasting.take(owner):
                held = self._lasting.held.get(owner, 0)
                raise TooManyError(
                    f"{held} streams of {owner} are open, the most that it may have now. "
                    f"Close one before you open another"
                )
            self._shares.give(owner)
            self._begin_next()
        try:
            yield
        finally:
            with self._lock:
                self._lasting.give(owner)
                self._shares.take_anyway(owner)

    def close(self) -> None:
        """Let the threads end, each after what it runs, without waiting for them."""
        self.remove()
        super().close()

    def _begin(self, owner: str, item: T) -> None:
        try:
            self._take_thread()
        except NoThreadError:
            self._shares.give(owner)
            raise
        self._jobs.put((owner, item))

    def _begin_next(self) -> None:
        while (following := self._next()) is not None:
            self._begin(*following)

    def _next(self) -> tuple[str, T] | None:
        """What is next, if there is a place for it, which it has then."""
        if self._shares.left > 0:
            take = self._shares.take
            for owner, own in self._queues.items():
                if take(owner):
                    item = next(iter(own))
                    self._queues.move_to_end(owner)
                    self._take_out(owner, item)
                    return owner, item
        return None

    def _take_out(self, owner: str, item: T) -> None:
        own = self._queues[owner]
        del own[item]
        self._count -= 1
        if not own:
            del self._queues[owner]

    def _work(self) -> None:
        jobs, lock, run, shares = self._jobs, self._lock, self._run, self._shares
        while (job := jobs.get()) is not None:
            while job is not None:
                owner, item = job
                run(item)
                del item, job  # nothing is kept alive by a thread that waits
                with lock:
                    shares.give(owner)
                    job = self._next() if self._queues else None
                    if job is None:
                        self._free += 1
                    elif job[0] != owner and owner in self._queues:
                        self._begin_next()  # it has one less now, which may be its turn, too

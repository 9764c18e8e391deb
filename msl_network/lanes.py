"""Waiting in line: which of the requests at a Service may begin, and which is next."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from itertools import chain, count, islice, zip_longest
from typing import Any, Generic, TypeVar, overload

__all__ = ["Lanes", "lane_of", "serial"]

T = TypeVar("T", bound=Hashable)
F = TypeVar("F", bound=Callable[..., Any])

_MARK = "_msl_network_lane"


@overload
def serial(method: F, /) -> F: ...


@overload
def serial(lane: str, /) -> Callable[[F], F]: ...


def serial(method_or_lane: Any, /) -> Any:
    """Decorate a method of a Service that must not run while another one of its lane does.

    Requests wait in line, each Client's in their order, and the Clients take turns. A method that
    yields keeps its place until it has ended. A method that calls another one of its lane on its
    own Service through a Client waits for itself.

    Example:
        >>> class Bench(Service):
        ...     @serial
        ...     def voltage(self) -> float: ...
        ...     @serial
        ...     def current(self) -> float: ...
        ...     @serial("camera")
        ...     def picture(self) -> list[list[int]]: ...

    Args:
        method_or_lane: The method; or the name of its lane, where it is not the one that all
            `@serial` methods of the Service share.
    """
    if isinstance(method_or_lane, str):

        def decorate(method: Any) -> Any:
            setattr(_function(method), _MARK, method_or_lane)
            return method

        return decorate
    setattr(_function(method_or_lane), _MARK, "")
    return method_or_lane


def lane_of(method: Any) -> str | None:
    """The lane of what a class has under a name; None if it has none."""
    lane = getattr(_function(method), _MARK, None)
    # an attribute of a class may be an object that has an answer to everything
    return lane if isinstance(lane, str) else None


def _function(method: Any) -> Any:
    if isinstance(method, property):
        return method.fget
    return method.__func__ if isinstance(method, staticmethod | classmethod) else method


class _Lane:
    """The places in one lane.

    Args:
        most: Most requests that run at the same time; None for no limit.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.running = 0
        self.waiting = 0

    @property
    def is_open(self) -> bool:
        return self.most is None or self.running < self.most


class Lanes(Generic[T]):
    """The requests that run or wait in line, of which it knows no more than who made them.

    In a lane with a name one runs at a time. What has no such lane is held up by the limit for all
    lanes together alone. The requesters take turns, and of the requests of one that could begin
    the oldest does. It has no lock of its own.

    Args:
        most: Most requests that run at the same time in all lanes; None for no limit.

    Attributes:
        most: The same. Can be changed while none waits.
        waiting: How many wait.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.waiting = 0
        self._running = 0
        self._lanes: dict[str | None, _Lane] = {}
        self._where: dict[T, tuple[_Lane, str]] = {}
        # what waits, with when it came, by lane and by requester; whose turn is next first
        self._queues: OrderedDict[str, dict[_Lane, OrderedDict[T, int]]] = OrderedDict()
        self._arrivals = count()

    def enter(self, request: T, requester: str, lane: str | None = None) -> bool:
        """Add a request.

        Args:
            request: The request.
            requester: Who made it.
            lane: The name of its lane; None if it has none of its own.

        Returns:
            Whether it begins now; otherwise it waits.
        """
        where = self._lane(lane)
        self._where[request] = where, requester
        if self._is_open and where.is_open:
            self._begin(where)
            return True
        own = self._queues.setdefault(requester, {})
        own.setdefault(where, OrderedDict())[request] = next(self._arrivals)
        self._count_waiting(where, 1)
        return False

    def add_running(self, request: T, requester: str, lane: str | None = None) -> None:
        """Add a request that has begun already, elsewhere. Fine if it is here."""
        if request not in self._where:
            where = self._lane(lane)
            self._where[request] = where, requester
            self._begin(where)

    def leave(self, request: T) -> T | None:
        """Remove a request that has ended, or that waits no more. Fine if it is not here.

        Returns:
            The one that begins now in its place.
        """
        where, requester = self._where.pop(request, (None, ""))
        if where is None:
            return None
        own = self._queues.get(requester, {})
        if request in own.get(where, ()):
            del own[where][request]
            self._has_left(where, requester)
            return None
        where.running -= 1
        self._running -= 1
        return self._next()

    def remove_waiting(self, requester: str | None = None) -> list[T]:
        """Remove all that wait, or those of one requester, and return them as they came."""
        removed: dict[T, int] = {}
        for name in list(self._queues) if requester is None else [requester]:
            for lane, requests in self._queues.pop(name, {}).items():
                removed |= requests
                self._count_waiting(lane, -len(requests))
        for request in removed:
            del self._where[request]
        return sorted(removed, key=removed.__getitem__)

    def in_line(self, most: int) -> list[tuple[T, int]]:
        """The first requests that wait in each lane, and how many wait before each.

        Args:
            most: Most requests of a lane.
        """
        return [
            (request, before)
            for lane in self._lanes.values()
            for before, request in enumerate(islice(self._in_order(lane), most))
        ]

    def _in_order(self, lane: _Lane) -> Iterator[T]:
        rounds = zip_longest(*(own[lane] for own in self._queues.values() if lane in own))
        return (request for request in chain.from_iterable(rounds) if request is not None)

    def _lane(self, name: str | None) -> _Lane:
        if name not in self._lanes:
            self._lanes[name] = _Lane(None if name is None else 1)
        return self._lanes[name]

    @property
    def _is_open(self) -> bool:
        return self.most is None or self._running < self.most

    def _begin(self, lane: _Lane) -> None:
        lane.running += 1
        self._running += 1

    def _next(self) -> T | None:
        # what has ended made room for one: nothing that had room before was left waiting. It made
        # none where the limit has been lowered
        lanes = [lane for lane in self._lanes.values() if lane.waiting and lane.is_open]
        if not lanes or not self._is_open:
            return None
        # of each requester, the oldest request in each of these lanes
        firsts = (
            [(next(iter(own[lane].items())), lane) for lane in lanes if lane in own]
            for own in self._queues.values()
        )
        (request, _), lane = min(next(filter(None, firsts)), key=lambda first: first[0][1])
        _, requester = self._where[request]
        del self._queues[requester][lane][request]
        self._queues.move_to_end(requester)
        self._has_left(lane, requester)
        self._begin(lane)
        return request

    def _has_left(self, lane: _Lane, requester: str) -> None:
        self._count_waiting(lane, -1)
        own = self._queues[requester]
        if not own[lane]:
            del own[lane]
        if not own:
            del self._queues[requester]

    def _count_waiting(self, lane: _Lane, more: int) -> None:
        lane.waiting += more
        self.waiting += more

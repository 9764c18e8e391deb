"""Executing what Clients ask a Service for: in threads, on the loop, or not at all."""

import asyncio
import contextlib
import inspect
import logging
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, NamedTuple

from . import loop_thread
from .constants import (
    MESSAGE_LIMIT,
    REQUESTS_PER_SERVICE,
    SHUTDOWN_SERVICE,
    SHUTDOWN_TIMEOUT,
    STREAM_ITEMS,
    STREAMS,
    WORKERS,
)
from .escaping import escaped
from .lanes import Lanes, lane_of
from .line_socket import LineSocket
from .request import CANCELLED, Request, current_request
from .sharing import SharedWorkers, Shares
from .streaming import Collected, ItemSender, check_size
from .wire.messages import (
    Message,
    TooManyError,
    builtin_bases,
    describe_error,
    error_line,
    result_line,
    shortened,
)
from .workers import NoThreadError

if TYPE_CHECKING:
    from .service import Service

__all__ = ["Executor", "traceback_lines"]

logger = logging.getLogger(__package__)

_HERE = __file__
_BASE = f"{__package__}.service"  # the module of the methods that every Service has

PLACES_INTERVAL = 0.25
"""Seconds between two looks at who waits in line, to tell them their places."""

PLACES_TOLD = 100
"""Most requests of a lane that are told: the others are told when they come nearer."""

PLAIN = frozenset((type(None), bool, int, float, str, list, tuple, dict))
"""Types of results that are neither a coroutine nor a generator, which to find out takes 2 µs."""

SMALL_REQUEST = 1024
"""Bytes of a request that are not counted: it costs as much in any case."""


class _Way(NamedTuple):
    """How an attribute is executed."""

    on_loop: bool
    in_line: bool
    lane: str | None


def traceback_lines(error: BaseException) -> list[str]:
    """The traceback of an exception that a method ended with; empty if it had not begun."""
    shown = traceback.TracebackException.from_exception(error, compact=True)
    # the frames of this file are not the user's to read
    shown.stack[:] = [frame for frame in shown.stack if frame.filename != _HERE]
    return shortened("".join(shown.format())).splitlines() if shown.stack else []


class _Leaving:
    """What still runs on an object that another one has taken the place of; on the loop."""

    def __init__(self, count: int, idle: "asyncio.Future[None]") -> None:
        self._count = count + 1
        self._idle = idle
        self.one_less()

    def one_less(self) -> None:
        self._count -= 1
        if not self._count and not self._idle.done():
            self._idle.set_result(None)


class Executor:
    """Runs the methods of a Service; on the loop of the network, unless it says otherwise.

    Args:
        service: The Service.
        limit: Most bytes of a request. So many of one Client wait here, twice as many of all.
        shut_down: Called when a Client has shut the Service down, and all has been answered.

    Attributes:
        known: What the Manager can do beyond 1.x.
        count: How many requests there have been.
        reply_limit: Most bytes of a reply, an item or a notification.
        on_error: Called with each exception that a method ends with, on whichever thread.
    """

    def __init__(
        self,
        service: "Service",
        limit: int,
        shut_down: Callable[[], None],
    ) -> None:
        self.known: list[str] = []
        self.count = 0
        self.on_error: list[Callable[[Request, BaseException], object]] = []
        self._service = service
        self._ignored, concurrency = service._terms()
        self._end = shut_down
        self._loop = asyncio.get_running_loop()
        self._threads = SharedWorkers(service.name, self._run_in_thread, WORKERS, STREAMS)
        self._room = Shares(2 * limit)
        self.reply_limit = max(limit, MESSAGE_LIMIT)
        # those that can be given up, by who asked and the uid
        self._requests: dict[tuple[str, str], Request] = {}
        # those without a uid, as a person at a terminal sends them, or with that of another one,
        # which 1.x lets pass
        self._nameless: set[Request] = set()
        self._running = 0  # and how many wait
        self._is_limited = concurrency is not None
        self._lanes: Lanes[Request] = Lanes(concurrency)
        # of how many are running, who is in which lane, and whether one has begun
        self._lock = threading.Lock()
        self._idle = asyncio.Event()
        self._shutting_down = False
        self._ways: dict[str, _Way] = {}
        self._places: dict[Request, int] = {}  # what those who wait have been told
        self._leaving: dict[Request, _Leaving] = {}
        self._looks = False
        self._tasks: set[asyncio.Task[None]] = set()

    def execute(self, message: Message, connection: LineSocket, size: int) -> None:
        """Execute a request and send the reply on the connection that it came on.

        Args:
            message: The request.
            connection: The connection.
            size: The bytes of its line.
        """
        request = Request(message, connection, self.known)
        attribute = request.attribute
        if attribute.startswith("_"):
            refusal: Exception = PermissionError("Cannot request a private attribute")
        elif not attribute or attribute in self._ignored:
            refusal = self._no_such(attribute)
        elif self._shutting_down:
            refusal = self._is_shutting_down()
        elif self._running >= REQUESTS_PER_SERVICE and attribute != SHUTDOWN_SERVICE:
            # a Manager forgets the requests of a Client that has gone, while some still run here
            refusal = TooManyError(
                f"{self._running} requests wait for the {self._service.name!r} service, the most "
                f"that may. Try again later"
            )
        elif size > SMALL_REQUEST and not self._has_room(request, size):
            refusal = TooManyError(
                f"The requests of {request.requester} that wait for the {self._service.name!r} "
                f"service have as many bytes as they may. Wait for replies before you send more"
            )
        else:
            way = self._way(attribute)
            self.count += 1
            with self._lock:
                self._running += 1
                begins = not way.in_line or self._lanes.enter(request, request.requester, way.lane)
            if attribute == SHUTDOWN_SERVICE:
                self._spawn(self._shut_down(request))
                return
            key = request.requester, request.uid
            if not request.uid or self._requests.setdefault(key, request) is not request:
                # nothing can be told of it, and a stream would wait for that for ever
                request._stream = False
                self._nameless.add(request)
            if begins:
                self._start(request, way)
            else:
                self._look_later()
            return
        logger.info("%s requested %r: %s", escaped(request.requester), attribute, refusal)
        connection.send(error_line(refusal, requester=request.requester, uid=request.uid))

    def cancel(self, requester: str, uid: str) -> None:
        """Give up a request, as its Client wants.

        What waits in line or for a thread is answered at once. A coroutine is cancelled; a method
        in a thread is told by its `Request`.
        """
        request = self._requests.get((requester, uid))
        if request is None or request.cancelled:
            return  # what cleans up after the first time is not cancelled, too
        logger.info("%s gave up %r", escaped(requester), request.attribute)
        with self._lock:
            waits = not request._has_begun
            request._cancel()
            # now, since its answer may have to wait for room
            following = self._lanes.leave(request) if waits else None
        if waits:
            self._threads.discard(requester, request)
            self._finish(request, self._given_up(request, "not begun"))
        if following is not None:
            self._start_next(following)

    def taken(self, requester: str, uid: str, count: int) -> None:
        """Note how many items of a request its Client has taken."""
        request = self._requests.get((requester, uid))
        if request is not None and request._sender is not None:
            request._sender.taken(count)

    def gone(self, requester: str | None = None) -> None:
        """Give up what has not begun, and the streams, of a Client that has gone.

        Args:
            requester: The Client; None for all of them.
        """
        with self._lock:
            waiting = self._lanes.remove_waiting(requester)
        for request in (*waiting, *self._threads.remove(requester)):
            self._finish(request)
        for request in self.requests:
            if requester in (None, request.requester):
                request._is_gone = True
                if request._stream:
                    self.cancel(request.requester, request.uid)

    @property
    def requests(self) -> list[Request]:
        """Those that have no reply yet."""
        return [*self._requests.values(), *self._nameless]

    @property
    def waiting(self) -> int:
        """How many requests have not begun: they wait in line, or for a thread."""
        return self._lanes.waiting + self._threads.waiting

    def reload(self, service: "Service") -> "asyncio.Future[None]":
        """Execute on another object what has not begun yet, and all that comes.

        Returns:
            What is done when all that runs on the object before it has ended.

        Raises:
            RuntimeError: A Client has shut the Service down.
        """
        if self._shutting_down:
            raise RuntimeError(f"{service.name!r} is shutting down. Start it again instead")
        ignored, concurrency = service._terms()
        with self._lock:
            old, self._service = self._service, service
            self._ignored, self._is_limited, self._ways = ignored, concurrency is not None, {}
            waiting = self._lanes.remove_waiting()
            self._lanes.most = concurrency
            known = set(self.requests)
            # an instrument that can do one thing at once is in use until that has ended
            for request in known.difference(waiting):
                if (way := self._way(request.attribute)).in_line:
                    self._lanes.add_running(request, request.requester, way.lane)
            begin = []
            for request in waiting:
                way = self._way(request.attribute)
                waits = way.in_line and request.attribute not in ignored
                if not waits or self._lanes.enter(request, request.requester, way.lane):
                    begin.append(request)
            running = [request for request in known if request._service is old]
            idle = self._loop.create_future()
            self._leaving.update(dict.fromkeys(running, _Leaving(len(running), idle)))
        for request in begin:
            self._start_next(request)
        self._look_later()
        return idle

    async def close(self, timeout: float) -> None:
        """Wait for the coroutines to end, then end them; the threads end after their method."""
        for patience in (True, False):
            if self._tasks:
                if not patience:
                    for task in self._tasks:
                        task.cancel()
                await asyncio.wait(self._tasks, timeout=timeout)
        self._threads.close()

    # --- running -------------------------------------------------------------------------

    def _way(self, attribute: str) -> _Way:
        way = self._ways.get(attribute)
        if way is None:
            # looked up on the class, since looking at the Service itself may run a property
            method = inspect.getattr_static(type(self._service), attribute, None)
            function = getattr(method, "__func__", method)
            lane = lane_of(method)
            limited = self._is_limited and getattr(function, "__module__", None) != _BASE
            way = _Way(
                inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function),
                attribute != SHUTDOWN_SERVICE and (limited or lane is not None),
                lane,
            )
            if method is not None:
                self._ways[attribute] = way
        return way

    def _start(self, request: Request, way: _Way) -> None:
        if way.on_loop:
            request._service = self._service
            self._spawn(self._run_on_loop(request, lambda: self._call(request)))
            return
        try:
            self._threads.run_for(request.requester, request)
        except NoThreadError as error:
            # later, since the end of one is the beginning of the next
            self._loop.call_soon(self._finish, request, self._failure(request, error))

    def _start_next(self, request: Request) -> None:
        """Start a request that has waited in line; on the loop."""
        if self._places.pop(request, None) is not None:
            request.progress(0, message="begun")
        self._start(request, self._way(request.attribute))

    def _look_later(self) -> None:
        """Have those who wait told their places soon; on the loop."""
        if not self._looks:
            self._looks = True
            self._loop.call_later(PLACES_INTERVAL, self._tell_places)

    def _tell_places(self) -> None:
        with self._lock:
            places = dict(self._lanes.in_line(PLACES_TOLD))
        for request, before in places.items():
            if self._places.get(request) != before:
                place = f"{before} before it" if before else "next"
                request.progress(0, message=f"in line: {place}")
        self._places = places
        self._looks = False
        if places:
            self._look_later()

    def _run_in_thread(self, request: Request) -> None:
        with self._lock:
            if request._cancelled:
                return  # it has been answered
            request._has_begun = True
            request._service = self._service
        token = current_request.set(request)
        try:
            result = self._call(request)
            if type(result) in PLAIN:
                line = self._reply(request, result)
            elif inspect.isawaitable(result) or inspect.isasyncgen(result):
                run = self._run_on_loop(request, lambda: result)
                self._loop.call_soon_threadsafe(self._spawn, run)
                return
            elif inspect.isgenerator(result):
                line = self._send_items(request, result)
            else:
                line = self._reply(request, result)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: whoever asked is told, the thread goes on
            line = self._failure(request, error)
        finally:
            current_request.reset(token)
        self._finish(request, line)

    def _has_room(self, request: Request, size: int) -> bool:
        with self._lock:
            if not self._room.take(request.requester, size):
                return False
        request._size = size
        return True

    def _call(self, request: Request) -> Any:
        if request.attribute in self._ignored:
            raise self._no_such(request.attribute)  # since it was reloaded
        value = getattr(request._service, request.attribute)
        if callable(value):
            message = request._message
            return value(*message.positional(), **message.keywords())
        return value

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_on_loop(self, request: Request, call: Callable[[], Any]) -> None:
        if request._cancelled and not request._has_begun:
            return  # it has been answered
        request._has_begun = True
        # not known before: a task that is cancelled before its first step would not answer
        request._task = task = asyncio.current_task()
        if request._cancelled and task is not None:
            task.cancel()
        token = current_request.set(request)
        try:
            result = call()
            if inspect.isasyncgen(result):
                line = await self._send_items_on_loop(request, result)
            else:
                line = self._reply(request, await result)
        except BaseException as error:
            # what a coroutine wants to end is not the loop
            line = self._failure(request, error)
        finally:
            current_request.reset(token)
        self._finish(request, line)

    def _send_items(self, request: Request, items: Generator[Any, Any, Any]) -> bytes:
        """Send what a method yields, one by one if its Client wants that; returns the reply."""
        if not request._stream:
            collected = Collected(request, self.reply_limit)
            with contextlib.closing(items):
                for item in items:
                    collected.add(item)
            return collected.reply()
        # it stays on its thread, where it may have what belongs to that
        with self._threads.lasting(request.requester), contextlib.closing(items):
            sender = request._sender = ItemSender(request, self._loop, self.reply_limit)
            for item in items:
                if not sender.put(item):
                    break
        request.raise_if_cancelled()
        return self._reply(request, None)

    async def _send_items_on_loop(self, request: Request, items: AsyncGenerator[Any, Any]) -> bytes:
        async with contextlib.aclosing(items):
            if not request._stream:
                collected = Collected(request, self.reply_limit)
                async for item in items:
                    if collected.add(item) % STREAM_ITEMS == 0:
                        await asyncio.sleep(0)  # one that waits for nothing holds up nobody
                return collected.reply()
            sender = request._sender = ItemSender(request, self._loop, self.reply_limit)
            async for item in items:
                if not await sender.put_on_loop(item):
                    break
        request.raise_if_cancelled()
        return self._reply(request, None)

    async def _shut_down(self, request: Request) -> None:
        request._service = self._service
        try:
            result = await loop_thread.in_thread(self._call, request)
            if inspect.isawaitable(result):
                result = await result
            line = self._reply(request, result)
        except BaseException as error:
            self._finish(request, self._failure(request, error))
            return
        if self._shutting_down:
            # somebody else's request was first, and waits for this one to finish
            self._finish(request, line)
            return
        self._shutting_down = True
        with self._lock:
            waiting = self._lanes.remove_waiting()
        for other in waiting:
            self._finish(other, self._failure(other, self._is_shutting_down()))
        with self._lock:
            others = self._running > 1
        if others:
            ending = self._loop.create_task(self._end_unread())
            try:
                await self._idle.wait()
            finally:
                ending.cancel()
        request._connection.send(line)
        self._end()

    async def _end_unread(self) -> None:
        """End the streams whose items nobody takes: they would keep it from shutting down."""
        while True:
            unread = [(sender, sender.count) for r in self.requests if (sender := r._sender)]
            await asyncio.sleep(SHUTDOWN_TIMEOUT)
            for sender, count in unread:
                if sender.is_full and sender.count == count:
                    sender.request._is_unread = True
                    sender.request._cancel()

    # --- answers -------------------------------------------------------------------------

    def _no_such(self, attribute: str) -> Exception:
        return AttributeError(f"{self._service.name!r} service has no attribute {attribute!r}")

    def _is_shutting_down(self) -> Exception:
        return ConnectionAbortedError(f"{self._service.name!r} service is shutting down")

    def _reply(self, request: Request, result: Any) -> bytes:
        line = result_line(result, requester=request.requester, uid=request.uid)
        check_size(request, len(line), self.reply_limit)
        return line

    def _given_up(self, request: Request, how: str) -> bytes:
        return error_line(
            f"CancelledError: The request was {how}",
            requester=request.requester,
            uid=request.uid,
            cancelled=how,
        )

    def _failure(self, request: Request, error: BaseException) -> bytes:
        if request.cancelled and isinstance(error, CANCELLED):
            if not request._is_unread:
                return self._given_up(request, "stopped")
            error = self._is_shutting_down()
        logger.info("%s", escaped(f"{describe_error(error)} [{request.attribute}]"))
        for callback in tuple(self.on_error):
            try:
                callback(request, error)
            except Exception:
                logger.exception("what was to be told of an error in %r failed", request.attribute)
        more: dict[str, Any] = {}
        # the name of a built-in one says all
        if request._can("exceptions") and type(error).__module__ != "builtins":
            more["types"] = builtin_bases(error)
        return error_line(
            error,
            requester=request.requester,
            uid=request.uid,
            traceback=traceback_lines(error),
            **more,
        )

    def _finish(self, request: Request, line: bytes | None = None) -> None:
        """Send a reply, if anybody waits for it; from the thread that has it."""
        if request._progress is not None:
            request._progress.end()
        if request._sender is not None:
            request._sender.flush()
        key = request.requester, request.uid
        if self._requests.get(key) is request:
            del self._requests[key]
        else:
            self._nameless.discard(request)
        if line is not None:
            # of many replies, what is written while the loop wakes up leaves in one write
            room = request._connection.offer(line, later=self._running > 1)
            if room is not None:
                if loop_thread.on_loop():
                    room.add_done_callback(lambda _: self._finished(request))
                    return
                room.result()  # meanwhile no other method runs here, and makes more to be sent
        self._finished(request)

    def _finished(self, request: Request) -> None:
        # counted after it has been sent, which a shutdown waits for
        with self._lock:
            self._running -= 1
            if request._size:
                self._room.give(request.requester, request._size)
            left = self._running
            following = self._lanes.leave(request)
            leaving = self._leaving.pop(request, None) if self._leaving else None
        if leaving is not None:
            self._loop.call_soon_threadsafe(leaving.one_less)
        if following is not None:
            self._loop.call_soon_threadsafe(self._start_next, following)
        if self._shutting_down and left == 1:
            self._loop.call_soon_threadsafe(self._idle.set)

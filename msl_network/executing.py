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
from .constants import REQUESTS_PER_SERVICE, SHUTDOWN_SERVICE, WORKERS
from .escaping import escaped
from .lanes import Lanes, lane_of
from .line_socket import LineSocket
from .request import CANCELLED, Request, current_request
from .streaming import Collected, ItemSender
from .wire.messages import (
    Message,
    TooManyError,
    builtin_bases,
    describe_error,
    error_line,
    result_line,
)
from .workers import NoThreadError, Workers

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


class _Way(NamedTuple):
    """How an attribute is executed."""

    on_loop: bool
    in_line: bool
    lane: str | None


def traceback_lines(error: BaseException) -> list[str]:
    """The traceback of an exception that a method ended with; empty if it had not begun."""
    # the frames of this file are not the user's to read
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != _HERE]
    lines = [
        "Traceback (most recent call last):\n",
        *traceback.format_list(own),
        *traceback.format_exception_only(error),
    ]
    return "".join(lines).splitlines() if own else []


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
        shut_down: Called when a Client has shut the Service down, and all has been answered.

    Attributes:
        known: What the Manager can do beyond 1.x.
        count: How many requests there have been.
        on_error: Called with each exception that a method ends with, on whichever thread.
    """

    def __init__(
        self,
        service: "Service",
        shut_down: Callable[[], None],
    ) -> None:
        self.known: list[str] = []
        self.count = 0
        self.on_error: list[Callable[[Request, BaseException], object]] = []
        self._service = service
        self._ignored, concurrency = service._terms()
        self._end = shut_down
        self._loop = asyncio.get_running_loop()
        self._threads = Workers(service.name, WORKERS)
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

    def execute(self, message: Message, connection: LineSocket) -> None:
        """Execute a request and send the reply on the connection that it came on."""
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
        logger.warning("%s requested %r: %s", escaped(request.requester), attribute, refusal)
        connection.send(error_line(refusal, requester=request.requester, uid=request.uid))

    def cancel(self, requester: str, uid: str) -> None:
        """Give up a request, as its Client wants.

        What waits in line or for a thread is answered at once. A coroutine is cancelled; a method
        in a thread is told by its `Request`.
        """
        request = self._requests.get((requester, uid))
        if request is None:
            return
        logger.info("%s gave up %r", escaped(requester), request.attribute)
        with self._lock:
            waits = not request._has_begun
            request._cancel()
        if waits:
            self._finish(request, self._given_up(request, "not begun"))

    def taken(self, requester: str, uid: str, count: int) -> None:
        """Note how many items of a request its Client has taken."""
        request = self._requests.get((requester, uid))
        if request is not None and request._sender is not None:
            request._sender.taken(count)

    def gone(self, requester: str | None = None) -> None:
        """Give up what waits in line, and the streams, of a Client that has gone.

        Args:
            requester: The Client; None for all of them.
        """
        with self._lock:
            waiting = self._lanes.remove_waiting(requester)
        for request in waiting:
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
            self._threads.submit(self._run_in_thread, request)
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
            if inspect.isawaitable(result) or inspect.isasyncgen(result):
                run = self._run_on_loop(request, lambda: result)
                self._loop.call_soon_threadsafe(self._spawn, run)
                return
            if inspect.isgenerator(result):
                result = self._send_items(request, result)
            line = self._reply(request, result)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: whoever asked is told, the thread goes on
            line = self._failure(request, error)
        finally:
            current_request.reset(token)
        self._finish(request, line)

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
                line = self._reply(request, await self._send_items_on_loop(request, result))
            else:
                line = self._reply(request, await result)
        except BaseException as error:
            # what a coroutine wants to end is not the loop
            line = self._failure(request, error)
        finally:
            current_request.reset(token)
        self._finish(request, line)

    def _send_items(self, request: Request, items: Generator[Any, Any, Any]) -> Any:
        """Send what a method yields, one by one if its Client wants that; returns the rest."""
        with contextlib.closing(items):
            if not request._stream:
                collected = Collected(request)
                for item in items:
                    collected.add(item)
                return collected.items
            sender = request._sender = ItemSender(request, self._loop)
            for item in items:
                if not sender.put(item):
                    break
        request.raise_if_cancelled()
        return None

    async def _send_items_on_loop(self, request: Request, items: AsyncGenerator[Any, Any]) -> Any:
        async with contextlib.aclosing(items):
            if not request._stream:
                collected = Collected(request)
                async for item in items:
                    collected.add(item)
                return collected.items
            sender = request._sender = ItemSender(request, self._loop)
            async for item in items:
                if not await sender.put_on_loop(item):
                    break
        request.raise_if_cancelled()
        return None

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
            await self._idle.wait()
        request._connection.send(line)
        self._end()

    # --- answers -------------------------------------------------------------------------

    def _no_such(self, attribute: str) -> Exception:
        return AttributeError(f"{self._service.name!r} service has no attribute {attribute!r}")

    def _is_shutting_down(self) -> Exception:
        return ConnectionAbortedError(f"{self._service.name!r} service is shutting down")

    def _reply(self, request: Request, result: Any) -> bytes:
        return result_line(result, requester=request.requester, uid=request.uid)

    def _given_up(self, request: Request, how: str) -> bytes:
        return error_line(
            f"CancelledError: The request was {how}",
            requester=request.requester,
            uid=request.uid,
            cancelled=how,
        )

    def _failure(self, request: Request, error: BaseException) -> bytes:
        if request.cancelled and isinstance(error, CANCELLED):
            return self._given_up(request, "stopped")
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
            connection = request._connection
            # of many replies, what is written while the loop wakes up leaves in one write
            send = connection.send_later if self._running > 1 else connection.send
            send(line)
        # counted after it has been sent, which a shutdown waits for
        with self._lock:
            self._running -= 1
            left = self._running
            following = self._lanes.leave(request)
            leaving = self._leaving.pop(request, None)
        if leaving is not None:
            self._loop.call_soon_threadsafe(leaving.one_less)
        if following is not None:
            self._loop.call_soon_threadsafe(self._start_next, following)
        if self._shutting_down and left == 1:
            self._loop.call_soon_threadsafe(self._idle.set)

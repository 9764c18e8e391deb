"""The engine of a Service: requests come in, methods run, replies go out."""

import asyncio
import contextlib
import inspect
import logging
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import loop_thread
from .asking import Ask, ask_nobody
from .constants import GOODBYE, MANAGER, SHUTDOWN_SERVICE, SHUTDOWN_TIMEOUT, WORKERS
from .device import ConnectOptions, connect_device
from .escaping import escaped
from .line_socket import LineSocket
from .reconnecting import Comeback
from .wire.framing import LineTooLongError
from .wire.messages import (
    Message,
    MessageError,
    describe_error,
    error_line,
    parse,
    result_line,
)
from .workers import NoThreadError, Workers

if TYPE_CHECKING:
    from .service import Service

__all__ = ["Request", "ServiceSession", "current_request"]

logger = logging.getLogger(__package__)

_HERE = __file__


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a Client.

    Attributes:
        requester: The network name of the Client.
        attribute: What it asks for.
        uid: The uid of the request.
    """

    requester: str
    attribute: str
    uid: str
    # a reply on another connection could be taken for that of a later request
    _connection: LineSocket = field(repr=False, compare=False)


current_request: ContextVar[Request | None] = ContextVar("current_request", default=None)


class ServiceSession:
    """A Service's connection to a Manager, made again when it is lost; on the loop of the network.

    Attributes:
        port: The port of the connection.
        thread_id: The identifier of the thread that runs the loop.
        ended: Done when the connection has ended for good and everything has been cleaned up.
    """

    def __init__(self, service: "Service", ignored: set[str], options: ConnectOptions) -> None:
        self.port: int | None = None
        self.thread_id = threading.get_ident()
        self.ended: Future[None] = Future()
        self.ended.set_running_or_notify_cancel()  # who waits for it can't cancel it
        self._service = service
        self._ignored = ignored
        self._options = options
        self._credentials = options.credentials()
        self._loop = asyncio.get_running_loop()
        self._connection: LineSocket | None = None
        self._comeback = Comeback(
            service.name,
            logging.WARNING,
            options.reconnect,
            self._connect_again,
            lambda: self.is_connected,
            self._back,
            self._ended,
        )
        self._leaving = False
        self._threads = Workers(service.name, WORKERS)
        # one thread, so that what is handled first is what happened first
        self._handler_thread = Workers(f"{service.name}-handlers", 1)
        self._running = 0
        self._count = threading.Lock()  # of how many are running
        self._idle = asyncio.Event()
        self._shutting_down = False
        self._on_loop: dict[str, bool] = {}
        self._tasks: set[asyncio.Future[Any]] = set()

    async def connect(self, ask: Ask, begin: Callable[[], list[Any]]) -> None:
        """Connect to the Manager.

        Args:
            ask: Asks a person what the options do not say.
            begin: Called when the Service is registered, before its first request; returns the
                user's own tasks, which run until the end.

        Raises:
            As `device.connect_device`.
        """

        async def identity() -> dict[str, Any]:
            # a property may ask the instrument, and that may take its time
            return await loop_thread.in_thread(self._service.identity)

        def receive(connection: LineSocket) -> "ServiceSession":
            self._connection = connection
            self.port = int(connection.info("sockname")[1])
            for task in begin():
                self._keep(asyncio.ensure_future(task))
            return self

        await connect_device(self._options, self._credentials, identity, receive, ask)

    @property
    def is_connected(self) -> bool:
        """Whether the Manager can be reached."""
        return self._connection is not None and not self._connection.is_closing

    def send(self, line: bytes) -> None:
        """Send a line, from any thread. Lost while there is no connection."""
        if self._connection is not None:
            self._connection.send(line)

    def close(self) -> None:
        """End the connection for good, from any thread, without waiting for it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._leaving = True
        self._comeback.stop()
        if self._connection is not None:
            self._connection.close()

    # --- Receiver ------------------------------------------------------------------------

    def line_received(self, line: bytes) -> None:
        """See `connection.Receiver`."""
        try:
            message = parse(line)
        except MessageError as error:
            logger.error("the Manager sent an invalid message: %s", error)
            if not error.is_reply:
                self.send(error_line(ValueError(str(error)), uid=error.uid))
            return
        # a Client can ask for an attribute of that name, and is passed on with the Service's name
        if message.attribute == GOODBYE and message.service == MANAGER:
            self._comeback.is_stopped = True
            if self._connection is not None:
                self._connection.lost_reason = message.reason()
            return
        if message.is_reply or message.error:
            if message.error:
                text = escaped(message.error_text())
                logger.error("%s sent an error: %s", escaped(message.requester or ""), text)
            return
        self._execute(message)

    def line_too_long(self, error: LineTooLongError) -> bytes | None:
        """See `connection.Receiver`."""
        logger.error("%r: %s", self._service.name, error)
        return error_line(error)

    def connection_lost(self, error: Exception | None) -> None:
        """See `connection.Receiver`."""
        address = f"Manager[{self._options.address}]"
        reason = error or (self._connection.lost_reason if self._connection else None)
        text = f"{address} closed the connection"
        lost = ConnectionAbortedError(f"{text}: {reason}" if reason else text)
        if not self._leaving:
            self._handle(self._service.connection_lost, lost)
        self._comeback.lost(lost)

    # --- coming back ---------------------------------------------------------------------

    async def _connect_again(self) -> None:
        self._options = self._options.again()
        await self.connect(ask_nobody, list)

    def _back(self) -> None:
        self._handle(self._service.connection_restored)

    def _ended(self, reason: Exception) -> None:
        logger.info("%s: disconnected: %s", self._service.name, escaped(str(reason)))
        self._finishing = self._loop.create_task(self._finish())

    def _handle(self, handler: Callable[..., None], *args: Any) -> None:
        """Have a handler called that the user may have overridden."""
        with contextlib.suppress(NoThreadError):
            self._handler_thread.submit(self._safely, handler, *args)

    def _safely(self, handler: Callable[..., None], *args: Any) -> None:
        try:
            handler(*args)
        except (Exception, SystemExit):
            logger.exception("the %s of %r failed", handler.__name__, self._service.name)

    # --- requests ------------------------------------------------------------------------

    def _execute(self, message: Message) -> None:
        attribute = message.attribute or ""
        connection = self._connection
        assert connection is not None  # noqa: S101 - it is the one that the line came on
        request = Request(message.requester or "", attribute, message.uid or "", connection)
        if attribute.startswith("_"):
            refusal: Exception = PermissionError("Cannot request a private attribute")
        elif not attribute or attribute in self._ignored:
            refusal = AttributeError(
                f"{self._service.name!r} service has no attribute {attribute!r}"
            )
        elif self._shutting_down:
            refusal = ConnectionAbortedError(f"{self._service.name!r} service is shutting down")
        else:
            with self._count:
                self._running += 1
            if attribute == SHUTDOWN_SERVICE:
                self._keep(self._loop.create_task(self._shut_down(request, message)))
            elif self._runs_on_loop(attribute):
                self._start_on_loop(request, lambda: self._call(message))
            else:
                try:
                    self._threads.submit(self._run_in_thread, request, message)
                except NoThreadError as error:
                    self._finish_request(request, self._failure(request, error))
            return
        logger.warning("%s requested %r: %s", escaped(request.requester), attribute, refusal)
        self._fail(request, refusal)

    def _runs_on_loop(self, attribute: str) -> bool:
        known = self._on_loop.get(attribute)
        if known is None:
            # looked up on the class, since looking at the Service itself may run a property
            method = inspect.getattr_static(type(self._service), attribute, None)
            known = inspect.iscoroutinefunction(getattr(method, "__func__", method))
            if method is not None:
                self._on_loop[attribute] = known
        return known

    def _run_in_thread(self, request: Request, message: Message) -> None:
        token = current_request.set(request)
        try:
            result = self._call(message)
            if inspect.isawaitable(result):
                self._loop.call_soon_threadsafe(self._start_on_loop, request, lambda: result)
                return
            line = self._reply(request, result)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: whoever asked is told, the thread goes on
            line = self._failure(request, error)
        finally:
            current_request.reset(token)
        self._finish_request(request, line)

    def _call(self, message: Message) -> Any:
        value = getattr(self._service, message.attribute or "")
        if callable(value):
            return value(*message.positional(), **message.keywords())
        return value

    def _start_on_loop(self, request: Request, call: Callable[[], Awaitable[Any]]) -> None:
        self._keep(self._loop.create_task(self._run_on_loop(request, call)))

    async def _run_on_loop(self, request: Request, call: Callable[[], Awaitable[Any]]) -> None:
        token = current_request.set(request)
        try:
            line = self._reply(request, await call())
        except BaseException as error:
            line = self._failure(request, error)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            current_request.reset(token)
            self._finish_request(request, line)

    async def _shut_down(self, request: Request, message: Message) -> None:
        try:
            result = await loop_thread.in_thread(self._call, message)
            if inspect.isawaitable(result):
                result = await result
            line = self._reply(request, result)
        except BaseException as error:
            self._finish_request(request, self._failure(request, error))
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        if self._shutting_down:
            # somebody else's request was first, and waits for this one to finish
            self._finish_request(request, line)
            return
        self._shutting_down = True
        with self._count:
            others = self._running > 1
        if others:
            await self._idle.wait()
        request._connection.send(line)
        self.close()

    def _reply(self, request: Request, result: Any) -> bytes:
        return result_line(result, requester=request.requester, uid=request.uid)

    def _failure(self, request: Request, error: BaseException) -> bytes:
        logger.info("%s", escaped(f"{describe_error(error)} [{request.attribute}]"))
        # the frames of this file are not the user's to read
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename != _HERE]
        lines = [
            "Traceback (most recent call last):\n",
            *traceback.format_list(own),
            *traceback.format_exception_only(error),
        ]
        return error_line(
            error,
            requester=request.requester,
            uid=request.uid,
            traceback="".join(lines).splitlines() if own else [],
        )

    def _fail(self, request: Request, error: Exception) -> None:
        line = error_line(error, requester=request.requester, uid=request.uid)
        request._connection.send(line)

    def _finish_request(self, request: Request, line: bytes) -> None:
        """Send a reply; from the thread that has it."""
        connection = request._connection
        # of many replies, what is written while the loop wakes up leaves in one write
        send = connection.send_later if self._running > 1 else connection.send
        send(line)
        # counted after it has been sent, which a shutdown waits for
        with self._count:
            self._running -= 1
            left = self._running
        if self._shutting_down and left == 1:
            self._loop.call_soon_threadsafe(self._idle.set)

    # --- the end -------------------------------------------------------------------------

    def _keep(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a task of %r failed", self._service.name, exc_info=error)

    async def _finish(self) -> None:
        handling = asyncio.ensure_future(
            self._handler_thread.run(self._safely, self._service.shutdown_handler)
        )
        await asyncio.wait([handling], timeout=SHUTDOWN_TIMEOUT)
        if not handling.done():
            # what makes an instrument safe is neither cut off nor done twice at a time
            logger.warning("%r ends when its handlers have", self._service.name)
        await handling
        self._handler_thread.close()
        if self._tasks:
            # a task that ends by itself, told by the handler, is given the time to do so
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_TIMEOUT)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_TIMEOUT)
        self._threads.close()
        if not self.ended.done():
            self.ended.set_result(None)

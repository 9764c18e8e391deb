"""The engine of a Service: its connection, and what comes when that is lost."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import loop_thread
from .asking import Ask, ask_nobody, holds_up_a_loop, wait
from .constants import (
    CANCEL,
    CONNECT_TIMEOUT,
    FEATURES,
    GONE,
    GOODBYE,
    IDENTITY,
    MANAGER,
    MESSAGE_LIMIT,
    OUTGOING_LIMIT,
    SHUTDOWN_TIMEOUT,
    TAKEN,
)
from .device import ConnectOptions, connect_device
from .escaping import escaped
from .executing import Executor
from .introducing import introduce
from .line_socket import LineSocket
from .reconnecting import Comeback
from .request import current_service
from .wire.framing import LineTooLongError
from .wire.messages import Message, MessageError, TooManyError, error_line, parse, request_line
from .workers import NoThreadError, Workers

if TYPE_CHECKING:
    from .service import Service

__all__ = ["ServiceSession"]

logger = logging.getLogger(__package__)


class ServiceSession:
    """A Service's connection to a Manager, made again when it is lost; on the loop of the network.

    Attributes:
        service: The Service: the object that serves now.
        executor: What executes the requests.
        address: `host:port` of the Manager.
        port: The port of the connection.
        thread_id: The identifier of the thread that runs the loop.
        ended: Done when the connection has ended for good and everything has been cleaned up.
        reason: Why it has ended; None while it has not, and where this side has ended it.
    """

    def __init__(self, service: "Service", options: ConnectOptions) -> None:
        self.service = service
        self.address = options.address
        self.port: int | None = None
        self.reason: Exception | None = None
        self.thread_id = threading.get_ident()
        self.ended: Future[None] = Future()
        self.ended.set_running_or_notify_cancel()  # who waits for it can't cancel it
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
        limit = MESSAGE_LIMIT if options.read_limit is None else options.read_limit
        self.executor = Executor(service, limit, self.close)
        self._question = Message()
        # of the object that is to serve next, while the Manager has not answered
        self._renewed: Callable[[Exception | None], None] | None = None
        # what is to be done for those that have served before, when nothing runs on them any more
        self._retiring: list[Callable[..., None]] = []
        # one thread, so that what is handled first is what happened first
        self._handler_thread = Workers(f"{service.name}-handlers", 1)
        self._tasks: set[asyncio.Future[Any]] = set()

    async def connect(self, ask: Ask) -> None:
        """Connect to the Manager.

        Args:
            ask: Asks a person what the options do not say.

        Raises:
            As `device.connect_device`.
        """
        alone = False
        introduced = self.service

        async def identity(question: Message) -> dict[str, Any]:
            nonlocal alone, introduced
            self.executor.known = question.features
            if question.message_limit:
                self.executor.reply_limit = question.message_limit
            self._question, introduced = question, self.service
            # a property may ask the instrument, and that may take its time
            fields = await loop_thread.in_thread(introduce, introduced, question)
            if "replicas" not in question.features:
                alone = fields.pop("replica", False)
            return fields

        def receive(connection: LineSocket) -> "ServiceSession":
            is_first, self._connection = self._connection is None, connection
            self.port = int(connection.info("sockname")[1])
            if is_first:
                self._begin()
            elif introduced is not self.service:
                connection.abort("the Service was reloaded while it connected again")
            return self

        try:
            await connect_device(self._options, self._credentials, identity, receive, ask)
        except NameError as error:
            if not alone:
                raise
            raise NameError(
                f"{error}, which lets no two Services share a name. Start this one with another "
                f"name, or use a newer Manager"
            ) from None

    @property
    def is_connected(self) -> bool:
        """Whether the Manager can be reached."""
        return self._connection is not None and not self._connection.is_closing

    @property
    def waiting(self) -> int:
        """How many requests have not begun."""
        return self.executor.waiting

    def options(self) -> ConnectOptions:
        """What connects it again: what a person has answered is among it."""
        known = self._credentials
        return replace(
            self._options,
            username=known.username,
            password=known.password,
            password_manager=known.password_manager,
        )

    async def reload(self, service: "Service") -> None:
        """Let another object serve in place of the one that does, see `RunningService.reload`."""
        outcome: asyncio.Future[None] = self._loop.create_future()
        asked: LineSocket | None = None

        def renewed(refusal: Exception | None) -> None:
            self._renewed = None
            if outcome.done():
                return
            try:
                if refusal is not None:
                    raise refusal
                self._swap(service)
            except Exception as error:
                outcome.set_exception(error)
            else:
                outcome.set_result(None)

        self._renewed = renewed
        try:
            fields = await loop_thread.in_thread(introduce, service, self._question)
            if not self.is_connected:
                renewed(None)  # which the Manager is told when it is connected again
            elif "renew" in self.executor.known:
                identity, asked = {**fields, "features": FEATURES}, self._connection
                self.send(request_line(IDENTITY, [identity], service=MANAGER, uid=IDENTITY))
            else:
                logger.warning(
                    "Manager[%s] does not know that a Service can be reloaded: Clients are told "
                    "what %r offered when it was started",
                    self.address,
                    service.name,
                )
                renewed(None)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await outcome
        except TimeoutError:
            raise TimeoutError(
                f"Manager[{self.address}] has not answered within {CONNECT_TIMEOUT:g} "
                f"seconds that {service.name!r} is to be reloaded"
            ) from None
        finally:
            if self._renewed is renewed:
                self._renewed = None
            if asked is not None and outcome.cancelled():
                # whatever it has taken, it is told what goes on serving when it is back
                asked.abort("it was given up to ask what the Manager makes of a reload")

    def _swap(self, service: "Service") -> None:
        from .service import Service

        idle = self.executor.reload(service)
        old, self.service = self.service, service
        closes = type(service).take_over is Service.take_over

        def retire(_: object = None) -> None:
            if retire in self._retiring:
                self._retiring.remove(retire)
                if closes:
                    self._handle(old.shutdown_handler)
                self._handle(old._leave)

        self._retiring.append(retire)
        idle.add_done_callback(retire)
        for task in self._tasks:
            task.cancel()
        self._begin()

    def _begin(self) -> None:
        token = current_service.set(self.service)
        for task in self.service._begin(self):
            self._keep(asyncio.ensure_future(task))
        current_service.reset(token)

    def send(self, line: bytes) -> None:
        """Send a line, from any thread. Lost while there is no connection."""
        if self._connection is not None:
            self._connection.send(line)

    def notify(self, line: bytes) -> None:
        """Send a notification, from any thread; waits while the Manager is behind.

        Raises:
            ValueError: It is more than a message can have.
            TooManyError: A wait would hold up an event loop, and too many wait already.
        """
        if len(line) > self.executor.reply_limit:
            raise ValueError(
                f"A notification of {self.service.name!r} has {len(line)} bytes, more than a "
                f"message can have ({self.executor.reply_limit}). Emit it in parts"
            )
        connection = self._connection
        room = None if connection is None else connection.offer(line)
        if connection is None or room is None:
            return
        if holds_up_a_loop():
            if connection.queued > OUTGOING_LIMIT and room.cancel():
                raise TooManyError(
                    f"A notification of {self.service.name!r} is not sent: Manager[{self.address}] "
                    f"is behind with others. Emit fewer, or from a thread, which waits"
                )
            return
        try:
            wait(room)
        except BaseException:
            room.cancel()
            raise

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
        if message.is_reply or message.error:
            if message.uid == IDENTITY and self._renewed is not None:
                refused = ValueError(f"The Manager refuses: {message.message}")
                self._renewed(refused if message.error else None)
            elif message.error:
                text = escaped(message.error_text())
                logger.error("%s sent an error: %s", escaped(message.requester or ""), text)
            return
        if (attribute := message.attribute or "").startswith("__"):
            self._told(attribute, message, len(line))
        elif self._connection is not None:
            self.executor.execute(message, self._connection, len(line))

    def _told(self, attribute: str, message: Message, size: int) -> None:
        """Handle what the Manager tells, of itself or of a Client."""
        requester, uid = message.requester or "", message.uid or ""
        if attribute == CANCEL:
            self.executor.cancel(requester, uid)
        elif attribute == TAKEN:
            with contextlib.suppress(ValueError):  # what is no number, to Python
                match message.positional():
                    case [int(count)]:
                        self.executor.taken(requester, uid, count)
        # a Client can ask for an attribute of that name, and is passed on with the Service's name
        elif attribute == GONE and message.service == MANAGER:
            self.executor.gone(requester)
        elif attribute == GOODBYE and message.service == MANAGER:
            self._comeback.is_stopped = True
            if self._connection is not None:
                self._connection.lost_reason = message.reason()
        elif self._connection is not None:
            self.executor.execute(message, self._connection, size)  # which refuses it

    def line_too_long(self, error: LineTooLongError) -> bytes | None:
        """See `connection.Receiver`."""
        logger.error("%r: %s", self.service.name, error)
        return error_line(error)

    def connection_lost(self, error: Exception | None) -> None:
        """See `connection.Receiver`."""
        address = f"Manager[{self.address}]"
        reason = error or (self._connection.lost_reason if self._connection else None)
        text = f"{address} closed the connection"
        lost = ConnectionAbortedError(f"{text}: {reason}" if reason else text)
        self.executor.gone()
        if self._renewed is not None:
            self._renewed(None)
        if not self._leaving:
            self._handle(self.service.connection_lost, lost)
        # what is logged of it is about this Service
        token = current_service.set(self.service)
        self._comeback.lost(lost)
        current_service.reset(token)

    # --- coming back ---------------------------------------------------------------------

    async def _connect_again(self) -> None:
        self._options = self._options.again()
        await self.connect(ask_nobody)

    def _back(self) -> None:
        self._handle(self.service.connection_restored)

    def _ended(self, reason: Exception) -> None:
        logger.info("%s: disconnected: %s", self.service.name, escaped(str(reason)))
        self.reason = None if self._leaving else reason
        self._finishing = self._loop.create_task(self._finish())

    def _handle(self, handler: Callable[..., None], *args: Any) -> None:
        """Have a handler called that the user may have overridden."""
        with contextlib.suppress(NoThreadError):
            self._handler_thread.submit(self._safely, handler, *args)

    def _safely(self, handler: Callable[..., None], *args: Any) -> None:
        token = current_service.set(getattr(handler, "__self__", self.service))
        try:
            handler(*args)
        except (Exception, SystemExit):
            logger.exception("the %s of %r failed", handler.__name__, self.service.name)
        finally:
            current_service.reset(token)

    # --- the end -------------------------------------------------------------------------

    def _keep(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a task of %r failed", self.service.name, exc_info=error)

    async def _finish(self) -> None:
        for retire in list(self._retiring):
            retire()
        handling = asyncio.ensure_future(
            self._handler_thread.run(self._safely, self.service.shutdown_handler)
        )
        await asyncio.wait([handling], timeout=SHUTDOWN_TIMEOUT)
        if not handling.done():
            # what makes an instrument safe is neither cut off nor done twice at a time
            logger.warning("%r ends when its handlers have", self.service.name)
        await handling
        self._handler_thread.close()
        if self._tasks:
            # a task that ends by itself, told by the handler, is given the time to do so
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_TIMEOUT)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_TIMEOUT)
        await self.executor.close(SHUTDOWN_TIMEOUT)
        if not self.ended.done():
            self.ended.set_result(None)

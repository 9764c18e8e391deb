"""The engine of a Service: its connection, and what comes when that is lost."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import loop_thread
from .asking import Ask, ask_nobody
from .constants import CANCEL, GONE, GOODBYE, MANAGER, SHUTDOWN_TIMEOUT, TAKEN
from .device import ConnectOptions, connect_device
from .escaping import escaped
from .executing import Executor
from .introducing import introduce
from .line_socket import LineSocket
from .reconnecting import Comeback
from .wire.framing import LineTooLongError
from .wire.messages import Message, MessageError, error_line, parse
from .workers import NoThreadError, Workers

if TYPE_CHECKING:
    from .service import Service

__all__ = ["ServiceSession"]

logger = logging.getLogger(__package__)


class ServiceSession:
    """A Service's connection to a Manager, made again when it is lost; on the loop of the network.

    Attributes:
        port: The port of the connection.
        thread_id: The identifier of the thread that runs the loop.
        ended: Done when the connection has ended for good and everything has been cleaned up.
    """

    def __init__(
        self,
        service: "Service",
        ignored: set[str],
        concurrency: int | None,
        options: ConnectOptions,
    ) -> None:
        self.port: int | None = None
        self.thread_id = threading.get_ident()
        self.ended: Future[None] = Future()
        self.ended.set_running_or_notify_cancel()  # who waits for it can't cancel it
        self._service = service
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
        self._executor = Executor(service, ignored, concurrency, self.close)
        # one thread, so that what is handled first is what happened first
        self._handler_thread = Workers(f"{service.name}-handlers", 1)
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
        alone = False

        async def identity(question: Message) -> dict[str, Any]:
            nonlocal alone
            self._executor.known = question.features
            # a property may ask the instrument, and that may take its time
            fields = await loop_thread.in_thread(introduce, self._service, question)
            if "replicas" not in question.features:
                alone = fields.pop("replica", False)
            return fields

        def receive(connection: LineSocket) -> "ServiceSession":
            self._connection = connection
            self.port = int(connection.info("sockname")[1])
            for task in begin():
                self._keep(asyncio.ensure_future(task))
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
        return self._executor.waiting

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
        if message.is_reply or message.error:
            if message.error:
                text = escaped(message.error_text())
                logger.error("%s sent an error: %s", escaped(message.requester or ""), text)
            return
        if (attribute := message.attribute or "").startswith("__"):
            self._told(attribute, message)
        elif self._connection is not None:
            self._executor.execute(message, self._connection)

    def _told(self, attribute: str, message: Message) -> None:
        """Handle what the Manager tells, of itself or of a Client."""
        requester, uid = message.requester or "", message.uid or ""
        if attribute == CANCEL:
            self._executor.cancel(requester, uid)
        elif attribute == TAKEN:
            with contextlib.suppress(ValueError):  # what is no number, to Python
                match message.positional():
                    case [int(count)]:
                        self._executor.taken(requester, uid, count)
        # a Client can ask for an attribute of that name, and is passed on with the Service's name
        elif attribute == GONE and message.service == MANAGER:
            self._executor.gone(requester)
        elif attribute == GOODBYE and message.service == MANAGER:
            self._comeback.is_stopped = True
            if self._connection is not None:
                self._connection.lost_reason = message.reason()
        elif self._connection is not None:
            self._executor.execute(message, self._connection)  # which refuses it

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
        self._executor.gone()
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
        await self._executor.close(SHUTDOWN_TIMEOUT)
        if not self.ended.done():
            self.ended.set_result(None)

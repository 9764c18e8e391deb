"""The engine of a Client: one connection, the requests in flight, the links.

It lives on the loop of the network and is used from any thread. A request gives a `Reply`, which
the blocking face waits for and the asynchronous face awaits.
"""

import asyncio
import contextlib
import dataclasses
import inspect
import itertools
import logging
import platform
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from typing import Any, Self

from .. import loop_thread
from ..asking import Ask
from ..constants import (
    DISCONNECT_REQUEST,
    HOSTNAME,
    MANAGER,
    SHUTDOWN_MANAGER,
    SHUTDOWN_SERVICE,
)
from ..device import ConnectOptions, connect_device
from ..line_socket import LineSocket
from ..wire.framing import LineTooLongError
from ..wire.handshake import is_manager_name
from ..wire.messages import Message, MessageError, error_line, parse, request_line, result_line
from .errors import RemoteError
from .reply import Reply

__all__ = ["LinkState", "Session"]

logger = logging.getLogger(__package__)

DECODE_ON_LOOP = 256 * 1024
"""Largest reply in bytes that is decoded on the loop; decoding more would hold up the others."""

NOTIFICATIONS_WAITING = 10_000
"""Most notifications that wait for a slow handler; of further ones the oldest are dropped, with a
line in the log."""

# 1.x leaves the uid out of its replies to anything else that the Manager itself is asked for
_REPLIES_WITH_UID = ("identity", "link", "unlink", "acquire_lock", "release_lock")


class LinkState:
    """A link of a Client with a Service, whatever face it shows.

    Attributes:
        session: The engine of the Client; None when the link has been broken.
        service: The name of the Service.
        identity: The Service's entry in the Manager's identity.
        handler: What notifications are given to.
        loop: The loop on which the handler is called; None for a thread of its own.
    """

    def __init__(self, session: "Session", service: str, identity: dict[str, Any]) -> None:
        self.session: Session | None = session
        self.manager = session.options.address
        self.service = service
        self.identity = identity
        self.handler: Callable[..., Any] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    def break_(self) -> None:
        """The link is no more."""
        if self.session is not None:
            self.session.forget(self)
            self.session = None

    def request(
        self,
        attribute: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None = None,
    ) -> Reply[Any]:
        """Send a request to the Service, or for `shutdown_service` the last one.

        Raises:
            AttributeError: The link has been broken.
            ConnectionError: The Client is disconnected.
            TypeError: An argument can't be written as JSON.
        """
        if self.session is None:
            raise AttributeError(f"Cannot access {attribute!r} since the link has been broken")
        reply = self.session.request(self.service, attribute, args, kwargs, timeout=timeout)
        if attribute == SHUTDOWN_SERVICE:
            reply.add_done_callback(lambda r: None if _failed(r) else self.break_())
        return reply

    def lock_request(self, attribute: str, timeout: float | None, **kwargs: Any) -> Reply[Any]:
        """Ask the Manager to lock or release the Service.

        Raises:
            AttributeError: The link has been broken.
        """
        if self.session is None:
            raise AttributeError(f"Cannot access {attribute!r} since the link has been broken")
        return self.session.request(MANAGER, attribute, (self.service,), kwargs, timeout=timeout)

    def unlink(self, timeout: float | None) -> Reply[Any] | None:
        """Unlink from the Service; None if the link has been broken already."""
        if self.session is None:
            return None
        reply = self.session.request(MANAGER, "unlink", (self.service,), {}, timeout=timeout)
        reply.add_done_callback(lambda r: None if _failed(r) else self.break_())
        return reply


def _failed(reply: "Future[Any]") -> bool:
    return reply.cancelled() or reply.exception() is not None


class Session:
    """One connection of a Client to a Manager.

    Attributes:
        name: The name of the Client.
        options: How it reaches its Manager.
        ask: Asks a person for a login, when an administrator's request needs one.
        port: The port of the Client; None while it is not connected.
    """

    def __init__(self, name: str, options: ConnectOptions, ask: Ask) -> None:
        self.name = name
        self.options = options
        self.ask = ask
        self.port: int | None = None
        self.links: list[LinkState] = []
        self.on_lost: list[Callable[[], None]] = []
        self._credentials = options.credentials()
        self._replies: dict[str, Reply[Any]] = {}
        self._uids = itertools.count(1)
        self._lost = False
        self._connection: LineSocket | None = None
        self._loop = loop_thread.get_loop()
        self._lock = threading.Lock()
        self._notices: deque[tuple[Callable[..., Any], list[Any], dict[str, Any]]] = deque()
        self._notified = threading.Condition(self._lock)
        self._notifier: threading.Thread | None = None
        self._dropped = 0

    def sibling(self, name: str) -> "Session":
        """A session for another connection to the same Manager, with what a person answered."""
        known = self._credentials
        options = dataclasses.replace(
            self.options,
            username=known.username,
            password=known.password,
            password_manager=known.password_manager,
        )
        return Session(name, options, self.ask)

    # --- connecting ----------------------------------------------------------------------

    async def connect(self) -> Self:
        """Connect to the Manager; on the loop of the network.

        Raises:
            As `device.connect_device`.
        """

        def receive(connection: LineSocket) -> "Session":
            self._connection = connection
            self.port = int(connection.info("sockname")[1])
            return self

        await connect_device(self.options, self._credentials, self.identity(), receive, self.ask)
        logger.info("connected to Manager[%s] as %s", self.options.address, self.network_name)
        return self

    def identity(self) -> dict[str, Any]:
        """Who the Client says it is."""
        return {
            "type": "client",
            "name": self.name,
            "language": f"Python {platform.python_version()}",
            "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        }

    @property
    def network_name(self) -> str:
        """`name[host:port]`."""
        return f"{self.name}[{HOSTNAME}:{self.port}]"

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent."""
        return self._connection is not None and not self._connection.is_closing

    # --- requests ------------------------------------------------------------------------

    def request(
        self,
        service: str,
        attribute: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        timeout: float | None = None,
    ) -> Reply[Any]:
        """Send a request, from any thread.

        Args:
            service: The name of a Service, or `"Manager"`.
            attribute: What it is asked for.
            args: The positional arguments.
            kwargs: The keyword arguments.
            timeout: Seconds until the reply fails with a TimeoutError; None for never.

        Raises:
            ConnectionError: The Client is disconnected.
            TypeError: An argument can't be written as JSON.
        """
        connection = self._connection
        if connection is None or connection.is_closing:
            raise ConnectionError(
                f"Disconnected from Manager[{self.options.address}], "
                f"cannot send request to {service!r}"
            )
        uid = str(next(self._uids))
        line = request_line(attribute, args, kwargs, service=service, uid=uid)
        reply: Reply[Any] = Reply(uid, service, attribute, self._give_up)
        # a lone request is sent at once; of many, what is written while the loop wakes up leaves
        # in one write
        send = connection.send_later if self._replies else connection.send
        self._replies[uid] = reply
        try:
            send(line)
        except BaseException:
            reply.cancel()  # an interrupt: nobody will wait for it
            raise
        if timeout is not None:
            self._loop.call_soon_threadsafe(self._set_timeout, reply, timeout)
        if self._lost:
            # it was lost between the look above and the note of this reply
            _settle(reply, self._lost_error())
        return reply

    def disconnect(self, timeout: float | None = None) -> Reply[None] | None:
        """Ask the Manager to close the connection; None if there is none any more."""
        if not self.is_connected:
            return None
        logger.debug("disconnect requested")
        return self.request(self.network_name, DISCONNECT_REQUEST, (), {}, timeout=timeout)

    def close(self) -> None:
        """Close the connection without waiting for anything, from any thread."""
        if self._connection is not None:
            self._connection.close()

    def link(self, service: str, timeout: float | None) -> Reply[dict[str, Any]]:
        """Link with a Service; `linked` makes a link of the reply."""
        logger.debug("linking with %r", service)
        return self.request(MANAGER, "link", (service,), {}, timeout=timeout)

    def linked(self, service: str, identity: dict[str, Any]) -> LinkState:
        """Note a link, to give it its notifications."""
        state = LinkState(self, service, identity)
        self.links.append(state)
        return state

    def forget(self, state: LinkState) -> None:
        """Note that a link is no more."""
        if state in self.links:
            self.links.remove(state)

    def _set_timeout(self, reply: Reply[Any], timeout: float) -> None:
        if not reply.done():
            timer = self._loop.call_later(timeout, self._expired, reply, timeout)
            reply.add_done_callback(lambda _: self._loop.call_soon_threadsafe(timer.cancel))

    def _expired(self, reply: Reply[Any], timeout: float) -> None:
        self._give_up(reply)
        _settle(reply, TimeoutError(f"{reply.request} did not reply within {timeout:g} seconds"))

    def _give_up(self, reply: Reply[Any]) -> None:
        # what a 1.x Manager answers without a uid keeps its place in the line
        if reply.service != MANAGER or reply.attribute in _REPLIES_WITH_UID:
            self._replies.pop(reply.uid, None)

    # --- Receiver ------------------------------------------------------------------------

    def line_received(self, line: bytes) -> None:
        """See `connection.Receiver`."""
        try:
            message = parse(line)
        except MessageError as error:
            self._invalid(error)
            return
        if message.is_notification:
            self._notify(message)
        elif message.is_reply or message.error:
            self._reply_received(message, line)
        elif message.attribute is not None:
            task = self._loop.create_task(self._answer_manager(message))
            task.add_done_callback(lambda t: t.cancelled() or t.exception())

    def line_too_long(self, error: LineTooLongError) -> bytes | None:
        """See `connection.Receiver`."""
        logger.error("Manager[%s]: %s", self.options.address, error)
        return None

    def connection_lost(self, error: Exception | None) -> None:
        """See `connection.Receiver`."""
        self._lost = True
        replies, self._replies = self._replies, {}
        # a thread may just be adding one
        for reply in list(replies.values()):
            if reply.attribute in (DISCONNECT_REQUEST, SHUTDOWN_MANAGER):
                _settle(reply, None)
            else:
                _settle(reply, self._lost_error(error))
        with self._notified:
            self._notified.notify_all()
        for callback in self.on_lost:
            try:
                callback()
            except Exception:
                logger.exception("a function to be called at the end of a connection failed")
        logger.info("disconnected from Manager[%s]", self.options.address)

    def _lost_error(self, error: Exception | None = None) -> ConnectionAbortedError:
        text = f"Manager[{self.options.address}] closed the connection"
        reason = error or (self._connection.lost_reason if self._connection else None)
        return ConnectionAbortedError(f"{text}: {reason}" if reason else text)

    def _invalid(self, error: MessageError) -> None:
        logger.error("Manager[%s] sent an invalid message: %s", self.options.address, error)
        reply = self._replies.pop(error.uid, None)
        if reply is not None:
            _settle(reply, ValueError(f"Invalid reply: {error}"))

    def _reply_received(self, message: Message, line: bytes) -> None:
        reply = self._replies.pop(message.uid, None) if message.uid else self._oldest(message)
        if reply is None or reply.done():
            return
        if message.error:
            lines = message.traceback or []
            _settle(
                reply,
                RemoteError(
                    self.options.address,
                    message.message or message.error_text(),
                    traceback=lines if isinstance(lines, str) else "\n".join(lines),
                    service=reply.service,
                    attribute=reply.attribute,
                ),
            )
        elif len(line) > DECODE_ON_LOOP:
            decoding = self._loop.create_task(loop_thread.in_thread(_decode, message))
            decoding.add_done_callback(lambda d: _settle(reply, d.result()))
        else:
            _settle(reply, _decode(message))

    def _oldest(self, message: Message) -> Reply[Any] | None:
        """The request that a reply without a uid is for: 1.x answers such ones in their order."""
        for uid, reply in self._replies.items():
            if (reply.service == MANAGER and reply.attribute not in _REPLIES_WITH_UID) or (
                message.error and f"{reply.service!r} Service is not" in (message.message or "")
            ):
                return self._replies.pop(uid)
        if message.error:
            logger.error("Manager[%s]: %s", self.options.address, message.error_text())
            if self._connection and is_manager_name(message.requester or ""):
                # the Manager says so itself, and closes the connection
                self._connection.lost_reason = message.error_text()
        return None

    async def _answer_manager(self, message: Message) -> None:
        """Answer the Manager that asks for a login in the middle of the session."""
        connection = self._connection
        if connection is None:
            return
        try:
            answer: str | None = await self._credentials.answer(message, self.ask)
        except ValueError as error:
            connection.send(error_line(error, uid=message.uid or ""))
            return
        except Exception as error:
            logger.error("cannot answer Manager[%s]: %s", self.options.address, error)
            answer = ""
        connection.send(result_line(answer, requester=message.requester))

    # --- notifications -------------------------------------------------------------------

    def _notify(self, message: Message) -> None:
        # of a copy: another thread may just be unlinking
        states = [s for s in tuple(self.links) if s.service == message.service and s.handler]
        if not states:
            return
        try:
            args, kwargs = message.value()
        except (ValueError, TypeError) as error:
            logger.error("%r emitted an invalid notification: %s", message.service, error)
            return
        for state in states:
            if state.handler is None:
                continue
            if state.loop is not None:
                if not state.loop.is_closed():
                    state.loop.call_soon_threadsafe(_handle, state.handler, args, kwargs)
            elif inspect.iscoroutinefunction(state.handler):
                _handle(state.handler, args, kwargs)
            else:
                self._notify_in_thread(state.handler, args, kwargs)

    def _notify_in_thread(
        self, handler: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        # a thread of its own, so that a handler can send requests and take its time
        with self._notified:
            if self._notifier is None:
                self._notifier = threading.Thread(
                    target=self._run_notifier, name="msl-network-notifications", daemon=True
                )
                self._notifier.start()
            if len(self._notices) >= NOTIFICATIONS_WAITING:
                self._notices.popleft()
                self._dropped += 1
                if self._dropped == 1 or self._dropped % NOTIFICATIONS_WAITING == 0:
                    logger.warning(
                        "a notification handler is too slow, %d notification(s) dropped",
                        self._dropped,
                    )
            self._notices.append((handler, args, kwargs))
            self._notified.notify()

    def _run_notifier(self) -> None:
        while True:
            with self._notified:
                while not self._notices:
                    if not self.is_connected:
                        self._notifier = None
                        return
                    self._notified.wait()
                handler, args, kwargs = self._notices.popleft()
            try:
                result = handler(*args, **kwargs)
                if inspect.iscoroutine(result):
                    self._loop.call_soon_threadsafe(_keep, result)
            except BaseException:
                # a SystemExit too: the notifications that follow still have their handlers
                logger.exception("a notification handler failed")
            del handler, args, kwargs  # nothing is kept alive by a thread that waits


def _settle(reply: Reply[Any], outcome: Any) -> None:
    """Set the result or the exception of a reply that somebody may just be giving up."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(outcome, BaseException):
            reply.set_exception(outcome)
        else:
            reply.set_result(outcome)


def _decode(message: Message) -> Any:
    try:
        return message.value()
    except Exception as error:
        # too large for the memory, or what another JSON library raises: somebody waits for it
        return ValueError(f"Invalid reply: {error}")


def _handle(handler: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    try:
        result = handler(*args, **kwargs)
        if inspect.iscoroutine(result):
            _keep(result)
    except Exception:
        logger.exception("a notification handler failed")


def _keep(coroutine: Coroutine[Any, Any, Any]) -> None:
    task = asyncio.ensure_future(coroutine)
    _handling.add(task)
    task.add_done_callback(_handled)


_handling: set[asyncio.Future[Any]] = set()


def _handled(task: "asyncio.Future[Any]") -> None:
    _handling.discard(task)
    if not task.cancelled() and (error := task.exception()):
        logger.error("a notification handler failed", exc_info=error)

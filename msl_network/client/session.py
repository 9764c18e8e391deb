"""The engine of a Client: one connection, the requests in flight, the links.

It lives on the loop of the network and is used from any thread. A request gives a `Reply`, which
the blocking face waits for and the asynchronous face awaits.

When the connection is lost, what is in flight fails, except the requests that are safe to repeat:
they are held until the connection is back, and the link with their Service.
"""

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any, Self

from .. import loop_thread
from ..asking import Ask, ask_nobody
from ..computer import software
from ..constants import (
    DISCONNECT_REQUEST,
    GOODBYE,
    HOSTNAME,
    ITEMS,
    LINKED,
    MANAGER,
    NEWS,
    PROGRESS,
    SHUTDOWN_TIMEOUT,
    TAKEN,
)
from ..device import ConnectOptions, connect_device
from ..escaping import escaped
from ..line_socket import LineSocket
from ..reconnecting import Comeback, try_again
from ..wire.framing import LineTooLongError
from ..wire.handshake import is_manager_name
from ..wire.messages import Message, MessageError, error_line, parse, request_line, result_line
from .errors import RemoteError
from .in_flight import InFlight, settle
from .links import LinkState
from .notifier import Callbacks, Handler, Notifier
from .reply import Reply, refuse_too_many
from .stream import Items
from .watching import Watching

__all__ = ["Session"]

logger = logging.getLogger(__package__)

QUESTIONS = 1000
"""Most questions of a Manager that wait for a person, and links that are being made again."""

AT_ONCE = 10
"""Times that a request which is safe to repeat goes to another Service of the name at once. After
that there is a pause: it is the request that they die of, or one of them says so and lives."""


class Session:
    """A Client's connection to a Manager, and what comes after it is lost.

    Attributes:
        name: The name of the Client.
        options: How it reaches its Manager.
        ask: Asks a person for a login, when an administrator's request needs one.
        port: The port of the Client; None while it has not been connected.
        manager_features: What the Manager can do beyond 1.x.
        links: The links.
        watching: What is on the Manager, while somebody watches.
        notifier: Calls what the user wants to have called.
        on_lost: What is called with the reason when the connection is lost.
        on_restored: What is called when it has been made again.
        on_end: What is called when it has ended for good; on the loop.
        end_reason: Why it has; None before.
    """

    def __init__(self, name: str, options: ConnectOptions, ask: Ask) -> None:
        self.name = name
        self.options = options
        self.ask = ask
        self.port: int | None = None
        self.manager_features: list[str] = []
        self.links: list[LinkState] = []
        self.on_lost: Callbacks[Handler] = Callbacks()
        self.on_restored: Callbacks[Handler] = Callbacks()
        self.on_end: Callbacks[Callable[[], Any]] = Callbacks()
        self.end_reason: Exception | None = None
        self._loop = loop_thread.get_loop()
        self.notifier = Notifier(self._loop)
        self.watching = Watching(self, self._loop)
        self._credentials = options.credentials()
        self._in_flight = InFlight(options.address, self._loop, self._can, self._complained)
        self._features: dict[str, list[Any]] = {}
        self._uids = itertools.count(1)
        self._connection: LineSocket | None = None
        self._lost: LineSocket | None = None
        self._leaving = False
        self._farewell: asyncio.TimerHandle | None = None
        self._comeback = Comeback(
            name,
            logging.INFO,
            options.reconnect,
            self._connect_again,
            lambda: self.is_connected,
            self._back,
            self._ended,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._relinking: dict[str, asyncio.Task[Any]] = {}

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

    async def connect(self, ask: Ask | None = None) -> Self:
        """Connect to the Manager; on the loop of the network.

        Args:
            ask: Asks what is not known while it connects; None for the session's own.

        Raises:
            As `device.connect_device`.
        """
        await self._connect(ask or self.ask)
        logger.info("connected to Manager[%s] as %s", self.options.address, self.network_name)
        return self

    async def _connect(self, ask: Ask) -> None:
        def receive(connection: LineSocket) -> "Session":
            self._connection = connection
            self.port = int(connection.info("sockname")[1])
            return self

        async def identity(question: Message) -> dict[str, Any]:
            self.manager_features = question.features
            self._in_flight.limit = question.message_limit or math.inf
            return self.identity()

        await connect_device(self.options, self._credentials, identity, receive, ask)

    def identity(self) -> dict[str, Any]:
        """Who the Client says it is."""
        return {"type": "client", "name": self.name, **software()}

    @property
    def network_name(self) -> str:
        """`name[host:port]`."""
        return f"{self.name}[{HOSTNAME}:{self.port}]"

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent."""
        return self._connection is not None and not self._connection.is_closing

    @property
    def is_reconnecting(self) -> bool:
        """Whether the connection is lost and is being made again."""
        lost = self._connection is not None and self._connection.is_closing
        return lost and self._comeback.is_expected

    # --- requests ------------------------------------------------------------------------

    def request(
        self,
        service: str,
        attribute: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        timeout: float | None = None,
        safe_to_repeat: bool = False,
        on_progress: Handler | None = None,
        stream: bool = False,
        wait: Callable[[Reply[Any]], None] = refuse_too_many,
    ) -> Reply[Any]:
        """Send a request, from any thread.

        Args:
            service: The name of a Service, or `"Manager"`.
            attribute: What it is asked for.
            args: The positional arguments.
            kwargs: The keyword arguments.
            timeout: Seconds until the reply fails with a TimeoutError; None for never.
            safe_to_repeat: Whether it may be executed more than once: it waits for a connection
                that is lost, and is sent again when the reply may have been.
            on_progress: Called with the value, the total and the message of a report of progress.
            stream: Whether the items of a method that yields are wanted one by one: in the
                `items` of the reply, which is the end of them.
            wait: Called with the reply of a request that has to wait for `room`.

        Raises:
            ConnectionError: The Client is disconnected.
            TooManyError: So much waits for the Manager that this request can't.
            TypeError: An argument can't be written as JSON, or the timeout is no number.
            ValueError: It is a stream and safe to repeat, too large, or the timeout is NaN.
        """
        if timeout is not None and math.isnan(timeout):
            raise ValueError("The timeout is nan, and not a number of seconds")
        if stream and safe_to_repeat:
            raise ValueError(f"The items of {service}.{attribute} would come twice")
        connection = self._connection
        away = connection is None or connection.is_closing
        if away and not (safe_to_repeat and self._comeback.is_expected):
            text = f"Disconnected from Manager[{self.options.address}], "
            if self.is_reconnecting:
                text += "trying to connect again, "
            raise ConnectionError(f"{text}cannot send request to {service!r}")
        uid = str(next(self._uids))
        more: dict[str, Any] = {"stream": True} if stream else {}
        line = request_line(attribute, args, kwargs, service=service, uid=uid, **more)
        reply: Reply[Any] = Reply(uid, service, attribute, self._in_flight.give_up)
        reply.line = line if safe_to_repeat else None
        reply.connection = connection
        reply.on_progress = on_progress
        if stream:
            reply.items = Items(functools.partial(self._taken, service, uid))
        # a lone request is sent at once; of many, what is written while the loop wakes up leaves
        # in one write
        many = len(self._in_flight) > 0
        self._in_flight.add(reply, len(line))
        if connection is not None and not away:
            reply.sent = True
            try:
                reply.room = connection.offer(line, later=many)
            except BaseException as error:
                reply.interrupted(error)  # nobody will wait for it
                raise
        if timeout is not None:
            # now that it has been sent: what is given up is not sent after that
            self._in_flight.expire(reply, timeout)
        if reply.room is not None:
            wait(reply)
        if away or self._lost is connection:
            # it was lost between the look above and the note of this reply
            self._loop.call_soon_threadsafe(self._not_sent, reply, connection)
        return reply

    def disconnect(self, timeout: float | None = None) -> Reply[None] | None:
        """Ask the Manager to close the connection; None if there is none any more."""
        if self.is_connected:
            logger.debug("disconnect requested")
            self._comeback.is_stopped = self._leaving = True
            with contextlib.suppress(ConnectionError):  # it may just be lost
                reply = self.request(self.network_name, DISCONNECT_REQUEST, (), {}, timeout=timeout)
                self._loop.call_soon_threadsafe(self._expect_end)
                return reply
        self.close()  # it may just be made again
        return None

    def _expect_end(self) -> None:
        """Close the connection if the Manager, which has been asked to, does not."""
        if self._lost is not self._connection:
            self._farewell = self._loop.call_later(SHUTDOWN_TIMEOUT, self._close)

    def close(self) -> None:
        """Close the connection without waiting for anything, from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._leaving = True
        self._comeback.stop()
        if self._connection is not None:
            self._connection.close()

    def give_up(self) -> None:
        """Come back no more once the connection is lost; on the loop of the network."""
        self._comeback.stop()

    def link(self, service: str, timeout: float | None) -> Reply[dict[str, Any]]:
        """Link with a Service; `linked` makes a link of the reply."""
        logger.debug("linking with %r", service)
        return self.request(MANAGER, "link", (service,), {}, timeout=timeout)

    def linked(self, service: str, identity: dict[str, Any]) -> LinkState:
        """Note a link, to give it its notifications.

        Raises:
            ConnectionError: The Manager did not answer with the entry of a Service.
        """
        state = LinkState(self, service, self._entry(service, identity))
        self.links.append(state)
        self._features[service] = state.identity.get("features", [])
        return state

    def _entry(self, service: str, identity: Any) -> dict[str, Any]:
        if isinstance(identity, dict) and isinstance(identity.get("attributes"), dict):
            for name in ("features", "streams"):  # of a Service of 1.x they are whatever it says
                if not isinstance(identity.get(name, []), list):
                    del identity[name]
            return identity
        raise ConnectionError(
            f"Manager[{self.options.address}] does not say what {service!r} offers. "
            f"It is no Manager, or a defective one"
        )

    def forget(self, state: LinkState) -> None:
        """Note that a link is no more."""
        with contextlib.suppress(ValueError):  # another thread may have been first
            self.links.remove(state)

    def _send(self, line: bytes) -> bool:
        return self._connection is not None and self._connection.send(line)

    def _taken(self, service: str, uid: str, count: int) -> None:
        """Tell a Service how many of its items have been taken; from any thread."""
        self._send(request_line(TAKEN, [count], service=service, uid=uid))

    def _can(self, service: str, feature: str) -> bool:
        """Whether a Service to which there is a link, or was one, knows a feature."""
        return feature in self._features.get(service, ())

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
            is_served = message.replicas > 0
            hold = message.error and (is_served or self._comeback.is_expected)
            away = self._in_flight.received(message, line, hold=hold)
            if away is not None:
                self._hold(away, is_served=is_served)
        elif (attribute := message.attribute or "").startswith("__"):
            self._told(attribute, message, len(line))
        elif message.attribute is not None and len(self._tasks) < QUESTIONS:
            self._spawn(self._answer_manager(message))

    def line_too_long(self, error: LineTooLongError) -> bytes | None:
        """See `connection.Receiver`."""
        logger.error("Manager[%s]: %s", self.options.address, error)
        return None

    def connection_lost(self, error: Exception | None) -> None:
        """See `connection.Receiver`."""
        self._lost = self._connection
        for task in self._relinking.values():
            task.cancel()
        self._relinking.clear()
        if self._farewell is not None:
            self._farewell.cancel()
        for state in tuple(self.links):
            state.is_lost = True
        self.watching.lost()
        lost = self._lost_error(error)
        if self._in_flight.ends_the_connection:
            self._comeback.is_stopped = self._leaving = True
        comes_back = self._comeback.is_expected
        self._in_flight.lost(self._connection, lost, comes_back=comes_back)
        if not self._leaving:
            self._call(self.on_lost, lost)
        self._comeback.lost(lost)

    def _lost_error(self, error: Exception | None = None) -> ConnectionAbortedError:
        text = f"Manager[{self.options.address}] closed the connection"
        reason = error or (self._connection.lost_reason if self._connection else None)
        return ConnectionAbortedError(f"{text}: {reason}" if reason else text)

    def _invalid(self, error: MessageError) -> None:
        logger.error("Manager[%s] sent an invalid message: %s", self.options.address, error)
        self._in_flight.invalid(error)

    def _complained(self, message: Message) -> None:
        """The Manager tells of an error that is no reply."""
        logger.error("Manager[%s]: %s", self.options.address, escaped(message.error_text()))
        if self._connection and is_manager_name(message.requester or ""):
            # it says so itself, and closes the connection
            self._connection.lost_reason = escaped(message.error_text())

    def _told(self, attribute: str, message: Message, size: int) -> None:
        """Handle what a Service tells of a request, or the Manager of itself or a Service."""
        if attribute == GOODBYE:
            self._comeback.is_stopped = True
            if self._connection is not None:
                self._connection.lost_reason = message.reason()
            return
        try:
            args = message.positional()
        except ValueError as error:
            self._invalid(MessageError(str(error)))
            return
        if attribute == NEWS:
            self.watching.told(args)
            return
        if attribute == LINKED:
            match args:
                case [str(service), {"attributes": dict()} as identity]:
                    self._linked_again(service, self._entry(service, identity))
                case [str(service), {"attributes": dict()} as identity, True]:
                    self._renewed(service, self._entry(service, identity))
            return
        reply = self._in_flight.get(message.uid)
        if reply is None:
            return
        if attribute == PROGRESS:
            reply.report(args, self.notifier)
        elif attribute == ITEMS:
            self._in_flight.came(reply, args, size)

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
        states = [state for state in tuple(self.links) if state.service == message.service]
        handlers = [handler for state in states for handler in state.handlers()]
        if not handlers:
            return
        try:
            args, kwargs = message.value()
        except (ValueError, TypeError) as error:
            logger.error("%r emitted an invalid notification: %s", message.service, error)
            return
        for handler in handlers:
            self.notifier.call(handler, args, kwargs, size=message.size)

    # --- coming back ---------------------------------------------------------------------

    async def _connect_again(self) -> None:
        self.options = self.options.again()
        await self._connect(ask_nobody)

    def _back(self) -> None:
        self._send_held(MANAGER)
        self._spawn(self._relink_all())
        self.watching.back()

    async def _relink_all(self) -> None:
        services = {state.service for state in self.links}
        services |= self._in_flight.held_for
        found = await asyncio.gather(*[self._relink(service) for service in services])
        for service, is_linked in zip(services, found, strict=True):
            if not is_linked:
                self._relink_later(service)
        if self.is_connected:
            self._call(self.on_restored)

    async def _relink(self, service: str) -> bool:
        try:
            identity = await self._link_again(service)
        except (RemoteError, OSError) as error:
            logger.debug("cannot link again with %r yet: %s", service, error)
            return False
        self._linked_again(service, identity)
        return True

    async def _link_again(self, service: str) -> dict[str, Any]:
        try:
            return self._entry(service, await self.link(service, self.options.timeout))
        except ValueError as error:  # the reply can't be read
            raise ConnectionError(str(error)) from None

    def _relink_later(self, service: str) -> None:
        """Link with a Service as soon as it is there."""
        if service in self._relinking or not self.is_connected:
            return

        async def until_linked() -> None:
            try:
                identity = await try_again(
                    lambda: self._link_again(service),
                    self.options.reconnect,
                    (RemoteError, TimeoutError),
                )
            except (RemoteError, OSError) as error:
                if self.is_connected:
                    logger.error("not linked again with %r: %s", service, error)
                    for reply in self._in_flight.take_held(service):
                        self._in_flight.forget(reply)
                        settle(reply, error)
            else:
                self._linked_again(service, identity)
            finally:
                if self._relinking.get(service) is asyncio.current_task():
                    del self._relinking[service]

        self._relinking[service] = self._spawn(until_linked())

    def _linked_again(self, service: str, identity: dict[str, Any]) -> None:
        if self._lost is self._connection:
            return  # right behind the Manager's answer
        task = self._relinking.pop(service, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        logger.info("linked again with %r", service)
        states = [state for state in self.links if state.service == service]
        if not states and service not in self._in_flight.held_for:
            # nobody wants it any more, nor waits for the answer
            self._send(request_line("unlink", (service,), service=MANAGER, uid="unlink"))
            return
        for state in states:
            state.is_lost = False
        self._renewed(service, identity)
        for state in states:
            self._call(state.on_restored)
        self._send_held(service)

    def _renewed(self, service: str, identity: dict[str, Any]) -> None:
        """Note what a Service offers now."""
        for state in [state for state in self.links if state.service == service]:
            self._features[service] = identity.get("features", [])
            if state.learn(identity):
                self._call(state.on_changed)

    def _hold(self, reply: Reply[Any], *, is_served: bool = False) -> None:
        """Keep a request that is safe to repeat until its Service is there again.

        Args:
            reply: Its reply.
            is_served: Whether others of that name are there.
        """
        self._in_flight.hold(reply)
        reply.times_held += 1
        if (is_served and reply.times_held <= AT_ONCE) or reply.service == MANAGER:
            self._send_held(reply.service)
        else:
            self._relink_later(reply.service)

    def _send_held(self, service: str) -> None:
        connection = self._connection
        for reply in self._in_flight.take_held(service):
            if connection is None or reply.line is None:
                continue
            reply.connection = connection
            if reply.begin_to_send():
                room = reply.room = connection.offer(reply.line)
                if reply.cancelled() and (room is None or not room.cancel()):
                    # what another thread has sent of it may have been before it
                    self._in_flight.send_cancel(reply)

    def _not_sent(self, reply: Reply[Any], connection: LineSocket | None) -> None:
        """Handle a request that was made when its connection was just lost."""
        if reply.connection is not connection or reply.done():
            return
        comes_back = self._comeback.is_expected
        self._in_flight.not_answered(reply, self._lost_error(), comes_back=comes_back)
        if not reply.done() and self.is_connected:
            self._hold(reply)  # it is back already

    def _ended(self, reason: Exception) -> None:
        self.end_reason = reason
        self._in_flight.end(reason)
        self.watching.end(reason)
        self.notifier.close()
        for callback in self.on_end:
            try:
                callback()
            except Exception:
                logger.exception("a function to be called at the end of a connection failed")
        logger.info("%s: disconnected: %s", self.name, escaped(str(reason)))

    def _call(self, handlers: Callbacks[Handler], *args: Any) -> None:
        for handler in handlers:
            self.notifier.call(handler, args)

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("unexpected error", exc_info=error)

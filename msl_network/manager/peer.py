"""A device as its Manager sees it: first the questions, then requests, replies, notifications."""

import asyncio
import ipaddress
import logging
import sqlite3
from typing import TYPE_CHECKING, Any

from .. import constants
from ..connection import Connection
from ..constants import (
    DISCONNECT_REQUEST,
    HANDSHAKE_LIMIT,
    HANDSHAKE_TIMEOUT,
    HOSTNAME,
    MANAGER,
    NOTIFICATION_UID,
)
from ..wire.framing import END, LineTooLongError
from ..wire.handshake import Authentication, ManagerHandshake, read_answer
from ..wire.messages import (
    Message,
    MessageError,
    ServiceIdentity,
    error_line,
    message_line,
    parse,
    parse_identity,
)
from ..wire.terminal import parse_client, parse_typed
from .authentication import same_password
from .registry import ClientRecord, ServiceRecord

if TYPE_CHECKING:
    from .manager import Manager

__all__ = ["Peer"]

logger = logging.getLogger(__package__)

WAITING_FOR_LOGIN = 100
"""Most requests of an administrator that wait for the login which the first of them has led to; all
together they are no larger than HANDSHAKE_LIMIT."""


class Peer:
    """One connection to a Manager.

    Attributes:
        ip_address: Its address, as text.
        domain: The name that the reverse look-up gives; the address where there is none.
        hostname: The first part of that name.
        port: Its port.
        network_name: `name[host:port]`.
        record: Its entry in the registry; None until it has said who it is.
        is_admin: Whether it has logged in as an administrator.
    """

    def __init__(self, manager: "Manager", connection: Connection) -> None:
        peername = connection.info("peername") or ("unknown", 0)
        self.manager = manager
        self.connection = connection
        self.ip_address = _plain_address(str(peername[0]))
        self.port = int(peername[1])
        self.domain = self.hostname = self.ip_address
        self.record: ClientRecord | ServiceRecord | None = None
        self.is_admin = False
        self.network_name = f"<Unknown>[{self.address}]"
        self._handshake = ManagerHandshake(manager.authentication, manager.network_name)
        # an administrator's requests that wait for a login in the middle of the session
        self._waiting_for_login: list[Message] = []
        self._username: str | None = None
        manager.peers.add(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(HANDSHAKE_TIMEOUT, self._too_late)
        self._note("new connection request")
        if self.ip_address in constants.LOCALHOST_ALIASES:
            self.domain = self.hostname = HOSTNAME
            self._begin()
        else:
            connection.pause_lines()
            manager.spawn(self._look_up_name())

    def __str__(self) -> str:
        return self.network_name

    @property
    def address(self) -> str:
        """`host:port`, with the hostname of this computer for whatever is on it."""
        return f"{self.hostname}:{self.port}"

    # --- Receiver ------------------------------------------------------------------------

    def line_received(self, line: bytes) -> None:
        """See `Receiver`."""
        if self.record is None:
            self._answer_received(line)
            return
        try:
            message = parse(line)
        except MessageError as error:
            self._not_a_message(line, error)
            return
        self._dispatch(message, line)

    def line_too_long(self, error: LineTooLongError) -> bytes | None:
        """See `Receiver`."""
        logger.info("%s: %s, closing connection", self, error)
        self._note("rejected: message too large")
        return error_line(error, requester=self.manager.network_name)

    def connection_lost(self, error: Exception | None) -> None:
        """See `Receiver`."""
        self._deadline.cancel()
        reason = self.connection.lost_reason
        logger.info("%s connection closed%s", self, f": {reason}" if reason else "")
        self._note("disconnected" if reason is None else f"disconnected: {reason}")
        self.manager.remove(self)

    # --- connecting ----------------------------------------------------------------------

    async def _look_up_name(self) -> None:
        self.domain = await self.manager.look_up(self.ip_address)
        try:
            ipaddress.ip_address(self.domain)
            self.hostname = self.domain
        except ValueError:
            self.hostname = self.domain.split(".")[0]
        self.network_name = f"<Unknown>[{self.address}]"
        self._begin()
        self.connection.resume_lines()

    def _begin(self) -> None:
        logger.info("new connection request from %s", self.address)
        trusted = self.manager.trusted
        if self._handshake.authentication is Authentication.HOSTNAME and not (
            {self.hostname, self.domain, self.ip_address} & trusted
        ):
            self._refuse(
                ValueError(f"{self.hostname!r} is not a trusted hostname"), "untrusted hostname"
            )
            return
        self._ask()

    def _ask(self) -> None:
        handshake = self._handshake
        if handshake.question is not None:
            self.connection.send(self.manager.question(handshake.question, handshake.args))

    def _answer_received(self, line: bytes) -> None:
        try:
            answer = read_answer(line)
        except UnicodeDecodeError as error:
            self._refuse(ValueError(f"The message is not UTF-8: {error}"), "invalid text")
            return
        question = self._handshake.question
        if question == "identity":
            self._identify(answer)
        elif question == "username":
            self._handshake.accept(answer)
            self._ask()
        else:
            self.connection.pause_lines()
            self.manager.spawn(self._check_password(answer))

    async def _check_password(self, password: Any) -> None:
        if self._handshake.authentication is Authentication.LOGIN:
            refusal = await self._log_in(self._handshake.username, password)
        else:
            refusal = await self._check_manager_password(password)
        if refusal is not None:
            self._refuse(refusal, str(refusal)[0].lower() + str(refusal)[1:])
            return
        self._handshake.accept(password)
        self._ask()
        self.connection.resume_lines()

    async def _check_manager_password(self, password: Any) -> Exception | None:
        brake = self.manager.brake
        if delay := brake.delay(self.ip_address):
            await asyncio.sleep(delay)
        if not same_password(password, self.manager.password or ""):
            brake.failed(self.ip_address)
            return ValueError("Wrong Manager password")
        brake.succeeded(self.ip_address)
        return None

    async def _log_in(self, username: object, password: object) -> Exception | None:
        """Log a user in; returns why not."""
        brake = self.manager.brake
        if delay := brake.delay(self.ip_address):
            await asyncio.sleep(delay)
        try:
            right, is_admin = await self.manager.logins.check(username, password)
        except sqlite3.Error as error:
            logger.error("cannot check the login of %s: %s", self, error)
            return RuntimeError("The table of users can't be read now. Try again later")
        if not right:
            brake.failed(self.ip_address)
            return ValueError("Wrong login password")
        brake.succeeded(self.ip_address)
        self.is_admin = self.is_admin or is_admin
        return None

    def _identify(self, answer: Any) -> None:
        if isinstance(answer, str):
            answer = parse_client(answer)
        try:
            if answer is None:
                raise TypeError('Cannot read the identity. Type "client" or send it as JSON')
            identity = parse_identity(answer)
            network_name = f"{identity.name}[{self.address}]"
            self.record = self.manager.registry.add(network_name, self.address, identity)
        except (TypeError, KeyError, NameError) as error:
            self._refuse(error, "invalid identity")
            return
        self._deadline.cancel()
        self.network_name = network_name
        self.connection.limit_lines(self.manager.message_limit)
        if "ping" in identity.features:
            self.connection.start_heartbeat(self.manager.heartbeat)
        self.manager.registered(self)
        kind = "service" if isinstance(identity, ServiceIdentity) else "client"
        logger.info("%s is a new %s connection", self, kind.title())
        self._note(f"connected as a {kind}")

    def _refuse(self, error: Exception, reason: str) -> None:
        logger.info("%s: %s, closing connection", self.address, error)
        self._note(f"rejected: {reason}")
        self.connection.send(error_line(error, requester=self.manager.network_name))
        self.connection.close()

    def _too_late(self) -> None:
        self._refuse(
            TimeoutError(f"The connection was not established in {HANDSHAKE_TIMEOUT:g} seconds"),
            "handshake not finished in time",
        )

    def _note(self, message: str) -> None:
        self.manager.recorder.record(self, message)

    # --- a session -----------------------------------------------------------------------

    def _not_a_message(self, line: bytes, error: MessageError) -> None:
        if error.is_reply:
            logger.warning("%s sent an invalid reply: %s", self, error)
            self._reply_failed(error)
            return
        if self._waiting_for_login and not error.uid:
            self._login_answered(line)
            return
        if not error.is_json:
            try:
                text = line.decode()
            except UnicodeDecodeError:
                text = ""
            else:
                if not text.strip():
                    return
            typed = parse_typed(text)
            if typed is not None:
                self._dispatch(typed, line)
                return
        logger.info("%s sent an invalid message: %s", self, error)
        # from a Service it can only have been a reply
        self._reply_failed(error)
        self.connection.send(
            error_line(ValueError(str(error)), requester=self.network_name, uid=error.uid)
        )

    def _dispatch(self, message: Message, line: bytes) -> None:
        if message.is_reply or (message.error and message.attribute is None):
            self._reply_received(message, line)
        elif message.service == MANAGER:
            self.manager.request(self, message)
        elif message.attribute == DISCONNECT_REQUEST:
            self.connection.close()
        elif message.service is None or message.attribute is None:
            self.fail(message, ValueError("A request needs a `service` and an `attribute`"))
        elif message.uid == NOTIFICATION_UID:
            self.fail(message, ValueError(f"The uid {NOTIFICATION_UID!r} is reserved"))
        elif not isinstance(self.record, ClientRecord):
            self.fail(message, PermissionError("Only a Client can send a request to a Service"))
        else:
            self._pass_request_on(message)

    def fail(self, message: Message, error: Exception) -> None:
        """Answer a request with an error."""
        uid = message.uid or ""
        if uid == NOTIFICATION_UID:
            uid = ""
        self.connection.send(error_line(error, requester=self.network_name, uid=uid))

    def _pass_request_on(self, message: Message) -> None:
        uid = message.uid or ""
        try:
            service = self.manager.registry.begin(self.network_name, str(message.service), uid)
        except (KeyError, PermissionError) as error:
            logger.info("%s: %s", self, error)
            self.fail(message, error)
            return
        logger.debug("%s requested %r from %r", self, message.attribute, message.service)
        self.manager.service_peer(service).connection.send(message_line(message, self.network_name))

    def _reply_received(self, message: Message, line: bytes) -> None:
        record = self.record
        if not isinstance(record, ServiceRecord):
            if self._waiting_for_login and not message.uid:
                self._login_answered(line)
            else:
                logger.warning("%s answered what it was not asked", self)
            return
        uid = message.uid or ""
        if uid == NOTIFICATION_UID:
            if message.service != record.name:
                logger.warning("%s emitted a notification as %r", self, message.service)
                return
            data = line + END
            for name in record.links:
                self.manager.client_peer(name).connection.send(data)
            return
        if not uid and message.error and not message.requester:
            # 1.x tells neither which request nor whose it could not read
            self._reply_failed(message.error_text())
            return
        requester = self.manager.registry.finish(record, message.requester, uid)
        if requester is None:
            logger.debug("%s answered a request that is not in flight", self)
            return
        self.manager.client_peer(requester).connection.send(line + END)

    def _reply_failed(self, error: MessageError | str) -> None:
        if not isinstance(self.record, ServiceRecord):
            return
        registry = self.manager.registry
        uid = error.uid if isinstance(error, MessageError) else ""
        key = next((key for key in self.record.in_flight if uid and key[1] == uid), None)
        key = key or registry.only_request(self.record)
        if key is None or registry.finish(self.record, *key) is None:
            return
        text = error if isinstance(error, str) else f"ValueError: Invalid reply: {error}"
        self.manager.client_peer(key[0]).connection.send(
            error_line(text, requester=key[0], uid=key[1])
        )

    # --- a login in the middle of a session ----------------------------------------------

    def ask_for_login(self, message: Message) -> None:
        """Ask who the person is, before a request that only an administrator may send."""
        size = sum(
            len(memoryview(m.args)) + len(memoryview(m.kwargs))
            for m in (*self._waiting_for_login, message)
        )
        if len(self._waiting_for_login) >= WAITING_FOR_LOGIN or size > HANDSHAKE_LIMIT:
            self.fail(message, PermissionError("Log in first: too many requests wait for it"))
            return
        self._waiting_for_login.append(message)
        if len(self._waiting_for_login) == 1:
            manager = self.manager
            self.connection.send(manager.question("username", [manager.network_name]))

    def _login_answered(self, line: bytes) -> None:
        try:
            answer = read_answer(line)
        except UnicodeDecodeError:
            answer = ""
        if self._username is None:
            self._username = str(answer)
            self.connection.send(self.manager.question("password", [self._username]))
            return
        self.connection.pause_lines()
        self.manager.spawn(self._check_login(self._username, answer))

    async def _check_login(self, username: str, password: Any) -> None:
        refusal = await self._log_in(username, password)
        requests, self._waiting_for_login, self._username = self._waiting_for_login, [], None
        if refusal is not None:
            self._note(f"rejected: {refusal}")
        for message in requests:
            if refusal is not None:
                self.fail(message, refusal)
            elif not self.is_admin:
                self.fail(
                    message,
                    ValueError("You must be an administrator to send this request to the Manager"),
                )
            else:
                self.manager.request(self, message)
        self.connection.resume_lines()


def _plain_address(address: str) -> str:
    # a socket that listens on IPv6 shows an IPv4 peer as ::ffff:a.b.c.d
    address = address.partition("%")[0]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)

"""A device as its Manager sees it: first the questions, then requests, replies, notifications."""

import asyncio
import ipaddress
import logging
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Raw

from .. import constants
from ..budget import NoRoomError
from ..connection import Connection
from ..constants import (
    CANCEL,
    DISCONNECT_REQUEST,
    HOSTNAME,
    IDENTITY,
    ITEMS,
    MANAGER,
    NAME_LIMIT,
    NOTIFICATION_UID,
    PROGRESS,
    REFUSAL_PAUSE,
    SHUTDOWN_SERVICE,
    TAKEN,
)
from ..wire.codec import encode
from ..wire.framing import COPIED, END, LineTooLongError
from ..wire.handshake import Authentication, ManagerHandshake, read_answer
from ..wire.messages import (
    Message,
    MessageError,
    ServiceIdentity,
    TooManyError,
    TooMuchAtOnceError,
    error_line,
    message_line,
    message_parts,
    parse,
    parse_identity,
)
from ..wire.scanning import Scan
from ..wire.terminal import parse_client, parse_typed
from .authentication import same_password
from .listening import Visitor
from .registry import ClientRecord, ServiceRecord

if TYPE_CHECKING:
    from .manager import Manager

__all__ = ["Peer"]

logger = logging.getLogger(__package__)

_CALL_FEATURES = ("progress", "stream", "exceptions")

READ_AT_ONCE = 512 * 1024
"""Most bytes of a line that are given to Python's `json`: some 20 ms, for nothing else is done."""

SMALL_LIMIT = 64 * 1024
"""Most bytes of a request to the Manager itself, whose values it reads, and of a line that is taken
for one that a person has typed."""

LAST_WORDS = 1.0
"""Seconds that a peer which has run out of time has to read why, and to close its TLS."""

REFUSALS = 20
"""Most reasons for which a device was refused that are kept apart, see `REFUSAL_PAUSE`."""


class Peer:
    """One connection to a Manager.

    Attributes:
        visitor: What it was before its name was known.
        ip_address: Its address, as text.
        domain: The name that the reverse look-up gives; the address where there is none.
        hostname: The first part of that name.
        port: Its port.
        network_name: `name[host:port]`.
        record: Its entry in the registry; None until it has said who it is.
        username: The name of the user that it has logged in as.
        is_admin: Whether it has logged in as an administrator.
        admin_requests: How many of its requests to the Manager's tables are being worked on.
    """

    def __init__(self, manager: "Manager", connection: Connection, visitor: Visitor) -> None:
        self.manager = manager
        self.connection = connection
        self.visitor = visitor
        self.ip_address = visitor.ip_address
        self.port = visitor.port
        self.domain = self.hostname = self.ip_address
        self.record: ClientRecord | ServiceRecord | None = None
        self.username: str | None = None
        self.is_admin = False
        self.network_name = f"<Unknown>[{self.address}]"
        self._handshake = ManagerHandshake(manager.authentication, manager.network_name)
        # an administrator's requests that wait for a login in the middle of the session
        self._waiting_for_login: list[Message] = []
        self._typed_username: str | None = None
        self._refusals: dict[str, float] = {}
        self.admin_requests = 0
        manager.peers.add(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_at(visitor.deadline, self._too_late)
        self._note("new connection request")
        is_local = self.ip_address in constants.LOCALHOST_ALIASES
        if is_local:
            self.domain = self.hostname = HOSTNAME
        if is_local and manager.authentication is not Authentication.HOSTNAME:
            self._begin(trusted=False)
        else:
            connection.pause_lines()
            manager.spawn(self._look_up_name(is_local=is_local))

    def __str__(self) -> str:
        return self.network_name

    @property
    def address(self) -> str:
        """`host:port`, with the hostname of this computer for whatever is on it."""
        return f"{self.hostname}:{self.port}"

    @property
    def is_extended(self) -> bool:
        """Whether it knows more than 1.x."""
        return self.record is not None and bool(self.record.identity.features)

    def can(self, feature: str) -> bool:
        """Whether it is registered and knows a feature."""
        return self.record is not None and feature in self.record.identity.features

    # --- Receiver ------------------------------------------------------------------------

    def line_received(self, line: bytes) -> None:
        """See `Receiver`."""
        if self.record is None:
            self.manager.admission.spoke(self.visitor)
            self._answer_received(line)
            return
        if len(line) > COPIED:
            self._scan(Scan(line), line)
            return
        try:
            message = parse(line, at_once=READ_AT_ONCE)
            if len(line) > NAME_LIMIT:
                _check_names(message)
        except TooMuchAtOnceError:
            self._scan(Scan(line), line)
            return
        except MessageError as error:
            self._not_a_message(line, error)
            return
        self._dispatch(message, line)

    def line_too_long(self, error: LineTooLongError) -> bytes | None:
        """See `Receiver`."""
        logger.info("%s: %s, closing connection", self, error)
        is_small = isinstance(error, NoRoomError)
        self._note(f"rejected: {'no room for its messages' if is_small else 'message too large'}")
        return error_line(error, requester=self.manager.network_name)

    def connection_lost(self, error: Exception | None) -> None:
        """See `Receiver`."""
        self._deadline.cancel()
        self.manager.remove(self)
        if self.visitor.has_to_go:
            return  # which has been noted, for many at once
        reason = self.connection.lost_reason
        logger.info("%s connection closed%s", self, f": {reason}" if reason else "")
        self._note("disconnected" if reason is None else f"disconnected: {reason}")

    # --- connecting ----------------------------------------------------------------------

    async def _look_up_name(self, *, is_local: bool) -> None:
        manager = self.manager
        if not is_local:
            self.domain = await manager.names.of(self.ip_address)
            try:
                ipaddress.ip_address(self.domain)
                self.hostname = self.domain
            except ValueError:
                self.hostname = self.domain.split(".")[0]
            self.network_name = f"<Unknown>[{self.address}]"
        trusted = manager.authentication is Authentication.HOSTNAME and (
            await manager.names.is_trusted(
                self.ip_address,
                (self.hostname, self.domain),
                await manager.trusted_hosts(),
                is_local=is_local,
            )
        )
        self._begin(trusted=trusted)
        self.connection.resume_lines()

    def _begin(self, *, trusted: bool) -> None:
        logger.info("new connection request from %s", self.address)
        if self._handshake.authentication is Authentication.HOSTNAME and not trusted:
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
            self.connection.pause_lines(until_more=True)
            self.manager.spawn(self._check_password(answer))

    async def _check_password(self, password: Any) -> None:
        user = None
        if self._handshake.authentication is Authentication.LOGIN:
            refusal, user = await self._log_in(self._handshake.username, password)
        else:
            refusal = await self._check_manager_password(password)
        if refusal is not None:
            self._refuse(refusal, _reason(refusal, user))
            return
        self._handshake.accept(password)
        self._ask()
        self.connection.resume_lines()

    async def _check_manager_password(self, password: Any) -> Exception | None:
        brake = self.manager.brake
        async with brake.turn(self.ip_address):
            if self.connection.is_closing:
                return ConnectionAbortedError("It has gone before its password was checked")
            if not same_password(password, self.manager.password or ""):
                brake.failed(self.ip_address)
                return ValueError("Wrong Manager password")
            brake.succeeded(self.ip_address)
            return None

    async def _log_in(
        self, username: object, password: object
    ) -> tuple[Exception | None, str | None]:
        """Log a user in; returns why not, and the name if there is a user of this name."""
        brake = self.manager.brake
        async with brake.turn(self.ip_address):
            if self.connection.is_closing:
                return ConnectionAbortedError("It has gone before its password was checked"), None
            try:
                login = await self.manager.logins.check(username, password)
            except sqlite3.Error as error:
                logger.error("cannot check the login of %s: %s", self, error)
                return RuntimeError("The table of users can't be read now. Try again later"), None
            if not login.right:
                brake.failed(self.ip_address, username)
                return ValueError("Wrong login password"), login.username
            brake.succeeded(self.ip_address, username)
        self.username = login.username
        self.is_admin = self.is_admin or login.is_admin
        return None, login.username

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
            why = f": {error}" if isinstance(error, NameError) else ""
            self._refuse(error, f"invalid identity{why}")
            return
        except TooManyError as error:
            self._refuse(error, str(error))
            return
        self._deadline.cancel()
        self.network_name = network_name
        features = [name for name in _CALL_FEATURES if name in identity.features]
        # as it stands in each of its requests
        self.call_features = Raw(encode(features)) if features else UNSET
        self.connection.limit_lines(self.manager.limits.message_limit)
        self.manager.admission.leave(self.visitor)
        if "ping" in identity.features:
            self.connection.start_heartbeat(self.manager.limits.heartbeat)
        self.manager.registered(self)
        kind = "service" if isinstance(identity, ServiceIdentity) else "client"
        logger.info("%s is a new %s connection", self, kind.title())
        self._note(f"connected as a {kind}: {self}{_user(self.username)}")

    def _refuse(self, error: Exception, reason: str, timeout: float | None = None) -> None:
        logger.info("%s: %s, closing connection", self.address, error)
        self._note(f"rejected: {reason}")
        self.connection.send(error_line(error, requester=self.manager.network_name))
        self.connection.close(timeout)

    def _too_late(self) -> None:
        seconds = self.manager.limits.handshake_timeout
        self._refuse(
            TimeoutError(f"The connection was not established in {seconds:g} seconds"),
            "handshake not finished in time",
            LAST_WORDS,
        )

    def _note(self, message: str) -> None:
        self.manager.recorder.record(self, message)

    # --- a session -----------------------------------------------------------------------

    def _scan(self, scan: Scan, line: bytes) -> None:
        # a step for each turn of the loop, so that the others have theirs
        self.connection.pause_lines()
        self.connection.hold(len(line))
        if self.connection.is_closing:
            return
        try:
            message = scan.step()
            if message is None:
                asyncio.get_running_loop().call_soon(self._scan, scan, line)
                return
            self.connection.hold(0)
            _check_names(message)
        except MessageError as error:
            self.connection.hold(0)
            self._answer_invalid(error)
        else:
            if message.is_reply and not isinstance(self.record, ServiceRecord):
                logger.warning("%s answered what it was not asked", self)
            else:
                self._dispatch(message, line)
        self.connection.resume_lines()

    def _answer_invalid(self, error: MessageError) -> None:
        logger.info("%s sent an invalid message: %s", self, error)
        # from a Service it can only have been a reply
        self._reply_failed(error)
        if not error.is_reply:
            self.connection.send(
                error_line(ValueError(str(error)), requester=self.network_name, uid=error.uid)
            )

    def _not_a_message(self, line: bytes, error: MessageError) -> None:
        if error.is_reply:
            logger.warning("%s sent an invalid reply: %s", self, error)
            self._reply_failed(error)
            return
        if self._waiting_for_login and not error.uid:
            self._login_answered(line)
            return
        if not error.is_json and len(line) <= SMALL_LIMIT:
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
        self._answer_invalid(error)

    def _dispatch(self, message: Message, line: bytes) -> None:
        if message.is_reply or (message.error and message.attribute is None):
            self._reply_received(message, line)
        elif message.service == MANAGER:
            renews = message.attribute == IDENTITY
            most = self.manager.limits.handshake_limit if renews else SMALL_LIMIT
            if len(line) > most:
                what = f"A request to the Manager can have {most} bytes"
                self.fail(message, ValueError(what))
            else:
                self.manager.request(self, message)
        elif message.attribute == DISCONNECT_REQUEST:
            self.connection.close()
        elif message.attribute in (CANCEL, TAKEN):
            self.manager.tell_service(self, message)
        elif message.attribute in (ITEMS, PROGRESS) and isinstance(self.record, ServiceRecord):
            self._report_received(self.record, message, line)
        elif message.service is None or message.attribute is None:
            self.fail(message, ValueError("A request needs a `service` and an `attribute`"))
        elif message.uid == NOTIFICATION_UID:
            self.fail(message, ValueError(f"The uid {NOTIFICATION_UID!r} is reserved"))
        elif not isinstance(self.record, ClientRecord):
            self.refuse(message, PermissionError("Only a Client can send a request to a Service"))
        else:
            self._pass_request_on(message, line)

    def fail(self, message: Message, error: Exception) -> None:
        """Answer a request with an error."""
        uid = message.uid or ""
        if uid == NOTIFICATION_UID:
            uid = ""
        self.connection.send(error_line(error, requester=self.network_name, uid=uid))

    def refuse(self, message: Message, error: Exception) -> None:
        """Answer a request that is refused, and note that it is."""
        if isinstance(error, KeyError):
            # what is not the name of a service may be a password, typed when nobody asked for it
            logger.info("%s asked for a service that does not exist", self)
        else:
            logger.info("%s: %s", self, error)
        if isinstance(error, PermissionError | TooManyError):
            self._note_refusal(str(error))
        self.fail(message, error)

    def _note_refusal(self, text: str) -> None:
        reason = text.partition("\n")[0]
        now = time.monotonic()
        if now - self._refusals.get(reason, -REFUSAL_PAUSE) < REFUSAL_PAUSE:
            return
        if len(self._refusals) >= REFUSALS:
            old = [key for key, when in self._refusals.items() if now - when >= REFUSAL_PAUSE]
            for key in old:
                del self._refusals[key]
            if not old:
                return
        self._refusals[reason] = now
        self._note(f"refused: {reason}; from {self}")

    def _pass_request_on(self, message: Message, line: bytes) -> None:
        uid = message.uid or ""
        try:
            service = self.manager.registry.begin(self.network_name, str(message.service), uid)
        except (KeyError, PermissionError, TooManyError) as error:
            self.refuse(message, error)
            return
        logger.debug("%s requested %r from %r", self, message.attribute, message.service)
        connection = self.manager.service_peer(service).connection
        if not connection.has_room(len(line) + 4 * NAME_LIMIT):
            self.manager.registry.finish(service, self.network_name, uid)
            what = f"The {service.name!r} service is behind with what it was sent. Try again later"
            self.refuse(message, TooManyError(what))
            return
        self._send_request(message, line, service)
        if message.attribute == SHUTDOWN_SERVICE:
            # it ends the link, which is with all of them; the reply is that of the one
            for other in service.replicas:
                if other is not service:
                    self._send_request(message, line, other)

    def _send_request(self, message: Message, line: bytes, service: ServiceRecord) -> None:
        connection = self.manager.service_peer(service).connection
        features = self.call_features if service.identity.features else UNSET
        if len(line) > COPIED:
            for part in message_parts(message, self.network_name, features):
                connection.send(part)
        else:
            connection.send(message_line(message, self.network_name, features))

    def _reply_received(self, message: Message, line: bytes) -> None:
        record = self.record
        if not isinstance(record, ServiceRecord):
            if self._waiting_for_login and not message.uid:
                self._login_answered(line)
            else:
                logger.warning("%s answered what it was not asked", self)
                self._note_refusal("an answer to what it was not asked")
            return
        uid = message.uid or ""
        if uid == NOTIFICATION_UID:
            if message.service != record.name:
                logger.warning("%s emitted a notification as %r", self, message.service)
                self._note_refusal("a notification in the name of another")
                return
            for data in (line + END,) if len(line) <= COPIED else (line, END):
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
        send = self.manager.client_peer(requester).connection.send
        if len(line) <= COPIED:
            send(line + END)
        else:
            send(line)
            send(END)

    def _report_received(self, record: ServiceRecord, message: Message, line: bytes) -> None:
        """Pass on what a Service tells of a request before its reply."""
        if (message.requester or "", message.uid or "") not in record.in_flight:
            return
        other = self.manager.client_peer(message.requester or "")
        if message.attribute == ITEMS:
            wanted = other.can("stream")
        else:
            # the next report will do if the Client is behind
            small = len(line) <= SMALL_LIMIT  # its Client reads it where it reads all else
            wanted = small and other.can("progress") and other.connection.is_idle
        if wanted:
            other.connection.send(line + END)

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
        limits = self.manager.limits
        if len(self._waiting_for_login) >= limits.admin_requests or size > limits.handshake_limit:
            self.fail(message, PermissionError("Log in first: too many requests wait for it"))
            return
        self._waiting_for_login.append(message)
        if len(self._waiting_for_login) == 1:
            manager = self.manager
            self.connection.send(manager.question("username", [manager.network_name]))

    def _login_answered(self, line: bytes) -> None:
        try:
            answer = read_answer(line) if len(line) <= SMALL_LIMIT else ""
        except UnicodeDecodeError:
            answer = ""
        if self._typed_username is None:
            self._typed_username = answer if isinstance(answer, str) else ""
            self.connection.send(self.manager.question("password", [self._typed_username]))
            return
        self.connection.pause_lines()
        self.manager.spawn(self._check_login(self._typed_username, answer))

    async def _check_login(self, username: str, password: Any) -> None:
        refusal, user = await self._log_in(username, password)
        requests, self._waiting_for_login = self._waiting_for_login, []
        self._typed_username = None
        if refusal is not None:
            self._note(f"rejected: {_reason(refusal, user)}")
        else:
            role = "an administrator" if self.is_admin else "no administrator"
            self._note(f"logged in as {role}{_user(user)}: {self}")
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


def _check_names(message: Message) -> None:
    for name in ("uid", "service", "attribute", "requester"):
        if len(getattr(message, name) or "") > NAME_LIMIT:
            raise MessageError(
                f"`{name}` has more than {NAME_LIMIT} characters",
                uid="" if name == "uid" else message.uid or "",
                is_reply=message.is_reply,
            )


def _reason(refusal: Exception, user: str | None) -> str:
    text = str(refusal)
    return f"{text[0].lower()}{text[1:]}{_user(user)}"


def _user(name: str | None) -> str:
    return "" if name is None else f", user {name!r}"

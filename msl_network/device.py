"""What a Client and a Service share: connecting to a Manager.

Connecting is one coroutine on the loop of the network. What it must ask a person (a user name,
a password, whether a certificate is to be trusted) it asks through `asking.Ask`.
"""

import asyncio
import logging
import math
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from . import constants
from .asking import Ask, Question
from .connection import LINE_COST, Receiver
from .constants import (
    CONNECT_TIMEOUT,
    HANDSHAKE_LIMIT,
    MESSAGE_LIMIT,
    PORT,
    RECONNECT,
    SHUTDOWN_TIMEOUT,
)
from .line_socket import LineSocket, open_line_socket, peer_certificate
from .wire.framing import LineTooLongError
from .wire.handshake import is_manager_name
from .wire.messages import Message, MessageError, parse, request_line, result_line

__all__ = ["ConnectOptions", "Credentials", "UntrustedCertificateError", "connect_device"]

logger = logging.getLogger(__package__)


class UntrustedCertificateError(ConnectionError):
    """A Manager shows a certificate that is not the trusted one, or that is of another host."""


@dataclass(slots=True)
class Credentials:
    """What a device answers when a Manager asks who it is.

    What is None is asked for, and remembered once it has been answered.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_manager: str | None = field(default=None, repr=False)

    async def answer(self, message: Message, ask: Ask) -> str:
        """Answer the question of a Manager for a user name or a password.

        Raises:
            ValueError: It asks for something else.
        """
        args = message.positional()
        name = str(args[0]) if args else "the Manager"
        if message.attribute == "username":
            if self.username is None:
                self.username = await ask(Question("username", f"Enter a username for {name} > "))
            return self.username
        if message.attribute != "password":
            raise ValueError(f"The Manager asks for {message.attribute!r}, which is not known")
        question = Question("password", f"Enter the password for {name} > ", secret=True)
        if is_manager_name(name):
            if self.password_manager is None:
                self.password_manager = await ask(question)
            return self.password_manager
        if self.password is None:
            self.password = await ask(question)
        return self.password


@dataclass(slots=True)
class ConnectOptions:
    """The keyword arguments of `connect` and `Service.start` that say how to reach a Manager.

    Attributes:
        host: The hostname or address of the Manager.
        port: The port of the Manager.
        timeout: Seconds to wait for the connection; None to wait for as long as it takes.
        username: The user to log in as, where the Manager wants a login.
        password: The password of that user.
        password_manager: The password of the Manager, where it wants one.
        read_limit: Most bytes of a message; None for `constants.MESSAGE_LIMIT`.
        disable_tls: Whether the connection is not encrypted.
        cert_file: The path of the Manager's certificate; None for the one that is pinned for
            the host.
        assert_hostname: Whether the certificate must be that of the host.
        auto_save: Whether an unknown certificate is trusted without asking.
        reconnect: Seconds to try to connect again when the connection is lost; 0 for not at all.
    """

    host: str = "localhost"
    port: int = PORT
    timeout: float | None = CONNECT_TIMEOUT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_manager: str | None = field(default=None, repr=False)
    read_limit: int | None = None
    disable_tls: bool = False
    cert_file: str | None = None
    assert_hostname: bool = True
    auto_save: bool = False
    reconnect: float = RECONNECT

    def again(self) -> "ConnectOptions":
        """The options for connecting again: what is trusted already, and nothing that is new."""
        if self.cert_file is not None or self.disable_tls:
            return self
        from . import cryptography

        return replace(self, cert_file=cryptography.certificate_path(self.host))

    @property
    def address(self) -> str:
        """`host:port`, as a device names its Manager."""
        return f"{self.host}:{self.port}"

    def credentials(self) -> Credentials:
        """What these options say about who connects."""
        return Credentials(self.username, self.password, self.password_manager)


class _Greeter:
    """Handles the lines of a connection until its device has been registered."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.receiver: Receiver | None = None
        self.error: Exception | None = None
        self.held: list[bytes] = []
        self._room = MESSAGE_LIMIT

    def line_received(self, line: bytes) -> None:
        if self.receiver is not None:
            self.receiver.line_received(line)
        elif self._room >= 0:
            self._room -= len(line) + LINE_COST
            if self._room < 0:
                self.error = ValueError(f"it sent more than {MESSAGE_LIMIT} bytes at the beginning")
            self.lines.put_nowait(line if self._room >= 0 else None)

    def line_too_long(self, error: LineTooLongError) -> bytes | None:
        self.error = error
        if self.receiver is not None:
            return self.receiver.line_too_long(error)
        self.lines.put_nowait(None)  # a peer that floods does not close its side soon
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self.error = self.error or error
        if self.receiver is not None:
            self.receiver.connection_lost(self.error)
        else:
            self.lines.put_nowait(None)

    def hand_over(self, receiver: Receiver) -> None:
        """Let another one handle the lines from now on, first those that have come already."""
        self.receiver = receiver
        waiting: list[bytes | None] = [*self.held]
        while not self.lines.empty():
            waiting.append(self.lines.get_nowait())
        for line in waiting:
            if line is None:
                receiver.connection_lost(self.error)
            else:
                receiver.line_received(line)


async def connect_device(
    options: ConnectOptions,
    credentials: Credentials,
    identity: Callable[[Message], Awaitable[dict[str, Any]]],
    receiver: Callable[[LineSocket], Receiver],
    ask: Ask,
) -> LineSocket:
    """Connect a device to a Manager.

    Returns when the Manager has registered the device: it has then answered a request, which it
    does not for one that it refuses.

    Args:
        options: Where the Manager is, and how to reach it.
        credentials: What to answer when it asks who connects.
        identity: Awaited for the identity of the device, given the Manager's question.
        receiver: Called with the connection when the device is registered; returns what
            handles the lines from then on.
        ask: Asks a person what neither `options` nor `credentials` say.

    Raises:
        ConnectionError: The Manager can't be reached, has no room, or its certificate is not
            trusted.
        TimeoutError: It can't be reached in time.
        ValueError: It refuses the device (a wrong password, an untrusted host).
        NameError: It refuses a Service, whose name is taken.
    """
    context = await _trusted_context(options, ask)
    greeter = _Greeter()
    connection = await _open(options, context, greeter)
    try:
        await _authenticate(options, connection, greeter, credentials, identity, ask)
        if greeter.error is not None:
            raise _closed(options, greeter)
    except BaseException:
        connection.abort("connecting failed")
        raise
    connection.limit_lines(MESSAGE_LIMIT if options.read_limit is None else options.read_limit)
    greeter.hand_over(receiver(connection))
    return connection


# --- certificates ----------------------------------------------------------------------------


async def _trusted_context(options: ConnectOptions, ask: Ask) -> ssl.SSLContext | None:
    if options.disable_tls:
        return None
    from . import cryptography

    cert_file = options.cert_file or cryptography.certificate_path(options.host)
    try:
        context = cryptography.client_context(cert_file)
    except FileNotFoundError:
        if options.cert_file is not None:
            raise
        await _pin_certificate(options, ask)
        context = cryptography.client_context(cert_file)
    context.check_hostname = options.assert_hostname
    logger.debug("loaded %s", cert_file)
    return context


async def _pin_certificate(options: ConnectOptions, ask: Ask) -> None:
    from . import cryptography

    try:
        async with asyncio.timeout(options.timeout):
            pem = await peer_certificate(options.host, options.port)
    except TimeoutError:
        raise _too_late(options) from None
    except OSError as error:
        text = str(error)
        if "WRONG_VERSION_NUMBER" in text or "UNKNOWN_PROTOCOL" in text:
            text += "\nTry setting disable_tls=True"
        else:
            text = _unreachable(options, error)
        raise ConnectionError(text) from None
    if not options.auto_save:
        certificate = cryptography.load_certificate(pem)
        answer = await ask(
            Question(
                "certificate",
                "Continue? y/n: ",
                cryptography.trust_text(options.host, certificate),
                choice=True,
                details=cryptography.describe(certificate),
            )
        )
        if answer != "y":
            raise ConnectionRefusedError(
                f"The certificate of {options.address} is not trusted, so nothing was sent to it"
            )
    cryptography.save_certificate(pem, options.host)


# --- opening ---------------------------------------------------------------------------------


async def _open(
    options: ConnectOptions, context: ssl.SSLContext | None, greeter: _Greeter
) -> LineSocket:
    try:
        async with asyncio.timeout(options.timeout):
            return await open_line_socket(
                options.host,
                options.port,
                context=context,
                receiver=greeter,
                limit=HANDSHAKE_LIMIT,
            )
    except TimeoutError:
        raise _too_late(options) from None
    except (OSError, ValueError) as error:
        raise await _why_not_connected(options, context, error) from error


def _too_late(options: ConnectOptions) -> TimeoutError:
    return TimeoutError(f"Cannot connect to {options.address} within {options.timeout} seconds")


async def _why_not_connected(
    options: ConnectOptions, context: ssl.SSLContext | None, error: Exception
) -> ConnectionError:
    text = str(error) or type(error).__name__
    if "mismatch" in text or "doesn't match" in text or "not valid for" in text:
        return UntrustedCertificateError(
            f"{text}\nTo disable hostname checking set assert_hostname=False\n"
            f"Make sure you trust the connection to {options.address} if you decide to do this."
        )
    if "certificate has expired" in text:
        return UntrustedCertificateError(
            f"The certificate of {options.address} has expired, or the clock of this computer is "
            f"wrong: it is {datetime.now():%Y-%m-%d %H:%M} here.\nTo make a new one, run "
            f"`msl-network certgen` on the computer of the Manager, and start the Manager again\n"
            f"({text})"
        )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return UntrustedCertificateError(f"{await _changed_certificate(options)}\n({text})")
    if "WRONG_VERSION_NUMBER" in text or "UNKNOWN_PROTOCOL" in text:
        return ConnectionError(f"{text}\nTry setting disable_tls=True")
    text = _unreachable(options, error)
    # somebody listens there
    answers = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
    if context is not None and answers:
        text += ". Perhaps it does not use TLS"
    return ConnectionError(text)


def _unreachable(options: ConnectOptions, error: Exception) -> str:
    where = "on this computer" if options.host in constants.LOCALHOST_ALIASES else "there"
    advice = f"Make sure a Manager is running {where}"
    if isinstance(error, socket.gaierror):
        advice = "Check how the host is spelled, or use its address"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"Cannot connect to {options.address}: {reason}\n{advice}"


async def _changed_certificate(options: ConnectOptions) -> str:
    from . import cryptography

    path = options.cert_file or cryptography.certificate_path(options.host)
    text = (
        f"The certificate of {options.address} is not the one that is trusted. "
        "Perhaps the Network Manager is using a new certificate.\n"
    )
    with suppress(OSError, ValueError):
        pinned = cryptography.load_certificate(path)
        text += f"  trusted: {cryptography.describe(pinned)['SHA-256']}\n"
        async with asyncio.timeout(SHUTDOWN_TIMEOUT):
            now = await peer_certificate(options.host, options.port)
        offered = cryptography.load_certificate(now)
        text += f"  offered: {cryptography.describe(offered)['SHA-256']}\n"
    return (
        f"{text}If you trust the connection to {options.address}, you can delete the "
        f"certificate at\n  {path}\nand then re-connect to create a new trusted certificate."
    )


# --- introducing oneself ---------------------------------------------------------------------


async def _authenticate(
    options: ConnectOptions,
    connection: LineSocket,
    greeter: _Greeter,
    credentials: Credentials,
    identity: Callable[[Message], Awaitable[dict[str, Any]]],
    ask: Ask,
) -> None:
    # a request of which the reply proves that the device has been registered
    proof = "connected"
    answered: set[str] = set()
    loop = asyncio.get_running_loop()
    deadline = None if options.timeout is None else loop.time() + options.timeout
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                line = await greeter.lines.get()
        except TimeoutError:
            text = (
                f"The connection to {options.address} was not established "
                f"after {options.timeout} second(s)"
            )
            if options.disable_tls:
                text += (
                    "\nYou have TLS disabled. Perhaps the Manager is using TLS for the connection."
                )
            raise ConnectionError(text) from None
        if line is None:
            raise _closed(options, greeter)
        try:
            message = parse(line)
        except MessageError as error:
            raise ConnectionError(
                f"What answers at {options.address} is not a Manager: {error}"
            ) from None
        if message.uid == proof and message.is_reply:
            return
        if message.error:
            raise _refusal(message)
        if message.attribute is None or message.uid or message.service is not None:
            if "identity" not in answered:
                raise ConnectionError(
                    f"What answers at {options.address} is not a Manager: "
                    f"it does not ask who connects"
                )
            # a request for a Service, which came before the reply
            greeter.held.append(line)
            continue
        if message.attribute in answered:
            raise ConnectionError(f"The Manager asks for the {message.attribute} again and again")
        answered.add(message.attribute)
        if message.attribute == "identity":
            # its own identity, which is its next answer, has those of all devices in it
            connection.limit_lines(MESSAGE_LIMIT)
            if "ping" in message.features:
                told = message.heartbeat
                usable = constants.HEARTBEAT_SHORTEST <= told < math.inf  # which NaN is not
                connection.start_heartbeat(told if usable else constants.HEARTBEAT)
            # a Manager of 1.x does not name any, and does not read these
            fields = {**await identity(message), "features": constants.FEATURES}
            connection.send(result_line(fields))
            connection.send(request_line("identity", service=constants.MANAGER, uid=proof))
        else:
            answer = await _ask_while_connected(credentials.answer(message, ask), connection)
            connection.send(result_line(answer, requester=message.requester))
        if options.timeout is not None:
            deadline = loop.time() + options.timeout  # not counting what a person typed


def _closed(options: ConnectOptions, greeter: _Greeter) -> ConnectionAbortedError:
    why = greeter.error or "the connection was closed"
    return ConnectionAbortedError(f"Manager[{options.address}] closed the connection: {why}")


async def _ask_while_connected(question: Any, connection: LineSocket) -> str:
    task = asyncio.ensure_future(question)
    closed = asyncio.ensure_future(connection.wait_closed())
    try:
        await asyncio.wait([task, closed], return_when="FIRST_COMPLETED")
        if not task.done():
            raise ConnectionAbortedError("The Manager closed the connection before the answer")
        return str(task.result())
    finally:
        task.cancel()
        closed.cancel()


def _refusal(message: Message) -> Exception:
    # 1.x adds a traceback of itself, which helps nobody here
    name, _, rest = (message.message or "").partition(": ")
    kinds: dict[str, type[Exception]] = {
        "NameError": NameError,
        "TypeError": TypeError,
        "TimeoutError": TimeoutError,
        # what is over soon: there is no room, or a table that is locked
        "TooManyError": ConnectionRefusedError,
        "RuntimeError": ConnectionRefusedError,
    }
    if name in kinds:
        return kinds[name](rest)
    return ValueError(message.error_text())

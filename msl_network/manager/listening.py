"""The door of a Manager: listens, lets in as many as there is room for, and begins the TLS.

The sockets are accepted here, and not by the event loop, which would count nobody before its TLS is
done, and go on and on where there are no more files to open.
"""

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any

from ..connection import Connection
from ..constants import SHUTDOWN_TIMEOUT
from .admission import neighbourhood

if TYPE_CHECKING:
    from .manager import Manager

__all__ = ["Listener", "Visitor", "bind"]

logger = logging.getLogger(__package__)

BACKLOG = 1000
"""Most connections that the system keeps until they are accepted: those of a laboratory whose
Manager has just started."""

ACCEPTED_AT_ONCE = 100
"""Most connections that are accepted before others have their turn."""

ACCEPT_PAUSE = 0.5
"""Seconds until accepting is tried again where the system has no more files, or no memory."""

REPORT_PAUSE = 10.0
"""Seconds between two reports of the same kind of refusal, of an address: a flood of connections is
to fill neither the log nor the database."""

REPORTS = 100
"""Most kinds of refusals and addresses that are told apart; a flood from more of them is one."""

EVERY_INTERFACE = ("::", "0.0.0.0")
"""IPv6 first, so that an address in use is reported as 1.x's documentation has it. What this
computer has no sockets for is passed over."""

EXHAUSTED = frozenset(
    getattr(errno, name)
    for name in ("EMFILE", "WSAEMFILE", "ENFILE", "ENOBUFS", "ENOMEM")
    if hasattr(errno, name)
)


def bind(host: str | None, port: int) -> list[socket.socket]:
    """Listen; blocks while the name of the host is looked up.

    Args:
        host: The hostname or address; None for every interface.
        port: The port; 0 for one that is free, the same on each address.

    Raises:
        OSError: The port is in use, or the host is not of this computer.
    """
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for name in (host,) if host else EVERY_INTERFACE:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in dict.fromkeys(found):
                if sockets and not port:
                    address = (address[0], sockets[0].getsockname()[1], *address[2:])
                try:
                    sock = socket.socket(family, kind, protocol)
                except OSError as error:
                    missing = error
                    continue
                sockets.append(sock)
                try:
                    _listen(sock, address)
                except OSError as error:
                    missing = OSError(
                        error.errno,
                        f"error while attempting to bind on address {address!r}: "
                        f"{(error.strerror or str(error)).lower()}",
                    )
                    if error.errno != errno.EADDRNOTAVAIL:
                        raise missing from None
                    sockets.pop().close()
        if not sockets:
            raise missing or OSError(errno.EADDRNOTAVAIL, f"cannot listen on {host!r}")
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen(sock: socket.socket, address: Any) -> None:
    sock.setblocking(False)
    if sys.platform == "win32":
        # without it, another program could take the port over with SO_REUSEADDR
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == getattr(socket, "AF_INET6", None):
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(address)
    sock.listen(BACKLOG)


class Visitor:
    """A connection, from when it is accepted.

    Attributes:
        ip_address: Its address, as text.
        port: Its port.
        connection: Its lines, once it has done its TLS.
        task: What is doing its TLS.
        timer: Until when it has to begin with that.
        deadline: Until when it has to be registered, in the loop's time.
        has_to_go: Whether it has been sent away.
    """

    __slots__ = (
        "connection",
        "deadline",
        "has_to_go",
        "ip_address",
        "port",
        "sock",
        "task",
        "timer",
    )

    def __init__(self, sock: socket.socket, address: Any, deadline: float) -> None:
        self.sock = sock
        self.ip_address = _plain_address(str(address[0]))
        self.port = int(address[1])
        self.deadline = deadline
        self.connection: Connection | None = None
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.has_to_go = False

    def __str__(self) -> str:
        return f"{self.ip_address}:{self.port}"

    @property
    def domain(self) -> str:
        """Its address: its name has not been looked up."""
        return self.ip_address


class Listener:
    """Accepts connections for a Manager.

    Args:
        manager: The Manager.
        sockets: The sockets that listen; closed by `close`.
        context: How connections are encrypted; None for not at all.
    """

    def __init__(
        self, manager: "Manager", sockets: list[socket.socket], context: ssl.SSLContext | None
    ) -> None:
        self._manager = manager
        self._sockets = sockets
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._refused: dict[tuple[str, str], tuple[int, Visitor]] = {}
        self._reports: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._resume()

    def close(self) -> None:
        """Accept nothing more, and send away who has not done its TLS."""
        self._stop_accepting()
        if self._pause is not None:
            self._pause.cancel()
        for sock in self._sockets:
            sock.close()
        for visitor in self._manager.admission:
            if visitor.connection is None:
                self._manager.admission.leave(visitor)
                self._cut(visitor)
        for timer in self._reports.values():
            timer.cancel()
        for (reason, _), (count, visitor) in self._refused.items():
            self._write_report(visitor, reason, count)

    # --- accepting -----------------------------------------------------------------------

    def _resume(self) -> None:
        self._pause = None
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _stop_accepting(self) -> None:
        for sock in self._sockets:
            self._loop.remove_reader(sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return  # the last is of one that has gone meanwhile
            except OSError as error:
                self._cannot_accept(error)
                return
            sock.setblocking(False)
            deadline = self._loop.time() + self._manager.limits.handshake_timeout
            self._enter(Visitor(sock, address, deadline))

    def _cannot_accept(self, error: OSError) -> None:
        # Until there are files again the others wait in the system's queue. Without a pause this
        # would be tried again at once, and the Manager would do nothing else.
        if self._pause is not None:
            return
        self._stop_accepting()
        leaving = self._manager.admission.make_room() if error.errno in EXHAUSTED else None
        if leaving is not None:
            self._send_away(leaving, f"made way for another one ({os.strerror(error.errno or 0)})")
        elif (key := ("accept", "")) not in self._reports:
            self._reports[key] = self._loop.call_later(REPORT_PAUSE, self._report_more, key)
            logger.error(
                "cannot accept connections: %s. Let the Manager open more files (ulimit -n)", error
            )
        self._pause = self._loop.call_later(0.01 if leaving else ACCEPT_PAUSE, self._resume)

    def _enter(self, visitor: Visitor) -> None:
        leaving = self._manager.admission.enter(visitor, visitor.ip_address)
        if leaving is not None:
            self._send_away(leaving, "silent, and made way for a new connection")
        if self._context is None:
            self._connect(visitor)
            return
        # TLS costs some 50 kB: nobody gets it who has not said a word
        limits = self._manager.limits
        seconds = min(limits.tls_timeout, limits.handshake_timeout)
        visitor.timer = self._loop.call_later(seconds, self._too_late, visitor)
        self._loop.add_reader(visitor.sock, self._first_byte, visitor)

    def _first_byte(self, visitor: Visitor) -> None:
        self._loop.remove_reader(visitor.sock)
        if visitor.timer is not None:
            visitor.timer.cancel()
        self._manager.admission.spoke(visitor)
        self._connect(visitor)

    def _too_late(self, visitor: Visitor) -> None:
        self._manager.admission.leave(visitor)
        self._send_away(visitor, "it did not begin with TLS in time")

    # --- connecting ----------------------------------------------------------------------

    def _connect(self, visitor: Visitor) -> None:
        visitor.task = self._loop.create_task(self._shake_hands(visitor))

    async def _shake_hands(self, visitor: Visitor) -> None:
        tls: dict[str, Any] = {}
        if self._context is not None:
            limits = self._manager.limits
            tls = {
                "ssl": self._context,
                "ssl_handshake_timeout": min(limits.tls_timeout, limits.handshake_timeout),
                "ssl_shutdown_timeout": SHUTDOWN_TIMEOUT,
            }
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._manager.connect(visitor), visitor.sock, **tls
            )
        except OSError as error:
            if visitor.connection is None and not visitor.has_to_go:
                self._manager.admission.leave(visitor)
                why = getattr(error, "reason", None) or str(error) or "it closed the connection"
                self._report(visitor, f"TLS failed ({why})")

    def _send_away(self, visitor: Visitor, reason: str) -> None:
        visitor.has_to_go = True
        self._cut(visitor)
        self._report(visitor, reason)

    def _cut(self, visitor: Visitor) -> None:
        if visitor.connection is not None:
            visitor.connection.abort("it was sent away")
        elif visitor.task is not None:
            visitor.task.cancel()
        else:
            if visitor.timer is not None:
                visitor.timer.cancel()
            self._loop.remove_reader(visitor.sock)
            visitor.sock.close()

    # --- reporting -----------------------------------------------------------------------

    def _report(self, visitor: Visitor, reason: str) -> None:
        # the first at once, and after a while how many more there were
        key = (reason, neighbourhood(visitor.ip_address))
        if key not in self._reports and len(self._reports) >= REPORTS:
            key = (reason, "")
        if key in self._reports:
            count, _ = self._refused.get(key, (0, visitor))
            self._refused[key] = (count + 1, visitor)
        else:
            self._reports[key] = self._loop.call_later(REPORT_PAUSE, self._report_more, key)
            self._write_report(visitor, reason)

    def _report_more(self, key: tuple[str, str]) -> None:
        del self._reports[key]
        if key in self._refused:
            count, visitor = self._refused.pop(key)
            self._reports[key] = self._loop.call_later(REPORT_PAUSE, self._report_more, key)
            self._write_report(visitor, key[0], count)

    def _write_report(self, visitor: Visitor, reason: str, count: int = 1) -> None:
        others = f" ({count} times since the last report)" if count > 1 else ""
        logger.info("rejected %s: %s%s", visitor, reason, others)
        self._manager.recorder.record(visitor, f"rejected: {reason}{others}")


def _plain_address(address: str) -> str:
    # a socket that listens on IPv6 shows an IPv4 peer as ::ffff:a.b.c.d
    address = address.partition("%")[0]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)

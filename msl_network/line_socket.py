"""A device's end of a connection: lines over a socket that any thread can write to.

The loop of the network reads. A thread that sends a line writes it to the socket itself: waking the
loop to do it would cost more than the line's whole way to the Manager and back to the Service.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import socket
import ssl
import sys
import threading
import weakref
from collections import deque
from concurrent.futures import Future
from typing import Any

from .connection import READ_SIZE, Receiver
from .constants import OUTGOING_LIMIT, SHUTDOWN_TIMEOUT, STALL_TIMEOUT
from .heartbeat import PING_LINE, Heartbeat, keep_alive
from .wire.framing import Framer, LineTooLongError
from .workers import Workers

__all__ = ["LineSocket", "open_line_socket", "peer_certificate"]

logger = logging.getLogger(__package__)

BATCH = 32
"""Most lines that wait for the loop: so many are worth a write of their own, and let the other side
begin while further ones are made."""

BATCH_WAIT = 0.001
"""Seconds that a thread waits at the most for the loop to send them."""

ONE_WRITE = 16 * 1024
"""Largest line in bytes that a thread writes itself: as much as TLS takes in one write. A thread
that is interrupted (the stop button of a notebook) between two writes would leave half a line."""

WRITTEN_AT_ONCE = 1024 * 1024
"""Most bytes that the loop writes before others have their turn: some 2 ms of TLS."""

LOOK_UPS = 32
"""Most names that are looked up at a time, on threads of their own: a name server that does not
answer holds up nothing else."""

_names = Workers("msl-network-look-ups", LOOK_UPS)

_TRY_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


async def open_line_socket(
    host: str,
    port: int,
    *,
    context: ssl.SSLContext | None,
    receiver: Receiver,
    limit: int,
) -> "LineSocket":
    """Connect to a Manager.

    Args:
        host: The hostname or address of the Manager.
        port: The port of the Manager.
        context: What a TLS connection must fulfil; None for a connection that is not encrypted.
        receiver: Handles the lines.
        limit: Most bytes of a line.

    Raises:
        OSError: It can't be reached. `ssl.SSLError` is one.
    """
    sock = await _connect(host, port)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(sock)
        if context is not None:
            sock = await _secure(sock, context, host)
    except BaseException:
        sock.close()
        raise
    return LineSocket(sock, receiver, limit)


async def peer_certificate(host: str, port: int) -> bytes:
    """Fetch the certificate that a Manager shows, whether it is trusted or not.

    Returns:
        The certificate in PEM format.

    Raises:
        OSError: It can't be reached, or does not use TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    tls = await _secure(await _connect(host, port), context, host)
    certificate = tls.getpeercert(binary_form=True)
    tls.close()
    return ssl.DER_cert_to_PEM_cert(certificate or b"").encode()


async def _connect(host: str, port: int) -> socket.socket:
    error: OSError | None = None
    # The loop is asked neither for the address nor to connect, which looks it up once more. The
    # threads of uvloop crash the child of a fork at its end, which does not have them; those of
    # asyncio hold up the end of the program for a name server that does not answer
    found = await _names.run(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    for family, kind, protocol, _, address in found:
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as reason:  # a family that this computer does not have
            error = reason
            continue
        try:
            sock.setblocking(False)
            with contextlib.suppress(*_TRY_LATER):
                sock.connect(address)
            await _writable(sock)
            if failed := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise _system_error(failed)
        except BaseException as reason:
            sock.close()
            if not isinstance(reason, OSError):
                raise
            error = reason
        else:
            return sock
    raise error or OSError(f"The name {host!r} has no address")


async def _secure(sock: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    tls = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await _readable(tls)
            except ssl.SSLWantWriteError:
                await _writable(tls)
            else:
                return tls
    except BaseException:
        tls.close()
        raise


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(sock, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(sock, _set, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


def _system_error(number: int) -> OSError:
    if sys.platform == "win32":
        return ctypes.WinError(number)  # of which `strerror` knows nothing
    else:  # noqa: RET505 - the other half is not reached on the other system
        return OSError(number, os.strerror(number))


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


_open: "weakref.WeakSet[LineSocket]" = weakref.WeakSet()


def _abandon_all() -> None:
    global _names
    _names = Workers("msl-network-look-ups", LOOK_UPS)
    for connection in list(_open):
        connection._abandon()


if hasattr(os, "register_at_fork"):
    # two processes that write to one connection would tear each other's lines apart
    os.register_at_fork(after_in_child=_abandon_all)


class LineSocket:
    """Lines to and from a Manager.

    Made on the loop of the network, which reads and calls the receiver. The other methods can
    be called from any thread.

    Args:
        sock: A connected socket that does not block.
        receiver: Handles the lines.
        limit: Most bytes of a line.
    """

    is_deaf = False  # it reads whatever comes

    def __init__(self, sock: socket.socket, receiver: Receiver, limit: int) -> None:
        self.lost_reason: str | None = None
        self._sock = sock
        self._receiver = receiver
        self._framer = Framer(limit)
        self._view = memoryview(bytearray(READ_SIZE))
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        # of the socket (TLS does not read and write at the same time) and what waits for it; its
        # holder may be in the middle of a line when a signal's handler sends one
        self._lock = threading.RLock()
        self._is_writing = False
        self._backlog: deque[memoryview] = deque()
        self._outbox: deque[bytes] = deque()
        self._waiting = 0  # bytes of the backlog, and of what is large in the outbox
        # lines for which there is no room yet, each with what is done when it is on its way
        self._queue: dict[Future[bool], bytes] = {}
        self._queue_bytes = 0
        self._outbox_noticed = False
        self._emptied = threading.Event()
        self._pauses = 0  # the thread that waits for it, of which a signal's handler must not
        self._thread = threading.get_ident()
        self._closing = False
        self._error: OSError | None = None  # the system's, behind which there may be data
        self._heart: Heartbeat | None = None
        self.heard = False
        self._stall_timer: asyncio.TimerHandle | None = None
        self._taken = False
        self._loop.add_reader(sock, self._readable)
        _open.add(self)

    def info(self, name: str) -> Any:
        """What the socket knows: `"peername"` or `"sockname"`."""
        return self._sock.getpeername() if name == "peername" else self._sock.getsockname()

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closing

    def limit_lines(self, limit: int) -> None:
        """Change the most bytes of a line."""
        self._framer.limit = limit

    def send(self, line: bytes) -> bool:
        """Send a line, its end included, at once, unless it is long or others wait.

        Returns:
            Whether it is on its way; False if the connection is closed.
        """
        if len(line) > ONE_WRITE or self._outbox:
            return self.send_later(line)
        with self._lock:
            if self._is_writing:
                return self.send_later(line)
            if self._closing:
                return False
            self._is_writing = True
            try:
                self._write(line)
            finally:
                self._is_writing = False
        return True

    def send_later(self, line: bytes) -> bool:
        """Send a line, its end included, with the loop's next turn.

        What threads send in the meantime leaves in the same write: the way for many small lines.

        Returns:
            Whether it is on its way; False if the connection is closed.
        """
        if self._closing:
            return False
        if (size := len(line)) > ONE_WRITE:
            with self._lock:
                # first: an interrupt between the two must not leave bytes that nobody takes off
                self._outbox.append(line)
                self._waiting += size
        else:
            self._outbox.append(line)
        self._notice_outbox()
        return True

    def offer(self, line: bytes, *, later: bool = False) -> "Future[bool] | None":
        """Send a line, its end included, as soon as there is room for it.

        So who makes lines faster than the Manager reads them can wait, and nobody else has to.

        Args:
            line: The line.
            later: Whether it is one of many small ones, see `send_later`.

        Returns:
            None if it is on its way, or the connection is closed; otherwise what is done when it is
            on its way, with False if it never will be. It can be cancelled until then.
        """
        size = len(line)
        if size > ONE_WRITE or self._waiting >= OUTGOING_LIMIT or self._queue:
            with self._lock:
                if not self._closing and (self._queue or not self._has_room(size)):
                    bell = Future[bool]()
                    self._queue[bell] = line
                    self._queue_bytes += size
                    bell.add_done_callback(self._withdraw)
                    return bell
        if later:
            self.send_later(line)
        else:
            self.send(line)
        return None

    @property
    def queued(self) -> int:
        """The bytes of what has been offered and is not on its way yet."""
        return self._queue_bytes

    def _has_room(self, size: int) -> bool:
        return not self._waiting or self._waiting + size <= OUTGOING_LIMIT

    def _withdraw(self, bell: "Future[bool]") -> None:
        with self._lock:
            size = len(self._queue.pop(bell, b""))
            self._queue_bytes -= size

    def _notice_outbox(self) -> None:
        if not self._outbox_noticed:
            self._outbox_noticed = True
            try:
                self._loop.call_soon_threadsafe(self._empty_outbox)
            except BaseException:
                # an interrupt: the next line must not rely on a turn that may not come
                self._outbox_noticed = False
                raise
        if len(self._outbox) >= BATCH and threading.get_ident() not in (self._thread, self._pauses):
            # the loop gets a chance to send them: what is busy making requests keeps Python's
            # lock for 5 ms otherwise. It is not done here, as an interrupt could lose them
            self._pauses = threading.get_ident()
            try:
                self._emptied.clear()
                if self._outbox:
                    self._emptied.wait(BATCH_WAIT)
            finally:
                self._pauses = 0

    def start_heartbeat(self, interval: float) -> None:
        """Give signs of life from now on, and expect them, in seconds; on the loop."""
        if not self._closed.done():  # what asked for it may have come just before the end
            self._heart = Heartbeat(self, interval)

    def close(self) -> None:
        """Close the connection when what waits for the Manager has been sent."""
        if not self._closed.done() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close)

    def abort(self, reason: str) -> None:
        """Cut the connection; on the loop of the network.

        Args:
            reason: Why, for the log and for whoever asks later.
        """
        if self.lost_reason is None:
            self.lost_reason = reason
        self._lose(None)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone; on the loop of the network."""
        await asyncio.shield(self._closed)

    # --- reading -------------------------------------------------------------------------

    def _readable(self) -> None:
        if self._closed.done():
            return
        try:
            with self._lock:
                failed = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                data = self._read()
        except _TRY_LATER:
            return
        except (OSError, ValueError) as error:
            self._lose(error if isinstance(error, OSError) else None)
            return
        if failed:
            self._error = _system_error(failed)
        if not data:
            self._lose(self._error)
            return
        if self._error is not None:
            # uvloop tells of a reset once, with what came before it, and never again
            self._loop.call_soon(self._readable)
        if self._closing:
            return
        self.heard = True
        try:
            lines = self._framer.feed(data)
        except LineTooLongError as error:
            self.lost_reason = str(error)
            answer = self._receiver.line_too_long(error)
            if answer:
                self.send(answer)
            self._close()
            return
        receive = self._receiver.line_received
        for line in lines:
            if line != PING_LINE:
                receive(line)

    def _read(self) -> bytes:
        view, sock = self._view, self._sock
        size = sock.recv_into(view)
        if isinstance(sock, ssl.SSLSocket):
            # what has been decrypted already does not wake the loop again
            while 0 < size < READ_SIZE and sock.pending():
                size += sock.recv_into(view[size:])
        data = bytes(view[:size])
        if isinstance(sock, ssl.SSLSocket) and size == READ_SIZE and sock.pending():
            rest = sock.recv(sock.pending())
            data += rest
        return data

    # --- writing -------------------------------------------------------------------------

    def _write(self, line: bytes) -> None:
        """Write a line, or what the socket takes of it; the lock is held."""
        data = memoryview(line)
        if not self._backlog:
            try:
                data = self._push(data)
            except OSError as error:
                self._closing = True
                self._loop.call_soon_threadsafe(self._lose, error)
                return
        if not data:
            return
        if not self._backlog:
            self._loop.call_soon_threadsafe(self._watch_writable)
        self._backlog.append(data)
        self._waiting += len(data)
        if self._waiting > 2 * OUTGOING_LIMIT and len(self._backlog) > 1:
            # what it asks for without reading the answers, since all else waits for room
            self._closing = True
            self._loop.call_soon_threadsafe(
                self.abort, f"more than {2 * OUTGOING_LIMIT} bytes wait for the Manager"
            )

    def _push(self, data: memoryview) -> memoryview:
        end = len(data) - WRITTEN_AT_ONCE
        try:
            while data and len(data) > end:
                data = data[self._sock.send(data) :]
                self._taken = True
        except _TRY_LATER:
            pass
        return data

    def _empty_outbox(self) -> None:
        # noticed first: a line that a thread adds from here on brings a turn of its own
        self._outbox_noticed = False
        with self._lock:
            lines: list[bytes] = []
            while self._outbox:
                line = self._outbox.popleft()
                if len(line) > ONE_WRITE:
                    self._write_all(lines)
                    lines = []
                    self._waiting -= len(line)
                    self._write_all([line])
                else:
                    lines.append(line)
            self._write_all(lines)
            bells = self._admit()
        self._emptied.set()
        for bell in bells:
            bell.set_result(True)

    def _write_all(self, lines: list[bytes]) -> None:
        if lines and not self._closing:
            self._write(lines[0] if len(lines) == 1 else b"".join(lines))

    def _admit(self, *, all_of_it: bool = False) -> "list[Future[bool]]":
        """Write what there is room for now; the lock is held. Returns whom to tell of it."""
        bells: list[Future[bool]] = []
        while self._queue and not self._closing:
            bell, line = next(iter(self._queue.items()))
            if not (all_of_it or self._has_room(len(line))):
                break
            del self._queue[bell]
            self._queue_bytes -= len(line)
            if bell.set_running_or_notify_cancel():
                self._write(line)
                bells.append(bell)
        return bells

    def _watch_writable(self) -> None:
        if not self._closed.done() and self._stall_timer is None:
            self._loop.add_writer(self._sock, self._writable)
            self._taken = False
            self._stall_timer = self._loop.call_later(STALL_TIMEOUT, self._check_stall)

    def _writable(self) -> None:
        try:
            with self._lock:
                while self._backlog:
                    data = self._push(self._backlog[0])
                    self._waiting -= len(self._backlog[0]) - len(data)
                    if data:
                        self._backlog[0] = data
                        break
                    self._backlog.popleft()
                bells = self._admit()
        except OSError as error:
            self._lose(error)
            return
        for bell in bells:
            bell.set_result(True)
        if self._backlog:
            return
        self._loop.remove_writer(self._sock)
        self._stop_stall_timer()
        if self._closing:
            self._say_goodbye()

    def _check_stall(self) -> None:
        self._stall_timer = None
        if not self._taken:
            self.abort(f"the Manager did not read for {STALL_TIMEOUT:g} seconds")
            return
        self._taken = False
        self._stall_timer = self._loop.call_later(STALL_TIMEOUT, self._check_stall)

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    # --- the end -------------------------------------------------------------------------

    def _close(self) -> None:
        if self._closing or self._closed.done():
            return
        self._empty_outbox()
        with self._lock:  # a thread may just be writing
            bells = self._admit(all_of_it=True)
            self._closing = True
            done = not self._backlog
        for bell in bells:
            bell.set_result(True)
        if done:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        # a socket that is closed with something unread in it takes back what was sent last, so
        # the Manager is left to close its side first
        self._stall_timer = self._loop.call_later(SHUTDOWN_TIMEOUT, self._lose, None)
        with self._lock, contextlib.suppress(OSError, ValueError):
            if isinstance(self._sock, ssl.SSLSocket):
                with contextlib.suppress(*_TRY_LATER):
                    self._sock.unwrap()
            self._sock.shutdown(socket.SHUT_WR)

    def _abandon(self) -> None:
        """Let go of the socket in the child of a fork: it is the parent's."""
        self._closing = True
        self._lock = threading.RLock()
        self._is_writing = False
        self._sock.close()

    def _lose(self, error: Exception | None) -> None:
        if self._closed.done():
            return
        self._closing = True
        self._closed.set_result(None)
        self._stop_stall_timer()
        if self._heart is not None:
            self._heart.stop()
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        with self._lock:
            self._sock.close()
            self._backlog.clear()
            self._outbox.clear()
            bells = list(self._queue)
        for bell in bells:
            if bell.set_running_or_notify_cancel():
                bell.set_result(False)
        self._receiver.connection_lost(error)

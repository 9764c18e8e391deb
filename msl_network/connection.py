"""One connection: lines over TCP or TLS, batched writes, and an end for peers that do not read.

A `Connection` is an `asyncio.Protocol`, not a pair of streams: no task and no `await` for a
message. The lines of one read are handled together, and what they lead to for one peer leaves
in one write.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from .budget import SHARED, Account, Budget, NoRoomError
from .constants import OUTGOING_LIMIT, OUTGOING_LINES, STALL_TIMEOUT
from .heartbeat import PING_LINE, Heartbeat
from .wire.framing import Framer, LineTooLongError

__all__ = ["Connection", "Receiver"]

logger = logging.getLogger(__package__)


READ_SIZE = 64 * 1024
"""Most bytes of one read. A buffer that is used again and again spares TLS, which reads until
nothing is left, the allocation of a quarter of a megabyte for every look."""

_read_buffer = memoryview(bytearray(READ_SIZE))
# One is enough: what is in it is taken out before anything else is read. With one for each, a
# thousand connections that say nothing would cost 64 MB.

WRITE_SIZE = SHARED
"""Most bytes of one write, if they are of one line, and of what a transport keeps. TLS would take a
message of any size at once, and nobody could see whether the peer reads it."""

LINE_COST = 64
"""Bytes that a line which waits costs besides its own."""

TURN = 0.02
"""Seconds for which the lines of one read are handled before others have their turn: there can be
65,536 empty ones in it, which take a second."""

LOOK_EVERY = 4
"""Lines after which it is looked how long that has taken: one that is small can ask for much."""

# The connections that have something to send when the lines of the current read have been handled;
# None outside of that. All connections of a process live on one thread, and so does this.
_batch: "list[Connection] | None" = None


class Receiver(Protocol):
    """What handles the lines of a connection. Its methods are called on the event loop."""

    def line_received(self, line: bytes) -> None:
        """Handle a line, without its end."""

    def line_too_long(self, error: LineTooLongError) -> bytes | None:
        """Return what to tell a peer that sent too long a line; it is closed after that."""

    def connection_lost(self, error: Exception | None) -> None:
        """Handle the end of the connection. Called once."""


class _Gone(asyncio.Transport):
    """In place of a transport that has closed: without it, what it holds is free at once."""

    def is_closing(self) -> bool:
        return True

    def abort(self) -> None:
        pass


class Connection(asyncio.BufferedProtocol):
    """A stream of lines to and from a peer.

    Args:
        made: Called when the connection is made; returns what handles its lines.
        limit: Most bytes of a line. Can be changed with `limit_lines`.
        stall_timeout: Seconds without progress after which a peer that does not read is dropped.
        outgoing_limit: Most bytes that wait for the peer.
        outgoing_lines: Most lines that wait for it.
        account: What notes how much is held, of what waits for the peer and of what has come in.
    """

    def __init__(
        self,
        made: "Callable[[Connection], Receiver]",
        *,
        limit: int,
        stall_timeout: float = STALL_TIMEOUT,
        outgoing_limit: int = OUTGOING_LIMIT,
        outgoing_lines: int = OUTGOING_LINES,
        account: Account | None = None,
    ) -> None:
        self._made = made
        self._framer = Framer(limit)
        self._stall_timeout = stall_timeout
        self._outgoing_limit = outgoing_limit
        self._outgoing_lines = outgoing_lines
        self._pending: deque[bytes | memoryview] = deque()
        self._pending_bytes = 0
        self._pending_large = 0  # of them, those of the lines that the account knows
        self._held = 0
        self._account = Budget().open("") if account is None else account
        self._account.make_way = self._make_way
        self._stall_timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._written = 0
        self._taken = 0
        self._closing = False
        self._heart: Heartbeat | None = None
        self.heard = False
        self._paused_lines: list[bytes] | None = None
        self.lost_reason: str | None = None

    # --- asyncio.Protocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_SIZE)
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._receiver = self._made(self)
        del self._made

    def get_buffer(self, sizehint: int) -> memoryview:
        """See `asyncio.BufferedProtocol`."""
        return _read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        if self._closing:
            return
        self.heard = True
        data = bytes(_read_buffer[:nbytes])
        try:
            lines = self._framer.feed(data)
        except LineTooLongError as error:
            self._refuse(error)
            return
        if self._framer.waiting or self._account.is_used:
            self._count()
        if self._paused_lines is not None:
            self._paused_lines += lines
            self._transport.pause_reading()
            return
        self._handle(lines)

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._closing = True
        self._let_go()
        self._stop_stall_timer()
        if self._heart is not None:
            self._heart.stop()
            self._heart = None
        if not self._closed.done():
            self._closed.set_result(None)
        self._receiver.connection_lost(exc)
        # whoever connects a thousand times a second is not to wait for the garbage collection
        self._transport = _Gone()
        del self._receiver, self._account.make_way

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._paused = True
        if self._stall_timer is None:
            self._taken = self._taken_by_peer()
            self._stall_timer = self._loop.call_later(self._stall_timeout, self._check_stall)

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._paused = False
        if not self._closing:
            self._stop_stall_timer()
        # not from within the transport, which is writing
        self._loop.call_soon(self._flush)

    # --- for its owner -------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closing

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for the peer."""
        return not self._pending and not self._paused

    @property
    def is_deaf(self) -> bool:
        """Whether lines are kept back, so that nothing is known of the peer."""
        return self._paused_lines is not None

    def info(self, name: str) -> Any:
        """What the transport knows, e.g. `"peername"` or `"sockname"`."""
        return self._transport.get_extra_info(name)

    def limit_lines(self, limit: int) -> None:
        """Change the most bytes of a line."""
        self._framer.limit = limit

    def send(self, line: bytes | memoryview) -> bool:
        """Send a line, its end included, on the event loop; a very long one may come in parts.

        What is sent while the lines of one read are handled leaves in one write.

        Returns:
            Whether the line is on its way; False if the connection is closed or the peer has
            fallen so far behind that it is dropped.
        """
        if self._closing:
            return False
        if _batch is not None and not self._pending:
            _batch.append(self)
        self._pending.append(line)
        self._pending_bytes += len(line)
        if len(line) > WRITE_SIZE:
            self._pending_large += len(line)
            self._account.add(line)
        if self._pending_bytes > self._outgoing_limit:
            self.abort(f"more than {self._outgoing_limit} bytes wait for it")
            return False
        if len(self._pending) > self._outgoing_lines:
            self.abort(f"more than {self._outgoing_lines} messages wait for it")
            return False
        if _batch is None:
            self._flush()
        return not self._closing

    def has_room(self, size: int, *, share: float = 1.0) -> bool:
        """Whether that many bytes more can wait for the peer, and nobody is dropped for it.

        Args:
            size: How many bytes.
            share: How much of the room may be taken.
        """
        return self._account.has_room(size) and (
            not self._pending
            or (
                self._pending_bytes + size <= self._outgoing_limit * share
                and len(self._pending) < self._outgoing_lines * share
            )
        )

    def start_heartbeat(self, interval: float) -> None:
        """Give signs of life from now on, and expect them, in seconds."""
        self._heart = Heartbeat(self, interval)

    def pause_lines(self, *, until_more: bool = False) -> None:
        """Keep lines back until `resume_lines`, while an earlier one is being looked into.

        Args:
            until_more: Whether reading goes on until there is more. So asyncio's own event loop
                notices that the peer has gone; but that is then the end of the earlier line, too.
        """
        if self._paused_lines is None:
            self._paused_lines = []
            if not until_more:
                self._transport.pause_reading()

    def hold(self, size: int) -> None:
        """Note how many bytes are held of the line that is being looked into."""
        self._held = 0 if self._closing else size  # who has gone holds nothing again
        self._count()

    def resume_lines(self) -> None:
        """Handle the lines that were kept back, and go on."""
        if self._paused_lines is None:
            return
        lines, self._paused_lines = self._paused_lines, None
        if self._closing:
            return
        self._transport.resume_reading()
        self._handle(lines)

    def close(self, timeout: float | None = None) -> None:
        """Close the connection when what waits for the peer has been sent.

        Args:
            timeout: Seconds that the peer has for that; None for as long as for anything else.
        """
        if self._closing:
            return
        self._closing = True
        self._flush()
        # a peer that does not take its last bytes, or never closes its TLS, is cut off
        self._stop_stall_timer()
        seconds = self._stall_timeout if timeout is None else timeout
        self._stall_timer = self._loop.call_later(seconds, self._transport.abort)

    def abort(self, reason: str) -> None:
        """Cut the connection at once.

        Args:
            reason: Why, for the log and for whoever asks later.
        """
        if self.lost_reason is None:
            self.lost_reason = reason
        self._closing = True
        self._let_go()
        if not self._closed.done():
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await asyncio.shield(self._closed)

    # --- inside --------------------------------------------------------------------------

    def _handle(self, lines: list[bytes]) -> None:
        global _batch
        receive = self._receiver.line_received
        outer, _batch = _batch, []
        until = 0.0
        try:
            for i, line in enumerate(lines):
                if self._closing:
                    return
                if i and not i % LOOK_EVERY and self._paused_lines is None:
                    until = until or time.monotonic() + TURN
                    if time.monotonic() > until:
                        self.pause_lines()
                        self._loop.call_soon(self.resume_lines)
                if self._paused_lines is not None:
                    self._paused_lines += lines[i:]
                    return
                if line != PING_LINE:
                    receive(line)
        finally:
            batch, _batch = _batch, outer
            for connection in batch:
                connection._flush()

    def _flush(self) -> None:
        while self._pending and not self._paused and not self._transport.is_closing():
            data = self._next_write()
            self._written += len(data)
            self._transport.write(data)
        if self._pending or self._account.is_used:
            self._count()
        if self._closing and not self._pending and not self._transport.is_closing():
            self._transport.close()

    def _next_write(self) -> bytes | memoryview:
        pending = self._pending
        if len(pending[0]) > WRITE_SIZE:
            rest = memoryview(pending.popleft())
            pending.appendleft(rest[WRITE_SIZE:])
            data: bytes | memoryview = rest[:WRITE_SIZE]
            self._pending_large -= WRITE_SIZE
            if len(pending[0]) <= WRITE_SIZE:
                self._pending_large -= len(pending[0])
                self._account.remove_first()
        else:
            lines = [pending.popleft()]
            size = len(lines[0])
            while pending and size + len(pending[0]) <= WRITE_SIZE:
                lines.append(pending.popleft())
                size += len(lines[-1])
            data = lines[0] if len(lines) == 1 else b"".join(lines)
        self._pending_bytes -= len(data)
        return data

    def _count(self) -> None:
        self._account.update(
            self._framer.waiting
            + self._held
            + self._pending_bytes
            - self._pending_large
            + LINE_COST * len(self._pending)
        )

    def _refuse(self, error: LineTooLongError) -> None:
        """Take nothing more, and tell the peer why."""
        self.lost_reason = str(error)
        self._framer = Framer(0)  # what there was of a line may be large
        answer = self._receiver.line_too_long(error)
        if answer:
            self.send(answer)
        self.close()

    def _make_way(self, error: NoRoomError) -> None:
        if self._closing:
            self.abort(str(error))
        elif self._pending:
            logger.warning("%s: %s", self.info("peername"), error)
            self.abort(str(error))
        else:
            self._refuse(error)

    def _let_go(self) -> None:
        self._pending.clear()
        self._pending_bytes = self._pending_large = self._held = 0
        self._framer = Framer(0)
        self._account.close()

    def _taken_by_peer(self) -> int:
        return self._written - self._transport.get_write_buffer_size()

    def _check_stall(self) -> None:
        self._stall_timer = None
        if self._closing:
            return
        taken = self._taken_by_peer()
        if taken <= self._taken:
            logger.warning("%s does not read, closing connection", self.info("peername"))
            self.abort(f"it did not read for {self._stall_timeout:g} seconds")
        else:
            self._taken = taken
            self._stall_timer = self._loop.call_later(self._stall_timeout, self._check_stall)

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

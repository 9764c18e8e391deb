"""Finding out that a peer is gone which has not said so: its cable is out, or it hangs.

Between peers that both know the feature `ping`, each side sends a line now and then, and a peer
that sends nothing for two of these intervals is dropped. It is the loop of the network that beats,
so a method that computes for minutes, or a notebook's cell that blocks, stops nothing. For peers
of 1.x there is the keepalive of TCP, which sees a cable and not a program that hangs.
"""

import asyncio
import contextlib
import socket
from typing import Protocol

from .constants import HEARTBEAT, PING

__all__ = ["PING_LINE", "Heartbeat", "keep_alive"]

PING_LINE = f'{{"attribute":"{PING}","service":"Manager"}}'.encode()
"""What is sent, without its end. It is neither answered nor handed on."""

LOOKS = 8
"""How often within an interval it is looked whether something has come: by one part of it a silence
is noticed too late at the most. Looks are counted, and not seconds, so that a loop that was held up
itself does not take the others for dead."""


class _Beating(Protocol):
    heard: bool

    @property
    def is_deaf(self) -> bool: ...

    def send(self, line: bytes) -> bool: ...

    def abort(self, reason: str) -> None: ...


class Heartbeat:
    """Beats for a connection until it is stopped; on the event loop.

    Args:
        connection: Sets its `heard` whenever it has received something; `is_deaf` while it
            does not want to.
        interval: Seconds between two beats.
    """

    def __init__(self, connection: _Beating, interval: float) -> None:
        self._connection = connection
        self._interval = interval
        self._looks = 0
        self._silent = 0
        self._wait()

    def stop(self) -> None:
        """Beat no more."""
        self._timer.cancel()

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._interval / LOOKS, self._look)

    def _look(self) -> None:
        connection = self._connection
        self._silent = 0 if connection.heard or connection.is_deaf else self._silent + 1
        connection.heard = False
        if self._silent >= 2 * LOOKS:
            connection.abort(f"it was silent for {2 * self._interval:g} seconds")
            return
        self._wait()
        self._looks += 1
        if self._looks % LOOKS == 0:
            connection.send(PING_LINE + b"\r\n")


def keep_alive(sock: socket.socket, interval: float = HEARTBEAT) -> None:
    """Have the system find out within two heartbeats that a computer is out of reach.

    Args:
        sock: A connected socket.
        interval: Seconds between two heartbeats; the system counts in whole ones.
    """
    idle, probes = max(1, round(interval)), 2
    options = [
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", idle),
        (socket.IPPROTO_TCP, "TCP_KEEPALIVE", idle),  # its name on macOS
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", max(1, idle // probes)),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", probes),
        # of what has been sent and is not acknowledged, in milliseconds
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 2000 * idle),
    ]
    for level, name, value in options:
        # not every system has all of them
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                sock.setsockopt(level, getattr(socket, name), value)

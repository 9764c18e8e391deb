"""Ports for servers that are started again, or by another process."""

import contextlib
import random
import socket

PORTS = range(10_000, 30_000)
"""Ports that no system gives to a Client for its own end of a connection: one of those can be taken
while a server is away."""


def free_port() -> int:
    """A port on which nothing listens, and which nobody gets by chance."""
    for port in random.sample(PORTS, 100):
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise RuntimeError("no port is free")

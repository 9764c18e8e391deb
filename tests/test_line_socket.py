"""A device's end of a connection."""

import socket
import struct
import threading

from msl_network import Service, connect, loop_thread
from msl_network.line_socket import open_line_socket


class Echo(Service):
    def echo(self, value):
        return value


class Interrupted:
    """An event loop; one who wakes it up is interrupted, as by Ctrl+C."""

    def __init__(self, loop):
        self._loop = loop

    def __getattr__(self, name):
        return getattr(self._loop, name)

    def call_soon_threadsafe(self, *args):
        raise KeyboardInterrupt


def test_interrupt_while_sending_holds_nothing_up(manager, monkeypatch):
    with Echo().start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        link = client.link("Echo")
        connection = client._session._connection
        with monkeypatch.context() as patch:
            patch.setattr(connection, "_loop", Interrupted(connection._loop))
            try:
                link.echo("x" * 100_000)
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError("it has not been interrupted")
        assert link.echo("y", timeout=20) == "y"
        assert not client._session._in_flight._replies


class Receiver:
    """Keeps what it is told."""

    def __init__(self):
        self.lines = []
        self.error = None
        self.lost = threading.Event()

    def line_received(self, line):
        self.lines.append(line)

    def connection_lost(self, error):
        self.error = error
        self.lost.set()


def test_reset_that_comes_with_the_last_lines_is_seen():
    """The lines first. The event loop tells of both at once, and of the reset never again."""
    lines = [b"x" * 1000] * 90  # more than one read takes, less than the system does
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = Receiver()
        opening = loop_thread.submit(
            open_line_socket(*server.getsockname(), context=None, receiver=receiver, limit=10_000)
        )
        peer, _ = server.accept()
        opening.result(20)
        held = threading.Event()
        loop_thread.get_loop().call_soon_threadsafe(held.wait)  # so that both are there
        peer.sendall(b"\n".join([*lines, b""]))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        held.set()
        assert receiver.lost.wait(20)
    assert receiver.lines == lines
    assert isinstance(receiver.error, ConnectionResetError)

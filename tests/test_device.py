"""Connecting to what is not a Manager."""

import contextlib
import socket
import threading

import pytest

from msl_network import connect

QUESTION = b'{"attribute": "username", "args": ["Manager[a:1]"], "kwargs": {}, "uid": ""}\r\n'
IDENTITY = b'{"attribute": "identity", "features": ["ping"], "heartbeat": 1e-9, "uid": ""}\r\n'


@contextlib.contextmanager
def server(data, *, endless=False):
    """A server that sends this to whoever connects."""

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(data)
                while endless:
                    connection.sendall(data)
                connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("data", "endless", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", False, "is not a Manager: The message is not JSON"),
        (b"x" * 65536, True, "larger than the limit of 131072 bytes"),
        (b'{"attribute": "x", "uid": "1"}\r\n', True, "it does not ask who connects"),
        (QUESTION, True, "The Manager asks for the username again and again"),
    ],
)
def test_what_is_not_a_manager(data, endless, text):
    with (
        server(data, endless=endless) as port,
        pytest.raises(ConnectionError, match=text),
    ):
        connect(host="127.0.0.1", port=port, disable_tls=True, username="n.bohr", timeout=20)


def test_heartbeat_that_would_leave_no_time_for_anything_else():
    received = []

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(IDENTITY)
            while data := connection.recv(65536):
                received.append(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        with pytest.raises(ConnectionError, match="not established"):
            connect(host="127.0.0.1", port=port, disable_tls=True, timeout=0.5)
        thread.join(20)
    assert b"identity" in b"".join(received)
    assert b"".join(received).count(b"__ping__") == 0


def test_what_says_nothing():
    with (
        server(b"") as port,
        pytest.raises(ConnectionError, match=r"not established after 0\.2 second"),
    ):
        connect(host="127.0.0.1", port=port, disable_tls=True, timeout=0.2)

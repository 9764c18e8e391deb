"""Mutated messages from a Manager that lies: a Client and a Service end in documented errors only.

Nobody hangs, nothing is left behind, and nothing comes out of the loop of the network that is not
meant for the user.
"""

import contextlib
import socket
import threading
import time
from functools import partial

import pytest

from msl_network import RemoteError, connect, device, line_socket, reconnecting
from msl_network.client import session
from msl_network.cryptography import generate_certificate, generate_key
from msl_network.examples.echo import Echo
from tests.census import Errors
from tests.leaks import leaks

from .liar import Liar
from .seeds import IDENTITY_LINES

CONNECT = (ConnectionError, TimeoutError, ValueError, NameError)
"""What `connect` and `Service.start` say that they raise."""

REQUEST = (ConnectionError, TimeoutError, RemoteError, ValueError)

PROMPT = 10.0
"""Seconds in which everything must have ended once the connection has."""


@pytest.fixture(params=["tls", "plain"])
def tls(request, tmp_path):
    """The certificate and the key of the Manager, and how it is reached."""
    kwargs = {
        "host": "localhost",
        "timeout": PROMPT,
        "reconnect": 0,
        "username": "n.bohr",
        "password": "x",
    }
    if request.param == "plain":
        return None, {**kwargs, "disable_tls": True}
    key = generate_key(path=str(tmp_path / "key"), algorithm="ECC")
    cert = generate_certificate(path=str(tmp_path / "crt"), key_path=key)
    return (cert, key), {**kwargs, "cert_file": cert}


@pytest.fixture(autouse=True)
def nothing_is_left(caplog):
    errors = Errors()
    with leaks():
        yield
        errors.close()
        # what pytest keeps of the log are errors, with all that they have come through
        caplog.get_records("call").clear()
    assert errors.texts == []


def test_connecting(tls):
    certificate, kwargs = tls
    ended = set()
    with Liar(honest=False, lies=5, seed=1, tls=certificate) as liar:
        for i in range(150):
            try:
                if i % 2:
                    connect(port=liar.port, **kwargs).disconnect(PROMPT)
                else:
                    Echo().start_in_background(port=liar.port, **kwargs).stop()
                ended.add(None)
            except CONNECT as error:
                ended.add(str(error))
    assert liar.sent >= 150 * 5
    assert "" not in ended
    assert len(ended) >= 5


def documented(errors, call, *args):
    """Do something that may fail, as it says."""
    try:
        return call(*args)
    except errors as error:
        text = str(error)
    assert text
    return None


def test_session_of_a_client(tls):
    certificate, kwargs = tls
    notified = []
    with Liar(honest=True, lies=90, seed=2, tls=certificate) as liar:
        for _ in range(25):
            client = connect(port=liar.port, **kwargs)
            link = client.link("Echo", timeout=PROMPT)
            link.notification_handler = lambda *args, **kwargs: notified.append((args, kwargs))
            futures = []
            for i in range(25):
                futures.append(documented(REQUEST, partial(link["echo"], 1, asynchronous=True)))
                if i % 10 == 0:
                    documented(REQUEST, partial(client.identities, timeout=0.05))
                    other = documented(REQUEST, partial(client.link, "Other", timeout=0.05))
                    if other is not None:
                        dir(other)
                        repr(other)
            client.disconnect(PROMPT)
            for future in filter(None, futures):
                documented(REQUEST, future.result, PROMPT)
                assert future.done()
    assert liar.sent > 1500
    assert notified


def test_session_of_a_service(tls):
    certificate, kwargs = tls
    with Liar(honest=True, lies=90, seed=3, tls=certificate) as liar:
        for _ in range(25):
            with Echo().start_in_background(port=liar.port, **kwargs) as running:
                running.service.emit_notification(1)
                # each of its answers is answered with further lies
                running.wait(PROMPT)
    assert liar.sent > 500


def test_coming_back_to_a_liar(monkeypatch):
    """Links are made again with whatever it says of the Services."""
    monkeypatch.setattr(reconnecting, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(reconnecting, "LONGEST_PAUSE", 0.05)
    kwargs = {"disable_tls": True, "timeout": 0.2, "reconnect": 60, "username": "n.bohr"}
    kwargs |= {"password": "x", "password_manager": "y"}
    deadline = time.monotonic() + 30
    with Liar(honest=True, lies=30, seed=6, stays=True) as liar:
        client = connect(port=liar.port, **kwargs)
        link = client.link("Echo", timeout=PROMPT)
        connections = set()
        while len(connections) < 20:
            assert time.monotonic() < deadline
            documented(REQUEST, partial(link["echo"], 1, timeout=0.05))
            connections.add(client.port)
        client.disconnect(PROMPT)


@pytest.mark.parametrize("heartbeat", [b"NaN", b"Infinity", b"-Infinity", b"-5", b"0", b"1e300"])
def test_heartbeat_that_is_none(heartbeat):
    """A device beats as it does by default where it is told nonsense."""
    kwargs = {"disable_tls": True, "timeout": PROMPT, "reconnect": 0}
    with Liar(honest=True, lies=1, seed=4, heartbeat=heartbeat) as liar:
        connect(port=liar.port, **kwargs).disconnect(PROMPT)
        Echo().start_in_background(port=liar.port, **kwargs).stop()


@pytest.mark.parametrize("asks", [True, False])
def test_a_manager_that_sends_without_end_and_registers_nobody(monkeypatch, asks):
    monkeypatch.setattr(device, "MESSAGE_LIMIT", 1_000_000)
    line = b'{"attribute":"echo","service":"Echo","uid":"1"}\r\n' if asks else b"\n"

    def send():
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as file, contextlib.suppress(OSError):
            peer.sendall(IDENTITY_LINES[0])
            file.readline()
            while True:
                peer.sendall(line * 1000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=send)
        thread.start()
        kwargs = {"port": server.getsockname()[1], "disable_tls": True, "timeout": PROMPT}
        text = "more than 1000000 bytes at the beginning" if asks else "is not a Manager"
        with pytest.raises(ConnectionError, match=text):
            connect(**kwargs, reconnect=0)
        thread.join(PROMPT)
        assert not thread.is_alive()


def test_a_manager_that_does_not_let_go(monkeypatch):
    for module in (session, line_socket):
        monkeypatch.setattr(module, "SHUTDOWN_TIMEOUT", 0.3)
    kwargs = {"disable_tls": True, "timeout": PROMPT, "reconnect": 0}
    with Liar(honest=True, lies=1, seed=5, clings=True) as liar:
        client = connect(port=liar.port, **kwargs)
        client.disconnect(PROMPT)
        assert not client.is_connected()

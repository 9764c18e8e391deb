"""A device's end of a connection."""

import asyncio
import contextlib
import socket
import struct
import threading

import pytest

from msl_network import Service, aio, connect, line_socket, loop_thread, serial, serving
from msl_network.client import reply
from msl_network.constants import WORKERS
from msl_network.line_socket import open_line_socket
from msl_network.wire.messages import TooManyError

from .laboratory import eventually


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


# --- a Manager that is slow ------------------------------------------------------------------

BIG = "x" * 400_000


@pytest.fixture
def small(monkeypatch):
    """A megabyte waits for a Manager, and no more."""
    for module in (line_socket, reply, serving):
        monkeypatch.setattr(module, "OUTGOING_LIMIT", 1_000_000)


@contextlib.contextmanager
def not_reading(manager, name):
    """The Manager does not read what a device sends."""
    peers = manager._running.manager.peers
    peer = next(peer for peer in peers if peer.record and peer.record.identity.name == name)
    loop = loop_thread.get_loop()
    stopped = threading.Event()
    loop.call_soon_threadsafe(lambda: (peer.connection.pause_lines(), stopped.set()))
    assert stopped.wait(20)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(peer.connection.resume_lines)


class Source(Service):
    """Makes more than a Manager takes."""

    def __init__(self):
        super().__init__()
        self.made = 0
        self._release = threading.Event()
        self._refused = threading.Event()

    def size(self, text):
        return len(text)

    def big(self):
        self.made += 1
        return BIG

    async def big_on_loop(self):
        self.made += 1
        return BIG

    def items(self):
        for _ in range(40):
            self.made += 1
            yield BIG

    @serial
    def hold(self):
        self.made += 1
        self._release.wait(20)

    async def emit(self):
        self.emit_notification("beat")  # a few wait their turn
        with pytest.raises(TooManyError, match="Emit fewer, or from a thread, which waits"):
            for _ in range(40):
                self.emit_notification(BIG)
        self._refused.set()


@pytest.fixture
def source(manager):
    service = Source()
    with service.start_in_background(**manager.kwargs):
        yield service


@pytest.fixture
def client(manager):
    with connect(**manager.kwargs) as client:
        yield client


def test_thread_that_is_faster_than_its_manager_waits(manager, source, client, small):
    link = client.link("Source")
    replies = []

    def gives_up_what_was_not_sent():
        with pytest.raises(TimeoutError) as caught:
            link.size(BIG, timeout=0.01)
        cancellation = caught.value.cancellation
        return cancellation.done() and cancellation.result() == "not begun"

    def send():
        for _ in range(40):
            replies.append(link.size(BIG, asynchronous=True))

    with not_reading(manager, "Client"):
        thread = threading.Thread(target=send)
        thread.start()
        eventually(gives_up_what_was_not_sent)
        assert len(replies) < 39
    thread.join(20)
    assert [reply.result(20) for reply in replies] == [len(BIG)] * 40


def test_who_waits_is_told_that_the_connection_is_lost(manager, source, small):
    with connect(**manager.kwargs, name="Lost", reconnect=0) as client:
        link = client.link("Source")
        errors = []

        def send():
            try:
                for _ in range(40):
                    link.size(BIG, asynchronous=True)
            except ConnectionError as error:
                errors.append(error)

        with not_reading(manager, "Lost"):
            thread = threading.Thread(target=send)
            thread.start()
            eventually(lambda: client._session._connection.queued > 0)
            abort = client._session._connection.abort
            loop_thread.get_loop().call_soon_threadsafe(abort, "it is lost")
            thread.join(20)
        assert "Disconnected from Manager" in str(errors[0])


def test_coroutine_that_is_faster_than_its_manager_is_told(manager, source, small):
    """Some requests wait for room; what is too much is refused, and nothing else."""

    async def work():
        async with aio.connect(**manager.kwargs, name="Fast") as client:
            link = await client.link("Source")
            with not_reading(manager, "Fast"):
                replies = []
                with pytest.raises(TooManyError, match="Wait for replies before you send more"):
                    for _ in range(40):
                        replies.append(link.size(BIG, asynchronous=True))
                assert len(replies) > 3
            assert await asyncio.gather(*replies) == [len(BIG)] * len(replies)

    asyncio.run(work())


@pytest.mark.parametrize("method", ["big", "big_on_loop"])
def test_replies_wait_for_the_manager(manager, source, client, small, method):
    link = client.link("Source")
    with not_reading(manager, "Source"):
        # requests come in all the same
        replies = [link[method](asynchronous=True) for _ in range(60)]
        eventually(lambda: source.made > 3)
        if method == "big":
            assert source.made <= WORKERS + 10  # no thread makes more while its result waits
    assert all(reply.result(20) == BIG for reply in replies)


def test_items_wait_for_the_manager(manager, source, client, small):
    link = client.link("Source")
    with not_reading(manager, "Source"):
        streams = [link.items() for _ in range(10)]
        eventually(lambda: source.made >= 10)
    assert all(item == BIG for stream in streams for item in stream)


def test_notifications_wait_in_a_thread_and_are_refused_on_the_loop(manager, source, client, small):
    link = client.link("Source")
    got = []
    link.notification_handler = got.append

    def emit():
        for _ in range(40):
            source.emit_notification(BIG)
        source.emit_notification("last")

    with not_reading(manager, "Source"):
        thread = threading.Thread(target=emit)
        thread.start()
        eventually(lambda: source._Service__session._connection.queued > 0)
        link.emit(asynchronous=True)
        assert source._refused.wait(20)
    thread.join(20)
    eventually(lambda: got[-1:] == ["last"])
    assert got.count(BIG) >= 40
    assert "beat" in got


def test_request_that_is_given_up_is_answered_once(manager, source, client, small):
    """Its answer waits for the Manager when its Client goes, and is not counted again."""
    executor = source._Service__session.executor
    with connect(**manager.kwargs) as other:
        link = other.link("Source")
        link.hold(asynchronous=True)
        waiting = link.hold(asynchronous=True)
        eventually(lambda: source.made == executor.waiting == 1)
        with not_reading(manager, "Source"):
            replies = [client["Source"].big_on_loop(asynchronous=True) for _ in range(60)]
            eventually(lambda: source.made == 61)
            waiting.cancel()
            eventually(lambda: len(executor.requests) == 1)
            other.disconnect()
            eventually(lambda: any(request._is_gone for request in executor.requests))
    assert all(reply.result(20) == BIG for reply in replies)
    eventually(lambda: executor._running == 1)
    source._release.set()
    eventually(lambda: executor._running == 0)

"""What is fuzzed of those who take part: each target takes lines, as a hostile peer sends them.

They are the real Manager, Client and Service, on the loop of the network, without a network: what
comes in is given to them, and what they send is read. A target raises when one of them does not end
what it was asked, keeps something, lets an exception out, or sends what is no message.
"""

import asyncio
import contextlib
import functools
import itertools
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

from msl_network import Service, loop_thread, serial
from msl_network.asking import ask_nobody
from msl_network.client.calls import remote_callable, yields
from msl_network.client.notifier import Handler
from msl_network.client.session import Session
from msl_network.connection import Connection
from msl_network.constants import FEATURES, IDENTITY, ITEMS, PROGRESS
from msl_network.database import ConnectionsTable, HostnamesTable, UsersTable
from msl_network.device import ConnectOptions
from msl_network.line_socket import LineSocket
from msl_network.manager.authentication import Login
from msl_network.manager.limits import Limits
from msl_network.manager.listening import Visitor
from msl_network.manager.manager import Manager, Tables
from msl_network.serving import ServiceSession
from msl_network.wire.codec import decode
from msl_network.wire.handshake import Authentication
from msl_network.wire.messages import Message, parse, result_line
from tests.census import Errors

from .seeds import CLIENT_NAME

__all__ = ["PEER_TARGETS"]

PROMPT = 10.0
"""Seconds in which everything has ended that was asked for."""

OPTIONS = ConnectOptions(disable_tls=True, reconnect=0, username="n.bohr", password="x")


def _expect(condition: object, what: str) -> None:
    if not condition:
        raise AssertionError(what)


class _Errors(Errors):
    def emit(self, record: logging.LogRecord) -> None:
        # whoever keeps the record does not keep the error, with all that it has come through
        record.msg, record.args = record.getMessage(), ()
        super().emit(record)


def _run(target: Callable[[list[bytes]], Coroutine[Any, Any, None]], data: bytes) -> None:
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    with contextlib.closing(_Errors()) as errors:
        loop_thread.submit(target(lines)).result(6 * PROMPT)
    _expect(not errors.texts, "\n".join(errors.texts))


async def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PROMPT
    while not condition():
        _expect(time.monotonic() < deadline, what)
        await asyncio.sleep(0)


def _messages(data: bytes) -> list[Message]:
    _expect(not data or data.endswith(b"\r\n"), "half a line")
    return [parse(line) for line in data.split(b"\r\n")[:-1]]


# --- the Manager ------------------------------------------------------------------------------

WHO: list[dict[str, Any]] = [
    {"type": "client", "name": "Old"},
    {"type": "client", "name": "Client", "features": FEATURES},
    {"type": "service", "name": "Echo", "attributes": {"echo": "(x)"}, "features": FEATURES},
    {"type": "service", "name": "Pool", "attributes": {}, "features": FEATURES, "replica": True},
    {"type": "service", "name": "Pool", "attributes": {}, "features": FEATURES, "replica": True},
]


class _Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"socket": _socket(), "peername": ("127.0.0.1", 1)})
        self.written = bytearray()
        self.is_closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close


@functools.cache
def _socket() -> socket.socket:
    return socket.socket()


@functools.cache
def _manager() -> Manager:
    tables = Tables(
        *(
            table(database=":memory:", check_same_thread=False)
            for table in (ConnectionsTable, HostnamesTable, UsersTable)
        )
    )
    manager = Manager(port=1875, authentication=Authentication.NONE, tables=tables, limits=Limits())

    async def check(username: object, password: object) -> Login:
        return Login(False)

    manager.logins.check = check  # type: ignore[method-assign]
    manager.brake.failed = lambda *_: None  # type: ignore[method-assign]
    manager.recorder.record = lambda *_: None  # type: ignore[method-assign]
    return manager


_ports = itertools.count(1)


class _Peer:
    """A connection to a Manager."""

    def __init__(self, manager: Manager) -> None:
        self.visitor = Visitor(_socket(), ("127.0.0.1", next(_ports)), float("inf"))
        manager.admission.enter(self.visitor, "127.0.0.1")
        self.transport = _Transport()
        self.connection: Connection = manager.connect(self.visitor)
        self.connection.connection_made(self.transport)

    def send(self, line: bytes) -> None:
        line += b"\n"
        for start in range(0, len(line), 10_000):
            part = line[start : start + 10_000]
            self.connection.get_buffer(-1)[: len(part)] = part
            self.connection.buffer_updated(len(part))

    @property
    def is_busy(self) -> bool:
        return self.connection.is_deaf and not self.transport.is_closed

    def close(self) -> None:
        self.connection.connection_lost(None)


async def _at_a_manager(lines: list[bytes]) -> None:
    manager = _manager()
    registry = manager.registry
    peers = [_Peer(manager) for _ in WHO]
    for peer, identity in zip(peers, WHO, strict=True):
        peer.send(result_line(identity)[:-2])
    client = next(name for name in registry.clients if name.startswith("Client")).encode()
    for line in lines:
        if line:
            peer = peers[(line[0] - ord("0")) % len(peers)]
            peer.send(line[1:].replace(CLIENT_NAME.encode(), client))
            await _until(lambda peer=peer: not peer.is_busy, "a line is looked into for ever")  # type: ignore[misc]
    await _until(lambda: not manager._tasks, "a login or a request does not end")
    services = [r for s in registry.services.values() for r in s.replicas]
    asked = sum(client.in_flight for client in registry.clients.values())
    _expect(asked == sum(service.waiting for service in services), "the books are wrong")
    _expect(asked == sum(s.in_flight.total() for s in services), "the books are wrong")
    for peer in peers[2:]:
        peer.close()
    _expect(not any(c.in_flight for c in registry.clients.values()), "a request is nobody's")
    for peer in peers[:2]:
        peer.close()
    for peer in peers:
        _messages(bytes(peer.transport.written))
    left = [
        *(manager.peers, manager.admission, registry.clients, registry.services),
        *(registry.news.watchers, registry._left_behind),
    ]
    _expect(not any(map(len, left)), f"something is left: {left}")
    _expect(registry._size == 0 and manager._budget.total == 0, "bytes are still counted")


# --- devices ----------------------------------------------------------------------------------


class _Wire:
    """A connection whose other end is read here."""

    def __init__(self, receiver: Any) -> None:
        self._own, self._other = socket.socketpair()
        self._own.setblocking(False)
        self._other.setblocking(False)
        self.connection = LineSocket(self._own, receiver, 1_000_000)

    def read(self) -> bytes:
        data = bytearray()
        with contextlib.suppress(BlockingIOError):
            while part := self._other.recv(1_000_000):
                data += part
        return bytes(data)

    async def read_all(self) -> bytes:
        data = bytearray()
        connection = self.connection
        while True:
            data += self.read()
            if not (connection._backlog or connection._outbox):
                return bytes(data) + self.read()
            await asyncio.sleep(0)

    def close(self) -> None:
        self.connection.abort("the end")
        self._other.close()


ENTRY: dict[str, Any] = {
    "attributes": {"echo": "(x)", "scan": "()"},
    "features": list(FEATURES),
    "streams": ["scan"],
}


async def _at_a_client(lines: list[bytes]) -> None:
    session = Session("Client", OPTIONS, ask_nobody)
    session.manager_features = list(FEATURES)
    wire = _Wire(session)
    session._connection = wire.connection
    session.port = 1
    told: list[object] = []
    handler = Handler(lambda *args, **kwargs: told.append((args, kwargs)), loop_thread.get_loop())
    link = session.linked("Echo", dict(ENTRY))
    link.handler = handler
    link.on_changed.add(handler)
    link.on_restored.add(handler)
    watching = session.watching
    watching.is_live = True
    ask = functools.partial(session.request, "Echo", "echo", (), {})
    replies = [ask(), ask(stream=True), ask(on_progress=handler), ask(safe_to_repeat=True)]
    for line in lines:
        session.line_received(line)
    for entries in (watching.services, watching.clients):
        _expect(all(isinstance(entry, dict) for entry in entries.values()), "no entry")
    for name in (*link.identity["attributes"], "scan"):
        function = remote_callable(link, name, print)
        _expect(isinstance(function.__doc__, str), "no docstring")
        yields(link, name)
    for reply in replies:
        repr(reply)
        if reply.items is not None:
            while reply.items.take():
                pass
    replies[0].cancel()
    # a reply of more than some kilobytes is read on a thread
    _messages(await wire.read_all())
    wire.close()
    _expect(all(reply.done() for reply in replies), "a reply has not come, nor an error")
    _expect(not session._in_flight._replies, "a request is left")
    for task in tuple(session._tasks):
        task.cancel()
    await _until(lambda: not session._tasks, "a task is left")
    await asyncio.sleep(0)


class Fuzzed(Service):
    """A Service with all kinds of methods, none of which takes long."""

    value = 5

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        self.progress(len(args), len(kwargs), "echo")
        return args, kwargs

    async def later(self, *args: Any) -> Any:
        await asyncio.sleep(0)
        return args

    @serial
    def one(self, number: int = 0) -> int:
        return number + 1

    def scan(self, count: int = 2000) -> Any:
        yield from range(min(count, 2000))

    async def follow(self, count: int = 2000) -> Any:
        for number in range(min(count, 2000)):
            yield number


@functools.cache
def _serving() -> tuple[ServiceSession, _Wire]:
    service = Fuzzed(name="Echo")
    session = ServiceSession(service, OPTIONS)
    session.executor.known = list(FEATURES)
    wire = _Wire(session)
    session._connection = wire.connection
    session._begin()
    return session, wire


async def _at_a_service(lines: list[bytes]) -> None:
    session, wire = _serving()
    executor = session.executor
    for line in lines:
        session.line_received(line)
    await asyncio.sleep(0.0005)  # in which some of it begins
    executor.gone()
    sent = bytearray()

    def has_ended() -> bool:
        sent.extend(wire.read())
        return not executor._running

    await _until(has_ended, "a request does not end")
    sent += await wire.read_all()
    await asyncio.sleep(0)
    _expect(not executor.requests, "a request is left")
    for message in _messages(bytes(sent)):
        _expect(message.is_reply or message.attribute in (ITEMS, PROGRESS, IDENTITY), "no answer")
        with contextlib.suppress(ValueError):
            decode(memoryview(message.args))


PEER_TARGETS: dict[str, Callable[[bytes], None]] = {
    "manager": functools.partial(_run, _at_a_manager),
    "client": functools.partial(_run, _at_a_client),
    "service": functools.partial(_run, _at_a_service),
}

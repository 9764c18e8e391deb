"""Whoever dies, at whatever stage and in whatever way: who is told what, and what is left.

`closed` is a program that ends, `reset` a computer that restarts, `silent` a cable that is out: no
packet comes any more. Whoever is told has it within 2 seconds, of a silence within two heartbeats.

| died    | itself                              | others                                           |
| ------- | ----------------------------------- | ------------------------------------------------ |
| Client  | replies, and what is to be called   | its links and locks are free; the method that    |
|         | of it: `ConnectionAbortedError`;    | it asked for goes on, its reply goes nowhere;    |
|         | requests: `ConnectionError`         | others have their replies and notifications      |
| Service | `connection_lost` is called with a  | replies: `RemoteError: ConnectionAbortedError`;  |
|         | `ConnectionAbortedError`, then      | requests: `RemoteError: KeyError`; its name      |
|         | `shutdown_handler`, then it ends    | and locks are free, the Clients stay connected   |
| Manager | its registry is empty               | each Client and Service as if it had died itself |

Who dies before it is registered has a `ConnectionError` or a `TimeoutError` from `connect` or
`start`, and a silent one is forgotten by the Manager after its deadline for the handshake.
"""

import contextlib
import logging
import threading
import time
from concurrent.futures import Future

import pytest

from msl_network import Limits, LocalManager, RemoteError, Service, connect
from msl_network.manager.peer import LAST_WORDS

from .cable import Cable
from .laboratory import eventually
from .leaks import leaks

SUBJECTS = ["client", "service", "manager"]
WAYS = ["closed", "reset", "silent"]
BEAT = 0.6  # seconds, where there is a silence; otherwise none is heard of it
ROOM = 0.8  # seconds that a busy computer may take for it
LIMIT = {"closed": 2.0, "reset": 2.0, "silent": 2 * BEAT + ROOM}

BIG = "x" * 4_000_000
PART = 100_000  # bytes of it that arrive

GONE = "ConnectionAbortedError: The 'Bench' service disconnected before it replied"


class Bench(Service):
    def __init__(self):
        super().__init__()
        self._entered = threading.Semaphore(0)
        self._release = threading.Event()
        self._ended = threading.Event()
        self._echoed = []
        self._lost = []

    def wait(self):
        self._entered.release()
        return self._release.wait(60)

    def echo(self, value):
        self._echoed.append(value)
        return value

    def big(self):
        return BIG

    def connection_lost(self, error):
        self._lost.append(error)

    def shutdown_handler(self):
        self._ended.set()


class World:
    """A Manager with a Service, a Client `a` and a Client `b`, each at the end of a cable."""

    def __init__(self, stack, subject, way):
        self.subject, self.way = subject, way
        # a device that is known gives signs of life, before that there is a deadline
        silent = Limits(heartbeat=BEAT, handshake_timeout=2 * BEAT)
        limits = silent if way == "silent" else Limits(heartbeat=60)
        self.manager = stack.enter_context(LocalManager(limits=limits))
        self.inside = self.manager._running.manager
        connect(**self.options()).disconnect()  # the Manager's own threads are there from now on
        self.links = {}
        self.cables = {
            name: stack.enter_context(Cable(self.manager.port)) for name in ("a", "b", "service")
        }
        self.dying = [
            cable
            for name, cable in self.cables.items()
            if {"a": "client"}.get(name, name) == subject or subject == "manager"
        ]

    def options(self, cable=None, timeout=20):
        """How a device connects, at the end of a cable; it does not come back."""
        kwargs = {**self.manager.kwargs, "reconnect": 0, "timeout": timeout}
        return kwargs if cable is None else {**kwargs, "port": cable.port}

    @contextlib.contextmanager
    def devices(self, *, linked=("a", "b")):
        """Nothing is left of them and their connections when they have gone."""
        with leaks(*self.cables.values()), contextlib.ExitStack() as stack:
            self.bench = Bench()
            stack.callback(self.bench._release.set)
            self.running = self.bench.start_in_background(**self.options(self.cables["service"]))
            stack.callback(self.running.stop)
            self.clients, self.links, self.lost, self.got, self.why = {}, {}, {}, {}, {}
            for name in ("a", "b"):
                client = stack.enter_context(connect(name=name, **self.options(self.cables[name])))
                self.clients[name] = client
                self.lost[name] = threading.Event()
                client.on_disconnect(self.lost[name].set)
                client.on_connection_lost(self.why.setdefault(name, []).append)
                if name in linked:
                    link = self.links[name] = client.link("Bench")
                    got = self.got[name] = []
                    link.notification_handler = lambda text, got=got: got.append(len(text))
                    del link
                del client
            yield
            stack.close()
            del stack, self.bench, self.running, self.clients, self.links, self.why

    def die(self):
        how = {"closed": Cable.close, "reset": Cable.reset, "silent": Cable.silence}[self.way]
        for cable in self.dying:
            how(cable)
        self._deadline = time.monotonic() + LIMIT[self.way]

    def left(self):
        """Seconds until everybody must have been told."""
        return max(self._deadline - time.monotonic(), 0)

    def soon(self, condition, more=0):
        while not condition():
            assert self.left() or time.monotonic() < self._deadline + more, "it took too long"
            time.sleep(0.005)

    def told(self, future, error, text=""):
        caught = future.exception(self.left())
        assert isinstance(caught, error), repr(caught)
        assert text in str(caught)

    def replies(self, a, b):
        """Who waits for a reply of the Service is told, save for who has nothing to do with it."""
        if self.subject == "service":
            self.told(a, RemoteError, GONE)
            self.told(b, RemoteError, GONE)
        else:
            self.told(a, ConnectionAbortedError, "closed the connection")
            if self.subject == "manager":
                self.told(b, ConnectionAbortedError, "closed the connection")

    def everybody(self):
        """Everybody knows, and the Manager has forgotten the dead; the others go on."""
        registry = self.inside.registry
        dead = {"client": ["a"], "service": [], "manager": ["a", "b"]}[self.subject]
        service_lives = self.subject == "client"
        for name in dead:
            assert self.lost[name].wait(self.left())
            self.soon(lambda name=name: self.why[name])
            assert [type(error) for error in self.why[name]] == [ConnectionAbortedError]
            assert not self.clients[name].is_connected()
            with pytest.raises(ConnectionError, match="Disconnected from Manager"):
                self.clients[name].identities()
            assert not self.clients[name]._session._in_flight._replies
        if not service_lives:
            self.running.wait(self.left())
            assert self.bench._ended.is_set()
            assert [type(error) for error in self.bench._lost] == [ConnectionAbortedError]
            assert type(self.running.reason) is ConnectionAbortedError
            assert not self.running.is_running()
        alive = [name for name in ("a", "b") if name not in dead]
        assert not [name for name in alive if self.why[name]]
        self.soon(lambda: [c.identity.name for c in registry.clients.values()] == alive)
        self.soon(lambda: list(registry.services) == (["Bench"] if service_lives else []))
        self.soon(lambda: len(self.inside.peers) == len(alive) + service_lives)
        ports = {str(self.clients[name].port) for name in dead}
        for record in registry.services.values():
            known = [*record.links, *record.locks, *(key[0] for key in record.in_flight)]
            assert not [name for name in known if name.rpartition(":")[2].rstrip("]") in ports]
            assert record.waiting == record.in_flight.total()
        for name, record in registry.clients.items():
            counts = [s.in_flight.items() for s in registry.services.values()]
            waiting = sum(n for items in counts for key, n in items if key[0] == name)
            assert record.in_flight == waiting
        for name in alive:
            assert self.clients[name].identities(timeout=20)["port"] == self.manager.port
        if service_lives:
            link = self.clients["b"].link("Bench")
            assert link.echo("still here", timeout=20) == "still here"
            assert self.running.is_running()
        else:
            for link in self.links.values():
                with pytest.raises((RemoteError, ConnectionError), match="Bench"):
                    link.echo("nobody there", timeout=20)
            self.again()

    def again(self):
        """What has died can come again, and finds nothing of what was before."""
        registry = self.inside.registry
        with (
            Bench().start_in_background(**self.options()),
            connect(**self.options()) as client,
        ):
            link = client.link("Bench")
            assert link.echo("again", timeout=20) == "again"
            if not (self.subject == "service" and self.links):
                assert len(link.acquire_lock()) == 1
                assert link.release_lock() == []
            assert not registry.services["Bench"].locks
            assert not registry.services["Bench"].in_flight


def in_background(function, *args, **kwargs):
    """Call a function on a thread of its own; returns the future of its result."""
    future = Future()

    def call():
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


# --- the stages ------------------------------------------------------------------------------


def handshake(world):
    """In the middle of TLS, before the Manager's question who it is, and before the answer."""
    starts = {"client": [connect], "service": [Bench().start_in_background]}
    starts["manager"] = starts["client"] + starts["service"]
    # who hears nothing at all gives up; who has been told of heartbeats counts them
    timeout = 2 * BEAT if world.way == "silent" else 20
    for direction, turn in (("down", 1), ("down", 2), ("up", 3)):
        with contextlib.ExitStack() as stack:
            cables = [stack.enter_context(Cable(world.manager.port)) for _ in starts[world.subject]]
            with leaks(*cables, timeout=LIMIT[world.way]):
                connecting = []
                for cable, start in zip(cables, starts[world.subject], strict=True):
                    cable.stop(direction, turn=turn)
                    connecting.append(in_background(start, **world.options(cable, timeout)))
                for cable in cables:
                    assert cable.stopped[direction].wait(20)
                world.dying = cables
                world.die()
                for future in connecting:
                    world.told(future, (ConnectionError, TimeoutError))
                # who is too late is told so, and has a moment to take it
                world.soon(lambda: not world.inside.peers, more=LAST_WORDS)
                assert not world.inside.registry.clients
                assert not world.inside.registry.services
                del connecting, future
        world.again()


def idle(world):
    with world.devices():
        world.die()
        world.everybody()


def request(world):
    with world.devices():
        replies = [link.wait(asynchronous=True) for link in world.links.values()]
        for _ in range(2):
            assert world.bench._entered.acquire(timeout=20)
        world.die()
        world.replies(*replies)
        world.everybody()
        # the methods go on to their end, and what they reply to the dead goes nowhere
        world.bench._release.set()
        if world.subject == "client":
            assert replies[1].result(20) is True
            eventually(lambda: not world.inside.registry.services["Bench"].in_flight)
        del replies


def notification(world):
    with world.devices():
        cable, direction = ("service", "up") if world.subject == "service" else ("a", "down")
        world.cables[cable].stop(direction, after=PART)
        world.bench.emit_notification(BIG)
        assert world.cables[cable].stopped[direction].wait(20)
        world.die()
        world.everybody()
        assert world.got["a"] == []
        if world.subject == "client":
            eventually(lambda: world.got["b"] == [len(BIG)])


def lock(world):
    with world.devices(linked="a"):
        world.links["a"].acquire_lock()
        with pytest.raises(RemoteError, match="'Bench' service is locked"):
            world.clients["b"].link("Bench")
        world.die()
        world.everybody()


def message(world):
    """Half a request has arrived on the Manager, half a request or a reply on the other side."""
    stops = {
        "client": [("a", "up")],
        "service": [("service", "up"), ("service", "down")],
        "manager": [("a", "up"), ("service", "down")],
    }[world.subject]
    with world.devices():
        for cable, direction in stops:
            world.cables[cable].stop(direction, after=PART)
        a, b = world.links["a"], world.links["b"]
        if world.subject == "service":
            replies = [a.big(asynchronous=True)]
        else:
            replies = [a.echo(BIG, asynchronous=True)]
        value = "small" if world.subject == "client" else BIG
        replies.append(b.echo(value, asynchronous=True))
        for cable, direction in stops:
            assert world.cables[cable].stopped[direction].wait(20)
        world.die()
        world.replies(*replies)
        if world.subject == "client":
            assert replies[1].result(20) == "small"
        world.everybody()
        assert BIG not in world.bench._echoed
        del a, b, replies


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", [handshake, idle, request, notification, lock, message])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_death(subject, stage, way, caplog):
    with leaks(), contextlib.ExitStack() as stack:
        stage(World(stack, subject, way))
    # nor is there anything that nobody expected
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("way", WAYS)
def test_who_would_come_back_leaves_nothing_either(way):
    """It is told as soon, tries to come back, and leaves when it is told to."""
    with contextlib.ExitStack() as stack:
        world = World(stack, "manager", way)
        with leaks(*world.cables.values()):
            bench = Bench()
            coming_back = {"reconnect": 60}
            running = bench.start_in_background(
                **{**world.options(world.cables["service"]), **coming_back}
            )
            client = connect(**{**world.options(world.cables["a"]), **coming_back})
            reply = client.link("Bench").wait(asynchronous=True)
            assert bench._entered.acquire(timeout=20)
            world.die()
            world.told(reply, ConnectionError)
            world.soon(client.is_reconnecting)
            assert not client._session._in_flight._replies
            world.soon(lambda: not world.inside.peers)
            assert running.is_running()
            client.disconnect()
            running.stop()
            bench._release.set()
            assert bench._ended.is_set()
            del bench, running, client, reply

"""Signs of life: who gives none is dropped, who is busy is not, who is of 1.x is left in peace."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from msl_network import Limits, LocalManager, RemoteError, Service, connect
from msl_network.heartbeat import PING_LINE, Heartbeat

from .laboratory import eventually
from .raw import RawPeer

BEAT = 0.5  # seconds

PROGRAM = """
import ctypes, json, sys
from msl_network import Limits, LocalManager, Service, connect

role, kwargs = sys.argv[1], json.loads(sys.argv[2])

class Frozen(Service):
    def wait(self):
        print("called", flush=True)
        sys.stdin.readline()

    def keep_pythons_lock(self, seconds):
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))  # as a driver that does not release it
        return "done"

if role == "service":
    with Frozen().start_in_background(**kwargs):
        print("ready", flush=True)
        sys.stdin.readline()
elif role == "client":
    link = connect(**kwargs).link("Bench")
    link.acquire_lock()
    print("ready", flush=True)
    sys.stdin.readline()
else:
    with LocalManager(limits=Limits(**kwargs), disable_tls=True) as manager:
        print(json.dumps({"port": manager.port}), flush=True)
        sys.stdin.readline()
"""


class Bench(Service):
    def compute(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        number = 0
        while time.monotonic() < deadline:
            number += 1
        return number


@pytest.fixture
def program(tmp_path):
    """Start a peer in a process of its own, which can be frozen: it sends no packet then."""
    running = []

    def start(role, kwargs):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, role, json.dumps(kwargs)],
            env={**os.environ, "TMPDIR": str(tmp_path)},  # it can't remove what it has there
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process, process.stdout.readline()

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def manager():
    with LocalManager(limits=Limits(heartbeat=BEAT)) as manager:
        yield manager


def freeze(process):
    os.kill(process.pid, signal.SIGSTOP)


def thaw(process):
    os.kill(process.pid, signal.SIGCONT)


def test_frozen_service(manager, program):
    service, _ = program("service", manager.kwargs)
    with connect(**manager.kwargs) as client:
        link = client.link("Frozen")
        reply = link.wait(asynchronous=True)
        assert service.stdout.readline() == "called\n"
        freeze(service)
        with pytest.raises(RemoteError, match="'Frozen' service disconnected before it replied"):
            reply.result(20)
        assert client.identities()["services"] == {}
        linked = threading.Event()
        link.on_restored(linked.set)
        thaw(service)  # it notices, and comes back
        assert linked.wait(20)


def test_method_that_keeps_pythons_lock(manager, program):
    """Nothing else of its process runs meanwhile: for so long as two beats it is a silence."""
    program("service", manager.kwargs)
    with connect(**manager.kwargs) as client:
        link = client.link("Frozen")
        linked = threading.Event()
        link.on_restored(linked.set)
        assert link.keep_pythons_lock(BEAT / 2, timeout=20) == "done"
        with pytest.raises(RemoteError, match="'Frozen' service disconnected before it replied"):
            link.keep_pythons_lock(3 * BEAT, timeout=20)
        assert linked.wait(20)


def test_frozen_client_that_holds_a_lock(manager, program):
    with (
        Bench().start_in_background(**manager.kwargs),
        connect(**manager.kwargs) as other,
    ):
        client, _ = program("client", manager.kwargs)
        with pytest.raises(RemoteError, match="locked"):
            other.link("Bench")
        freeze(client)
        eventually(lambda: len(other.identities()["clients"]) == 1)
        assert other.link("Bench").compute(0) == 0
        thaw(client)
        eventually(lambda: len(other.identities()["clients"]) == 2)


def test_frozen_manager(program):
    manager, line = program("manager", {"heartbeat": BEAT})
    kwargs = {"host": "127.0.0.1", "disable_tls": True, **json.loads(line)}
    coming_back = connect(**kwargs, name="Back")
    kwargs["reconnect"] = 0
    with (
        coming_back,
        Bench().start_in_background(**kwargs) as service,
        connect(**kwargs) as client,
    ):
        # it goes on for that long, whatever becomes of its connection
        reply = client.link("Bench").compute(3, asynchronous=True)
        freeze(manager)
        with pytest.raises(ConnectionAbortedError, match=r"it was silent for 1 seconds"):
            reply.result(20)
        service.wait(20)
        assert not client.is_connected()
        with pytest.raises(ConnectionError, match="Disconnected from Manager"):
            client.identities()
        thaw(manager)
        eventually(coming_back.is_connected)


def test_who_computes_is_alive(manager):
    # a method and a caller that both keep Python busy for many beats
    with (
        Bench().start_in_background(**manager.kwargs) as service,
        connect(**manager.kwargs) as client,
    ):
        reply = client.link("Bench").compute(8 * BEAT, asynchronous=True)
        assert Bench.compute(None, 8 * BEAT) > 0
        assert reply.result(20) > 0
        assert service.is_running()


def test_nothing_to_say_for_long(manager):
    with connect(**manager.kwargs) as client, connect(**manager.kwargs) as other:
        until = time.monotonic() + 6 * BEAT
        while time.monotonic() < until:
            assert len(other.identities()["clients"]) == 2
        assert client.is_connected()
        assert client.identities()["port"] == manager.port


def test_peer_of_1x_is_not_expected_to_beat(manager):
    with RawPeer(manager.port).client() as raw:
        raw.socket.settimeout(6 * BEAT)
        with pytest.raises(TimeoutError):
            raw.socket.recv(1)  # and is sent nothing that it does not know
        assert raw.ask("identity")["result"]["port"] == manager.port


def test_peer_that_promises_to_beat_and_does_not(manager):
    with RawPeer(manager.port) as raw:
        question = raw.read()
        assert "ping" in question["features"]
        assert question["heartbeat"] == BEAT
        raw.send({"result": {"type": "client", "name": "Silent", "features": ["ping"]}})
        ping = {"attribute": "__ping__", "service": "Manager"}
        assert raw.read() == ping
        # any way to write it will do, and a ping is not answered
        raw.send(json.dumps(ping, indent=1).replace("\n", "").encode() + b"\r\n")
        while (message := raw.read()) is not None:
            assert message == ping


def test_who_waits_for_a_slowed_login_is_not_silent(monkeypatch):
    # nothing is read from it meanwhile
    from msl_network.manager import authentication

    monkeypatch.setattr(authentication, "LOGIN_ATTEMPTS", 0)
    monkeypatch.setattr(authentication, "LOGIN_DELAY", 5 * BEAT)
    with LocalManager(limits=Limits(heartbeat=BEAT), users={"ada": "secret"}) as manager:
        options = {**manager.kwargs, "username": "ada", "password": "wrong"}
        with connect(**options) as wrong, pytest.raises(RemoteError, match="Wrong login"):
            wrong.admin_request("port")
        with connect(**{**options, "password": "secret"}) as client:
            start = time.monotonic()
            assert client.admin_request("port") == manager.port
            assert time.monotonic() - start > 4 * BEAT
            assert client.is_connected()


def test_silence_is_noticed_after_two_intervals():
    """Not before, and not much later; whoever listens goes on giving signs of life meanwhile."""

    class Listener:
        heard = is_deaf = False

        def __init__(self):
            self.sent = []
            self.aborted = asyncio.get_running_loop().create_future()

        def send(self, line):
            self.sent.append(line)
            if len(self.sent) == 1:
                self.heard = True  # the last that comes
                self.heard_at = time.monotonic()

        def abort(self, reason):
            self.aborted.set_result(reason)

    async def listen():
        listener = Listener()
        Heartbeat(listener, BEAT)
        assert await listener.aborted == "it was silent for 1 seconds"
        assert time.monotonic() - listener.heard_at >= 2 * BEAT
        # it counts in its own beats, however busy the machine is
        assert listener.sent == [PING_LINE + b"\r\n"] * 3

    asyncio.run(listen())

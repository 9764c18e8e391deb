"""Coming back: a Client and a Service whose Manager is started again, or whose other side is."""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from msl_network import (
    LinkedClient,
    LocalManager,
    RemoteError,
    Service,
    aio,
    connect,
    reconnecting,
)
from msl_network.manager.limits import Limits
from msl_network.reconnecting import LONGEST_PAUSE, Comeback, pauses

from .cable import Cable
from .laboratory import eventually
from .ports import free_port
from .raw import RawPeer


class Motor(Service):
    """What must not step twice."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = 0
        self.happened = []
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()

    def position(self):
        return self.steps

    def step(self):
        self.steps += 1
        self.entered.release()
        self.release.wait(30)
        return self.steps

    def connection_lost(self, error):
        self.happened.append(type(error))

    def connection_restored(self):
        self.happened.append("back")

    def shutdown_handler(self):
        self.happened.append("end")


class Bench:
    """A Manager that can be started again at the same port, with the same certificate."""

    def __init__(self, stack, folder, **kwargs):
        self._stack = stack
        self._options = {"port": free_port(), "database": str(folder / "manager.sqlite3"), **kwargs}
        if not kwargs.get("disable_tls"):
            from msl_network import cryptography

            key = cryptography.generate_key(path=str(folder / "m.key"), algorithm="ECC")
            cert = cryptography.generate_certificate(path=str(folder / "m.crt"), key_path=key)
            self._options |= {"cert_file": cert, "key_file": key}
        self.manager = LocalManager(**self._options).start()
        self.kwargs = self.manager.kwargs
        stack.callback(lambda: self.manager.stop())
        self.motor = Motor()
        self.running = stack.enter_context(self.motor.start_in_background(**self.kwargs))
        stack.callback(self.motor.release.set)

    def client(self, **kwargs):
        return self._stack.enter_context(connect(**{**self.kwargs, **kwargs}))

    def down(self, *devices):
        self.manager.stop()
        eventually(lambda: not any(device.is_connected() for device in (self.running, *devices)))

    def up(self, **kwargs):
        self.manager = LocalManager(**{**self._options, **kwargs}).start()


@pytest.fixture
def bench(tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda **kwargs: Bench(stack, tmp_path, **kwargs)


@pytest.mark.parametrize("disable_tls", [True, False], ids=["no TLS", "TLS"])
def test_client_and_service_come_back_after_a_restart(bench, disable_tls):
    lab = bench(disable_tls=disable_tls)
    client = lab.client()
    happened, notified = [], []
    client.on_connection_lost(lambda error: happened.append(type(error)))
    client.on_connection_restored(lambda: happened.append("back"))
    link = client.link("Motor")
    link.on_restored(lambda: happened.append("linked"))
    link.notification_handler = lambda *args: notified.append(args)
    for _ in range(2):
        lab.down(client)
        lab.up()
        assert link.position(safe_to_repeat=True, timeout=30) == 0
        eventually(lambda: "back" in happened and "linked" in happened)
        assert happened[0] is ConnectionAbortedError
        assert sorted(map(str, happened[1:])) == ["back", "linked"]
        lab.motor.emit_notification("moved")
        eventually(lambda: notified)  # the link, and not only its requests
        happened.clear()
        notified.clear()
    assert lab.motor.happened == 2 * [ConnectionAbortedError, "back"]
    assert client.port == int(next(iter(client.identities()["clients"])).rpartition(":")[2][:-1])


def test_request_in_flight_is_not_sent_twice_unless_that_is_safe(bench):
    lab = bench(disable_tls=True)
    client = lab.client()
    link = client.link("Motor")
    once = link.step(asynchronous=True)
    lab.motor.entered.acquire()
    again = link.step(asynchronous=True, safe_to_repeat=True)
    lab.motor.entered.acquire()
    lab.down(client)
    with pytest.raises(ConnectionAbortedError, match=r"Manager\[.*\] closed the connection"):
        once.result(5)
    assert not again.done()
    lab.motor.release.set()
    lab.up()
    assert again.result(30) == 3
    assert link.position() == 3


def test_reply_of_a_lost_connection_is_not_sent_on_the_next(bench, caplog):
    # its requester and its uid may be those of somebody else's request by then
    caplog.set_level(logging.DEBUG, "msl_network")
    lab = bench(disable_tls=True)
    client = lab.client()
    link = client.link("Motor")
    link.step(asynchronous=True)
    lab.motor.entered.acquire()
    lab.down(client)
    lab.up()
    assert link.position(safe_to_repeat=True, timeout=30) == 1
    lab.motor.release.set()
    assert link.step() == 2
    assert "not in flight" not in caplog.text


def test_requests_while_it_is_away_fail_at_once(bench):
    lab = bench(disable_tls=True)
    client = lab.client()
    link = client.link("Motor")
    lab.down(client)
    start = time.monotonic()
    text = "Disconnected from Manager.*, trying to connect again, cannot send request to 'Motor'"
    with pytest.raises(ConnectionError, match=text):
        link.position()
    with pytest.raises(TimeoutError, match=r"Motor.position did not reply within 0.2 seconds"):
        link.position(safe_to_repeat=True, timeout=0.2)
    assert time.monotonic() - start < 5
    assert not client._session._in_flight._replies
    assert not client._session._in_flight._held


def test_locks_are_not_assumed(bench):
    lab = bench(disable_tls=True)
    client = lab.client()
    link = client.link("Motor")
    link.acquire_lock()
    back = threading.Event()
    link.on_restored(back.set)
    lab.down(client)
    lab.up()
    assert back.wait(30)
    other = lab.client()
    assert other.link("Motor").release_lock() == []  # nobody has one


def test_a_lock_can_be_taken_again_when_the_link_is_back(bench):
    lab = bench(disable_tls=True)
    link = lab.client().link("Motor")
    locked = []
    link.on_restored(lambda: locked.append(link.acquire_lock()))
    lab.down()
    lab.up()
    eventually(lambda: locked)
    with pytest.raises(RemoteError, match="'Motor' service is locked"):
        lab.client().link("Motor")


def test_link_that_is_not_wanted_any_more_is_not_made_again(bench):
    lab = bench(disable_tls=True)
    client = lab.client()
    link, other = client.link("Motor"), client.link("Motor")
    back = threading.Event()
    client.on_connection_restored(back.set)
    lab.down(client)
    link.unlink()
    lab.up()
    assert back.wait(30)
    eventually(lab.running.is_connected)
    assert other.position(safe_to_repeat=True) == 0
    registry = lab.manager._running.manager.registry
    other.unlink()
    eventually(lambda: not registry.services["Motor"].links)
    assert client.link("Motor").position() == 0


def test_it_gives_up_after_the_limit(bench):
    lab = bench(disable_tls=True)
    client = lab.client(reconnect=0.5)
    motor = Motor(name="Other")
    with motor.start_in_background(**lab.kwargs, reconnect=0.5) as running:
        link = client.link("Other")
        ended = threading.Event()
        client.on_disconnect(ended.set)
        lab.down(client, running)
        held = link.position(safe_to_repeat=True, asynchronous=True)
        with pytest.raises(ConnectionError, match="Cannot connect to"):
            held.result(20)
        assert ended.wait(20)
        running.wait(20)
        assert motor.happened == [ConnectionAbortedError, "end"]
        with pytest.raises(ConnectionError, match=r"^Disconnected from Manager\[.*\], cannot send"):
            link.position(safe_to_repeat=True)
    assert lab.running.is_running()


def test_who_leaves_while_it_is_away_has_left(bench):
    lab = bench(disable_tls=True)
    client = lab.client()
    ended = threading.Event()
    client.on_disconnect(ended.set)
    lab.down(client)
    client.disconnect()
    assert ended.wait(5)
    lab.running.stop()
    assert lab.motor.happened == [ConnectionAbortedError, "end"]


def test_client_that_is_forgotten_while_it_is_away_does_not_come_back(bench):
    lab = bench(disable_tls=True)
    client = connect(**lab.kwargs)
    ended = threading.Event()
    client.on_disconnect(ended.set)
    lab.down(client)
    del client
    assert ended.wait(5)


def test_a_manager_with_another_certificate_is_not_trusted(bench, tmp_path, caplog):
    lab = bench()
    client = lab.client()
    ended = threading.Event()
    client.on_disconnect(ended.set)
    lab.down(client)
    lab.up(cert_file=None, key_file=None)
    assert ended.wait(30)
    eventually(lambda: not lab.running.is_running())
    assert "trusted:" in caplog.text
    assert "offered:" in caplog.text


def test_what_is_refused_is_not_tried_again(bench, caplog):
    lab = bench(disable_tls=True)
    client = lab.client()
    ended = threading.Event()
    client.on_disconnect(ended.set)
    lab.down(client)
    lab.up(auth_password="changed meanwhile")
    assert ended.wait(30)
    eventually(lambda: "not connected again: Nobody can be asked here: Enter the" in caplog.text)


def test_who_is_told_that_there_is_no_room_tries_again(bench, caplog):
    lab = bench(disable_tls=True)
    client = lab.client()
    lab.down(client)
    lab.up(limits=Limits(connections=1))
    caplog.set_level(logging.DEBUG, "msl_network")
    eventually(lambda: "1 devices are connected, no more can be" in caplog.text)
    lab.manager._running.manager.registry._limits = Limits()
    eventually(lambda: client.is_connected() and lab.running.is_connected())


def test_certificate_that_is_pinned_is_not_pinned_anew(bench, tmp_path, monkeypatch):
    """Not with `auto_save=True` either: what was to be trusted was that of the first connection."""
    monkeypatch.setattr("msl_network.constants.CERT_DIR", str(tmp_path / "certs"))
    lab = bench()
    client = lab.client(cert_file=None, auto_save=True)
    ended = threading.Event()
    client.on_disconnect(ended.set)
    (pinned,) = (tmp_path / "certs").iterdir()
    lab.down(client)
    pinned.unlink()
    lab.up()
    assert ended.wait(20)
    assert not pinned.exists()


def test_manager_that_is_silent_is_not_the_last_that_is_tried(bench, monkeypatch):
    """Whoever waits for the first connection for as long as it takes is not stuck for ever."""
    monkeypatch.setattr(reconnecting, "ONE_TRY", 0.3)
    lab = bench(disable_tls=True)
    client = lab.client(timeout=None)
    lab.running.stop()
    lab.down(client)
    with socket.create_server(("127.0.0.1", lab.kwargs["port"])) as silent:
        silent.settimeout(20)
        accepted, _ = silent.accept()
    with accepted:
        lab.up()
        eventually(client.is_connected)


def test_manager_at_another_address(bench, monkeypatch):
    """A name is looked up for each try."""
    addresses, look_up = ["127.0.0.1"], socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *args, **kwargs: look_up(addresses[0], *args, **kwargs)
    )
    lab = bench(disable_tls=True)
    client = lab.client(host="manager.example")
    lab.down(client)
    lab.running.stop()
    addresses[0] = "127.0.0.2"
    lab.up(host="127.0.0.2")
    eventually(client.is_connected)


@pytest.mark.parametrize("is_registered", [True, False])
def test_manager_that_closes_every_connection_at_once(monkeypatch, is_registered):
    """The pauses grow all the same, and the limit is one."""
    monkeypatch.setattr(reconnecting, "FIRST_PAUSE", 0.001)

    async def main():
        tries, ended = [], asyncio.get_running_loop().create_future()

        async def connect():
            tries.append("connected")

        def lose():
            comeback.lost(ConnectionAbortedError("it is gone"))

        comeback = Comeback(
            "C", logging.INFO, 0.5, connect, lambda: is_registered, lose, ended.set_result
        )
        lose()
        await asyncio.wait_for(ended, 20)
        assert 1 < len(tries) < 20

    asyncio.run(main())


def test_who_is_stopped_in_the_moment_of_the_loss_has_ended():
    """As when a computer shuts down, and with it the Manager and the Service."""

    async def never():
        raise AssertionError

    async def main():
        ended = asyncio.get_running_loop().create_future()
        comeback = Comeback("S", logging.INFO, 10, never, lambda: False, never, ended.set_result)
        lost = ConnectionAbortedError("it is gone")
        comeback.lost(lost)
        comeback.stop()
        assert await asyncio.wait_for(ended, 5) is lost

    asyncio.run(main())


def test_handler_that_does_not_end_is_waited_for_and_named(bench, monkeypatch, caplog):
    """It may be making an instrument safe: it is not cut off, nor is the instrument let go of."""
    monkeypatch.setattr("msl_network.running_service.SHUTDOWN_TIMEOUT", 0.1)
    monkeypatch.setattr("msl_network.serving.SHUTDOWN_TIMEOUT", 0.1)
    lab = bench(disable_tls=True)
    heater = Motor(name="Heater")
    heater.connection_lost = lambda error: heater.release.wait(30)
    running = heater.start_in_background(**lab.kwargs)
    lab.down(running)
    with pytest.raises(TimeoutError, match=r"'Heater' has not ended within .* connection_lost"):
        running.stop()
    assert "'Heater' ends when its handlers have" in caplog.text
    assert heater.happened == []
    heater.release.set()
    running.wait(10)
    assert heater.happened == ["end"]


def test_administrator_shuts_the_manager_down(bench, tmp_path):
    """For good: nobody tries to come back, and each is told whose doing it is."""
    lab = bench(disable_tls=True, users={"ada": "secret"})
    client, boss = lab.client(), lab.client(name="Boss", username="ada", password="secret")
    lost = []
    ended = threading.Event()
    client.on_connection_lost(lost.append)
    client.on_disconnect(ended.set)
    boss.admin_request("shutdown_manager")
    assert ended.wait(10)
    lab.running.wait(10)
    assert lab.motor.happened == [ConnectionAbortedError, "end"]
    eventually(lambda: lost)
    assert "Boss[" in str(lost[0])
    assert str(lost[0]).endswith("has shut it down")


# --- a Service that comes back -------------------------------------------------------------


def test_clients_of_a_service_that_comes_back_are_linked_again(bench):
    lab = bench(disable_tls=True)
    link = lab.client().link("Motor")
    linked, notified = threading.Event(), []
    link.on_restored(linked.set)
    link.notification_handler = lambda *args: notified.append(args)
    left = lab.client().link("Motor")
    with RawPeer(lab.manager.port, tls=False).client() as old:
        old.ask("link Motor")
        lab.running.stop()
        left.unlink()
        again = Motor()
        with again.start_in_background(**lab.kwargs):
            assert linked.wait(10)
            again.emit_notification(1)
            eventually(lambda: notified == [(1,)])
            # a peer of 1.x has not asked for it, and one that unlinked no more
            registry = lab.manager._running.manager.registry
            assert list(registry.services["Motor"].links) == [link._owner._session.network_name]
            assert link.position() == 0


def test_a_request_that_is_safe_to_repeat_outlives_its_service(bench):
    lab = bench(disable_tls=True)
    link = lab.client().link("Motor")
    reply = link.step(safe_to_repeat=True, asynchronous=True)
    lab.motor.entered.acquire()
    lab.running.stop()
    waiting = link.position(safe_to_repeat=True, asynchronous=True)
    again = Motor()
    again.release.set()
    with again.start_in_background(**lab.kwargs):
        assert reply.result(20) == 1
        assert waiting.result(20) in (0, 1)
    with pytest.raises(RemoteError, match="not connected"):
        link.position()


def test_no_more_come_back_than_there_is_room_for(bench):
    lab = bench(disable_tls=True)
    links = [lab.client(name=f"c{i}").link("Motor") for i in range(3)]
    assert len(links) == 3
    lab.running.stop()
    with Motor(max_clients=2).start_in_background(**lab.kwargs):
        registry = lab.manager._running.manager.registry
        assert len(registry.services["Motor"].links) == 2


def test_service_waits_until_its_name_is_free(bench, caplog):
    """The Manager may not have noticed yet that the Service's old connection is dead."""
    caplog.set_level(logging.DEBUG, "msl_network")
    lab = bench(disable_tls=True)
    lab.down()
    lab.up()
    with RawPeer(lab.manager.port, tls=False) as squatter:
        squatter.service("Motor")  # sooner than a Service that pauses first
        eventually(lambda: "A 'Motor' service is already running" in caplog.text)
        assert not lab.running.is_connected()
    eventually(lab.running.is_connected)


@pytest.mark.parametrize("who", ["service", "client"])
def test_who_is_kept_out_by_its_own_ghost_comes_back(tmp_path, caplog, who):
    """The Manager holds its old connection for alive: the name is taken, the Service is locked."""
    caplog.set_level(logging.DEBUG, "msl_network")
    with (
        LocalManager(disable_tls=True, limits=Limits(heartbeat=0.5)) as manager,
        Cable(manager.port) as cable,
    ):
        there = {**manager.kwargs, "port": cable.port}
        ways = {"service": manager.kwargs, "client": manager.kwargs} | {who: there}
        with Motor().start_in_background(**ways["service"]), connect(**ways["client"]) as client:
            link = client.link("Motor")
            link.acquire_lock()
            linked = threading.Event()
            link.on_restored(linked.set)
            cable.tear_off()
            assert linked.wait(20)
            kept_out = {"service": "'Motor' service is already", "client": "service is locked"}
            assert kept_out[who] in caplog.text
            assert link.position() == 0
            registry = manager._running.manager.registry
            assert [*registry.services["Motor"].links] == [*registry.clients]
            assert len(registry.clients) == 1


# --- the other faces -----------------------------------------------------------------------


class MotorClient(LinkedClient):
    def __init__(self, **kwargs):
        self.happened = []
        super().__init__("Motor", **kwargs)

    def connection_lost(self, error):
        self.happened.append(type(error))

    def connection_restored(self):
        self.happened.append(self.position())


def test_linked_client(bench):
    lab = bench(disable_tls=True)
    with MotorClient(**lab.kwargs) as client:
        lab.down(client)
        lab.up()
        eventually(lambda: client.happened == [ConnectionAbortedError, 0])
        assert client.port == client.client.port


def test_asynchronous_client(bench):
    lab = bench(disable_tls=True)

    async def main():
        happened = []
        async with aio.connect(**lab.kwargs) as client:
            client.on_connection_lost(lambda _: happened.append(threading.get_ident()))
            back = asyncio.Event()
            client.on_connection_restored(back.set)
            link = await client.link("Motor")
            waiting = asyncio.ensure_future(link.step(safe_to_repeat=True))
            await asyncio.to_thread(lab.motor.entered.acquire)
            lab.motor.release.set()
            await waiting
            await asyncio.to_thread(lab.down, client)
            waiting = asyncio.ensure_future(link.position(safe_to_repeat=True))
            await asyncio.to_thread(lab.up)
            assert await waiting == 1
            await asyncio.wait_for(back.wait(), 10)
        assert happened == [threading.get_ident()]

    asyncio.run(main())


MANAGER = """
import sys
from msl_network import LocalManager

with LocalManager(disable_tls=True, port=int(sys.argv[1])):
    print("ready", flush=True)
    input()
"""


def test_manager_is_killed_and_started_again(tmp_path):
    def start(port):
        return subprocess.Popen(
            [sys.executable, "-c", MANAGER, str(port)],
            env={**os.environ, "TMPDIR": str(tmp_path)},  # it can't remove what it has there
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill(process):
        process.kill()
        process.communicate()

    port = free_port()
    kwargs = {"host": "127.0.0.1", "port": port, "disable_tls": True}
    manager = start(port)
    try:
        manager.stdout.readline()
        motor = Motor()
        motor.release.set()
        with motor.start_in_background(**kwargs), connect(**kwargs) as client:
            link = client.link("Motor")
            assert link.step() == 1
            kill(manager)
            reply = link.step(safe_to_repeat=True, asynchronous=True)
            manager = start(port)
            assert reply.result(30) == 2
    finally:
        kill(manager)


def test_pauses_grow_and_differ():
    first, second = ([*itertools.islice(pauses(), 50)] for _ in range(2))
    assert first != second
    assert max(first) <= 1.5 * LONGEST_PAUSE
    assert sum(first[:3]) < 3 < sum(first[20:])

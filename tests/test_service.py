"""A Service and its requests."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from msl_network import (
    LocalManager,
    RemoteError,
    Service,
    connect,
    filter_service_start_kwargs,
    run_services,
)


def eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Oven(Service):
    """A Service with all that a Service can have."""

    limit = 300
    unserialisable = object()

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.closed = threading.Event()
        self.emitted = 0

    @property
    def temperature(self) -> float:
        return 21.5

    @property
    def broken(self):
        raise OSError("no instrument")

    @staticmethod
    def convert(celsius: float) -> float:
        return celsius + 273.15

    @classmethod
    def kind(cls):
        return cls.__name__

    def heat(self, power=1.5, *steps, mode: str = "slow", **more):
        return [power, steps, mode, more]

    async def wait(self, seconds):
        await asyncio.sleep(seconds)
        return asyncio.get_running_loop() is not None

    def deferred(self):
        """An ordinary method may return a coroutine."""
        return self.wait(0)

    def whoami(self):
        return [self.request.requester, self.request.attribute]

    async def whoami_on_loop(self):
        await asyncio.sleep(0)
        return [self.request.requester, self.request.attribute]

    def secret(self):
        return "not for Clients"

    def emit_from_threads(self, count):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(self.emit_notification_threadsafe, range(count)))
        return count

    def shutdown_handler(self):
        self.closed.set()

    def shutdown_service(self, *args):
        return args


@pytest.fixture
def oven(manager):
    oven = Oven(ignore_attributes="secret")
    with oven.start_in_background(**manager.kwargs):
        yield oven


@pytest.fixture
def link(manager, oven):
    with connect(**manager.kwargs, name="Cook") as client:
        yield client.link("Oven")


def test_what_a_service_offers(caplog):
    attributes = Oven(ignore_attributes=["secret"]).identity()["attributes"]
    assert attributes == {
        "convert": "(celsius: float) -> float",
        "deferred": "()",
        "emit_from_threads": "(count)",
        "emitted": 0,
        "heat": "(power=1.5, *steps, mode: str = 'slow', **more)",
        "kind": "()",
        "limit": 300,
        "set_logging_level": "(level: Union[str, int]) -> bool",
        "shutdown_service": "(*args)",
        "temperature": 21.5,
        "wait": "(seconds)",
        "whoami": "()",
        "whoami_on_loop": "()",
    }
    assert "no instrument [attribute='broken']" in caplog.text
    assert "[attribute='unserialisable']" in caplog.text


def test_methods_properties_and_values(link):
    assert link.heat(2, 3, 4, mode="fast", x=1) == [2, [3, 4], "fast", {"x": 1}]
    assert link.convert(0.0) == 273.15
    assert link.kind() == "Oven"
    assert (link.temperature(), link.limit()) == (21.5, 300)
    assert link.wait(0) is True
    assert link.deferred() is True


def test_methods_run_side_by_side(link):
    start = time.monotonic()
    futures = [link.wait(0.3, asynchronous=True) for _ in range(20)]
    assert all(future.result(20) for future in futures)
    assert time.monotonic() - start < 3


def test_who_asks(link):
    for name in ("whoami", "whoami_on_loop"):
        requester, attribute = link[name]()
        assert requester.startswith("Cook[")
        assert attribute == name


def test_ignored_attributes_cannot_be_called(link, oven):
    for name in ("secret", "emit_notification", "add_tasks", "shutdown_handler", "request"):
        assert name not in link.service_attributes
        with pytest.raises(RemoteError, match=f"'Oven' service has no attribute '{name}'"):
            link[name]()
    with pytest.raises(RemoteError, match="PermissionError: Cannot request a private attribute"):
        link["__init__"]()
    with pytest.raises(RemoteError, match="OSError: no instrument"):
        link["broken"]()


def test_notifications_from_any_thread(link):
    got, done = set(), threading.Event()

    def handler(number):
        got.add(number)
        if len(got) == 100:
            done.set()

    link.notification_handler = handler
    assert link.emit_from_threads(100) == 100
    assert done.wait(20)


def test_tasks_run_while_it_is_connected(manager, monkeypatch):
    # as long as a task has to end by itself
    monkeypatch.setattr("msl_network.serving.SHUTDOWN_TIMEOUT", 0.2)

    class Beating(Service):
        def __init__(self):
            super().__init__()
            self.beats = 0
            self.ended = False
            self.add_tasks(self._beat())

        async def _beat(self):
            try:
                while True:
                    self.beats += 1
                    self.emit_notification(self.beats)
                    await asyncio.sleep(0.01)
            finally:
                self.ended = True

    service = Beating()
    with service.start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        got = threading.Event()
        client.link("Beating").notification_handler = lambda number: got.set()
        assert got.wait(20)
        assert service.loop_thread_id not in (None, threading.get_ident())
    assert service.ended
    assert service.loop_thread_id is None


def test_shutdown_by_a_client(manager):
    oven = Oven()
    with oven.start_in_background(**manager.kwargs) as running, connect(**manager.kwargs) as client:
        link = client.link("Oven")
        slow = link.wait(0.3, asynchronous=True)
        assert link.shutdown_service(1, 2) == [1, 2]
        assert slow.result(0) is True  # what was running came first
        running.wait(20)
        assert not running.is_running()
        assert oven.closed.is_set()
        assert "Oven" not in client.identities()["services"]
        # it can be started again
        with oven.start_in_background(**manager.kwargs):
            assert client.link("Oven").kind() == "Oven"


def test_running_twice(manager, oven):
    with pytest.raises(RuntimeError, match="is running already"):
        oven.start(**manager.kwargs)


def test_max_clients(manager):
    one = Service(name="One", max_clients=1)
    assert (one.max_clients, Service(max_clients=0).max_clients) == (1, -1)
    with (
        one.start_in_background(**manager.kwargs),
        connect(**manager.kwargs) as first,
        connect(**manager.kwargs) as second,
    ):
        link = first.link("One")
        with pytest.raises(RemoteError, match="maximum number of Clients are already linked"):
            second.link("One")
        link.unlink()
        assert second.link("One").service_max_clients == 1


def test_two_kinds_of_password(manager):
    with pytest.raises(ValueError, match='Specify either "password" or "password_manager"'):
        Service().start(**manager.kwargs, password="a", password_manager="b")


def test_logging_level_can_be_set(link):
    logger = logging.getLogger("msl_network")
    before = logger.level
    try:
        assert link.set_logging_level("debug") is True
        assert logger.level == logging.DEBUG
        assert link.set_logging_level("15") is True
        assert logger.level == 15
        assert link.set_logging_level("loud") is False
    finally:
        logger.setLevel(before)


# --- as a program --------------------------------------------------------------------------

PROGRAM = """
import json, sys
from msl_network import Service

class Thermometer(Service):
    def temperature(self):
        return 20.1

    def shutdown_handler(self):
        print("handler", flush=True)

Thermometer().start(**json.loads(sys.argv[1]))
print("end", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't interrupt one process")
def test_interrupted_service_ends_in_order(manager):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(manager.kwargs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            with connect(**manager.kwargs) as client:
                eventually(lambda: "Thermometer" in client.identities()["services"])
                assert client.link("Thermometer").temperature() == 20.1
                process.send_signal(signal.SIGINT)
                out, error = process.communicate(timeout=30)
                assert (out, error, process.returncode) == ("handler\nend\n", "", 0)
                assert "Thermometer" not in client.identities()["services"]
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_terminated_manager_ends_in_order(tmp_path):
    """As systemd does it; whoever is connected is told."""
    port_holder = LocalManager(disable_tls=True).start()
    port = port_holder.port
    port_holder.stop()
    with subprocess.Popen(
        [sys.executable, "-m", "msl_network", "start", "--port", str(port), "--disable-tls"],
        env={**os.environ, "MSL_NETWORK_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stdout:
                if "Network Manager running on" in line:
                    break
            oven = Oven()
            kwargs = {"port": port, "disable_tls": True}
            with oven.start_in_background(**kwargs) as running, connect(**kwargs) as client:
                assert client.link("Oven").kind() == "Oven"
                process.terminate()
                eventually(lambda: not running.is_connected() and not client.is_connected())
                assert running.is_running()  # a Manager that is terminated may be started again
            out, error = process.communicate(timeout=30)
            assert (error, process.returncode) == ("", 0)
            assert "shutting down the Network Manager" in out
        finally:
            process.kill()


def test_run_services_ends_when_all_services_have_been_shut_down(tmp_path):
    local = LocalManager(disable_tls=True).start()
    port = local.port
    local.stop()
    kwargs = {"port": port, "disable_tls": True, "log_file": str(tmp_path / "log")}
    result = []
    thread = threading.Thread(
        target=lambda: result.append(
            run_services(Oven(name="A"), Oven(name="B"), **kwargs, database=str(tmp_path / "db"))
        )
    )
    thread.start()

    def connected():
        try:
            return connect(**filter_service_start_kwargs(**kwargs))
        except ConnectionError:
            return None

    clients = []
    eventually(lambda: clients.append(connected()) or clients[-1])
    client = clients[-1]
    eventually(lambda: {"A", "B"} <= client.identities()["services"].keys())
    client.link("A").shutdown_service()
    assert client.link("B").kind() == "Oven"
    client.link("B").shutdown_service()
    thread.join(20)
    assert not thread.is_alive()
    assert result == [0]
    eventually(lambda: not client.is_connected())


def test_run_services_needs_services(capsys):
    assert run_services() == 1
    assert capsys.readouterr().err == "Warning... no services have been specified\n"
    with pytest.raises(TypeError, match="All services must be of type"):
        run_services(Oven)


# --- what ends a thread elsewhere --------------------------------------------------------------


class Leaving(Service):
    """A Service whose author ends the program where one should not."""

    def __init__(self):
        super().__init__()
        self._both = threading.Barrier(2)

    def cancelled(self):
        async def work():
            raise asyncio.CancelledError

        return work()

    async def leave(self):
        raise SystemExit("not from a coroutine")

    def add(self, x, y):
        return x + y

    def shutdown_service(self, leave=False):
        if leave:
            sys.exit("not from here")
        self._both.wait(20)
        return "bye"

    def shutdown_handler(self):
        raise SystemExit("not even at the end")


def test_two_clients_shut_it_down_at_the_same_time(manager):
    with (
        Leaving().start_in_background(**manager.kwargs) as running,
        connect(**manager.kwargs) as one,
        connect(**manager.kwargs) as two,
    ):
        links = [client.link("Leaving") for client in (one, two)]
        futures = [link["shutdown_service"](asynchronous=True) for link in links]
        assert [future.result(20) for future in futures] == ["bye", "bye"]
        running.wait(20)


def test_service_that_ends_the_program_ends_nothing(manager):
    with (
        Leaving().start_in_background(**manager.kwargs),
        connect(**manager.kwargs) as client,
    ):
        link = client.link("Leaving")
        with pytest.raises(RemoteError, match="CancelledError"):
            link.cancelled(timeout=20)
        with pytest.raises(RemoteError, match="SystemExit: not from a coroutine"):
            link.leave(timeout=20)
        with pytest.raises(RemoteError, match="SystemExit: not from here"):
            link.shutdown_service(True, timeout=20)
        assert link.add(1, 2, timeout=20) == 3


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Faulty(Service):
    def measure(self):
        raise Unspeakable


def test_an_exception_whose_text_can_not_be_made(manager):
    with Faulty().start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        link = client.link("Faulty")
        for _ in range(2):
            with pytest.raises(RemoteError, match="Unspeakable: <an error whose text can't be"):
                link.measure(timeout=20)

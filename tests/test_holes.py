"""Holes of MSL-Network 1.x, each closed. Those which the tests of a module show are not here again:
the page about reliability has all of them, each with its test."""

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta

import psutil
import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from msl_network import LocalManager, RemoteError, Service, connect, cryptography
from msl_network.constants import NETWORK_MANAGER_RUNNING_PREFIX

from .cable import Cable
from .laboratory import eventually
from .leaks import leaks
from .raw import RawPeer

BUSY = 0.5  # seconds of a processor's time, in a second in which there is nothing to do


class Oven(Service):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._entered, self._release = threading.Event(), threading.Event()

    def add(self, x, y):
        return x + y

    def wait(self):
        self._entered.set()
        return self._release.wait(30)

    def shutdown_service(self):
        return "switched off"


def seconds_of_processor():
    before = time.process_time()
    time.sleep(1)
    return time.process_time() - before


# --- hangs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "Manager stops"])
def test_service_does_not_spin_when_its_connection_is_gone(how):
    """With notifications under way: 1.x takes all of a processor, and never ends."""
    with (
        LocalManager() as manager,
        Cable(manager.port) as cable,
        connect(**manager.kwargs, reconnect=0) as client,
    ):
        kwargs = {**manager.kwargs, "port": cable.port, "reconnect": 0}
        oven, stop = Oven(), threading.Event()
        running = oven.start_in_background(**kwargs)
        notified = threading.Event()
        client.link("Oven").notification_handler = lambda text: notified.set()

        def emit():
            while not stop.is_set():
                oven.emit_notification("x" * 100_000)
                stop.wait(0.001)

        emitting = threading.Thread(target=emit)
        emitting.start()
        assert notified.wait(20)
        if how == "reset":
            cable.reset()
        else:
            manager.stop()
        running.wait(20)
        stop.set()
        emitting.join()
        assert seconds_of_processor() < BUSY


def test_client_knows_of_a_reset_and_is_let_go_at_once(manager):
    connect(**manager.kwargs).disconnect()  # the Manager's own threads are there from now on
    with Cable(manager.port) as cable, leaks(cable):
        client = connect(**{**manager.kwargs, "port": cable.port, "reconnect": 0})
        lost = threading.Event()
        client.on_disconnect(lost.set)
        cable.reset()
        assert lost.wait(20)
        assert not client.is_connected()
        with pytest.raises(ConnectionError, match="Disconnected from Manager"):
            client.identities()
        gc.collect()  # of whatever the tests before have left
        start = time.monotonic()
        del client
        gc.collect()
        assert time.monotonic() - start < 5  # it is let go, and not waited for


def test_client_that_does_not_read_stops_no_replies_of_its_service_to_others(manager):
    with (
        Oven().start_in_background(**manager.kwargs),
        connect(**manager.kwargs) as client,
        RawPeer(manager.port).client() as raw,
    ):
        link = client.link("Oven")
        waiting = manager._running.manager.registry.services["Oven"]
        big = {"service": "Oven", "attribute": "add", "args": ["x" * 10_000_000, ""], "uid": "u"}
        for _ in range(2):
            raw.send(big)
        eventually(lambda: waiting.waiting == 0)  # 20 MB wait for it, and nobody takes them
        for _ in range(100):
            assert link.add(1, 2, timeout=20) == 3
        assert raw.read()["result"] == big["args"][0]


def test_request_to_a_service_that_is_shutting_down_or_has_gone_ends(manager):
    oven = Oven()
    with oven.start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        link = client.link("Oven")
        slow = link.wait(asynchronous=True)
        assert oven._entered.wait(20)
        shutdown = link["shutdown_service"](asynchronous=True)
        with pytest.raises(RemoteError, match="ConnectionAbortedError: 'Oven' service is shutting"):
            while True:
                link.add(1, 2, timeout=20)
        assert not slow.done()
        oven._release.set()
        assert slow.result(20) is True
        assert shutdown.result(20) == "switched off"
        eventually(lambda: "Oven" not in client.identities()["services"])
        with RawPeer(manager.port).client() as raw:
            answer = raw.ask(b'{"service": "Oven", "attribute": "add", "uid": "u"}\n')
            assert answer["message"].startswith("KeyError: \"the 'Oven' Service is not connected")
            assert answer["uid"] == "u"


# --- wrong or missing -------------------------------------------------------------------------

MY_CLIENT = """
import json, sys
from msl_network import LinkedClient

class MyClient(LinkedClient):
    def __init__(self, **kwargs):
        super().__init__("Oven", **kwargs)

    def disconnect(self):
        if self.link is not None:
            print(self.shutdown_service())
        super().disconnect()

client = MyClient(**json.loads(sys.argv[1]))
print(client.add(1, 2))
"""


def test_my_client_of_the_documentation_ends_without_a_word(manager):
    with Oven().start_in_background(**manager.kwargs):
        done = subprocess.run(
            [sys.executable, "-c", MY_CLIENT, json.dumps(manager.kwargs)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith("3\n")


def test_first_start_without_tls_and_with_a_log_elsewhere(tmp_path):
    home = tmp_path / "home"
    command = ["start", "--host", "127.0.0.1", "--disable-tls"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        command += ["--port", str(free.getsockname()[1])]
    command += ["--log-file", str(tmp_path / "elsewhere" / "log.txt")]
    with subprocess.Popen(
        [sys.executable, "-m", "msl_network", *command],
        env={**os.environ, "MSL_NETWORK_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert any(NETWORK_MANAGER_RUNNING_PREFIX in line for line in process.stdout)
            assert (home / "manager.sqlite3").is_file()
        finally:
            process.send_signal(signal.SIGTERM)
        process.stdout.read()


# --- security ---------------------------------------------------------------------------------


def test_400_mib_without_a_line_end_before_authentication_cost_next_to_nothing():
    with LocalManager(auth_password="secret") as manager:
        connect(**manager.kwargs).disconnect()
        process, chunk = psutil.Process(), b"x" * 1024 * 1024
        before = most = process.memory_info().rss
        with RawPeer(manager.port) as raw:
            assert raw.read()["attribute"] == "password"
            with contextlib.suppress(OSError):  # it is cut off before the end
                for _ in range(400):
                    raw.send(chunk)
                    most = max(most, process.memory_info().rss)
            answer = raw.read()
            assert answer is None or "LineTooLongError" in answer["message"]
        assert most - before < 4 * 1024 * 1024
        connect(**manager.kwargs).disconnect()


def test_certificate_does_not_last_100_years_and_is_shown_with_sha_256(manager):
    certificate = cryptography.load_certificate(manager.kwargs["cert_file"])
    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lasts < timedelta(days=366 * 10)
    shown = cryptography.describe(certificate)
    assert shown["SHA-256"] == certificate.fingerprint(SHA256()).hex(":")
    assert not [name for name in shown if "SHA-1" in name]

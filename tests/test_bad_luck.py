"""Peers that die or do not read, disks that are full: nothing else breaks or is lost."""

import contextlib
import json
import logging
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

import pytest

from msl_network import Limits, LocalManager, RemoteError, Service, connect

from .laboratory import REQUEST, Healthy, eventually, missing

# --- peers that die ------------------------------------------------------------------------


def test_client_dies_within_a_message(laboratory):
    lab = laboratory()
    with lab.raw().client() as raw:
        raw.ask({**REQUEST, "service": "Manager", "attribute": "link", "args": ["Healthy"]})
        raw.send(json.dumps(REQUEST).encode()[:20])
        # a reset, as when the computer has lost its power
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: len(lab.client.identities()["clients"]) == 1)
    # its link is gone, too
    assert len(lab.link.acquire_lock()) == 1
    assert lab.link.release_lock() == []


def test_service_dies_within_a_message(laboratory):
    lab = laboratory()
    with lab.raw().service() as raw:
        link = lab.client.link("RawService")
        futures = [link["x"](asynchronous=True) for _ in range(3)]
        request = raw.read()
        reply = {"result": 1, "uid": request["uid"], "requester": request["requester"]}
        raw.send(json.dumps(reply).encode()[:-5])
    for future in futures:
        with pytest.raises(RemoteError, match="'RawService' service disconnected before it repl"):
            future.result(20)
    assert "RawService" not in lab.client.identities()["services"]
    with pytest.raises(RemoteError, match="KeyError"):
        link["x"]()
    link.unlink()  # fine although the Service has gone


PROGRAM = """
import json, sys
from msl_network import Service, connect

kwargs = json.loads(sys.argv[2])

class Victim(Service):
    def hang(self):
        print("running", flush=True)
        sys.stdin.read()

if sys.argv[1] == "service":
    Victim().start(**kwargs)
else:
    client = connect(**kwargs, name="Victim")
    link = client.link("Healthy")
    link.acquire_lock()
    reply = link.wait(asynchronous=True)
    print("running", flush=True)
    link.add("x" * 50_000_000, "", timeout=60)
"""


@contextlib.contextmanager
def process(*arguments, program=PROGRAM, **environment):
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_client_is_killed(laboratory):
    lab = laboratory()
    lab.link.unlink()
    with process("client", json.dumps(lab.manager.kwargs)) as victim:
        assert victim.stdout.readline() == "running\n"
        victim.send_signal(signal.SIGKILL)
    eventually(lambda: len(lab.client.identities()["clients"]) == 1)
    lab.link = lab.client.link("Healthy")  # the lock has gone with it


def test_service_is_killed(laboratory):
    lab = laboratory()
    with process("service", json.dumps(lab.manager.kwargs)) as victim:
        eventually(lambda: "Victim" in lab.client.identities()["services"])
        future = lab.client.link("Victim").hang(asynchronous=True)
        assert victim.stdout.readline() == "running\n"
        victim.send_signal(signal.SIGKILL)
        with pytest.raises(RemoteError, match="ConnectionAbortedError: The 'Victim' service disc"):
            future.result(20)
    # the name is free again
    with Service(name="Victim").start_in_background(**lab.manager.kwargs):
        assert "Victim" in lab.client.identities()["services"]


MANAGER = """
import json
from msl_network import LocalManager

with LocalManager() as manager:
    print(json.dumps(manager.kwargs), flush=True)
    input()
"""


def test_manager_is_killed(tmp_path):
    # it can't remove its folder any more
    with process(program=MANAGER, TMPDIR=str(tmp_path)) as victim:
        kwargs = json.loads(victim.stdout.readline())
        service = Healthy()
        ended = threading.Event()
        service.shutdown_handler = ended.set
        running = service.start_in_background(**kwargs, reconnect=0)
        client = connect(**kwargs, reconnect=0)
        future = client.link("Healthy").wait(asynchronous=True)
        assert service.entered.wait(20)
        victim.send_signal(signal.SIGKILL)
        with pytest.raises(ConnectionError, match="closed the connection"):
            future.result(20)
        service.release.set()
        running.wait(20)
        assert ended.is_set()
        assert not client.is_connected()
        with pytest.raises(ConnectionError, match="Disconnected from Manager"):
            client.identities()
        client.disconnect()


# --- a peer that does not read -------------------------------------------------------------


@pytest.mark.parametrize("disable_tls", [True, False], ids=["no TLS", "TLS"])
def test_client_that_does_not_read(laboratory, disable_tls):
    """It is dropped; the others get theirs at once."""
    lab = laboratory(disable_tls=disable_tls, limits=Limits(stall_timeout=0.5))
    with lab.raw().client() as raw:
        raw.ask({**REQUEST, "service": "Manager", "attribute": "link", "args": ["Healthy"]})
        lab.service.emit_notification("x" * 30_000_000)
        assert lab.link.add(1, 1, timeout=20) == 2
        eventually(lambda: len(lab.client.identities()["clients"]) == 1)


# --- a database that can't be written ------------------------------------------------------


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "manager.sqlite3")


def rows(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT message FROM connections").fetchall()


def test_locked_database(laboratory, database):
    """Nobody waits for it, and when it is free again what happened meanwhile is in it."""
    lab = laboratory(database=database)
    eventually(lambda: len(rows(database)) >= 4)
    before = len(rows(database))
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        start = time.monotonic()
        for _ in range(3):
            with connect(**lab.manager.kwargs) as client:
                assert client.link("Healthy").add(1, 2, timeout=20) == 3
        assert time.monotonic() - start < 5
        other.execute("ROLLBACK")
    eventually(lambda: len(rows(database)) >= before + 9)


def test_locked_database_does_not_hold_up_the_end(database, caplog):
    manager = LocalManager(database=database).start()
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        connect(**manager.kwargs).disconnect()
        start = time.monotonic()
        manager.stop()
        assert time.monotonic() - start < 10


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 128 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        missing("only root can mount a small disk, on Linux")
    if subprocess.run(["mount", *options], capture_output=True).returncode != 0:
        missing("a small disk can't be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(small_disk, laboratory, caplog):
    lab = laboratory(database=str(small_disk / "manager.sqlite3"))
    with contextlib.suppress(OSError), (small_disk / "fill").open("wb", buffering=0) as file:
        while file.write(b"x" * 1024):
            pass
    with caplog.at_level(logging.ERROR, "msl_network"):
        for _ in range(20):
            with lab.raw().client() as raw:
                assert raw.ask(REQUEST)["result"] == 3
        eventually(lambda: "cannot record 'connected as a client: " in caplog.text)

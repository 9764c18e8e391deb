"""A cable that is out, and nothing else: no packet comes or goes, and no system says so.

The Manager and the device are in network namespaces of their own with a cable between them.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from msl_network import Limits, LocalManager, RemoteError, Service, connect

from .laboratory import eventually
from .namespaces import MANAGER_ADDRESS, two_computers, within
from .raw import RawPeer

BEAT = 2  # seconds: the system counts in whole ones
ROOM = 1.5  # seconds that a busy computer may take for it


class Bench(Service):
    def wait(self):
        threading.Event().wait(60)


def report(what):
    print(json.dumps(what), flush=True)


def manager():
    """Tells how the one device was lost, and when after it was told that the cable is out."""
    with (
        LocalManager(host=MANAGER_ADDRESS, limits=Limits(heartbeat=BEAT)) as manager,
        connect(**manager.kwargs) as client,
        Bench(name="Bystander").start_in_background(**manager.kwargs),
    ):
        report(manager.kwargs)
        peers = manager._running.manager.peers
        eventually(lambda: len([peer for peer in peers if peer.record is not None]) == 3)
        reply = None
        if "Victim" in client.identities()["services"]:
            reply = client.link("Victim").wait(asynchronous=True)
        report("ready")
        sys.stdin.readline()
        start = time.monotonic()
        error = None
        if reply is not None:
            with contextlib.suppress(RemoteError):
                reply.result(30)
            error = reply.exception().message
        eventually(lambda: len(peers) == 2)
        report({"seconds": time.monotonic() - start, "error": error})
        assert client.is_connected()


def device(role, kwargs):
    """Tells what error it had, and when after it was told that the cable is out."""
    kwargs.update(reconnect=0, assert_hostname=False)
    if role == "1.x":
        # it promises no signs of life, and waits
        with RawPeer(kwargs["port"], host=kwargs["host"]).client():
            report("ready")
            sys.stdin.read()
        return
    if role == "client":
        client = connect(**kwargs)
        reply = client.link("Bystander").wait(asynchronous=True)
        wait = reply.exception
    else:
        wait = Bench(name="Victim").start_in_background(**kwargs).wait
    report("ready")
    sys.stdin.readline()
    start = time.monotonic()
    error = wait(30)
    report({"seconds": time.monotonic() - start, "error": type(error).__name__})


@pytest.fixture
def computers():
    with two_computers() as computers:
        yield computers


@pytest.fixture
def program(tmp_path):
    """Run a part of this file in a namespace."""
    with contextlib.ExitStack() as stack:

        def start(namespace, *arguments):
            process = subprocess.Popen(
                within(namespace, sys.executable, "-m", __name__, *arguments),
                cwd=Path(__file__).parents[1],
                env={**os.environ, "TMPDIR": str(tmp_path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def answer(process):
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize("role", ["client", "service", "1.x"])
def test_unplugged(role, computers, program):
    manager = program(computers.manager, "manager")
    kwargs = answer(manager)
    device = program(computers.device, role, json.dumps(kwargs))
    for process in (manager, device):
        assert answer(process) == "ready"
    computers.pull_out()
    told = [manager, device] if role != "1.x" else [manager]
    for process in told:
        process.stdin.write("the cable is out\n")
        process.stdin.flush()
    outcomes = [answer(process) for process in told]
    assert max(outcome["seconds"] for outcome in outcomes) < 2 * BEAT + ROOM
    gone = "The 'Victim' service disconnected before it replied"
    assert outcomes[0]["error"] == (gone if role == "service" else None)
    if role == "client":
        assert outcomes[1]["error"] == "ConnectionAbortedError"


if __name__ == "__main__":
    if sys.argv[1] == "manager":
        manager()
    else:
        device(sys.argv[1], json.loads(sys.argv[2]))

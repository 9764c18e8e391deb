"""A notebook's computer that vanishes without a word, or the Pi: the cable between them is out.

The Pi is a network namespace with a real OpenSSH server, which takes hours to notice.
"""

import contextlib
import json
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from .namespaces import MANAGER_ADDRESS, two_computers, within
from .openssh import openssh_server, wait_for

pytestmark = pytest.mark.openssh

LEASE = 1.0  # seconds
ROOM = 3.0  # seconds that a busy computer may take for the end

MAGNET = """\
#!/bin/sh
'''exec' {python} "$0" "$@"
'''
import logging, sys, threading, time
sys.path[:0] = [{lib!r}]
from pathlib import Path
from msl_network import constants
constants.SHUTDOWN_TIMEOUT = 0.1
from msl_network import Limits, Service, run_services, ssh

class Magnet(Service):
    def current(self):
        return 0.5

    def shutdown_handler(self):
        time.sleep(0.6)  # more than peers and programs have to end
        Path({home!r}, "switched off").touch()

def chat():
    while not Path({home!r}, "chat").exists():
        time.sleep(0.01)
    while True:
        logging.getLogger("msl_network").info("x" * 100_000)

kwargs = ssh.parse_console_script_kwargs()
threading.Thread(target=chat, daemon=True).start()
run_services(Magnet(), limits=Limits(heartbeat=0.3), **kwargs)
"""


def notebook(login, script, seconds):
    """Starts a Manager, computes for a while, and tells when it has lost it."""
    from msl_network import loop_thread, ssh
    from msl_network.ssh import connecting

    connecting.KEEPALIVE = 0.5

    async def start():
        connection = await ssh.open_connection(MANAGER_ADDRESS, **login)
        kwargs = {"disable_tls": True}
        return await ssh.run_manager(connection, script, kwargs=kwargs, lease=LEASE, timeout=30)

    manager = loop_thread.submit(start()).result(60)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass  # a cell that computes
    print(json.dumps([manager.pid, manager.running]), flush=True)
    while manager.running:
        threading.Event().wait(0.01)
    print(manager._how_it_ended(), flush=True)


def roaming(login, script, seconds):
    """Is out of reach for a while, and tells when it was, and when it is back."""
    from msl_network.notebook import connect

    login = {"ssh_username": login.pop("username"), "ssh_port": login.pop("port"), **login}
    magnet = connect(
        MANAGER_ADDRESS,
        service="Magnet",
        console_script=script,
        disable_tls=True,
        lease=seconds,
        timeout=30,
        **login,
    )
    lost, back = threading.Event(), threading.Event()
    magnet.client.on_connection_lost(lambda _: lost.set())
    magnet.client.on_connection_restored(back.set)
    print("[]", flush=True)
    assert lost.wait(30)
    print("lost", flush=True)
    assert back.wait(30)
    print(json.dumps([magnet.current(safe_to_repeat=True), magnet.remote_manager.running]))
    magnet.disconnect()
    print(magnet.remote_manager.running, flush=True)


@contextlib.contextmanager
def laboratory(folder, role, seconds):
    """A Pi with a console script, and a notebook that starts it from another computer."""
    with (
        two_computers() as computers,
        openssh_server(folder, MANAGER_ADDRESS, within(computers.manager)) as pi,
    ):
        script = pi.script("magnet")
        values = {"python": shlex.quote(pi.python), "lib": f"{pi.home}/lib", "home": str(pi.home)}
        Path(script).write_text(MAGNET.format(**values))
        login = {
            "username": pi.username,
            "port": pi.port,
            "known_hosts": str(pi.known_hosts),
            "client_keys": str(pi.client_key),
        }
        told = json.dumps([login, script, seconds])
        with subprocess.Popen(
            within(computers.device, sys.executable, "-m", __name__, role, told),
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                line = ""
                while not line.startswith("["):  # what `connect` prints comes before
                    line = process.stdout.readline()
                yield computers, pi, process, json.loads(line)
            finally:
                process.kill()


@pytest.mark.parametrize("is_chatty", [False, True], ids=["quiet", "prints without end"])
def test_a_notebook_vanishes(is_chatty, tmp_path):
    """What it has started switches its instrument off and ends; the notebook knows, too."""
    computes = 0 if is_chatty else 3 * LEASE
    with laboratory(tmp_path, "notebook", computes) as (computers, pi, process, (pid, is_running)):
        assert is_running
        manager = psutil.Process(pid)
        computers.pull_out()
        if is_chatty:
            (pi.home / "chat").touch()
        wait_for(lambda: not manager.is_running(), "the end of the Manager", LEASE + ROOM)
        assert (pi.home / "switched off").exists()
        assert "was lost" in process.stdout.readline()


def test_a_notebook_is_out_of_reach_for_a_while(tmp_path):
    """Less than its lease: its Client is back, and what it has started is still there."""
    with laboratory(tmp_path, "roaming", 60) as (computers, pi, process, _):
        computers.pull_out()
        assert process.stdout.readline() == "lost\n"
        computers.plug_in()
        assert json.loads(process.stdout.readline()) == [0.5, True]
        assert process.stdout.readline() == "False\n"
        assert (pi.home / "switched off").exists()


if __name__ == "__main__":
    {"notebook": notebook, "roaming": roaming}[sys.argv[1]](*json.loads(sys.argv[2]))

"""A kernel that ends, is started again or is killed: nothing is left of what it had elsewhere."""

import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from msl_network import connect
from msl_network.examples.pi import Pi

from ..openssh import openssh_server, wait_for

pytestmark = pytest.mark.kernel

ENDED = 15  # seconds within which nothing is left

HOW = ["shutdown", "restart", "kill"]


def end(kernel, how):
    """End a kernel, and whatever runs in it."""
    if how == "restart":
        kernel.manager.restart_kernel(now=False)
    elif how == "shutdown":
        kernel.manager.shutdown_kernel(now=False)
    else:
        os.kill(kernel.pid, signal.SIGKILL)


@pytest.fixture
def pi():
    with Pi() as pi:
        yield pi


def launching(pi, by, **changes):
    """The lines that start a Manager on a Pi, and link with its Service."""
    kwargs = {"port": pi.manager_port, **pi.ssh_kwargs, **changes}
    kwargs["known_hosts"] = str(pi.known_hosts)
    kwargs["client_keys"] = [str(pi.client_key)]
    kwargs.setdefault("console_script", pi.console_script)
    if by == "connect":
        return (
            "from msl_network.notebook import connect\n"
            f"client = connect({pi.host!r}, service='RPiService', **{kwargs!r})\n"
            "client.acquire_lock()"
        )
    return (
        "from msl_network.notebook import dashboard\n"
        f"d = dashboard({pi.host!r}, **{kwargs!r})\n"
        "display(d)\n"
        "d.launching.start().result(30)\n"
        "client = d.launching\n"
        "d.services.link_with('RPiService').result(30)\n"
        "d.link.acquire_lock()"
    )


@pytest.mark.parametrize("by", ["connect", "panel"])
@pytest.mark.parametrize("how", HOW)
def test_a_manager_that_was_started_ends(kernel, pi, how, by):
    kernel.run(launching(pi, by))
    process = psutil.Process(kernel.run("client.remote_manager.pid").value)
    assert process.is_running()
    end(kernel, how)
    wait_for(lambda: not pi._processes(), "the end of the Manager and its Service", ENDED)
    wait_for(lambda: not pi._connections, "the end of the SSH connection", ENDED)


@pytest.mark.parametrize("how", HOW)
def test_a_manager_that_is_to_stay_stays_and_is_free(kernel, pi, how, home):
    kernel.run(launching(pi, "connect", stay=True))
    process = psutil.Process(kernel.run("client.remote_manager.pid").value)
    end(kernel, how)
    wait_for(lambda: not pi._connections, "the end of the SSH connection", ENDED)
    assert process.is_running()
    certificate = next((home / "certs").glob("*.crt"))
    with connect(host=pi.host, port=pi.manager_port, cert_file=str(certificate)) as client:
        wait_for(lambda: len(client.identities()["clients"]) == 1, "the end of the link", ENDED)
        link = client.link("RPiService")
        link.acquire_lock()
        assert link.power(3) == 9


def test_a_kernel_is_killed_while_a_manager_starts(kernel, pi):
    script = pi.home / "slow"
    program = "from msl_network.ssh import parse_console_script_kwargs as parse; import time; "
    program += "parse(); print('looking for the instrument', flush=True); time.sleep(100)"
    python = f'PYTHONPATH="{Path(__file__).parents[2]}" exec "{sys.executable}"'
    script.write_text(f'#!/bin/sh\n{python} -c "{program}" "$@"\n')
    script.chmod(0o755)
    cell = kernel.start(launching(pi, "connect", console_script=str(script), timeout=60))
    kernel.wait(cell, lambda: "looking for the instrument" in kernel.page())
    end(kernel, "kill")
    wait_for(lambda: not pi._processes(), "the end of the program", ENDED)
    wait_for(lambda: not pi._connections, "the end of the SSH connection", ENDED)


@pytest.mark.parametrize("how", HOW)
def test_with_openssh(kernel, tmp_path_factory, how):
    with openssh_server(tmp_path_factory.mktemp("openssh")) as server:
        program = "from msl_network.examples.rpi_service import start_service_on_rpi as start; "
        path = f"PYTHONPATH='{server.home}/lib'"
        script = server.script(
            "rpi-service", f'{path} exec {server.python} -c "{program} start()" "$@"\n'
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        kwargs = {**server.login, "port": port, "console_script": script, "timeout": 30}
        kwargs = {k: str(v) if isinstance(v, Path) else v for k, v in kwargs.items()}
        kernel.run(
            "from msl_network.notebook import connect\n"
            f"client = connect('127.0.0.1', service='RPiService', **{kwargs!r})"
        )
        assert kernel.run("client.power(3)").value == 9
        process = psutil.Process(kernel.run("client.remote_manager.pid").value)
        end(kernel, how)
        wait_for(lambda: not process.is_running(), "the end of the Manager", ENDED)
        wait_for(lambda: not server.processes(), "the end of all that the user ran", ENDED)


@pytest.mark.parametrize("how", HOW)
def test_nothing_is_left_on_a_manager_elsewhere(connected, manager, oven, how):
    """Of a link, a lock, a request under way, a panel that watches, and a Service."""
    connected.run(f"""
from msl_network import Service, connect
from msl_network.notebook import dashboard

class Lamp(Service):
    def shine(self): return "bright"

running = Lamp().start_in_background(**{manager.kwargs!r})
link.acquire_lock()
waiting = link.heat(asynchronous=True)
d = dashboard(connect(**{manager.kwargs!r}))
display(d)
""")
    oven.heating.acquire(timeout=ENDED)
    with connect(**manager.kwargs) as client:
        there = client.identities()
        assert len(there["clients"]) == 3
        assert set(there["services"]) == {"Lamp", "Oven"}
        end(connected, how)

        def is_alone():
            there = client.identities()
            return len(there["clients"]) == 1 and set(there["services"]) == {"Oven"}

        wait_for(is_alone, "the end of all that the kernel had there", ENDED)
        oven.hot.set()
        link = client.link("Oven")
        assert len(link.acquire_lock()) == 1
        assert link.add(1) == 3

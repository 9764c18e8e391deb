"""The "Raspberry Pi" on this computer."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from msl_network import connect, ssh
from msl_network.examples.pi import Pi

from .openssh import wait_for


@pytest.fixture
def pi():
    with Pi() as pi:
        yield pi


@pytest.fixture
def client(pi):
    with ssh.connect(
        pi.host,
        username=pi.username,
        port=pi.port,
        known_hosts=pi.known_hosts,
        client_keys=pi.client_key,
    ) as client:
        yield client


def test_a_command_runs_at_home(pi, client):
    assert ssh.exec_command(client, "pwd; echo $HOME; echo $USER; echo $MSL_NETWORK_HOME") == [
        str(pi.home),
        str(pi.home),
        "pi",
        str(pi.home / ".msl" / "network"),
    ]
    assert ssh.exec_command(client, "command -v rpi-service") == [pi.console_script]


def test_who_gets_in(pi):
    kwargs = {"port": pi.port, "known_hosts": pi.known_hosts, "client_keys": []}
    ssh.connect("pi@127.0.0.1", password=pi.password, **kwargs).close()
    with pytest.raises(PermissionError):
        ssh.connect("pi@127.0.0.1", password=pi.password + "x", **kwargs)
    with pytest.raises(PermissionError):
        ssh.connect("root@127.0.0.1", password=pi.password, **kwargs)
    with pytest.raises(PermissionError):
        ssh.connect("root@127.0.0.1", password="x", **{**kwargs, "client_keys": pi.client_key})


def test_openssh_gets_in(pi):
    command = ["ssh", "-F", "none", "-i", pi.client_key, "-p", str(pi.port), "-o", "BatchMode=yes"]
    command += ["-o", f"UserKnownHostsFile={pi.known_hosts}", "pi@127.0.0.1", "cat; exit 5"]
    done = subprocess.run(command, input="through\n", capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (5, "through\n", "")


def test_a_process_is_not_killed_with_its_connection_but_its_input_ends(pi, client):
    ended = pi.home / "ended"
    with pytest.raises(RuntimeError, match="Timeout"):
        ssh.exec_command(client, "trap '' TERM; exec <&0; sleep 0.5; echo x > ended", timeout=0.1)
    wait_for(ended.exists, "the end of the command")


def test_nothing_is_left_of_it():
    pi = Pi()
    assert repr(pi) == "<Pi pi@127.0.0.1:0 stopped>"
    assert pi.start() is pi.start()
    assert repr(pi) == f"<Pi pi@127.0.0.1:{pi.port}>"
    assert pi.password not in repr(pi)
    folder, port = pi.folder, pi.port
    client = ssh.connect(
        "pi@127.0.0.1", port=port, known_hosts=pi.known_hosts, client_keys=pi.client_key
    )
    left = "sleep 300 >/dev/null 2>&1 & echo $!; setsid sleep 300 >/dev/null 2>&1 & echo $!"
    pids = [int(pid) for pid in ssh.exec_command(client, left)]
    assert len(pids) == 2
    assert all(psutil.pid_exists(pid) for pid in pids)
    pi.stop()
    pi.stop()
    assert not folder.exists()
    for pid in pids:
        if psutil.pid_exists(pid):
            assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    wait_for(lambda: not client.is_connected(), "the end of the connection")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 1)

    # and it can be started anew
    with pi:
        assert pi.home.is_dir()


def test_a_program_that_does_not_stop_it_ends(tmp_path):
    program = "from msl_network.examples.pi import Pi; Pi().start()"
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=env)
    assert list(tmp_path.iterdir()) == []


def test_from_nothing_to_a_result(pi):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ssh.start_manager(pi.host, pi.console_script, **pi.ssh_kwargs, timeout=30, port=port)
    certificate = next((pi.home / ".msl" / "network" / "certs").iterdir())
    cxn = connect(host=pi.host, port=port, cert_file=str(certificate), assert_hostname=False)
    link = cxn.link("RPiService")
    assert link.add_numbers(1, 2, 3, 4) == 10
    assert link.power(4) == 16
    assert link.power(5, n=3) == 125

    with pytest.raises(RuntimeError, match="address already in use") as error:
        ssh.start_manager(pi.host, pi.console_script, **pi.ssh_kwargs, timeout=30, port=port)
    assert str(error.value).startswith("Cannot start Manager\n\n")

    link.shutdown_service()
    cxn.disconnect()
    log = Path(pi.console_script + ".log")
    assert os.stat(log).st_mode & 0o077 == 0


def test_what_a_killed_program_started_ends(pi):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    code = f"""
import asyncio
from msl_network import ssh

async def run():
    connection = await ssh.open_connection(
        "pi@127.0.0.1",
        port={pi.port},
        known_hosts={str(pi.known_hosts)!r},
        client_keys={str(pi.client_key)!r},
    )
    manager = await ssh.run_manager(
        connection, "~/.local/bin/rpi-service", kwargs={{"port": {port}}}, timeout=30
    )
    print(manager.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(run())
"""
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    with program:
        manager = psutil.Process(int(program.stdout.readline()))
        assert manager.is_running()
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
        program.kill()
    wait_for(lambda: not manager.is_running(), "the end of the Manager", timeout=20)

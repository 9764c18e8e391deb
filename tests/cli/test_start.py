"""msl-network start, in a process of its own."""

import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from msl_network.constants import NETWORK_MANAGER_RUNNING_PREFIX
from tests.ports import free_port


@pytest.fixture
def start(tmp_path):
    """Start a Manager; whatever is still running at the end is killed."""
    processes = []

    def start(*words, **kwargs):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "msl_network", "start", *map(str, words)],
            env=os.environ | {"MSL_NETWORK_HOME": str(tmp_path / "home")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **kwargs,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't interrupt one process")
def test_manager_runs_until_it_is_interrupted(start, tmp_path):
    port = free_port()
    process = start("--host", "127.0.0.1", "--port", port, "--disable-tls", "-P", "two", "words")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if NETWORK_MANAGER_RUNNING_PREFIX in line:
            break
    else:
        pytest.fail("".join(lines) + process.stderr.read())
    assert f"127.0.0.1:{port} (TLS DISABLED)" in lines[-1]
    with socket.create_connection(("127.0.0.1", port), 10) as client, client.makefile() as replies:
        assert '"password"' in replies.readline()
        client.sendall(b"two words\n")
        assert '"identity"' in replies.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert (tmp_path / "home" / "manager.sqlite3").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_can_read_what_a_manager_makes_at_its_first_start(start, tmp_path):
    """And where others can read what is there already, as 1.x left it, the log says so."""
    home = tmp_path / "home"
    key, database = home / "keys" / "127.0.0.1.key", home / "manager.sqlite3"
    said = {}
    for run in ("first", "second"):
        process = start("--host", "127.0.0.1", "--port", free_port(), umask=0)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if NETWORK_MANAGER_RUNNING_PREFIX in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        said[run] = "".join(lines)
        if run == "first":
            (log,) = (home / "logs").iterdir()
            files = [key, database, log]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
            assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
            key.chmod(0o644)
            database.chmod(0o644)
    assert "everybody" not in said["first"]
    assert f"everybody on this computer can read the private key: chmod o= {key}" in said["second"]
    assert f"chmod o= {database}" in said["second"]


def test_certificate_of_a_key_that_is_no_longer_there(start, tmp_path):
    keys = {"MSL_NETWORK_HOME": str(tmp_path / "home")}
    for command in ("certgen", "keygen"):
        done = [sys.executable, "-m", "msl_network", command]
        subprocess.run(done, env=os.environ | keys, check=True, stdout=subprocess.DEVNULL)
    _, error = start().communicate(timeout=60)
    assert "KEY_VALUES_MISMATCH" in error
    assert "To make a certificate for this key: msl-network certgen --key-file " in error


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--port", "x"], "ValueError: The port must be a positive integer"),
        (
            ["--heartbeat", "0"],
            "ValueError: heartbeat must be greater than 0 and finite, not 0.0",
        ),
        (
            ["--unauthenticated", "10"],
            "ValueError: unauthenticated must be at least unauthenticated_per_address: "
            "10 is less than 128",
        ),
        (["--log-level", "loud"], "ValueError: Cannot set logging level to 'loud'"),
        (["--auth-login", "--disable-tls"], "The 'auth_users' table is empty, no one could log in"),
        (
            ["--auth-login", "--auth-hostname", "--disable-tls"],
            "Cannot specify multiple authentication methods",
        ),
    ],
)
def test_manager_cannot_start(start, words, text):
    process = start(*words)
    _, error = process.communicate(timeout=60)
    assert error.splitlines()[0] == text
    assert process.returncode == 1

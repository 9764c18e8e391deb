"""A real OpenSSH server with a real user on loopback, and console scripts for a far side."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import psutil

from .laboratory import missing

SSHD = "/usr/sbin/sshd"
REPOSITORY = Path(__file__).parents[1]

FAR_SIDE = ("msl_network", "msgspec", "uvloop", "psutil", "cryptography", "cffi", "_cffi_backend")
"""What a Manager and a Service need, copied to where the user can read it."""

# Behaves as `how` says; without it, it is a Manager as far as `start_manager` can see. What
# it got is in `received.json`, its command line and environment are in `seen.txt`.
CONSOLE_SCRIPT = """\
#!/bin/sh
'''exec' {python} "$0" "$@"
'''
import json, os, signal, socket, sys
from pathlib import Path
sys.path[:0] = {path!r}
from msl_network.ssh import parse_console_script_kwargs

home = Path({home!r})
signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
kwargs = parse_console_script_kwargs()
(home / "received.json").write_text(json.dumps(kwargs))
(home / "seen.txt").write_text(
    " ".join(sys.argv) + "\\n" + "\\n".join(f"{{k}}={{v}}" for k, v in os.environ.items())
)
(home / "pid").write_text(str(os.getpid()))
try:
    how = kwargs.get("how")
    if how == "silent":
        print("looking for the instrument")
    elif how == "traceback":
        raise ValueError("no such instrument")
    else:
        print("preparing")
        server = socket.create_server(("127.0.0.1", kwargs.get("port", 0)))
        print("Network Manager running on here:%d" % server.getsockname()[1])
    while True:
        signal.pause()
except KeyboardInterrupt:
    (home / "ended").write_text("gracefully")
"""


def write_script(path: Path, *, home: Path, python: str, packages: list[str]) -> None:
    """Write the console script of a far side."""
    path.write_text(
        CONSOLE_SCRIPT.format(python=shlex.quote(python), path=packages, home=str(home))
    )
    path.chmod(0o755)


@dataclass
class OpenSSH:
    """The server and its user."""

    username: str
    password: str
    port: int
    home: Path
    known_hosts: Path
    client_key: Path
    host_key: Path
    host: str
    python: str = ""

    @property
    def kwargs(self) -> dict:
        """To connect with the key and without a question."""
        return {
            "ssh_port": self.port,
            "known_hosts": self.known_hosts,
            "client_keys": self.client_key,
        }

    @property
    def login(self) -> dict:
        """To start a Manager with the key and without a question."""
        return {"ssh_username": self.username, **self.kwargs}

    def processes(self) -> list[psutil.Process]:
        """What the user runs."""
        uid = pwd.getpwnam(self.username).pw_uid
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.uids().real == uid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def end_processes(self) -> None:
        """End what the user runs."""
        for process in (processes := self.processes()):
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=5)

    def script(self, path: str, text: str | None = None) -> str:
        """Install a console script in the user's home; the text is that of a shell script."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            write_script(
                file, home=self.home, python=self.python, packages=[str(self.home / "lib")]
            )
        else:
            file.write_text("#!/bin/sh\n" + text)
            file.chmod(0o755)
        own(self.home, self.username)
        return str(file)


def own(folder: Path, username: str) -> None:
    """Make everything in a folder the user's."""
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, username, username)


@contextlib.contextmanager
def openssh_server(
    folder: Path, host: str = "127.0.0.1", within: Sequence[str] = ()
) -> Iterator[OpenSSH]:
    """Start an SSH server for a new user; both are gone at the end.

    Args:
        folder: An empty folder for the keys and the configuration.
        host: The address that it listens on.
        within: The beginning of a command that runs another one where that address is.
    """
    if not os.path.exists(SSHD):
        missing(f"{SSHD} is not installed")
    if os.geteuid() != 0:
        missing("only root can make a user for an SSH server")
    username, password = f"msl-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", username], check=True)
    server = None
    try:
        subprocess.run(["chpasswd"], input=f"{username}:{password}", text=True, check=True)
        ssh = _configure(folder, username, password, host)
        ssh.python = _find_python(ssh)
        server = _start(folder, within)
        yield ssh
    finally:
        if server is not None:
            server.terminate()
            server.wait(10)
        _remove(username)


def _configure(folder: Path, username: str, password: str, host: str) -> OpenSSH:
    home = Path(pwd.getpwnam(username).pw_dir)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ssh = OpenSSH(
        username,
        password,
        port,
        home,
        known_hosts=folder / "known_hosts",
        client_key=folder / "client_key",
        host_key=folder / "host_key",
        host=host,
    )
    host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    for key, path in ((host_key, ssh.host_key), (client_key, ssh.client_key)):
        path.touch(0o600)
        key.write_private_key(path)
    public = host_key.export_public_key().decode()
    ssh.known_hosts.write_text(f"[{host}]:{port} {public}")
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh" / "authorized_keys").write_bytes(client_key.export_public_key())
    for name in FAR_SIDE:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            missing(f"{name} is not installed")
        origin, lib = Path(spec.origin), home / "lib"
        lib.mkdir(exist_ok=True)
        if spec.submodule_search_locations:
            shutil.copytree(origin.parent, lib / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, lib)
    own(home, username)
    options = {
        "Port": port,
        "ListenAddress": host,
        "HostKey": ssh.host_key,
        "PidFile": "none",
        "UsePAM": "no",  # a container has not all that PAM wants; the shadow file is enough
        "PasswordAuthentication": "yes",
        "KbdInteractiveAuthentication": "no",
        "MaxStartups": 100,
        "SetEnv": f"PATH={home}/bin:/usr/local/bin:/usr/bin:/bin",  # for a sudo of its own
        "PerSourcePenalties": "no",  # wrong passwords are part of the tests
    }
    _write_config(folder, options)
    os.makedirs("/run/sshd", exist_ok=True)
    if subprocess.run([SSHD, "-t", "-f", folder / "config"], capture_output=True).returncode:
        del options["PerSourcePenalties"]  # before OpenSSH 9.8
        _write_config(folder, options)
    return ssh


def _write_config(folder: Path, options: dict) -> None:
    (folder / "config").write_text("".join(f"{k} {v}\n" for k, v in options.items()))


def _start(folder: Path, within: Sequence[str]) -> subprocess.Popen:
    log = folder / "sshd.log"
    server = subprocess.Popen([*within, SSHD, "-D", "-f", folder / "config", "-E", log])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and server.poll() is None:
        if log.exists() and "Server listening on" in log.read_text():
            return server
        time.sleep(0.02)
    server.kill()
    server.wait()
    raise RuntimeError(f"sshd did not start:\n{log.read_text() if log.exists() else ''}")


def _find_python(ssh: OpenSSH) -> str:
    """Find an interpreter that the user may run: root's home is closed to others."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    user = pwd.getpwnam(ssh.username)
    reasons = []
    for python in (sys.executable, f"/usr/bin/python{version}"):
        try:
            done = subprocess.run(
                [python, "-c", "import msl_network.ssh.console, msgspec, uvloop, cryptography"],
                cwd=ssh.home / "lib",
                env={"PATH": os.defpath, "PYTHONPATH": str(ssh.home / "lib")},
                user=user.pw_uid,
                group=user.pw_gid,
                extra_groups=[],
                capture_output=True,
                text=True,
            )
        except OSError as error:
            reasons.append(str(error))
            continue
        if done.returncode == 0:
            return python
        reasons.append(done.stderr)
    missing(f"no Python {version} that another user may run:\n" + "\n".join(reasons))
    raise AssertionError


def _remove(username: str) -> None:
    uid = pwd.getpwnam(username).pw_uid
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if uid in process.uids():
                process.kill()
    deadline = time.monotonic() + 10
    while subprocess.run(["userdel", "-r", username], capture_output=True).returncode == 8:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the user {username} is still busy")
        time.sleep(0.1)


def mode_of(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def wait_for(condition, what: str, timeout: float = 10) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout} s"
        time.sleep(0.02)

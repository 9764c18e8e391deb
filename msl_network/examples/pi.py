"""A "Raspberry Pi" on this computer, to try everything without one."""

import asyncio
import atexit
import contextlib
import hmac
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncssh
import psutil

from .. import loop_thread, trust
from ..asking import wait

__all__ = ["Pi"]

END_TIMEOUT = 3.0
"""Seconds that a process on the Pi has to end before it is killed."""

# Not a shebang: the path of an interpreter may have spaces in it, or be too long for one.
_CONSOLE_SCRIPT = """\
#!/bin/sh
'''exec' {python} "$0" "$@"
'''
import sys
sys.path.insert(0, {root!r})
from msl_network.examples.rpi_service import start_service_on_rpi
sys.exit(start_service_on_rpi())
"""


class Pi:
    """An SSH server on 127.0.0.1 with a home folder of its own, as if it were a Raspberry Pi.

    It needs no rights of an administrator and changes nothing outside of a temporary folder.
    Commands that arrive over SSH run as processes of the user who made it. The console script
    `rpi-service` is installed there; it starts a Manager and `RPiService`.

        with Pi() as pi:
            ssh.start_manager(pi.host, pi.console_script, **pi.ssh_kwargs)

    Attributes:
        host: The address, `"127.0.0.1"`.
        port: The port of the SSH server; 0 until it is started.
        username: The user, `"pi"`.
        password: The password of that user, a new one for each Pi.
        manager_port: A port that is free for a Manager, so that one that runs on this computer
            already is not in the way.
        folder: The temporary folder with everything.
    """

    host = "127.0.0.1"
    username = "pi"

    def __init__(self) -> None:
        self.port = 0
        self._process = os.getpid()
        self.password = secrets.token_urlsafe(12)
        self.manager_port = _free_port()
        self.folder = Path()
        self._server: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()

    @property
    def home(self) -> Path:
        """The home folder of the user on the Pi."""
        return self.folder / "home" / "pi"

    @property
    def client_key(self) -> Path:
        """A private key that is accepted in place of the password."""
        return self.folder / "client_key"

    @property
    def known_hosts(self) -> Path:
        """A file with the host key of the Pi."""
        return self.folder / "known_hosts"

    @property
    def console_script(self) -> str:
        """The path of `rpi-service` on the Pi."""
        return str(self.home / ".local" / "bin" / "rpi-service")

    @property
    def ssh_kwargs(self) -> dict[str, Any]:
        """What `start_manager` needs to log in with the key and without a question."""
        return {
            "ssh_username": self.username,
            "ssh_port": self.port,
            "known_hosts": self.known_hosts,
            "client_keys": [self.client_key],
        }

    def start(self) -> Self:
        """Start the SSH server; when it is running nothing happens.

        Raises:
            OSError: The temporary folder can't be made, or there is no free port.
        """
        if self._server is None:
            self.folder = Path(tempfile.mkdtemp(prefix="msl-network-pi-"))
            atexit.register(self.stop)
            try:
                wait(loop_thread.submit(self._start(*self._make_files())))
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        """Stop the SSH server and every process on the Pi, and remove its home."""
        atexit.unregister(self.stop)
        if os.getpid() != self._process:
            return  # the child of a fork, which has no part in it
        if self._server is not None:
            wait(loop_thread.submit(self._stop(self._server)))
            self._server = None
            self.port = 0
        if self.folder != Path():
            _end(self._processes())
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Pi {self.username}@{self.host}:{self.port}{'' if self.port else ' stopped'}>"

    def _make_files(self) -> tuple[asyncssh.SSHKey, asyncssh.SSHKey]:
        script = Path(self.console_script)
        script.parent.mkdir(parents=True)
        script.write_text(
            _CONSOLE_SCRIPT.format(
                python=shlex.quote(sys.executable), root=str(Path(__file__).parents[2])
            )
        )
        script.chmod(0o755)
        key = asyncssh.generate_private_key("ssh-ed25519", comment=f"{self.username}@this-computer")
        self.client_key.touch(0o600)
        key.write_private_key(self.client_key)
        return asyncssh.generate_private_key("ssh-ed25519"), key.convert_to_public()

    async def _start(self, host_key: asyncssh.SSHKey, accepted: asyncssh.SSHKey) -> None:
        self._server = await asyncssh.listen(
            self.host,
            0,
            server_factory=lambda: _Server(self, accepted, self._connections),
            server_host_keys=[host_key],
            process_factory=self._run,
            encoding=None,
            allow_pty=False,
            agent_forwarding=False,
        )
        self.port = self._server.get_port()
        trust.add_host_key(self.host, self.port, host_key, self.known_hosts)

    async def _stop(self, server: asyncssh.SSHAcceptor) -> None:
        server.close()
        for connection in list(self._connections):
            connection.abort()
        await server.wait_closed()

    async def _run(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        """Run what came over SSH, as sshd does: its pipes are closed when the channel goes."""
        child = subprocess.Popen(  # noqa: ASYNC220, S603
            ["/bin/sh", *([] if process.command is None else ["-c", process.command])],
            cwd=self.home,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()

        def note_end(status: int) -> None:
            if not ended.done():
                ended.set_result(status)

        def wait_for_child() -> None:
            status = child.wait()
            with contextlib.suppress(RuntimeError):  # the loop has gone
                loop.call_soon_threadsafe(note_end, status)

        def send_signal(signal_name: str) -> None:
            number = getattr(signal, f"SIG{signal_name}", None)
            if number is not None and not ended.done():
                with contextlib.suppress(ProcessLookupError):
                    if sys.platform == "win32":
                        child.terminate()
                    else:
                        os.killpg(child.pid, number)

        threading.Thread(target=wait_for_child, name="msl-network-pi", daemon=True).start()
        process.signal_received = send_signal  # type: ignore[method-assign, assignment]
        await process.redirect(stdin=child.stdin)
        output = [
            asyncio.ensure_future(_copy(child.stdout, process.stdout)),
            asyncio.ensure_future(_copy(child.stderr, process.stderr)),
        ]
        closed: asyncio.Future[Any] = asyncio.ensure_future(process.wait_closed())
        for step in [*output, ended]:
            await asyncio.wait({step, closed}, return_when=asyncio.FIRST_COMPLETED)
        if not closed.done():
            status = ended.result()
            if status < 0:
                process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
            else:
                process.exit(status)
            await closed
        for task in output:
            task.cancel()
        await asyncio.gather(*output, return_exceptions=True)

    def _environment(self) -> dict[str, str]:
        path = os.environ.get("PATH", os.defpath)
        locale = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        return {
            "HOME": str(self.home),
            "LOGNAME": self.username,
            "USER": self.username,
            "SHELL": "/bin/sh",
            "PATH": f"{self.home / '.local' / 'bin'}{os.pathsep}{path}",
            "MSL_NETWORK_HOME": str(self.home / ".msl" / "network"),
            **locale,
        }

    def _processes(self) -> list[psutil.Process]:
        """What runs on the Pi, also what has detached itself: it has the home of the Pi."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.home):
                    found.append(process)
        return found


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((Pi.host, 0))
        return int(sock.getsockname()[1])


class _Server(asyncssh.SSHServer):
    """Lets the user of a Pi in, with the password or the key."""

    def __init__(
        self,
        pi: Pi,
        accepted: asyncssh.SSHKey,
        connections: set[asyncssh.SSHServerConnection],
    ) -> None:
        self._pi = pi
        self._accepted = accepted
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == self._pi.username and key == self._accepted

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username == self._pi.username and hmac.compare_digest(
            password.encode(), self._pi.password.encode()
        )


async def _copy(pipe: Any, writer: "asyncssh.SSHWriter[bytes]") -> None:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        transport.close()


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs(processes, timeout=END_TIMEOUT)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=END_TIMEOUT)

"""Start a Manager on another computer, by running a console script there."""

import asyncio
import contextlib
import logging
import math
import os
import re
import shlex
from collections import deque
from collections.abc import Callable
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self

import asyncssh

from .. import constants, loop_thread, trust
from ..asking import Ask, Question, wait, wait_and_answer
from ..display import Description, Displayed
from .commands import run, run_command, start_process
from .connecting import ClientKeys, close_connection, login_of, open_connection, refuse
from .console import KWARGS, LEASE, UNTIL_EOF

__all__ = ["RemoteManager", "run_manager", "start_manager"]

logger = logging.getLogger(__name__)

GRACE = 10.0
"""Seconds to wait for the end of a Manager: twice what that gives its peers."""

SIGNS = 4
"""Signs of life within the seconds that a process on a far side goes on without any."""

LOG_LINES = 1000
"""Lines of a far side's output that are kept."""

LOG_DISPLAYED = 50
"""Lines of it that are shown below a cell."""

LINE_LIMIT = 10_000
"""Characters after which a line is cut: a process may print for ever without a line end."""

LOG_SHOWN = 100_000
"""Most bytes of a log that are shown in an error."""

ERROR_GRACE = 1.0
"""Seconds for the rest of a traceback to arrive after its first line."""

# Started from a shell that stays the parent, so that the exit status is known whatever the
# far side's init does. The log is made anew: what may still write to an old one, and who may read
# that, is not ours. `tail` goes when the shell does (SIGHUP); the script stays (nohup, setsid).
# It is one line for the shells (csh) that can't have a quoted text over several.
_STAYING = (
    '{check}log={log}; rm -f "$log"; (umask 077; : >"$log") || exit 1; exec 3<&0; '
    'nohup $(command -v setsid) env PYTHONUNBUFFERED=1 {command} <&3 >>"$log" 2>&1 & '
    'pid=$!; echo "$pid"; exec 3<&- </dev/null; '
    'tail -n +1 -f "$log" & tail=$!; '
    'wait "$pid"; status=$?; kill "$tail"; exit "$status"'
)

_BOUND = '{check}echo "$$"; exec env PYTHONUNBUFFERED=1 {command} 2>&1'

# Only the superuser may know about a script that runs as one.
_CHECK = (
    "command -v {path} >/dev/null || "
    '{{ printf "%s: no such console script, or not executable\\n" {path} >&2; exit 127; }}; '
)


class RemoteManager(Displayed):
    """A console script that runs on another computer, and what it prints.

    Attributes:
        host: The hostname or IP address of that computer.
        pid: The id of the process there; None until it is known.
        log: The last lines of its output.
        stay: Whether the process goes on running when the connection ends.
        lease: Seconds that one that does not stay goes on without a sign of life from here.
        ended: Done when the process has ended, as far as this connection can tell.
    """

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        process: asyncssh.SSHClientProcess[str],
        *,
        stay: bool,
        lease: float,
        on_line: Callable[[str], None] | None,
        log_path: str,
        sudo: "_Sudo | None",
    ) -> None:
        self.host: str = connection.get_extra_info("host")
        self.pid: int | None = None
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.stay = stay
        self.lease = lease
        self._connection = connection
        self._process = process
        self._on_line = on_line
        self._log_path = log_path
        self._sudo = sudo
        self._seen: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pid_told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.create_task(self._read())
        if not stay and lease < math.inf:
            self._signs = asyncio.create_task(self._give_signs())

    def _repr_description_(self) -> Description:
        state = "has ended"
        if self.running:
            how = "goes on without" if self.stay else "ends with"
            state = f"is running as process {self.pid}, and {how} the connection to it"
        lines = "\n".join(tuple(self.log)[-LOG_DISPLAYED:])
        folded = ("The last lines of its log", lines) if lines else None
        return Description(f"The Manager on {self.host}", state, line=repr(self), folded=folded)

    async def _give_signs(self) -> None:
        pause = self.lease / SIGNS
        with contextlib.suppress(OSError):  # the channel has gone
            while not (await asyncio.wait({self.ended}, timeout=pause))[0]:
                self._process.stdin.write(_sign(self.lease))

    @property
    def running(self) -> bool:
        """Whether the process runs, as far as this connection can tell."""
        return not self.ended.done()

    def stop(self, timeout: float = GRACE) -> None:
        """End the process: it is asked to shut down.

        Args:
            timeout: Seconds to wait for its end.

        Raises:
            TimeoutError: It may still be running.
        """
        wait(loop_thread.submit(self.aclose(timeout)))

    async def aclose(self, timeout: float = GRACE) -> None:
        """End the process; the asynchronous face of `stop`."""
        if self.ended.done():
            return
        if self.stay:
            await self._kill(timeout)
        else:
            with contextlib.suppress(OSError):  # the channel has gone
                self._process.stdin.write_eof()
        await asyncio.wait({self.ended}, timeout=timeout)
        if not self.ended.done():
            self.release()
            raise TimeoutError(
                f"The process {self.pid} on {self.host} has not ended within {timeout} seconds"
            )

    async def _kill(self, timeout: float) -> None:
        told = {self.ended, self._pid_told}
        await asyncio.wait(told, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if self.pid is None:
            self.release()  # a shell that has not come to starting it
        elif self._sudo is None:
            await run(self._connection, f"kill {self.pid}", timeout=timeout)
        else:
            await self._sudo.run(self._connection, f"kill {self.pid}", timeout)

    def release(self) -> None:
        """Stop looking at the process; one that does not stay ends. Only on the loop."""
        with contextlib.suppress(OSError):  # the channel has gone
            self._process.send_signal("HUP")
        self._process.close()

    async def wait_until_running(self, timeout: float) -> None:
        """Wait for the line that says that the Manager is running.

        Args:
            timeout: Seconds to wait at the most.

        Raises:
            RuntimeError: The Manager can't be started; the text has the log.
            TimeoutError: The time is up; the text has the log.
        """
        await asyncio.wait(
            {self.ended, self._seen}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if self._seen.done() and self._seen.result() == "running":
            return
        if self._seen.done():
            await asyncio.wait({self.ended}, timeout=ERROR_GRACE)
        goes_on = f"The process {self.pid} on {self.host} goes on running"
        text = await self._whole_log()
        if not self.ended.done() and not self._seen.done():
            note = f"\n\n{goes_on}" if self.stay else ""
            raise TimeoutError(
                f"The Manager on {self.host} is not running after {timeout} seconds. "
                f"Its log:\n\n{text}{note}"
            )
        if not self.ended.done() and self.stay:
            text += f"\n\n{goes_on}"
        raise RuntimeError(f"Cannot start Manager\n\n{text or self._how_it_ended()}")

    def _how_it_ended(self) -> str:
        status = self._process.exit_status
        if status is None:
            return f"The SSH connection to {self.host} was lost"
        return f"The console script ended with exit status {status} and printed nothing"

    async def _whole_log(self) -> str:
        if self.stay and self.pid is not None and not self._connection.is_closed():
            command = _in_shell(f"tail -c {LOG_SHOWN} {self._log_path}")
            with contextlib.suppress(RuntimeError, ConnectionError):
                return "\n".join(await run_command(self._connection, command))
        return "\n".join(self.log)

    async def _read(self) -> None:
        rest = ""
        with contextlib.suppress(asyncssh.Error, OSError):  # the connection is lost
            while chunk := await self._process.stdout.read(65536):
                *lines, rest = (rest + chunk).split("\n")
                if len(rest) > LINE_LIMIT:
                    lines, rest = [*lines, rest], ""
                for line in lines:
                    self._take(line.removesuffix("\r")[:LINE_LIMIT])
            if rest:
                self._take(rest)
            # what the shell itself has to say, on standard error
            for line in (await self._process.stderr.read(LOG_SHOWN)).splitlines():
                self._take(line)
            await self._process.wait_closed()

    def _take(self, line: str) -> None:
        if self.pid is None and line.isdecimal():
            self.pid = int(line)
            self._pid_told.set_result(None)
            return
        self.log.append(line)
        if self._on_line is not None:
            try:
                self._on_line(line)
            except Exception:
                logger.exception("on_line failed")
        if self._seen.done():
            return
        if constants.NETWORK_MANAGER_RUNNING_PREFIX in line:
            self._seen.set_result("running")
        elif "ERROR" in line or "Error:" in line:
            self._seen.set_result("error")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "running" if self.running else "ended"
        return f"<RemoteManager on {self.host} pid={self.pid} {state}>"


class _Sudo:
    """How to run something as the superuser; keeps the password when sudo wants one."""

    def __init__(self, password: str | None) -> None:
        self.prefix = "sudo -n -- " if password is None else "sudo -S -p '' -- "
        self.first_line = "" if password is None else password + "\n"

    async def run(
        self, connection: asyncssh.SSHClientConnection, command: str, timeout: float
    ) -> None:
        await run(connection, self.prefix + command, text=self.first_line, timeout=timeout)


async def _find_sudo(
    connection: asyncssh.SSHClientConnection, ask: Ask | None, timeout: float
) -> _Sudo:
    login = login_of(connection)
    where = connection.get_extra_info("host")
    probe = await run(connection, "sudo -n true", timeout=timeout)
    if probe.exit_status == 0:
        return _Sudo(None)
    if probe.exit_status == 127:
        raise RuntimeError(f"Cannot start Manager\n\nThere is no sudo on {where}")
    password = None if login is None else login.password
    if password is None and ask is not None:
        user = connection.get_extra_info("username")
        with contextlib.suppress(EOFError, OSError, NotImplementedError):
            password = await ask(
                Question("password", f"[sudo] password for {user}@{where}: ", secret=True)
            )
    if not password:
        raise PermissionError(f"sudo on {where} wants a password and there is nobody to ask")
    # before the script runs: sudo would take the keyword arguments for a second attempt
    check = await run(connection, "sudo -k -S -p '' -v", text=password + "\n", timeout=timeout)
    if check.exit_status != 0:
        raise PermissionError(f"sudo on {where} refuses the password, or the user")
    return _Sudo(password)


async def run_manager(
    connection: asyncssh.SSHClientConnection,
    console_script_path: str,
    *,
    kwargs: dict[str, Any],
    as_sudo: bool = False,
    stay: bool = False,
    lease: float = constants.LEASE,
    on_line: Callable[[str], None] | None = None,
    timeout: float = 10,
    ask: Ask | None = None,
) -> RemoteManager:
    """Run a console script on another computer until its Manager is running.

    Args:
        connection: An open connection, made by `open_connection`. Keep it open: without
            `stay` the script ends with it, however it ends.
        console_script_path: The path of the script on that computer; `~/` is the home of the
            user there.
        kwargs: The keyword arguments that `parse_console_script_kwargs` returns there.
        as_sudo: Whether to run it as the superuser.
        stay: Whether the script goes on running without the connection. Its output
            is then in `<script>.log`, which only the user can read.
        lease: Seconds after which a script that does not stay ends by itself when nothing comes
            from this computer any more; `math.inf` to leave it to the SSH server to find out.
        on_line: Called on the loop of the network with each line of its output.
        timeout: Seconds for the Manager to start.
        ask: Awaited for the password of sudo, where that is not the one of the login.

    Raises:
        RuntimeError: The Manager can't be started; the text has the log.
        TimeoutError: The time is up; a script that is not to stay has been ended.
        asyncio.CancelledError: It is given up; the script has been ended.
        PermissionError: sudo refuses.
        ConnectionError: The connection is lost.
        ValueError: The lease is too short for a network.
    """
    from .. import json

    if not lease >= constants.LEASE_SHORTEST:
        raise ValueError(f"A lease has {constants.LEASE_SHORTEST:g} s at least, not {lease} s")
    sudo = await _find_sudo(connection, ask, timeout) if as_sudo else None
    line = json.serialize(kwargs) + "\n"
    if not stay and lease < math.inf:
        line += _sign(lease)
    path = _remote_path(console_script_path)
    log_path = _remote_path(console_script_path + ".log")
    command = f"{sudo.prefix if sudo else ''}{path} {KWARGS} -{'' if stay else ' ' + UNTIL_EOF}"
    check = "" if sudo else _CHECK.format(path=path)
    script = (_STAYING if stay else _BOUND).format(check=check, command=command, log=log_path)
    try:
        process = await start_process(connection, _in_shell(script))
    except asyncssh.Error as error:
        raise ConnectionError(f"No SSH connection to start a Manager: {error}") from error
    manager = RemoteManager(
        connection,
        process,
        stay=stay,
        lease=lease,
        on_line=on_line,
        log_path=log_path,
        sudo=sudo,
    )
    try:
        with contextlib.suppress(BrokenPipeError):  # it has ended: its output says why
            process.stdin.write((sudo.first_line if sudo else "") + line)
            if stay:
                process.stdin.write_eof()
        await manager.wait_until_running(timeout)
    except BaseException as error:
        # also one that is to stay: who gives up does not know of it
        if not stay or isinstance(error, asyncio.CancelledError):
            with contextlib.suppress(TimeoutError, ConnectionError):
                await manager.aclose(ERROR_GRACE)
        else:
            manager.release()
        raise
    return manager


def start_manager(
    host: str,
    console_script_path: str | PurePosixPath,
    *,
    ssh_username: str | None = None,
    ssh_password: str | None = None,
    timeout: float = 10,
    as_sudo: bool = False,
    ssh_port: int = trust.SSH_PORT,
    known_hosts: str | os.PathLike[str] | None = None,
    client_keys: ClientKeys | None = None,
    **kwargs: Any,
) -> None:
    """Start a Manager (and Services) on another computer, by running a console script there.

    The script goes on running after this has returned. Its output is in `<script>.log` beside
    it, which only the user there can read. The keyword arguments reach the script over its
    standard input, never on a command line, so it must call `parse_console_script_kwargs` of this
    package, not the one of 1.x. The other computer must have a POSIX shell.

    Args:
        host: The hostname or IP address, also with the user: `"pi@raspberrypi"`.
        console_script_path: The path of the script there; `~/` is the home of the user there.
        ssh_username: The user to log in as; asked for when it is not given.
        ssh_password: The password; asked for when it is needed and not given.
        timeout: Seconds for the login, and again for the Manager to start.
        as_sudo: Whether to run the script as the superuser. When sudo wants a
            password it gets the one of the login; after a login with a key it is asked for.
        ssh_port: The port of the SSH server.
        known_hosts: See `connect`.
        client_keys: See `connect`.
        kwargs: The keyword arguments for the script: those of `manager.run_forever` and, when it
            starts Services as well, of `Service.start`.

    Raises:
        RuntimeError: The Manager can't be started (the address is in use, there is no such script,
            ...); the text has the log.
        TimeoutError: There is no connection in time, or the Manager is not running in time. In
            the second case it goes on starting; the text has the log and the id of the process.
        ConnectionError: See `connect`.
        PermissionError: The login or sudo is refused.
    """
    refuse(kwargs, "start_manager")

    async def start(ask: Ask) -> None:
        connection = await open_connection(
            host,
            username=ssh_username,
            password=ssh_password,
            timeout=timeout,
            port=ssh_port,
            known_hosts=known_hosts,
            client_keys=client_keys,
            ask=ask,
        )
        try:
            manager = await run_manager(
                connection,
                str(console_script_path),
                kwargs=kwargs,
                as_sudo=as_sudo,
                stay=True,
                timeout=timeout,
                ask=ask,
            )
            manager.release()
        finally:
            await close_connection(connection)

    wait_and_answer(start)


def _sign(lease: float) -> str:
    return f"{LEASE} {lease:g}\n"


def _remote_path(path: str) -> str:
    """Quote a path for a POSIX shell, leaving a `~` at its start to that shell."""
    if re.match(r"~[\w.-]*(/|$)", path):
        home, slash, rest = path.partition("/")
        return home + slash + (shlex.quote(rest) if rest else "")
    return shlex.quote(path)


def _in_shell(script: str) -> str:
    # the user's own shell may be any, fish and csh included
    return "exec /bin/sh -c " + shlex.quote(script)

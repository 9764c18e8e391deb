"""Run a command on another computer."""

import asyncio
import contextlib

import asyncssh

from ..asking import wait_and_answer
from .connecting import SSHClient, login_of

__all__ = ["exec_command", "run", "run_command", "start_process"]

SHOWN = 20_000
"""Most characters of a command's output that are shown in an error."""

SIGNALS = 5
"""How often a command that is to end is told so."""

SIGNAL_PAUSE = 0.5
"""Seconds in which a command that has been told to end has ended, unless the signal was lost."""


def exec_command(ssh_client: SSHClient, command: str, *, timeout: float = 10) -> list[str]:
    """Run a command on another computer.

    The far side may close the connection while the command runs, as `sudo reboot` does: what was
    printed until then is returned.

    Args:
        ssh_client: The connection, made by `connect`. It stays open, also after an error.
        command: The command, for the shell of the user.
        timeout: Seconds to wait for the command to end. When they are over, the command is told to
            terminate.

    Returns:
        The lines on standard output, without line ends.

    Raises:
        RuntimeError: There is text on standard error, the exit status is not 0, or
            the time is up.
        ConnectionError: The connection is closed, or was lost without the far side closing it.
    """
    return wait_and_answer(lambda _: run_command(ssh_client.connection, command, timeout=timeout))


async def run_command(
    connection: asyncssh.SSHClientConnection, command: str, *, timeout: float = 10
) -> list[str]:
    """Run a command; the asynchronous face of `exec_command`."""
    login = login_of(connection)
    try:
        done = await run(connection, command, timeout=timeout)
    except TimeoutError:
        raise RuntimeError(f"\nTimeout executing SSH command: {command!r}") from None
    stdout, stderr = str(done.stdout or ""), str(done.stderr or "")
    if stderr:
        raise RuntimeError("\n" + stderr[-SHOWN:])
    if done.returncode is None:
        lost = "" if login is None else str(login.lost or "")
        if login is not None and login.closed_here:
            raise ConnectionAbortedError(f"Closed the SSH connection during {command!r}")
        if "keepalive" in lost:
            raise ConnectionError(f"Lost the SSH connection during {command!r}: {lost}")
    elif done.returncode != 0:
        ended = (
            f"signal {done.exit_signal[0]}" if done.exit_signal else f"status {done.exit_status}"
        )
        raise RuntimeError(f"\nSSH command {command!r} ended with exit {ended}\n{stdout[-SHOWN:]}")
    return (
        [line.removesuffix("\r") for line in stdout.removesuffix("\n").split("\n")]
        if stdout
        else []
    )


async def run(
    connection: asyncssh.SSHClientConnection,
    command: str,
    *,
    text: str = "",
    timeout: float = 10,
) -> asyncssh.SSHCompletedProcess:
    """Run a command to its end, whatever that is.

    Args:
        connection: An open connection.
        command: The command, for the shell of the user.
        text: What it gets on standard input.
        timeout: Seconds to wait for it to end.

    Raises:
        TimeoutError: The time is up; the command has been told to terminate.
        ConnectionError: The connection is closed.
    """
    try:
        async with asyncio.timeout(timeout):
            process = await start_process(connection, command)
            try:
                with contextlib.suppress(BrokenPipeError):  # it has ended without reading
                    process.stdin.write(text)
                    process.stdin.write_eof()
                return await process.wait()
            finally:
                _end(process)
    except (asyncssh.Error, BrokenPipeError) as error:
        raise ConnectionError(f"No SSH connection to run a command: {error}") from error


async def start_process(
    connection: asyncssh.SSHClientConnection, command: str
) -> asyncssh.SSHClientProcess[str]:
    """Start a command; who gives up waiting for that leaves nothing running.

    Args:
        connection: An open connection.
        command: The command, for the shell of the user.

    Raises:
        asyncssh.Error: The connection is closed, or the far side refuses.
    """
    made: list[asyncssh.SSHClientProcess[str]] = []

    def make() -> asyncssh.SSHClientProcess[str]:
        made.append(asyncssh.SSHClientProcess())
        return made[-1]

    try:
        # what `create_process` does, except that it forgets a process that is not yet confirmed
        await connection.create_session(make, command, errors="replace")
        await made[-1].redirect(asyncssh.PIPE, asyncssh.PIPE, asyncssh.PIPE)
    except asyncio.CancelledError:
        for process in made:
            _end(process)
        raise
    return made[-1]


def _end(process: asyncssh.SSHClientProcess[str]) -> None:
    """Have a process end. If it has not, that takes some time, for which nobody waits."""
    if process.returncode is None:
        try:
            process.terminate()
        except OSError:
            pass  # the channel has gone
        else:
            ending = asyncio.create_task(_terminate(process))
            _endings.add(ending)
            ending.add_done_callback(_endings.discard)
            return
    process.close()


async def _terminate(process: asyncssh.SSHClientProcess[str]) -> None:
    # OpenSSH loses a signal that comes before the command has a process group of its own
    for _ in range(SIGNALS):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SIGNAL_PAUSE):
                await process.wait_closed()
            break
        with contextlib.suppress(OSError):
            process.terminate()
    process.close()


_endings: set[asyncio.Task[None]] = set()

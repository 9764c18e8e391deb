"""From an empty cell to a linked Client: the Manager is started over SSH where none answers."""

import asyncio
import contextlib
import logging
import os
import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import cryptography, loop_thread
from ..asking import Ask, wait, wait_and_answer
from ..client.blocking import Client, filter_client_connect_kwargs
from ..client.blocking import connect as connect_client
from ..client.linked import LinkedClient
from ..constants import CONNECT_TIMEOUT, PORT, SHUTDOWN_TIMEOUT
from .steps import Steps, make_steps

if TYPE_CHECKING:
    import asyncssh

    from ..ssh import RemoteManager

__all__ = ["LaunchedClient", "connect"]

logger = logging.getLogger(__package__)

LOOK_TIMEOUT = 3.0
"""Seconds to wait for a Manager that may be there."""

_EXPECTED = (OSError, RuntimeError, ValueError, KeyboardInterrupt)
"""What goes wrong in a laboratory rather than in a program."""

_LOADED_CERTIFICATE = re.compile(r"loaded certificate (.+)$")


class LaunchedClient(LinkedClient):
    """A Client that is linked with a Service, made by `connect`.

    Attributes:
        remote_manager: The Manager that was started for it; None if there was one already.
    """

    remote_manager: "RemoteManager | None" = None
    _connection: "asyncssh.SSHClientConnection | None" = None

    def disconnect(self, timeout: float | None = None) -> None:
        """Disconnect, and end the Manager that was started for this Client if it is not to stay."""
        super().disconnect(timeout=timeout)
        connection, self._connection = self._connection, None
        if connection is not None:
            wait(loop_thread.submit(_end(self.remote_manager, connection)))


async def _end(manager: "RemoteManager | None", connection: "asyncssh.SSHClientConnection") -> None:
    from ..ssh import close_connection

    with contextlib.suppress(TimeoutError):
        if manager is not None and not manager.stay:
            await manager.aclose(SHUTDOWN_TIMEOUT)
    await close_connection(connection)


def connect(
    host: str,
    *,
    service: str | None = None,
    console_script: str | None = None,
    port: int = PORT,
    timeout: float = CONNECT_TIMEOUT,
    ssh_username: str | None = None,
    ssh_password: str | None = None,
    ssh_port: int = 22,
    known_hosts: str | os.PathLike[str] | None = None,
    client_keys: str | Sequence[str] | None = None,
    as_sudo: bool = False,
    stay: bool = False,
    **kwargs: Any,
) -> Any:
    """Connect to a Manager and link with a Service, starting the Manager if none answers.

    Every step is shown as it happens. Passwords come from keys and the agent first, then from a
    hidden prompt.

    Example:
        >>> pi = connect(
        ...     "raspberrypi",
        ...     service="RPiService",
        ...     console_script="~/.local/bin/mypackage",
        ...     ssh_username="pi",
        ... )
        >>> pi.add_numbers(1, 2, 3, 4)
        10

    Args:
        host: The hostname or address of the computer that the Manager is on.
        service: The Service to link with; None for a Client without a link.
        console_script: The path, on that computer, of the program that starts the Manager with
            its Services; `~/` is the home of the user there. Needed if no Manager answers.
        port: The port of the Manager.
        timeout: Seconds to wait for each step.
        ssh_username: The user to log in as.
        ssh_password: The password of that user, if it must be one.
        ssh_port: The port of the SSH server.
        known_hosts: The file with the keys of the hosts that are trusted.
        client_keys: The paths of the private keys to log in with; None for the usual ones.
        as_sudo: Whether to run the console script as a superuser.
        stay: Whether the Manager goes on running when this process ends, however it ends.
        kwargs: Those of `msl_network.connect`, and for the Manager and the Services those of
            `run_services`.

    Returns:
        A `LaunchedClient`, whose methods are those of the Service; a `Client` without a
        `service`.

    Raises:
        ConnectionError: The computer or the Manager can't be reached, or is not trusted.
        PermissionError: The login failed.
        RuntimeError: The Manager can't be started; the text has its log.
        TimeoutError: A step took too long, or the Service is not on the Manager.
    """
    options = filter_client_connect_kwargs(**kwargs, host=host, port=port, timeout=timeout)
    steps = make_steps(f"Connecting to {host}", 4 if console_script else 2)
    ssh_options = {
        "username": ssh_username,
        "password": ssh_password,
        "port": ssh_port,
        "known_hosts": known_hosts,
        "client_keys": client_keys,
        "timeout": timeout,
    }
    connection = manager = None
    try:
        steps.begin(f"Looking for a Manager at {host}:{port}")
        if not wait_and_answer(lambda _: _answers(host, port)):
            if console_script is None:
                raise ConnectionError(
                    f"No Manager answers at {host}:{port}. Start one there (msl-network start), "
                    f"or give the console_script that starts it"
                )
            steps.end("none answers, so one is started")
            script, sent = console_script, {**kwargs, "port": port}

            async def launch(ask: Ask) -> Any:
                return await _launch(host, script, sent, ssh_options, as_sudo, stay, steps, ask)

            connection, manager = wait_and_answer(launch)
            if not stay:
                # that Manager ends with its SSH connection, and does not come back
                options.setdefault("reconnect", 0)
        client: Client | LaunchedClient
        if service is None:
            steps.begin(f"Connecting to the Manager at {host}:{port}")
            client = connect_client(**options)
        else:
            steps.begin(f"Connecting to the Manager at {host}:{port} and linking with {service}")
            client = LaunchedClient(service, **options)
        steps.finish()
    except BaseException as error:
        steps.finish(error)
        if connection is not None:
            wait(loop_thread.submit(_end(manager, connection)))
        if not isinstance(error, _EXPECTED):
            raise
        # its text says what to do; the ways inside of this package would push it out of sight
        logger.debug("cannot connect to %s", host, exc_info=True)
        raise error.with_traceback(None) from None
    if isinstance(client, LaunchedClient):
        client.remote_manager, client._connection = manager, connection
    elif connection is not None:
        client.on_disconnect(lambda: loop_thread.submit(_end(manager, connection)))
    return client


async def _answers(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(LOOK_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _launch(
    host: str,
    script: str,
    kwargs: dict[str, Any],
    ssh_options: dict[str, Any],
    as_sudo: bool,
    stay: bool,
    steps: Steps,
    ask: Ask,
) -> "tuple[asyncssh.SSHClientConnection, RemoteManager]":
    from ..ssh import close_connection, open_connection, run_manager

    steps.begin(f"Connecting to {host} with SSH")
    connection = await open_connection(host, ask=ask, **ssh_options)
    try:
        steps.begin(f"Starting {script}")
        manager = await run_manager(
            connection,
            script,
            kwargs=kwargs,
            as_sudo=as_sudo,
            stay=stay,
            on_line=steps.log,
            timeout=ssh_options["timeout"],
            ask=ask,
        )
        await _pin_certificate(connection, manager, host)
    except BaseException:
        await close_connection(connection)
        raise
    return connection, manager


async def _pin_certificate(
    connection: "asyncssh.SSHClientConnection", manager: "RemoteManager", host: str
) -> None:
    """Trust the certificate of a Manager that was just started there, as SSH vouches for it.

    Without it a person would be asked whether a fingerprint is right that nobody has seen.
    """
    from ..ssh import run_command

    for line in manager.log:
        found = _LOADED_CERTIFICATE.search(line)
        if found is None:
            continue
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            text = await run_command(connection, f"cat {shlex.quote(found[1])}")
            pem = "\n".join(text).encode() + b"\n"
            cryptography.load_certificate(pem)
            cryptography.save_certificate(pem, host)
        return

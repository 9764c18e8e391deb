"""Opening a Client: to the Manager that answers, or else to one that is started over SSH."""

import asyncio
import contextlib
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from .. import cryptography
from ..asking import Ask
from ..client.aio import ask_in_thread
from ..client.blocking import Client
from ..client.session import Session
from ..constants import CONNECT_TIMEOUT, LEASE, PORT
from ..device import ConnectOptions
from .launched import LaunchedManager, find, one_at_a_time
from .steps import Steps

if TYPE_CHECKING:
    import asyncssh

    from ..ssh import RemoteManager

__all__ = ["LaunchOptions", "answers", "connect_client", "open_client"]

LOOK_TIMEOUT = 3.0
"""Seconds to wait for a Manager that may be there."""

_LOADED_CERTIFICATE = re.compile(r"loaded certificate (.+?)(?:, SHA-256 [0-9a-f:]+)?$")


@dataclass(slots=True, kw_only=True)
class LaunchOptions:
    """Where a Manager is, and how it is started there if none answers.

    Attributes:
        host: The hostname or address of the computer.
        console_script: The path of the program there that starts it; None to start nothing.
        ssh_username: The user to log in as.
        ssh_password: The password of that user, if it must be one.
        ssh_port: The port of the SSH server.
        known_hosts: The file with the keys of the hosts that are trusted.
        client_keys: The paths of the private keys to log in with; None for the usual ones.
        as_sudo: Whether to run the program as a superuser.
        stay: Whether the Manager goes on running when this process ends.
        lease: Seconds after which one that does not stay ends when this computer has vanished.
        port: The port of the Manager.
        timeout: Seconds to wait for each step.
        script_kwargs: The keyword arguments for the program, besides the port.
    """

    host: str
    console_script: str | None = None
    ssh_username: str | None = None
    ssh_password: str | None = field(default=None, repr=False)
    ssh_port: int = 22
    known_hosts: str | os.PathLike[str] | None = None
    client_keys: str | Sequence[str] | None = None
    as_sudo: bool = False
    stay: bool = False
    lease: float = LEASE
    port: int = PORT
    timeout: float = CONNECT_TIMEOUT
    script_kwargs: dict[str, Any] = field(default_factory=dict, repr=False)


async def open_client(
    options: LaunchOptions, client_kwargs: dict[str, Any], steps: Steps, ask: Ask
) -> Client:
    """Connect to a Manager, which is started if none answers; on the loop of the network.

    A Manager that was started ends with the last Client that this process has there. Who cancels
    it, and who fails, leaves nothing behind.

    Args:
        options: Where it is, and how it is started.
        client_kwargs: The other keyword arguments of `msl_network.connect`.
        steps: Told of what is going on, and given the log of the far side. They are not finished.
        ask: Awaited for what only a person knows.

    Raises:
        ConnectionError: The computer or the Manager can't be reached, or is not trusted.
        PermissionError: The login failed.
        RuntimeError: The Manager can't be started; the text has its log.
        TimeoutError: A step took too long.
        ValueError: The Manager refuses the Client.
    """
    where = f"{options.host}:{options.port}"
    address = options.host, options.port
    async with one_at_a_time(address):
        steps.begin(f"Looking for a Manager at {where}")
        launched = await find(address)
        if await answers(options.host, options.port):
            started_here = " that was started from here" if launched else ""
            steps.end(f"one{started_here} answers")
        elif options.console_script is None:
            raise ConnectionError(
                f"No Manager answers at {where}. Start one there (msl-network start), "
                f"or give the console_script that starts it"
            )
        else:
            steps.end("none answers, so one is started")
            launched = await _launch(options, steps, ask)
        steps.begin(f"Connecting to the Manager at {where}")
        kwargs = {"timeout": options.timeout, **client_kwargs}
        kwargs |= {"host": options.host, "port": options.port}
        return await connect_client(kwargs, ask, launched)


async def connect_client(
    kwargs: dict[str, Any], ask: Ask, launched: LaunchedManager | None = None
) -> Client:
    """Connect to a Manager that answers; on the loop of the network.

    One that this process has started does not end while the Client is there.

    Args:
        kwargs: The keyword arguments of `msl_network.connect`.
        ask: Awaited for what only a person knows.
        launched: The Manager, if this process has started it.

    Raises:
        As `msl_network.connect`.
    """
    if launched is not None and not launched.manager.stay:
        # for so long it may be out of reach; one that has ended does not come back
        kwargs = {"reconnect": launched.manager.lease, **kwargs}
    options = {key: value for key, value in kwargs.items() if key != "name"}
    session = Session(kwargs.get("name", "Client"), ConnectOptions(**options), ask_in_thread)
    if launched is None:
        return Client(await session.connect(ask))
    launched.join(session)
    try:
        return Client(await session.connect(ask))
    except BaseException:
        await launched.left(session)
        raise


async def answers(host: str, port: int) -> bool:
    """Look whether anybody answers at a port."""
    try:
        async with asyncio.timeout(LOOK_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _launch(options: LaunchOptions, steps: Steps, ask: Ask) -> LaunchedManager:
    from ..ssh import close_connection, open_connection, run_manager

    steps.begin(f"Connecting to {options.host} with SSH")
    connection = await open_connection(
        options.host,
        username=options.ssh_username,
        password=options.ssh_password,
        timeout=options.timeout,
        port=options.ssh_port,
        known_hosts=options.known_hosts,
        client_keys=options.client_keys,
        ask=ask,
    )
    # whatever shows the log does so for as long as it is there
    watching: WeakSet[Steps] = WeakSet([steps])

    def tell(line: str) -> None:
        for each in tuple(watching):
            each.log(line)

    try:
        steps.begin(f"Starting {options.console_script}")
        manager = await run_manager(
            connection,
            str(options.console_script),
            kwargs={**options.script_kwargs, "port": options.port},
            as_sudo=options.as_sudo,
            stay=options.stay,
            lease=options.lease,
            on_line=tell,
            timeout=options.timeout,
            ask=ask,
        )
        await _pin_certificate(connection, manager, options.host)
    except BaseException:
        await close_connection(connection)
        raise
    return LaunchedManager((options.host, options.port), connection, manager, watching)


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

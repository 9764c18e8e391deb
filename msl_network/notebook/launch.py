"""From an empty cell to a linked Client: the Manager is started over SSH where none answers."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import loop_thread
from ..asking import wait, wait_and_answer
from ..client.blocking import Client, filter_client_connect_kwargs
from ..client.linked import LinkedClient
from ..constants import CONNECT_TIMEOUT, LEASE, PORT
from .launched import LaunchedManager, used_by
from .opening import LaunchOptions, connect_client, open_client
from .steps import make_steps

if TYPE_CHECKING:
    from ..ssh import RemoteManager

__all__ = ["LaunchedClient", "connect"]

logger = logging.getLogger(__package__)

_EXPECTED = (OSError, RuntimeError, ValueError, KeyboardInterrupt)
"""What goes wrong in a laboratory rather than in a program."""


class LaunchedClient(LinkedClient):
    """A Client that is linked with a Service, made by `connect`."""

    _launched: LaunchedManager | None = None

    def __init__(
        self, service_name: str, open_it: Callable[[dict[str, Any]], Client], **kwargs: Any
    ) -> None:
        self._open: Callable[[dict[str, Any]], Client] | None = open_it
        super().__init__(service_name, **kwargs)

    def __del__(self) -> None:
        # what a cell that is run again lets go of must not hold it up: the connection is closed
        # by its Client, and a Manager that nobody else uses ends in the background
        pass

    @property
    def remote_manager(self) -> "RemoteManager | None":
        """The Manager, if this process has started it."""
        return None if self._launched is None else self._launched.manager

    def disconnect(self, timeout: float | None = None) -> None:
        """Disconnect, and end the Manager that was started from here if nobody else uses it.

        One that is to stay goes on.
        """
        client, launched = self._client, self._launched
        super().disconnect(timeout=timeout)
        if client is not None and launched is not None:
            wait(loop_thread.submit(launched.left(client._session)))

    def spawn(self, name: str = "LinkedClient") -> "LaunchedClient":
        """Make another connection to the same Manager, linked with the same Service."""
        launched = self._launched

        def open_it(kwargs: dict[str, Any]) -> Client:
            return wait_and_answer(lambda ask: connect_client(kwargs, ask, launched))

        return LaunchedClient(self.service_name, open_it, **{**self._kwargs, "name": name})

    def _connect_client(self) -> Client:
        open_it, self._open = self._open, None  # it knows passwords
        if open_it is None:
            return super()._connect_client()
        client = open_it(self._kwargs)
        self._launched = used_by(client)
        return client


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
    lease: float = LEASE,
    **kwargs: Any,
) -> Any:
    """Connect to a Manager and link with a Service, starting the Manager if none answers.

    Every step is shown as it happens. Passwords come from keys and the agent first, then from a
    hidden prompt.

    A Manager that was started is shared by all Clients that are made with this function or a panel
    and ends with the last of them, so a cell can be run again.

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
        lease: Seconds after which one that does not stay ends by itself when this computer has
            vanished (its lid was closed, it is out of reach); `math.inf` to leave it to the SSH
            server there to find out.
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
        ValueError: The lease is too short for a network.
    """
    options = LaunchOptions(
        host=host,
        port=port,
        timeout=timeout,
        console_script=console_script,
        ssh_username=ssh_username,
        ssh_password=ssh_password,
        ssh_port=ssh_port,
        known_hosts=known_hosts,
        client_keys=client_keys,
        as_sudo=as_sudo,
        stay=stay,
        lease=lease,
        script_kwargs=kwargs,
    )
    client_kwargs = filter_client_connect_kwargs(**kwargs, host=host, port=port, timeout=timeout)
    total = (4 if console_script else 2) + (service is not None)
    steps = make_steps(f"Connecting to {host}", total)

    def open_it(kwargs: dict[str, Any]) -> Client:
        client = wait_and_answer(lambda ask: open_client(options, kwargs, steps, ask))
        if service is not None:
            steps.begin(f"Linking with {service}")
        return client

    client: Client | LaunchedClient
    try:
        if service is None:
            client = open_it(client_kwargs)
        else:
            client = LaunchedClient(service, open_it, **client_kwargs)
        steps.finish()
    except BaseException as error:
        steps.finish(error)
        if not isinstance(error, _EXPECTED):
            raise
        # its text says what to do; the ways inside of this package would push it out of sight
        logger.debug("cannot connect to %s", host, exc_info=True)
        raise error.with_traceback(None) from None
    return client

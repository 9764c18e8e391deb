"""The asynchronous face of a Client: `async with msl_network.aio.connect(...) as client`.

It can be used on any event loop. The connection itself lives on the loop of the network.
"""

import asyncio
import functools
from collections.abc import Callable, Generator
from typing import Any, Self

from .. import loop_thread
from ..asking import Ask, Question, ask_in_terminal
from ..constants import CONNECT_TIMEOUT, MANAGER, PORT, RECONNECT, SHUTDOWN_SERVICE
from ..device import ConnectOptions
from .calls import call_options, yields
from .faces import ClientFace, LinkFace
from .identities import identities_as_string
from .links import LinkState
from .notifier import Handler
from .reply import waited_for
from .session import Session
from .stream import AsyncStream
from .watch import Watch

__all__ = ["AsyncClient", "AsyncLink", "connect"]


async def ask_in_thread(question: Question) -> str:
    """Ask in the terminal, on a thread, while the loop goes on."""
    return await asyncio.to_thread(ask_in_terminal, question)


def connect(
    host: str = "localhost",
    *,
    name: str = "Client",
    port: int = PORT,
    timeout: float | None = CONNECT_TIMEOUT,
    username: str | None = None,
    password: str | None = None,
    password_manager: str | None = None,
    read_limit: int | None = None,
    disable_tls: bool = False,
    cert_file: str | None = None,
    assert_hostname: bool = True,
    auto_save: bool = False,
    reconnect: float = RECONNECT,
    ask: Ask | None = None,
) -> "Connecting":
    """Connect to a Manager.

    Example:
        >>> async with connect("raspberrypi") as client:
        ...     link = await client.link("BasicMath")
        ...     await link.add(1, 2)

    Args:
        host: The hostname or address of the Manager.
        name: A name for the Client, by which others can tell it from the rest.
        port: The port of the Manager.
        timeout: Seconds to wait for the connection; None to wait for as long as it takes.
        username: The user to log in as, where the Manager wants a login.
        password: The password of that user.
        password_manager: The password of the Manager, where it wants one.
        read_limit: Most bytes of a message; None for `constants.MESSAGE_LIMIT`.
        disable_tls: Whether the connection is not encrypted.
        cert_file: The path of the Manager's certificate; None for the one that is pinned for
            the host.
        assert_hostname: Whether the certificate must be that of the host.
        auto_save: Whether an unknown certificate is trusted without asking.
        reconnect: Seconds to try to connect again when the connection is lost; 0 for not at all,
            `math.inf` for as long as it takes.
        ask: Awaited on the loop of the network with a question that only a person can answer;
            None to ask in the terminal.

    Returns:
        What can be awaited for an `AsyncClient`, and used in `async with`.

    Raises:
        ConnectionError: The Manager can't be reached, or its certificate is not trusted.
        TimeoutError: It can't be reached in time.
        ValueError: It refuses the Client.
    """
    options = {k: v for k, v in locals().items() if k not in ("name", "ask")}
    return Connecting(Session(name, ConnectOptions(**options), ask or ask_in_thread))


class Connecting:
    """A connection that is being made: await it, or use it in `async with`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._client: AsyncClient | None = None

    async def _connect(self) -> "AsyncClient":
        self._client = AsyncClient(await waited_for(loop_thread.submit(self._session.connect())))
        return self._client

    def __await__(self) -> Generator[Any, None, "AsyncClient"]:
        return self._connect().__await__()

    async def __aenter__(self) -> "AsyncClient":
        return await self._connect()

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.disconnect()


class AsyncClient(ClientFace):
    """A connection to a Manager, to be awaited.

    Not made by a user: see `connect`.
    """

    def __init__(self, session: Session, owner: object = None) -> None:
        super().__init__(session)
        # the blocking Client whose connection this is: it is closed when that one is gone
        self._owner = owner

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    def __del__(self) -> None:
        if self._owner is None:
            self._session.close()

    def _handler_loop(self) -> asyncio.AbstractEventLoop | None:
        return _running_loop()

    async def link(self, service: str, *, timeout: float | None = None) -> "AsyncLink":
        """Link with a Service.

        Args:
            service: The name of the Service.
            timeout: Seconds to wait for the reply; None to wait for as long as it takes.

        Raises:
            RemoteError: There is no such Service, it is locked, or has its maximum of Clients.
            ConnectionError: The Client is disconnected.
            TimeoutError: There was no reply in time.
        """
        identity = await self._session.link(service, timeout)
        return AsyncLink(self._session.linked(service, identity), owner=self)

    async def unlink(self, link: "AsyncLink", *, timeout: float | None = None) -> None:
        """Unlink from a Service."""
        await link.unlink(timeout=timeout)

    async def identities(
        self, *, as_string: bool = False, indent: int = 2, timeout: float | None = None
    ) -> Any:
        """The identities of all devices that are connected to the Manager.

        Args:
            as_string: Whether to return text for a person.
            indent: How many spaces each level of that text is indented by.
            timeout: Seconds to wait for the reply; None to wait for as long as it takes.
        """
        identity = await self._session.request(MANAGER, "identity", (), {}, timeout=timeout)
        return identities_as_string(identity, indent) if as_string else identity

    async def watch(
        self, callback: Callable[[Watch], Any] | None = None, *, timeout: float | None = None
    ) -> Watch:
        """Watch what is on the Manager: see `Client.watch`.

        Args:
            callback: A function or a coroutine function, called with the Watch on the event loop
                that runs now.
            timeout: Seconds to wait until the Manager has told what there is; None to wait for as
                long as it takes, also for a connection that is being made again.

        Raises:
            ConnectionError: The Client is disconnected.
            TimeoutError: The Manager has not told in time.
        """
        watch = Watch(self._session.watching, self, callback, self._handler_loop())
        try:
            async with asyncio.timeout(timeout):
                await watch.known
        except BaseException as error:
            watch.close()  # nobody gets it
            if isinstance(error, TimeoutError):
                raise watch.too_late(timeout) from None
            raise
        return watch

    async def admin_request(self, attrib: str, /, *args: Any, **kwargs: Any) -> Any:
        """Send a request to the Manager that only an administrator may send.

        Args:
            attrib: The attribute of the Manager, e.g. `"users_table.usernames"`.
            args: Positional arguments.
            kwargs: Keyword arguments; `timeout` is the seconds to wait for the reply.

        Raises:
            RemoteError: The request failed, or the user is no administrator.
        """
        timeout = kwargs.pop("timeout", None)
        return await self._session.request(MANAGER, attrib, args, kwargs, timeout=timeout)

    async def spawn(self, name: str = "Client") -> "AsyncClient":
        """Make another connection to the same Manager."""
        return await Connecting(self._session.sibling(name))

    async def disconnect(self, timeout: float | None = None) -> None:
        """Disconnect from the Manager. Nothing happens if it is disconnected.

        Args:
            timeout: Seconds to wait for the Manager to close the connection; None to wait for
                as long as it takes.
        """
        reply = self._session.disconnect(timeout)
        if reply is not None:
            await reply


class AsyncLink(LinkFace):
    """A link with a Service: `await link.add(1, 2)`.

    Every call of a Service's method takes `timeout=`, the seconds to wait for the reply,
    `safe_to_repeat=True` and `on_progress=`: see `Link`. A request is sent when it is awaited;
    with `asynchronous=True` at once, and what is returned is a future to be awaited.
    """

    def _sender(self, name: str) -> Callable[..., Any]:
        return functools.partial(_send, self._owner, self._state, name)

    @property
    def notification_handler(self) -> Callable[..., Any] | None:
        """What the Service's notifications are given to: a function or a coroutine function.

        It is called on the event loop that runs when it is assigned.
        """
        handler = self._state.handler
        return None if handler is None else handler.function

    @notification_handler.setter
    def notification_handler(self, handler: Callable[..., Any] | None) -> None:
        self._state.handler = handler and Handler(handler, self._handler_loop())

    def _handler_loop(self) -> asyncio.AbstractEventLoop | None:
        return _running_loop()

    async def acquire_lock(self, shared: bool = False, timeout: float | None = None) -> list[str]:
        """Lock the Service: while any lock is held no other Client can link with it.

        Args:
            shared: Whether other Clients may be linked. An exclusive lock needs the only link.
            timeout: Seconds to wait for the reply; None to wait for as long as it takes.

        Returns:
            The network names of the linked Clients.

        Raises:
            RemoteError: Other Clients are linked, too.
        """
        names: list[str] = await self._state.lock_request("acquire_lock", timeout, shared=shared)
        return names

    async def release_lock(self, timeout: float | None = None) -> list[str]:
        """Release the lock.

        Returns:
            The network names of the Clients that still hold one.
        """
        names: list[str] = await self._state.lock_request("release_lock", timeout)
        return names

    async def unlink(self, timeout: float | None = None) -> None:
        """Unlink from the Service. Nothing happens if it is unlinked."""
        reply = self._state.unlink(timeout)
        if reply is not None:
            await reply

    async def shutdown_service(self, *args: Any, **kwargs: Any) -> Any:
        """Shut the Service down, where it allows this.

        Returns:
            What its `shutdown_service` returns.
        """
        return await self[SHUTDOWN_SERVICE](*args, **kwargs)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _send(
    owner: object, state: LinkState, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Send a request; whoever can send one keeps the Client connected.

    Returns:
        What can be awaited, or iterated over if the method yields.
    """
    asynchronous = kwargs.pop("asynchronous", False)
    options = call_options(kwargs, _running_loop())
    if asynchronous:
        return state.request(name, args, kwargs, **options)
    if yields(state, name):
        timeout = options.pop("timeout")
        reply = state.request(name, args, kwargs, **options, stream=True)
        return AsyncStream(reply, timeout, owner)

    async def call() -> Any:
        return await state.request(name, args, kwargs, **options)

    return call()

"""The blocking face of a Client: `connect`, and what it leads to.

It is the same engine that `msl_network.aio` shows, waited for on the calling thread.
"""

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Self

from ..asking import Ask, ask_in_terminal, wait, wait_and_answer
from ..constants import CONNECT_TIMEOUT, MANAGER, PORT, RECONNECT, SHUTDOWN_SERVICE
from ..device import ConnectOptions
from .aio import AsyncClient, AsyncLink, ask_in_thread
from .bar import result_with_bar
from .calls import call_options, yields
from .faces import ClientFace, LinkFace
from .identities import identities_as_string
from .links import LinkState
from .notifier import Handler
from .reply import Reply, wait_for_room
from .session import Session
from .stream import Stream
from .watch import Watch

__all__ = ["Client", "Link", "connect", "filter_client_connect_kwargs"]


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
) -> "Client":
    """Connect to a Manager.

    What the Manager wants to know and is not given (a user name, a password, whether its
    certificate is to be trusted) is asked for.

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

    Raises:
        ConnectionError: The Manager can't be reached, or its certificate is not trusted.
        TimeoutError: It can't be reached in time.
        ValueError: It refuses the Client (a wrong password, an untrusted host).
    """
    options = {key: value for key, value in locals().items() if key != "name"}
    return Client._connect(Session(name, ConnectOptions(**options), ask_in_thread))


def filter_client_connect_kwargs(**kwargs: Any) -> dict[str, Any]:
    """Select the keyword arguments that `connect` knows.

    `auth_password`, which a Manager knows it by, counts as `password_manager`.
    """
    known = inspect.signature(connect).parameters
    selected = {key: value for key, value in kwargs.items() if key in known}
    if "auth_password" in kwargs:
        selected.setdefault("password_manager", kwargs["auth_password"])
    return selected


def _result(reply: Reply[Any]) -> Any:
    try:
        return wait(reply)
    except BaseException as error:
        reply.interrupted(error)
        raise


class Client(ClientFace):
    """A connection to a Manager.

    Not made by a user: see `connect`. `client["BasicMath"]` is the link with that Service, which is
    made when it is first asked for.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        # a link keeps its Client, so that one would never go if it kept its links
        self._links: weakref.WeakValueDictionary[LinkState, Link] = weakref.WeakValueDictionary()
        self._linking = threading.Lock()

    @classmethod
    def _connect(cls, session: Session) -> "Client":
        """Connect a session, asking what it needs on this thread."""
        return cls(wait_and_answer(session.connect))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def __del__(self) -> None:
        self._session.close()

    def __getitem__(self, service: str) -> "Link":
        """The link with a Service: the one that there is, or a new one.

        Raises:
            As `link`.
        """
        with self._linking:
            link = self._linked_with(service)
        if link is not None:
            return link
        identity = _result(self._session.link(service, None))
        with self._linking:
            # another thread may have asked for it meanwhile: all of them get the same one
            return self._linked_with(service) or self._linked(
                self._session.linked(service, identity)
            )

    def __contains__(self, service: object) -> bool:
        """Whether there is such a Service on the Manager."""
        return service in self.identities()["services"]

    def __iter__(self) -> Iterator[str]:
        """The names of the Services on the Manager."""
        return iter(self.identities()["services"])

    def _ipython_key_completions_(self) -> list[str]:
        return sorted(self._directory.services())

    @property
    def links(self) -> "dict[str, Link]":
        """The links that there are now, by the name of their Service."""
        with self._linking:
            return {
                state.service: self._links.get(state) or self._linked(state)
                for state in tuple(self._session.links)
            }

    def _linked_with(self, service: str) -> "Link | None":
        for state in tuple(self._session.links):
            if state.service == service:
                return self._links.get(state) or self._linked(state)
        return None

    def _linked(self, state: LinkState) -> "Link":
        link = self._links[state] = Link(self, state)
        return link

    @property
    def aio(self) -> AsyncClient:
        """The asynchronous face of the same connection."""
        return AsyncClient(self._session, owner=self)

    def link(self, service: str, *, timeout: float | None = None) -> "Link":
        """Link with a Service.

        Args:
            service: The name of the Service.
            timeout: Seconds to wait for the reply; None to wait for as long as it takes.

        Raises:
            RemoteError: There is no such Service, it is locked, or has its maximum of Clients.
            ConnectionError: The Client is disconnected.
            TimeoutError: There was no reply in time.
        """
        identity = _result(self._session.link(service, timeout))
        with self._linking:
            return self._linked(self._session.linked(service, identity))

    def unlink(self, link: "Link", *, timeout: float | None = None) -> None:
        """Unlink from a Service.

        Raises:
            TypeError: `link` is not a Link.
        """
        if not isinstance(link, Link):
            raise TypeError(f"Must pass in a Link object, received {type(link)}")
        link.unlink(timeout=timeout)

    def identities(
        self, *, as_string: bool = False, indent: int = 2, timeout: float | None = None
    ) -> Any:
        """The identities of all devices that are connected to the Manager.

        Args:
            as_string: Whether to return text for a person.
            indent: How many spaces each level of that text is indented by.
            timeout: Seconds to wait for the reply; None to wait for as long as it takes.
        """
        reply = self._session.request(MANAGER, "identity", (), {}, timeout=timeout)
        identity = _result(reply)
        return identities_as_string(identity, indent) if as_string else identity

    def watch(
        self, callback: Callable[[Watch], Any] | None = None, *, timeout: float | None = None
    ) -> Watch:
        """Watch what is on the Manager: Services with their links and locks, and Clients.

        Args:
            callback: Called with the Watch, now and after each change, on a thread of its own, so
                that it may take its time and send requests; what changes meanwhile counts as one.
                A coroutine function runs on the loop of the network.
            timeout: Seconds to wait until the Manager has told what there is; None to wait for as
                long as it takes, also for a connection that is being made again.

        Returns:
            What is kept current until it is closed: use it in `with`, or call its `close`.

        Raises:
            ConnectionError: The Client is disconnected.
            TimeoutError: The Manager has not told in time.
        """
        watch = Watch(self._session.watching, self, callback, None)
        try:
            wait(watch.known, timeout)
        except BaseException as error:
            watch.close()  # nobody gets it
            if isinstance(error, TimeoutError):
                raise watch.too_late(timeout) from None
            raise
        return watch

    def admin_request(self, attrib: str, /, *args: Any, **kwargs: Any) -> Any:
        """Send a request to the Manager that only an administrator may send.

        Args:
            attrib: The attribute of the Manager, e.g. `"users_table.usernames"`.
            args: Positional arguments.
            kwargs: Keyword arguments; `timeout` is the seconds to wait for the reply.

        Raises:
            RemoteError: The request failed, or the user is no administrator.
            ValueError: It was to be asynchronous, which is not possible.
        """
        if "asynchronous" in kwargs:
            raise ValueError("Cannot make asynchronous requests to a Manager")
        timeout = kwargs.pop("timeout", None)
        session = self._session

        async def start(ask: Ask) -> Any:
            # a login is asked for on this thread, which waits
            session.ask, before = ask, session.ask
            try:
                return await session.request(MANAGER, attrib, args, kwargs, timeout=timeout)
            finally:
                session.ask = before

        return wait_and_answer(start, answer=ask_in_terminal)

    def spawn(self, name: str = "Client") -> "Client":
        """Make another connection to the same Manager."""
        return Client._connect(self._session.sibling(name))

    def disconnect(self, timeout: float | None = None) -> None:
        """Disconnect from the Manager. Nothing happens if it is disconnected.

        Args:
            timeout: Seconds to wait for the Manager to close the connection; None to wait for
                as long as it takes.
        """
        reply = self._session.disconnect(timeout)
        if reply is not None:
            _result(reply)


class Link(LinkFace):
    """A link with a Service: `link.add(1, 2)`.

    Every call of a Service's method takes `timeout=`, the seconds to wait for the reply, and
    `asynchronous=True`, to get a future that can be waited for or awaited.

    A request that is in flight when the connection is lost fails: nobody knows whether it has been
    executed. With `safe_to_repeat=True` (reading a value is, stepping a motor is not) it waits
    until the connection and the Service are back, and is sent again.

    A method that reports its progress shows a bar while it is waited for, unless its reports are
    taken with `on_progress=function`, which is called with the value, the total and a message.
    """

    def __init__(self, client: Client, state: LinkState) -> None:
        super().__init__(state, client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unlink()

    def _sender(self, name: str) -> Callable[..., Any]:
        return functools.partial(_send, self._owner, self._state, name)

    @property
    def aio(self) -> AsyncLink:
        """The asynchronous face of the same link: `await link.aio.add(1, 2)`."""
        return AsyncLink(self._state, owner=self._owner)

    @property
    def notification_handler(self) -> Callable[..., Any]:
        """What the Service's notifications are given to; assign a function of your own.

        It is called on a thread of its own, so it may take its time and send requests. A
        coroutine function runs on the loop of the network.
        """
        handler = self._state.handler
        return _ignore if handler is None else handler.function

    @notification_handler.setter
    def notification_handler(self, handler: Callable[..., Any] | None) -> None:
        self._state.handler = handler and Handler(handler)

    def acquire_lock(self, shared: bool = False, timeout: float | None = None) -> list[str]:
        """Lock the Service: while any lock is held no other Client can link with it.

        Args:
            shared: Whether other Clients may be linked. An exclusive lock needs the only link.
            timeout: Seconds to wait for the reply; None to wait for as long as it takes.

        Returns:
            The network names of the linked Clients.

        Raises:
            RemoteError: Other Clients are linked, too.
        """
        names: list[str] = _result(self._state.lock_request("acquire_lock", timeout, shared=shared))
        return names

    def release_lock(self, timeout: float | None = None) -> list[str]:
        """Release the lock.

        Returns:
            The network names of the Clients that still hold one.
        """
        names: list[str] = _result(self._state.lock_request("release_lock", timeout))
        return names

    def unlink(self, timeout: float | None = None) -> None:
        """Unlink from the Service. Nothing happens if it is unlinked."""
        reply = self._state.unlink(timeout)
        if reply is not None:
            _result(reply)

    disconnect = unlink

    def shutdown_service(self, *args: Any, **kwargs: Any) -> Any:
        """Shut the Service down, where it allows this.

        Returns:
            What its `shutdown_service` returns.
        """
        return self[SHUTDOWN_SERVICE](*args, **kwargs)


def _send(
    owner: object, state: LinkState, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Send a request; whoever can send one keeps the Client connected."""
    asynchronous = kwargs.pop("asynchronous", False)
    options = call_options(kwargs, None) if kwargs else {}
    if not asynchronous and yields(state, name):
        timeout = options.pop("timeout", None)
        reply = state.request(name, args, kwargs, **options, stream=True, wait=wait_for_room)
        return Stream(reply, timeout, owner)
    reply = state.request(name, args, kwargs, **options, wait=wait_for_room)
    if asynchronous:
        return reply
    return _result(reply) if reply.on_progress else result_with_bar(reply)


def _ignore(*_: Any, **__: Any) -> None:
    """What a notification is given to that nobody handles."""

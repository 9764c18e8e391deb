"""A Client and its one link in one object, to be subclassed."""

import asyncio
import contextlib
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from .. import loop_thread
from ..asking import wait
from ..constants import CONNECT_TIMEOUT
from ..display import Description, Displayed
from .aio import AsyncLink
from .blocking import Client, Link, connect, filter_client_connect_kwargs

__all__ = ["LinkedClient"]

SERVICE_WAIT = 0.2
"""Seconds between two looks at whether the Service has connected."""


class LinkedClient(Displayed):
    """A Client that is linked with one Service, whose methods are its own.

    Args:
        service_name: The name of the Service. It is waited for, for as long as `timeout`.
        kwargs: The keyword arguments of `connect`; what it does not know is ignored.

    Raises:
        TimeoutError: The Service is not on the Manager in time.
        ConnectionError: The Manager can't be reached.
        RemoteError: The Service is locked, or has its maximum of Clients.
    """

    _client: Client | None = None
    _link: Link | None = None

    def __init__(self, service_name: str, **kwargs: Any) -> None:
        kwargs.setdefault("name", type(self).__name__)
        self._kwargs = filter_client_connect_kwargs(**kwargs)
        timeout = self._kwargs.setdefault("timeout", CONNECT_TIMEOUT)
        deadline = None if timeout is None else time.monotonic() + timeout
        client = self._connect_client()
        try:
            while service_name not in client.identities()["services"]:
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError(f"The {service_name!r} service is not available")
                wait(loop_thread.submit(asyncio.sleep(SERVICE_WAIT)))
            link = client.link(service_name)
        except BaseException:
            client.disconnect()
            raise
        link.notification_handler = _weak(self._notified)
        client.on_connection_lost(_weak(self._lost))
        link.on_restored(_weak(self._restored))
        self._notification_handler: Callable[..., Any] | None = None
        self._client, self._link, self._last_link = client, link, link
        self._address_manager, self._name = client.address_manager, client.name
        self._port = client.port

    def __repr__(self) -> str:
        link = self._last_link
        return link._line(is_away=link._state.is_away, client=f"[name={self._name}]")

    def _repr_description_(self) -> Description:
        return replace(self._last_link._repr_description_(), line=repr(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def __del__(self) -> None:
        # as in 1.x: what `disconnect` is overridden to do, such as shutting the Service down, is
        # done when a script lets go of this object, too. At the end of the interpreter there is
        # no thread left that could do it
        overridden = type(self).disconnect is not LinkedClient.disconnect
        if overridden and self.is_connected() and not sys.is_finalizing():
            with contextlib.suppress(Exception):
                self.disconnect()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self._linked(name), name)

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except BaseException:
                self.service_error_handler()
                raise

        call.__name__, call.__doc__ = name, method.__doc__
        call.__signature__ = getattr(method, "__signature__", None)  # type: ignore[attr-defined]
        return call

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "notification_handler":
            name = "_notification_handler"
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        link = self._link
        return [*super().__dir__(), *([] if link is None else dir(link))]

    # --- to be overridden ----------------------------------------------------------------

    def notification_handler(self, *args: Any, **kwargs: Any) -> None:
        """Called with every notification of the Service; override it, or assign a function."""

    def service_error_handler(self) -> None:
        """Called when a request to the Service failed, before the error is raised."""

    def connection_lost(self, error: Exception) -> None:
        """Called when the connection to the Manager is lost; override it.

        Args:
            error: Why it is lost.
        """

    def connection_restored(self) -> None:
        """Called when a lost connection and the link have been made again; override it.

        A lock is not taken again by itself: somebody else may have used the instrument meanwhile.
        """

    def _notified(self, *args: Any, **kwargs: Any) -> Any:
        return (self._notification_handler or self.notification_handler)(*args, **kwargs)

    def _lost(self, error: Exception) -> None:
        self.connection_lost(error)

    def _restored(self) -> None:
        if self._client is not None:
            self._port = self._client.port
        self.connection_restored()

    # --- of the Client -------------------------------------------------------------------

    @property
    def client(self) -> Client | None:
        """The Client; None after `disconnect`."""
        return self._client

    @property
    def name(self) -> str:
        """The name of the Client."""
        return self._name

    @property
    def port(self) -> int | None:
        """The port of the Client."""
        return self._port

    @property
    def address_manager(self) -> str:
        """`host:port` of the Manager."""
        return self._address_manager

    def identity(self) -> dict[str, Any]:
        """Who the Client says it is."""
        return self._connected().identity()

    def identities(
        self, *, as_string: bool = False, indent: int = 2, timeout: float | None = None
    ) -> Any:
        """The identities of all devices that are connected to the Manager: `Client.identities`."""
        return self._connected().identities(as_string=as_string, indent=indent, timeout=timeout)

    def admin_request(self, attrib: str, /, *args: Any, **kwargs: Any) -> Any:
        """Send a request that only an administrator may send: `Client.admin_request`."""
        return self._connected().admin_request(attrib, *args, **kwargs)

    def is_connected(self) -> bool:
        """Whether requests can be sent."""
        return self._client is not None and self._client.is_connected()

    def spawn(self, name: str = "LinkedClient") -> "LinkedClient":
        """Make another connection to the same Manager, linked with the same Service."""
        return LinkedClient(self.service_name, **{**self._kwargs, "name": name})

    def disconnect(self, timeout: float | None = None) -> None:
        """Disconnect from the Manager. Nothing happens if it is disconnected."""
        client, self._client, self._link = self._client, None, None
        if client is not None:
            client.disconnect(timeout=timeout)

    # --- of the link ---------------------------------------------------------------------

    @property
    def link(self) -> Link | None:
        """The link; None after `unlink` or `disconnect`."""
        return self._link

    @property
    def aio(self) -> AsyncLink:
        """The asynchronous face of the link: `await client.aio.add(1, 2)`."""
        return self._linked("aio").aio

    @property
    def service_name(self) -> str:
        """The name of the Service."""
        return self._last_link.service_name

    @property
    def service_address(self) -> str:
        """`host:port` of the Service."""
        return self._last_link.service_address

    @property
    def service_attributes(self) -> dict[str, Any]:
        """The signatures or values of what the Service offers, by name."""
        return self._last_link.service_attributes

    @property
    def service_streams(self) -> list[str]:
        """The methods that yield, whose items can be had one by one."""
        return self._last_link.service_streams

    @property
    def service_doc(self) -> str:
        """The docstring of the Service; empty where it has none, or does not tell it."""
        return self._last_link.service_doc

    @property
    def service_docs(self) -> dict[str, str]:
        """The docstrings of what the Service offers, by name, where there are ones."""
        return self._last_link.service_docs

    @property
    def service_language(self) -> str:
        """The programming language of the Service."""
        return self._last_link.service_language

    @property
    def service_os(self) -> str:
        """The operating system of the Service."""
        return self._last_link.service_os

    @property
    def service_max_clients(self) -> int:
        """Most Clients that can be linked with the Service; -1 for no limit."""
        return self._last_link.service_max_clients

    @property
    def service_replicas(self) -> int:
        """How many Services shared the name when the link was made."""
        return self._last_link.service_replicas

    def acquire_lock(self, shared: bool = False, timeout: float | None = None) -> list[str]:
        """Lock the Service: `Link.acquire_lock`."""
        return self._linked("acquire_lock").acquire_lock(shared=shared, timeout=timeout)

    def release_lock(self, timeout: float | None = None) -> list[str]:
        """Release the lock: `Link.release_lock`."""
        return self._linked("release_lock").release_lock(timeout=timeout)

    def shutdown_service(self, *args: Any, **kwargs: Any) -> Any:
        """Shut the Service down, where it allows this.

        Returns:
            What its `shutdown_service` returns.
        """
        return self._linked("shutdown_service").shutdown_service(*args, **kwargs)

    def unlink(self, timeout: float | None = None) -> None:
        """Unlink from the Service. Nothing happens if it is unlinked."""
        link, self._link = self._link, None
        if link is not None:
            link.unlink(timeout=timeout)

    def _connect_client(self) -> Client:
        return connect(**self._kwargs)

    def _connected(self) -> Client:
        if self._client is None:
            raise ConnectionError("The LinkedClient has been disconnected")
        return self._client

    def _linked(self, name: str) -> Link:
        if self._link is None:
            raise AttributeError(f"Cannot access {name!r} since the link has been broken")
        return self._link


def _weak(method: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls a method for as long as its object is there, which it does not keep."""
    reference = weakref.WeakMethod(method)

    def call(*args: Any, **kwargs: Any) -> Any:
        return None if (known := reference()) is None else known(*args, **kwargs)

    return call

"""What both faces of a Client and of a link have in common: what is known without asking."""

import asyncio
from collections.abc import Callable
from typing import Any

from ..display import Description, Displayed, Table, attributes_table
from .calls import attribute_names, check_attribute, remote_callable, yields
from .directory import Directory
from .docs import LinkDoc, attribute_doc, service_doc
from .links import LinkState
from .notifier import Handler
from .session import Session

__all__ = ["ClientFace", "LinkFace"]


class ClientFace(Displayed):
    """A connection to a Manager, whichever way it is used."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._directory = Directory(session)

    def __repr__(self) -> str:
        if self.is_reconnecting():
            return f"<{self.name} connecting again to manager={self.address_manager}>"
        if not self.is_connected():
            return f"<{self.name} disconnected>"
        return f"<{self.name} manager={self.address_manager} port={self.port}>"

    def _repr_description_(self) -> Description:
        manager = f"the Manager at {self.address_manager}"
        if self.is_reconnecting():
            state = f"has lost its connection to {manager}, and is connecting again"
            return Description(self.name, state, line=repr(self))
        if not self.is_connected():
            return Description(self.name, "is disconnected", line=repr(self))
        linked = {state.service for state in tuple(self._session.links)}
        rows = [
            (
                name,
                str(entry.get("address", "unknown")),
                str(entry.get("language", "unknown")),
                "linked" if name in linked else "",
            )
            for name, entry in sorted(self._directory.services(age=0).items())
        ]
        return Description(
            self.name,
            f"is connected to {manager}, from port {self.port}",
            line=repr(self),
            table=Table(("Service", "Address", "Language", "Link"), rows),
        )

    @property
    def name(self) -> str:
        """The name of the Client."""
        return self._session.name

    @property
    def port(self) -> int | None:
        """The port of the Client."""
        return self._session.port

    @property
    def address_manager(self) -> str:
        """`host:port` of the Manager."""
        return self._session.options.address

    def identity(self) -> dict[str, Any]:
        """Who the Client says it is."""
        return self._session.identity()

    def is_connected(self) -> bool:
        """Whether requests can be sent."""
        return self._session.is_connected

    def is_reconnecting(self) -> bool:
        """Whether the connection has been lost and is being made again."""
        return self._session.is_reconnecting

    def on_disconnect(self, callback: Callable[[], Any]) -> Callable[[], None]:
        """Have a function called when the connection has ended for good, for whatever reason.

        It is called on the thread of the network, so it must return at once.

        Returns:
            What takes the function away again: call it without arguments.
        """
        return self._session.on_end.add(callback)

    def on_connection_lost(self, callback: Callable[[Exception], Any]) -> Callable[[], None]:
        """Have a function called when the connection is lost, with the reason.

        Requests that were in flight have failed then. The Client tries to connect again for the
        seconds of `reconnect`, and links again; locks are not taken again by themselves.

        Returns:
            What takes the function away again: call it without arguments.
        """
        return self._session.on_lost.add(Handler(callback, self._handler_loop()))

    def on_connection_restored(self, callback: Callable[[], Any]) -> Callable[[], None]:
        """Have a function called when a lost connection has been made again.

        The links have been made again, too, except with Services that are not there yet: see
        `Link.on_restored`.

        Returns:
            What takes the function away again: call it without arguments.
        """
        return self._session.on_restored.add(Handler(callback, self._handler_loop()))

    def _handler_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop on which handlers are called; None for a thread of their own."""
        return None


class LinkFace(Displayed):
    """A link with a Service, whichever way it is used."""

    def __init__(self, state: LinkState, owner: object) -> None:
        self._state = state
        # a link keeps its Client, which closes the connection when it is gone
        self._owner = owner
        # as the Service described them; it may come to offer something else
        self._callables: tuple[object, dict[str, Callable[..., Any]]] = (state.identity, {})

    def __init_subclass__(cls) -> None:
        # `help(link)` and `link?` tell of the Service
        cls.__doc__ = LinkDoc(cls.__doc__)  # type: ignore[assignment]

    def __repr__(self) -> str:
        return self._line(is_away=self._state.is_away)

    def _line(self, *, is_away: bool, client: str = "") -> str:
        where = f"{self.service_name}[{self.service_address}]"
        if self._state.has_ended:
            return f"<Un-Linked{client} from {where}>"
        away = ", away" if is_away else ""
        return f"<Link{client} with {where} at Manager[{self._state.manager}]{away}>"

    def _repr_description_(self) -> Description:
        session, has_ended = self._state.session, self._state.has_ended
        # nobody tells a link that its Service has gone
        is_away = self._state.is_away or (
            session is not None and not has_ended and Directory(session).lacks(self.service_name)
        )
        if has_ended:
            state = "is not linked any more"
        elif is_away:
            state = f"is away; the link comes back with it at the Manager {self._state.manager}"
        else:
            state = f"is linked, at the Manager {self._state.manager}"
        return Description(
            self.service_name,
            f"{state} ({self.service_address}, {self.service_language})",
            line=self._line(is_away=is_away),
            doc=self.service_doc,
            table=attributes_table(self.service_attributes, self.service_docs),
        )

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.service_attributes)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        check_attribute(self._state, name)
        return self[name]

    def __getitem__(self, name: str) -> Callable[..., Any]:
        identity, callables = self._callables
        if identity is not self._state.identity:
            callables = {}
            self._callables = (self._state.identity, callables)
        known = callables.get(name)
        if known is None:
            known = callables[name] = remote_callable(self._state, name, self._sender(name))
        return known

    def _sender(self, name: str) -> Callable[..., Any]:
        """A function that sends a request for an attribute, given its arguments.

        The link must not be in it: the link has the function, and would keep itself alive.
        """
        raise NotImplementedError

    def on_notification(self, callback: Callable[..., Any]) -> Callable[[], None]:
        """Have a function called with every notification of the Service, until the link is broken.

        There can be any number of them, beside the one `notification_handler`. They are called
        where that one is.

        Returns:
            What takes the function away again: call it without arguments.
        """
        return self._state.listeners.add(Handler(callback, self._handler_loop()))

    def on_restored(self, callback: Callable[[], Any]) -> Callable[[], None]:
        """Have a function called whenever the link has been made again.

        That is after the connection, or the Service, has come back. A lock that the Client had is
        not taken again: somebody else may have used the instrument meanwhile.

        Returns:
            What takes the function away again: call it without arguments.
        """
        return self._state.on_restored.add(Handler(callback, self._handler_loop()))

    def on_changed(self, callback: Callable[[], Any]) -> Callable[[], None]:
        """Have a function called whenever the Service offers something else than before.

        It has been reloaded, with the link kept, or has come back as another version. What the link
        tells of it (`service_attributes`, completion, docstrings) is right already.

        Returns:
            What takes the function away again: call it without arguments.
        """
        return self._state.on_changed.add(Handler(callback, self._handler_loop()))

    def _handler_loop(self) -> asyncio.AbstractEventLoop | None:
        return None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *attribute_names(self._state)]

    @property
    def service_name(self) -> str:
        """The name of the Service."""
        return self._state.service

    @property
    def service_address(self) -> str:
        """`host:port` of the Service."""
        return str(self._state.identity.get("address", "unknown"))

    @property
    def service_attributes(self) -> dict[str, Any]:
        """The signatures or values of what the Service offers, by name."""
        attributes: dict[str, Any] = self._state.identity["attributes"]
        return attributes

    @property
    def service_streams(self) -> list[str]:
        """The methods that yield, whose items can be had one by one."""
        return [name for name in self.service_attributes if yields(self._state, name)]

    @property
    def service_doc(self) -> str:
        """The docstring of the Service; empty where it has none, or does not tell it."""
        return service_doc(self._state.identity)

    @property
    def service_docs(self) -> dict[str, str]:
        """The docstrings of what the Service offers, by name, where there are ones."""
        identity = self._state.identity
        docs = {name: attribute_doc(identity, name) for name in self.service_attributes}
        return {name: doc for name, doc in docs.items() if doc}

    @property
    def service_language(self) -> str:
        """The programming language of the Service."""
        return str(self._state.identity.get("language", "unknown"))

    @property
    def service_os(self) -> str:
        """The operating system of the Service."""
        return str(self._state.identity.get("os", "unknown"))

    @property
    def service_max_clients(self) -> int:
        """Most Clients that can be linked with the Service; -1 for no limit."""
        return int(self._state.identity.get("max_clients", -1))

    @property
    def service_replicas(self) -> int:
        """How many Services shared the name when the link was made."""
        return int(self._state.identity.get("replicas", 1))

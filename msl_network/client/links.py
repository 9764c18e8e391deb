"""A link of a Client with a Service, as the engine sees it."""

import contextlib
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ..constants import MANAGER, SHUTDOWN_SERVICE
from .notifier import Callbacks, Handler
from .reply import Reply

if TYPE_CHECKING:
    from .session import Session

__all__ = ["LinkState"]

_OFFER = ("attributes", "streams", "features", "doc", "docs", "max_clients")
"""What an entry says of what a Service offers; the rest is where and on what it runs."""


class LinkState:
    """A link of a Client with a Service, whatever face it shows.

    Attributes:
        session: The engine of the Client; None when the link has been broken.
        service: The name of the Service.
        identity: The Service's entry in the Manager's identity.
        handler: What notifications are given to.
        listeners: What they are given to as well.
        is_lost: Whether the link has gone with the connection, and has not been made again.
        on_restored: What is called when the link has been made again.
        on_changed: What is called when the Service offers something else than before.
    """

    def __init__(self, session: "Session", service: str, identity: dict[str, Any]) -> None:
        self.session: Session | None = session
        self.manager = session.options.address
        self.service = service
        self.identity = identity
        self.handler: Handler | None = None
        self.listeners: Callbacks[Handler] = Callbacks()
        self.is_lost = False
        self.on_restored: Callbacks[Handler] = Callbacks()
        self.on_changed: Callbacks[Handler] = Callbacks()

    @property
    def has_ended(self) -> bool:
        """Whether the link has been broken, or its Client has disconnected."""
        session = self.session
        return session is None or not (session.is_connected or session.is_reconnecting)

    @property
    def is_away(self) -> bool:
        """Whether the link is known to be no more, and is to be made again."""
        session = self.session
        return session is not None and (self.is_lost or not session.is_connected)

    def learn(self, identity: dict[str, Any]) -> bool:
        """Note what the Service is now; whether it offers something else than before."""
        before, self.identity = self.identity, identity
        return any(before.get(name) != identity.get(name) for name in _OFFER)

    def handlers(self) -> list[Handler]:
        """All that a notification is given to now."""
        first = [] if self.handler is None else [self.handler]
        return [*first, *self.listeners]

    def break_(self) -> None:
        """The link is no more."""
        session, self.session = self.session, None
        if session is not None:
            session.forget(self)

    def request(
        self,
        attribute: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None = None,
        **more: Any,
    ) -> Reply[Any]:
        """Send a request to the Service, or for `shutdown_service` the last one.

        Args:
            attribute: What it is asked for.
            args: The positional arguments.
            kwargs: The keyword arguments.
            timeout: Seconds until the reply fails with a TimeoutError; None for never.
            more: Further keyword arguments of `Session.request`.

        Raises:
            AttributeError: The link has been broken.
            ConnectionError: The Client is disconnected.
            TypeError: An argument can't be written as JSON.
        """
        session = self._session(attribute)
        reply = session.request(self.service, attribute, args, kwargs, timeout=timeout, **more)
        if attribute == SHUTDOWN_SERVICE:
            reply.add_done_callback(self._break_unless_failed)
        return reply

    def lock_request(self, attribute: str, timeout: float | None, **kwargs: Any) -> Reply[Any]:
        """Ask the Manager to lock or release the Service.

        Raises:
            AttributeError: The link has been broken.
        """
        session = self._session(attribute)
        return session.request(MANAGER, attribute, (self.service,), kwargs, timeout=timeout)

    def unlink(self, timeout: float | None) -> Reply[Any] | None:
        """Unlink from the Service; None if there is no link any more, or not again yet."""
        session = self.session
        if session is None:
            return None
        if self.is_lost:
            self.break_()
            with contextlib.suppress(ConnectionError):
                # a request may have linked already; if not, there is nothing to tell
                session.request(MANAGER, "unlink", (self.service,), {})
            return None
        reply = session.request(MANAGER, "unlink", (self.service,), {}, timeout=timeout)
        reply.add_done_callback(self._break_unless_failed)
        return reply

    def _session(self, attribute: str) -> "Session":
        if self.session is None:
            raise AttributeError(f"Cannot access {attribute!r} since the link has been broken")
        return self.session

    def _break_unless_failed(self, reply: "Future[Any]") -> None:
        if not reply.cancelled() and reply.exception() is None:
            self.break_()

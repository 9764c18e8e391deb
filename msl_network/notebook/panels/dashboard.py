"""All panels in one."""

from typing import Any, Final

import ipywidgets
import traitlets

from ... import loop_thread
from ...client.blocking import Client, Link, filter_client_connect_kwargs
from ...client.linked import LinkedClient
from ..launched import used_by
from .base import close_all
from .call import CallPanel
from .client import ClientPanel
from .connect import ConnectPanel
from .launch import LaunchPanel
from .notifications import NotificationsPanel
from .services import ServicesPanel

__all__ = ["Dashboard"]

_CONNECT: Final = "Connect to a Manager"
_LAUNCH: Final = "Start one over SSH"

_OF_LAUNCHING: Final = ("console_script", "ssh_username")


class Dashboard(ipywidgets.VBox):  # type: ignore[misc]
    """Connects to a Manager or starts one, shows its Services, calls them, hears what they emit.

    Its panels appear as soon as there is something for them to do.

    Example:
        >>> dashboard = Dashboard("raspberrypi")
        >>> dashboard  # in a notebook, or as an app that Voila serves
        >>> dashboard.link.echo(1)

    Args:
        of: A Client or a link that is there already, or the name or address of a Manager's
            computer to be filled in.
        kwargs: Other keyword arguments of `msl_network.notebook.connect`, to be filled in.

    Attributes:
        client: The Client, or None while it is not connected. Can be set, and observed.
        link: The link in use, or None. Can be set, and observed.
        connecting: The `ConnectPanel`.
        launching: The `LaunchPanel`.
        services: The `ServicesPanel`.
        calling: The `CallPanel`.
        notifications: The `NotificationsPanel`.
    """

    client = traitlets.Instance(Client, allow_none=True, help="The Client, while connected")
    link = traitlets.Instance(Link, allow_none=True, help="The link in use")

    def __init__(self, of: Client | Link | LinkedClient | str | None = None, **kwargs: Any) -> None:
        if isinstance(of, str):
            kwargs = {"host": of, **kwargs}
        self.connecting = ConnectPanel(**filter_client_connect_kwargs(**kwargs))
        self.launching = LaunchPanel(**kwargs)
        self.services = ServicesPanel()
        self.calling = CallPanel()
        self.notifications = NotificationsPanel()
        self._choice = ipywidgets.RadioButtons(
            options=[_CONNECT, _LAUNCH],
            value=_LAUNCH if any(name in kwargs for name in _OF_LAUNCHING) else _CONNECT,
            orientation="horizontal",
            layout=ipywidgets.Layout(width="auto"),
        )
        self._columns = ipywidgets.Box([self.calling, self.notifications])
        self._columns.add_class("msl-columns")
        parts = (self._choice, self.connecting, self.launching, self.services, self._columns)
        super().__init__(parts)
        self.add_class("msl-dashboard")
        for panel in (self.services, self._columns):
            panel.layout.display = "none"
        for maker in (self.connecting, self.launching):
            maker.observe(self._made, "client")
        self.observe(self._client_set, "client")
        traitlets.dlink((self, "client"), (self.services, "client"))
        traitlets.link((self, "link"), (self.services, "link"))
        for panel in (self.calling, self.notifications):
            traitlets.dlink((self, "link"), (panel, "link"))
        for widget, name in ((self._choice, "value"), (self, "client"), (self, "link")):
            widget.observe(self._update_later, name)
        self._have(of)
        self._update()

    def __repr__(self) -> str:
        # that of a box would show all that is in it
        return f"<{type(self).__name__}>"

    def close(self) -> None:
        """Take it off the page, and stop everything that it does."""
        parts = (*self.children, self.layout)
        super().close()
        close_all(parts)

    def _have(self, of: Any) -> None:
        if isinstance(of, LinkedClient):
            of = of.link or of.client
        if isinstance(of, Link):
            self.link = of
            of = of._owner
        if isinstance(of, Client):
            self.client = of

    def _made(self, change: Any) -> None:
        """A panel has got a Client, or has it no longer."""
        if change["new"] is not None:
            self.client = change["new"]
        elif change["old"] is self.client:
            self.client = None

    def _client_set(self, change: Any) -> None:
        new = change["new"]
        makers: list[ClientPanel] = [self.connecting, self.launching]
        for maker in makers:
            if maker.client is not None and maker.client is not new:
                maker.client = None
        if new is not None and all(maker.client is not new for maker in makers):
            (self.connecting if used_by(new) is None else self.launching).client = new

    def _update_later(self, _: Any) -> None:
        loop_thread.get_loop().call_soon_threadsafe(self._update)

    def _update(self) -> None:
        # what has been shown stays: there may be results in it
        if self.client is not None:
            self.services.layout.display = ""
        if self.link is not None:
            self._columns.layout.display = ""
        if self.client is None:
            launches = self._choice.value == _LAUNCH
        else:
            launches = self.client is self.launching.client
        self._choice.layout.display = "none" if self.client is not None else ""
        self.launching.layout.display = "" if launches else "none"
        self.connecting.layout.display = "none" if launches else ""

"""The panel that shows what is on a Manager, and links with it."""

import asyncio
import html
from typing import Any, Final

import ipywidgets
import traitlets

from ...client.blocking import Client, Link
from ...client.linked import LinkedClient
from ...constants import CONNECT_TIMEOUT
from .base import Panel, button, close_all

__all__ = ["ServicesPanel"]

REFRESH: Final = 2.0
"""Seconds between two looks at what is on the Manager, while the panel is on a page."""

_HEAD: Final = ("Service", "Address", "Most Clients", "Language", "Attributes")


class ServicesPanel(Panel):
    """Shows the Services on a Manager; links with them and unlinks from them.

    Example:
        >>> services = ServicesPanel(client)
        >>> services  # in a notebook; click Link beside Echo
        >>> services.link.echo(1)

    It can follow a `ConnectPanel`, and a `CallPanel` can follow it:

        >>> traitlets.dlink((connect, "client"), (services, "client"))
        >>> traitlets.dlink((services, "link"), (call, "link"))

    Args:
        client: A Client, or None to get one later.

    Attributes:
        client: The Client. Can be set, and observed.
        links: The links by the name of their Service. Can be observed.
        link: The link that was made or chosen last, or None. Can be observed.
    """

    client = traitlets.Instance(Client, allow_none=True, help="The Client")
    links = traitlets.Dict(help="The links by the name of their Service")
    link = traitlets.Instance(Link, allow_none=True, help="The link made or chosen last")

    def __init__(self, client: Client | LinkedClient | None = None) -> None:
        super().__init__("Services")
        self._rows: dict[str, _Row] = {}
        self._fetching = asyncio.Lock()
        self._poll_failed = False
        self._polling: asyncio.Task[None] | None = None
        self._table = ipywidgets.VBox([])
        self.buttons = {"Refresh": button("Refresh", "Look again what is there", self.refresh)}
        self._arrange(
            self._table, ipywidgets.HBox([self.buttons["Refresh"]]), self._status, self._code
        )
        # the browser counts the views of the panel from here on
        self._view_count = 0
        self.observe(lambda _: self._hand(self._poll_if_shown), "_view_count")
        self.observe(lambda _: self._hand(self._follow_client), "client")
        self._tell("idle", "No Client: connect first.")
        self._update()
        self.client = client.client if isinstance(client, LinkedClient) else client

    def refresh(self) -> Any:
        """Do what the button does; returns a future that is done when the outcome is shown."""
        return self._do("Refresh", self._refresh)

    def link_with(self, service: str) -> Any:
        """Do what the button Link beside a Service does.

        Args:
            service: The name of the Service.
        """
        return self._do(f"Link {service}", lambda: self._link_with(service))

    def unlink(self, service: str) -> Any:
        """Do what the button Unlink beside a Service does.

        Args:
            service: The name of the Service.
        """
        return self._do(f"Link {service}", lambda: self._unlink(service))

    def choose(self, service: str) -> Any:
        """Make the link with a Service the one that `link` is.

        Args:
            service: The name of the Service.
        """
        return self._do(f"Link {service}", lambda: self._choose(service))

    # --- on the loop of the network --------------------------------------------------------

    def _follow_client(self) -> None:
        self._set_links({})
        self._show({})
        if self.client is None:
            self._tell("idle", "No Client: connect first.")
        else:
            self._tell("busy", f"Asking the Manager {self.client.address_manager} …")
            self._do("Refresh", lambda: self._refresh(quiet=True))
        self._update()
        self._poll_if_shown()

    def _poll_if_shown(self) -> None:
        if self._polling is None and self._is_shown():
            self._polling = asyncio.create_task(self._poll())

    def _is_shown(self) -> bool:
        client = self.client
        return (
            not self._closed
            and bool(self._view_count)
            and client is not None
            and (client.is_connected() or client.is_reconnecting())
        )

    async def _poll(self) -> None:
        try:
            while self._is_shown():
                await asyncio.sleep(REFRESH)
                try:
                    await self._refresh(quiet=not self._poll_failed)
                    self._poll_failed = False
                except Exception as error:
                    self._poll_failed = True
                    self._failed("Refresh", error)
        finally:
            self._polling = None

    async def _refresh(self, quiet: bool = False) -> None:
        async with self._fetching:
            client = self.client
            if client is None:
                return
            if client.is_reconnecting():
                # the links will be made again
                self._show(self._away({}))
                self._tell(
                    "busy",
                    f"The connection to the Manager {client.address_manager} is lost. "
                    "Trying to connect again …",
                )
                return
            if not client.is_connected():
                self._set_links({})
                self._show({})
                raise ConnectionError(f"The Client is disconnected from {client.address_manager}.")
            identity = await client.aio.identities(timeout=CONNECT_TIMEOUT)
            if client is not self.client or self._closed:
                return
            services = identity["services"]
            # also those of a Service that is away: they are made again when it is back
            alive = {n: link for n, link in self.links.items() if link._state.session is not None}
            self._set_links(alive)
            self._show(services | self._away(services))
            if not self.code:
                self._show_code("client.identities()")
            # what went wrong with an action stays until the next one
            if not quiet or self._told != "error":
                count = len(services)
                self._tell(
                    "ok",
                    f"{count or 'No'} {'Service' if count == 1 else 'Services'} "
                    f"on the Manager {client.address_manager}.",
                )

    def _away(self, services: dict[str, Any]) -> dict[str, Any]:
        """The linked Services that are not there."""
        return {
            name: {**link._state.identity, "address": "away"}
            for name, link in self.links.items()
            if name not in services
        }

    async def _link_with(self, service: str) -> None:
        client = self.client
        if client is None:
            raise ConnectionError("No Client: connect first.")
        if service in self.links:
            await self._choose(service)
            return
        self._show_code(f"link = client.link({service!r})")
        # the call blocks, so it has a thread of its own; the loop goes on
        link = await asyncio.to_thread(client.link, service, timeout=CONNECT_TIMEOUT)
        self._set_links({**self.links, service: link}, link)
        await self._refresh()

    async def _unlink(self, service: str) -> None:
        link = self.links.get(service)
        if link is None:
            return
        self._show_code("link.unlink()")
        await link.aio.unlink(timeout=CONNECT_TIMEOUT)
        self._set_links({name: other for name, other in self.links.items() if other is not link})
        await self._refresh()

    async def _choose(self, service: str) -> None:
        # linking again is fine
        self._show_code(f"link = client.link({service!r})")
        self._set_links(self.links, self.links.get(service))

    def _set_links(self, links: dict[str, Any], chosen: Any = None) -> None:
        chosen = chosen or self.link
        self.links = links
        if chosen in links.values():
            self.link = chosen
        else:
            self.link = next(reversed(links.values()), None)
        self._update()

    def _failed(self, action: str, error: Exception) -> None:
        text = getattr(error, "message", "") or str(error) or type(error).__name__
        self._tell("error", f"{action}: {text}" if action else text)

    # --- what is shown -------------------------------------------------------------------

    def _show(self, services: dict[str, Any]) -> None:
        gone = [self._rows.pop(name) for name in self._rows.keys() - services.keys()]
        for name, identity in services.items():
            if name not in self._rows:
                self._rows[name] = _Row(name, self)
            self._rows[name].show(identity)
        rows = tuple(self._rows[name] for name in sorted(self._rows))
        if self._table.children[1:] != rows:
            head = self._table.children[:1] or (_head(),)
            self._table.children = (*head, *rows) if rows else ()
        close_all(gone)
        self._update()

    def _update(self) -> None:
        self.buttons["Refresh"].disabled = self.client is None or "Refresh" in self._tasks
        for name, row in self._rows.items():
            link = self.links.get(name)
            row.mark(
                linked=link is not None,
                chosen=link is not None and link is self.link,
                busy=f"Link {name}" in self._tasks,
            )

    def _stop(self) -> None:
        super()._stop()
        if self._polling is not None:
            self._polling.cancel()


class _Row(ipywidgets.HBox):  # type: ignore[misc]
    """One Service."""

    def __init__(self, name: str, panel: ServicesPanel) -> None:
        self._name = name
        self._cells = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 auto", width="auto"))
        self._identity: dict[str, Any] = {}
        self._state = (False, False)
        self.link = button("Link", f"Link with {name}", lambda: panel.link_with(name))
        self.unlink = button("Unlink", f"Unlink from {name}", lambda: panel.unlink(name))
        self.use = button("Use", f"Make {name} the link in use", lambda: panel.choose(name))
        actions = ipywidgets.HBox(
            [self.use, self.link, self.unlink],
            layout=ipywidgets.Layout(flex="0 0 auto", width="15em", justify_content="flex-end"),
        )
        super().__init__([self._cells, actions])
        self.add_class("msl-row")

    def show(self, identity: dict[str, Any]) -> None:
        """Show what the Manager says of the Service."""
        self._identity = identity
        self._write()

    def mark(self, *, linked: bool, chosen: bool, busy: bool) -> None:
        """Show whether there is a link with it, which of the links is used, what can be done."""
        self._state = (linked, chosen)
        self.link.layout.display = "none" if linked else ""
        self.unlink.layout.display = "" if linked else "none"
        self.use.layout.display = "" if linked and not chosen else "none"
        self.link.disabled = self.unlink.disabled = self.use.disabled = busy
        self._write()

    def _write(self) -> None:
        linked, chosen = self._state
        identity = self._identity
        most = identity.get("max_clients", -1)
        name = html.escape(self._name)
        if linked:
            name = f"<b>{name}</b> ✓ {'linked, in use' if chosen else 'linked'}"
        values = (
            identity.get("address", "unknown"),
            most if isinstance(most, int) and most > 0 else "no limit",
            identity.get("language", "unknown"),
            len(identity.get("attributes", {})),
        )
        cells = "".join(
            f'<span data-label="{label}">{html.escape(str(value))}</span>'
            for label, value in zip(_HEAD[1:], values, strict=True)
        )
        self._cells.value = f'<div class="msl-cells"><span>{name}</span>{cells}</div>'


def _head() -> Any:
    titles = "".join(f"<span>{title}</span>" for title in _HEAD)
    cells = ipywidgets.HTML(
        f'<div class="msl-cells msl-head">{titles}</div>',
        layout=ipywidgets.Layout(flex="1 1 auto", width="auto"),
    )
    space = ipywidgets.Box([], layout=ipywidgets.Layout(flex="0 0 auto", width="15em"))
    row = ipywidgets.HBox([cells, space])
    row.add_class("msl-row")
    row.add_class("msl-head")
    return row

"""The panel that shows what is on a Manager, links with it and locks it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import ipywidgets
import traitlets

from ...client.blocking import Client, Link
from ...client.linked import LinkedClient
from ...client.watch import Watch
from ...constants import CONNECT_TIMEOUT
from ...escaping import escaped
from .base import Panel, close_all
from .lines import link_line
from .service_row import ServiceRow, head_row

__all__ = ["ServicesPanel"]

SHOWN: Final = 200
"""Most Services that have a row; each is a dozen widgets in the browser."""


_OLD: Final = ", which is one of MSL-Network 1.x and does not tell who is linked and has locked"


class ServicesPanel(Panel):
    """Shows the Services on a Manager, kept current; links with them and locks them.

    Example:
        >>> services = ServicesPanel(client)
        >>> services  # in a notebook; click Link beside Echo
        >>> services.link.echo(1)

    It can follow a `ConnectPanel`, and a `CallPanel` can follow it:

        >>> traitlets.dlink((connect, "client"), (services, "client"))
        >>> traitlets.dlink((services, "link"), (call, "link"))

    It watches the Manager while it is on a page: see `Client.watch`.

    Args:
        client: A Client, or None to get one later.

    Attributes:
        client: The Client. Can be set, and observed.
        links: The links of the Client by the name of their Service, also those that it made
            elsewhere. Can be observed.
        link: The link that was made or chosen last, or None. Can be set, and observed.
    """

    client = traitlets.Instance(Client, allow_none=True, help="The Client")
    links = traitlets.Dict(help="The links by the name of their Service")
    link = traitlets.Instance(Link, allow_none=True, help="The link made or chosen last")

    def __init__(self, client: Client | LinkedClient | None = None) -> None:
        super().__init__("Services")
        self._rows: dict[str, ServiceRow] = {}
        # the Client whose Manager is watched, and the task that does
        self._watched: Client | None = None
        self._watching: asyncio.Task[None] | None = None
        self._entries: dict[str, dict[str, Any]] = {}
        self._table = ipywidgets.VBox([])
        self._more = ipywidgets.HTML()
        self._arrange(self._table, self._more, self._status, self._code)
        # the browser counts the views of the panel from here on
        self._view_count = 0
        self.observe(lambda _: self._hand(self._follow_page), "_view_count")
        self.observe(lambda _: self._hand(self._follow_client), "client")
        self.observe(lambda change: self._hand(self._have, change["new"]), "link")
        self._tell("idle", "No Client: connect first.")
        self.client = client.client if isinstance(client, LinkedClient) else client

    def refresh(self) -> Any:
        """Look again what is there; returns a future that is done when it is shown.

        Not needed while the panel is on a page.
        """
        return self._do("Refresh", self._refresh)

    def link_with(self, service: str) -> Any:
        """Do what the button Link beside a Service does.

        Args:
            service: The name of the Service.
        """
        return self._act("Link", service, self._link_with)

    def unlink(self, service: str) -> Any:
        """Do what the button Unlink beside a Service does.

        Args:
            service: The name of the Service.
        """
        return self._act("Unlink", service, self._unlink)

    def choose(self, service: str) -> Any:
        """Make the link with a Service the one that `link` is.

        Args:
            service: The name of the Service.
        """
        return self._act("Use", service, self._choose)

    def lock(self, service: str, shared: bool = False) -> Any:
        """Do what the button Lock, or Lock shared, beside a Service does.

        Args:
            service: The name of the Service, with which there must be a link.
            shared: Whether other Clients may be linked. An exclusive lock needs the only link.
        """
        return self._act("Lock", service, lambda name: self._lock(name, shared))

    def release(self, service: str) -> Any:
        """Do what the button Release beside a Service does.

        Args:
            service: The name of the Service.
        """
        return self._act("Release", service, self._release)

    def _act(
        self, verb: str, service: str, action: Callable[[str], Coroutine[Any, Any, None]]
    ) -> Any:
        async def act() -> None:
            self._tell("busy", f"{verb} {service} …")
            await action(service)
            await self._refresh()

        return self._do(f"{verb} {service}", act)

    # --- watching, on the loop of the network ----------------------------------------------

    def _follow_client(self) -> None:
        links = self.links if self.link is None else self.links | _by_name(self.link)
        self._set_links({n: each for n, each in links.items() if each._owner is self.client})
        self._show({})
        if self.client is None:
            self._tell("idle", "No Client: connect first.")
        else:
            self._tell("busy", f"Asking the Manager {self.client.address_manager} …")
        self._follow_page()
        if self.client is not None and self._watched is None:
            self.refresh()

    def _have(self, link: Link | None) -> None:
        """Have a link that was made elsewhere, and set."""
        if link is not None and link is self.link and link not in self.links.values():
            self._set_links(self.links | _by_name(link), link)
            self._update()

    def _follow_page(self) -> None:
        """Watch the Manager while the panel is on a page, and only then."""
        client = self.client if self._view_count and not self._closed else None
        if client is self._watched:
            return
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        self._watched = client
        if client is not None:
            self._watching = asyncio.create_task(self._watch(client))

    async def _watch(self, client: Client) -> None:
        changed = asyncio.Event()
        try:
            if client.is_reconnecting():
                self._show_lost(client)
            with await client.aio.watch(lambda _: changed.set()) as watch:
                while not watch.is_closed:
                    changed.clear()
                    self._show_watch(client, watch)
                    await changed.wait()
        except Exception as error:
            self._failed("", error)
        self._end_with(client)

    async def _refresh(self) -> None:
        client = self.client
        if client is None:
            return
        if client.is_reconnecting():
            self._show_lost(client)
            return
        try:
            with await client.aio.watch(timeout=CONNECT_TIMEOUT) as watch:
                if client is self.client and not self._closed:
                    self._show_watch(client, watch)
        finally:
            self._end_with(client)

    def _show_watch(self, client: Client, watch: Watch) -> None:
        """Show what is on the Manager, unless the connection is lost."""
        if client.is_reconnecting():
            self._show_lost(client)
            return
        if not client.is_connected():
            return
        made_elsewhere = {n: link for n, link in client.links.items() if n not in self.links}
        if made_elsewhere:
            self._set_links(made_elsewhere | self.links)
        services = watch.services
        self._show(services, watch.network_name)
        if not self.code:
            self._show_code("client.watch().services")
        # what went wrong with an action stays until the next one
        if self._told != "error" or self._tasks:
            count = len(services)
            is_old = any("links" not in entry for entry in services.values())
            self._tell(
                "ok",
                f"{count or 'No'} {'Service' if count == 1 else 'Services'} "
                f"on the Manager {client.address_manager}{_OLD if is_old else ''}.",
            )

    def _show_lost(self, client: Client) -> None:
        self._show({})
        self._tell(
            "busy",
            f"The connection to the Manager {client.address_manager} is lost. "
            "Trying to connect again …",
        )

    def _end_with(self, client: Client) -> None:
        """Forget what there was, if the Client has ended."""
        is_over = not (client.is_connected() or client.is_reconnecting())
        if is_over and client is self.client and not self._closed:
            self._set_links({})
            self._show({})
            self._tell("error", f"The Client is disconnected from {client.address_manager}.")

    # --- what the buttons do, on the loop of the network -------------------------------------

    async def _link_with(self, service: str) -> None:
        client = self.client
        if client is None:
            raise ConnectionError("No Client: connect first.")
        if service in self.links:
            await self._choose(service)
            return
        self._show_code(link_line(service))
        # the call blocks, so it has a thread of its own; the loop goes on
        link = await asyncio.to_thread(client.link, service, timeout=CONNECT_TIMEOUT)
        self._set_links({**self.links, service: link}, link)

    async def _unlink(self, service: str) -> None:
        link = self._linked(service)
        self._show_code("link.unlink()")
        await link.aio.unlink(timeout=CONNECT_TIMEOUT)
        self._set_links({name: other for name, other in self.links.items() if other is not link})

    async def _choose(self, service: str) -> None:
        link = self._linked(service)
        # linking again is fine
        self._show_code(link_line(service))
        self._set_links(self.links, link)

    async def _lock(self, service: str, shared: bool) -> None:
        link = self._linked(service)
        self._show_code(f"link.acquire_lock({'shared=True' if shared else ''})")
        await link.aio.acquire_lock(shared, timeout=CONNECT_TIMEOUT)

    async def _release(self, service: str) -> None:
        link = self._linked(service)
        self._show_code("link.release_lock()")
        await link.aio.release_lock(timeout=CONNECT_TIMEOUT)

    def _linked(self, service: str) -> Link:
        link: Link | None = self.links.get(service)
        if link is None:
            raise ConnectionError("There is no link with it: link with it first.")
        return link

    def _set_links(self, links: dict[str, Any], chosen: Any = None) -> None:
        chosen = chosen or self.link
        self.links = links
        if chosen in links.values():
            self.link = chosen
        else:
            self.link = next(reversed(links.values()), None)

    def _failed(self, action: str, error: Exception) -> None:
        text = getattr(error, "message", "") or str(error) or type(error).__name__
        locks = self._entries.get(action.partition(" ")[2], {}).get("locks")
        if locks and text.endswith("is locked"):
            text += f" by {', '.join(escaped(str(name)) for name in locks)}"
        self._tell("error", f"{action}: {text}" if action else text)

    # --- what is shown -------------------------------------------------------------------

    def _show(self, services: dict[str, dict[str, Any]], you: str = "") -> None:
        # links that were ended elsewhere; not those of a Service that is away, which are made
        # again when it is back
        alive = {n: link for n, link in self.links.items() if link._state.session is not None}
        if alive != self.links:
            self._set_links(alive)
        away = {
            name: link._state.identity for name, link in self.links.items() if name not in services
        }
        self._entries = services | away
        # what is linked is never left out
        names = sorted(self._entries, key=lambda name: (name not in self.links, name))[:SHOWN]
        gone = [self._rows.pop(name) for name in self._rows.keys() - set(names)]
        for name in names:
            if name not in self._rows:
                self._rows[name] = ServiceRow(name, self)
            self._rows[name].show(self._entries[name], you, is_away=name in away)
        rows = tuple(self._rows[name] for name in sorted(self._rows))
        if self._table.children[1:] != rows:
            head = self._table.children[:1] or (head_row(),)
            self._table.children = (*head, *rows) if rows else ()
            if not rows:
                close_all(head)
        close_all(gone)
        left = len(self._entries) - len(names)
        self._more.value = f'<div class="msl-quiet">and {left} more</div>' if left else ""
        self._update()

    def _update(self) -> None:
        busy = {action.partition(" ")[2] for action in self._tasks}
        for name, row in self._rows.items():
            link = self.links.get(name)
            row.mark(
                linked=link is not None,
                chosen=link is not None and link is self.link,
                busy=name in busy,
            )

    def _stop(self) -> None:
        super()._stop()
        self._follow_page()


def _by_name(link: Link) -> dict[str, Any]:
    return {link.service_name: link}

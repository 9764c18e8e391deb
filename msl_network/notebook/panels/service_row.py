"""A row of the table of Services: what is known of one, and what can be done with it."""

import html
from typing import TYPE_CHECKING, Any, Final

import ipywidgets

from ...escaping import escaped
from .base import button

if TYPE_CHECKING:
    from .services import ServicesPanel

__all__ = ["ServiceRow", "head_row"]

HEAD: Final = ("Service", "Linked Clients", "Lock")

NAMES: Final = 5
"""Most Clients that are shown by name."""

ACTIONS: Final = "21em"
"""Width of the buttons of a row, so that none of them moves when another one comes."""


class ServiceRow(ipywidgets.HBox):  # type: ignore[misc]
    """One Service.

    Args:
        name: Its name.
        panel: What the buttons act on.
    """

    def __init__(self, name: str, panel: "ServicesPanel") -> None:
        self._name = name
        self._cells = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 auto", width="auto"))
        self._entry: dict[str, Any] = {}
        self._you = ""
        self._is_away = False
        self._state = (False, False)
        shown = escaped(name)
        self.use = _button("Use", f"Make {shown} the link in use", lambda: panel.choose(name))
        self.link = _button("Link", f"Link with {shown}", lambda: panel.link_with(name))
        self.lock = _button(
            "Lock", f"Lock {shown} for you alone: nobody else can link", lambda: panel.lock(name)
        )
        self.lock_shared = _button(
            "Lock shared",
            f"Lock {shown} for who is linked now: nobody else can link",
            lambda: panel.lock(name, shared=True),
        )
        self.release = _button(
            "Release", f"Release your lock of {shown}", lambda: panel.release(name)
        )
        self.unlink = _button("Unlink", f"Unlink from {shown}", lambda: panel.unlink(name))
        self._buttons = (
            self.use,
            self.link,
            self.lock,
            self.lock_shared,
            self.release,
            self.unlink,
        )
        actions = ipywidgets.HBox(
            self._buttons,
            layout=ipywidgets.Layout(
                flex="0 0 auto", width=ACTIONS, justify_content="flex-end", overflow="visible"
            ),
        )
        super().__init__([self._cells, actions])
        self.add_class("msl-row")
        self.add_class("msl-service")

    def show(self, entry: dict[str, Any], you: str, *, is_away: bool) -> None:
        """Show what the Manager says of the Service.

        Args:
            entry: What it says.
            you: What it calls this Client; empty where it does not say.
            is_away: Whether the Service is not there now.
        """
        self._entry, self._you, self._is_away = entry, you, is_away

    def mark(self, *, linked: bool, chosen: bool, busy: bool) -> None:
        """Show whether there is a link with it, which of the links is used, what can be done."""
        locks = self._entry.get("locks")
        locked = locks is not None and self._you in locks
        for shown, which in (
            (linked and not chosen, self.use),
            (not linked, self.link),
            (linked and not locked, self.lock),
            (linked and not locked, self.lock_shared),
            # a Manager of 1.x does not tell
            (linked and (locked or (locks is None and not self._is_away)), self.release),
            (linked, self.unlink),
        ):
            which.layout.display = "" if shown else "none"
            which.disabled = busy
        for which in (self.lock, self.lock_shared, self.release):
            which.disabled = busy or self._is_away
        cells = (self._who(linked, chosen), self._linked(), self._lock_state())
        self._cells.value = (
            '<div class="msl-cells msl-services">'
            + "".join(
                f'<span data-label="{label}">{cell}</span>'
                for label, cell in zip(HEAD, cells, strict=True)
            )
            + "</div>"
        )

    def _who(self, linked: bool, chosen: bool) -> str:
        name = _text(self._name)
        if linked:
            state = "◌ away" if self._is_away else "✓ linked"
            name = f"<b>{name}</b> {state}{', in use' if chosen else ''}"
        entry = self._entry
        count = len(entry.get("attributes", {}))
        facts = [] if self._is_away else [entry.get("address", "unknown")]
        facts.append(entry.get("language", "unknown"))
        facts.append(f"{count}\N{NO-BREAK SPACE}{'attribute' if count == 1 else 'attributes'}")
        return f"{name}{_quiet(', '.join(map(_text, facts)))}"

    def _linked(self) -> str:
        links, most = self._entry.get("links"), self._entry.get("max_clients", -1)
        limit = f"at most {most}" if isinstance(most, int) and most > 0 else "no limit"
        if links is None:
            return f"{_UNKNOWN}{_quiet(limit)}"
        count = f"{len(links)} linked, {limit}" if links else limit
        return f"{self._names(links) or 'nobody'}{_quiet(count)}"

    def _lock_state(self) -> str:
        locks = self._entry.get("locks")
        if locks is None:
            return _UNKNOWN
        if not locks:
            return "free"
        kind = self._entry.get("lock") or "locked"
        return f"locked by {self._names(locks)}{_quiet(_text(kind))}"

    def _names(self, names: list[Any]) -> str:
        # who reads is interested in oneself first
        ordered = sorted(names, key=lambda name: name != self._you)
        shown = [
            "<b>you</b>" if name == self._you else f'<span class="msl-name">{_text(name)}</span>'
            for name in ordered[:NAMES]
        ]
        if len(names) > NAMES:
            shown.append(f"{len(names) - NAMES} more")
        return ", ".join(shown)


_UNKNOWN: Final = '<span class="msl-quiet">unknown</span>'


def _text(value: object) -> str:
    return html.escape(escaped(str(value)[:200]))


def _quiet(text: str) -> str:
    return f'<br><span class="msl-quiet">{text}</span>'


def _button(name: str, tooltip: str, act: Any) -> Any:
    made = button(name, tooltip, act)
    made.layout.min_width = "0"
    return made


def head_row() -> Any:
    """Make the first row, with the titles."""
    titles = "".join(f"<span>{title}</span>" for title in HEAD)
    cells = ipywidgets.HTML(
        f'<div class="msl-cells msl-services msl-head">{titles}</div>',
        layout=ipywidgets.Layout(flex="1 1 auto", width="auto"),
    )
    space = ipywidgets.Box([], layout=ipywidgets.Layout(flex="0 0 auto", width=ACTIONS))
    row = ipywidgets.HBox([cells, space])
    row.add_class("msl-row")
    row.add_class("msl-service")
    row.add_class("msl-head")
    return row

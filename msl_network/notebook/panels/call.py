"""The panel that calls the methods of a Service."""

import asyncio
import html
import itertools
import math
from concurrent.futures import Future
from typing import Any, Final

import ipywidgets
import traitlets

from ...client.blocking import Link
from ...client.errors import ReplyTimeoutError
from ...client.linked import LinkedClient
from ...escaping import escaped
from ..forms import Form, FormError, form_for
from ..results import ResultView, summary
from ..results.errors import became_of
from ..typed import read_number
from .base import ICONS, LABEL_WIDTH, Panel, bounded, button, close_all, on_enter, text_field
from .history import Call, History
from .history_table import HistoryTable, in_words, shortened
from .lines import connect_line, link_line
from .link_watch import LinkWatch
from .running import RunningCall, RunningRows

__all__ = ["CallPanel"]

MOST_RUNNING: Final = 20
"""Most calls that a panel has under way at once."""

NAME_LIMIT: Final = 200
"""Most characters of a name among the methods."""

TICK: Final = 0.1
"""Seconds between two updates of what is under way, and of the items that come."""

_COMMON: Final = ("set_logging_level", "shutdown_service")
"""What is seldom what a person has come for."""

SLOWING: Final = 1000
"""How many times longer than an update has to wait no browser has answered. A server keeps what it
can't send: within a night some ten thousand updates, and not some hundred thousand."""


class CallPanel(Panel):
    """Calls a method of a Service, with a form for its arguments.

    Several calls can be under way at once. A method that yields shows its items as they come.

    Example:
        >>> panel = CallPanel(client.link("Echo"))
        >>> panel  # in a notebook; fill in the form, click Call
        >>> panel.history[-1].outcome

    Args:
        link: A link, or None to get one later.

    Attributes:
        link: The link. Can be set, and observed.
        form: The form of the method that is chosen; None without a link.
        result: What shows the outcome.
        history: The calls that have been made, the latest at the end.
    """

    link = traitlets.Instance(Link, allow_none=True, help="The link with the Service")

    def __init__(self, link: Link | LinkedClient | None = None) -> None:
        super().__init__("Call a method")
        self.form: Form | None = None
        self.history = History()
        self.result = ResultView()
        self._failure = ResultView()
        self._numbers = itertools.count(1)
        self._running: dict[int, RunningCall] = {}
        self._ticking: asyncio.Task[None] | None = None
        # the call whose outcome is shown or awaited, and whether a person has chosen it
        self._wanted, self._is_chosen = 0, False
        self._in_view = 0
        self._view_lock = asyncio.Lock()
        self._forms: dict[str, Form] = {}
        self._offers: dict[str, Any] = {}
        self._docs: dict[str, str] = {}
        self._watch = LinkWatch(self._refresh)
        self._signature = ipywidgets.HTML()
        self._form_box = ipywidgets.VBox([])
        self._rows = RunningRows()
        self._caption = ipywidgets.HTML()
        self._table = HistoryTable(self.history, self.show, self.fill)
        self.fields = {
            "method": ipywidgets.Dropdown(
                description="Method",
                style={"description_width": LABEL_WIDTH},
                layout=ipywidgets.Layout(width="auto", max_width="32em"),
            ),
            "timeout": text_field("Timeout", "", "none, or seconds", max_width="20em"),
        }
        self.buttons = {
            "Call": button("Call", "Send the request", self._clicked, button_style="primary"),
            "Cancel": button("Cancel", "Give the latest request up", self.cancel),
        }
        on_enter(self.fields["timeout"], self._clicked)
        wrapped = ipywidgets.Layout(flex_flow="row wrap")
        self._arrange(
            self.fields["method"],
            self._signature,
            self._form_box,
            ipywidgets.HBox([self.fields["timeout"], *self.buttons.values()], layout=wrapped),
            self._status,
            self._code,
            self._rows,
            self._caption,
            self.result,
            self._failure,
            self._table,
        )
        self.link = link.link if isinstance(link, LinkedClient) else link
        self._follow_link()
        self._hand(self._watch_link)
        self.observe(lambda _: self._hand(self._link_set), "link")
        self.fields["method"].observe(lambda _: self._hand(self._follow_method), "value")

    @property
    def running(self) -> list[RunningCall]:
        """The calls that are under way, the latest at the end."""
        return list(self._running.values())

    def call(self) -> "Future[None]":
        """Do what the button does; returns a future that is done when the outcome is shown."""
        return self._do(f"Call {next(self._numbers)}", self._call)

    def _clicked(self) -> "Future[None]":
        async def settled() -> None:
            await self._copy.typing_settled()
            await self._call()

        return self._do(f"Call {next(self._numbers)}", settled)

    def cancel(self) -> None:
        """Do what the button does: give the latest call up that is under way."""
        self._hand(self._cancel_latest)

    def show(self, call: Call) -> "Future[None]":
        """Show the outcome of a call again: what a click on it in the history does."""
        return self._do(f"Show {call.number}", lambda: self._choose(call))

    def fill(self, call: Call) -> "Future[None]":
        """Put the method and the arguments of a call back into the form."""
        return self._do("Fill", lambda: self._fill(call))

    # --- the link ------------------------------------------------------------------------

    def _link_set(self) -> None:
        self._follow_link()
        self._watch_link()

    def _follow_link(self) -> None:
        forms, self._forms = self._forms, {}
        self._offers, self._docs = {}, {}
        self._form_box.children = ()
        close_all(forms.values())
        if self.link is None:
            self.fields["method"].options = ()
            self._tell("idle", "No link: link with a Service first.")
        else:
            self._tell("idle", "Fill in the arguments, then click Call or press Enter.")
        self._refresh()

    def _watch_link(self) -> None:
        """Have what becomes of the link and of its Service shown; on the loop of the network."""
        if self.link is None or self._closed:
            self._watch.stop()
        else:
            self._watch.follow(self.link)

    def _refresh(self, *_: object) -> None:
        """Show what is known of the link now; what is typed stays."""
        link = self.link
        if self._closed:
            return
        if link is None:
            self._set_title("Call a method")
        else:
            where = escaped(f"of {link.service_name}[{link.service_address}]")
            self._set_title("Call a method", f"{where} · {self._state(link)}")
        offers = {} if link is None else link.service_attributes
        docs = {} if link is None else link.service_docs
        if (offers, docs) != (self._offers, self._docs):
            before, self._offers, self._docs = self._offers, dict(offers), docs
            self._renew_forms(before)
        self._update()

    def _state(self, link: Link) -> str:
        """The state of the link in words."""
        kind, words = self._watch.trouble(link) or ("ok", "linked")
        return f"{ICONS[kind]}\N{NO-BREAK SPACE}{words}"

    def _renew_forms(self, before: dict[str, Any]) -> None:
        offers, method = self._offers, self.fields["method"]
        stale = [name for name in self._forms if offers.get(name) != before.get(name)]
        for name in stale:
            old = self._forms.pop(name)
            if name in offers:
                self._make_form(name).take_over(old)
            close_all([old])
        # what is called stands before what every Service has, and before what is only read
        names = sorted(
            offers, key=lambda name: (not _is_method(offers[name]), name in _COMMON, name)
        )
        chosen = method.value
        # what a name shows is no other one, and nothing that a page can't have
        options = tuple((escaped(name[:NAME_LIMIT]), name) for name in names)
        if options != method.options:
            method.options = options
            if names:
                method.value = chosen if chosen in names else names[0]
        if chosen is not None and chosen not in offers and names:
            self._tell("error", f"{escaped(chosen)} is not offered any more.")
        self._follow_method()

    def _follow_method(self) -> None:
        name = self.fields["method"].value
        if name is None or name not in self._offers:
            self.form = None
            self._form_box.children = ()
            self._signature.value = ""
        else:
            self.form = self._forms[name] if name in self._forms else self._make_form(name)
            self._form_box.children = (self.form,)
            self._signature.value = _describe(name, self._offers[name], self._docs.get(name, ""))
        self._update()

    def _make_form(self, name: str) -> Form:
        form = self._forms[name] = form_for(self._offers[name])
        for widget in form.texts:
            on_enter(widget, self._clicked)
        return form

    def _update(self) -> None:
        self.buttons["Call"].disabled = self.form is None
        self.buttons["Cancel"].disabled = all(call.is_given_up for call in self.running)

    # --- calls ---------------------------------------------------------------------------

    async def _call(self) -> None:
        link, form, method = self.link, self.form, self.fields["method"].value
        if link is None or form is None:
            raise ConnectionError("No link: link with a Service first.")
        if len(self._running) >= MOST_RUNNING:
            raise RuntimeError(
                f"{MOST_RUNNING} calls are under way: wait until one has ended, or cancel one."
            )
        args, kwargs = form.values()
        number = max((call.number for call in (*self.running, *self.history)), default=0) + 1
        call = RunningCall(number, link, method, args, kwargs, self._timeout())
        client: Any = link._owner
        setup = (
            f"{connect_line(client.name, client._session.options)}\n{link_line(link.service_name)}"
        )
        self._show_code(call.code)
        self._tell("busy", f"Waiting for {link.service_name}.{method} …")
        self._wanted, self._is_chosen = number, False
        self._running[number] = call
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())
        self._update()
        try:
            outcome = await self._outcome(call)
            await self._show_items(call)
        finally:
            del self._running[number]
        done = call.ended(outcome, setup)
        self.history.add(done)
        self._table.update()
        await self._show_end(done)

    async def _outcome(self, call: RunningCall) -> Any:
        """What a call returned, or the exception that it ended with."""
        try:
            return await call.run()
        except asyncio.CancelledError:
            if not call.is_given_up:
                raise  # the panel is closed
            self._tell_asking(call)
            return asyncio.CancelledError(await call.became())
        except ReplyTimeoutError as error:
            self._tell_asking(call, f"{error}. ")
            await call.became()  # the error tells it
            return error
        except Exception as error:
            return error

    def _tell_asking(self, call: RunningCall, why: str = "") -> None:
        """Say that a call has been given up, unless another one has been made since."""
        self._update()
        if self._wanted == call.number:
            self._tell("busy", f"{why}{call.method} is given up. Asking what became of it …")

    def _cancel_latest(self) -> None:
        left = [call for call in self.running if not call.is_given_up]
        if left:
            left[-1].cancel()

    async def _tick(self) -> None:
        loop, shown = asyncio.get_running_loop(), -math.inf
        try:
            while self._running:
                await asyncio.sleep(TICK)
                self._copy.beat()
                self.result.pause = self._copy.silence / SLOWING
                if loop.time() - shown >= self.result.pause:
                    shown = loop.time()
                    self._rows.show(self.running)
                    self._update()
                for call in self.running:
                    await self._show_items(call)
            self._rows.show(())
            self._update()
        finally:
            self.result.pause = 0.0
            self._ticking = None

    def _timeout(self) -> float | None:
        text = self.fields["timeout"].value.strip()
        if not text:
            return None
        try:
            timeout = read_number(text)
        except ValueError as error:
            raise FormError("Timeout", str(error)) from None
        if not timeout > 0:
            raise FormError("Timeout", "type a number of seconds above 0, or nothing")
        return timeout

    async def _fill(self, call: Call) -> None:
        method = self.fields["method"]
        if call.method not in self._offers:
            raise ValueError(f"{escaped(call.method)} is not offered here.")
        method.value = call.method
        self._follow_method()
        if self.form is not None:
            self.form.fill(call.args, call.kwargs)
            self._tell("idle", f"Filled in as in {shortened(call.request)}")

    # --- outcomes ------------------------------------------------------------------------

    async def _show_items(self, call: RunningCall) -> None:
        """Show the items that have come, if it is their turn."""
        items = call.take()
        if not items or self._wanted != call.number:
            return
        async with self._view_lock:
            if self._in_view != call.number:
                self._in_view = call.number
                self._describe_outcome(call.request, "")
                self.result.clear()
                self._failure.clear()
            await self.result.extend(items, attribute=call.method, doc=call.doc)

    async def _show_end(self, call: Call) -> None:
        """Show that a call has ended, and its outcome if nobody looks at another one."""
        took = in_words(call.duration)
        if call.state == "cancelled":
            self._tell("idle", f"{call.method}: {became_of(call.outcome)}.")
        elif call.error is not None:
            became = became_of(call.error)
            outcome = f"took too long: {became}" if became else f"failed after {took}"
            self._tell("error", f"{call.method} {outcome}.")
        elif call.items is not None:
            items = "item" if call.count == 1 else "items"
            self._tell("ok", f"{call.method} yielded {call.count:,} {items} in {took}.")
        else:
            self._tell("ok", f"{call.method} returned after {took}.")
        others = self._is_chosen or self._wanted in self._running
        if self._wanted == call.number or not others:
            self._wanted = call.number
            await self._show(call)

    async def _choose(self, call: Call) -> None:
        self._wanted, self._is_chosen = call.number, True
        self._in_view = 0
        await self._show(call)

    async def _show(self, call: Call) -> None:
        async with self._view_lock:
            if self._wanted != call.number:
                return  # somebody wants to see another one meanwhile
            if call.items is None and call.error is None:
                # what is shown stays until this one is ready, and so does its caption
                await self.result.show(call.outcome, attribute=call.method, doc=call.doc)
            elif not call.items or self._in_view != call.number:
                self.result.clear()
            self._describe_outcome(
                call.request, f"{call.began:%Y-%m-%d %H:%M:%S}, {in_words(call.duration)}"
            )
            self._table.chosen = call.number
            self._failure.clear()
            if call.items and self._in_view != call.number:
                before = call.count - len(call.items)
                await self.result.extend(
                    call.items, attribute=call.method, doc=call.doc, before=before
                )
            self._in_view = call.number
            if call.state == "failed" and call.error is not None:
                # the items that came before it stay
                (self._failure if call.items else self.result).show_error(call.error)

    def _describe_outcome(self, request: str, when: str) -> None:
        shown = html.escape(shortened(request))
        self._caption.value = (
            f'<div class="msl-caption">Result of <code>{shown}</code> '
            f'<span class="msl-quiet">{when}</span></div>'
        )

    def _stop(self) -> None:
        super()._stop()
        self._watch.stop()
        if self._ticking is not None:
            self._ticking.cancel()
        close_all(self._forms.values())


def _is_method(offer: Any) -> bool:
    return isinstance(offer, str) and offer.startswith("(")


def _describe(name: str, offer: Any, doc: str) -> str:
    shown = f"{name}{offer}" if _is_method(offer) else f"{name} = {summary(offer)}"
    if not _is_method(offer):
        value = "No method, but a value: as it was when the link was made. Call reads it anew."
        doc = f"{value}\n\n{doc}".strip()
    first, _, rest = doc.partition("\n\n")
    described = f'<div class="msl-quiet msl-status">{html.escape(bounded(first))}</div>'
    if rest := rest.strip("\n"):
        described += (
            "<details><summary>More</summary>"
            f'<div class="msl-quiet msl-status">{html.escape(bounded(rest))}</div></details>'
        )
    return f'<div class="msl-mono">{html.escape(bounded(escaped(shown)))}</div>{described}'

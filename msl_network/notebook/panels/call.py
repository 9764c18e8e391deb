"""The panel that calls the methods of a Service."""

import asyncio
import html
from dataclasses import dataclass, field
from typing import Any, Final

import ipywidgets
import traitlets

from ...client.blocking import Link
from ...client.errors import RemoteError
from ...client.linked import LinkedClient
from ...escaping import escaped
from ..forms import Form, FormError, form_for, read_number
from ..results import source, summary, to_html
from .base import LABEL_WIDTH, Panel, button, close_all, on_enter, text_field

__all__ = ["Call", "CallPanel"]

HISTORY: Final = 50
"""Most calls that are remembered, with what they returned."""

HISTORY_SHOWN: Final = 10
"""Most calls that are listed."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that has been made.

    Attributes:
        method: The name of the method.
        args: The positional arguments.
        kwargs: The keyword arguments.
        outcome: What it returned, or the exception that it ended with.
        duration: How long it took, in seconds.
        code: The Python line that does the same.
    """

    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(hash=False)
    outcome: Any = field(hash=False)
    duration: float
    code: str


class CallPanel(Panel):
    """Calls a method of a Service, with a form for its arguments.

    Example:
        >>> panel = CallPanel(client.link("Echo"))
        >>> panel  # in a notebook; fill in the form, click Call
        >>> panel.history[-1].outcome

    Args:
        link: A link, or None to get one later.

    Attributes:
        link: The link. Can be set, and observed.
        form: The form of the method that is chosen; None without a link.
        history: The calls that have been made, the latest at the end.
    """

    link = traitlets.Instance(Link, allow_none=True, help="The link with the Service")

    def __init__(self, link: Link | LinkedClient | None = None) -> None:
        super().__init__("Call a method")
        self.form: Form | None = None
        self.history: list[Call] = []
        self._forms: dict[str, Form] = {}
        self._signature = ipywidgets.HTML()
        self._form_box = ipywidgets.VBox([])
        self._result = ipywidgets.HTML()
        self._calls = ipywidgets.HTML()
        self.fields = {
            "method": ipywidgets.Dropdown(
                description="Method",
                style={"description_width": LABEL_WIDTH},
                layout=ipywidgets.Layout(width="auto", max_width="32em"),
            ),
            "timeout": text_field("Timeout", "", "none, or seconds", max_width="20em"),
        }
        self.buttons = {
            "Call": button("Call", "Send the request", self.call, button_style="primary"),
            "Cancel": button("Cancel", "Give the request up", self.cancel),
        }
        on_enter(self.fields["timeout"], self.call)
        wrapped = ipywidgets.Layout(flex_flow="row wrap")
        self._arrange(
            self.fields["method"],
            self._signature,
            self._form_box,
            ipywidgets.HBox([self.fields["timeout"], *self.buttons.values()], layout=wrapped),
            self._status,
            self._code,
            self._result,
            self._calls,
        )
        self.link = link.link if isinstance(link, LinkedClient) else link
        self._follow_link()
        self.observe(lambda _: self._hand(self._follow_link), "link")
        self.fields["method"].observe(lambda _: self._hand(self._follow_method), "value")

    def call(self) -> Any:
        """Do what the button does; returns a future that is done when the outcome is shown."""
        return self._do("Call", self._call)

    def cancel(self) -> None:
        """Do what the button does: give the request up that is under way."""
        self._cancel("Call")

    # --- the form ------------------------------------------------------------------------

    def _follow_link(self) -> None:
        link, method = self.link, self.fields["method"]
        forms, self._forms = self._forms, {}
        self._form_box.children = ()
        close_all(forms.values())
        if link is None:
            self._set_title("Call a method")
            method.options = ()
            self._tell("idle", "No link: link with a Service first.")
        else:
            self._set_title("Call a method", f"of {link.service_name}[{link.service_address}]")
            offers = link.service_attributes
            # what is called stands before what is only read
            method.options = sorted(offers, key=lambda name: (not _is_method(offers[name]), name))
            if offers:
                method.index = 0
            self._tell("idle", "Fill in the arguments, then click Call or press Enter.")
        self._follow_method()

    def _follow_method(self) -> None:
        link, name = self.link, self.fields["method"].value
        if link is None or name is None:
            self.form = None
            self._form_box.children = ()
            self._signature.value = ""
        else:
            offer = link.service_attributes.get(name)
            if name not in self._forms:
                self._forms[name] = form_for(offer)
                for widget in self._forms[name].texts:
                    on_enter(widget, self.call)
            self.form = self._forms[name]
            self._form_box.children = (self.form,)
            self._signature.value = _describe(name, offer, link.service_docs.get(name, ""))
        self._update()

    def _update(self) -> None:
        calling = "Call" in self._tasks
        self.buttons["Call"].disabled = calling or self.form is None
        self.buttons["Cancel"].disabled = not calling

    # --- the call ------------------------------------------------------------------------

    async def _call(self) -> None:
        link, form, method = self.link, self.form, self.fields["method"].value
        if link is None or form is None:
            raise ConnectionError("No link: link with a Service first.")
        args, kwargs = form.values()
        timeout = self._timeout()
        line = _line(method, args, kwargs, timeout)
        self._show_code(line)
        self._result.value = ""
        self._tell("busy", f"Waiting for {link.service_name}.{method} …")
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcome: Any = asyncio.CancelledError("given up")
        try:
            outcome = await link[method](*args, **kwargs, asynchronous=True, timeout=timeout)
        except Exception as error:
            outcome = error
            raise
        finally:
            took = loop.time() - began
            self._remember(Call(method, tuple(args), kwargs, outcome, took, line))
        # a large value takes its time, which the loop does not have
        shown = await asyncio.to_thread(to_html, outcome)
        self._result.value = f'<div class="msl-result">{shown}</div>'
        self._tell("ok", f"{method} returned after {_seconds(took)}.")

    def _stop(self) -> None:
        super()._stop()
        close_all(self._forms.values())

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

    def _cancelled(self, action: str) -> None:
        self._tell("idle", "Given up: the reply will be dropped if it still comes.")

    def _failed(self, action: str, error: Exception) -> None:
        if action != "Call" or isinstance(error, FormError):
            super()._failed(action, error)
            return
        self._tell("error", f"{self.fields['method'].value} failed.")
        self._result.value = _error(error)

    def _remember(self, call: Call) -> None:
        self.history.append(call)
        del self.history[:-HISTORY]
        rows = "".join(
            f'<tr><td class="msl-mono">{html.escape(_cut(call.code))}</td>'
            f"<td>{_outcome(call.outcome)}</td><td>{_seconds(call.duration)}</td></tr>"
            for call in reversed(self.history[-HISTORY_SHOWN:])
        )
        self._calls.value = (
            '<div class="msl-scroll"><table class="msl-table"><thead><tr>'
            '<th scope="col">History</th><th scope="col">Outcome</th><th scope="col">Time</th>'
            f"</tr></thead><tbody>{rows}</tbody></table></div>"
        )


def _is_method(offer: Any) -> bool:
    return isinstance(offer, str) and offer.startswith("(")


def _describe(name: str, offer: Any, doc: str) -> str:
    shown = f"{name}{offer}" if _is_method(offer) else f"{name} = {summary(offer)}"
    if not _is_method(offer):
        value = "No method, but a value: as it was when the link was made. Call reads it anew."
        doc = f"{value}\n\n{doc}".strip()
    first, _, rest = doc.partition("\n\n")
    described = f'<div class="msl-quiet msl-status">{html.escape(first)}</div>'
    if rest := rest.strip("\n"):
        described += (
            "<details><summary>More</summary>"
            f'<div class="msl-quiet msl-status">{html.escape(rest)}</div></details>'
        )
    return f'<div class="msl-mono">{html.escape(escaped(shown))}</div>{described}'


def _line(method: str, args: list[Any], kwargs: dict[str, Any], timeout: float | None) -> str:
    target = f"link.{method}" if method.isidentifier() else f"link[{method!r}]"
    words = [source(value) for value in args]
    if all(name.isidentifier() for name in kwargs):
        words += [f"{name}={source(value)}" for name, value in kwargs.items()]
    else:
        words.append(f"**{source(kwargs)}")
    if timeout is not None:
        words.append(f"timeout={timeout!r}")
    return f"{target}({', '.join(words)})"


def _cut(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _seconds(duration: float) -> str:
    return f"{duration * 1000:.0f} ms" if duration < 1 else f"{duration:.1f} s"


def _outcome(outcome: Any) -> str:
    if isinstance(outcome, asyncio.CancelledError):
        return "○ given up"
    if isinstance(outcome, Exception):
        kind, message = _named(outcome)
        return f"✗ {html.escape(_cut(f'{kind}: {message}'))}"
    return f"✓ {html.escape(summary(outcome, 80))}"


def _named(error: Exception) -> tuple[str, str]:
    """The type and the message of an error, of the far side where it comes from there."""
    if isinstance(error, RemoteError):
        return escaped(error.type) or "Error", escaped(error.message, keep="\n\t")
    return type(error).__name__, str(error)


def _error(error: Exception) -> str:
    kind, message = _named(error)
    folded = ""
    if isinstance(error, RemoteError) and error.traceback.strip():
        folded = (
            "<details><summary>Traceback of the Service</summary>"
            f"<pre>{html.escape(error.traceback)}</pre></details>"
        )
    return (
        '<div class="msl-result msl-failed" role="alert">'
        f'<b>{html.escape(kind)}</b>: <span class="msl-status">{html.escape(message)}</span>'
        f"{folded}</div>"
    )

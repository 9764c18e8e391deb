"""What the panels share: actions on the loop of the network, what they say, the code they show.

A click arrives on any thread. It only hands a coroutine to the loop of the network, and nothing
but that loop changes a widget that is on the page.
"""

import asyncio
import html
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

import ipywidgets
import traitlets

from ... import loop_thread
from ...escaping import escaped
from ..fields import LABEL_WIDTH
from .copy_button import CopyButton
from .style import STYLE

__all__ = [
    "ICONS",
    "LABEL_WIDTH",
    "Panel",
    "bounded",
    "button",
    "close_all",
    "on_enter",
    "text_field",
]

ENTER_WAIT: Final = 0.2
"""Seconds after Enter in which the browser sends what is typed, if it has changed: it tells of
the key first, and of the text in the same breath."""

LONGEST_TEXT: Final = 4_000
"""Most characters of what a panel says; the ends of a longer text are shown."""

LONGEST_LINE: Final = 10_000
"""Most characters of a line of Python that can be copied."""

ICONS: Final = {"idle": "○", "busy": "◌", "ok": "✓", "error": "✗"}
"""What stands before what a panel says, by its kind."""


class Panel(ipywidgets.VBox):  # type: ignore[misc]
    """The base of all panels.

    Attributes:
        code: The Python line that does the same as the last action.
        fields: What can be filled in, by name.
        buttons: The buttons, by name.
    """

    code = traitlets.Unicode("", help="The Python line that does the same as the last action")

    def __init__(self, title: str) -> None:
        self.fields: dict[str, Any] = {}
        self.buttons: dict[str, Any] = {}
        self._closed = False
        self._told = ""
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._title = ipywidgets.HTML()
        self._status = ipywidgets.HTML()
        self._line = ipywidgets.HTML()
        self._copy = CopyButton()
        self._code = ipywidgets.HBox([self._line, self._copy])
        self._code.add_class("msl-line")
        self._code.layout.display = "none"  # until there is a line
        self._set_title(title)
        super().__init__()
        self.add_class("msl-panel")

    def __repr__(self) -> str:
        # that of a box would show all that is in it
        return f"<{type(self).__name__}>"

    def close(self) -> None:
        """Take the panel off the page and stop everything that it does."""
        # a process that ends takes its panels with it, and can't start the network for that
        if self.__dict__.get("_closed", True) or sys.is_finalizing():
            return
        self._closed = True
        loop_thread.get_loop().call_soon_threadsafe(self._stop)
        children, parts = self.children, (self.layout,)
        super().close()
        close_all((*children, *parts))

    # --- actions -------------------------------------------------------------------------

    def _do(self, action: str, start: Callable[[], Awaitable[None]]) -> "Future[None]":
        """Run an action on the loop of the network, unless it is running already.

        Args:
            action: The name of the action; its button is disabled meanwhile.
            start: Does it. An exception is shown in the panel.

        Returns:
            What is done when the panel shows the outcome.
        """
        return loop_thread.submit(self._perform(action, start))

    async def _perform(self, action: str, start: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.current_task()
        if self._closed or action in self._tasks or task is None:
            return
        self._tasks[action] = task
        try:
            self._update()
            await start()
        except asyncio.CancelledError:
            self._cancelled(action)
        except Exception as error:
            self._failed(action, error)
        finally:
            del self._tasks[action]
            self._update()

    def _cancel(self, action: str) -> None:
        """Cancel an action, from any thread."""

        def cancel() -> None:
            if action in self._tasks:
                _cancel_once(self._tasks[action])

        loop_thread.get_loop().call_soon_threadsafe(cancel)

    def _hand(self, function: Callable[..., object], *args: object) -> None:
        """Call a function on the loop of the network, from any thread."""

        async def call() -> None:
            if self._closed:  # while it waited for its turn
                return
            try:
                function(*args)
            except Exception as error:
                self._failed("", error)

        loop_thread.submit(call())

    def _update(self) -> None:
        """Enable and disable the buttons."""
        raise NotImplementedError

    def _cancelled(self, action: str) -> None:
        self._tell("idle", "Cancelled.")

    def _failed(self, action: str, error: Exception) -> None:
        """Show that an action has failed."""
        kind = type(error).__name__
        self._tell("error", str(error).removeprefix(f"{kind}: ") or kind)

    def _stop(self) -> None:
        """Stop everything, on the loop of the network."""
        for task in self._tasks.values():
            _cancel_once(task)

    # --- what is shown -------------------------------------------------------------------

    def _arrange(self, *children: Any) -> None:
        style = ipywidgets.HTML(STYLE, layout=ipywidgets.Layout(display="none"))
        self.children = (style, self._title, *children)

    def _set_title(self, title: str, about: str = "") -> None:
        self._title.value = (
            f'<span class="msl-title" role="heading" aria-level="2">'
            f"{html.escape(escaped(title))}</span> "
            f'<span class="msl-quiet">{html.escape(escaped(about))}</span>'
        )

    def _tell(self, kind: str, text: str) -> None:
        """Say what is going on: `"idle"`, `"busy"`, `"ok"` or `"error"`, and in words."""
        self._told = kind
        role = "alert" if kind == "error" else "status"
        self._status.value = (
            f'<div class="msl-status msl-{kind}" role="{role}">'
            f'<span class="msl-icon" aria-hidden="true">{ICONS[kind]}</span>'
            f"{html.escape(bounded(text))}</div>"
        )

    def _show_code(self, line: str) -> None:
        self.code = line
        self._code.layout.display = ""
        self._copy.text = line if len(line) <= LONGEST_LINE else ""
        shown = html.escape(bounded(line))
        self._line.value = f'<code class="msl-code" title="The same in Python">{shown}</code>'


def bounded(text: str) -> str:
    """A text that is shown; what a far side says may be of any length.

    Args:
        text: The text.
    """
    half = LONGEST_TEXT // 2
    shown = text if len(text) <= LONGEST_TEXT else f"{text[:half]}\n…\n{text[-half:]}"
    return escaped(shown, keep="\n\t")


def _cancel_once(task: asyncio.Task[Any]) -> None:
    """Cancel a task, unless it is cleaning up already because it has been cancelled."""
    if not task.cancelling():
        task.cancel()


def button(name: str, tooltip: str, act: Callable[[], object], **kwargs: Any) -> Any:
    """Make a button that calls a function without arguments."""
    made = ipywidgets.Button(
        description=name,
        tooltip=tooltip,
        layout=ipywidgets.Layout(width="auto", min_width="6.5em"),
        **kwargs,
    )
    made.on_click(lambda _: act())
    return made


def text_field(name: str, value: str = "", placeholder: str = "", **kwargs: Any) -> Any:
    """Make a field for a line of text, which is sent when it is left or Enter is pressed."""
    kind = kwargs.pop("kind", ipywidgets.Text)
    return kind(
        value=value,
        description=name,
        placeholder=placeholder,
        continuous_update=False,
        style={"description_width": LABEL_WIDTH},
        layout=ipywidgets.Layout(flex="1 1 16em", width="auto", min_width="12em", **kwargs),
    )


def on_enter(field: Any, act: Callable[[], object]) -> None:
    """Call a function on the loop of the network when Enter has been pressed in a field."""

    def received(_: Any, content: Any, __: Any) -> None:
        if content.get("event") != "submit":
            return
        changed: Future[None] = Future()

        def ring(_: Any) -> None:
            if not changed.done():
                changed.set_result(None)

        field.observe(ring, "value")

        async def settle() -> None:
            try:
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(changed), ENTER_WAIT)
            finally:
                field.unobserve(ring, "value")
            act()

        settling: Coroutine[Any, Any, None] = settle()
        loop_thread.submit(settling)

    field.on_msg(received)


def close_all(widgets: Iterable[Any]) -> None:
    """Close widgets, what is in them, and how they look, which is a widget too."""
    for widget in widgets:
        inner = getattr(widget, "children", ())
        looks = [getattr(widget, name, None) for name in ("layout", "style")]
        widget.close()
        close_all(inner)
        close_all(look for look in looks if look is not None)

"""The steps of something that takes a while, as they happen: in a notebook or in a terminal."""

import html
import time
from collections import deque
from typing import Any, Literal

from .. import loop_thread
from ..escaping import escaped
from .bridge import in_kernel

__all__ = ["Steps", "WidgetSteps", "make_steps"]

State = Literal["running", "done", "failed"]

LOG_LINES = 200
"""Most lines of the log that are shown; the rest is the far side's to keep."""

LINE_LENGTH = 500
"""Most characters of a line that are shown."""

LIVE_LINES = 8
"""Lines of the log that are shown while it grows."""

PAUSE = 0.1
"""Seconds between two drawings: what a far side prints faster than anybody can read must not keep
the browser busy."""

_SIGNS = {"running": "&#9675;", "done": "&#10004;", "failed": "&#10008;"}
_COLOURS = {
    "running": "inherit",
    "done": "var(--jp-success-color0, #1b7f37)",
    "failed": "var(--jp-error-color0, #b71c1c)",
}


class Steps:
    """What is being done, printed line by line.

    Its methods can be called from any thread.

    Args:
        title: What all of it is for.
        total: How many steps there will be.
    """

    def __init__(self, title: str, total: int) -> None:
        self.title = title
        self.total = total
        self._steps: list[tuple[str, State, float]] = []
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._error = ""

    @property
    def state(self) -> State:
        """How it goes."""
        return self._steps[-1][1] if self._steps else "running"

    def begin(self, text: str) -> None:
        """Begin a step; the one before it is done."""
        self.end()
        self._steps.append((text, "running", time.monotonic()))
        self._show(f"{self.title}: {text} ...")

    def end(self, note: str = "") -> None:
        """End the current step: it is done."""
        self._end("done", note)

    def finish(self, error: BaseException | None = None) -> None:
        """End the last step: it is done, or it failed because of an error."""
        if error is None:
            self.end()
        else:
            # the whole text stands below, where the error itself is shown
            self._error = str(error) or type(error).__name__
            self._end("failed", self._error.splitlines()[0])

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self._log.append(escaped(line[:LINE_LENGTH], keep="\t"))
        self._show(f"    {self._log[-1]}" if self.state == "running" else None)

    def _end(self, state: State, note: str) -> None:
        if self._steps and self._steps[-1][1] == "running":
            text, _, start = self._steps[-1]
            took = time.monotonic() - start
            text = f"{text}: {note}" if note else f"{text} ({took:.1f} s)"
            self._steps[-1] = (text, state, start)
            self._show(None if state == "done" else f"{self.title}: {text}")

    def _show(self, text: str | None) -> None:
        if text is not None:
            print(text, flush=True)


class WidgetSteps(Steps):
    """The same as widgets, which are only changed on the loop of the network.

    Attributes:
        text: The steps.
        bar: How far it is; hidden when it is over.
        lines: The log, as it grows.
    """

    def __init__(self, title: str, total: int) -> None:
        import ipywidgets

        super().__init__(title, total)
        self._drawing = False
        wide = ipywidgets.Layout(width="auto", height="1.2em")
        self.text: Any = ipywidgets.HTML(self._steps_as_html())
        self.bar: Any = ipywidgets.IntProgress(max=total, bar_style="info", layout=wide)
        self.lines: Any = ipywidgets.HTML()

    def as_text(self) -> str:
        """The steps as plain text."""
        return "\n".join([self.title, *(f"  {state}: {text}" for text, state, _ in self._steps)])

    def as_html(self) -> str:
        """The steps and the log as HTML. Nothing in it is markup of the far side."""
        html_of_log = ""
        if self._log:
            # an error of the far side has the log in it already
            opened = " open" if self._error and self._log[-1] not in self._error else ""
            html_of_log = f"<details{opened}><summary>Log of the far side</summary>"
            html_of_log += f"{self._log_as_html()}</details>"
        return f"<div>{self._steps_as_html()}{html_of_log}</div>"

    def _show(self, text: str | None) -> None:
        # widgets are only changed on one thread: the front end loses track otherwise
        loop_thread.get_loop().call_soon_threadsafe(self._draw_soon)

    def _draw_soon(self) -> None:
        if not self._drawing:
            self._drawing = True
            loop_thread.get_loop().call_later(PAUSE, self._draw)

    def _draw(self) -> None:
        self._drawing = False
        running = self.state == "running"
        self.text.value = self._steps_as_html()
        self.lines.value = self._log_as_html(LIVE_LINES if running else LOG_LINES)
        self.bar.value = sum(state == "done" for _, state, _ in self._steps)
        self.bar.layout.display = "" if running else "none"

    def _steps_as_html(self) -> str:
        rows = "".join(
            f'<li style="list-style:none"><span style="color:{_COLOURS[state]}" '
            f'role="img" aria-label="{state}">{_SIGNS[state]}</span> '
            f"{html.escape(escaped(text))}</li>"
            for text, state, _ in self._steps
        )
        title = html.escape(escaped(self.title))
        return (
            f'<div role="status" style="line-height:1.6;overflow-wrap:anywhere"><b>{title}</b>'
            f'<ul style="margin:0;padding-left:.5em">{rows}</ul></div>'
        )

    def _log_as_html(self, most: int = LOG_LINES) -> str:
        text = html.escape("\n".join([*self._log][-most:]))
        # the last line is the one that is seen, however far the log has grown
        return text and (
            '<div tabindex="0" role="region" aria-label="Log of the far side" style="display:flex;'
            'flex-direction:column-reverse;max-height:16em;overflow:auto"><pre style="'
            "font-size:85%;line-height:1.3;margin:0;padding:.3em .5em;white-space:pre-wrap;"
            f'overflow-wrap:anywhere;max-height:none">{text}</pre></div>'
        )


class CellSteps(WidgetSteps):
    """The same below a cell.

    When it is over, HTML with the log folded away stands in its place, which a saved notebook
    keeps.
    """

    def __init__(self, title: str, total: int) -> None:
        import ipywidgets
        from IPython.display import display

        super().__init__(title, total)
        self._widget = ipywidgets.VBox(
            [self.text, self.bar, self.lines],
            layout=ipywidgets.Layout(max_width="60em", overflow="hidden"),
        )
        self._display = display(self._widget, display_id=True)  # type: ignore[no-untyped-call]

    def finish(self, error: BaseException | None = None) -> None:
        """End the last step, and replace the widget."""
        super().finish(error)
        bundle = {"text/html": self.as_html(), "text/plain": self.as_text()}
        self._display.update(bundle, raw=True)
        loop_thread.get_loop().call_soon_threadsafe(self._close)

    def _close(self) -> None:
        for widget in (self._widget, self.text, self.bar, self.lines):
            widget.close()
            widget.layout.close()


def make_steps(title: str, total: int) -> Steps:
    """Steps for where this runs: shown below the cell of a notebook, else printed."""
    return CellSteps(title, total) if in_kernel() else Steps(title, total)

"""The steps of something that takes a while, as they happen: in a notebook or in a terminal."""

import html
import time
from collections import deque
from typing import Literal

from .. import loop_thread
from .bridge import in_kernel

__all__ = ["Steps", "make_steps"]

State = Literal["running", "done", "failed"]

LOG_LINES = 200
"""Most lines of the log that are shown; the rest is the far side's to keep."""

LIVE_LINES = 8
"""Lines of the log that are shown while it grows."""

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
        self._log.append(line)
        self._show(f"    {line}" if self.state == "running" else None)

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
    """The same below a cell: a widget with a progress bar and the growing log.

    When it is over, HTML with the log folded away stands in its place, which a saved notebook
    keeps.
    """

    def __init__(self, title: str, total: int) -> None:
        import ipywidgets
        from IPython.display import display

        super().__init__(title, total)
        self._bar = ipywidgets.IntProgress(
            max=total, bar_style="info", layout=ipywidgets.Layout(width="100%", height="1.2em")
        )
        self._text = ipywidgets.HTML(self.as_html())
        self._widget = ipywidgets.VBox(
            [self._text, self._bar], layout=ipywidgets.Layout(max_width="60em", overflow="hidden")
        )
        self._display = display(self._widget, display_id=True)  # type: ignore[no-untyped-call]

    def finish(self, error: BaseException | None = None) -> None:
        """End the last step, and replace the widget."""
        super().finish(error)
        bundle = {"text/html": self.as_html(), "text/plain": self.as_text()}
        self._display.update(bundle, raw=True)
        loop_thread.get_loop().call_soon_threadsafe(self._close)

    def _show(self, text: str | None) -> None:
        # widgets are only changed on one thread: the front end loses track otherwise
        loop_thread.get_loop().call_soon_threadsafe(self._draw)

    def _draw(self) -> None:
        self._text.value = self.as_html()
        self._bar.value = sum(state == "done" for _, state, _ in self._steps)

    def _close(self) -> None:
        for widget in (self._widget, self._text, self._bar):
            widget.close()

    def as_text(self) -> str:
        """The steps as plain text."""
        return "\n".join([self.title, *(f"  {state}: {text}" for text, state, _ in self._steps)])

    def as_html(self) -> str:
        """The steps and the log as HTML. Nothing in it is markup of the far side."""
        rows = "".join(
            f'<li style="list-style:none"><span style="color:{_COLOURS[state]}" '
            f'role="img" aria-label="{state}">{_SIGNS[state]}</span> {html.escape(text)}</li>'
            for text, state, _ in self._steps
        )
        return (
            f'<div role="status" style="line-height:1.6"><b>{html.escape(self.title)}</b>'
            f'<ul style="margin:0;padding-left:.5em">{rows}</ul>{self._log_as_html()}</div>'
        )

    def _log_as_html(self) -> str:
        if not self._log:
            return ""
        lines = list(self._log)
        if self.state == "running":
            lines = lines[-LIVE_LINES:]
        text = html.escape("\n".join(lines))
        log = (
            '<pre style="max-height:16em;overflow:auto;font-size:85%;line-height:1.3;'
            f'margin:0;padding:.3em .5em;white-space:pre-wrap">{text}</pre>'
        )
        if self.state == "running":
            return log
        # an error of the far side has the log in it already
        opened = " open" if self._error and lines[-1] not in self._error else ""
        return f"<details{opened}><summary>Log of the far side</summary>{log}</details>"


def make_steps(title: str, total: int) -> Steps:
    """Steps for where this runs: shown below the cell of a notebook, else printed."""
    return WidgetSteps(title, total) if in_kernel() else Steps(title, total)

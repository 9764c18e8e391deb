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

_SIGNS = {"running": "&#8987;", "done": "&#10004;", "failed": "&#10008;"}
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
        self._start = time.monotonic()

    @property
    def state(self) -> State:
        """How it goes."""
        return self._steps[-1][1] if self._steps else "running"

    def begin(self, text: str) -> None:
        """Begin a step; the one before it is done."""
        self.end("done")
        self._steps.append((text, "running", time.monotonic()))
        self._show(f"{self.title}: {text} ...")

    def end(self, state: State, note: str = "") -> None:
        """End the current step."""
        if self._steps and self._steps[-1][1] == "running":
            text, _, start = self._steps[-1]
            took = time.monotonic() - start
            text = f"{text}: {note}" if note else f"{text} ({took:.1f} s)"
            self._steps[-1] = (text, state, start)
            self._show(None if state == "done" else f"{self.title}: {text}")

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self._log.append(line)
        self._show(f"    {line}" if self.state == "running" else None)

    def _show(self, text: str | None) -> None:
        if text is not None:
            print(text, flush=True)


class WidgetSteps(Steps):
    """The same as a widget, with a progress bar and the log folded away."""

    def __init__(self, title: str, total: int) -> None:
        import ipywidgets as widgets

        super().__init__(title, total)
        self._bar = widgets.IntProgress(
            min=0, max=total, description="", layout=widgets.Layout(width="100%", height="6px")
        )
        self._list = widgets.HTML()
        self.widget = widgets.VBox(
            [self._list, self._bar], layout=widgets.Layout(max_width="60em", overflow="hidden")
        )
        self._show(None)

    def _show(self, text: str | None) -> None:
        # widgets are only changed on one thread: the front end loses track otherwise
        if loop_thread.on_loop():
            self._draw()
        else:
            loop_thread.get_loop().call_soon_threadsafe(self._draw)

    def _draw(self) -> None:
        self._list.value = self.as_html()
        self._bar.value = sum(1 for step in self._steps if step[1] == "done")
        self._bar.bar_style = {"running": "info", "done": "success", "failed": "danger"}[self.state]

    def as_html(self) -> str:
        """The steps and the log as HTML. Nothing in it is markup of the far side."""
        rows = "".join(
            f'<li style="color:{_COLOURS[state]};list-style:none">{_SIGNS[state]} '
            f"{html.escape(text)}</li>"
            for text, state, _ in self._steps
        )
        log = ""
        if self._log:
            opened = " open" if self.state == "failed" else ""
            lines = html.escape("\n".join(self._log))
            log = (
                f"<details{opened}><summary>Log of the far side</summary>"
                '<pre style="max-height:16em;overflow:auto;font-size:85%;line-height:1.3;'
                f'white-space:pre-wrap">{lines}</pre></details>'
            )
        return (
            f'<div role="status" aria-live="polite" style="line-height:1.6">'
            f"<b>{html.escape(self.title)}</b>"
            f'<ul style="margin:0;padding-left:.5em">{rows}</ul>{log}</div>'
        )


def make_steps(title: str, total: int) -> Steps:
    """Steps for where this runs: shown in the cell of a notebook, else printed."""
    if not in_kernel():
        return Steps(title, total)
    from IPython.display import display

    steps = WidgetSteps(title, total)
    display(steps.widget)  # type: ignore[no-untyped-call]
    return steps

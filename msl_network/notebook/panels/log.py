"""The panel that shows the log of this package as it grows."""

import html
from collections.abc import Sequence
from typing import Final

import ipywidgets

from ... import loop_thread
from ...logs import set_logging_level
from ..log import Recorder
from .base import LABEL_WIDTH, Panel, button

__all__ = ["LogPanel", "log_box"]

SHOWN: Final = 200
"""Most lines that are shown, the last ones."""

PAUSE: Final = 0.2
"""Seconds between two looks at the lines: nobody reads faster."""

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class LogPanel(Panel):
    """Shows the last lines of the log, chooses its level, pauses, and clears it.

    Args:
        recorder: What keeps the lines; None for one of its own, which stops when the panel is
            closed.
        title: The title.

    Attributes:
        recorder: What keeps the lines.
    """

    def __init__(self, recorder: Recorder | None = None, title: str = "Log") -> None:
        super().__init__(title)
        self.recorder = recorder or Recorder()
        self._is_own = recorder is None
        self.recorder.start()
        self._due = False
        self._paused = False
        self._lines = ipywidgets.HTML()
        level = self.recorder.level_name
        self.fields = {
            "level": ipywidgets.Dropdown(
                options=LEVELS if level in LEVELS else (*LEVELS, level),
                value=level,
                description="From",
                style={"description_width": LABEL_WIDTH},
                layout=ipywidgets.Layout(width="auto", max_width="20em"),
            )
        }
        self.buttons = {
            "Pause": button("Pause", "Show nothing new, only keep it", self.pause),
            "Clear": button("Clear", "Forget the lines", self.clear),
        }
        self._arrange(
            self._lines,
            ipywidgets.HBox(
                [self.fields["level"], *self.buttons.values()],
                layout=ipywidgets.Layout(flex_flow="row wrap"),
            ),
            self._status,
            self._code,
        )
        self.fields["level"].observe(lambda _: self._hand(self._follow_level), "value")
        self.recorder.listen(self._changed)
        self._changed()

    def pause(self) -> None:
        """Do what the button does: show no new lines, or those that have come meanwhile."""
        self._hand(self._toggle)

    def clear(self) -> None:
        """Do what the button does: forget the lines."""
        self.recorder.clear()

    def _changed(self) -> None:
        # on whichever thread has logged something
        if not self._due and not self._closed:
            self._due = True
            loop_thread.get_loop().call_soon_threadsafe(self._draw_soon)

    def _draw_soon(self) -> None:
        loop_thread.get_loop().call_later(PAUSE, self._draw)

    def _draw(self) -> None:
        self._due = False
        if self._closed or self._paused:
            return
        self._lines.value = _log_html(self.recorder.lines(SHOWN))

    def _toggle(self) -> None:
        self._paused = not self._paused
        if self._paused:
            self._tell("busy", "Paused: new lines are kept, and not shown.")
        else:
            self._status.value = ""
        self._update()
        self._changed()

    def _follow_level(self) -> None:
        level = self.fields["level"].value
        if level != self.recorder.level_name:
            set_logging_level(level)
            self._show_code(f'logging.getLogger("msl_network").setLevel({level!r})')

    def _update(self) -> None:
        self.buttons["Pause"].description = "Resume" if self._paused else "Pause"

    def _stop(self) -> None:
        super()._stop()
        self.recorder.unlisten(self._changed)
        if self._is_own:
            self.recorder.stop()


def _log_html(lines: Sequence[str]) -> str:
    text = html.escape("\n".join(lines) or "Nothing has been logged yet.")
    return log_box("Log", text)


def log_box(name: str, lines: str) -> str:
    """Lines in a box that stays at its end unless somebody scrolls.

    Args:
        name: What a screen reader calls it.
        lines: The lines, in HTML.
    """
    return (
        f'<div class="msl-log" role="log" aria-label="{name}" tabindex="0"><pre>{lines}</pre></div>'
    )

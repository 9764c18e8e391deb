"""The calls of a panel as a table: to be sorted, chosen, repeated and copied."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import anywidget
import traitlets

from ... import loop_thread
from .copy_button import front_end
from .history import Call, History

__all__ = ["HistoryTable", "in_words", "shortened"]

SHOWN: Final = 80
"""Most characters of a line that are shown."""

COPIED: Final = 10_000
"""Most characters of a line that the browser gets, to be copied."""

PAUSE: Final = 0.2
"""Seconds between two updates, however fast calls end."""


class HistoryTable(anywidget.AnyWidget):
    """Shows a history; on the loop of the network.

    Args:
        history: The history.
        choose: Called with the call that is to be seen again, on any thread.
        fill: Called with the call whose arguments are to be filled in again, on any thread.

    Attributes:
        rows: The calls as they are shown.
        script: All of them as a script.
        chosen: The number of the call that is chosen; 0 for none.
    """

    _esm = traitlets.Unicode(front_end("history_table.js")).tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True)
    script = traitlets.Unicode().tag(sync=True)
    chosen = traitlets.Int().tag(sync=True)

    def __init__(
        self, history: History, choose: Callable[[Call], object], fill: Callable[[Call], object]
    ) -> None:
        super().__init__()
        self._history = history
        self._made: dict[int, dict[str, Any]] = {}
        self._actions = {"choose": choose, "fill": fill}
        self._updated = -PAUSE
        self._timer: asyncio.TimerHandle | None = None
        self.on_msg(self._received)

    def update(self) -> None:
        """Show what the history is now, or soon if it was shown just before."""
        loop = loop_thread.get_loop()
        if self._timer is None:
            self._timer = loop.call_at(self._updated + PAUSE, self._show)

    def _show(self) -> None:
        self._timer, self._updated = None, loop_thread.get_loop().time()
        # a row does not change, and that of a large value takes its time
        self._made = {
            call.number: self._made.get(call.number) or _row(call) for call in self._history
        }
        with self.hold_sync():
            self.rows = list(self._made.values())
            self.script = self._history.as_script(COPIED)

    def _received(self, _: Any, content: Any, __: Any) -> None:
        for name, act in self._actions.items():
            call = self._history.find(content.get(name, 0))
            if call is not None:
                act(call)


def _row(call: Call) -> dict[str, Any]:
    return {
        "number": call.number,
        "began": f"{call.began:%H:%M:%S}",
        "call": shortened(call.request),
        "code": call.code if len(call.code) <= COPIED else "",
        "outcome": call.summary,
        "seconds": call.duration,
        "took": in_words(call.duration),
    }


def shortened(text: str) -> str:
    """A line that is not too long to be shown."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def in_words(seconds: float) -> str:
    """A duration in words: `"5 ms"`, `"7.2 s"`, `"3:05 min"`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes}:{seconds:02} min"

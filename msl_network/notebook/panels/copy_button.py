"""A button that copies a line of Python."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from ... import loop_thread

__all__ = ["CopyButton", "front_end"]

ANSWER_WAIT: Final = 0.5
"""Seconds that the browser has to send what was typed."""


def front_end(name: str) -> str:
    """What runs in the browser for a widget of this package.

    Args:
        name: The name of its file.
    """
    folder = Path(__file__).parent
    return "\n".join((folder / file).read_text("utf-8") for file in ("keys.js", "copying.js", name))


BEAT: Final = 5.0
"""Seconds between two questions whether there is a browser."""


class CopyButton(anywidget.AnyWidget):
    """A button that copies a text to the clipboard, and says so.

    The browser does it by itself, so it works while the kernel is busy.

    Attributes:
        text: The text; the button is hidden while there is none.
    """

    _esm = traitlets.Unicode(front_end("copy_button.js")).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[int, asyncio.Event] = {}
        self._beat_at = -BEAT
        self._silent_since: float | None = None
        self._view_count = 0  # the browser counts its views from here on
        self.on_msg(self._received)

    async def typing_settled(self) -> None:
        """Wait until what was typed before a click has come; on the loop of the network.

        While the kernel is busy, the browser holds changes of a field back, but no clicks.
        """
        if not self._view_count:
            return  # there is no browser that could hold anything back
        number = max(self._asked, default=0) + 1
        self._asked[number] = asyncio.Event()
        try:
            self.send({"ask": number})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked[number].wait(), ANSWER_WAIT)
        finally:
            del self._asked[number]

    @property
    def silence(self) -> float:
        """Seconds since the browser was asked something, if it has not answered since."""
        since = self._silent_since
        return 0.0 if since is None else loop_thread.get_loop().time() - since

    def beat(self) -> None:
        """Ask the browser now and then whether it is there; on the loop of the network."""
        now = loop_thread.get_loop().time()
        if now - self._beat_at >= BEAT:
            self._beat_at = now
            if self._silent_since is None:
                self._silent_since = now
            self.send({"ask": "beat"})

    def _received(self, _: Any, content: Any, __: Any) -> None:
        loop_thread.get_loop().call_soon_threadsafe(self._answered, content.get("answer"))

    def _answered(self, number: Any) -> None:
        self._silent_since = None
        if isinstance(number, int) and number in self._asked:
            self._asked[number].set()

"""The last lines of this package's log, kept for who wants to look."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from ..logs import TextFormatter

__all__ = ["Recorder"]

LINES: Final = 1000
"""Most lines that are kept."""

LINE: Final = 2000
"""Most characters of a line, or of a line with its traceback, that are kept: its beginning."""


# the level is the logger's, and so all of them share it
_recording: "list[Recorder]" = []
_level_before = logging.NOTSET
_lock = threading.Lock()


class Recorder(logging.Handler):
    """Keeps the last lines of the log of `msl_network`, from `start` to `stop`.

    What it does not keep goes where it would have gone without it; what it keeps is not printed
    below whatever cell is running, unless the user's program has handlers of its own.

    Args:
        wanted: Called with a record; returns whether it is kept. None for all of them.
    """

    logger: Final = logging.getLogger(__package__.partition(".")[0])

    def __init__(self, wanted: Callable[[logging.LogRecord], bool] | None = None) -> None:
        super().__init__()
        if wanted is not None:
            self.addFilter(wanted)
        self.setFormatter(TextFormatter("%(levelname)s"))
        self._lines: deque[str] = deque(maxlen=LINES)
        self._listeners: list[Callable[[], object]] = []

    def __repr__(self) -> str:
        state = f"from {self.level_name} on" if self.is_recording else "stopped"
        return f"<Recorder {state}, {len(self._lines)} lines>"

    @property
    def is_recording(self) -> bool:
        """Whether lines are kept."""
        return self in _recording

    @property
    def level_name(self) -> str:
        """The level from which on there are lines."""
        return logging.getLevelName(self.logger.getEffectiveLevel())

    def start(self, level: int | None = None) -> None:
        """Keep lines from now on.

        Args:
            level: The level from which on; None for what it is, or for all but debugging.
        """
        global _level_before
        with _lock:
            if not self.is_recording:
                if not _recording:
                    _level_before = self.logger.level
                _recording.append(self)
                self.logger.addHandler(self)
                if level is None and not self.logger.isEnabledFor(logging.INFO):
                    level = logging.INFO
            if level is not None:
                self.logger.setLevel(level)

    def stop(self) -> None:
        """Keep no further lines; the last one that stops sets the level back."""
        with _lock:
            if self.is_recording:
                self.logger.removeHandler(self)
                _recording.remove(self)
                if not _recording:
                    self.logger.setLevel(_level_before)

    def lines(self, most: int = LINES) -> list[str]:
        """The last lines.

        Args:
            most: Most lines to return.
        """
        # in one step, since other threads add some
        return list(self._lines)[max(len(self._lines) - most, 0) :] if most > 0 else []

    def clear(self) -> None:
        """Forget the lines."""
        self._lines.clear()
        self._tell()

    def listen(self, listener: Callable[[], object]) -> None:
        """Have a function called after each line, on whichever thread; it must return at once."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], object]) -> None:
        """Have a function called no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        text = self.format(record)
        self._lines.append(text if len(text) <= LINE else f"{text[: LINE - 1]}…")
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

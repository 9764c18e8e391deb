"""What a Service in this process prints, logs and fails with, kept for who wants to look.

What a thread prints ends below whatever cell ran last, or nowhere. What is printed by the code of
a Service that has a log goes there instead, and nothing else does: which code it is, its context
tells, so that the prints of a cell that runs at the same time stay with the cell.
"""

import contextlib
import functools
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..escaping import escaped
from ..executing import traceback_lines
from ..request import Request, running_service
from ..running_service import RunningService

__all__ = ["LogLine", "ServiceLog"]

LINES: Final = 1000
"""Most lines that are kept."""

LINE: Final = 2000
"""Most characters of a line that are kept: its beginning."""

# the colours of a terminal, in which some loggers write
_COLOUR: Final = re.compile(r"\x1b\[[\d;]*m")


class LogLine(NamedTuple):
    """A line of the log.

    Attributes:
        when: When it was written, in seconds since the epoch.
        kind: `"printed"`; `"failed"` for an exception; `"told"` for what became of the Service.
        text: The line, with nothing in it that acts rather than shows.
    """

    when: float
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{time.strftime('%H:%M:%S', time.localtime(self.when))} {self.text}"


class ServiceLog:
    """The log of a Service in the background of this process, until it is closed.

    It has what the methods, tasks and handlers of the Service write to `sys.stdout` and
    `sys.stderr`, where loggers write, too, and the exceptions of its methods. A thread that a
    method starts is not known to be the Service's.

    Args:
        running: The Service.

    Attributes:
        running: The Service. Can be set, after it has been started anew.
        version: Grows with each change.
    """

    def __init__(self, running: RunningService) -> None:
        self._lines: deque[LogLine] = deque(maxlen=LINES)
        # what a thread has written of a line so far
        self._begun: dict[int, str] = {}
        self._lock = threading.Lock()
        self.version = 0
        self._forget: Callable[[], None] = lambda: None
        self.running = running
        _open(self)

    def __repr__(self) -> str:
        return f"<Log of {self.running.service.name!r}, {len(self._lines)} lines>"

    @property
    def running(self) -> RunningService:
        """The Service."""
        return self._running

    @running.setter
    def running(self, running: RunningService) -> None:
        self._forget()
        self._running = running
        self._forget = running.on_error(self._failed)

    def lines(self, most: int = LINES) -> list[LogLine]:
        """The last lines, those that have only begun at the end.

        Args:
            most: Most lines to return.
        """
        with self._lock:
            begun = [LogLine(time.time(), "printed", _clean(t)) for t in self._begun.values() if t]
            return [*self._lines, *begun][-most:]

    def clear(self) -> None:
        """Forget the lines."""
        with self._lock:
            self._lines.clear()
            self._begun.clear()
            self.version += 1

    def tell(self, text: str, kind: str = "told") -> None:
        """Add lines.

        Args:
            text: The lines.
            kind: What they are, see `LogLine`.
        """
        with self._lock:
            self._add(kind, text.splitlines())

    def write(self, text: str) -> None:
        """Add what is written to a stream, from the thread that writes it."""
        thread = threading.get_ident()
        with self._lock:
            *whole, begun = (self._begun.pop(thread, "") + text).split("\n")
            self._add("printed", whole)
            # a bar writes its line again and again
            if begun := begun.rpartition("\r")[2][:LINE]:
                self._begun[thread] = begun
                self.version += 1

    def close(self) -> None:
        """Let what is printed go where it goes without this log."""
        _close(self)
        self._forget()

    def _add(self, kind: str, lines: list[str]) -> None:
        now = time.time()
        for line in lines:
            self._lines.append(
                LogLine(now, kind, _clean(line.removesuffix("\r").rpartition("\r")[2]))
            )
        self.version += bool(lines)

    def _failed(self, request: Request, error: BaseException) -> None:
        lines = traceback_lines(error) or [f"{type(error).__name__}: {error}"]
        self.tell(
            "\n".join([f"{request.attribute} failed for {request.requester}", *lines]),
            "failed",
        )


def _clean(line: str) -> str:
    line = escaped(_COLOUR.sub("", line), keep="\t")
    return line if len(line) <= LINE else f"{line[: LINE - 1]}…"


# --- the streams of this process -------------------------------------------------------------

_logs: list[ServiceLog] = []
_lock = threading.Lock()
_streams: list[tuple[Any, type]] = []


def _open(log: ServiceLog) -> None:
    with _lock:
        _logs.append(log)
        for stream in (sys.stdout, sys.stderr):
            if not any(stream is known for known, _ in _streams):
                # that of a terminal stays as it is: what is printed there disturbs nobody
                with contextlib.suppress(TypeError):
                    kind = type(stream)
                    stream.__class__ = _diverting(kind)
                    _streams.append((stream, kind))


def _close(log: ServiceLog) -> None:
    with _lock:
        if log in _logs:
            _logs.remove(log)
        if not _logs:
            for stream, kind in _streams:
                stream.__class__ = kind
            _streams.clear()


class _Write:
    """The `write` of a stream, but for what the code of a Service writes that has a log."""

    def __init__(self, plainly: Callable[[str], int]) -> None:
        self.plainly = plainly

    def __call__(self, text: str) -> int:
        service = running_service()
        if service is not None:
            for log in tuple(_logs):  # another thread may just close one
                if log.running._has(service):
                    log.write(text)
                    return len(text)
        return self.plainly(text)


def _diverting(kind: type) -> type:
    """A class of streams that divert what belongs to a log.

    Not another stream: loggers have kept it, and ipykernel looks at what it is. And no method:
    IPython replaces `write` for the time of each cell, and puts back what it has found.
    """

    def find(stream: Any) -> _Write:
        return _Write(vars(stream).get("write") or functools.partial(kind.write, stream))  # type: ignore[attr-defined]

    def put(stream: Any, write: Callable[[str], int]) -> None:
        vars(stream)["write"] = write.plainly if isinstance(write, _Write) else write

    return type(kind.__name__, (kind,), {"write": property(find, put)})

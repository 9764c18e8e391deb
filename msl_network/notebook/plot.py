"""A plot that is fast enough for what an instrument sends: lines on a canvas, drawn by the page.

Only what is new is sent, as numbers and not as text, at most twenty times a second. The page tells
once a second what has arrived. While it does not, since it is closed, or since the kernel can't
hear it while a cell blocks, less and less is sent, so that nothing grows anywhere.
"""

import threading
from asyncio import TimerHandle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from .. import loop_thread
from ..escaping import escaped
from .points import Points

__all__ = ["LINES", "Plot"]

LINES: Final = 12
"""Most lines in a plot: more can't be told apart."""

NAME_LIMIT: Final = 80
"""Most characters of a name that are shown."""

INTERVAL: Final = 0.05
"""Seconds between two frames: twenty a second, which looks like motion."""

SLOWING: Final = 1000
"""How many times longer than a frame has to wait the page has been silent. Within twelve hours of
silence some eight thousand frames are sent, and what a page shows is 45 seconds old at most."""


def _read(*names: str) -> str:
    """What runs in the browser: these files, one after the other."""
    return "\n".join(Path(__file__).with_name(name).read_text("utf-8") for name in names)


class Plot(anywidget.AnyWidget):
    """Lines that can grow while they are looked at.

    Its methods can be called from any thread, as often as one likes.

    Example:
        >>> plot = Plot(x_label="time (s)", y_label="temperature (°C)")
        >>> plot  # in a notebook
        >>> plot.extend({"inside": [21.5, 21.6], "outside": [4.0, 4.1]})

    Args:
        series: The values of each line, by its name. What is no finite number is a gap.
        x: Where they are; None for 0, 1, 2 and so on.
        x_label: What x is, with its unit.
        y_label: What the values are, with their unit.
        most: Most points of a line; beyond them the oldest are dropped.
        clock: Whether x is the time in seconds since 1970, to be shown as that of a clock.

    Attributes:
        x_label: What x is. Can be set.
        y_label: What the values are. Can be set.
        clock: Whether x is shown as the time of a clock. Can be set.
        frames: How often the page has been sent something.
        frames_lost: How many of those the page has not drawn, as far as it has told.

    Raises:
        ValueError: There are more than twelve lines, or more values than places.
    """

    _esm = traitlets.Unicode(
        _read("plot_points.js", "plot_ticks.js", "plot_view.js", "plot.js")
    ).tag(sync=True)
    _css = traitlets.Unicode(_read("plot.css")).tag(sync=True)

    x_label = traitlets.Unicode("", help="What x is, with its unit").tag(sync=True)
    y_label = traitlets.Unicode("", help="What the values are, with their unit").tag(sync=True)
    clock = traitlets.Bool(False, help="Whether x is the time of a clock").tag(sync=True)
    most = traitlets.Int(10_000, read_only=True, help="Most points of a line").tag(sync=True)
    # made when a page asks for the state, as it does when it is loaded again
    _all = traitlets.Any().tag(sync=True, to_json=lambda _, plot: plot._snapshot())

    def __init__(
        self,
        series: Mapping[str, Sequence[float]] | None = None,
        *,
        x: Sequence[float] | None = None,
        x_label: str = "",
        y_label: str = "",
        most: int = 10_000,
        clock: bool = False,
    ) -> None:
        self.frames = 0
        self.frames_lost = 0
        self._lock = threading.Lock()
        self._closed = False
        self._timer: TimerHandle | None = None
        self._sent_at = 0.0
        self._silent_since: float | None = None
        self._heard = 0
        self._lost_before = 0
        self._send_all = self._send_anyway = False
        self._points = _extended(Points(most), series or {}, x)
        self._sent = self._points.end
        self.set_trait("most", most)
        super().__init__(x_label=x_label, y_label=y_label, clock=clock)
        self.on_msg(self._told)

    def __repr__(self) -> str:
        names = ", ".join(map(escaped, self._points.lines)) or "nothing"
        return f"<Plot of {names}: {len(self._points)} points>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        from .results.series import Series, thinned
        from .results.sketch import sketch_html

        shown = super()._repr_mimebundle_(**kwargs)
        with self._lock:
            x = self._points.x[:]
            lines: dict[str, Sequence[int | float]] = {
                name: line[:] for name, line in self._points.lines.items()
            }
        if shown is not None and lines:
            # for where no kernel runs, as in a saved notebook
            shown[0]["text/html"] = sketch_html(thinned(Series(lines, x, self.x_label)))
        return shown

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the lines."""
        return tuple(self._points.lines)

    @property
    def interval(self) -> float:
        """Seconds between two frames: 0.05, and more while the page is silent."""
        if self._silent_since is None:
            return INTERVAL
        return max(INTERVAL, (loop_thread.get_loop().time() - self._silent_since) / SLOWING)

    def replace(
        self, series: Mapping[str, Sequence[float]], x: Sequence[float] | None = None
    ) -> None:
        """Show something else.

        Args:
            series: The values of each line, by its name.
            x: Where they are; None for 0, 1, 2 and so on.

        Raises:
            ValueError: There are more than twelve lines, or more values than places.
        """
        points = _extended(Points(self.most), series, x)
        with self._lock:
            self._points, self._send_all = points, True
        self._wake()

    def extend(
        self, points: Mapping[str, Sequence[float]], x: Sequence[float] | None = None
    ) -> None:
        """Add points; of more than `most` the oldest are dropped.

        Args:
            points: The values of each line, by its name. A line that is not among them, or has
                fewer of them, has a gap there; a name that is new is a new line.
            x: Where they are; None for one after the other.

        Raises:
            ValueError: There are more than twelve lines, or more values than places.
        """
        with self._lock:
            lines = len(self._points.lines)
            _extended(self._points, points, x)
            self._send_all = self._send_all or len(self._points.lines) > lines
        self._wake()

    def clear(self) -> None:
        """Take all lines away."""
        self.replace({})

    def beat(self) -> None:
        """Have the page tell whether it is there, even if there is nothing new."""
        self._send_anyway = True
        self._wake()

    def close(self) -> None:
        """Take the plot off the page."""
        self._closed = True
        if self._timer is not None:
            loop_thread.get_loop().call_soon_threadsafe(self._stop)
        super().close()

    def _wake(self) -> None:
        if loop_thread.on_loop():
            self._schedule()
        else:
            loop_thread.get_loop().call_soon_threadsafe(self._schedule)

    # --- on the loop of the network --------------------------------------------------------

    def _schedule(self) -> None:
        if self._timer is None and not self._closed:
            due = self._sent_at + self.interval
            self._timer = loop_thread.get_loop().call_at(due, self._send_frame)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send_frame(self) -> None:
        self._timer = None
        with self._lock:
            everything, end = self._send_all, self._points.end
            if self._closed or not (everything or self._send_anyway or self._sent < end):
                return
            content = _content(self._points, 0 if everything else self._sent)
            self._send_all, self._send_anyway, self._sent = False, False, end
        self.frames += 1
        self._sent_at = loop_thread.get_loop().time()
        if self._silent_since is None:
            self._silent_since = self._sent_at
        buffer = content.pop("values")
        more = {"all": everything, "frame": self.frames, "heard": self._heard}
        self.send({**content, **more}, [buffer])

    def _hear(self, frame: int, lost: int, *, wants_all: bool) -> None:
        if frame == 0:  # a page that has just been loaded
            self._lost_before = self.frames_lost
        self._heard = max(frame, self._heard)
        self.frames_lost = max(self.frames_lost, self._lost_before + lost)
        self._silent_since = None
        self._send_all = self._send_all or wants_all
        # at once, if it was to wait for a page that was silent
        self._stop()
        self._schedule()

    # --- on any thread ---------------------------------------------------------------------

    def _told(self, _: Any, content: Any, __: Any) -> None:
        """Hear from the page."""
        match content:
            case {"frame": int(frame), "lost": int(lost), "all": bool(wants_all)}:
                loop_thread.get_loop().call_soon_threadsafe(
                    lambda: self._hear(frame, lost, wants_all=wants_all)
                )

    def _snapshot(self) -> dict[str, Any]:
        with self._lock:
            return _content(self._points, 0)


def _extended(
    points: Points, values: Mapping[str, Sequence[float]], x: Sequence[float] | None
) -> Points:
    count = len({*points.lines, *values})
    if count > LINES:
        raise ValueError(f"A plot shows {LINES} lines at most, not {count}")
    points.extend(values, x)
    return points


def _content(points: Points, first: int) -> dict[str, Any]:
    """What the page is told: all points from this one on that there still are."""
    return {
        "first": max(first, points.begin),
        "names": [escaped(name[:NAME_LIMIT]) for name in points.lines],
        "values": points.tobytes(first),
    }

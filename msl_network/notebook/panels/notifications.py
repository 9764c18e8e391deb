"""The panel that shows what a Service emits: as a log, and plotted."""

import time
from asyncio import TimerHandle
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ipywidgets
import traitlets

from ... import loop_thread
from ...client.blocking import Link
from ...client.linked import LinkedClient
from ..numbers import numbers_in
from ..plot import INTERVAL, LINES, Plot
from ..points import Points
from ..results.text import quoted, summary
from .base import Panel, button, close_all
from .link_watch import LinkWatch

__all__ = ["Notification", "NotificationsPanel"]

LOG: Final = 100
"""Most notifications that are listed."""

TEXT_LIMIT: Final = 200
"""Most characters of one in the list."""

READING: Final = 0.5
"""Seconds between two changes of the texts: nobody reads faster."""

POINTS: Final = 10_000
"""Most notifications of which the numbers are kept: at twenty a second those of eight minutes. As
many can wait for a frame."""

NUMBERS: Final = 32
"""Most numbers of a notification among which a person can choose."""

CHOSEN: Final = 4
"""Numbers that are plotted until a person chooses others."""

_COUNTERS: Final = ("received", "shown", "merged", "undrawn", "dropped", "paused", "forgotten")

_TOLD: Final = {
    "dropped": "came too fast and are left out",
    "paused": "came while paused and are left out",
    "forgotten": "older ones are no longer plotted",
}
"""Of what a person is told, beside how many have come, if there are any."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification in the log.

    Attributes:
        time: When it came, in seconds since 1970.
        text: Its arguments, shortened.
    """

    time: float
    text: str


class _Remark(Notification):
    """What the panel says among them, of the connection."""


class NotificationsPanel(Panel):
    """Shows the notifications of a Service: the last ones as text, numbers in them as a plot.

    It is a listener beside the link's `notification_handler`, which stays the user's.

    Example:
        >>> panel = NotificationsPanel(client.link("Heartbeat"))
        >>> panel  # in a notebook
        >>> panel.plotted = ["args[0]"]

    Args:
        link: A link, or None to get one later.

    Attributes:
        link: The link. Can be set, and observed.
        plotted: The paths of the numbers that are plotted. Can be set, and observed.
        plot: The plot.
        latest: The last notifications, the latest at the end.
        last: The arguments and keyword arguments of the latest notification; None before it.
        is_paused: Whether it shows nothing new.
    """

    link = traitlets.Instance(Link, allow_none=True, help="The link with the Service")
    plotted = traitlets.List(
        traitlets.Unicode(), maxlen=LINES, help="The paths of the numbers that are plotted"
    )

    def __init__(self, link: Link | LinkedClient | None = None) -> None:
        super().__init__("Notifications")
        self.latest: deque[Notification] = deque(maxlen=LOG)
        self.last: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.is_paused = False
        self.plot = Plot(x_label="time", most=POINTS, clock=True)
        self._points = Points(POINTS)
        self._texts: deque[tuple[float, tuple[Any, ...], dict[str, Any]]] = deque(maxlen=LOG)
        self._waiting: deque[tuple[float, dict[str, int | float]]] = deque(maxlen=POINTS)
        self._remarks: deque[Notification] = deque(maxlen=LOG)
        self._trouble = ""
        self._counts: Counter[str] = Counter()
        self._undrawn_before = 0
        self._leave: Callable[[], None] | None = None
        self._watch = LinkWatch(self._follow_state)
        self._automatic: list[str] = []  # what is plotted until a person chooses
        self._drawn: list[str] = []
        self._frame_timer: TimerHandle | None = None
        self._text_timer: TimerHandle | None = None
        self._framed_at = self._written_at = 0.0
        self._boxes: dict[str, Any] = {}
        self._choice = ipywidgets.HBox([], layout=ipywidgets.Layout(flex_flow="row wrap"))
        title = ipywidgets.HTML(f'<div class="msl-quiet">Numbers to plot (at most {LINES})</div>')
        self._plots = ipywidgets.VBox([title, self._choice, self.plot])
        self._counters = ipywidgets.HTML()
        self._last_line = ipywidgets.HTML()
        self._listed = ipywidgets.HTML(tabbable=True)
        self._listed.add_class("msl-notifications")
        self.buttons = {
            "Pause": button("Pause", "Show nothing new, only count it", self._toggle),
            "Clear": button("Clear", "Forget what has come", self.clear),
        }
        self._arrange(
            ipywidgets.HBox(
                [*self.buttons.values()], layout=ipywidgets.Layout(flex_flow="row wrap")
            ),
            self._status,
            self._counters,
            self._plots,
            self._last_line,
            self._listed,
            self._code,
        )
        self._forget()
        self._update()
        self.observe(self._listen, "link")
        self.observe(lambda _: self._hand(self._follow_choice), "plotted")
        self.link = link.link if isinstance(link, LinkedClient) else link

    @property
    def counters(self) -> dict[str, int]:
        """How many notifications have come, and what has become of them.

        Returns:
            How many were `received`; how many of them are `shown`; of these, how many were `merged`
            into one frame with a later one, and how many are `forgotten`, since only the last
            10,000 are plotted; how many were `dropped`, since they came too fast, and `paused`,
            since the panel was; and how many frames the page had no time to draw: `undrawn`.
        """
        undrawn = self.plot.frames_lost - self._undrawn_before
        rest = {"undrawn": undrawn, "forgotten": self._points.begin}
        return {name: rest.get(name, self._counts[name]) for name in _COUNTERS}

    def pause(self) -> None:
        """Do what the button does: show nothing new, only count it."""
        self._hand(self._pause, True)

    def resume(self) -> None:
        """Do what the button does: show again what comes."""
        self._hand(self._pause, False)

    def clear(self) -> None:
        """Do what the button does: forget what has come."""
        self._hand(self._clear)

    def _toggle(self) -> None:
        self._hand(lambda: self._pause(not self.is_paused))

    # --- the link ------------------------------------------------------------------------

    def _listen(self, _: Any) -> None:
        # at once, on whichever thread, so that nothing is missed
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
        link = self.link
        if link is not None and not self._closed:
            self._leave = link.on_notification(self._received)
        self._hand(self._follow_link)

    def _follow_link(self) -> None:
        link = self.link
        self._trouble = ""
        if self.plotted == self._automatic:
            self._automatic = self.plotted = []
        boxes, self._boxes, self._choice.children = self._boxes, {}, ()
        close_all(boxes.values())
        self._forget()
        if link is None or self._closed:
            self._watch.stop()
        else:
            self._watch.follow(link)
            self._show_code("stop = link.on_notification(print)")
        self._update()

    async def _received(self, *args: Any, **kwargs: Any) -> None:
        # a coroutine function, since those are called on the loop of the network
        self._counts["received"] += 1
        if self.is_paused:
            self._counts["paused"] += 1
        else:
            now = time.time()
            self._counts["dropped"] += len(self._waiting) == POINTS
            self._waiting.append((now, numbers_in(args, kwargs)))
            self._texts.append((now, args, kwargs))
        self._schedule()

    # --- on the loop of the network ------------------------------------------------------

    def _pause(self, pause: bool) -> None:
        if pause == self.is_paused:
            return
        self.is_paused = pause
        self._show_code("stop()" if pause else "stop = link.on_notification(print)")
        if not pause:
            self._interrupt_lines()
        self._update()
        self._write()

    def _interrupt_lines(self) -> None:
        """Have no line lead over what was not seen."""
        self._draw()  # what has come before it
        if self._points.lines:
            gap = [time.time()]
            self._points.extend({}, gap)
            self.plot.extend({}, gap)

    def _follow_state(self, *_: object) -> None:
        """Show what has become of the link."""
        link = self.link
        if self._closed or link is None:
            return
        trouble = self._watch.trouble(link)
        words = "" if trouble is None else trouble[1]
        if words != self._trouble:
            if not self._trouble:
                self._interrupt_lines()
            if self.latest:
                said = f"{words[0].upper()}{words[1:]}." if words else "Linked again."
                self._remarks.append(_Remark(time.time(), said))
            self._trouble = words
        self._write()

    def _clear(self) -> None:
        self._forget()
        self._update()

    def _forget(self) -> None:
        for one in (self._waiting, self._texts, self.latest, self._remarks):
            one.clear()
        self.last = None
        self._points = Points(POINTS)
        self._counts.clear()
        self._undrawn_before = self.plot.frames_lost
        self._follow_choice()
        self._write()

    def _schedule(self) -> None:
        if self._closed:
            return
        loop = loop_thread.get_loop()
        if self._frame_timer is None and self._waiting:
            self._frame_timer = loop.call_at(self._framed_at + INTERVAL, self._draw)
        if self._text_timer is None:
            # as much slower as the plot is while no page answers
            pause = READING * self.plot.interval / INTERVAL
            self._text_timer = loop.call_at(self._written_at + pause, self._write)

    def _draw(self) -> None:
        self._frame_timer = None
        if self._closed or not self._waiting:
            return
        self._framed_at = loop_thread.get_loop().time()
        self._counts["shown"] += len(self._waiting)
        self._counts["merged"] += len(self._waiting) - 1
        self.last = self._texts[-1][1:]
        self.latest += [
            Notification(when, _text(args, kwargs)) for when, args, kwargs in self._texts
        ]
        x, found = [when for when, _ in self._waiting], [one for _, one in self._waiting]
        self._texts.clear()
        self._waiting.clear()
        has_new = self._find(found)
        nan = float("nan")
        values = {path: [one.get(path, nan) for one in found] for path in self._boxes}
        self._points.extend(values, x)
        if has_new:
            self._follow_choice()
        elif self._drawn:
            self.plot.extend({path: values[path] for path in self._drawn}, x)

    def _find(self, found: list[dict[str, int | float]]) -> bool:
        """Offer numbers that have not been seen before; whether there are ones."""
        paths = dict.fromkeys(path for one in found for path in one)
        new = [path for path in paths if path not in self._boxes][: NUMBERS - len(self._boxes)]
        if not new:
            return False
        for path in new:
            box = ipywidgets.Checkbox(
                value=path in self.plotted,
                description=path,
                indent=False,
                layout=ipywidgets.Layout(width="auto", margin="0 14px 0 0"),
            )
            box.description_allow_html = False
            box.observe(lambda change, path=path: self._ticked(path, change["new"]), "value")
            self._boxes[path] = box
        self._choice.children = tuple(self._boxes.values())
        if self.plotted == self._automatic:
            self._automatic = self.plotted = list(self._boxes)[:CHOSEN]
        self._update()
        return True

    def _ticked(self, path: str, wanted: bool) -> None:
        if not loop_thread.on_loop():  # there it is the panel that ticks a box
            self._hand(self._choose, path, wanted)

    def _choose(self, path: str, wanted: bool) -> None:
        if wanted == (path in self.plotted):
            return
        if not wanted:
            self.plotted = [other for other in self.plotted if other != path]
        elif len(self.plotted) < LINES:
            self.plotted = [*self.plotted, path]
        else:
            self._boxes[path].value = False

    def _follow_choice(self) -> None:
        for path, box in self._boxes.items():
            box.value = path in self.plotted
            box.disabled = not box.value and len(self.plotted) == LINES
        lines = self._points.lines
        self._drawn = [path for path in self.plotted if path in self._boxes]
        self.plot.replace({path: lines.get(path, ()) for path in self._drawn}, self._points.x)

    def _stop(self) -> None:
        super()._stop()
        self._watch.stop()
        if self._leave is not None:
            self._leave()
        for timer in (self._frame_timer, self._text_timer):
            if timer is not None:
                timer.cancel()
        # also those that were made while the panel was being closed
        close_all(self._boxes.values())

    # --- what is shown -------------------------------------------------------------------

    def _update(self) -> None:
        pause = self.buttons["Pause"]
        pause.description = "Resume" if self.is_paused else "Pause"
        pause.disabled = self.link is None
        self._plots.layout.display = "" if self._boxes else "none"

    def _write(self) -> None:
        self._text_timer = None
        if self._closed:
            return
        self._written_at = loop_thread.get_loop().time()
        # the texts are paced by whether there is a page, as the frames of the plot are
        self.plot.beat()
        counters = self.counters
        self._counters.value = _counters_html(counters)
        latest = self.latest[-1] if self.latest else None
        shown = f"{_clock(latest.time)} {latest.text}" if latest else "nothing yet"
        # what it is now, nobody knows
        name = "Last known" if self._trouble and latest else "Last"
        self._last_line.value = (
            f'<div class="msl-cut"><span class="msl-quiet">{name}</span> '
            f'<span class="msl-value">{quoted(shown)}</span></div>'
        )
        listed = sorted((*self.latest, *self._remarks), key=lambda one: one.time)
        self._listed.value = _log_html(listed[-LOG:])
        self._say()

    def _say(self) -> None:
        link = self.link
        self._set_title(
            "Notifications", f"of {link.service_name}[{link.service_address}]" if link else ""
        )
        if link is None:
            self._tell("idle", "No link: link with a Service first.")
        elif trouble := self._watch.trouble(link):
            kind, words = trouble
            self._tell(kind, f"Nothing comes: {words}.")
        elif self.is_paused:
            paused = self._counts["paused"]
            self._tell("idle", f"Paused: {paused:,} came meanwhile, and are not shown.")
        elif self._counts["received"]:
            self._tell("ok", f"Receiving what {link.service_name} emits.")
        else:
            self._tell("busy", f"Waiting for the first notification of {link.service_name} …")


def _text(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parts = [summary(value, TEXT_LIMIT) for value in args[:20]]
    parts += [f"{name}={summary(value, TEXT_LIMIT)}" for name, value in list(kwargs.items())[:20]]
    if max(len(args), len(kwargs)) > 20:
        parts.append("…")
    text = ", ".join(parts)
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"


def _clock(when: float) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(when))}.{int(when % 1 * 1000):03}"


def _counters_html(counters: dict[str, int]) -> str:
    told = "".join(
        f"<span><b>{counters[name]:,}</b> {words}</span>"
        for name, words in _TOLD.items()
        if counters[name]
    )
    return (
        f'<div class="msl-counters msl-quiet"><span><b>{counters["received"]:,}</b> received</span>'
        f"{told}</div>"
    )


def _log_html(listed: Sequence[Notification]) -> str:
    rows = "".join(
        f'<tr><td class="msl-when">{_clock(one.time)}</td>'
        f'<td class="{"msl-quiet" if isinstance(one, _Remark) else "msl-mono"}">{quoted(one.text)}'
        "</td></tr>"
        for one in reversed(listed)
    )
    return (
        '<table class="msl-table" aria-label="Notifications, the latest first"><thead><tr>'
        '<th scope="col">Time</th><th scope="col">Notification</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )

"""The panel of a Service that runs in this notebook: how it is doing, and its log."""

import asyncio
import html
from typing import Any, Final

import ipywidgets
import traitlets

from ...asking import ask_nobody
from ...display import to_html
from ...escaping import escaped
from ...introducing import describe
from ...running_service import RunningService
from ...service import Service
from ..service_log import LogLine, ServiceLog
from .base import Panel, button
from .log import log_box

__all__ = ["ServicePanel"]

SHOWN: Final = 200
"""Most lines of the log that are shown, the last ones."""

PAUSE: Final = 0.2
"""Seconds between two looks at the Service: nobody reads faster."""

NAMED: Final = 5
"""Most of the requests under way that are named."""


class ServicePanel(Panel):
    """Shows how a Service in the background of this process is doing, its prints and its errors.

    Example:
        >>> panel = ServicePanel(Thermometer().start_in_background())
        >>> panel  # in a notebook

    Args:
        running: The Service.

    Attributes:
        running: The Service. Can be set, and observed.
        journal: What it has printed, and what went wrong.
    """

    running = traitlets.Instance(RunningService, help="The Service")

    def __init__(self, running: RunningService) -> None:
        super().__init__("Service")
        self.add_class("msl-service")
        self.journal = ServiceLog(running)
        self._state = ("", "")
        self._service: Service | None = None
        self._version = -1
        self._facts = ipywidgets.HTML()
        self._offers = ipywidgets.HTML()
        self._lines = ipywidgets.HTML()
        self.buttons = {
            "Start": button("Start", "Start the Service again", self.start),
            "Stop": button("Stop", "Disconnect the Service from its Manager", self.stop),
            "Clear log": button("Clear log", "Forget the lines of the log", self.clear),
        }
        wrapped = ipywidgets.Layout(flex_flow="row wrap")
        self._arrange(
            self._status,
            self._facts,
            self._offers,
            self._lines,
            ipywidgets.HBox([*self.buttons.values()], layout=wrapped),
            self._code,
        )
        self.running = running
        self._follow()
        self.observe(lambda _: self._hand(self._follow), "running")
        self._do("Look", self._look_on)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """What IPython shows, and what a saved notebook keeps."""
        shown: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return {**shown, "text/html": to_html(self.running._repr_description_())}

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed, and shows nothing any more."""
        return self._closed

    def start(self) -> Any:
        """Do what the button does; returns a future that is done when the outcome is shown."""
        return self._do("Start", self._start)

    def stop(self) -> Any:
        """Do what the button does; returns a future that is done when the outcome is shown."""
        return self._do("Stop", self._stop_service)

    def clear(self) -> None:
        """Do what the button does: forget the lines of the log."""
        self.journal.clear()

    def look(self) -> None:
        """Show at once how the Service is doing, rather than a moment later."""
        self._hand(self._look)

    # --- on the loop of the network --------------------------------------------------------

    def _follow(self) -> None:
        self.journal.running = self.running
        self._service = None
        self._look()

    async def _look_on(self) -> None:
        while not self._closed:
            await asyncio.sleep(PAUSE)
            try:
                self._look()
            except Exception as error:
                self._failed("", error)

    async def _start(self) -> None:
        self._show_code("running.start()")
        self._tell("busy", "Connecting …")
        await self.running._start(ask_nobody)
        self._service = None
        self._look()

    async def _stop_service(self) -> None:
        self._show_code("running.stop()")
        self._tell("busy", "Disconnecting …")
        # on a thread, since it waits for handlers and tasks
        await asyncio.to_thread(self.running.stop)
        self._look()

    def _stop(self) -> None:
        super()._stop()
        self.journal.close()

    # --- what is shown -------------------------------------------------------------------

    def _look(self) -> None:
        running = self.running
        if (service := running.service) is not self._service:
            started = f"Started at the Manager {running.address_manager}."
            self.journal.tell("Reloaded." if self._service else started)
            self._service = service
            self._set_title(service.name, "a Service of this notebook")
            self._offers.value = _offers(service)
        # what an action tells stays until the state is another one
        if (state := _state(running)) != self._state:
            if state[0] != "ok" and self._state[0]:
                self.journal.tell(state[1])
            self._state = state
            self._tell(*state)
        if (facts := _facts(running)) != self._facts.value:
            self._facts.value = facts
        if (version := self.journal.version) != self._version:
            self._version = version
            self._lines.value = _log(self.journal.lines(SHOWN))
        self._update()

    def _update(self) -> None:
        busy = not {"Start", "Stop"}.isdisjoint(self._tasks)
        is_running = self.running.is_running()
        self.buttons["Start"].disabled = busy or is_running
        self.buttons["Stop"].disabled = busy or not is_running


def _state(running: RunningService) -> tuple[str, str]:
    address = running.address_manager
    if running.is_connected():
        return "ok", f"Running, connected to the Manager {address}."
    if running.is_running():
        return "busy", f"The connection to the Manager {address} is lost. Trying to connect again …"
    if running.reason is not None:
        return "error", f"Ended: {running.reason}"
    return "idle", "Stopped."


def _facts(running: RunningService) -> str:
    requests = running.requests
    waiting = sum(request.is_waiting for request in requests)
    named = [f"{request.attribute} for {request.requester}" for request in requests[:NAMED]]
    if len(requests) > NAMED:
        named.append(f"{len(requests) - NAMED} more")
    count = (
        f"{running.request_count:,} in all, {len(requests) - waiting} running, {waiting} waiting"
    )
    rows = {"Requests": count, "Under way": escaped("; ".join(named)) or "none"}
    cells = "".join(
        f'<tr><th scope="row">{name}</th><td class="msl-cut">{html.escape(text)}</td></tr>'
        for name, text in rows.items()
    )
    return f'<table class="msl-table msl-facts"><tbody>{cells}</tbody></table>'


def _offers(service: Service) -> str:
    """What Clients can ask for, folded away."""
    table = to_html(describe(service, "offers"))
    return f"<details><summary>What Clients can ask for</summary>{table}</details>"


def _log(lines: list[LogLine]) -> str:
    text = "\n".join(
        f'<span class="msl-{line.kind}">{html.escape(str(line))}</span>' for line in lines
    )
    return log_box("Log of the Service", text or "Nothing has been printed yet.")

"""The panel that starts a Manager on another computer, over SSH."""

import os
from dataclasses import fields
from typing import Any, Final

import ipywidgets
import traitlets

from ...client.blocking import Client, filter_client_connect_kwargs
from ...client.session import Session
from ...constants import PORT
from ..launched import LaunchedManager, used_by
from ..opening import LaunchOptions, open_client
from ..results import source
from ..steps import WidgetSteps
from .base import button, close_all, on_enter, text_field
from .client import ClientPanel, check_box, port_of
from .lines import keywords
from .question import SecretField

__all__ = ["LaunchPanel"]

_STEPS: Final = 4

_HOW: Final = ("known_hosts", "lease", "timeout")
"""What is said in code alone, besides what goes to `connect` and to the program."""


class LaunchPanel(ClientPanel):
    """Starts a Manager on another computer over SSH, connects to it, and ends it.

    If a Manager answers there already, it connects to that one. An unknown host key, and passwords
    that are needed and not filled in, are asked about in the panel; keys and the agent come first.
    What was started ends with its last Client in this notebook, unless it is to stay.

    Example:
        >>> panel = LaunchPanel("raspberrypi", console_script="~/.local/bin/mypackage")
        >>> panel  # in a notebook; click Start
        >>> panel.client.identities()

    Args:
        host: The hostname or address of the computer.
        console_script: The path of the program there that starts the Manager with its Services.
        port: The port of the Manager.
        client: A Client that is connected already; the panel shows what becomes of it.
        kwargs: Other keyword arguments of `msl_network.notebook.connect`.

    Attributes:
        client: The Client, connected and ready, or None. Can be observed, and set.
        remote_manager: The `RemoteManager`, if this process has started it. Can be observed.
    """

    remote_manager = traitlets.Any(None, allow_none=True, help="The Manager that was started")

    begin = "Start"

    def __init__(
        self,
        host: str = "",
        console_script: str = "",
        *,
        port: int = PORT,
        client: Client | None = None,
        ssh_username: str | None = None,
        ssh_password: str | None = None,
        ssh_port: int = 22,
        client_keys: Any = None,
        as_sudo: bool = False,
        stay: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__("Start a Manager over SSH")
        self._how = {name: kwargs.pop(name) for name in _HOW if name in kwargs}
        self._more = kwargs
        self._keys, key = client_keys, ""
        if isinstance(client_keys, str | os.PathLike):
            self._keys, key = None, os.fspath(client_keys)
        about_keys = "the usual ones" if self._keys is None else "as in the code"
        self._launched: LaunchedManager | None = None
        self._steps: WidgetSteps | None = None
        self.fields = {
            "host": text_field("Host", host, "name or address"),
            "username": text_field("SSH user", ssh_username or "", "pi"),
            "password": text_field(
                "SSH password", ssh_password or "", "if no key is accepted", kind=SecretField
            ),
            "key": text_field("SSH key", key, about_keys),
            "ssh_port": text_field("SSH port", str(ssh_port), "22"),
            "script": text_field("Program", console_script, "~/.local/bin/mypackage"),
            "port": text_field("Port", str(port), str(PORT)),
            "sudo": check_box("as superuser (sudo)", as_sudo, "Run the program as a superuser"),
            "stay": check_box(
                "stays running",
                stay,
                "Whether the Manager goes on running when this notebook ends",
            ),
        }
        self.fields["script"].add_class("msl-wide")
        self.fields["script"].tooltip = "The path on the host of what starts Manager and Services"
        self.fields["port"].tooltip = "The port of the Manager"
        self.buttons = {
            "Start": button(
                "Start", "Start the Manager, and connect to it", self.start, button_style="primary"
            ),
            "Disconnect": button("Stop", "End the Manager that was started", self.stop),
        }
        for field in self.fields.values():
            if isinstance(field, ipywidgets.Text):
                on_enter(field, self.start)
        self._log_button = ipywidgets.ToggleButton(
            description="Log of the far side",
            layout=ipywidgets.Layout(width="auto"),
        )
        self._log_button.observe(lambda _: self._hand(self._update), "value")
        self._progress = ipywidgets.VBox([])
        self._lay_out(
            *("host", "script", "port"),
            *("username", "password", "key", "ssh_port", "sudo", "stay"),
            beside=[self._log_button],
            below=[self._progress],
        )
        self.add_class("msl-launch")
        self._tell("idle", "Nothing has been started.")
        self._update()
        self.client = client

    def start(self) -> Any:
        """Do what the button does; returns a future that is done when the outcome is shown."""
        return self._do("Start", self._start)

    def stop(self) -> Any:
        """Do what the button does: end what was started and disconnect, or give up starting."""
        return self.disconnect()

    # --- on the loop of the network --------------------------------------------------------

    def _filled_in(self) -> LaunchOptions:
        """What is filled in.

        Raises:
            ValueError: A port is none, or something is missing.
        """
        fields = self.fields
        texts = {name: fields[name].value.strip() for name in ("host", "username", "key", "script")}
        options = LaunchOptions(
            host=texts["host"].rpartition("@")[2],
            port=port_of(fields["port"]),
            console_script=texts["script"] or None,
            ssh_username=texts["username"] or texts["host"].rpartition("@")[0] or None,
            ssh_port=port_of(fields["ssh_port"]),
            client_keys=[texts["key"]] if texts["key"] else self._keys,
            as_sudo=fields["sudo"].value,
            stay=fields["stay"].value,
            script_kwargs=self._more,
            **self._how,
        )
        if not options.host:
            raise ValueError("Host: type the name or the address of the computer")
        options.ssh_password = self._take_secret()
        return options

    async def _start(self) -> None:
        if self.client is not None:
            return
        options = self._filled_in()
        self._show_code(_line(options))
        self._tell("busy", f"Connecting to {options.host} …")
        steps = self._show_steps(f"Connecting to {options.host}")
        kwargs = filter_client_connect_kwargs(**self._more)
        try:
            client = await open_client(options, kwargs, steps, self._ask)
        except BaseException as error:
            steps.finish(error)
            raise
        finally:
            self._log_button.value = False
        steps.finish()
        self._take(client)

    async def _disconnect(self) -> None:
        launched, session = self._launched, self._session
        await super()._disconnect()
        if launched is None or session is None:
            return
        manager = launched.manager
        others = len(launched.users - {session})
        self._tell("busy", f"Ending the Manager on {manager.host} …")
        await launched.left(session)
        goes_on = f"Disconnected. The Manager on {manager.host} goes on running"
        if manager.stay:
            self._tell("idle", f"{goes_on} (process {manager.pid}), since it is to stay.")
        elif others:
            self._tell("idle", f"{goes_on}: others in this notebook use it.")
        elif manager.running:
            self._tell("error", f"{goes_on} (process {manager.pid}): it has not ended in time.")
        else:
            self._tell("idle", f"Disconnected. The Manager on {manager.host} has ended.")

    def _follow(self) -> None:
        launched = None if self.client is None else used_by(self.client)
        self._launched = launched
        self.remote_manager = None if launched is None else launched.manager
        if launched is not None:
            steps = self._steps
            if steps is None or steps not in launched.watching:
                steps = self._show_steps(f"The Manager on {launched.manager.host}")
                for line in launched.manager.log:
                    steps.log(line)
                launched.watching.add(steps)
        super()._follow()

    def _connected(self, client: Client) -> str:
        text = super()._connected(client)
        manager = self.remote_manager
        if manager is None:
            return f"{text} It was there already: nothing has been started."
        stays = "goes on running" if manager.stay else "ends, too"
        return (
            f"{text} It runs on {manager.host} as process {manager.pid}; "
            f"when this notebook ends, it {stays}."
        )

    def _fill_in(self, session: Session) -> None:
        self.fields["host"].value = session.options.host
        self.fields["port"].value = str(session.options.port)

    def _lost(self, session: Session) -> None:
        manager = self.remote_manager
        super()._lost(session)
        if self._told == "error" and manager is not None and manager.log:
            self._log_button.value = True

    # --- what is shown -------------------------------------------------------------------

    def _show_steps(self, title: str) -> WidgetSteps:
        before, self._steps = self._progress.children, WidgetSteps(title, _STEPS)
        steps = self._steps
        self._progress.children = (steps.text, steps.bar, steps.lines)
        close_all(before)
        return steps

    def _update(self) -> None:
        super()._update()
        launched, steps = self._launched, self._steps
        stays = self.client is not None and (launched is None or launched.manager.stay)
        if "Start" not in self._tasks and not stays:
            self.buttons["Disconnect"].description = "Stop"
        running = steps is None or "Start" in self._tasks
        self._log_button.layout.display = "none" if running else ""
        if steps is not None:
            has_ended = self.client is not None or steps.state == "done"
            folded = not running and not self._log_button.value
            steps.text.layout.display = "none" if folded and has_ended else ""
            steps.lines.layout.display = "none" if folded else ""


def _line(options: LaunchOptions) -> str:
    """The Python line that does the same; it asks for passwords."""
    usual = LaunchOptions(host=options.host)
    shown: dict[str, Any] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if field.repr and field.name != "host" and value != getattr(usual, field.name):
            shown[field.name] = value
    shown |= {k: v for k, v in options.script_kwargs.items() if "password" not in k}
    kwargs = keywords({name: _plain(value) for name, value in shown.items()})
    return f"client = connect({', '.join(filter(None, (source(options.host), kwargs)))})"


def _plain(value: Any) -> Any:
    """A path, or several, as text."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return [*map(_plain, value)] if isinstance(value, list | tuple) else value

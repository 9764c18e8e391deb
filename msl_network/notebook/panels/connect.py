"""The panel that connects to a Manager."""

from typing import Any

import ipywidgets
import traitlets

from ...asking import Question
from ...client.blocking import Client
from ...client.session import Session
from ...constants import PORT, SHUTDOWN_TIMEOUT
from ...device import ConnectOptions
from ..results import source
from .base import LABEL_WIDTH, Panel, button, on_enter, text_field
from .question import QuestionBox, SecretField

__all__ = ["ConnectPanel"]

_NONE, _PASSWORD, _LOGIN = "none", "password of the Manager", "login"


class ConnectPanel(Panel):
    """Connects to a Manager and disconnects from it.

    What the Manager asks, and whether its certificate is to be trusted, is asked in the panel.

    Example:
        >>> panel = ConnectPanel("raspberrypi")
        >>> panel  # in a notebook; click Connect
        >>> panel.client.identities()

    Args:
        host: The hostname or address of the Manager.
        port: The port of the Manager.
        connect_kwargs: Other keyword arguments of `connect`.

    Attributes:
        client: The Client, or None while it is not connected. Can be observed.
    """

    client = traitlets.Instance(Client, allow_none=True, help="The Client, while connected")

    def __init__(self, host: str = "localhost", port: int = PORT, **connect_kwargs: Any) -> None:
        super().__init__("Connect to a Manager")
        kwargs = dict(connect_kwargs)
        password = kwargs.pop("password", None)
        password_manager = kwargs.pop("password_manager", None)
        username = kwargs.pop("username", None)
        name = kwargs.pop("name", "Client")
        tls = not kwargs.pop("disable_tls", False)
        ConnectOptions(**kwargs)  # a keyword that does not exist is an error here and now
        self._more = kwargs
        self._session: Session | None = None
        self._box: QuestionBox | None = None
        self._answered_by_hand = ipywidgets.VBox([])
        self.fields = {
            "host": text_field("Host", host, "name or address"),
            "port": text_field("Port", str(port), str(PORT)),
            "name": text_field("Your name", name, "how others see you"),
            "tls": ipywidgets.Checkbox(
                value=tls,
                description="encrypted (TLS)",
                style={"description_width": LABEL_WIDTH},
                layout=ipywidgets.Layout(flex="1 1 16em", width="auto"),
            ),
            "authentication": ipywidgets.Dropdown(
                options=[_NONE, _PASSWORD, _LOGIN],
                value=_LOGIN if username else _PASSWORD if password_manager else _NONE,
                description="Log in with",
                style={"description_width": LABEL_WIDTH},
                layout=ipywidgets.Layout(flex="1 1 16em", width="auto"),
            ),
            "username": text_field("Username", username or ""),
            "password": text_field(
                "Password", password or password_manager or "", kind=SecretField
            ),
        }
        self.buttons = {
            "Connect": button(
                "Connect", "Connect to the Manager", self.connect, button_style="primary"
            ),
            "Disconnect": button("Disconnect", "Disconnect from the Manager", self.disconnect),
        }
        for field in self.fields.values():
            if isinstance(field, ipywidgets.Text):
                on_enter(field, self.connect)
        self.fields["authentication"].observe(lambda _: self._hand(self._update), "value")
        wrapped = ipywidgets.Layout(flex_flow="row wrap")
        order = ("host", "port", "name", "tls", "authentication", "username", "password")
        self._arrange(
            ipywidgets.HBox([self.fields[name] for name in order], layout=wrapped),
            ipywidgets.HBox([*self.buttons.values()], layout=wrapped),
            self._answered_by_hand,
            self._status,
            self._code,
        )
        self._tell("idle", "Not connected.")
        self._update()

    def connect(self) -> Any:
        """Do what the button does; returns a future that is done when the outcome is shown."""
        return self._do("Connect", self._connect)

    def disconnect(self) -> Any:
        """Do what the button does: disconnect, or give up what is being connected."""
        self._cancel("Connect")
        return self._do("Disconnect", self._disconnect)

    @property
    def question(self) -> QuestionBox | None:
        """The question that the panel asks now."""
        return self._box

    def _options(self) -> ConnectOptions:
        """What is filled in.

        Raises:
            ValueError: The port is none.
        """
        fields = self.fields
        port = fields["port"].value.strip()
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"Port: {port!r} is no port, which is a number from 1 to 65535")
        host = fields["host"].value.strip()
        if not host:
            raise ValueError("Host: type the name or the address of the Manager's computer")
        options = ConnectOptions(
            host=host, port=int(port), disable_tls=not fields["tls"].value, **self._more
        )
        how, secret = fields["authentication"].value, fields["password"].take()
        if how == _LOGIN:
            options.username = fields["username"].value.strip() or None
            options.password = secret
        elif how == _PASSWORD:
            options.password_manager = secret
        return options

    async def _connect(self) -> None:
        if self.client is not None:
            return
        options = self._options()
        name = self.fields["name"].value.strip() or "Client"
        self._show_code(_line(name, options, self._more))
        self._tell("busy", f"Connecting to {options.address} …")
        session = Session(name, options, self._ask)
        await session.connect()
        client = Client(session)
        client.on_disconnect(lambda: self._lost(session))
        client.on_connection_lost(lambda error: self._away(session, error))
        client.on_connection_restored(lambda: self._back(session))
        self._session, self.client = session, client
        self._tell(
            "ok", f"Connected to the Manager {options.address} as {name} (port {session.port})."
        )
        if not session.is_connected:
            self._lost(session)

    async def _disconnect(self) -> None:
        client, session = self.client, self._session
        if client is None or session is None:
            return
        self._show_code("client.disconnect()")
        self._tell("busy", f"Disconnecting from {client.address_manager} …")
        try:
            await client.aio.disconnect(timeout=SHUTDOWN_TIMEOUT)
        finally:
            session.close()
            self._forget("idle", "Disconnected.")

    def _lost(self, session: Session) -> None:
        """The connection has ended, whoever ended it."""
        if session is self._session and "Disconnect" not in self._tasks:
            self._forget("error", f"The connection to {session.options.address} has ended.")

    def _away(self, session: Session, error: Exception) -> None:
        if session is self._session:
            self._tell("busy", f"{error}. Trying to connect again …")

    def _back(self, session: Session) -> None:
        if session is self._session:
            self._tell(
                "ok", f"Connected again to the Manager {session.options.address} as {session.name}."
            )

    def _forget(self, kind: str, text: str) -> None:
        self._session = self.client = None
        self._tell(kind, text)
        self._update()

    async def _ask(self, question: Question) -> str:
        if self._closed:
            raise ConnectionError("The panel in which to answer has been closed")
        self._box = box = QuestionBox(question)
        self._answered_by_hand.children = (*self._answered_by_hand.children, box)
        self._tell("busy", f"A question about the {question.kind}: please answer it above.")
        try:
            return await box.answer()
        finally:
            self._box = None
            left = [child for child in self._answered_by_hand.children if child is not box]
            self._answered_by_hand.children = left
            self._tell("busy", "Thank you. Connecting …")

    def _update(self) -> None:
        connecting, connected = "Connect" in self._tasks, self.client is not None
        how = self.fields["authentication"].value
        self.fields["username"].layout.display = "" if how == _LOGIN else "none"
        self.fields["password"].layout.display = "none" if how == _NONE else ""
        self.buttons["Connect"].disabled = connecting or connected
        stop = self.buttons["Disconnect"]
        stop.disabled = "Disconnect" in self._tasks or not (connecting or connected)
        stop.description = "Cancel" if connecting else "Disconnect"

    def _stop(self) -> None:
        super()._stop()
        if self._session is not None:
            self._session.close()


def _line(name: str, options: ConnectOptions, more: dict[str, Any]) -> str:
    """The Python line that connects; it asks for passwords."""
    default = ConnectOptions()
    kwargs: dict[str, Any] = {} if name == "Client" else {"name": name}
    for key in ("host", "port", "username", "disable_tls"):
        if getattr(options, key) != getattr(default, key):
            kwargs[key] = getattr(options, key)
    kwargs |= more
    return f"client = connect({', '.join(f'{k}={source(v)}' for k, v in kwargs.items())})"

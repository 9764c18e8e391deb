"""The panel that connects to a Manager."""

from typing import Any

import ipywidgets

from ...asking import Question
from ...client.blocking import Client
from ...client.session import Session
from ...constants import PORT
from ...device import ConnectOptions
from ..launched import find
from ..opening import connect_client
from .base import LABEL_WIDTH, button, on_enter, text_field
from .client import ClientPanel, check_box, port_of
from .lines import keywords
from .question import SecretField

__all__ = ["ConnectPanel"]

_NONE, _PASSWORD, _LOGIN = "none", "password of the Manager", "login"

_SECRETS = ("password", "password_manager")

_IN_CODE = ("timeout", "read_limit", "cert_file", "assert_hostname", "auto_save", "reconnect")
"""What has no field."""


class ConnectPanel(ClientPanel):
    """Connects to a Manager and disconnects from it.

    What the Manager asks, and whether its certificate is to be trusted, is asked in the panel.

    Example:
        >>> panel = ConnectPanel("raspberrypi")
        >>> panel  # in a notebook; click Connect
        >>> panel.client.identities()

    Args:
        host: The hostname or address of the Manager.
        port: The port of the Manager.
        client: A Client that is connected already; the panel shows what becomes of it.
        connect_kwargs: Other keyword arguments of `connect`.

    Attributes:
        client: The Client, or None while it is not connected. Can be observed, and set.
    """

    begin = "Connect"

    def __init__(
        self,
        host: str = "localhost",
        port: int = PORT,
        *,
        client: Client | None = None,
        **connect_kwargs: Any,
    ) -> None:
        super().__init__("Connect to a Manager")
        kwargs = dict(connect_kwargs)
        password = kwargs.pop("password", None)
        password_manager = kwargs.pop("password_manager", None)
        username = kwargs.pop("username", None)
        name = kwargs.pop("name", "Client")
        tls = not kwargs.pop("disable_tls", False)
        ConnectOptions(**kwargs)  # a keyword that does not exist is an error here and now
        self._more = kwargs
        self.fields = {
            "host": text_field("Host", host, "name or address"),
            "port": text_field("Port", str(port), str(PORT)),
            "name": text_field("Your name", name, "how others see you"),
            "tls": check_box("encrypted (TLS)", tls, "Whether the connection is encrypted"),
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
        self._lay_out("host", "port", "name", "tls", "authentication", "username", "password")
        self._tell("idle", "Not connected.")
        self._update()
        self.client = client

    def connect(self) -> Any:
        """Do what the button does; returns a future that is done when the outcome is shown."""
        return self._do("Connect", self._connect)

    def _filled_in(self) -> dict[str, Any]:
        """What is filled in, as keyword arguments of `connect` that differ from the usual ones.

        Raises:
            ValueError: The port is none, or there is no host.
        """
        fields = self.fields
        port = port_of(fields["port"])
        host = fields["host"].value.strip()
        if not host:
            raise ValueError("Host: type the name or the address of the Manager's computer")
        name = fields["name"].value.strip() or "Client"
        found: dict[str, Any] = {} if name == "Client" else {"name": name}
        found |= {} if host == "localhost" else {"host": host}
        found |= {} if port == PORT else {"port": port}
        how, secret = fields["authentication"].value, self._take_secret()
        if how == _LOGIN:
            found["username"] = fields["username"].value.strip() or None
            found["password"] = secret
        elif how == _PASSWORD:
            found["password_manager"] = secret
        found |= {} if fields["tls"].value else {"disable_tls": True}
        return {key: value for key, value in found.items() if value is not None} | self._more

    async def _connect(self) -> None:
        if self.client is not None:
            return
        kwargs = self._filled_in()
        shown = {key: value for key, value in kwargs.items() if key not in _SECRETS}
        self._show_code(f"client = connect({keywords(shown)})")
        address = kwargs.get("host", "localhost"), kwargs.get("port", PORT)
        self._tell("busy", f"Connecting to {address[0]}:{address[1]} …")
        self._take(await connect_client(kwargs, self._ask, await find(address)))

    def _fill_in(self, session: Session) -> None:
        fields, options = self.fields, session.options
        known = session._credentials
        fields["host"].value, fields["port"].value = options.host, str(options.port)
        fields["name"].value, fields["tls"].value = session.name, not options.disable_tls
        is_login = known.username is not None
        secret = known.password if is_login else known.password_manager
        fields["authentication"].value = _LOGIN if is_login else _PASSWORD if secret else _NONE
        fields["username"].value = known.username or ""
        fields["password"].put(secret or "")
        if session is not self._made_here:
            usual = ConnectOptions()
            more = {name: getattr(options, name) for name in _IN_CODE}
            self._more = {name: v for name, v in more.items() if v != getattr(usual, name)}

    async def _ask(self, question: Question) -> str:
        answer = await super()._ask(question)
        # what is filled in is not asked again when the answer is refused
        how = self.fields["authentication"]
        if question.kind == "username":
            self.fields["username"].value, how.value = answer, _LOGIN
        elif question.kind == "password" and how.value == _NONE:
            how.value = _PASSWORD
        return answer

    def _update(self) -> None:
        super()._update()
        how = self.fields["authentication"].value
        self.fields["username"].layout.display = "" if how == _LOGIN else "none"
        # nobody wonders in which of two fields to type it
        asked = self.question is not None and self.question.field is not None
        self.fields["password"].layout.display = "none" if how == _NONE or asked else ""

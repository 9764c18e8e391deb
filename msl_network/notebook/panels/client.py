"""What the panels share that make a Client: their questions, and what becomes of the connection."""

import asyncio
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import ipywidgets
import traitlets

from ... import loop_thread
from ...asking import Question
from ...client.blocking import Client
from ...client.session import Session
from ...constants import SHUTDOWN_TIMEOUT
from .base import LABEL_WIDTH, Panel
from .lines import connect_line
from .question import QuestionBox, SecretField

__all__ = ["ClientPanel", "check_box", "port_of"]


class ClientPanel(Panel):
    """A panel that makes a Client, and asks in the panel what only a person knows.

    Attributes:
        client: The Client, or None while there is none. Can be observed, and set: the panel then
            shows what becomes of that Client.
    """

    client = traitlets.Instance(Client, allow_none=True, help="The Client, while connected")

    begin: str
    """The name of the button that makes a Client, and of what it does."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._unconnected_title = title
        self._session: Session | None = None
        self._leave: list[Callable[[], None]] = []
        self._made_here: Session | None = None
        self._box: QuestionBox | None = None
        self._lost_at = ""
        self._questions = ipywidgets.VBox([])
        self._form = ipywidgets.Box([])
        self._form.add_class("msl-form")
        self._secret: str | None = None
        self.observe(self._client_set, "client")

    def _lay_out(self, *names: str, beside: Sequence[Any] = (), below: Sequence[Any] = ()) -> None:
        """Arrange the fields in this order, the buttons, the questions, and what is said.

        Args:
            names: The names of the fields.
            beside: What stands beside the buttons.
            below: What stands below the buttons.
        """
        self._form.children = [self.fields[name] for name in names]
        self._arrange(
            self._form,
            ipywidgets.HBox([*self.buttons.values(), *beside], layout=_wrapped()),
            *below,
            self._questions,
            self._status,
            self._code,
        )

    @property
    def question(self) -> QuestionBox | None:
        """The question that the panel asks now."""
        return self._box

    def disconnect(self) -> Any:
        """Do what the button does: disconnect, or give up what is being connected."""
        return self._do("Disconnect", self._disconnect)

    # --- on the loop of the network --------------------------------------------------------

    def _client_set(self, _: Any) -> None:
        if loop_thread.on_loop():
            self._follow()
        else:
            self._hand(self._follow)

    def _follow(self) -> None:
        """Show the Client that there is now, and what becomes of it."""
        client = self.client
        session = None if client is None else client._session
        if session is self._session:
            self._update()
            return
        if client is None:
            self._forget("idle", "Not connected.")  # somebody else has taken it away
            return
        self._session = session
        self._leave_client()
        self._leave = [
            client.on_disconnect(_unless_gone(self._lost, client._session)),
            client.on_connection_lost(_unless_gone(self._away, client._session)),
            client.on_connection_restored(_unless_gone(self._back, client._session)),
        ]
        self._tell("ok", self._connected(client))
        if not self.code:
            self._show_code(connect_line(client.name, client._session.options))
        self._update()
        if not client.is_connected() and not client.is_reconnecting():
            self._lost(client._session)

    def _connected(self, client: Client) -> str:
        """What to say of a Client that is connected."""
        return (
            f"Connected to the Manager {client.address_manager} as {client.name} "
            f"(port {client.port})."
        )

    def _take(self, client: Client) -> None:
        """Have a Client that was made here."""
        self._made_here = client._session
        client._session.ask = self._ask
        self.client = client

    async def _disconnect(self) -> None:
        client, making = self.client, self._tasks.get(self.begin)
        if making is not None:
            self._tell("busy", "Giving up …")
            self._cancel(self.begin)
            await asyncio.wait({making})
        if client is None:
            return
        self._show_code("client.disconnect()")
        self._tell("busy", f"Disconnecting from {client.address_manager} …")
        try:
            await client.aio.disconnect(timeout=SHUTDOWN_TIMEOUT)
        finally:
            client._session.close()
            self._forget("idle", "Disconnected.")

    def _lost(self, session: Session) -> None:
        """The connection has ended, whoever ended it."""
        if session is self._session and "Disconnect" not in self._tasks:
            self._fill_in(session)
            why = "" if session.end_reason is None else f": {session.end_reason}"
            self._forget(
                "error", f"The connection to {session.options.address} has ended, {_clock()}{why}."
            )

    def _away(self, session: Session, error: Exception) -> None:
        if session is self._session:
            self._lost_at = _clock()
            self._tell("busy", f"{error}, {self._lost_at}. Trying to connect again …")

    def _back(self, session: Session) -> None:
        if session is self._session:
            lost = f" (lost {self._lost_at})" if self._lost_at else ""
            self._tell(
                "ok",
                f"Connected again to the Manager {session.options.address} as {session.name}, "
                f"{_clock()}{lost}. Links are made again, locks are not.",
            )

    def _fill_in(self, session: Session) -> None:
        """Fill in how a Client was connected, so that a click connects again."""
        raise NotImplementedError

    def _leave_client(self) -> None:
        for leave in self._leave:
            leave()
        self._leave = []

    def _forget(self, kind: str, text: str) -> None:
        self._leave_client()
        self._session = self._made_here = self.client = None
        self._tell(kind, text)
        self._update()

    async def _ask(self, question: Question) -> str:
        if self._closed:
            raise ConnectionError("The panel in which to answer has been closed")
        self._box = box = QuestionBox(question)
        self._questions.children = (*self._questions.children, box)
        self._update()
        self._tell("busy", f"A question about the {question.kind}: please answer it above.")
        try:
            answer = await box.answer()
        finally:
            self._box = None
            self._questions.children = [c for c in self._questions.children if c is not box]
            self._update()
        self._tell("busy", "Thank you. Going on …")
        return answer

    # --- passwords -------------------------------------------------------------------------

    def _take_secret(self) -> str | None:
        """The password that was typed, which the field forgets."""
        self._secret = self.fields["password"].take()
        return self._secret

    def _failed(self, action: str, error: Exception) -> None:
        secret, self._secret = self._secret, None
        field: SecretField = self.fields["password"]
        if _is_refusal(error):
            field.focus()
        elif secret is not None:
            field.put(secret)  # it is not to be typed again
        super()._failed(action, error)

    # --- what is shown -------------------------------------------------------------------

    def _update(self) -> None:
        making, made = self.begin in self._tasks, self.client is not None
        # what was filled in has done its service
        self._form.layout.display = "none" if made else ""
        if self.client is None:
            self._set_title(self._unconnected_title)
        else:
            self._set_title("Manager", self.client.address_manager)
        start, stop = self.buttons[self.begin], self.buttons["Disconnect"]
        start.layout.display = "none" if made else ""
        start.disabled = making or made
        stop.disabled = "Disconnect" in self._tasks or not (making or made)
        stop.description = "Cancel" if making else "Disconnect"

    def _stop(self) -> None:
        super()._stop()
        self._leave_client()
        if self._made_here is not None:
            self._made_here.close()


def _unless_gone(method: Callable[..., None], session: Session) -> Callable[..., None]:
    """A function that calls a method of a panel on the loop, as long as the panel is there.

    A Client may be there for longer.
    """
    reference = weakref.WeakMethod(method)

    def call(*args: Any) -> None:
        known: Any = reference()
        if known is not None:
            known.__self__._hand(known, session, *args)

    return call


def _clock() -> str:
    """The time: who comes in the morning sees what has happened at night."""
    return f"{datetime.now():%Y-%m-%d %H:%M:%S}"


def _is_refusal(error: Exception) -> bool:
    """Whether an error says that the password, or the user, is wrong."""
    return isinstance(error, PermissionError) or "password" in str(error).lower()


def _wrapped() -> Any:
    return ipywidgets.Layout(flex_flow="row wrap")


def check_box(name: str, value: bool, tooltip: str) -> Any:
    """Make a field for yes or no."""
    return ipywidgets.Checkbox(
        value=value,
        description=name,
        tooltip=tooltip,
        style={"description_width": LABEL_WIDTH},
        layout=ipywidgets.Layout(flex="1 1 16em", width="auto"),
    )


def port_of(field: Any) -> int:
    """The port that is filled in.

    Raises:
        ValueError: It is none.
    """
    port = field.value.strip()
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(
            f"{field.description}: {port!r} is no port, which is a number from 1 to 65535"
        )
    return int(port)

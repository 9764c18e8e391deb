"""A question to a person, in a panel."""

import asyncio
import html
from typing import Any

import ipywidgets
import traitlets

from ... import loop_thread
from ...asking import Question
from ...escaping import escaped
from .base import button, close_all, on_enter, text_field

__all__ = ["QuestionBox", "SecretField"]


class SecretField(ipywidgets.Password):  # type: ignore[misc]
    """A field for a password, which it does not keep.

    What is typed is taken out of the widget as soon as it arrives, since the state of a widget
    is saved with the notebook.
    """

    # not sent back to the browsers either, as other values are
    value = traitlets.Unicode("").tag(sync=True, echo_update=False)

    def __init__(self, **kwargs: Any) -> None:
        self._secret = kwargs.pop("value", "")
        super().__init__(**kwargs)
        self._empty = kwargs.get("placeholder", "")
        self.observe(self._typed, "value")
        self._show()

    def take(self) -> str | None:
        """What was typed, and forget it; None if that is nothing. On the loop of the network."""
        secret, self._secret = self._secret, ""
        self._show()
        return secret or None

    def put(self, secret: str) -> None:
        """Have a password as if it had been typed. On the loop of the network."""
        self._secret = secret
        self._show()

    def _typed(self, change: Any) -> None:
        if change["new"]:
            self._secret = change["new"]
            loop_thread.get_loop().call_soon_threadsafe(self._show)

    def _show(self) -> None:
        self.value = ""
        self.placeholder = "•••••••• entered" if self._secret else self._empty


class QuestionBox(ipywidgets.VBox):  # type: ignore[misc]
    """A question, and where to answer it.

    Args:
        question: The question.

    Attributes:
        field: Where the answer is typed; None for yes or no.
        buttons: The buttons, by name.
    """

    def __init__(self, question: Question) -> None:
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.field: Any = None
        if question.choice:
            self.buttons = {
                "Trust": button("Trust", "Trust it from now on", lambda: self.give("y")),
                "Reject": button(
                    "Reject", "Do not trust it, do not connect", lambda: self.give("n")
                ),
            }
        else:
            kind = SecretField if question.secret else ipywidgets.Text
            self.field = text_field(question.kind.capitalize(), kind=kind)
            on_enter(self.field, self._give_typed)
            self.buttons = {
                "Answer": button("Answer", "Send the answer", self._give_typed),
                "Cancel": button("Cancel", "Do not answer, do not connect", self.give_up),
            }
        # not the button that trusts: Enter may be on its way already
        _focus_when_shown(self.buttons["Reject"] if self.field is None else self.field)
        wrapped = ipywidgets.Layout(flex_flow="row wrap")
        rows = [
            ipywidgets.HTML(_describe(question)),
            ipywidgets.HBox([*self.buttons.values()], layout=wrapped),
        ]
        if self.field is not None:
            rows.insert(1, self.field)
        super().__init__(rows)
        self.add_class("msl-question")

    async def answer(self) -> str:
        """Wait for the answer, on the loop of the network.

        Raises:
            asyncio.CancelledError: The person gives up.
        """
        try:
            return await self._answer
        finally:
            close_all([self])

    def give(self, answer: str) -> None:
        """Answer the question, from any thread."""
        loop_thread.get_loop().call_soon_threadsafe(self._settle, answer)

    def give_up(self) -> None:
        """Do not answer the question, from any thread."""
        loop_thread.get_loop().call_soon_threadsafe(self._answer.cancel)

    def _give_typed(self) -> None:
        loop_thread.get_loop().call_soon_threadsafe(self._settle_typed)

    def _settle_typed(self) -> None:
        if isinstance(self.field, SecretField):
            self._settle(self.field.take() or "")
        else:
            self._settle(self.field.value)

    def _settle(self, answer: str) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)


def _focus_when_shown(widget: Any) -> None:
    """Give a widget the focus as soon as a browser shows it: before that it has no place there."""

    def shown(change: Any) -> None:
        if change["new"]:
            widget.unobserve(shown, "_view_count")
            loop_thread.get_loop().call_soon_threadsafe(widget.focus)

    widget._view_count = 0  # from here on the browser counts
    widget.observe(shown, "_view_count")


def _describe(question: Question) -> str:
    if not question.details:
        text = "\n".join(filter(None, (question.text, question.prompt.rstrip(" >:"))))
        return f'<div style="white-space:pre-wrap">{html.escape(escaped(text, keep=chr(10)))}</div>'
    facts = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        f'<td class="msl-mono">{html.escape(escaped(value))}</td></tr>'
        for name, value in question.details.items()
    )
    return (
        f'<div role="alert"><b>Unknown {html.escape(question.kind)}</b>: another computer could '
        "be answering in the place of the one that you mean. Compare the fingerprint with the "
        "one that is shown there. Once trusted, only this one is accepted from now on.</div>"
        f'<table class="msl-table">{facts}</table>'
    )

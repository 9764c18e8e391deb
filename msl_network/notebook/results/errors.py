"""What a call has failed with."""

import asyncio
import html
from typing import Final

from ...client.errors import RemoteError, ReplyTimeoutError
from ...client.in_flight import is_away
from ...constants import MANAGER
from .text import note, quoted

__all__ = ["GIVEN_UP", "became_of", "error_html", "error_name"]

GIVEN_UP: Final = {
    "not begun": "given up before it began",
    "stopped": "given up and stopped",
    "ended": "given up, but it ended all the same",
    "unknown": "given up; nobody can tell whether it was stopped",
    "no answer": "given up; the Service does not say whether it was stopped, so it may go on",
}
"""What became of a call that was given up, in words."""

MESSAGE_LIMIT = 4000
"""Most characters of an error's message that are shown."""

TRACEBACK_LIMIT = 10_000
"""Most characters of a traceback that are shown: its end."""


def error_name(error: BaseException) -> tuple[str, str]:
    """The type and the message of an error, of the far side where it comes from there."""
    if isinstance(error, RemoteError):
        return error.type or "Error", error.message
    # the class of a timeout is ours, and nobody has to know it
    kind = TimeoutError if isinstance(error, ReplyTimeoutError) else type(error)
    return kind.__name__, str(error)


def became_of(error: BaseException) -> str:
    """What became of a call that was given up, in words; empty if it has not been.

    Args:
        error: What it ended with: a `CancelledError` with a key of `GIVEN_UP`, or a timeout.
    """
    if isinstance(error, asyncio.CancelledError):
        return GIVEN_UP[str(error)]
    if not isinstance(error, ReplyTimeoutError) or (said := error.cancellation) is None:
        return ""
    return GIVEN_UP[said.result() if said.done() and not said.cancelled() else "no answer"]


def error_html(error: BaseException) -> str:
    """Show an error: its type, its message, what to do, and the traceback of the far side.

    Args:
        error: The error.
    """
    kind, message = error_name(error)
    cut = "…" if len(message) > MESSAGE_LIMIT else ""
    shown = (
        f'<b>{quoted(kind[:200])}</b>: <span class="msl-status">'
        f"{quoted(message[:MESSAGE_LIMIT])}{cut}</span>"
    )
    if isinstance(error, RemoteError):
        is_managers = error.service == MANAGER or _is_away(error)
        where = "Manager" if is_managers else f"Service {error.service}"
        shown += note(f"raised by the {where}, in {error.attribute}")
        if error.traceback.strip():
            end = error.traceback[-TRACEBACK_LIMIT:]
            cut = "" if end == error.traceback else "…"
            shown += (
                f"<details><summary>Traceback of the {html.escape(where)}</summary>"
                f"<pre>{cut}{quoted(end)}</pre></details>"
            )
    return shown + note(_advice(error))


def _is_away(error: BaseException) -> bool:
    """Whether it is the Manager that answered, since the Service is not there any more."""
    return isinstance(error, RemoteError) and is_away(
        error.service, f"{error.type}: {error.message}"
    )


def _advice(error: BaseException) -> str:
    """What a person can do about it."""
    if isinstance(error, RemoteError) and not _is_away(error):
        return ""
    if isinstance(error, ReplyTimeoutError):
        became = became_of(error) or "given up"
        return (
            f"{became[0].upper()}{became[1:]}. Allow it more time, or see whether the Service is "
            "busy with another one."
        )
    if isinstance(error, ConnectionAbortedError):
        return (
            "Nobody knows whether the method has been executed: look at the instrument before you "
            "call it again. A method that only reads can be called with safe_to_repeat=True, "
            "which waits until the connection is back."
        )
    if isinstance(error, RemoteError):
        return (
            "The Service is not there, so nothing has been executed. It is linked again when it is "
            "back: call again then, or with safe_to_repeat=True, which waits for it."
        )
    if isinstance(error, ConnectionError):
        return (
            "Nothing has been sent. Call again when the connection is back, or with "
            "safe_to_repeat=True, which waits for it; if it does not come back, connect again."
        )
    return ""

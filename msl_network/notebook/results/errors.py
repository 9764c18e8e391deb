"""What a call has failed with."""

import html

from ...client.errors import RemoteError, ReplyTimeoutError
from .text import note, quoted

__all__ = ["error_html", "error_name"]

MESSAGE_LIMIT = 4000
"""Most characters of an error's message that are shown."""

TRACEBACK_LIMIT = 10_000
"""Most characters of a traceback that are shown: its end."""


def error_name(error: BaseException) -> tuple[str, str]:
    """The type and the message of an error, of the far side where it comes from there."""
    if isinstance(error, RemoteError):
        return error.type or "Error", error.message
    return type(error).__name__, str(error)


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
        where = "Manager" if error.service == "Manager" else f"Service {error.service}"
        shown += note(f"raised by the {where}, in {error.attribute}")
        if error.traceback.strip():
            end = error.traceback[-TRACEBACK_LIMIT:]
            cut = "" if end == error.traceback else "…"
            shown += (
                f"<details><summary>Traceback of the {html.escape(where)}</summary>"
                f"<pre>{cut}{quoted(end)}</pre></details>"
            )
    return shown + note(_advice(error))


def _advice(error: BaseException) -> str:
    """What a person can do about it."""
    if isinstance(error, RemoteError):
        return ""
    if isinstance(error, ReplyTimeoutError):
        return (
            "The request has been given up. Allow it more time, or see whether the Service is "
            f"busy with another one. {_became(error)}"
        )
    if isinstance(error, ConnectionAbortedError):
        return (
            "Nobody knows whether the method has been executed: look at the instrument before you "
            "call it again. A method that only reads can be called with safe_to_repeat=True, "
            "which waits until the connection is back."
        )
    if isinstance(error, ConnectionError):
        return (
            "Nothing has been sent. Call again when the connection is back, or with "
            "safe_to_repeat=True, which waits for it; if it does not come back, connect again."
        )
    return ""


def _became(error: ReplyTimeoutError) -> str:
    done = error.cancellation
    if done is None or not done.done() or done.cancelled():
        return ""
    return {
        "not begun": "It had not begun.",
        "stopped": "It had begun, and was stopped.",
        "ended": "It ended all the same.",
    }.get(done.result(), "Nobody can tell what became of it.")

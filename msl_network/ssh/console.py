"""The far side: the keyword arguments of a console script that `start_manager` runs."""

import os
import signal
import sys
import threading
from typing import Any

__all__ = ["KWARGS", "UNTIL_EOF", "parse_console_script_kwargs"]

KWARGS = "--kwargs"
"""The option with the keyword arguments: `-` for standard input, else JSON text (as 1.x has it)."""

UNTIL_EOF = "--until-eof"
"""The option that ends the process when its standard input ends."""

GRACE = 10.0
"""Seconds that a Manager has to shut down after its standard input has ended: twice what it
gives its peers."""


def parse_console_script_kwargs() -> dict[str, Any]:
    """Get the keyword arguments that `start_manager` sent to this console script.

    They arrive over standard input, where nobody else can read them. A 1.x `start_manager` has
    them on the command line; that is understood as well.

    When the command line has `--until-eof`, this process is interrupted (as with Ctrl+C) once
    its standard input ends, which happens when the one who started it is gone, however it
    went; what has not ended 10 seconds later is ended.

    Returns:
        The keyword arguments; empty when the script was started without any.

    Raises:
        ValueError: What arrived are no keyword arguments.
    """
    kwargs: dict[str, Any] = {}
    if KWARGS in sys.argv:
        index = sys.argv.index(KWARGS) + 1
        text = sys.argv[index] if index < len(sys.argv) else ""
        kwargs = _from_stdin() if text == "-" else _from_text(text)
    if UNTIL_EOF in sys.argv:
        # a shell that runs a job in the background makes it ignore this signal
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=_end_at_eof, name="msl-network-eof", daemon=True).start()
    return kwargs


def _from_text(text: str | bytes) -> dict[str, Any]:
    from .. import json

    try:
        kwargs = json.deserialize(text)
    except ValueError:
        kwargs = None
    if not isinstance(kwargs, dict):
        # the text may hold a password, so it is no part of the error
        raise ValueError(f"The value of {KWARGS} must be a JSON object")
    return kwargs


def _from_stdin() -> dict[str, Any]:
    # Read from the descriptor: a thread that waits in sys.stdin when the interpreter
    # finalizes makes it abort.
    data = b""
    while data.count(b"\n") < 2:
        chunk = os.read(sys.stdin.fileno(), 65536)
        data += chunk
        *lines, _ = data.split(b"\n") if chunk else (data + b"\n").split(b"\n")
        for line in lines:
            # sudo leaves the password before it when it has no need of one
            if line.startswith(b"{"):
                return _from_text(line)
        if not chunk:
            break
    raise ValueError("No keyword arguments arrived over standard input")


def _end_at_eof() -> None:
    while os.read(sys.stdin.fileno(), 65536):
        pass
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
    threading.Event().wait(GRACE)
    os._exit(1)

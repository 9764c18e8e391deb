"""The far side: the keyword arguments of a console script that `start_manager` runs."""

import logging
import math
import os
import select
import signal
import sys
import threading
from typing import Any

from ..heartbeat import LOOKS

__all__ = ["KWARGS", "LEASE", "UNTIL_EOF", "parse_console_script_kwargs"]

logger = logging.getLogger(__name__)

KWARGS = "--kwargs"
"""The option with the keyword arguments: `-` for standard input, else JSON text (as 1.x has it)."""

UNTIL_EOF = "--until-eof"
"""The option that ends the process when its standard input ends."""

LEASE = "lease"
"""Begins a line on standard input that goes on with a number of seconds: without another line
within them, whoever started the process has vanished. An SSH server may take hours to see that."""

GRACE = 60.0
"""Seconds that a process has to end once it is told to: what makes an instrument safe may take that
long."""


def parse_console_script_kwargs() -> dict[str, Any]:
    """Get the keyword arguments that `start_manager` sent to this console script.

    They arrive over standard input, where nobody else can read them. A 1.x `start_manager` has
    them on the command line; that is understood as well.

    When the command line has `--until-eof`, this process is interrupted (as with Ctrl+C) once
    its standard input ends, which happens when the one who started it is gone, or once no sign
    of life has come for as long as that one has said that one would; what has not ended a minute
    later is ended.

    Returns:
        The keyword arguments; empty when the script was started without any.

    Raises:
        ValueError: What arrived are no keyword arguments.
    """
    kwargs: dict[str, Any] = {}
    rest = b""
    if KWARGS in sys.argv:
        index = sys.argv.index(KWARGS) + 1
        text = sys.argv[index] if index < len(sys.argv) else ""
        kwargs, rest = _from_stdin() if text == "-" else (_from_text(text), b"")
    if UNTIL_EOF in sys.argv:
        # a shell that runs a job in the background makes it ignore this signal
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if hasattr(signal, "SIGURG") and signal.getsignal(signal.SIGURG) is signal.SIG_DFL:
            # it interrupts what blocks, where it would be ignored otherwise
            signal.signal(signal.SIGURG, lambda *_: None)
        threading.Thread(
            target=_end_when_alone, args=(rest,), name="msl-network-eof", daemon=True
        ).start()
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


def _from_stdin() -> tuple[dict[str, Any], bytes]:
    """Read the keyword arguments, and what has come behind them."""
    # Read from the descriptor: a thread that waits in sys.stdin when the interpreter
    # finalizes makes it abort.
    data = b""
    while data.count(b"\n") < 2:
        chunk = os.read(sys.stdin.fileno(), 65536)
        data += chunk
        *lines, _ = data.split(b"\n") if chunk else (data + b"\n").split(b"\n")
        for number, line in enumerate(lines, 1):
            # sudo leaves the password before it when it has no need of one
            if line.startswith(b"{"):
                return _from_text(line), b"\n".join(data.split(b"\n")[number:])
        if not chunk:
            break
    raise ValueError("No keyword arguments arrived over standard input")


def _end_when_alone(rest: bytes) -> None:
    if sys.platform == "win32":
        # a lease would need `select`, which takes sockets alone there
        while os.read(sys.stdin.fileno(), 65536):
            pass
    elif lease := _wait_until_alone(rest):
        _let_go_of_output()
        logger.warning(
            "nobody has given a sign of life over SSH for %g seconds, so this process ends", lease
        )
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
    threading.Event().wait(GRACE)
    os._exit(1)


def _wait_until_alone(rest: bytes) -> float:
    """Wait until standard input ends, which is 0, or for the lease that is over, in seconds."""
    stdin, lease, silent = sys.stdin.fileno(), 0.0, 0
    # looks are counted, and not seconds: a process that was held up itself reads what has come
    while silent < LOOKS:
        *lines, rest = rest.split(b"\n")
        for line in lines:
            lease = _lease_of(line) or lease
        if not select.select([stdin], [], [], lease / LOOKS if lease else None)[0]:
            silent += 1
            continue
        silent = 0
        chunk = os.read(stdin, 65536)
        if not chunk:
            return 0.0
        rest += chunk
    return lease


def _lease_of(line: bytes) -> float:
    word, _, seconds = line.decode(errors="replace").partition(" ")
    try:
        lease = float(seconds) if word == LEASE else 0.0
    except ValueError:
        return 0.0
    return lease if 0 < lease < math.inf else 0.0


def _let_go_of_output() -> None:
    """Print to nowhere: a pipe that nobody empties holds up whoever writes to it, for good."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    if sys.platform != "win32":
        # who is held up already tries again, and writes to nowhere
        for thread in threading.enumerate():
            if thread.ident is not None:
                signal.pthread_kill(thread.ident, signal.SIGURG)

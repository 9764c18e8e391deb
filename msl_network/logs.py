"""The log of this package: its level, and where a Manager that is a program writes it."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TextIO

from . import constants
from .escaping import escaped

__all__ = ["FORMATS", "JSONFormatter", "TextFormatter", "logging_to", "set_logging_level"]

logger = logging.getLogger(__package__)

FORMATS = ("text", "json")
"""What a log file can be written as."""


class TextFormatter(logging.Formatter):
    """A line for people.

    What comes from the network can neither begin a line nor act on a terminal. The lines of a
    traceback are the only others, and indented.

    Args:
        level: How the level is written.
    """

    default_msec_format = "%s.%03d"

    def __init__(self, level: str = "%(levelname)s") -> None:
        super().__init__(f"%(asctime)s [{level}] %(name)s - %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Write the line, and the traceback."""
        # a traceback is kept in the record for the next handler: neither is that of another one
        # used, nor ours left to those of the user's own program
        kept, record.exc_text = record.exc_text, None
        try:
            return super().format(record)
        finally:
            record.exc_text = kept

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Write all but the traceback."""
        return escaped(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802
        """Write a traceback."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"  {escaped(line)}" for line in text.split("\n"))


class JSONFormatter(logging.Formatter):
    """A JSON object in a line: time (ISO 8601 with its offset), level, logger, message, exc_info.

    What has no traceback has no `exc_info`. All is in ASCII: nothing can act on a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write the line."""
        time = datetime.fromtimestamp(record.created).astimezone()
        line = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _Terminal(logging.StreamHandler[TextIO]):
    """Standard output, which can end (`| head`, a connection that is lost) before the Manager."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line with the letters that there are: a file on Windows has few of them."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return super().format(record).encode(encoding, "backslashreplace").decode(encoding)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say nothing where nobody listens: all is in the file, too."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handleError(record)


@contextlib.contextmanager
def logging_to(log_file: str | None, log_format: str = "text") -> Iterator[str]:
    """Write this package's log to a file and to standard output.

    The logging of the user's own program is left as it is.

    Args:
        log_file: The path of the file; None for a new one in the folder of the logs.
        log_format: One of `FORMATS`, for the file. Standard output is for people, and for
            `ssh.start_manager`, which waits for a line in it.

    Yields:
        The path of the file.

    Raises:
        OSError: The file can't be written.
        ValueError: There is no such format.
    """
    if log_format not in FORMATS:
        raise ValueError(f"The format of the log must be text or json, not {log_format!r}")
    if log_file is None:
        now = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
        log_file = os.path.join(constants.LOG_DIR, f"manager-{now}.log")
    path = constants.ensure_parent(log_file)
    # names and addresses are in it: nobody else's to read
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(JSONFormatter() if log_format == "json" else TextFormatter("%(levelname)-8s"))
    terminal = _Terminal(sys.stdout)
    terminal.setFormatter(TextFormatter("%(levelname)-5s"))
    level = logger.level
    for handler in (file, terminal):
        logger.addHandler(handler)
    try:
        yield str(path)
    finally:
        logger.setLevel(level)
        for handler in (file, terminal):
            logger.removeHandler(handler)
        file.close()


def set_logging_level(level: int | str) -> bool:
    """Set the level of this package's log.

    Args:
        level: A number, also as text, or the name of a level in any case.

    Returns:
        Whether there is such a level.
    """
    if isinstance(level, str):
        level = int(level) if level.isdecimal() else level.upper()
    try:
        logger.setLevel(level)
    except (ValueError, TypeError):
        logger.error("invalid logging level %r", level)
        return False
    return True

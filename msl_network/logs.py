"""The log of this package: its level, and where a Manager that is a program writes it."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from datetime import datetime

from . import constants

__all__ = ["logging_to", "set_logging_level"]

logger = logging.getLogger(__package__)


@contextlib.contextmanager
def logging_to(log_file: str | None) -> Iterator[str]:
    """Write this package's log to a file and to standard output.

    The logging of the user's own program is left as it is.

    Args:
        log_file: The path of the file; None for a new one in the folder of the logs.

    Yields:
        The path of the file.

    Raises:
        OSError: The file can't be written.
    """
    if log_file is None:
        now = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
        log_file = os.path.join(constants.LOG_DIR, f"manager-{now}.log")
    path = constants.ensure_parent(log_file)
    # names and addresses are in it: nobody else's to read
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    handlers: list[tuple[logging.Handler, str]] = [
        (logging.FileHandler(path, encoding="utf-8"), "%(levelname)-8s"),
        (logging.StreamHandler(sys.stdout), "%(levelname)-5s"),
    ]
    level = logger.level
    for handler, level_format in handlers:
        formatter = logging.Formatter(f"%(asctime)s [{level_format}] %(name)s - %(message)s")
        formatter.default_msec_format = "%s.%03d"
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    try:
        yield str(path)
    finally:
        logger.setLevel(level)
        for handler, _ in handlers:
            logger.removeHandler(handler)
            if isinstance(handler, logging.FileHandler):
                handler.close()


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

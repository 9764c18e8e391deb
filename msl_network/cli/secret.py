"""Passwords that an option brings: as words, or as the path of a file that has it."""

import argparse
import os
from collections.abc import Sequence

__all__ = ["add_password", "read_secret"]

_FILE_HELP = """\
A password in a command is kept in the history of the shell: name a file
instead, and its first line is the password. Mind the spelling, because
text that is not the path of a file is itself taken as the password."""


def add_password(parser: argparse.ArgumentParser, short: str, long: str, text: str) -> None:
    """Add the option of a password, which may be several words."""
    parser.add_argument(short, long, nargs="+", help=f"{text}\n{_FILE_HELP}")


def read_secret(words: Sequence[str] | None, name: str) -> str | None:
    """Get a password from the words of an option.

    Args:
        words: The words of the password, or of the path of a file.
        name: What the password is called in the message that a file is read.

    Returns:
        The password; None when there are no words.

    Raises:
        OSError: The file can't be read.
        ValueError: The file is not text in UTF-8.
    """
    if words is None:
        return None
    secret = " ".join(words)
    if os.path.isfile(secret):
        print(f"Reading the {name} from the file")
        with open(secret, encoding="utf-8-sig") as file:
            secret = file.readline().strip()
    return secret

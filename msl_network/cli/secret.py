"""The option of a password: as words, or as the path of a file that has it."""

import argparse

__all__ = ["add_password"]

_FILE_HELP = """\
A password in a command is kept in the history of the shell, and everybody
on this computer can see it in the list of what runs: name a file instead,
and its first line is the password. Mind the spelling, because text that
is not the path of a file is itself taken as the password."""


def add_password(
    parser: argparse.ArgumentParser, short: str, long: str, text: str, *, asks: bool = False
) -> None:
    """Add the option of a password, which may be several words.

    Args:
        parser: The parser of the command.
        short: The short name of the option.
        long: Its long name.
        text: What it is for.
        asks: Whether a person is asked where the option has no word.
    """
    parser.add_argument(short, long, nargs="*" if asks else "+", help=f"{text}\n{_FILE_HELP}")

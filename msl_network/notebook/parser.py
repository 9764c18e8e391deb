"""Reading the line of a magic."""

import argparse
import shlex
from itertools import takewhile
from typing import Any, NoReturn

from IPython.core.error import UsageError

__all__ = ["Helped", "Parser", "words_of"]


class Helped(Exception):  # noqa: N818 - it is no error
    """The help has been printed."""


def words_of(line: str) -> list[str]:
    """The words of a line, as in a shell, up to a comment.

    Args:
        line: The line.

    Raises:
        ValueError: A quotation mark is not closed.
    """
    words = shlex.shlex(line, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    return list(takewhile(lambda word: not word.startswith("#"), words))


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and ends no process."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        super().__init__(prog, formatter_class=argparse.RawTextHelpFormatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Refuse the command."""
        raise UsageError(f"{self.prog}: {message}. {self.prog} --help tells more")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End it after the help."""
        raise Helped

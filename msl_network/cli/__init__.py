"""The command `msl-network`.

Each command is a module that has `add_parser`, and `execute`, which returns the exit status: 0, or
1 when it could not do all that it was asked for. What is wrong is raised, or printed to standard
error. What a command needs is imported when it runs.
"""

import argparse
import io
import os
import sys
from typing import NoReturn

from ..version import __version__
from . import certdump, certgen, connections, delete, hostname, keygen, start, user

__all__ = ["configure_parser", "main"]

_DESCRIPTION = """\
Control laboratory instruments over a network.

A Manager passes the requests of Clients on to the Services that have the
instruments, and the answers back. These commands start a Manager and look after
its users, trusted hosts, keys and certificates."""


def configure_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser("msl-network", description=_DESCRIPTION)
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument(
        "-V", "--version", action="version", version=__version__, help="Print the version."
    )
    commands = parser.add_subparsers(metavar="command", dest="cmd", required=True)
    for command in (certdump, certgen, connections, delete, hostname, keygen, start, user):
        command.add_parser(commands).formatter_class = argparse.RawTextHelpFormatter
    return parser


def main(*args: str) -> NoReturn:
    """Run a command and end the process with its exit status.

    Args:
        args: The words of the command line; by default those that the process was started
            with. None at all prints the help.

    Raises:
        SystemExit: Always.
    """
    words = list(args) or sys.argv[1:] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        # a name that this terminal, or a file on Windows, has no letters for is shown all the same
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = configure_parser().parse_args(words)
        status = options.func(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        status = 130  # what a shell expects of a command that was interrupted
    except BrokenPipeError:
        # `| head` has seen enough, and Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        if not _is_for_the_person(error):
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        status = 1
    sys.exit(status)


def _is_for_the_person(error: Exception) -> bool:
    from sqlite3 import Error

    # TypeError: a private key is encrypted and there is no password, or the other way round
    kinds = (OSError, ValueError, OverflowError, NotImplementedError, TypeError, Error)
    return isinstance(error, kinds)

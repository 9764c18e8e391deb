"""The command `start`: run a Manager."""

import argparse
from typing import Any

from .. import constants
from .limits import add_limits, read_limits
from .secret import add_password

__all__ = ["add_parser", "execute"]

_HELP = "Run a Manager."

_EPILOG = """\
examples:
  msl-network start
  msl-network start --port 8326

  # everybody needs the password that is the first line of a file
  msl-network start --auth-password secret.txt

  # everybody needs a username and a password
  msl-network start --auth-login

  # messages of up to 1 GiB
  msl-network start --message-limit 1G

  # a certificate of your own
  msl-network start --cert-file cert.pem --key-file key.pem

see also: msl-network certgen, keygen, hostname, user"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "start", help=_HELP, description=_HELP, epilog=_EPILOG
    )
    parser.add_argument(
        "--auth-hostname",
        action="store_true",
        help="Accept only devices on trusted hosts. See also: msl-network hostname",
    )
    parser.add_argument(
        "--auth-login",
        action="store_true",
        help="Ask every device for a username and a password. See also: msl-network user",
    )
    add_password(
        parser, "-P", "--auth-password", "A password that every device needs; it may have spaces."
    )
    parser.add_argument(
        "-c",
        "--cert-file",
        help="The path of the certificate (default: that of this computer).\n"
        "See also: msl-network certgen",
    )
    parser.add_argument(
        "-d",
        "--database",
        help="The path of the database with the users, the trusted hosts and\n"
        "the record of connections (default: that of this computer).",
    )
    parser.add_argument(
        "--disable-tls", action="store_true", help="Don't encrypt what is sent and received."
    )
    parser.add_argument(
        "-H",
        "--host",
        help="The hostname or IP address to listen on (default: all of this computer).",
    )
    parser.add_argument(
        "-k",
        "--key-file",
        help="The path of the private key of the certificate (default: that of\n"
        "this computer). Without --cert-file, a certificate is made for the\n"
        "key, in place of that of this computer. See also: msl-network keygen",
    )
    add_password(parser, "-D", "--key-file-password", "The password of an encrypted private key.")
    parser.add_argument(
        "-p",
        "--port",
        default=constants.PORT,
        help="The port to listen on (default: %(default)s).",
    )
    parser.add_argument(
        "-G",
        "--log-level",
        default="INFO",
        help="How much to log: DEBUG, INFO, WARNING, ERROR or CRITICAL\n(default: %(default)s).",
    )
    parser.add_argument(
        "-l",
        "--log-file",
        help="The path of the file to log to (default: a new one in the folder\n"
        "logs, where the database of this computer is).",
    )
    parser.add_argument(
        "--log-format",
        default="text",
        choices=["text", "json"],
        help="How the log file is written: text for people, or json for programs,\n"
        "one object in a line with time, level, logger, message and exc_info\n"
        "(default: %(default)s). What is printed is always for people.",
    )
    add_limits(parser)
    parser.set_defaults(func=execute)
    return parser


def execute(args: argparse.Namespace) -> int:
    """Run the command, until the Manager is shut down."""
    from ..manager import run_forever

    options = {name: value for name, value in vars(args).items() if name not in ("cmd", "func")}
    limits = read_limits(options)
    return run_forever(**options, limits=limits)

"""The command `hostname`: look after the hosts that a Manager trusts."""

import argparse
import sys
from typing import Any

__all__ = ["add_parser", "execute"]

_HELP = "Trust hosts, or trust them no longer."

_DESCRIPTION = f"""\
{_HELP}

A Manager that is started with --auth-hostname accepts only devices on these hosts."""

_EPILOG = """\
examples:
  msl-network hostname add labpc raspberrypi
  msl-network hostname remove labpc
  msl-network hostname list
  msl-network hostname add labpc --database manager.sqlite3"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "hostname", help=_HELP, description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument(
        "action", choices=["insert", "add", "remove", "delete", "list"], help="What to do."
    )
    parser.add_argument("names", nargs="*", help="The hostnames.")
    parser.add_argument(
        "-d", "--database", help="The path of the database (default: that of this computer)."
    )
    parser.set_defaults(func=execute)
    return parser


def execute(args: argparse.Namespace) -> int:
    """Run the command."""
    from ..database import HostnamesTable

    with HostnamesTable(database=args.database) as table:
        return _act(table, args.action, args.names)


def _act(table: Any, action: str, names: list[str]) -> int:
    if action == "list":
        print(f"Trusted devices in {table.path}\n\nHostnames:")
        for hostname in table.hostnames():
            print(f"  {hostname}")
        return 0
    adds = action in ("insert", "add")
    done = f"{action}ed" if adds else f"{action}d"
    if not names:
        print(f"No hostnames were {done}", file=sys.stderr)
        return 1
    status = 0
    for name in names:
        try:
            (table.insert if adds else table.delete)(name)
        except ValueError as error:
            known = f"Cannot {action} {name!r}. This hostname is not in the table."
            print(error if adds else known, file=sys.stderr)
            status = 1
        else:
            print(f"{done.title()} {name}")
    return status

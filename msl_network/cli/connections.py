"""The command `connections`: what has connected to a Manager, and what was refused."""

import argparse
import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["add_parser", "execute"]

_HELP = "Show what has connected to a Manager, and what it was refused."

_EPILOG = """\
examples:
  msl-network connections --last 24h
  msl-network connections --start 2024-05-17
  msl-network connections --start 2024-05-17T08:00 --end 2024-05-17T12:30
  msl-network connections --last 7d --json
  msl-network connections --database manager.sqlite3"""

_COLUMNS = ("pid", "datetime", "ip_address", "domain", "port", "message")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "connections", help=_HELP, description=_HELP, epilog=_EPILOG
    )
    parser.add_argument(
        "-s",
        "--start",
        help="The earliest time: a date, or a date and a time. It is of this\n"
        "computer's clock, unless it has a zone (Z, +12:00).",
    )
    parser.add_argument(
        "-e",
        "--end",
        help="The latest time. A date without a time means the end of that day.",
    )
    parser.add_argument(
        "-l", "--last", help="In place of --start: so many minutes, hours or days, as 30m, 24h, 7d."
    )
    parser.add_argument(
        "-j", "--json", action="store_true", help="Print one JSON object in a line for each record."
    )
    parser.add_argument(
        "-d", "--database", help="The path of the database (default: that of this computer)."
    )
    parser.set_defaults(func=execute)
    return parser


def execute(args: argparse.Namespace) -> int:
    """Run the command."""
    from ..database import ConnectionsTable

    start = args.start if args.last is None else _ago(args.last, args.start)
    if args.database and not os.path.isfile(os.path.expanduser(args.database)):
        # it would be made, and look as if nothing had happened
        raise FileNotFoundError(f"There is no database {args.database}")
    with ConnectionsTable(database=args.database) as table:
        records = table.connections(start=start, end=args.end)
    for record in records:
        print(json.dumps(dict(zip(_COLUMNS, record, strict=True))) if args.json else _line(record))
    return 0


def _ago(span: str, start: str | None) -> datetime:
    match = re.fullmatch(r"(\d+) ?([mhd])", span)
    if match is None:
        raise ValueError(f"--last needs a number of minutes, hours or days, as 24h, not {span!r}")
    if start is not None:
        raise ValueError("Give either --start or --last")
    return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})


def _line(record: Any) -> str:
    from ..escaping import escaped

    # a row may be of 1.x, which wrote what came
    _, when, address, domain, port, message = record
    name = "" if domain == address else f" ({domain})"
    return escaped(f"{when} {address}:{port}{name} {message}")

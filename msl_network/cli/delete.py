"""The command `delete`: remove the files that were made."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from .. import constants

__all__ = ["add_parser", "execute"]

_HELP = "Delete certificates, keys, logs or the database."

_EPILOG = """\
examples:
  msl-network delete --logs
  msl-network delete --all --yes"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "delete", help=_HELP, description=_HELP, epilog=_EPILOG
    )
    for short, name, text in (
        ("-a", "all", "Delete all of these, and the trusted host keys of SSH."),
        ("-c", "certs", "Delete the certificates, those of trusted servers too."),
        ("-d", "database", "Delete the database."),
        ("-k", "keys", "Delete the private keys."),
        ("-l", "logs", "Delete the logs."),
    ):
        parser.add_argument(short, f"--{name}", action="store_true", help=text)
    parser.add_argument(
        "-r", "--root", help="The folder where the files are (default: that of this computer)."
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Don't print what is done.")
    parser.add_argument("-y", "--yes", action="store_true", help="Don't ask before deleting.")
    parser.set_defaults(func=execute)
    return parser


def execute(args: argparse.Namespace) -> int:
    """Run the command."""
    say = _silent if args.quiet else print
    if not (args.all or args.certs or args.database or args.keys or args.logs):
        print("You must specify what you want to delete, for example", file=sys.stderr)
        print("  msl-network delete --keys", file=sys.stderr)
        return 1
    root = args.root or constants.HOME_DIR
    if not os.path.isdir(root):
        print(f"The {root!r} directory does not exist", file=sys.stderr)
        return 1

    failed = False

    def delete(*files: Path) -> None:
        nonlocal failed
        if not args.yes and input("Proceed (Y/n)? ").lower() not in ("", "y", "yes"):
            say("Okay, not deleting")
            return
        for file in files:
            try:
                file.unlink()
                say(f"[Deleted] {file}")
            except OSError as error:
                failed = True
                print(f"[OSError] {error} -- Cannot delete {file}", file=sys.stderr)

    def delete_file(file: Path, name: str) -> None:
        say(f"\nThe following {name} will be deleted:")
        say(f"  {file} [{_human_size(file.stat().st_size)}]")
        delete(file)

    def delete_folder(name: str, suffix: str, what: str) -> None:
        say(f"\nSearching for {what}s ... ", end="")
        # with what a program left that was killed while it wrote one
        patterns = (f"*{suffix}", f"*{suffix}.*.tmp")
        found = (file for pattern in patterns for file in Path(root, name).rglob(pattern))
        files = [file for file in found if file.is_file()]
        if not files:
            say(f"no {what}s found")
            return
        size = sum(file.stat().st_size for file in files)
        say(f"\n  {len(files)} {what}(s) will be deleted [{_human_size(size)}]")
        delete(*files)

    try:
        if args.all or args.database:
            database = Path(root, os.path.basename(constants.DATABASE))
            if database.is_file():
                delete_file(database, "database")
            else:
                say("No database file found")
        if args.all or args.certs:
            delete_folder("certs", ".crt", "certificate")
        if args.all or args.keys:
            delete_folder("keys", ".key", "key")
        if args.all or args.logs:
            delete_folder("logs", ".log", "log file")
        known_hosts = Path(root, os.path.basename(constants.KNOWN_HOSTS))
        if args.all and known_hosts.is_file():
            delete_file(known_hosts, "list of trusted SSH host keys")
    except EOFError:
        say("\nOkay, not deleting")
        return 1
    return int(failed)


def _silent(text: str, end: str = "") -> None:
    """Print nothing."""


def _human_size(size: int) -> str:
    for limit, unit in ((1e3, "B"), (1e6, "kB"), (1e9, "MB")):
        if size < limit:
            return f"{round(size * 1e3 / limit)} {unit}"
    return f"{round(size / 1e9)} GB"

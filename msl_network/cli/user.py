"""The command `user`: look after the users of a Manager."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..secret import read_secret
from .secret import add_password

if TYPE_CHECKING:
    from ..database import UsersTable

__all__ = ["add_parser", "execute"]

_HELP = "Register users, change or remove them."

_DESCRIPTION = f"""\
{_HELP}

A Manager that is started with --auth-login asks each device for the name and the
password of one of these users."""

_EPILOG = """\
examples:
  # asks for the password
  msl-network user add n.bohr

  # an administrator, whose password is the first line of a file
  msl-network user add m.curie --admin --password secret.txt

  # asks for a new password, of a user who is no administrator
  msl-network user update n.bohr --password

  # make an administrator of a user, and a user of an administrator
  msl-network user update n.bohr --admin
  msl-network user update m.curie

  msl-network user remove n.bohr
  msl-network user list
  msl-network user list --database manager.sqlite3"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "user", help=_HELP, description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument(
        "action",
        choices=["insert", "add", "remove", "delete", "update", "list"],
        help="What to do.",
    )
    parser.add_argument("username", nargs="?", help="The name of the user.")
    parser.add_argument(
        "-a",
        "--admin",
        action="store_true",
        help="The user is an administrator. An update without this option\n"
        "takes the rights of an administrator away.",
    )
    parser.add_argument(
        "-d", "--database", help="The path of the database (default: that of this computer)."
    )
    add_password(
        parser,
        "-p",
        "--password",
        "The password of the user, which may have spaces. It is asked for if\n"
        "the option has no word, and for a new user without the option.",
        asks=True,
    )
    parser.set_defaults(func=execute)
    return parser


def execute(args: argparse.Namespace) -> int:
    """Run the command."""
    from ..database import UsersTable

    with UsersTable(database=args.database) as table:
        if args.action == "list":
            _print_users(table)
        elif args.username is None:
            raise ValueError(f"You must specify a username to {args.action}")
        else:
            _change(table, args)
    return 0


def _print_users(table: "UsersTable") -> None:
    users = table.users()
    if not users:
        print("There are no users in the database")
        return
    width = max(len("Username"), *(len(name) for name, _ in users))
    print(f"Users in {table.path}\n")
    print(f"{'Username':{width}} Administrator")
    print(f"{'=' * width} =============")
    for name, is_admin in users:
        print(f"{name:{width}} {is_admin}")


def _change(table: "UsersTable", args: argparse.Namespace) -> None:
    name = args.username
    if args.action in ("delete", "remove"):
        if not table.is_user_registered(name):
            raise ValueError(f"Cannot {args.action} {name!r}. This user is not in the table.")
        table.delete(name)
        print(f"{name} has been {args.action}d")
        return
    adds = args.action in ("insert", "add")
    if args.password == [] or (adds and args.password is None):
        password: str | None = _ask_password(name)
    else:
        password = read_secret(args.password, "password", print)
    if adds:
        table.insert(name, password, args.admin)
        print(f"{name} has been {args.action}ed")
        return
    was_admin = table.is_admin(name)
    table.update(name, password=password, is_admin=args.admin)
    changes = [] if password is None else ["has a new password"]
    if was_admin != args.admin:
        changes.append("is an administrator now" if args.admin else "is no administrator now")
    print(f"Updated {name}" + (f": {', '.join(changes)}" if changes else ""))


def _ask_password(name: str) -> str:
    import getpass

    if sys.stdin is None or not sys.stdin.isatty():
        raise ValueError(f"You must specify a password for {name!r}")
    try:
        password = getpass.getpass(f"Password for {name}: ")
        again = getpass.getpass("The same again: ")
    except EOFError:
        raise ValueError(f"You must specify a password for {name!r}") from None
    if password != again:
        raise ValueError("The passwords differ")
    return password

"""The SQLite database of a Manager: who has connected, which hosts are trusted, who may log in.

The layout of the tables is that of 1.x, so that a database of 1.x goes on working here and one of
ours there, but for passwords: they are kept with scrypt, which 1.x can't check. A key of 1.x works
until its user logs in to a Manager of this package for the first time, and is replaced then.
"""

import contextlib
import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from . import constants, passwords
from .escaping import escaped, has_controls

__all__ = ["ConnectionsTable", "Database", "HostnamesTable", "Peer", "UsersTable"]

BUSY_TIMEOUT = 60.0
"""Seconds to wait for a database that another process has locked, as in 1.x."""

UPGRADE_TIMEOUT = 0.5
"""Seconds to wait for a locked database when the key of a user who has just logged in is to be
replaced: the user waits for it, and the next login will do as well."""

# by name: a later version may have columns that this one does not know
_RECORD = "pid, datetime, ip_address, domain, port, message"
_USER = "pid, username, key, salt, is_admin"

ConnectionRecord: TypeAlias = tuple[int, str | datetime, str, str, int, str]
UserRecord: TypeAlias = tuple[int, str, bytes, bytes, int]


class Peer(Protocol):
    """What is recorded about a device that connected."""

    @property
    def ip_address(self) -> str:
        """The address that it connected from."""

    @property
    def domain(self) -> str:
        """Its fully qualified domain name, or its address where it has none."""

    @property
    def port(self) -> int:
        """The port that it connected from."""


class Database:
    """A connection to an SQLite database, closed at the end of a `with` block.

    The file and its folder are made when they are missing; nobody but the owner may read a
    file that is made here, because it holds what passwords are checked against.

    Args:
        database: The path of the file, `":memory:"`, or None for the default database.
        kwargs: Passed to `sqlite3.connect`. Unless it says otherwise, `timeout` is 60 seconds.

    Raises:
        OSError: The folder or the file can't be made.
        sqlite3.Error: The file can't be opened, is locked, or is not a database.
    """

    _SCHEMA: ClassVar[str] = ""

    def __init__(self, database: str | os.PathLike[str] | None = None, **kwargs: Any) -> None:
        self._path = os.fspath(constants.DATABASE if database is None else database)
        if self._path != ":memory:" and not kwargs.get("uri"):
            file = constants.ensure_parent(self._path)
            self._path = os.path.expanduser(self._path)
            if not file.exists():
                file.touch(mode=0o600)
        kwargs.setdefault("timeout", BUSY_TIMEOUT)
        self._connection: sqlite3.Connection = sqlite3.connect(self._path, **kwargs)
        self._cursor: sqlite3.Cursor = self._connection.cursor()
        try:
            if self._SCHEMA:
                self._change(self._SCHEMA)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def path(self) -> str:
        """The path of the database file, or `":memory:"`."""
        return self._path

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection to the database."""
        return self._connection

    @property
    def cursor(self) -> sqlite3.Cursor:
        """The cursor that `execute` uses."""
        return self._cursor

    def close(self) -> None:
        """Close the connection; closing it again does nothing."""
        with contextlib.suppress(sqlite3.ProgrammingError):
            # after a statement that failed on a full disk, this alone lets go of the file
            self._cursor.close()
        self._connection.close()

    def execute(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> None:
        """Execute one SQL statement; rows are then read from `cursor`.

        Args:
            sql: The statement.
            parameters: The values of its placeholders.
        """
        self._cursor.execute(sql, () if parameters is None else parameters)

    def tables(self) -> list[str]:
        """The names of the tables, sorted."""
        rows = self._rows("SELECT name FROM sqlite_master WHERE type = 'table';")
        return sorted(name for (name,) in rows if name != "sqlite_sequence")

    def table_info(self, name: str) -> list[tuple[int, str, str, int, Any, int]]:
        """Describe each column of a table.

        Returns:
            For each column its index, name, data type, whether NULL is forbidden, the default
            value, and the place in the primary key (0 when it has none).
        """
        return self._rows("SELECT * FROM pragma_table_info(?);", name)

    def column_names(self, table_name: str) -> list[str]:
        """The names of the columns of a table."""
        return [column[1] for column in self.table_info(table_name)]

    def column_datatypes(self, table_name: str) -> list[str]:
        """The data types of the columns of a table."""
        return [column[2] for column in self.table_info(table_name)]

    def _rows(self, sql: str, *parameters: Any) -> list[Any]:
        self.execute(sql, parameters)
        rows: list[Any] = self._cursor.fetchall()
        return rows

    def _change(self, sql: str, *parameters: Any) -> int:
        """Execute a statement as a transaction of its own; returns how many rows it changed."""
        with self._connection:
            self.execute(sql, parameters)
        changed: int = self._cursor.rowcount
        return changed


class ConnectionsTable(Database):
    """The devices that have connected to the Manager.

    Args:
        database: The path of the file, `":memory:"`, or None for the default database.
        as_datetime: Whether timestamps are read as `datetime` objects, rather than as text.
        kwargs: Passed to `sqlite3.connect`.
    """

    NAME = "connections"
    """The name of the table."""

    _SCHEMA = (
        "CREATE TABLE IF NOT EXISTS connections ("
        "pid INTEGER PRIMARY KEY AUTOINCREMENT, datetime DATETIME NOT NULL, "
        "ip_address TEXT NOT NULL, domain TEXT NOT NULL, port INTEGER NOT NULL, "
        "message TEXT NOT NULL);"
    )

    def __init__(
        self,
        *,
        database: str | os.PathLike[str] | None = None,
        as_datetime: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(database, **kwargs)
        self._as_datetime = as_datetime

    def insert(self, peer: Peer, message: str, when: datetime | None = None) -> None:
        """Record what happened when a device connected, with the local time to the second.

        Control characters in a name or the message are written visibly.

        Args:
            peer: The device.
            message: What happened.
            when: The local time at which it happened; None for now.
        """
        self._change(
            f"INSERT INTO connections({_RECORD}) VALUES(NULL, ?, ?, ?, ?, ?);",
            (when or datetime.now()).isoformat(timespec="seconds"),
            peer.ip_address,
            escaped(peer.domain),
            peer.port,
            escaped(message),
        )

    def last_message(self, port: int, beginning: str) -> str | None:
        """The last message with a beginning that was recorded of a port; None without one."""
        rows = self._rows(
            "SELECT message FROM connections WHERE port = ? AND substr(message, 1, ?) = ? "
            "ORDER BY pid DESC LIMIT 1;",
            port,
            len(beginning),
            beginning,
        )
        return rows[0][0] if rows else None

    def prune(self, most: int) -> int:
        """Remove some of the oldest records, if there are more than a number of them.

        No more than 2000 are removed at a time, so that nobody waits long for the database.

        Args:
            most: How many records to keep.

        Returns:
            How many have been removed.
        """
        # the pid only grows: no row has to be counted
        return self._change(
            "DELETE FROM connections WHERE pid <= (SELECT MAX(pid) FROM connections) - ? "
            "AND pid < (SELECT MIN(pid) FROM connections) + 2000;",
            most,
        )

    def connections(
        self, *, start: date | str | None = None, end: date | str | None = None
    ) -> list[ConnectionRecord]:
        """Read the records, those of a span of time or all.

        Times are those of this computer's clock, unless they say their zone.

        Args:
            start: The earliest time, inclusive: a `datetime`, a `date`, or text in ISO 8601
                (`2024-05-17`, `2024-05-17T13:45:00` or `2024-05-17T13:45Z`).
            end: The latest time, inclusive. A date without a time means the end of that day.

        Returns:
            For each record its pid, datetime, ip_address, domain, port and message.

        Raises:
            ValueError: `start` or `end` is not a time in ISO 8601.
        """
        # Databases from before 1.0 have a space between date and time.
        rows = self._rows(
            f"SELECT {_RECORD} FROM connections "  # noqa: S608
            "WHERE replace(datetime, ' ', 'T') BETWEEN ? AND ? ORDER BY pid;",
            "" if start is None else _timestamp(start),
            "~" if end is None else _timestamp(end, last=True),
        )
        if self._as_datetime:
            return [(row[0], datetime.fromisoformat(row[1]), *row[2:]) for row in rows]
        return rows


class HostnamesTable(Database):
    """The hosts that may connect when the Manager trusts by hostname.

    An empty table is filled with the names and addresses of this computer.

    Args:
        database: The path of the file, `":memory:"`, or None for the default database.
        kwargs: Passed to `sqlite3.connect`.
    """

    NAME = "auth_hostnames"
    """The name of the table."""

    _SCHEMA = (
        "CREATE TABLE IF NOT EXISTS auth_hostnames (hostname TEXT NOT NULL, UNIQUE(hostname));"
    )
    _INSERT = "INSERT OR IGNORE INTO auth_hostnames(hostname) VALUES(?);"

    def __init__(self, *, database: str | os.PathLike[str] | None = None, **kwargs: Any) -> None:
        super().__init__(database, **kwargs)
        if not self.hostnames():
            aliases = ((alias,) for alias in constants.LOCALHOST_ALIASES)
            with self._connection:
                self._cursor.executemany(self._INSERT, aliases)

    def insert(self, hostname: str) -> None:
        """Trust a host; one that is trusted already is left as it is.

        Raises:
            ValueError: There are control characters in its name.
        """
        if has_controls(hostname):
            raise ValueError(f"There are control characters in the hostname {hostname!r}")
        self._change(self._INSERT, hostname)

    def delete(self, hostname: str) -> None:
        """Trust a host no longer.

        Raises:
            ValueError: It is not in the table.
        """
        if not self._change("DELETE FROM auth_hostnames WHERE hostname = ?;", hostname):
            raise ValueError(f"Cannot delete {hostname!r}. This hostname is not in the table.")

    def hostnames(self) -> list[str]:
        """The trusted hosts, sorted."""
        return sorted(row[0] for row in self._rows("SELECT hostname FROM auth_hostnames;"))


class UsersTable(Database):
    """The users who may log in to the Manager. Passwords are kept as keys of scrypt.

    Args:
        database: The path of the file, `":memory:"`, or None for the default database.
        kwargs: Passed to `sqlite3.connect`.
    """

    NAME = "auth_users"
    """The name of the table."""

    _SCHEMA = (
        "CREATE TABLE IF NOT EXISTS auth_users ("
        "pid INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL, key BLOB NOT NULL, "
        "salt BLOB NOT NULL, is_admin BOOLEAN NOT NULL, UNIQUE(username));"
    )

    def __init__(self, *, database: str | os.PathLike[str] | None = None, **kwargs: Any) -> None:
        super().__init__(database, **kwargs)

    def insert(self, username: str, password: str | None, is_admin: bool) -> None:
        """Register a user.

        Args:
            username: The name to log in with.
            password: The password in plain text; only what it is checked against is kept.
            is_admin: Whether the user may administer the Manager.

        Raises:
            ValueError: The name can't be used or is taken, or the password is empty.
        """
        if re.search(r":\d+$", username):
            raise ValueError('A username cannot end with ":<integer>"')
        if has_controls(username):  # it is shown to people, in terminals and in logs
            raise ValueError(f"There are control characters in the username {username!r}")
        key, salt = _protect(username, password)
        try:
            self._change(
                f"INSERT INTO auth_users({_USER}) VALUES(NULL, ?, ?, ?, ?);",
                username,
                key,
                salt,
                bool(is_admin),
            )
        except sqlite3.IntegrityError:
            raise ValueError(f"A user with the name {username!r} already exists") from None

    def update(
        self, username: str, *, password: str | None = None, is_admin: bool | None = None
    ) -> None:
        """Change the password of a user, the administrator's rights, or both.

        Args:
            username: The name of the user.
            password: The new password in plain text.
            is_admin: Whether the user may administer the Manager.

        Raises:
            ValueError: The user is not in the table, there is nothing to change, or the
                password is empty.
        """
        self._ensure_registered(username, "update")
        if password is None and is_admin is None:
            raise ValueError(
                "Must specify either the password and/or the admin rights when updating"
            )
        columns: dict[str, bytes | bool] = {}
        if password is not None:
            columns["key"], columns["salt"] = _protect(username, password)
        if is_admin is not None:
            columns["is_admin"] = bool(is_admin)
        assignments = ", ".join(f"{column} = ?" for column in columns)
        self._change(
            f"UPDATE auth_users SET {assignments} WHERE username = ?;",  # noqa: S608
            *columns.values(),
            username,
        )

    def delete(self, username: str) -> None:
        """Remove a user.

        Raises:
            ValueError: The user is not in the table.
        """
        self._ensure_registered(username, "delete")
        self._change("DELETE FROM auth_users WHERE username = ?;", username)

    def get_user(self, username: str) -> UserRecord | None:
        """The record of a user: pid, username, key, salt and is_admin; None without one."""
        self.execute(f"SELECT {_USER} FROM auth_users WHERE username = ?;", (username,))  # noqa: S608
        user: UserRecord | None = self._cursor.fetchone()
        return user

    def records(self) -> list[UserRecord]:
        """The records of all users: pid, username, key, salt and is_admin of each."""
        return self._rows(f"SELECT {_USER} FROM auth_users ORDER BY pid;")  # noqa: S608

    def usernames(self) -> list[str]:
        """The names of all users, sorted."""
        return sorted(row[1] for row in self.records())

    def users(self) -> list[tuple[str, bool]]:
        """The name of each user and whether it is an administrator, sorted."""
        return sorted((row[1], bool(row[4])) for row in self.records())

    def is_user_registered(self, username: str) -> bool:
        """Whether a user of this name is in the table."""
        return self.get_user(username) is not None

    def is_password_valid(self, username: str, password: str) -> bool:
        """Whether this is the password of this user.

        The answer takes the same time for a user who does not exist as for a wrong password,
        so that nobody can find out names by trying.
        """
        user, kinds = self.for_login(username)
        key, salt = (None, b"") if user is None else user[2:4]
        return passwords.matches(password, key, salt, kinds)

    def for_login(self, username: str) -> tuple[UserRecord | None, set[passwords.Kind]]:
        """What a Manager needs to check a login: the record of the user, and the kinds of all keys.

        A user of this name need not exist, and there are no threads: the caller derives the keys.
        """
        try:
            user = self.get_user(username)
        except UnicodeEncodeError:  # half a surrogate pair, which no registered name can have
            user = None
        kinds = (passwords.kind_of(key) for (key,) in self._rows("SELECT key FROM auth_users;"))
        return user, {kind for kind in kinds if kind is not None}

    def replace_key(self, user: UserRecord, key: bytes, salt: bytes) -> bool:
        """Replace the key of a user by another one of the same password.

        Args:
            user: The record of the user, as it was when the password was found to be right.
            key: The new key.
            salt: Its salt.

        Returns:
            Whether it has been replaced. It is not where the record has changed meanwhile.

        Raises:
            sqlite3.Error: The database can't be written, or is locked.
        """
        ((timeout,),) = self._rows("PRAGMA busy_timeout;")
        self.execute(f"PRAGMA busy_timeout = {UPGRADE_TIMEOUT * 1000:.0f};")
        try:
            return bool(
                self._change(
                    "UPDATE auth_users SET key = ?, salt = ? "
                    "WHERE username = ? AND key = ? AND salt = ?;",
                    key,
                    salt,
                    *user[1:4],
                )
            )
        finally:
            self.execute(f"PRAGMA busy_timeout = {timeout};")

    def is_admin(self, username: str) -> bool:
        """Whether the user is registered, and as an administrator."""
        user = self.get_user(username)
        return user is not None and bool(user[4])

    def _ensure_registered(self, username: str, action: str) -> None:
        if not self.is_user_registered(username):
            raise ValueError(f"Cannot {action} {username!r}. This user is not in the table.")


def _protect(username: str, password: str | None) -> tuple[bytes, bytes]:
    if not password:
        raise ValueError(f"You must specify a password for {username!r}")
    return passwords.protect(password)


def _timestamp(moment: date | str, *, last: bool = False) -> str:
    """Write a moment as the column has it: local time, in ISO 8601, to the second."""
    if isinstance(moment, str):
        with contextlib.suppress(ValueError):
            moment = date.fromisoformat(moment)
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    elif not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(23, 59, 59) if last else time())
    if moment.tzinfo is not None:
        moment = _local(moment, last)
    return moment.isoformat(timespec="seconds")


def _local(moment: datetime, last: bool) -> datetime:
    # In the hour that clocks show twice, the column does not tell which of the two it was: both are
    # within the span, rather than neither.
    near = moment + timedelta(hours=-1 if last else 1)
    zones = (at.astimezone().tzinfo for at in (moment, near))
    shown = [moment.astimezone(zone).replace(tzinfo=None) for zone in zones]
    return max(shown) if last else min(shown)

"""The database of a Manager."""

import os
import sqlite3
import stat
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from msl_network import constants, passwords
from msl_network.database import ConnectionsTable, Database, HostnamesTable, UsersTable

PEER = SimpleNamespace(ip_address="192.0.2.7", domain="pi.example", port=50123)

# What 1.x wrote for `user add n.bohr --password "Ångström & Co" --admin`, and to the other tables.
DATABASE_OF_1X = """
CREATE TABLE auth_users (pid INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL,
    key BLOB NOT NULL, salt BLOB NOT NULL, is_admin BOOLEAN NOT NULL, UNIQUE(username));
INSERT INTO auth_users VALUES(1, 'n.bohr',
    x'2DCE896529C3E1C06DD9CE642AA4B69E7E4738DEEA3ECBB61E7DDAE364183026',
    x'FD0BEEA38B2ED93E479AB2516F869FF8', 1);
CREATE TABLE auth_hostnames (hostname TEXT NOT NULL, UNIQUE(hostname));
INSERT INTO auth_hostnames VALUES('labpc');
CREATE TABLE connections (pid INTEGER PRIMARY KEY AUTOINCREMENT, datetime DATETIME NOT NULL,
    ip_address TEXT NOT NULL, domain TEXT NOT NULL, port INTEGER NOT NULL, message TEXT NOT NULL);
INSERT INTO connections VALUES(NULL, '2019-03-01 08:00:00', '192.0.2.1', 'a', 1, 'before 1.0');
INSERT INTO connections VALUES(NULL, '2024-05-17T13:45:00', '192.0.2.2', 'b', 2, 'noon');
INSERT INTO connections VALUES(NULL, '2024-05-17T23:59:59', '192.0.2.3', 'c', 3, 'night');
INSERT INTO connections VALUES(NULL, '2024-05-18T00:00:00', '192.0.2.4', 'd', 4, 'next day');
"""


@pytest.fixture
def old(tmp_path):
    """A database that 1.x made."""
    path = str(tmp_path / "manager.sqlite3")
    connection = sqlite3.connect(path)
    connection.executescript(DATABASE_OF_1X)
    connection.close()
    return path


def test_database_of_1x_goes_on_working(old):
    with UsersTable(database=old) as users:
        assert users.is_password_valid("n.bohr", "Ångström & Co")
        assert not users.is_password_valid("n.bohr", "Angstrom & Co")
        assert users.is_admin("n.bohr")
        users.insert("m.curie", "radium", False)
        assert users.users() == [("m.curie", False), ("n.bohr", True)]
    with HostnamesTable(database=old) as hostnames:
        assert hostnames.hostnames() == ["labpc"]
    with ConnectionsTable(database=old) as connections:
        connections.insert(PEER, "now")
        assert [row[5] for row in connections.connections()] == [
            "before 1.0",
            "noon",
            "night",
            "next day",
            "now",
        ]


def test_key_of_1x_stays_until_its_user_logs_in(old):
    with UsersTable(database=old) as users:
        before = users.get_user("n.bohr")
        assert users.is_password_valid("n.bohr", "Ångström & Co")
        users.update("n.bohr", is_admin=False)
        assert users.get_user("n.bohr")[2:4] == before[2:4]
        users.update("n.bohr", password="Ångström & Co")
        assert passwords.kind_of(users.get_user("n.bohr")[2]) == passwords.CURRENT
        assert users.is_password_valid("n.bohr", "Ångström & Co")


def test_key_is_replaced_only_where_nothing_has_changed(old):
    with UsersTable(database=old) as users:
        before = users.get_user("n.bohr")
        users.update("n.bohr", password="another")
        assert not users.replace_key(before, *passwords.protect("Ångström & Co"))
        assert users.is_password_valid("n.bohr", "another")
        assert users.replace_key(users.get_user("n.bohr"), *passwords.protect("third"))
        assert users.is_password_valid("n.bohr", "third")


def test_layout_is_that_of_1x(tmp_path, old):
    path = tmp_path / "new.sqlite3"
    for table in (ConnectionsTable, HostnamesTable, UsersTable):
        table(database=path).close()
    with Database(path) as new, Database(old) as before:
        assert new.tables() == before.tables() == ["auth_hostnames", "auth_users", "connections"]
        for name in new.tables():
            assert new.table_info(name) == before.table_info(name)
        assert new.column_names("auth_users") == ["pid", "username", "key", "salt", "is_admin"]
        assert new.column_datatypes("connections")[1:4] == ["DATETIME", "TEXT", "TEXT"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, "2019-03-01", ["before 1.0"]),
        ("2019-03-01T08:00:01", "2024-05-17T13:45:00", ["noon"]),
        ("2024-05-17", "2024-05-17", ["noon", "night"]),
        (datetime(2024, 5, 17, 13, 45, 0, 999), None, ["noon", "night", "next day"]),
        (None, datetime(2024, 5, 17, 13, 44, 59), ["before 1.0"]),
        (datetime(2030, 1, 1), datetime(2029, 1, 1), []),
    ],
)
def test_connections_of_a_span_of_time(old, start, end, expected):
    with ConnectionsTable(database=old) as table:
        assert [row[5] for row in table.connections(start=start, end=end)] == expected


def test_connections_since_a_time_with_a_zone(tmp_path):
    with ConnectionsTable(database=":memory:") as table:
        table.insert(PEER, "now")
        zone = timezone(timedelta(hours=11))
        ago = datetime.now(zone) - timedelta(minutes=1)
        assert len(table.connections(start=ago)) == 1
        assert table.connections(end=ago.isoformat()) == []


@pytest.mark.parametrize("day", ["2024-05-17", "20240517", "2024-W20-5", date(2024, 5, 17)])
def test_a_day_is_the_whole_of_it(old, day):
    with ConnectionsTable(database=old) as table:
        records = table.connections(start=day, end=day)
        assert [row[5] for row in records] == ["noon", "night"]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows can't change the zone of a process")
def test_hour_that_clocks_show_twice(monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        with ConnectionsTable(database=":memory:") as table:
            # at 3:00 in the night of 25 October 2026 it is 2:00 once more
            for hours in (2, 1, 0):
                when = datetime(2026, 10, 25, 2, 10, tzinfo=UTC) - timedelta(hours=hours)
                table.insert(PEER, f"{hours}", when.astimezone().replace(tzinfo=None))
            ago = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
            assert [row[5] for row in table.connections(start=ago)] == ["2", "1", "0"]
            assert [row[5] for row in table.connections(start=ago + timedelta(hours=1))] == ["0"]
            assert [row[5] for row in table.connections(end=ago)] == ["2", "1"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_columns_of_a_later_version_are_left_alone(old):
    with Database(old) as database:
        for name in ("connections", "auth_hostnames", "auth_users"):
            database.execute(f"ALTER TABLE {name} ADD COLUMN more TEXT DEFAULT 'x';")
    with ConnectionsTable(database=old) as table:
        table.insert(PEER, "now")
        assert {len(row) for row in table.connections()} == {6}
    with HostnamesTable(database=old) as hostnames:
        hostnames.insert("pi")
        assert hostnames.hostnames() == ["labpc", "pi"]
    with UsersTable(database=old) as users:
        users.insert("l.meitner", "secret", True)
        assert users.is_password_valid("l.meitner", "secret")
        assert len(users.get_user("l.meitner")) == 5


def test_time_that_is_none(old):
    with ConnectionsTable(database=old) as table, pytest.raises(ValueError, match="yesterday"):
        table.connections(start="yesterday")


def test_record_and_its_time(tmp_path):
    path = tmp_path / "a" / "b" / "manager.sqlite3"
    before = datetime.now().replace(microsecond=0)
    with ConnectionsTable(database=path) as table:
        table.insert(PEER, "new connection request")
        ((pid, when, *others),) = table.connections()
    assert (pid, others) == (1, ["192.0.2.7", "pi.example", 50123, "new connection request"])
    with ConnectionsTable(database=path, as_datetime=True) as table:
        moment = table.connections()[0][1]
    assert isinstance(moment, datetime)
    assert moment.isoformat() == when
    assert before <= moment <= datetime.now()


def test_record_can_neither_begin_a_line_nor_act_on_a_terminal():
    peer = SimpleNamespace(ip_address="192.0.2.7", domain="a\x1b[2Jb", port=1)
    with ConnectionsTable(database=":memory:") as table:
        table.insert(peer, "connected\n2024-01-01 as \u202eanother\x9b1A\ud800")
        ((*_, domain, _, message),) = table.connections()
    assert domain == r"a\x1b[2Jb"
    assert message == r"connected\n2024-01-01 as \u202eanother\x9b1A\ud800"


def test_oldest_records_make_way_a_few_at_a_time():
    with ConnectionsTable(database=":memory:") as table:
        assert table.prune(10) == 0
        with table.connection:
            table.cursor.executemany(
                "INSERT INTO connections VALUES(NULL, '2024-05-17T13:45:00', '', '', 1, ?);",
                ((str(i),) for i in range(4510)),
            )
        assert [table.prune(10) for _ in range(4)] == [2000, 2000, 500, 0]
        assert [row[5] for row in table.connections()] == [str(i) for i in range(4500, 4510)]
        table.insert(PEER, "now")
        assert table.prune(10) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_can_read_the_database_or_its_journal(tmp_path):
    before = os.umask(0)
    try:
        with UsersTable(database=tmp_path / "db.sqlite3") as table:
            for mode in ("DELETE", "WAL"):
                table.execute(f"PRAGMA journal_mode = {mode};")
                assert table.cursor.fetchall() == [(mode.lower(),)]
                table.execute("INSERT INTO auth_users VALUES(NULL, ?, x'', x'', 0);", (mode,))
                modes = {
                    path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()
                }
                assert len(modes) > 1
                assert set(modes.values()) == {0o600}
                table.connection.commit()
    finally:
        os.umask(before)


def test_as_datetime_leaves_the_rest_of_the_process_alone(old):
    ConnectionsTable(database=old, as_datetime=True).close()
    other = sqlite3.connect(old, detect_types=sqlite3.PARSE_DECLTYPES)
    rows = other.execute("SELECT datetime FROM connections").fetchall()
    other.close()
    assert rows[1] == ("2024-05-17T13:45:00",)


def test_default_database_and_its_folder_are_made(tmp_path, monkeypatch):
    path = tmp_path / "home" / "manager.sqlite3"
    monkeypatch.setattr(constants, "DATABASE", str(path))
    with HostnamesTable() as table:
        assert table.path == str(path)
        assert set(table.hostnames()) == constants.LOCALHOST_ALIASES
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_hostnames():
    with HostnamesTable(database=":memory:") as table:
        table.insert("zeta")
        table.insert("zeta")
        assert table.hostnames().count("zeta") == 1
        table.delete("zeta")
        with pytest.raises(ValueError) as error:
            table.delete("zeta")
        assert str(error.value) == "Cannot delete 'zeta'. This hostname is not in the table."
        with pytest.raises(ValueError, match="There are control characters in the hostname"):
            table.insert("zeta\n")


def test_users():
    with UsersTable(database=":memory:") as table:
        table.insert("n.bohr", "first", False)
        table.insert("a.smith", "second", True)
        assert table.usernames() == ["a.smith", "n.bohr"]
        assert table.users() == [("a.smith", True), ("n.bohr", False)]
        assert table.records()[0] == table.get_user("n.bohr")
        assert table.get_user("nobody") is None
        assert table.is_user_registered("a.smith")
        assert not table.is_admin("nobody")

        table.update("n.bohr", is_admin=True)
        assert table.is_admin("n.bohr")
        assert table.is_password_valid("n.bohr", "first")
        table.update("n.bohr", password="third", is_admin=False)
        assert not table.is_admin("n.bohr")
        assert not table.is_password_valid("n.bohr", "first")
        assert table.is_password_valid("n.bohr", "third")
        table.update("a.smith", password="third")
        assert table.is_admin("a.smith")
        assert table.get_user("a.smith")[2:4] != table.get_user("n.bohr")[2:4]

        table.delete("n.bohr")
        assert not table.is_user_registered("n.bohr")
        assert not table.is_password_valid("n.bohr", "third")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: t.insert("x:1", "p", False), 'A username cannot end with ":<integer>"'),
        (
            lambda t: t.insert("x\n\x1b[2J", "p", False),
            r"There are control characters in the username 'x\n\x1b[2J'",
        ),
        (lambda t: t.insert("x", "", False), "You must specify a password for 'x'"),
        (lambda t: t.insert("x", None, False), "You must specify a password for 'x'"),
        (lambda t: t.insert("a", "p", False), "A user with the name 'a' already exists"),
        (lambda t: t.update("a", password=""), "You must specify a password for 'a'"),
        (
            lambda t: t.update("a"),
            "Must specify either the password and/or the admin rights when updating",
        ),
        (lambda t: t.update("x"), "Cannot update 'x'. This user is not in the table."),
        (lambda t: t.delete("x"), "Cannot delete 'x'. This user is not in the table."),
    ],
)
def test_what_users_cannot_be(call, text):
    with UsersTable(database=":memory:") as table:
        table.insert("a", "secret", False)
        with pytest.raises(ValueError) as error:
            call(table)
        assert str(error.value) == text
        assert table.users() == [("a", False)]


@pytest.mark.parametrize("mixed", [True, False], ids=["with a key of 1.x", "without"])
def test_unknown_user_costs_as_much_as_a_wrong_password(old, mixed, monkeypatch):
    """Whoever is asked for, the same keys are derived in the same order."""
    work = []
    derive = passwords._derive

    def watched(kind, password, salt):
        work.append((kind, len(salt)))
        return derive(kind, password, salt)

    with UsersTable(database=old) as table:
        table.insert("m.curie", "secret", False)
        if not mixed:
            table.delete("n.bohr")
        monkeypatch.setattr(passwords, "_derive", watched)
        each = []
        for name in ("m.curie", "n.bohr", "nobody", "\ud800"):
            for password in ("wrong", ""):
                assert not table.is_password_valid(name, password)
                each.append(work.copy())
                work.clear()
    kinds = [passwords.OF_1X, passwords.CURRENT] if mixed else [passwords.CURRENT]
    assert each == [[(kind, 16) for kind in kinds]] * 8


def test_lone_surrogates_are_only_a_wrong_login():
    with UsersTable(database=":memory:") as table:
        table.insert("n.bohr", "secret", False)
        assert not table.is_password_valid("n.bohr", "\ud800")
        assert not table.is_password_valid("\ud800", "secret")


def test_sql_in_a_name_is_only_a_name():
    name = "x'; DROP TABLE auth_users; --"
    with UsersTable(database=":memory:") as table:
        table.insert(name, "secret", False)
        assert table.is_password_valid(name, "secret")
        assert table.column_names("x'); DROP TABLE auth_users; --") == []
        assert table.usernames() == [name]


def test_other_thread_may_use_it_when_it_is_told_so(tmp_path):
    names = []
    with UsersTable(database=tmp_path / "db.sqlite3", check_same_thread=False) as table:
        table.insert("n.bohr", "secret", False)
        thread = threading.Thread(target=lambda: names.extend(table.usernames()))
        thread.start()
        thread.join()
    assert names == ["n.bohr"]


def test_locked_database(tmp_path):
    path = tmp_path / "db.sqlite3"
    with ConnectionsTable(database=path, timeout=0.01) as table:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            table.insert(PEER, "lost")
        other.execute("ROLLBACK")
        other.close()
        table.insert(PEER, "kept")
        assert [row[5] for row in table.connections()] == ["kept"]


def test_closed_at_the_end_of_a_block(tmp_path):
    with UsersTable(database=tmp_path / "db.sqlite3") as table:
        pass
    table.close()
    with pytest.raises(sqlite3.ProgrammingError):
        table.usernames()


def test_file_that_is_not_a_database(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        UsersTable(database=path)
    assert path.read_text().startswith("not a database")

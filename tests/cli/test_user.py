"""msl-network user."""

import getpass
import sqlite3
import sys
from types import SimpleNamespace

import pytest

from msl_network.database import UsersTable


@pytest.fixture
def terminal(monkeypatch):
    """A person at a terminal, who types what is in the list that this returns."""
    typed = []

    def answer(prompt):
        if not typed:
            raise EOFError
        return typed.pop(0)

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(getpass, "getpass", answer)
    return typed


def test_life_of_a_user(run, home):
    assert run("user", "add", "n.bohr", "--password", "two", "words") == (
        0,
        "n.bohr has been added\n",
    )
    assert run("user", "insert", "marie.curie", "-a", "-p", "x") == (
        0,
        "marie.curie has been inserted\n",
    )
    assert run("user", "list") == (
        0,
        f"Users in {home / 'manager.sqlite3'}\n"
        "\n"
        "Username    Administrator\n"
        "=========== =============\n"
        "marie.curie True\n"
        "n.bohr      False\n",
    )
    with UsersTable() as table:
        assert table.is_password_valid("n.bohr", "two words")

    assert run("user", "update", "n.bohr", "--admin") == (
        0,
        "Updated n.bohr: is an administrator now\n",
    )
    assert run("user", "update", "marie.curie") == (
        0,
        "Updated marie.curie: is no administrator now\n",
    )
    with UsersTable() as table:
        assert table.users() == [("marie.curie", False), ("n.bohr", True)]
        assert table.is_password_valid("n.bohr", "two words")

    assert run("user", "remove", "n.bohr") == (0, "n.bohr has been removed\n")
    assert run("user", "delete", "marie.curie") == (0, "marie.curie has been deleted\n")
    assert run("user", "list") == (0, "There are no users in the database\n")


def test_password_in_a_file(run, tmp_path):
    (tmp_path / "my secret.txt").write_text(" Ångström \nsecond line\n", encoding="utf-8")
    assert run("user", "add", "n.bohr", "--password", "my", "secret.txt") == (
        0,
        "Reading the password from the file\nn.bohr has been added\n",
    )
    with UsersTable() as table:
        assert table.is_password_valid("n.bohr", "Ångström")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("add", "You must specify a username to add"),
        ("update", "You must specify a username to update"),
        ("add x", "You must specify a password for 'x'"),
        ("add x:1 -p p", 'A username cannot end with ":<integer>"'),
        ("add n.bohr -p p", "A user with the name 'n.bohr' already exists"),
        ("update x", "Cannot update 'x'. This user is not in the table."),
        ("remove x", "Cannot remove 'x'. This user is not in the table."),
        ("delete x", "Cannot delete 'x'. This user is not in the table."),
    ],
)
def test_what_cannot_be_done(run, words, text):
    run("user", "add", "n.bohr", "-p", "secret")
    assert run("user", *words.split()) == (1, f"ValueError: {text}\n")
    with UsersTable() as table:
        assert table.users() == [("n.bohr", False)]


def test_person_is_asked_for_the_password(run, terminal):
    terminal += ["secret", "secret"]
    assert run("user", "add", "n.bohr") == (0, "n.bohr has been added\n")
    with UsersTable() as table:
        assert table.is_password_valid("n.bohr", "secret")


def test_person_changes_the_password_without_a_trace_in_the_history(run, terminal):
    run("user", "add", "n.bohr", "-a", "-p", "old")
    terminal += ["new", "new"]
    assert run("user", "update", "n.bohr", "--admin", "--password") == (
        0,
        "Updated n.bohr: has a new password\n",
    )
    with UsersTable() as table:
        assert table.users() == [("n.bohr", True)]
        assert table.is_password_valid("n.bohr", "new")


def test_new_password_is_not_asked_for_where_nobody_can_answer(run):
    run("user", "add", "n.bohr", "-p", "old")
    assert run("user", "update", "n.bohr", "-p") == (
        1,
        "ValueError: You must specify a password for 'n.bohr'\n",
    )
    assert run("user", "delete", "n.bohr", "-p") == (0, "n.bohr has been deleted\n")


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (["secret", "secrte"], "The passwords differ"),
        (["", ""], "You must specify a password for 'n.bohr'"),
        ([], "You must specify a password for 'n.bohr'"),
    ],
)
def test_person_types_something_else(run, terminal, typed, text):
    terminal += typed
    assert run("user", "add", "n.bohr") == (1, f"ValueError: {text}\n")
    with UsersTable() as table:
        assert table.users() == []


def test_other_database(run, tmp_path):
    path = tmp_path / "sub" / "other.db"
    run("user", "add", "n.bohr", "-p", "secret", "-d", path)
    assert run("user", "list", "--database", path)[1].startswith(f"Users in {path}\n")
    assert run("user", "list") == (0, "There are no users in the database\n")


def test_file_that_is_not_a_database(run, tmp_path):
    (tmp_path / "notes").write_text("not a database" * 100)
    assert run("user", "list", "-d", "notes") == (1, "DatabaseError: file is not a database\n")


def test_locked_database(run, tmp_path, monkeypatch):
    monkeypatch.setattr("msl_network.database.BUSY_TIMEOUT", 0.01)
    run("user", "list")
    other = sqlite3.connect(tmp_path / "home" / "manager.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert run("user", "list") == (1, "OperationalError: database is locked\n")
    other.close()

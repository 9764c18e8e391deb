"""Passwords and logins."""

import asyncio
import logging
import os
import sqlite3
import stat
import sys
import time
import tracemalloc

import pytest

from msl_network import LocalManager, connect, passwords
from msl_network.database import UsersTable
from msl_network.manager import authentication
from msl_network.manager.authentication import Brake, Login, LoginCheck, same_password
from msl_network.workers import Workers

from ..raw import RawPeer

KEY_OF_1X = """INSERT INTO auth_users VALUES(NULL, 'n.bohr',
    x'2DCE896529C3E1C06DD9CE642AA4B69E7E4738DEEA3ECBB61E7DDAE364183026',
    x'FD0BEEA38B2ED93E479AB2516F869FF8', 1);"""
PASSWORD = "Ångström & Co"


@pytest.fixture
def database(tmp_path):
    """A database with a user of 1.x and one of this package."""
    path = tmp_path / "users.sqlite3"
    with UsersTable(database=path) as users:
        users.execute(KEY_OF_1X)
        users.connection.commit()
        users.insert("m.curie", "radium", False)
    return path


@pytest.fixture
def derived(monkeypatch):
    """The kinds of the keys that have been derived."""
    kinds = []
    derive = passwords._derive

    def watched(kind, password, salt):
        kinds.append(kind)
        return derive(kind, password, salt)

    monkeypatch.setattr(passwords, "_derive", watched)
    return kinds


def with_check(database, use, **kwargs):
    """Run a coroutine function with a LoginCheck."""

    async def main():
        thread = Workers("users", 1)
        users = UsersTable(database=database, check_same_thread=False, **kwargs)
        check = LoginCheck(users, thread)
        try:
            return await use(check.check)
        finally:
            check.close()
            await thread.run(users.close)
            thread.close()

    return asyncio.run(main())


def kind(database, name="n.bohr"):
    with UsersTable(database=database) as users:
        return passwords.kind_of(users.get_user(name)[2])


def test_login_tells_who_it_is_and_no_name_that_nobody_has(database):
    async def use(check):
        assert await check("n.bohr", PASSWORD) == Login(True, True, "n.bohr")
        assert await check("m.curie", "radium") == Login(True, False, "m.curie")
        assert await check("m.curie", "polonium") == Login(False, False, "m.curie")
        # people type the password where the name belongs
        for name, password in (("radium", "m.curie"), ("\ud800", "x"), (5, "x"), ("m.curie", None)):
            assert (await check(name, password)).username is None

    with_check(database, use)


def test_key_of_1x_is_upgraded_at_the_right_login_and_at_no_wrong_one(database):
    async def use(check):
        assert not (await check("n.bohr", "wrong")).right
        assert kind(database) == passwords.OF_1X
        assert (await check("n.bohr", PASSWORD)).right
        assert kind(database) == passwords.CURRENT

    with_check(database, use)

    async def again(check):
        assert (await check("n.bohr", PASSWORD)) == Login(True, True, "n.bohr")
        assert not (await check("n.bohr", "wrong")).right

    with_check(database, again)


def test_login_of_1x_works_where_the_database_cannot_be_written(database, caplog):
    caplog.set_level(logging.INFO, "msl_network")

    async def use(check):
        assert (await check("n.bohr", PASSWORD)).right
        assert kind(database) == passwords.OF_1X

    with_check(f"file:{database}?mode=ro", use, uri=True)
    (line,) = caplog.messages
    assert line.startswith("the key of the user 'n.bohr' stays that of 1.x: attempt to write")
    caplog.clear()
    # or where another program writes for long: the login does not wait for that
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with_check(database, use)
    other.close()
    assert caplog.messages == ["the key of the user 'n.bohr' stays that of 1.x: database is locked"]


def test_hundred_clients_of_a_user_that_come_back_at_once_cost_a_few_derivations(database, derived):
    async def use(check):
        return await asyncio.gather(*[check("n.bohr", PASSWORD) for _ in range(100)])

    assert with_check(database, use) == [Login(True, True, "n.bohr")] * 100
    # one of each kind to check, one for the new key, and once more for those that began with it
    assert 3 <= len(derived) <= 5 * authentication.DERIVATIONS
    assert kind(database) == passwords.CURRENT


def test_wrong_password_is_derived_each_time_whatever_is_remembered(database, derived):
    async def use(check):
        await check("n.bohr", PASSWORD)
        await check("m.curie", "radium")
        costs = []
        for name in ("n.bohr", "m.curie", "nobody"):
            for password in ("wrong", PASSWORD[:-1], "wrong"):
                derived.clear()
                assert not (await check(name, password)).right
                costs.append(derived.copy())
        assert costs == [[passwords.CURRENT]] * 9

    with_check(database, use)


@pytest.mark.parametrize("change", ["delete", "password", "delete and insert"])
def test_change_of_a_user_takes_effect_at_once(database, derived, change):
    async def use(check):
        assert (await check("m.curie", "radium")).right
        derived.clear()
        assert (await check("m.curie", "radium")).right
        assert derived == []
        with UsersTable(database=database) as users:
            if change == "password":
                users.update("m.curie", password="polonium")
            else:
                users.delete("m.curie")
            if change.endswith("insert"):
                users.insert("m.curie", "polonium", True)
        assert not (await check("m.curie", "radium")).right
        assert (await check("m.curie", "polonium")).right == (change != "delete")

    with_check(database, use)


def test_rights_that_are_taken_away_are_gone_at_once(database):
    async def use(check):
        assert (await check("n.bohr", PASSWORD)).is_admin
        with UsersTable(database=database) as users:
            users.update("n.bohr", is_admin=False)
        assert await check("n.bohr", PASSWORD) == Login(True, False, "n.bohr")

    with_check(database, use)


def test_user_who_is_removed_while_the_password_is_checked(database, monkeypatch):
    derive = passwords._derive

    def removing(kind, password, salt):
        with UsersTable(database=database) as users:
            if users.is_user_registered("m.curie"):
                users.delete("m.curie")
        return derive(kind, password, salt)

    monkeypatch.setattr(passwords, "_derive", removing)

    async def use(check):
        assert not (await check("m.curie", "radium")).right

    with_check(database, use)


def test_login_is_forgotten_after_a_while_and_so_is_who_is_too_much(database, derived, monkeypatch):
    async def use(check):
        await check("m.curie", "radium")
        monkeypatch.setattr(time, "monotonic", lambda clock=time.monotonic: clock() + 3600)
        derived.clear()
        await check("m.curie", "radium")
        assert derived
        await check("n.bohr", PASSWORD)
        derived.clear()
        await check("m.curie", "radium")
        assert derived

    monkeypatch.setattr(authentication, "LOGINS_REMEMBERED", 1)
    with_check(database, use)


def test_password_is_compared_as_a_whole():
    assert same_password("two wörds", "two wörds")
    for given in ("two word", "two wörds ", "", "\ud800", None, 5):
        assert not same_password(given, "two wörds")


def test_tries_from_an_address_are_made_one_at_a_time(monkeypatch):
    """A hundred passwords at once are not a hundred tries before the first is found wrong."""
    monkeypatch.setattr(authentication, "LOGIN_DELAY", 0.05)

    async def main():
        brake = Brake()
        under_way = set()
        made = []

        async def attempt(address):
            async with brake.turn(address):
                assert address not in under_way
                under_way.add(address)
                await asyncio.sleep(0)
                brake.failed(address)
                made.append((address, time.monotonic()))
                under_way.remove(address)

        start = time.monotonic()
        await asyncio.gather(*[attempt("192.0.2.1") for _ in range(6)], attempt("192.0.2.2"))
        assert {address for address, _ in made[:2]} == {"192.0.2.1", "192.0.2.2"}
        assert made[-1][1] - start >= 0.05 + 0.1 + 0.2
        assert not brake._turns

    asyncio.run(main())


def test_addresses_of_one_ipv6_network_are_one():
    """A computer has as many of them as it likes."""
    brake = Brake()
    for i in range(authentication.LOGIN_ATTEMPTS):
        brake.failed(f"2001:db8::{i}")
    assert brake.delay("2001:db8::ffff") > 0
    assert brake.delay("2001:db8:0:1::1") == 0
    brake.succeeded("2001:db8::a")
    assert brake.delay("2001:db8::0") == 0


def test_who_has_many_addresses_and_long_names_takes_no_memory(monkeypatch):
    monkeypatch.setattr(authentication, "LOGINS_FAILED", 100)
    brake = Brake()
    tracemalloc.start()
    try:
        for _ in range(3):
            brake.failed("192.0.2.1", "n.bohr")
        for i in range(1000):
            brake.failed(f"2001:db8:0:{i:x}::1", f"{i}" * 10_000)
            if i % 50 == 0:
                brake.failed("192.0.2.1", "n.bohr")  # who goes on is not forgotten
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
    assert brake.delay("192.0.2.1") > 1
    assert brake.delay("192.0.2.2") == 0
    brake.succeeded("192.0.2.1", "n.bohr")
    assert brake.delay("192.0.2.1") == 0


def test_login_of_ones_own_does_not_make_up_for_tries_at_the_account_of_another():
    brake, address = Brake(), "192.0.2.1"
    for user in ("eve", "ada", "ada"):
        brake.failed(address, user)
    brake.succeeded(address, "eve")
    assert brake.delay(address) > 0
    other = "192.0.2.2"
    for _ in range(3):
        brake.failed(other, "ada")
    brake.succeeded(other, "eve")
    assert brake.delay(other) > 0
    brake.succeeded(other, "ada")  # a person who has remembered it
    assert brake.delay(other) == 0


def test_connection_that_has_gone_makes_no_try(monkeypatch):
    """What somebody leaves behind in the queue holds nobody up, and is not counted."""
    failed = []
    note = Brake.failed
    monkeypatch.setattr(authentication, "LOGIN_DELAY", 0.5)
    monkeypatch.setattr(Brake, "failed", lambda *args: failed.append(args) or note(*args))
    with LocalManager(auth_password="right") as manager:
        for _ in range(3):
            with RawPeer(manager.port) as raw:
                raw.read()
                assert raw.ask({"result": "wrong"})["error"]
        with RawPeer(manager.port) as raw:
            raw.read()
            raw.send({"result": "wrong"})
        connect(**manager.kwargs).disconnect()
        assert len(failed) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_can_read_the_files_of_a_local_manager():
    before = os.umask(0)
    try:
        with LocalManager(auth_login=True, users={"n.bohr": "x"}) as manager:
            folder = os.path.dirname(manager.kwargs["cert_file"])
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
            for name in ("manager.key", "manager.sqlite3"):
                assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600
    finally:
        os.umask(before)

"""Ten thousand mutated messages at a live Manager, at every stage of a connection.

Who sends them is told what is wrong in words of the documentation, or is disconnected; a healthy
Client's calls go on meanwhile; and at the end the Manager holds what it held before.
"""

import time

import pytest

from msl_network import RemoteError, connect, passwords
from msl_network.cryptography import generate_certificate, generate_key
from msl_network.database import UsersTable
from msl_network.examples.echo import Echo
from tests.child import Child
from tests.manager_child import QUICK
from tests.ports import free_port

from .attacker import USER, Attacker

GROWTH = 32
"""Most MiB by which the Manager's process may grow."""

# (stage, messages over one connection, connections)
PLANS = {
    "none": [
        ("identity", 10, 100),
        ("client", 25, 160),
        ("service", 25, 60),
        ("login", 25, 20),
    ],
    "login": [
        ("username", 10, 40),
        ("password", 10, 40),
        ("identity", 10, 40),
        ("client", 25, 60),
        ("service", 25, 20),
    ],
}


def settled(manager, expected):
    """What the Manager holds, when that is what is expected, or at the latest after a while."""
    deadline = time.monotonic() + 20
    while True:
        held = manager.ask("census")
        if all(held[name] <= number for name, number in expected.items()):
            return held
        if time.monotonic() > deadline:
            return held
        time.sleep(0.05)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("authentication", "tls"), [("none", True), ("login", False)])
def test_mutated_messages(authentication, tls, tmp_path, monkeypatch):
    monkeypatch.setattr(passwords, "CURRENT", QUICK)
    login = authentication == "login"
    port = free_port()
    database = str(tmp_path / "manager.sqlite3")
    options = {"host": "127.0.0.1", "port": port, "database": database}
    kwargs = {"host": "localhost", "port": port}
    if tls:
        key = generate_key(path=str(tmp_path / "key"), algorithm="ECC")
        kwargs["cert_file"] = generate_certificate(path=str(tmp_path / "crt"), key_path=key)
        options |= {"cert_file": kwargs["cert_file"], "key_file": key}
    else:
        options["disable_tls"] = kwargs["disable_tls"] = True
    with UsersTable(database=database) as users:
        users.insert(*USER, False)
    if login:
        options["auth_login"] = True
        kwargs["username"], kwargs["password"] = USER

    config = {"options": options, "patient": True}
    with (
        Child("tests.manager_child", "manager", tmp_path, config) as manager,
        Echo().start_in_background(**kwargs),
        connect(**kwargs) as client,
    ):
        link = client.link("Echo")
        attacker = Attacker(port, tls=tls, login=login, seed=1875)

        def strike(stage, count):
            if stage != "service":
                attacker.strike(stage, count)
                return
            error = attacker.answer_as_service(client, count).exception(20)
            types = ("ConnectionAbortedError", "ValueError", "RuntimeError", "OvenError")
            types += ("CancelledError",)
            assert error is None or (isinstance(error, RemoteError) and error.type in types)

        for stage, count, _ in PLANS[authentication]:  # what is needed once is there then
            strike(stage, count)
        client.spawn().disconnect()
        before = settled(manager, {"connections": 2, "links": 1, "locks": 0, "in flight": 0})
        for stage, count, connections in PLANS[authentication]:
            for i in range(connections):
                strike(stage, count)
                if i % 20 == 0:
                    assert link.echo(i, timeout=10) == [[i], {}]
        expected = {
            name: number
            for name, number in before.items()
            if name not in ("memory", "pool", "task names")
        }
        after = settled(manager, expected)
        left = {name: after[name] for name in expected if after[name] > expected[name]}
        assert not left, after
        assert after["errors"] == []
        assert after["memory"] - before["memory"] < GROWTH
        assert attacker.sent >= sum(n * m for _, n, m in PLANS[authentication])
        assert {"ValueError", "TypeError", "KeyError", "PermissionError"} <= set(attacker.refused)

"""What an owner reads the next morning: who was there, as whom, and what they were refused."""

import asyncio
import contextlib
import socket
import threading
import weakref
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from msl_network import LocalManager, RemoteError, Service, connect
from msl_network.database import ConnectionsTable
from msl_network.manager import peer, recorder
from msl_network.manager.recorder import Recorder

from ..laboratory import eventually
from ..raw import RawPeer

USERS = {"n.bohr": "copenhagen", "m.curie": "radium"}


class Dmm(Service):
    def __init__(self):
        super().__init__(max_clients=1)

    def read(self):
        return 5


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "manager.sqlite3")


def messages(database):
    """What happened to the connections of a Manager."""
    return [text for text in everything(database) if not text.startswith("the Manager has")]


def everything(database):
    with ConnectionsTable(database=database) as table:
        return [row[5] for row in table.connections()]


def test_who_it_was(database):
    with LocalManager(database=database, auth_login=True, users=USERS) as manager:
        with connect(name="Mine", **manager.kwargs) as client:
            (name,) = client.identities()["clients"]
        wrong = {**manager.kwargs, "password": "wrong"}
        for user in ("m.curie", "radium"):
            with pytest.raises(ValueError, match="Wrong login password"):
                connect(**{**wrong, "username": user})
    kept = [text for text in messages(database) if text != "new connection request"]
    assert kept[:2] == [f"connected as a client: {name}, user 'n.bohr'", "disconnected"]
    # a name that nobody has may be a password: it is not kept
    assert kept[2::2] == [
        "rejected: wrong login password, user 'm.curie'",
        "rejected: wrong login password",
    ]


def test_what_waits_for_the_database_keeps_its_time_and_no_device(database):
    busy = threading.Event()
    note = Recorder(ConnectionsTable(database=database, check_same_thread=False))
    note.thread.submit(busy.wait, 20)
    device = type("Device", (), {"ip_address": "192.0.2.1", "domain": "pi", "port": 5})()
    before = datetime.now()
    note.record(device, "connected")
    after, gone = datetime.now(), weakref.ref(device)
    del device
    assert gone() is None
    eventually(lambda: datetime.now() >= after + timedelta(seconds=1))
    busy.set()
    asyncio.run(note.close())
    with ConnectionsTable(database=database) as table:
        ((_, when, *row),) = table.connections()
    assert row == ["192.0.2.1", "pi", 5, "connected"]
    assert before.replace(microsecond=0) <= datetime.fromisoformat(when) <= after


def test_who_became_an_administrator(database):
    with LocalManager(database=database, users=USERS) as manager:
        for user, password in USERS.items():
            with connect(**manager.kwargs, username=user, password=password) as client:
                if user == "n.bohr":
                    client.admin_request("users_table.usernames")
                    continue
                with pytest.raises(RemoteError, match="must be an administrator"):
                    client.admin_request("users_table.usernames")
        with (
            connect(**manager.kwargs, username="n.bohr", password="x") as client,
            pytest.raises(RemoteError, match="Wrong login password"),
        ):
            client.admin_request("users_table.usernames")
    kept = [text.partition(": Client[")[0] for text in messages(database)]
    assert [text for text in kept if "user" in text] == [
        "logged in as an administrator, user 'n.bohr'",
        "logged in as no administrator, user 'm.curie'",
        "rejected: wrong login password, user 'n.bohr'",
    ]


def test_what_an_administrator_has_changed(database):
    with LocalManager(database=database, users=USERS) as manager:
        kwargs = {**manager.kwargs, "username": "n.bohr", "password": USERS["n.bohr"]}
        with connect(**kwargs, reconnect=0) as client:
            client.admin_request("users_table.insert", "new", "secret", False)
            client.admin_request("hostnames_table.insert", "labpc")
            client.admin_request("users_table.users")
            client.admin_request("shutdown_manager", timeout=20)
    kept = [text for text in messages(database) if " by Client[" in text]
    assert [text.partition(" by ")[0] for text in kept] == [
        "users_table.insert",
        "hostnames_table.insert",
        "shutdown_manager",
    ]
    assert all(text.endswith(", user 'n.bohr'") for text in kept)
    assert not any("secret" in text for text in messages(database))


def test_what_was_refused_in_a_session_once_a_minute(database, monkeypatch):
    service = Dmm()
    with (
        LocalManager(database=database) as manager,
        service.start_in_background(**manager.kwargs),
        connect(name="First", **manager.kwargs) as first,
        connect(name="Greedy", **manager.kwargs) as greedy,
    ):
        link = first.link("Dmm")
        link.acquire_lock()

        def ask(times):
            for _ in range(times):
                with pytest.raises(RemoteError, match="PermissionError"):
                    greedy.link("Dmm")

        ask(20)
        link.release_lock()
        ask(20)  # for another reason: it is full
        name = next(name for name in greedy.identities()["clients"] if name.startswith("Greedy"))
        monkeypatch.setattr(peer, "REFUSAL_PAUSE", 0.0)
        ask(1)
        monkeypatch.undo()
        with RawPeer(manager.port) as raw:
            raw.client("Liar")
            liar = f"Liar[{name.partition('[')[2].partition(':')[0]}:{raw.port}]"
            for _ in range(3):
                raw.send({"result": 1, "requester": name, "uid": "x"})
            raw.ask("identity")
    full = "refused: The maximum number of Clients are already linked with 'Dmm'"
    assert [text for text in messages(database) if text.startswith("refused")] == [
        f"refused: 'Dmm' service is locked; from {name}",
        f"{full}; from {name}",
        f"{full}; from {name}",
        f"refused: an answer to what it was not asked; from {liar}",
    ]


def test_service_whose_name_is_taken(database):
    with (
        LocalManager(database=database) as manager,
        Dmm().start_in_background(**manager.kwargs),
        pytest.raises(NameError),
    ):
        Dmm().start(**manager.kwargs)
    assert "rejected: invalid identity: A 'Dmm' service is already running on the Manager" in (
        messages(database)
    )


def test_name_cannot_forge_a_record(database):
    forged = "x\n2024-05-17T13:45:00 connected as a client"
    with LocalManager(database=database) as manager, RawPeer(manager.port) as raw:
        raw.read()
        answer = raw.ask({"result": {"type": "client", "name": forged}})
        assert answer["message"] == (
            f"TypeError: Invalid identity: there are control characters in the name {forged!r}"
        )
    assert messages(database)[1] == "rejected: invalid identity"


def test_what_was_connected_when_the_manager_stopped(database):
    with LocalManager(database=database) as manager:
        client = connect(reconnect=0, **manager.kwargs)
    client.disconnect()
    first, *_, cut, last = everything(database)
    assert (first, last) == ("the Manager has started", "the Manager has stopped")
    assert cut == "disconnected: the Manager stops"


def test_manager_that_was_killed_is_told_of_by_the_next(database):
    with LocalManager(database=database) as manager:
        port = manager.port
    with ConnectionsTable(database=database) as table:
        for number, text in ((port, "started"), (1, "stopped")):  # that is another Manager
            origin = SimpleNamespace(ip_address="127.0.0.1", domain="here", port=number)
            table.insert(origin, f"the Manager has {text}")
    for told in (
        "the Manager has started; the one before it was killed, and its connections ended with it",
        "the Manager has started",
    ):
        with LocalManager(database=database, port=port):
            pass
        assert everything(database)[-2:] == [told, "the Manager has stopped"]


def test_each_address_that_is_refused_is_told_of_and_how_often(database):
    with LocalManager(database=database) as manager:
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.1"):
            with socket.create_connection(("127.0.0.1", manager.port), 20, (address, 0)) as raw:
                raw.sendall(b"GET / HTTP/1.0\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    raw.recv(1)
    with ConnectionsTable(database=database) as table:
        told = [(row[2], row[5]) for row in table.connections() if "TLS" in row[5]]
    text = "rejected: TLS failed (HTTP_REQUEST)"
    assert sorted(told) == [
        ("127.0.0.1", text),
        ("127.0.0.1", f"{text} (2 times since the last report)"),
        ("127.0.0.2", text),
    ]


def test_many_reasons_are_not_many_records(monkeypatch):
    notes = []
    someone = SimpleNamespace(_refusals={}, _note=notes.append)
    for i in range(100):
        peer.Peer._note_refusal(someone, f"reason {i}")
    assert len(notes) == len(someone._refusals) == peer.REFUSALS


def test_table_does_not_grow_for_ever(database, monkeypatch):
    monkeypatch.setattr(recorder, "RECORDS_KEPT", 10)
    monkeypatch.setattr(recorder, "PRUNE_AFTER", 25)
    origin = SimpleNamespace(ip_address="192.0.2.7", domain="pi", port=1)

    async def main():
        keeper = Recorder(ConnectionsTable(database=database, check_same_thread=False))
        for i in range(76):
            keeper.record(origin, f"{i}" + "x" * 10_000)
        await keeper.close()

    asyncio.run(main())
    kept = everything(database)
    assert len(kept) == 10
    assert kept[-1] == "75" + "x" * (recorder.RECORD_LENGTH - 2)


def test_table_that_is_too_large_is_cut_at_the_start(database, monkeypatch):
    monkeypatch.setattr(recorder, "RECORDS_KEPT", 10)
    with ConnectionsTable(database=database) as table, table.connection:
        table.cursor.executemany(
            "INSERT INTO connections VALUES(NULL, '2024-05-17T13:45:00', '', '', 1, ?);",
            ((str(i),) for i in range(100)),
        )
    with LocalManager(database=database) as manager:
        connect(**manager.kwargs).disconnect()
        eventually(lambda: len(everything(database)) < 20)

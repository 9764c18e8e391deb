"""Trusted hostnames, and who only claims to have one.

A connection from 127.0.0.2 is one from another computer, whose name is looked up.
"""

import contextlib
import socket
import threading
import time

import pytest

from msl_network import LocalManager, connect
from msl_network.database import HostnamesTable
from msl_network.manager.names import plain

from ..laboratory import eventually
from ..raw import RawPeer

pytestmark = pytest.mark.skipif(
    socket.gethostname() == "127.0.0.2" or not hasattr(socket, "AF_UNIX"),
    reason="the whole of 127.0.0.0/8 is the loopback interface on Linux",
)

ELSEWHERE = "127.0.0.2"


@pytest.fixture
def names(monkeypatch):
    """A name server: what the reverse and the forward look-up give."""
    reverse, forward = {}, {}
    look_up = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host not in forward:
            return look_up(host, port, *args, **kwargs)
        if not forward[host]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in forward[host]]

    monkeypatch.setattr(socket, "getfqdn", lambda name="": reverse.get(name, name))
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return reverse, forward


@pytest.fixture
def manager(tmp_path):
    """A Manager that trusts `labpc` and `pi.lab.example`, and nobody else."""
    database = str(tmp_path / "manager.sqlite3")
    with HostnamesTable(database=database) as table:
        for name in table.hostnames():
            table.delete(name)
        table.insert("labpc")
        table.insert("pi.lab.example")
    manager = LocalManager(auth_hostname=True, disable_tls=True, database=database)
    with manager:
        manager.database = database
        yield manager


def visit(manager):
    """What the Manager first says to a connection from elsewhere."""
    with RawPeer(manager.port, tls=False, source=ELSEWHERE) as raw:
        return raw.read()


@pytest.mark.parametrize("name", ["labpc", "labpc.lab.example", "pi.lab.example"])
def test_trusted_name_that_leads_back_is_let_in(manager, names, name):
    reverse, forward = names
    reverse[ELSEWHERE] = name
    forward |= {"labpc": ["192.0.2.9", ELSEWHERE], "pi.lab.example": [ELSEWHERE]}
    assert visit(manager)["attribute"] == "identity"


@pytest.mark.parametrize(
    ("name", "forward_of"),
    [
        ("labpc", {"labpc": ["192.0.2.9"]}),
        ("pi.lab.example", {"pi.lab.example": []}),
        # whose reverse look-up is one's own, its forward look-up can be, too
        ("labpc.evil.example", {"labpc": ["192.0.2.9"], "labpc.evil.example": [ELSEWHERE]}),
        ("evil.example", {"evil.example": [ELSEWHERE]}),
    ],
)
def test_forged_name_is_not_trusted(manager, names, caplog, name, forward_of):
    reverse, forward = names
    reverse[ELSEWHERE] = name
    forward |= forward_of
    answer = visit(manager)
    assert answer["message"] == f"ValueError: {name.split('.')[0]!r} is not a trusted hostname"
    claims = "calls itself" in caplog.text
    assert claims == (name != "evil.example")


def test_trusted_address_needs_no_name(manager, names):
    names[0][ELSEWHERE] = "anything.example"
    with HostnamesTable(database=manager.database) as table:
        table.insert(ELSEWHERE)
    manager._manager().trusted = frozenset({ELSEWHERE})
    assert visit(manager)["attribute"] == "identity"


def test_what_is_trusted_by_command_counts_at_once(manager):
    with HostnamesTable(database=manager.database) as table:
        for address, host in ((ELSEWHERE, ELSEWHERE), ("127.0.0.1", socket.gethostname())):
            for trust, expected in ((table.insert, "identity"), (table.delete, None)):
                trust(host)
                with RawPeer(manager.port, tls=False, source=address) as raw:
                    assert raw.read().get("attribute") == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("LabPC.lab.Example", "labpc.lab.example."),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_spellings_of_one_name(one, other):
    assert plain(one) == plain(other)


def test_who_connects_often_takes_one_look_up_from_the_others(monkeypatch):
    asked, answer = [], threading.Event()

    def getfqdn(address):
        asked.append(address)
        if address == ELSEWHERE:
            answer.wait(30)
        return address

    monkeypatch.setattr(socket, "getfqdn", getfqdn)
    with LocalManager(disable_tls=True) as manager, contextlib.ExitStack() as stack:
        crowd = [RawPeer(manager.port, tls=False, source=ELSEWHERE) for _ in range(100)]
        for raw in crowd:
            stack.enter_context(raw)
        with RawPeer(manager.port, tls=False, source="127.0.0.3") as raw:
            assert raw.read()["attribute"] == "identity"
        assert asked.count(ELSEWHERE) == 1
        answer.set()
        for raw in crowd:
            assert raw.read()["attribute"] == "identity"


def test_name_with_control_characters_is_none(names):
    names[0][ELSEWHERE] = "a\x1b[2J\nb"
    with LocalManager(disable_tls=True) as manager:
        with RawPeer(manager.port, tls=False, source=ELSEWHERE) as raw:
            raw.client("Far")
            identity = raw.ask("identity")["result"]
        assert [c for c in identity["clients"] if c.startswith("Far")] == [
            f"Far[{ELSEWHERE}:{raw.port}]"
        ]


def test_name_server_that_does_not_answer_holds_nobody_up(monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def silent(address):
        asked.set()
        answer.wait(30)
        return address

    monkeypatch.setattr(socket, "getfqdn", silent)
    with LocalManager(disable_tls=True) as manager, connect(**manager.kwargs) as client:
        with RawPeer(manager.port, tls=False, source=ELSEWHERE) as raw:
            assert asked.wait(20)
            start = time.monotonic()
            client.identities()
            connect(**manager.kwargs).disconnect()
            assert time.monotonic() - start < 2
            answer.set()
            assert raw.read()["attribute"] == "identity"
        eventually(lambda: len(client.identities()["clients"]) == 1)

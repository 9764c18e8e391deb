"""Bad input: a clear error for the one who did it, and nothing else breaks or is lost."""

import contextlib
import json
import logging
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

import pytest

from msl_network import LocalManager, RemoteError, Service, connect
from msl_network.connection import Connection
from msl_network.manager import authentication, peer

from .raw import RawPeer


class Healthy(Service):
    """A Service whose requests must go on."""

    def __init__(self):
        super().__init__()
        self.entered = threading.Event()
        self.release = threading.Event()

    def add(self, x, y):
        return x + y

    def wait(self):
        self.entered.set()
        return self.release.wait(30)

    def unserialisable(self):
        return {"here": [object()]}

    def endless(self):
        value = []
        value.append(value)
        return value

    def fail(self):
        raise SystemExit("not even this ends the Service")


class Laboratory:
    """A Manager with a healthy Service and a Client, whose request is under way all the time."""

    def __init__(self, stack, **kwargs):
        self.service = Healthy()
        # the request under way ends, whatever has happened
        self.manager = stack.enter_context(LocalManager(**kwargs))
        self.running = stack.enter_context(self.service.start_in_background(**self.manager.kwargs))
        self.client = stack.enter_context(connect(**self.manager.kwargs))
        stack.callback(self.service.release.set)
        self.link = self.client.link("Healthy")
        self.under_way = self.link.wait(asynchronous=True)
        assert self.service.entered.wait(20)

    def raw(self):
        return RawPeer(self.manager.port, tls="cert_file" in self.manager.kwargs)

    def check(self):
        """What was there before still works, its request has not been lost, others can come."""
        assert self.link.add(1, 2, timeout=20) == 3
        with connect(**self.manager.kwargs) as client:
            assert client.link("Healthy").add(3, 4, timeout=20) == 7
        assert not self.under_way.done()
        self.service.release.set()
        assert self.under_way.result(20) is True


@pytest.fixture
def laboratory():
    """Make a laboratory; at the end it must be as healthy as at the beginning."""
    with contextlib.ExitStack() as stack:
        made = []

        def make(**kwargs):
            made.append(Laboratory(stack, **kwargs))
            return made[0]

        yield make
        for one in made:
            one.check()


def eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- lines ---------------------------------------------------------------------------------

REQUEST = {"service": "Healthy", "attribute": "add", "args": [1, 2], "kwargs": {}, "uid": "u"}


@pytest.mark.parametrize(
    ("line", "text", "uid"),
    [
        (b"\x16\x03\x01\x00", "not", ""),
        (b"{not JSON}", "ValueError: The message is not JSON", ""),
        (b"[]", "ValueError: The message must be a JSON object, not list", ""),
        (b"5", "ValueError: The message must be a JSON object, not int", ""),
        (b"null", "ValueError: The message must be a JSON object, not NoneType", ""),
        (b'"text"', "ValueError: The message must be a JSON object, not str", ""),
        (b"{}", "ValueError: A request needs a `service` and an `attribute`", ""),
        (b'"caf\xe9"', "ValueError: The message is not", ""),
        (
            b'{"service": "Healthy", "attribute": "add", "args": ["\xff"], "uid": "u"}',
            "ValueError: The message is not UTF-8",
            "u",
        ),
        ({**REQUEST, "attribute": 5}, "ValueError: Expected `str | null`, got `int`", "u"),
        ({**REQUEST, "service": ["x"]}, "ValueError: Expected `str | null`, got `array`", "u"),
        ({**REQUEST, "args": {}}, "ValueError: `args` must be an array and `kwargs` an", "u"),
        ({**REQUEST, "kwargs": []}, "ValueError: `args` must be an array and `kwargs` an", "u"),
        ({**REQUEST, "kwargs": None}, "ValueError: `args` must be an array and `kwargs` an", "u"),
        ({**REQUEST, "uid": 5}, "ValueError: Expected `str | null`, got `int`", ""),
        ({**REQUEST, "uid": "notification"}, "ValueError: The uid 'notification' is reserved", ""),
        ({**REQUEST, "attribute": None}, "ValueError: A request needs a `service` and", "u"),
        ({**REQUEST, "service": "Manager", "attribute": "link"}, "TypeError: The request", "u"),
        (
            {**REQUEST, "service": "Manager", "attribute": "link", "args": [["x"]]},
            "TypeError: The request 'link' needs the name of a service",
            "u",
        ),
        (b"[" * 100_000, "The JSON text is nested too deeply", ""),
        (
            b'{"service":"Healthy","attribute":"add","args":' + b"[" * 9999 + b"]" * 9999 + b"}",
            "The JSON text is nested too deeply",
            "",
        ),
    ],
)
def test_client_sends_an_invalid_line(laboratory, line, text, uid):
    lab = laboratory()
    with lab.raw().client() as raw:
        raw.send(line if not isinstance(line, bytes) else line + b"\r\n")
        answer = raw.read()
        assert answer["error"] is True
        assert answer["result"] is None
        assert text in answer["message"]
        assert answer["uid"] == uid
        # the connection stays
        assert raw.ask(REQUEST)["result"] == 3


def test_client_answers_what_it_was_not_asked(laboratory):
    lab = laboratory()
    with lab.raw().client() as raw:
        name = next(n for n in lab.client.identities()["clients"] if n.startswith("Client["))
        raw.send({"result": 1, "requester": name, "uid": lab.under_way.uid, "error": False})
        raw.send({"result": [[], {}], "service": "Healthy", "uid": "notification", "error": False})
        raw.send({"error": True, "message": "x", "requester": name, "uid": lab.under_way.uid})
        assert raw.ask(REQUEST)["result"] == 3
    assert not lab.under_way.done()


@pytest.mark.parametrize(
    "reply",
    [
        {"result": 1, "error": "no", "uid": "UID", "requester": "WHO"},
        {"result": 1, "error": False, "uid": "UID", "requester": 5},
        {"result": 1, "error": True, "uid": "UID", "requester": "WHO", "message": 7},
        {"result": 1, "error": False, "uid": 5, "requester": "WHO"},
    ],
)
def test_service_sends_an_invalid_reply(laboratory, reply):
    """The Client that waits for it is told, and the Service is still there."""
    lab = laboratory()
    with lab.raw().service() as raw:
        link = lab.client.link("RawService")
        future = link["anything"](asynchronous=True)
        request = raw.read()
        filled = {"UID": request["uid"], "WHO": request["requester"]}
        raw.send({k: filled.get(v, v) if isinstance(v, str) else v for k, v in reply.items()})
        with pytest.raises(RemoteError, match="ValueError: Invalid reply: Expected"):
            future.result(20)
        future = link["again"](asynchronous=True)
        request = raw.read()
        raw.send({"result": 5, "uid": request["uid"], "requester": request["requester"]})
        assert future.result(20) == 5
        # once is enough: the second one goes nowhere
        raw.send({"result": 6, "uid": request["uid"], "requester": request["requester"]})
        assert raw.ask("identity")["error"] is False


def test_service_sends_bad_utf8(laboratory):
    lab = laboratory()
    with lab.raw().service() as raw:
        future = lab.client.link("RawService")["x"](asynchronous=True)
        request = raw.read()
        reply = {"result": "?", "uid": request["uid"], "requester": request["requester"]}
        raw.send(json.dumps(reply).encode().replace(b"?", b"\xff") + b"\n")
        with pytest.raises(RemoteError, match="Invalid reply: The message is not UTF-8"):
            future.result(20)
        assert raw.ask("identity")["error"] is False


@pytest.mark.parametrize("ending", [b"", b"\r\n"])
def test_line_over_the_limit(laboratory, ending):
    lab = laboratory(message_limit=100_000)
    with lab.raw().client() as raw:
        text = json.dumps({**REQUEST, "args": ["x" * 99_900, ""]}).encode()
        assert len(text) < 100_000 + 40
        raw.send(text[: 100_000 - 20] + b'"]}\n')  # below the limit, and no JSON: an error
        assert raw.read()["error"] is True
        raw.send(b"x" * 100_010 + ending)
        answer = raw.read()
        assert answer["message"] == (
            "LineTooLongError: The message is larger than the limit of 100000 bytes"
        )
        assert raw.read() is None


def test_client_sends_more_than_the_limit(laboratory):
    lab = laboratory(message_limit=100_000)
    with connect(**lab.manager.kwargs) as client:
        link = client.link("Healthy")
        with pytest.raises((RemoteError, ConnectionError), match="limit of 100000 bytes"):
            link.add("x" * 200_000, "", timeout=20)
        eventually(lambda: not client.is_connected())
        with pytest.raises(ConnectionError, match="Disconnected from Manager"):
            link.add(1, 2)


def test_before_it_is_known_a_peer_gets_little(laboratory):
    lab = laboratory()
    with lab.raw() as raw:
        assert raw.read()["attribute"] == "identity"
        with contextlib.suppress(ConnectionError):
            raw.send(b"x" * 2_000_000)
        answer = raw.read()
        assert answer is None or "LineTooLongError" in answer["message"]


# --- connecting ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "text"),
    [
        (b"\n", "TypeError: Cannot read the identity"),
        (b"hello\n", "TypeError: Cannot read the identity"),
        (b"\xff\xfe\n", "ValueError: The message is not UTF-8"),
        ([], "TypeError: Cannot read the identity"),
        ({"result": []}, "TypeError: The identity must be a JSON object, not list"),
        ({"result": None}, "TypeError: Cannot read the identity"),
        ({"result": {}}, "KeyError: 'type'"),
        ({"result": {"type": "client"}}, "KeyError: 'name'"),
        ({"result": {"type": "client", "name": 5}}, "TypeError: The type and the name"),
        ({"result": {"type": "thing", "name": "x"}}, "TypeError: Unknown connection type 'thing'"),
        ({"result": {"type": "service", "name": "x"}}, "KeyError: 'attributes'"),
        (
            {"result": {"type": "service", "name": "x", "attributes": 5}},
            "TypeError: Invalid identity: Expected `object`, got `int`",
        ),
        (
            {"result": {"type": "service", "name": "x", "attributes": {}, "max_clients": "1"}},
            "TypeError: Invalid identity: Expected `int | null`, got `str`",
        ),
        (
            {"result": {"type": "service", "name": "Manager", "attributes": {}}},
            "NameError: A service cannot be called 'Manager'",
        ),
        (
            {"result": {"type": "service", "name": "Healthy", "attributes": {}}},
            "NameError: A 'Healthy' service is already running on the Manager",
        ),
    ],
)
def test_invalid_identity(laboratory, identity, text):
    lab = laboratory()
    before = lab.client.identities()
    with lab.raw() as raw:
        assert raw.read()["attribute"] == "identity"
        answer = raw.ask(identity)
        assert answer["error"] is True
        assert answer["message"].startswith(text)
        assert raw.read() is None
    assert lab.client.identities() == before


def test_peer_that_says_nothing(laboratory, monkeypatch):
    monkeypatch.setattr(peer, "HANDSHAKE_TIMEOUT", 0.2)
    lab = laboratory()
    with lab.raw() as raw:
        assert raw.read()["attribute"] == "identity"
        assert raw.read()["message"] == (
            "TimeoutError: The connection was not established in 0.2 seconds"
        )
        assert raw.read() is None


def test_peer_without_tls(laboratory):
    lab = laboratory()
    kwargs = {"host": "localhost", "port": lab.manager.port, "timeout": 0.5}
    with pytest.raises(ConnectionError, match="Perhaps the Manager is using TLS"):
        connect(**kwargs, disable_tls=True)


def test_peer_with_tls_where_there_is_none(laboratory):
    lab = laboratory(disable_tls=True)
    kwargs = {"host": "localhost", "port": lab.manager.port, "timeout": 20}
    with pytest.raises(ConnectionError, match="Try setting disable_tls=True"):
        connect(**kwargs, auto_save=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Healthy", "A 'Healthy' service is already running on the Manager"),
        ("Manager", "A service cannot be called 'Manager', the name of the Manager"),
    ],
)
def test_service_whose_name_is_taken(laboratory, name, text):
    lab = laboratory()
    with pytest.raises(NameError, match=text):
        Service(name=name).start(**lab.manager.kwargs)
    # with another name it can start
    with Service(name=name).start_in_background(name="Another", **lab.manager.kwargs):
        assert "Another" in lab.client.identities()["services"]


def test_certificate_that_has_changed(laboratory, tmp_path, manager):
    lab = laboratory()
    kwargs = {**lab.manager.kwargs, "cert_file": manager.kwargs["cert_file"]}
    with pytest.raises(ConnectionError) as caught:
        connect(**kwargs)
    text = str(caught.value)
    assert "Perhaps the Network Manager is using a new certificate" in text
    assert kwargs["cert_file"] in text
    assert "trusted: " in text
    assert "offered: " in text


def test_wrong_password_three_times(laboratory, monkeypatch):
    """The fourth try has to wait, a right one too; after it all is forgotten."""
    monkeypatch.setattr(authentication, "LOGIN_DELAY", 0.5)
    lab = laboratory(auth_password="right")
    wrong = {**lab.manager.kwargs, "password_manager": "wrong"}

    def seconds(kwargs, refused=True):
        start = time.monotonic()
        if refused:
            with pytest.raises(ValueError, match="Wrong Manager password"):
                connect(**kwargs)
        else:
            connect(**kwargs).disconnect()
        return time.monotonic() - start

    assert max(seconds(wrong) for _ in range(3)) < 0.5
    assert seconds(wrong) >= 0.5
    assert seconds(lab.manager.kwargs, refused=False) >= 1.0
    assert seconds(wrong) < 0.5


def test_unknown_user_and_wrong_password_look_the_same(laboratory):
    lab = laboratory(auth_login=True, users={"n.bohr": "right"})
    for login in ({"username": "n.bohr", "password": "wrong"}, {"username": "nobody"}):
        with pytest.raises(ValueError, match=r"^ValueError: Wrong login password$"):
            connect(**{**lab.manager.kwargs, **login})


# --- requests ------------------------------------------------------------------------------


def test_unknown_service_and_method(laboratory):
    lab = laboratory()
    with pytest.raises(RemoteError, match="KeyError: \"the 'Nobody' service does not exist"):
        lab.client.link("Nobody")
    with pytest.raises(AttributeError, match="The 'Healthy' service has no attribute 'divide'"):
        lab.link.divide(1, 2)
    with pytest.raises(RemoteError, match="has no attribute 'divide'"):
        lab.link["divide"](1, 2)
    with pytest.raises(RemoteError, match="PermissionError: Cannot request a private attribute"):
        lab.link["_tasks"]()
    for name in ("start", "emit_notification", "start_in_background", ""):
        with pytest.raises(RemoteError, match="AttributeError"):
            lab.link[name]()
    with lab.raw().client() as raw:
        answer = raw.ask({**REQUEST, "service": "Nobody"})
        assert answer["message"].startswith("KeyError: \"the 'Nobody' Service is not connected to")
        assert answer["uid"] == "u"


def test_arguments_that_do_not_fit(laboratory):
    lab = laboratory()
    with pytest.raises(RemoteError, match="missing 1 required positional argument: 'y'") as caught:
        lab.link.add(1)
    assert caught.value.type == "TypeError"
    with pytest.raises(RemoteError, match="unexpected keyword argument 'z'"):
        lab.link.add(1, z=2)
    with pytest.raises(TypeError, match="not JSON serializable"):
        lab.link.add(1, object())


def test_result_that_cannot_be_serialised(laboratory):
    lab = laboratory()
    with pytest.raises(RemoteError, match="Object of type object is not JSON serializable"):
        lab.link.unserialisable()
    with pytest.raises(RemoteError, match="ValueError"):
        lab.link.endless()
    with pytest.raises(RemoteError, match="SystemExit: not even this ends the Service"):
        lab.link.fail()


# --- peers that die ------------------------------------------------------------------------


def test_client_dies_within_a_message(laboratory):
    lab = laboratory()
    with lab.raw().client() as raw:
        raw.ask({**REQUEST, "service": "Manager", "attribute": "link", "args": ["Healthy"]})
        raw.send(json.dumps(REQUEST).encode()[:20])
        # a reset, as when the computer has lost its power
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: len(lab.client.identities()["clients"]) == 1)
    # its link is gone, too
    assert len(lab.link.acquire_lock()) == 1
    assert lab.link.release_lock() == []


def test_service_dies_within_a_message(laboratory):
    lab = laboratory()
    with lab.raw().service() as raw:
        link = lab.client.link("RawService")
        futures = [link["x"](asynchronous=True) for _ in range(3)]
        request = raw.read()
        reply = {"result": 1, "uid": request["uid"], "requester": request["requester"]}
        raw.send(json.dumps(reply).encode()[:-5])
    for future in futures:
        with pytest.raises(RemoteError, match="'RawService' service disconnected before it repl"):
            future.result(20)
    assert "RawService" not in lab.client.identities()["services"]
    with pytest.raises(RemoteError, match="KeyError"):
        link["x"]()
    link.unlink()  # fine although the Service has gone


PROGRAM = """
import json, sys
from msl_network import Service, connect

kwargs = json.loads(sys.argv[2])

class Victim(Service):
    def hang(self):
        print("running", flush=True)
        sys.stdin.read()

if sys.argv[1] == "service":
    Victim().start(**kwargs)
else:
    client = connect(**kwargs, name="Victim")
    link = client.link("Healthy")
    link.acquire_lock()
    reply = link.wait(asynchronous=True)
    print("running", flush=True)
    link.add("x" * 50_000_000, "", timeout=60)
"""


@contextlib.contextmanager
def process(*arguments, program=PROGRAM, **environment):
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_client_is_killed(laboratory):
    lab = laboratory()
    lab.link.unlink()
    with process("client", json.dumps(lab.manager.kwargs)) as victim:
        assert victim.stdout.readline() == "running\n"
        victim.send_signal(signal.SIGKILL)
    eventually(lambda: len(lab.client.identities()["clients"]) == 1)
    lab.link = lab.client.link("Healthy")  # the lock has gone with it


def test_service_is_killed(laboratory):
    lab = laboratory()
    with process("service", json.dumps(lab.manager.kwargs)) as victim:
        eventually(lambda: "Victim" in lab.client.identities()["services"])
        future = lab.client.link("Victim").hang(asynchronous=True)
        assert victim.stdout.readline() == "running\n"
        victim.send_signal(signal.SIGKILL)
        with pytest.raises(RemoteError, match="ConnectionAbortedError: The 'Victim' service disc"):
            future.result(20)
    # the name is free again
    with Service(name="Victim").start_in_background(**lab.manager.kwargs):
        assert "Victim" in lab.client.identities()["services"]


MANAGER = """
import json
from msl_network import LocalManager

with LocalManager() as manager:
    print(json.dumps(manager.kwargs), flush=True)
    input()
"""


def test_manager_is_killed(tmp_path):
    # it can't remove its folder any more
    with process(program=MANAGER, TMPDIR=str(tmp_path)) as victim:
        kwargs = json.loads(victim.stdout.readline())
        service = Healthy()
        ended = threading.Event()
        service.shutdown_handler = ended.set
        running = service.start_in_background(**kwargs)
        client = connect(**kwargs)
        future = client.link("Healthy").wait(asynchronous=True)
        assert service.entered.wait(20)
        victim.send_signal(signal.SIGKILL)
        with pytest.raises(ConnectionError, match="closed the connection"):
            future.result(20)
        service.release.set()
        running.wait(20)
        assert ended.is_set()
        assert not client.is_connected()
        with pytest.raises(ConnectionError, match="Disconnected from Manager"):
            client.identities()
        client.disconnect()


# --- a peer that does not read -------------------------------------------------------------


@pytest.mark.parametrize("disable_tls", [True, False], ids=["no TLS", "TLS"])
def test_client_that_does_not_read(laboratory, monkeypatch, disable_tls):
    """It is dropped; the others get theirs at once."""
    monkeypatch.setitem(Connection.__init__.__kwdefaults__, "stall_timeout", 0.5)
    lab = laboratory(disable_tls=disable_tls)
    with lab.raw().client() as raw:
        raw.ask({**REQUEST, "service": "Manager", "attribute": "link", "args": ["Healthy"]})
        lab.service.emit_notification("x" * 30_000_000)
        assert lab.link.add(1, 1, timeout=20) == 2
        eventually(lambda: len(lab.client.identities()["clients"]) == 1)


# --- a database that can't be written ------------------------------------------------------


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "manager.sqlite3")


def rows(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT message FROM connections").fetchall()


def test_locked_database(laboratory, database):
    """Nobody waits for it, and when it is free again what happened meanwhile is in it."""
    lab = laboratory(database=database)
    eventually(lambda: len(rows(database)) >= 4)
    before = len(rows(database))
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        start = time.monotonic()
        for _ in range(3):
            with connect(**lab.manager.kwargs) as client:
                assert client.link("Healthy").add(1, 2, timeout=20) == 3
        assert time.monotonic() - start < 5
        other.execute("ROLLBACK")
    eventually(lambda: len(rows(database)) >= before + 9)


def test_locked_database_does_not_hold_up_the_end(database, caplog):
    manager = LocalManager(database=database).start()
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        connect(**manager.kwargs).disconnect()
        start = time.monotonic()
        manager.stop()
        assert time.monotonic() - start < 10


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 128 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk, on Linux")
    if subprocess.run(["mount", *options], capture_output=True).returncode != 0:
        pytest.skip("a small disk can't be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(small_disk, laboratory, caplog):
    lab = laboratory(database=str(small_disk / "manager.sqlite3"))
    with contextlib.suppress(OSError), (small_disk / "fill").open("wb", buffering=0) as file:
        while file.write(b"x" * 1024):
            pass
    with caplog.at_level(logging.ERROR, "msl_network"):
        for _ in range(20):
            with lab.raw().client() as raw:
                assert raw.ask(REQUEST)["result"] == 3
        eventually(lambda: "cannot record 'connected as a client'" in caplog.text)

"""Slow and greedy peers: what they can take is bounded, they are told why, nobody else waits."""

import contextlib
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from msl_network import Limits, connect
from msl_network.manager import listening

from .laboratory import REQUEST, Healthy, eventually, missing
from .raw import RawPeer

MIB = 1 << 20

PROGRAM = """
import json, sys
from msl_network import Limits, LocalManager

kwargs = json.loads(sys.argv[1])
limits = Limits(**kwargs.pop("limits", {}))
if files := kwargs.pop("files", None):
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
with LocalManager(limits=limits, **kwargs) as manager:
    print(json.dumps(manager.kwargs), flush=True)
    sys.stdin.readline()
"""


class ManagerProcess:
    """A Manager in a process of its own, whose memory and files can be seen."""

    def __init__(self, process):
        self.process = process
        self.kwargs = json.loads(process.stdout.readline())
        self.port = self.kwargs["port"]

    def memory(self, what="VmRSS"):
        """Bytes; `VmHWM` is the most that it ever was."""
        with open(f"/proc/{self.process.pid}/status") as file:
            line = next(line for line in file if line.startswith(what))
        return int(line.split()[1]) * 1024

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def raw(self):
        return RawPeer(self.port, tls="cert_file" in self.kwargs)

    def connect(self):
        return connect(**self.kwargs, timeout=20)


@pytest.fixture
def start(tmp_path):
    """Start a Manager in a process of its own."""
    if not os.path.isdir("/proc/self/fd"):
        missing("only Linux tells of a process what is measured here")
    with contextlib.ExitStack() as stack:

        def start(**kwargs):
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", PROGRAM, json.dumps(kwargs)],
                    env={**os.environ, "TMPDIR": str(tmp_path)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            return ManagerProcess(process)

        yield start


@pytest.fixture
def files():
    """This process can open enough files, and closes its sockets at the end."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2500
    if hard != resource.RLIM_INFINITY and hard < needed:
        missing("this process can't open enough files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    with contextlib.ExitStack() as stack:
        yield stack
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def silent(files, port, *, tls):
    """A socket that says nothing, not even its first byte of TLS if there is none."""
    sock = files.enter_context(socket.create_connection(("127.0.0.1", port), 20))
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = files.enter_context(context.wrap_socket(sock))
    return sock


# --- before authentication -----------------------------------------------------------------


def test_a_thousand_silent_sockets(start, files):
    """They cost less than 20 MB, keep nobody out, and are gone after the deadline."""
    manager = start(limits={"handshake_timeout": 5})
    for _ in range(20):
        with manager.connect():  # what it needs once, it has now
            pass
    # the name of the last one is looked up, its row is written
    eventually(lambda: manager.files() < 25)
    before, files_before = manager.memory(), manager.files()
    for _ in range(500):
        silent(files, manager.port, tls=False)
        silent(files, manager.port, tls=True)
    assert manager.memory("VmHWM") - before < 20 * MIB
    assert manager.files() - files_before <= Limits().unauthenticated_per_address
    start_time = time.monotonic()
    with manager.connect() as client:
        assert time.monotonic() - start_time < 1
        assert len(client.identities()["clients"]) == 1
        eventually(lambda: manager.files() <= files_before + 1)
    assert manager.memory() - before < 20 * MIB


@pytest.mark.parametrize("tls", [False, True])
def test_a_hundred_clients_behind_one_address(start, files, tls):
    """They start at once, while others from there are silent, and all of them get in."""
    manager = start(disable_tls=not tls)
    for _ in range(200):
        silent(files, manager.port, tls=False)
    with ThreadPoolExecutor(100) as threads, contextlib.ExitStack() as stack:
        for client in threads.map(lambda _: manager.connect(), range(100)):
            stack.enter_context(client)
        assert len(client.identities()["clients"]) == 100


def test_who_makes_way_is_in_the_log_and_the_record_once(laboratory, tmp_path, caplog, files):
    database = str(tmp_path / "manager.sqlite3")
    limits = Limits(unauthenticated_per_address=5, unauthenticated=10)
    lab = laboratory(database=database, limits=limits)
    with caplog.at_level("INFO", "msl_network"):
        for i in range(50):
            silent(files, lab.manager.port, tls=i % 2)
        with lab.raw().client() as raw:  # the last one to come is there
            assert raw.ask(REQUEST)["result"] == 3
    reason = "silent, and made way for a new connection"
    eventually(lambda: any(reason in message for message in record(database)))
    assert len([message for message in record(database) if reason in message]) == 1
    assert len([text for text in caplog.messages if reason in text]) == 1


def test_who_does_not_begin_with_tls(laboratory, tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "REPORT_PAUSE", 0.01)
    database = str(tmp_path / "manager.sqlite3")
    lab = laboratory(database=database, limits=Limits(tls_timeout=0.5))
    with socket.create_connection(("127.0.0.1", lab.manager.port), 20) as sock:
        assert sock.recv(1) == b""
    with socket.create_connection(("127.0.0.1", lab.manager.port), 20) as sock:
        sock.sendall(b"\x16")
        assert sock.recv(1) == b""
    with socket.create_connection(("127.0.0.1", lab.manager.port), 20) as sock:
        sock.sendall(b"client\r\n" * 10)
        while sock.recv(100):
            pass
    for reason in (
        "it did not begin with TLS in time",
        "TLS failed (SSL handshake is",
        "TLS failed",
    ):
        eventually(lambda: any(reason in message for message in record(database)))  # noqa: B023


@pytest.mark.parametrize("disable_tls", [True, False], ids=["no TLS", "TLS"])
def test_400_mib_without_a_line_end(start, disable_tls):
    """They cost no more than 1 MiB, from one connection or from many."""
    manager = start(disable_tls=disable_tls)
    for _ in range(20):
        with manager.connect():
            pass
    before = manager.memory()
    sent, chunk = 0, b"x" * MIB
    while sent < 400 * MIB:
        with manager.raw() as raw, contextlib.suppress(OSError):
            while sent < 400 * MIB:
                sent += len(chunk)  # or at least it was tried
                raw.send(chunk)
    assert manager.memory("VmHWM") - before < MIB
    with manager.connect() as client:
        assert len(client.identities()["clients"]) == 1


def test_manager_runs_out_of_files(start, files):
    """It goes on, and lets others in when there are files again."""
    manager = start(files=64)
    with manager.connect() as client:
        peers = []
        for _ in range(30):
            peers.append(files.enter_context(manager.raw().client()))
        for _ in range(100):
            silent(files, manager.port, tls=False)
        # the silent ones make way
        with manager.connect() as other:
            assert len(other.identities()["clients"]) == 32
        for _ in range(40):
            sock = socket.create_connection(("127.0.0.1", manager.port), 20)
            files.enter_context(sock)
            peers.append(sock)
        assert client.identities()["port"] == manager.port
        for peer in peers:
            peer.__exit__(None, None, None)
        with manager.connect() as other:
            assert other.identities()["port"] == manager.port


def test_there_is_room_for_so_many_devices(laboratory):
    lab = laboratory(limits=Limits(connections=4))
    with lab.raw().client() as raw:
        assert raw.ask(REQUEST)["result"] == 3
        with lab.raw().client() as other:
            assert other.ask(REQUEST)["result"] == 3
            with pytest.raises(ConnectionError, match="4 devices are connected, no more can be"):
                connect(**lab.manager.kwargs)


# --- a peer that does not read -------------------------------------------------------------


def record(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("SELECT message FROM connections")]


@pytest.mark.parametrize(("size", "count"), [(30_000_000, 1), (100, 150_000)])
def test_peer_that_does_not_read_is_dropped_and_the_record_says_why(
    laboratory, tmp_path, size, count
):
    database = str(tmp_path / "manager.sqlite3")
    lab = laboratory(database=database, limits=Limits(stall_timeout=2))
    with lab.raw().client() as raw:
        raw.ask({**REQUEST, "service": "Manager", "attribute": "link", "args": ["Healthy"]})
        lab.link.unlink()  # this Client has other things to do than to take all of them
        for _ in range(count):
            lab.service.emit_notification("x" * size)
        eventually(lambda: len(lab.client.identities()["clients"]) == 1)
    lab.link = lab.client.link("Healthy")
    reason = "disconnected: it did not read for 2 seconds"
    eventually(lambda: any(message.startswith(reason) for message in record(database)))


def test_service_that_is_behind_is_not_dropped_for_its_clients(laboratory):
    """They are told, and the Service goes on where it is."""
    limits = Limits(message_limit=MIB, outgoing_limit=2 * MIB, stall_timeout=60, heartbeat=60)
    lab = laboratory(limits=limits)
    with lab.raw().service() as raw, lab.raw().client() as client:
        request = {**REQUEST, "service": "RawService", "args": ["x" * 500_000]}
        refused = []
        for i in range(100):
            client.send({**request, "uid": str(i)})
        client.send({"service": "Manager", "attribute": "identity", "uid": "end"})
        while (answer := client.read())["uid"] != "end":
            assert "RawService' service is behind" in answer["message"]
            refused.append(answer["uid"])
        assert refused
        for _ in range(100 - len(refused)):
            asked = raw.read()
            raw.send({"result": 5, "uid": asked["uid"], "requester": asked["requester"]})
            assert client.read()["result"] == 5
        assert raw.ask("identity")["error"] is False


@pytest.mark.parametrize("kind", ["not ended", "not read"])
def test_all_messages_together_are_limited(start, tmp_path, kind):
    """The Clients that have the most of them are dropped, the others go on."""
    database = str(tmp_path / "manager.sqlite3")
    sizes = {"message_limit": 8 * MIB, "outgoing_limit": 16 * MIB, "memory_limit": 32 * MIB}
    manager = start(database=database, disable_tls=True, limits=sizes)
    with (
        Healthy().start_in_background(**manager.kwargs),
        manager.connect() as client,
        contextlib.ExitStack() as greedy,
    ):
        link = client.link("Healthy")
        assert link.text(7 * MIB, timeout=20) == "x" * 7 * MIB  # what that needs, it has now
        before = manager.memory()
        for _ in range(12):
            raw = greedy.enter_context(manager.raw()).client()
            if kind == "not read":
                # each with its own, of which the system takes some
                for i in range(3):
                    raw.send({**REQUEST, "attribute": "text", "args": [6 * MIB], "uid": str(i)})
            else:
                with contextlib.suppress(OSError):
                    raw.send(b"x" * 7 * MIB)
            assert link.add(1, 2, timeout=20) == 3
        reason = "disconnected: The Manager holds more than 33554432 bytes of messages"
        eventually(lambda: any(message.startswith(reason) for message in record(database)))
        assert link.text(7 * MIB, timeout=20) == "x" * 7 * MIB
        assert manager.memory("VmHWM") - before < 48 * MIB


# --- requests ------------------------------------------------------------------------------


def test_requests_in_flight_of_one_client_are_limited(laboratory):
    lab = laboratory(limits=Limits(requests_per_client=3))
    with lab.raw().service() as raw, lab.raw().client() as client:
        request = {**REQUEST, "service": "RawService"}
        for i in range(4):
            client.send({**request, "uid": str(i)})
        answer = client.read()
        assert answer["uid"] == "3"
        assert "has 3 requests in flight, the most that a Client may have" in answer["message"]
        # another one is not concerned, and with a reply there is room again
        assert lab.link.add(1, 1) == 2
        asked = raw.read()
        raw.send({"result": 5, "uid": asked["uid"], "requester": asked["requester"]})
        assert client.read()["result"] == 5
        assert client.ask({**REQUEST, "uid": "5"})["result"] == 3


def test_requests_at_one_service_are_limited(laboratory):
    limits = Limits(requests_per_client=3, requests_per_service=6)
    lab = laboratory(limits=limits)
    with lab.raw().service(), lab.raw().client() as client, lab.raw().client() as other:
        request = {**REQUEST, "service": "RawService"}
        for i in range(3):
            client.send({**request, "uid": str(i)})
        assert client.ask("identity")["error"] is False
        for i in range(2):
            other.send({**request, "uid": str(i)})
        answer = other.ask({**request, "uid": "2"})
        assert answer["uid"] == "2"
        assert "5 requests wait for the 'RawService' service" in answer["message"]
        # who has asked for nothing yet is not the one who is refused
        with lab.raw().client() as third:
            third.send({**request, "uid": "3"})
            assert "clients" in third.ask("identity")["result"]
        client.__exit__()
        # what it had in flight has gone with it
        eventually(lambda: len(lab.client.identities()["clients"]) == 2)
        other.send({**request, "uid": "5"})
        assert other.ask({**REQUEST, "uid": "6"})["uid"] == "6"


def test_requests_of_an_administrator_are_limited(laboratory, tmp_path):
    database = str(tmp_path / "manager.sqlite3")
    lab = laboratory(users={"ada": "secret"}, database=database, limits=Limits(admin_requests=5))
    with lab.raw().client() as raw:
        request = {"service": "Manager", "attribute": "users_table.usernames"}
        assert raw.ask({**request, "uid": "login"})["attribute"] == "username"
        assert raw.ask({"result": "ada"})["attribute"] == "password"
        assert raw.ask({"result": "secret"})["result"] == ["ada"]
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for i in range(5):
                raw.send({**request, "uid": str(i)})
            answer = raw.ask({**request, "uid": "5"})
            assert answer["uid"] == "5"
            assert "5 of your requests are being worked on" in answer["message"]
            other.execute("ROLLBACK")
        assert sorted(raw.read()["uid"] for _ in range(5)) == list("01234")


# --- hostile lines -------------------------------------------------------------------------

HOSTILE = {
    "long integer": b'{"args":[' + b"9" * 60_000 + b"]",
    "long integer beside NaN": b'{"args":[NaN,' + b"9" * 60_000 + b"]",
    "long float": b'{"args":[NaN,1.' + b"3" * 1_000_000 + b"]",
    "brackets": b'{"args":' + b"[" * 100_000,
    "objects": b'{"a":' * 200_000,
    "long key": b'{"' + b"k" * 8_000_000 + b'":1',
    "escapes": b'{"uid":"' + b"\\u0000" * 100_000 + b'"',
    "nulls": b"\x00" * 100 * MIB,
    "features": b'{"features":[' + b'"x",' * 1_000_000 + b'"x"]',
    "traceback": b'{"traceback":[' + b'"x",' * 1_000_000 + b'"x"]',
    "keys": b"{" + b",".join(b'"%d":1' % i for i in range(500_000)),
    "bad UTF-8": b'{"args":["' + b"\xff" * 8_000_000 + b'"]',
    "NaN": b'{"args":[' + b"NaN," * 2_000_000 + b"NaN]",
    "tables": b'{"args":[' + b'[[[[1]]],{"a":{"b":[]}}],' * 300_000 + b"1]",
    "long text": b'"' + b"a b " * 2_000_000,
    "names": b'{"service":"' + b"x" * 2_000_000 + b'","attribute":"y"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_line_does_not_stall_the_loop(laboratory, name):
    """What the loop is asked to do meanwhile, it does in time."""
    lab = laboratory()
    line = HOSTILE[name]
    ending = b"}\r\n" if line.startswith(b"{") else b"\r\n"
    loop = lab.manager._running.listener._loop
    stop = threading.Event()
    late = []

    def beat(due):
        late.append(loop.time() - due)
        if not stop.is_set():
            loop.call_later(0.001, beat, loop.time() + 0.001)

    with lab.raw().client() as raw:
        loop.call_soon_threadsafe(lambda: beat(loop.time()))
        raw.send(line + ending)
        raw.send({"service": "Manager", "attribute": "identity", "uid": "end"})
        while (answer := raw.read())["uid"] != "end":
            assert answer["error"] is True
        stop.set()
    # a machine that is busy with other things has its own stalls: this one is far from seconds
    assert max(late) < 0.5


def test_calls_go_on_while_a_large_waveform_with_nan_passes(laboratory):
    lab = laboratory()
    with lab.raw().service() as service, lab.raw().client() as client:
        waveform = b"[" + b"0.1234567,NaN," * 2_000_000 + b"0]"
        link = b'{"service":"Manager","attribute":"link","args":["RawService"],"uid":"l"}\r\n'
        assert client.ask(link)["uid"] == "l"
        client.send({**REQUEST, "service": "RawService"})
        asked = service.read()
        reply = b'{"result":' + waveform + b',"uid":"u","error":false,"requester":"WHO"}\r\n'
        reply = reply.replace(b"WHO", asked["requester"].encode())
        sending = threading.Thread(target=service.send, args=[reply])
        sending.start()
        calls = 0
        received = threading.Event()
        text = []

        def read():
            text.append(client._file.readline())
            received.set()

        reading = threading.Thread(target=read)
        reading.start()
        while not received.is_set():
            assert lab.link.add(calls, 1, timeout=20) == calls + 1
            calls += 1
        sending.join()
        reading.join()
        assert text == [reply]
        assert calls > 20


@pytest.mark.parametrize("nan", [b"", b"NaN,"], ids=["numbers", "NaN"])
def test_very_large_request_and_reply_pass_unharmed(laboratory, nan):
    lab = laboratory()
    with lab.raw().service() as service, lab.raw().client() as client:
        args = b'["' + b"x" * 20_000_000 + b'",' + nan + b'1.50,{"a": null}]'
        request = b'{"service":"RawService","attribute":"a b","args":%b,"uid":"u"}\r\n' % args
        sending = threading.Thread(target=client.send, args=[request])
        sending.start()
        passed = service._file.readline()
        sending.join()
        assert passed.startswith(b'{"args":' + args + b',"attribute":"a b","kwargs":{},')
        assert passed.endswith(b'"service":"RawService","uid":"u","error":false}\r\n')
        asked = json.loads(passed)
        reply = json.dumps({"result": asked["args"], "uid": "u", "requester": asked["requester"]})
        sending = threading.Thread(target=service.send, args=[reply.encode() + b"\r\n"])
        sending.start()
        assert client._file.readline() == reply.encode() + b"\r\n"
        sending.join()

"""The blocking Client."""

import asyncio
import builtins
import gc
import getpass
import inspect
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from msl_network import (
    LocalManager,
    RemoteError,
    connect,
    filter_client_connect_kwargs,
)


def eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_calls(client, link):
    assert link.add(1, y=2.5) == 3.5
    assert link.temperature() == 21.5
    assert link.gain() == 2.5
    assert link["add"](1) == 2
    assert client.is_connected()
    assert client.identity()["name"] == client.name == "Client"


def test_link_shows_what_the_service_has(link):
    assert "add" in dir(link)
    assert hasattr(link, "add")
    assert not hasattr(link, "divide")
    assert str(inspect.signature(link.add)) == "(x: float, y: float = 1) -> float"
    assert "Bench" in link.add.__doc__
    assert link.service_attributes["gain"] == 2.5
    assert (link.service_name, link.service_max_clients) == ("Bench", -1)


def test_any_name_can_be_a_keyword(link):
    names = ("name", "service", "attribute", "requester", "uid", "host")
    assert link.keywords(**{name: name for name in names}) == list(names)


def test_error_of_the_other_side(link):
    with pytest.raises(RemoteError) as caught:
        link.fail("Ångström")
    error = caught.value
    assert (error.type, error.message) == ("ValueError", "Ångström")
    assert (error.service, error.attribute) == ("Bench", "fail")
    assert "raise ValueError(text)" in error.traceback
    assert isinstance(error, RuntimeError)


def test_asynchronous_call(link, bench):
    future = link.wait(asynchronous=True)
    assert not future.done()
    assert repr(future) == "<Reply of Bench.wait pending>"
    bench.release.set()
    assert future.result(20) is True
    failed = link.fail("later", asynchronous=True)
    assert "later" in str(failed.exception(20))
    assert repr(failed) == "<Reply of Bench.fail failed: RemoteValueError>"


def test_future_can_be_awaited(link):
    async def main():
        futures = [link.add(i, asynchronous=True) for i in range(5)]
        assert await asyncio.gather(*futures) == [1, 2, 3, 4, 5]
        with pytest.raises(RemoteError, match="awaited"):
            await link.fail("awaited", asynchronous=True)

    asyncio.run(main())


def test_blocking_call_within_a_running_loop(link):
    async def main():
        return link.add(1, 2)

    assert asyncio.run(main()) == 3


def test_timeout(link, bench):
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"Bench\.wait did not reply within 0\.1 seconds"):
        link.wait(timeout=0.1)
    assert time.monotonic() - start < 5
    # the reply that still comes is nobody's
    bench.release.set()
    assert link.add(1, timeout=20) == 2
    assert not link._state.session._in_flight._replies


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"timeout": "5"}, TypeError),
        ({"timeout": float("nan")}, ValueError),
        ({"on_progress": "print"}, TypeError),
    ],
)
def test_option_of_a_call_that_is_none(link, option, error):
    for call in (link.add, lambda *args, **kwargs: asyncio.run(link.aio.add(*args, **kwargs))):
        with pytest.raises(error):
            call(1, **option)
    assert link.add(1, timeout=float("inf")) == 2
    assert not len(link._state.session._in_flight)


def test_request_that_is_given_up(link, bench):
    future = link.wait(asynchronous=True)
    assert future.cancel()
    bench.release.set()
    assert link.add(1) == 2
    assert not link._state.session._in_flight._replies


def test_calls_from_many_threads(link):
    results = {}

    def work(number):
        results[number] = [link.echo(number, i)[0] for i in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [[n, i] for i in range(20)] for n in range(10)}


# --- notifications -------------------------------------------------------------------------


def test_handler_that_fails_and_one_that_sends_a_request(link, caplog):
    got, done = [], threading.Event()

    def handler(number, square):
        if number == 1:
            raise ValueError("in the handler")
        got.append((link.add(number, 0), square))
        if number == 4:
            done.set()

    link.notification_handler = handler
    link.emit(5)
    assert done.wait(20)
    assert got == [(0, 0), (2, 4), (3, 9), (4, 16)]
    assert "in the handler" in caplog.text


def test_coroutine_function_as_handler(link):
    done = threading.Event()

    async def handler(number, square):
        await asyncio.sleep(0)
        if number == 2:
            done.set()

    link.notification_handler = handler
    link.emit(3)
    assert done.wait(20)


def test_many_listen_to_notifications_until_they_leave(link):
    got, done = {name: [] for name in "abc"}, threading.Event()

    def listener(name):
        def called(number, square):
            got[name].append(square)
            if name == "a" and number == 2:
                done.set()

        return called

    link.on_notification(listener("a"))
    leave = link.on_notification(listener("b"))
    link.notification_handler = listener("c")
    link.emit(3)
    assert done.wait(20)
    leave()
    leave()  # again is fine
    link.notification_handler = None
    done.clear()
    link.emit(3)
    assert done.wait(20)
    assert got == {"a": [0, 1, 4, 0, 1, 4], "b": [0, 1, 4], "c": [0, 1, 4]}


def test_no_notifications_after_unlinking(client):
    got, done = [], threading.Event()
    with client.link("Bench") as link:
        link.notification_handler = lambda *args, **kwargs: got.append(args)
    assert repr(link).startswith("<Un-Linked from Bench[")
    again = client.link("Bench")
    again.notification_handler = lambda *args, **kwargs: done.set()
    again.emit(1)
    assert done.wait(20)
    assert got == []


# --- disconnecting -------------------------------------------------------------------------


def test_disconnect(manager, bench):
    with connect(**manager.kwargs, name="Pi") as client, client.link("Bench") as link:
        text = repr(client)
        assert text == f"<Pi manager={client.address_manager} port={client.port}>"
    client.disconnect()
    assert repr(client) == "<Pi disconnected>"
    with pytest.raises(ConnectionError, match="Disconnected from Manager"):
        client.identities()
    with pytest.raises(AttributeError, match="since the link has been broken"):
        link.add(1)


def test_forgotten_client_disconnects(manager, client):
    link = connect(**manager.kwargs, name="Forgotten").link("Bench")
    assert link.add(1) == 2  # the link keeps its Client
    del link
    eventually(lambda: len(client.identities()["clients"]) == 1)


def test_manager_stops(bench):
    with LocalManager() as manager:
        client = connect(**manager.kwargs)
    eventually(lambda: not client.is_connected())
    with pytest.raises(ConnectionError):
        client.identities()
    client.disconnect()


def test_host_is_the_first(manager, bench):
    kwargs = dict(manager.kwargs)
    with connect(kwargs.pop("host"), **kwargs) as client:
        assert "Bench" in client


def test_spawn(client):
    with client.spawn("Second") as second:
        assert second.name == "Second"
        assert second.link("Bench").add(1) == 2
        assert len(client.identities()["clients"]) == 2


def test_nothing_is_left_behind(manager, bench):
    def used():
        return psutil.Process().num_fds(), threading.active_count()

    def once():
        with connect(**manager.kwargs) as client:
            client.link("Bench").emit(1)

    for _ in range(3):
        once()
    before = used()
    for _ in range(50):
        once()
    eventually(lambda: used()[0] <= before[0] + 2 and used()[1] <= before[1] + 2)


# --- questions to a person -----------------------------------------------------------------


def test_login_is_asked_for(monkeypatch):
    answers = {}
    monkeypatch.setattr(builtins, "input", lambda prompt: answers.setdefault(prompt, "n.bohr"))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: answers.setdefault(prompt, "secret"))
    with LocalManager(auth_login=True, users={"n.bohr": "secret"}) as manager:
        kwargs = {k: v for k, v in manager.kwargs.items() if k not in ("username", "password")}
        with connect(**kwargs) as client:
            assert client.admin_request("users_table.usernames") == ["n.bohr"]
            # what was answered is remembered
            asked = list(answers)
            client.spawn("Second").disconnect()
    assert len(asked) == 2
    assert asked[0].startswith("Enter a username for Manager[")
    assert asked[1] == "Enter the password for n.bohr > "


def test_administrator_logs_in_within_the_session(monkeypatch):
    users = {"n.bohr": "secret", "m.curie": "radium"}
    answers = iter(["n.bohr", "wrong", "n.bohr", "secret"])
    monkeypatch.setattr(builtins, "input", lambda prompt: next(answers))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    with LocalManager(users=users) as manager:
        with connect(**manager.kwargs) as client:
            with pytest.raises(RemoteError, match="ValueError: Wrong login password"):
                client.admin_request("users_table.usernames")
            assert client.is_connected()
        with connect(**manager.kwargs) as client:
            assert sorted(client.admin_request("users_table.usernames")) == ["m.curie", "n.bohr"]
            assert client.admin_request("port") == manager.port
            for attribute in ("_tables", "users_table.execute", "stopped.set", "identity.__self__"):
                with pytest.raises(RemoteError, match="AttributeError"):
                    client.admin_request(attribute)


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_unknown_certificate(manager, monkeypatch, tmp_path, capsys, answer):
    from msl_network import constants

    monkeypatch.setattr(constants, "CERT_DIR", str(tmp_path))
    monkeypatch.setattr(builtins, "input", lambda prompt: answer)
    kwargs = {"host": "localhost", "port": manager.port}
    if answer == "no":
        with pytest.raises(ConnectionRefusedError, match="is not trusted"):
            connect(**kwargs)
        assert not list(tmp_path.iterdir())
    else:
        connect(**kwargs).disconnect()
        connect(**kwargs).disconnect()  # without another question
        assert [path.name for path in tmp_path.iterdir()] == ["localhost.crt"]
    assert "SHA" in capsys.readouterr().out


# --- interrupts ----------------------------------------------------------------------------

INTERRUPTED = """
import json, os, signal, sys, threading
from msl_network import connect

with connect(**json.loads(sys.argv[1])) as client:
    link = client.link("Bench")
    large = "x" * 30_000_000
    call = {"waiting": link.wait, "sending": lambda: [link.echo(large) for _ in range(50)]}
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        call[sys.argv[2]]()
    except KeyboardInterrupt:
        print("interrupted", link.add(1, 2, timeout=30), client.is_connected(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't interrupt one process")
@pytest.mark.parametrize("what", ["waiting", "sending"])
def test_interrupted_call_leaves_the_client_usable(manager, bench, what):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, json.dumps(manager.kwargs), what],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout == "interrupted 3 True\n"


# --- keyword arguments ---------------------------------------------------------------------


def test_keywords_are_selected():
    kwargs = {"host": "pi", "port": 1, "auth_password": "x", "log_level": "INFO", "name": "me"}
    assert filter_client_connect_kwargs(**kwargs) == {
        "host": "pi",
        "port": 1,
        "password_manager": "x",
        "name": "me",
    }


def test_secrets_are_not_shown(manager, monkeypatch):
    with LocalManager(auth_password="sesame") as manager:
        with connect(**manager.kwargs) as client:
            assert "sesame" not in repr(client) + repr(client._session.options)
        wrong = {**manager.kwargs, "password_manager": "wrong-sesame"}
        with pytest.raises(ValueError) as caught:
            connect(**wrong)
        assert "sesame" not in str(caught.value)


def test_nobody_listens():
    with pytest.raises(ConnectionError, match="Make sure a Manager is running on this computer"):
        connect(port=1, timeout=5)
    with pytest.raises(ConnectionError, match=r"^Cannot connect to localhost:1: .*\nMake sure"):
        connect(port=1, timeout=5, disable_tls=True)


FORK = """
import json, os, sys
from msl_network import connect

link = connect(**json.loads(sys.argv[1])).link("Bench")
assert link.add(1) == 2
child = os.fork()
if not child:
    for safe in (False, True):
        try:
            link.add(2, safe_to_repeat=safe)
        except ConnectionError as error:
            print(str(error).partition("[")[0], flush=True)
    # one of its own is its own
    assert connect(**json.loads(sys.argv[1])).link("Bench").add(3) == 4
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
child = os.fork()
if not child:
    sys.exit(8)  # without having used the network
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 8
print(link.add(4), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_child_of_a_fork_leaves_the_connection_of_its_parent_alone(manager, bench):
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        FORK,
        json.dumps(manager.kwargs),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (2 * "Disconnected from Manager\n" + "5\n", "")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_notification_handler_that_ends_the_program_ends_nothing(link, asynchronous):
    got = []
    done = threading.Event()

    def handler(i, **kwargs):
        got.append(i)
        if i == 2:
            done.set()
        raise SystemExit("not from here")

    async def on_loop(i, **kwargs):
        handler(i)

    link.notification_handler = on_loop if asynchronous else handler
    link.emit(3, timeout=20)
    assert done.wait(20)
    assert got == [0, 1, 2]
    assert link.add(1, timeout=20) == 2


def test_service_as_a_key(client, bench):
    link = client["Bench"]
    assert link.add(1) == 2
    assert client["Bench"] is link
    assert client.link("Bench") is not link
    link.unlink()
    with pytest.raises(AttributeError, match="broken"):
        link.add(1)
    assert client["Bench"].add(1) == 2
    assert "Bench" in client
    assert "Nothing" not in client
    assert list(client) == ["Bench"]
    with pytest.raises(KeyError, match="does not exist"):
        client["Nothing"]


def test_service_as_a_key_is_the_link_that_there_is(client, bench):
    made = client.link("Bench")
    assert client["Bench"] is made


def test_callbacks_are_taken_away(client, link):
    called = []
    taken = [
        client.on_disconnect(lambda: called.append("taken away")),
        client.on_connection_lost(called.append),
        client.on_connection_restored(called.append),
        link.on_restored(called.append),
        link.on_changed(called.append),
    ]
    client.on_disconnect(lambda: called.append("kept"))
    for take_away in taken:
        take_away()
        take_away()  # once more is fine
    client.disconnect()
    eventually(lambda: called)
    assert called == ["kept"]
    assert not [*client._session.on_lost, *client._session.on_restored]
    assert not [*link._state.on_restored, *link._state.on_changed]


def test_links_that_there_are(client):
    assert client.links == {}
    link = client["Bench"]
    assert client.links == {"Bench": link}
    link.unlink()
    assert client.links == {}


def test_service_as_a_key_is_one_link_for_many_threads(client, bench):
    begin = threading.Barrier(16)

    def look_up(_):
        begin.wait(20)
        return client["Bench"]

    with ThreadPoolExecutor(16) as pool:
        first, *others = pool.map(look_up, range(16))
    assert all(link is first for link in others)
    first.unlink()
    assert not client._session.links


def test_client_that_is_let_go_with_a_link(manager, bench):
    client = connect(name="Gone", **manager.kwargs)
    client["Bench"].add(1)
    ended = threading.Event()
    client.on_disconnect(ended.set)
    # nothing but what counts references is needed
    gc.disable()
    try:
        del client
        assert ended.wait(20)
    finally:
        gc.enable()

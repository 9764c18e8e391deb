"""Watching what is on a Manager: what comes, goes, links, locks; through a restart; to the end."""

import asyncio
import contextlib
import gc
import json
import threading

import pytest

from msl_network import LocalManager, Service, aio, connect, loop_thread
from msl_network.client.watching import EARLY
from msl_network.examples import Echo
from msl_network.manager import reporter

from .laboratory import eventually
from .raw import RawPeer

WATCH = {"service": "Manager", "attribute": "watch", "args": [True], "kwargs": {}, "uid": "w"}
NEWS = {"features": ["news"]}


@pytest.fixture
def kwargs(manager):
    return manager.kwargs


@pytest.fixture
def client(kwargs):
    with connect(**kwargs) as client:
        yield client


@pytest.fixture
def watchers(manager):
    """The Clients that watch the Manager, as it knows them."""
    return manager._running.manager.registry.news.watchers


@contextlib.contextmanager
def raw_watcher(manager):
    """A Client that watches and does not read yet, and the state that it has been told."""
    with RawPeer(manager.port) as raw:
        assert raw.read()["attribute"] == "identity"
        raw.send({"result": {"type": "client", "name": "Raw", **NEWS}})
        yield raw, raw.ask(WATCH)["result"]


def test_services_and_clients_come_and_go(client, kwargs):
    seen = threading.Semaphore(0)
    with client.watch(lambda _: seen.release()) as watch:
        assert seen.acquire(timeout=20)  # it is told what there is
        assert watch.is_live
        assert watch.services == {}
        assert list(watch.clients) == [watch.network_name]
        assert "0 Services, 1 Clients, live" in repr(watch)
        with Echo().start_in_background(**kwargs), connect(name="Other", **kwargs) as other:
            eventually(lambda: "Echo" in watch.services and len(watch.clients) == 2)
            known = client.identities()["services"]["Echo"]
            assert watch.services["Echo"].items() >= known.items()
            (name,) = watch.clients.keys() - {watch.network_name}
            assert watch.clients[name]["name"] == "Other"

            link = other.link("Echo")
            eventually(lambda: watch.services["Echo"]["links"] == [name])
            for shared, lock in ((False, "exclusive"), (True, "shared")):
                link.acquire_lock(shared=shared)
                eventually(lambda lock=lock: watch.services["Echo"]["lock"] == lock)
                assert watch.services["Echo"]["locks"] == [name]
            link.release_lock()
            eventually(lambda: watch.services["Echo"]["lock"] is None)
            link.unlink()
            eventually(lambda: watch.services["Echo"]["links"] == [])
        eventually(lambda: watch.services == {} and len(watch.clients) == 1)
        assert seen.acquire(timeout=20)
    assert watch.services == {}
    assert repr(watch) == "<Watch closed>"


def test_who_begins_to_watch_sees_what_it_has_just_done(client, kwargs):
    with Echo().start_in_background(**kwargs), client.watch():
        link = client.link("Echo")
        for locks in (1, 0, 1, 0):
            link.acquire_lock() if locks else link.release_lock()
            with client.watch() as watch:
                assert len(watch.services["Echo"]["locks"]) == locks


def test_asynchronous_face(kwargs):
    async def play():
        changed = asyncio.Event()

        async def handler(watch):
            assert asyncio.get_running_loop() is loop
            if "Echo" in watch.services:
                changed.set()

        loop = asyncio.get_running_loop()
        async with aio.connect(**kwargs) as client:
            with await client.watch(handler), Echo().start_in_background(**kwargs):
                await asyncio.wait_for(changed.wait(), 20)

    asyncio.run(play())


def test_manager_is_started_again():
    calls = []
    with LocalManager(disable_tls=True) as first:
        kwargs = first.kwargs
        client = connect(**kwargs)
        running = Echo().start_in_background(**kwargs)
        watch = client.watch(lambda watch: calls.append(sorted(watch.services)))
        eventually(lambda: calls and calls[-1] == ["Echo"])
    with running, client:
        # while nothing is known, nothing is said to be there
        eventually(lambda: calls[-1] == [])
        assert not watch.is_live
        assert "which is away" in repr(watch)
        with LocalManager(disable_tls=True, port=kwargs["port"]) as again:
            another = client.watch(timeout=20)  # waits until it is back
            assert another.is_live
            eventually(lambda: calls[-1] == ["Echo"] and watch.is_live)
            for each in (watch, another):
                each.close()
            eventually(lambda: not again._running.manager.registry.news.watchers)


def test_watch_ends_with_its_client(kwargs):
    ended = threading.Event()
    client = connect(**kwargs)
    watch = client.watch(lambda watch: watch.is_closed and ended.set())
    assert not ended.is_set()
    client.disconnect()
    assert ended.wait(20)
    assert watch.clients == {}
    called = threading.Event()
    with pytest.raises(ConnectionError, match="cannot watch"):
        client.watch(lambda _: called.set())
    assert not called.wait(0.1)


def test_what_nobody_watches_is_not_told(client, watchers):
    watches = [client.watch(), client.watch(print), client.watch()]
    assert len(watchers) == 1
    watches[0].close()
    watches[1].close()
    assert client.identities()
    assert len(watchers) == 1
    del watches
    gc.collect()
    eventually(lambda: not watchers)
    with client.watch() as watch:  # once more, on the same connection
        assert watch.is_live
        assert list(watch.clients) == [watch.network_name]


def test_watch_that_is_given_up_is_closed(client, watchers):
    async def give_up():
        watching = asyncio.create_task(client.aio.watch(print))
        await asyncio.sleep(0)  # one step: it knows all, and has not returned
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            (await watching).close()

    with client.watch():
        loop_thread.submit(give_up()).result(20)
    eventually(lambda: not watchers)


def test_watch_keeps_its_client(kwargs, watchers):
    with connect(**kwargs).watch() as watch:
        gc.collect()
        assert watch.is_live
        assert watchers
    del watch
    gc.collect()
    eventually(lambda: not watchers)


def test_slow_handler_is_called_once_for_many_changes(client, kwargs):
    go_on, calls = threading.Event(), []

    def handler(watch):
        calls.append(sorted(watch.services))
        go_on.wait(20)

    with client.watch(handler) as watch:
        for _ in range(3):
            with Echo().start_in_background(**kwargs):
                eventually(lambda: watch.services)
            eventually(lambda: not watch.services)
        assert len(calls) == 1
        with Echo().start_in_background(**kwargs):
            eventually(lambda: watch.services)
            go_on.set()
            eventually(lambda: calls[1:] == [["Echo"]])


def test_slow_coroutine_is_called_once_for_many_changes(client, kwargs):
    begun, going, most = threading.Semaphore(0), set(), []
    go_on = asyncio.Event()

    async def handler(watch):
        going.add(watch_call := object())
        most.append(len(going))
        begun.release()
        await go_on.wait()
        going.remove(watch_call)

    with client.watch(handler) as watch:
        assert begun.acquire(timeout=20)
        for _ in range(3):
            with Echo().start_in_background(**kwargs):
                eventually(lambda: watch.services)
            eventually(lambda: not watch.services)
        loop_thread.get_loop().call_soon_threadsafe(go_on.set)
        assert begun.acquire(timeout=20)  # it is told of what it has missed, in one call
        eventually(lambda: not going)
    assert most == [1, 1]


def test_manager_that_does_not_answer(client, manager, monkeypatch):
    monkeypatch.setattr(manager._running.manager, "_watch", lambda *_: None)
    with pytest.raises(TimeoutError, match=r"has not told what is on it within 0\.1 seconds"):
        client.watch(timeout=0.1)
    with pytest.raises(TimeoutError):
        asyncio.run(client.aio.watch(timeout=0.1))


# --- what the Manager sends --------------------------------------------------------------------


def test_thousands_of_changes_are_a_few_lines(manager, client, kwargs):
    with Echo().start_in_background(**kwargs), raw_watcher(manager) as (raw, state):
        assert set(state["services"]) == {"Echo"}
        link = client.link("Echo")
        for _ in range(1000):
            link.acquire_lock()
            link.release_lock()
        link.acquire_lock(shared=True)
        lines = []
        while not lines or lines[-1]["args"][0]["services"]["Echo"]["lock"] != "shared":
            lines.append(raw.read())
        assert {line["attribute"] for line in lines} == {"__news__"}
        assert len(lines) < 50
        numbers = [line["args"][0]["number"] for line in lines]
        assert numbers == sorted(set(numbers))


def test_lines_of_news_are_bounded(manager, monkeypatch):
    monkeypatch.setattr(reporter, "NEWS_BYTES", 2000)
    attributes = {f"method{i}": "(x)" for i in range(40)}
    names = {f"S{i}" for i in range(10)}
    with raw_watcher(manager) as (raw, _), contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(RawPeer(manager.port)).service(name, attributes=attributes)
        found = {}
        while found.keys() != names:
            line = raw.read_line()
            assert len(line) < 2500
            found |= json.loads(line)["args"][0]["services"]


def test_news_wait_for_a_client_that_is_behind(manager, client):
    """They neither grow nor come before results: who reads again is told how it is then."""

    class Large(Service):
        def picture(self):
            return "x" * 20_000_000

    with Large().start_in_background(**manager.kwargs), raw_watcher(manager) as (raw, _):
        raw.send({**WATCH, "service": "Large", "attribute": "picture", "args": [], "uid": "p"})
        peers = manager._running.manager.peers
        (peer,) = [peer for peer in peers if peer.network_name.startswith("Raw[")]
        eventually(lambda: not peer.connection.is_idle)
        waiting = peer.connection._pending_bytes
        link = client.link("Large")
        for _ in range(200):
            link.acquire_lock(shared=True)
            link.release_lock()
        link.acquire_lock(shared=True)
        assert peer.connection._pending_bytes <= waiting
        answers = []
        while not answers or answers[-1].get("uid") != "p":
            answers.append(raw.read())
        assert len(answers) < 10
        while not (news := raw.read()["args"][0]["services"]) or not news["Large"]["locks"]:
            pass


def test_client_that_has_missed_too_much_asks_anew(manager, client, kwargs, monkeypatch):
    monkeypatch.setattr("msl_network.manager.news.NEWS_KEPT", 2)
    registry = manager._running.manager.registry
    answer, asked = registry.watch, []
    monkeypatch.setattr(registry, "watch", lambda name: asked.append(name) or answer(name))

    def change():
        for i in range(5):
            registry.news.note(f"X{i}", is_service=False)

    with client.watch() as watch:
        loop_thread.get_loop().call_soon_threadsafe(change)
        eventually(lambda: asked == [watch.network_name] * 2)
        with Echo().start_in_background(**kwargs):
            eventually(lambda: watch.is_live and "Echo" in watch.services)


# --- lies --------------------------------------------------------------------------------------


def test_who_does_not_know_news_is_asked_for_a_login(manager):
    with RawPeer(manager.port).client() as raw:
        assert raw.ask(WATCH)["attribute"] == "username"


@pytest.mark.parametrize(
    "args", ["[]", "[1]", '["true"]', "[true, true]", "[null]", f"[{'1' * 5000}]"]
)
def test_watch_takes_true_or_false(manager, args):
    with raw_watcher(manager) as (raw, _):
        raw.send(json.dumps({**WATCH, "args": "?"}).replace('"?"', args).encode() + b"\r\n")
        answer = raw.read()
        assert answer["error"]
        assert answer["uid"] == "w"
        assert raw.ask("identity")["error"] is False


def test_only_a_client_watches(manager):
    with RawPeer(manager.port).service(**NEWS) as raw:
        assert "A Client can `watch`" in raw.ask(WATCH)["message"]


def test_manager_that_lies(client):
    with client.watch() as watch:
        before = watch.clients
        news = b'{"attribute": "__news__", "service": "Manager", "args": %s}'
        session = client._session

        async def lie():
            for args in (
                b'[{"services": {"X": 1, "Y": "Z"}, "clients": {"N": [1]}}]',
                b'[{"services": {"S": {"attributes": 3, "links": "x"}}, "clients": {}}]',
            ):
                session.line_received(news % args)

        loop_thread.submit(lie()).result(20)
        assert watch.clients == before
        assert watch.services == {"S": {}}
        # what makes no sense at all makes the Client ask what there is
        for args in (b"[1]", b'[{"services": 3}]', b"[]", b'{"services": {}}', b"[null, 2]"):
            loop_thread.get_loop().call_soon_threadsafe(session.line_received, news % args)
        eventually(lambda: watch.is_live and watch.services == {})
        assert watch.clients == before


@pytest.mark.parametrize("number", ["1e999", "null", '"many"', "[]"])
def test_manager_that_answers_what_makes_no_sense(client, manager, monkeypatch, number):
    def answer(peer, message):
        line = (
            b'{"result": {"name": "x", "number": %s, "services": {}, "clients": {}}, "uid": "%s"}'
        )
        peer.connection.send(line % (number.encode(), message.uid.encode()) + b"\r\n")

    monkeypatch.setattr(manager._running.manager, "_watch", answer)
    with client.watch(timeout=20) as watch:
        # it is asked like one of 1.x
        assert not watch.is_live
        assert len(watch.clients) == 1


def test_news_that_come_before_the_answer_are_bounded(client, manager, monkeypatch):
    answer, asked = manager._running.manager._watch, []
    line = b'{"attribute": "__news__", "service": "Manager", "args": [{"services": {"N": {}}'

    def flood(peer, message):
        asked.append((peer, message))
        if len(asked) > 1:
            answer(peer, message)
            return
        for _ in range(5000):
            peer.connection.send(line + b', "clients": {}}]}\r\n')

    monkeypatch.setattr(manager._running.manager, "_watch", flood)

    async def play():
        watching = asyncio.ensure_future(client.aio.watch(timeout=20))
        while not asked:
            await asyncio.sleep(0.01)
        assert await client.aio.identities()  # all of it has come
        assert len(client._session.watching._early) <= EARLY
        loop_thread.get_loop().call_soon_threadsafe(answer, *asked[0])
        return await watching

    with asyncio.run(play()) as watch:
        # not all is known that has changed, so it is asked once more
        eventually(lambda: len(asked) == 2 and watch.is_live)
        assert watch.services == {}

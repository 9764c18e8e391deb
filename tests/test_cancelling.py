"""Requests that are given up: by the caller, a timeout, or the task that awaits them."""

import asyncio
import copy
import pickle
import threading
import time
from concurrent import futures

import pytest

from msl_network import Service, connect
from msl_network.line_socket import LineSocket

from .laboratory import eventually
from .raw import RawPeer


class Scanner(Service):
    def __init__(self):
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.heard = []

    async def on_loop(self):
        self.entered.release()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.heard.append("cancelled")
            raise

    def in_thread(self):
        self.entered.release()
        self.heard.append(self.request.sleep(60))
        self.request.raise_if_cancelled()

    def stubborn(self):
        self.entered.release()
        while not self.request.cancelled:
            self.request.sleep(0.01)
        return "all the same"

    def deaf(self):
        self.entered.release()
        self.let_go.wait(30)


@pytest.fixture
def service(manager):
    service = Scanner()
    with service.start_in_background(**manager.kwargs):
        yield service


@pytest.fixture
def link(manager, service):
    with connect(**manager.kwargs) as client:
        yield client.link("Scanner")


@pytest.mark.parametrize(
    ("method", "how", "heard"),
    [
        ("on_loop", "stopped", ["cancelled"]),
        ("in_thread", "stopped", [False]),
        ("stubborn", "ended", []),
    ],
)
def test_caller_gives_up_and_learns_what_became_of_it(service, link, method, how, heard):
    reply = link[method](asynchronous=True)
    assert reply.cancellation is None
    assert service.entered.acquire(timeout=10)
    assert reply.cancel()
    assert reply.cancelled()
    assert reply.cancellation.result(10) == how
    assert service.heard == heard
    assert not link._state.session._in_flight._given_up


def test_what_has_not_begun_never_does(service, link):
    # all threads of the Service are taken
    running = [link.stubborn(asynchronous=True) for _ in range(32)]
    for _ in running:
        assert service.entered.acquire(timeout=10)
    waiting = link.in_thread(asynchronous=True)
    assert waiting.cancel()
    assert waiting.cancellation.result(10) == "not begun"
    for reply in running:
        reply.cancel()
    assert {reply.cancellation.result(10) for reply in running} == {"ended"}
    assert service.heard == []


def test_timeout_reaches_the_service(service, link):
    with pytest.raises(TimeoutError, match=r"Scanner.on_loop did not reply within 0.2") as caught:
        link.on_loop(timeout=0.2)
    assert caught.value.cancellation.result(10) == "stopped"
    assert service.heard == ["cancelled"]


def test_timeout_that_is_over_before_the_request_is_sent(service, link, monkeypatch):
    send = LineSocket.send

    def send_late(self, line):
        if b"in_thread" in line and threading.current_thread() is threading.main_thread():
            time.sleep(0.1)
        return send(self, line)

    monkeypatch.setattr(LineSocket, "send", send_late)
    with pytest.raises(TimeoutError) as caught:
        link.in_thread(timeout=0.001)
    # it may have come to the Service: "not begun" only if that has not begun
    how = caught.value.cancellation.result(10)
    assert how == ("stopped" if service.entered.acquire(timeout=0.5) else "not begun")


@pytest.mark.parametrize("method", ["on_loop", "in_thread"])
def test_cancelled_task_reaches_the_service(service, link, method):
    async def main():
        task = asyncio.ensure_future(link.aio[method]())
        assert await asyncio.to_thread(service.entered.acquire, timeout=10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await link.aio[method]()

    asyncio.run(main())
    eventually(lambda: len(service.heard) == 2)


def test_what_ended_the_call_tells_what_became_of_it(service, link):
    async def main():
        task = asyncio.ensure_future(link.aio.on_loop())
        assert await asyncio.to_thread(service.entered.acquire, timeout=10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        with pytest.raises(TimeoutError) as late:
            async with asyncio.timeout(0.1):
                await link.aio.on_loop(asynchronous=True)
        return cancelled.value.cancellation, late.value.__cause__.cancellation

    assert [how.result(10) for how in asyncio.run(main())] == ["stopped", "stopped"]


def test_error_of_a_timeout_can_be_copied_and_pickled(link):
    with pytest.raises(TimeoutError) as caught:
        link.on_loop(timeout=0.05)
    error = caught.value
    error.add_note("at 300 K")
    assert error.cancellation.result(10) == "stopped"
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        assert (str(other), other.__notes__) == (str(error), ["at 300 K"])
        assert other.cancellation.result(0) == "stopped"


def test_who_waits_for_several_is_told_of_those_that_are_given_up(service, link):
    replies = [link.on_loop(asynchronous=True) for _ in range(3)]
    threading.Timer(0.1, lambda: [reply.cancel() for reply in replies]).start()
    assert futures.wait(replies, timeout=10).not_done == set()
    assert set(futures.as_completed(replies, timeout=10)) == set(replies)

    async def main():
        replies = [link.on_loop(asynchronous=True) for _ in range(3)]
        together = asyncio.gather(*replies)
        await asyncio.sleep(0.1)
        together.cancel()
        with pytest.raises(asyncio.CancelledError):
            await together
        heard = [link["heard"](asynchronous=True) for _ in range(3)]
        assert [type(await each) for each in asyncio.as_completed(heard)] == [list] * 3
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.on_loop(asynchronous=True), 0.1)
        return replies

    assert {reply.cancellation.result(10) for reply in asyncio.run(main())} == {"stopped"}


def test_callback_of_a_future_sees_what_became_and_can_not_wait_on_the_loop(service, link):
    reply = link.on_loop(asynchronous=True)
    assert service.entered.acquire(timeout=10)
    seen = futures.Future()
    reply.add_done_callback(lambda reply: seen.set_result(reply.cancellation.result(10)))
    reply.cancel()
    assert seen.result(10) == "stopped"
    # the thread of the network would wait for itself
    other, refused = link.on_loop(asynchronous=True), futures.Future()

    def wait(_):
        try:
            other.result()
        except RuntimeError as error:
            refused.set_result(str(error))

    link["heard"](asynchronous=True).add_done_callback(wait)
    assert "would wait for itself" in refused.result(10)
    other.cancel()


def test_given_up_by_several_at_once(link):
    """By two threads and a timeout, while the reply is coming."""
    for _ in range(20):
        replies = [link.heard(asynchronous=True, timeout=0.001) for _ in range(40)]
        threads = [
            threading.Thread(target=lambda all_=replies: [reply.cancel() for reply in all_])
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for reply in replies:
            if reply.cancelled() or isinstance(reply.exception(10), TimeoutError):
                assert reply.cancellation.result(10) in ("not begun", "stopped", "ended")
            else:
                assert (reply.result(), reply.cancellation) == ([], None)
    assert not link._state.session._in_flight._given_up


def test_cancel_of_a_signal_in_the_middle_of_a_line(service, link, monkeypatch):
    """What Python calls when Ctrl+C comes while a line is written."""
    first, second = (link.on_loop(asynchronous=True) for _ in range(2))
    for _ in range(2):
        assert service.entered.acquire(timeout=10)
    push, here = LineSocket._push, threading.current_thread()

    def push_interrupted(self, data):
        if threading.current_thread() is here:
            second.cancel()
        return push(self, data)

    monkeypatch.setattr(LineSocket, "_push", push_interrupted)
    first.cancel()
    assert second.cancelled()
    assert [reply.cancellation.result(10) for reply in (first, second)] == ["stopped"] * 2


def test_request_of_a_link_that_is_broken_meanwhile(service, link):
    reply = link.on_loop(asynchronous=True)
    assert service.entered.acquire(timeout=10)
    link.unlink()
    reply.cancel()
    assert reply.cancellation.result(10) == "stopped"


def test_what_has_been_answered_can_not_be_given_up(link):
    reply = link.heard(asynchronous=True)
    assert reply.result(10) == []
    assert not reply.cancel()
    assert reply.cancellation is None


def test_request_that_is_held_while_the_connection_is_away(manager, service, link):
    manager.stop()
    eventually(lambda: not link._state.session.is_connected)
    reply = link.heard(asynchronous=True, safe_to_repeat=True)
    assert reply.cancel()
    assert reply.cancellation.result(10) == "not begun"


def test_connection_is_lost_before_it_is_known(manager, service, link):
    reply = link.deaf(asynchronous=True)
    assert service.entered.acquire(timeout=10)
    reply.cancel()
    assert not reply.cancellation.done()
    manager.stop()
    assert reply.cancellation.result(10) == "unknown"
    service.let_go.set()


def test_nobody_can_give_up_the_request_of_another(manager, service, link):
    reply = link.in_thread(asynchronous=True)
    assert service.entered.acquire(timeout=10)
    with RawPeer(manager.port).client() as raw:
        for requester in (None, link._state.session.network_name):
            line = {"attribute": "__cancel__", "service": "Scanner", "uid": reply.uid}
            raw.send({**line, "requester": requester})
        assert raw.ask("identity")["result"]["services"].keys() == {"Scanner"}
    assert link.heard() == []
    reply.cancel()
    assert reply.cancellation.result(10) == "stopped"


def test_service_that_knows_no_more_than_1x(manager):
    with connect(**manager.kwargs) as client, RawPeer(manager.port).service("Old") as old:
        reply = client.link("Old")["wait"](asynchronous=True)
        assert old.read()["attribute"] == "wait"
        assert reply.cancel()
        assert reply.cancellation.result(0) == "unknown"
        old.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            old.socket.recv(1)  # it has not been sent what it does not know

"""Methods that yield: their items come one by one, and no faster than they are taken."""

import asyncio
import contextlib
import gc
import json
import threading
import time

import pytest

from msl_network import LocalManager, RemoteError, Service, connect, executing
from msl_network.constants import STREAM_BYTES, STREAM_ITEMS
from msl_network.line_socket import LineSocket
from msl_network.streaming import ENVELOPE

from .laboratory import eventually
from .raw import RawPeer


class Scanner(Service):
    def __init__(self):
        super().__init__()
        self.made = 0
        self.closed = threading.Semaphore(0)
        self.stop = False

    def scan(self, points, size=0, fail_at=None):
        try:
            for i in range(points):
                if i == fail_at:
                    raise ValueError("the lamp is off")
                self.made = i + 1
                yield "x" * size if size else i
        finally:
            self.closed.release()

    async def scan_on_loop(self, points, size=0, fail_at=None):
        try:
            for i in range(points):
                if i == fail_at:
                    raise ValueError("the lamp is off")
                self.made = i + 1
                yield "x" * size if size else i
        finally:
            self.closed.release()

    def mixed(self, sizes):
        yield from ["x" * size for size in sizes]

    async def mixed_on_loop(self, sizes):
        for size in sizes:
            yield "x" * size

    def slow(self):
        try:
            while True:
                yield 1
                if not self.request.sleep(0.02):
                    return
        finally:
            self.closed.release()

    def never(self):
        self.request.sleep(60)
        yield 1

    async def goes_on(self):
        try:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.001)
                yield 1
        finally:
            self.closed.release()

    def for_ever(self):
        try:
            while True:
                yield 1
                time.sleep(0.001)
        finally:
            self.closed.release()

    async def slow_to_end(self):
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0.1)  # the arm goes back
            self.closed.release()

    async def waits_for_nothing(self):
        latest = time.monotonic() + 10
        while not self.stop:
            yield 1
            assert time.monotonic() < latest

    def odd(self):
        yield 1
        yield object()

    def shutdown_service(self):
        return "bye"


METHODS = pytest.mark.parametrize("method", ["scan", "scan_on_loop"])


@pytest.fixture
def service(manager):
    service = Scanner()
    with service.start_in_background(**manager.kwargs):
        yield service


@pytest.fixture
def link(manager, service):
    with connect(**manager.kwargs) as client:
        yield client.link("Scanner")


def is_closed(service):
    return service.closed.acquire(timeout=10)


@METHODS
def test_every_item_comes_once_and_in_order(service, link, method):
    assert list(link[method](20_000)) == list(range(20_000))
    assert is_closed(service)

    async def main():
        return [point async for point in link.aio[method](20_000)]

    assert asyncio.run(main()) == list(range(20_000))
    assert list(link[method](0)) == []


@METHODS
def test_method_is_not_far_ahead_of_who_takes_its_items(service, link, method):
    stream = link[method](100_000)
    for taken in range(1, 2 * STREAM_ITEMS, 100):
        for _ in range(100):
            next(stream)
        assert service.made <= taken + 100 + STREAM_ITEMS
    stream.close()
    assert is_closed(service)


@pytest.mark.parametrize("method", ["mixed", "mixed_on_loop"])
def test_item_that_just_fits_into_a_message_is_alone_in_it(service, link, monkeypatch, method):
    sent = []
    executor = service._Service__session.executor
    monkeypatch.setattr(executor, "reply_limit", 200_000)
    connection = service._Service__session._connection
    offer = connection.offer
    monkeypatch.setattr(
        connection, "offer", lambda line, **more: (sent.append(len(line)), offer(line, **more))[1]
    )
    sizes = [1000] * 60 + [200_000 - 2 - ENVELOPE] + [1000]
    assert [len(item) for item in link[method](sizes)] == sizes
    assert max(sent) <= 200_000


@METHODS
def test_large_items_are_not_many(service, link, method):
    size = STREAM_BYTES // 4
    stream = link[method](100, size=size)
    for taken in range(1, 10):
        assert len(next(stream)) == size
        assert service.made <= taken + 6
    assert len(list(stream)) == 91


@METHODS
def test_leaving_the_loop_early_ends_the_method(service, link, method):
    for point in link[method](10**9):
        if point == 10:
            break
    del point
    gc.collect()
    assert is_closed(service)

    async def main():
        async for point in link.aio[method](10**9):
            if point == 10:
                break

    asyncio.run(main())
    gc.collect()
    assert is_closed(service)
    with link[method](10**9) as stream:
        assert next(stream) == 0
    assert is_closed(service)
    assert list(stream) == []
    assert service.made < 3 * STREAM_ITEMS


@METHODS
def test_error_comes_after_the_items_before_it(service, link, method):
    got = []
    with pytest.raises(ValueError, match="the lamp is off") as caught:
        for point in link[method](10, fail_at=7):
            got.append(point)
    assert got == list(range(7))
    assert isinstance(caught.value, RemoteError)
    assert "in scan" in caught.value.traceback


def test_item_that_is_no_json(link):
    stream = link.odd()
    assert next(stream) == 1
    with pytest.raises(TypeError, match="not JSON serializable"):
        next(stream)


def test_items_come_while_the_method_goes_on(service, link):
    stream = link.slow()
    start = time.monotonic()
    assert [next(stream) for _ in range(5)] == [1] * 5
    assert time.monotonic() - start < 10
    stream.close()
    assert is_closed(service)


def test_item_that_does_not_come_in_time(service, link):
    with pytest.raises(TimeoutError, match=r"Scanner.never did not yield anything within 0.2 s"):
        next(link.never(timeout=0.2))

    async def main():
        async for _ in link.aio.never(timeout=0.2):
            pass

    with pytest.raises(TimeoutError, match="did not yield anything"):
        asyncio.run(main())


def test_wait_for_an_item_that_is_cancelled(link, caplog):
    async def main():
        async def take():
            async for _ in link.aio.never():
                pass

        task = asyncio.create_task(take())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert "exception" not in caplog.text


def test_two_threads_share_a_stream(link):
    stream = link.scan(3000)
    got = []
    threads = [threading.Thread(target=lambda: got.extend(stream), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(got) == list(range(3000))


def test_stream_that_is_closed_while_another_thread_waits_for_an_item(link):
    stream = link.never()
    thread = threading.Thread(target=lambda: list(stream), daemon=True)
    thread.start()
    time.sleep(0.1)
    stream.close()
    thread.join(10)
    assert not thread.is_alive()


def test_garbage_that_is_collected_in_the_middle_of_a_write(service, link, monkeypatch):
    class Knot:
        pass

    knot = Knot()
    knot.stream, knot.itself = link.scan(10**9), knot
    assert next(knot.stream) == 0
    write = LineSocket._write
    collected = []

    def collect_and_write(self, line):
        collected.append(gc.collect())
        write(self, line)

    del knot
    monkeypatch.setattr(LineSocket, "_write", collect_and_write)
    assert link.scan(3, asynchronous=True).result(10) == [0, 1, 2]
    assert collected
    assert is_closed(service)


def test_method_that_goes_on_when_it_is_cancelled(service, link):
    stream = link.goes_on()
    assert next(stream) == 1
    stream.close()
    assert is_closed(service)


def test_what_cleans_up_is_not_given_up_again_with_its_client(manager, service):
    with connect(**manager.kwargs) as client:
        stream = client.link("Scanner").slow_to_end()
        assert next(stream) == 1
        stream.close()
    assert is_closed(service)


def test_stream_that_nobody_reads_does_not_keep_a_service_from_shutting_down(
    service, link, monkeypatch
):
    monkeypatch.setattr(executing, "SHUTDOWN_TIMEOUT", 0.2)
    unread, read = link.scan(10**9), link.slow()
    assert (next(unread), next(read)) == (0, 1)
    # one more if the first was taken, and told, before the second came
    eventually(lambda: service.made >= STREAM_ITEMS)
    end = link.shutdown_service(asynchronous=True)
    assert is_closed(service)
    for _ in range(3):
        assert next(read) == 1  # somebody takes these
    assert not end.done()
    got = 0
    with pytest.raises(RemoteError, match="'Scanner' service is shutting down"):
        for _ in unread:
            got += 1
    assert got == service.made - 1 <= STREAM_ITEMS
    read.close()
    assert end.result(20) == "bye"


def test_list_of_what_waits_for_nothing_holds_up_nobody(service, link):
    reply = link.waits_for_nothing(asynchronous=True)
    assert link.scan(3, asynchronous=True, timeout=20).result() == [0, 1, 2]
    service.stop = True
    assert set(reply.result(20)) == {1}


def test_list_of_what_never_ends(manager, service, link, monkeypatch):
    reply = link.for_ever(asynchronous=True)
    eventually(lambda: service._Service__session.executor._running == 1)
    time.sleep(0.05)
    reply.cancel()
    assert is_closed(service)
    assert reply.cancellation.result(10) == "stopped"
    for uid in ("1", ""):
        with RawPeer(manager.port).client() as raw:
            request = {"service": "Scanner", "attribute": "for_ever", "args": [], "kwargs": {}}
            raw.send({**request, "uid": uid})
            eventually(lambda: service._Service__session.executor._running == 1)
        assert is_closed(service)
    monkeypatch.setattr(service._Service__session.executor, "reply_limit", 1000)
    with pytest.raises(ValueError, match="yields more than a message can have"):
        link.for_ever(asynchronous=True).result(10)
    assert is_closed(service)


def test_all_of_them_at_once(link):
    assert link.scan(5, asynchronous=True).result(10) == [0, 1, 2, 3, 4]


def test_who_knows_no_more_than_1x_gets_the_list(manager, service):
    with RawPeer(manager.port).client() as raw:
        request = {"service": "Scanner", "attribute": "scan", "args": [3], "kwargs": {}}
        for method in ("scan", "scan_on_loop"):
            answer = raw.ask({**request, "attribute": method, "uid": method})
            assert (answer["uid"], answer["result"]) == (method, [0, 1, 2])
        assert (
            "streams"
            not in raw.ask(
                {
                    **request,
                    "attribute": "link",
                    "service": "Manager",
                    "args": ["Scanner"],
                    "uid": "l",
                }
            )["result"]
        )


def test_several_at_a_time(link):
    streams = [link.scan(3000), link.scan_on_loop(3000), link.scan(3000)]
    assert list(zip(*streams, strict=True)) == [(i, i, i) for i in range(3000)]


def test_streams_that_share_a_uid_end_with_their_client(manager, service):
    request = {"service": "Scanner", "attribute": "for_ever", "args": [], "kwargs": {}}
    with begin_and_read_nothing(manager) as raw:
        for _ in range(3):
            raw.send({**request, "uid": "7", "stream": True})
        eventually(lambda: service._Service__session.executor._running == 4)
    for _ in range(4):
        assert is_closed(service)


@pytest.fixture
def liar(manager):
    """A Service that sends items as it likes, and a stream of it."""
    with RawPeer(manager.port) as raw, connect(**manager.kwargs) as client:
        raw.read()
        more = {"attributes": {"f": "()"}, "streams": ["f"], "features": ["stream", "cancel"]}
        raw.send({"result": {"type": "service", "name": "Liar", **more}})
        eventually(lambda: "Liar" in client.identities()["services"])
        stream = client.link("Liar").f()
        request = raw.read()
        items = {"attribute": "__items__", "uid": request["uid"]}
        yield raw, stream, {**items, "requester": request["requester"]}


@pytest.mark.parametrize("item", ["x", "x" * STREAM_BYTES])
def test_service_that_does_not_wait_until_its_items_are_taken(liar, item):
    raw, stream, items = liar
    line = json.dumps({**items, "args": [item] * (1 if len(item) > 1 else 100)}).encode() + b"\r\n"
    for _ in range(200 if item == "x" else 20):
        raw.send(line)
    eventually(stream._reply.done)
    assert raw.read()["attribute"] == "__cancel__"
    got = 0
    with pytest.raises(ConnectionError, match=r"Liar.f yields, but does not wait"):
        for _ in stream:
            got += 1
    assert got == (10 * STREAM_ITEMS if item == "x" else 10)


def test_end_of_a_request_that_is_made_up(liar):
    raw, stream, items = liar
    stream.close()
    assert raw.read()["attribute"] == "__cancel__"
    error = {"error": True, "message": "x", "result": None, "cancelled": "\x1b[2J"}
    raw.send({**items, "attribute": None, **error})
    assert stream._reply.cancellation.result(10) == "ended"


def test_client_that_tells_without_end_gets_no_service_dropped(manager, liar):
    told = {"attribute": "__taken__", "service": "Liar", "args": [1]}
    with RawPeer(manager.port).client() as raw:
        request = {"service": "Liar", "attribute": "f", "args": [], "kwargs": {}}
        raw.send({**request, "uid": "1"})
        raw.send({**told, "uid": "1", "args": ["x" * 20_000]})
        line = json.dumps({**told, "uid": "1"}).encode() + b"\r\n"
        for _ in range(60):
            raw.send(line * 5000)  # more lines than may wait for a Service that does not read
        raw.send({**request, "uid": "2"})  # for which there is room
        answer = raw.ask({"service": "Manager", "attribute": "identity", "uid": "3"})
        assert answer["uid"] == "3"
        assert "Liar" in answer["result"]["services"]
    assert liar[0].read()["attribute"] == "f"
    assert liar[0].read()["args"] == [1]


def begin_and_read_nothing(manager):
    raw = RawPeer(manager.port)
    raw.read()
    raw.send({"result": {"type": "client", "name": "Raw", "features": ["stream"]}})
    raw.send(
        {
            "service": "Scanner",
            "attribute": "scan",
            "args": [10**9],
            "kwargs": {},
            "uid": "7",
            "stream": True,
        }
    )
    return raw


def test_client_that_dies_ends_the_method(manager, service):
    with begin_and_read_nothing(manager) as raw:
        assert raw.read()["attribute"] == "__items__"
        eventually(lambda: service.made == STREAM_ITEMS)
        time.sleep(0.1)
        assert service.made == STREAM_ITEMS  # and no more, since nobody takes them
    assert is_closed(service)


def test_client_that_lies_about_what_it_has_taken(manager, service):
    with begin_and_read_nothing(manager) as raw:
        eventually(lambda: service.made == STREAM_ITEMS)
        told = {"attribute": "__taken__", "service": "Scanner", "uid": "7"}
        for lie in ([10**9], [-5], ["x"], [], [1.5], [None, 3]):
            raw.send({**told, "args": lie})
        # what has not been sent has not been taken
        eventually(lambda: service.made == 2 * STREAM_ITEMS)
    assert is_closed(service)


def test_service_that_dies_ends_the_loop(manager):
    service = Scanner()
    with connect(**manager.kwargs) as client:
        with service.start_in_background(**manager.kwargs):
            stream = client.link("Scanner").slow()
            assert next(stream) == 1
        assert is_closed(service)
        with pytest.raises(RemoteError, match="disconnected before it replied"):
            list(stream)


def test_connection_that_is_lost_ends_both_sides():
    with LocalManager() as manager:
        service = Scanner()
        with service.start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
            stream = client.link("Scanner").scan(10**9)
            assert next(stream) == 0
            manager.stop()
            assert is_closed(service)
            with pytest.raises(ConnectionAbortedError):
                list(stream)


def test_items_are_never_sent_twice(link):
    with pytest.raises(ValueError, match=r"The items of Scanner.scan would come twice"):
        link.scan(3, safe_to_repeat=True)

"""Methods that yield: their items come one by one, and no faster than they are taken."""

import asyncio
import gc
import threading
import time

import pytest

from msl_network import LocalManager, RemoteError, Service, connect
from msl_network.constants import STREAM_BYTES, STREAM_ITEMS

from .laboratory import eventually
from .raw import RawPeer


class Scanner(Service):
    def __init__(self):
        super().__init__()
        self.made = 0
        self.closed = threading.Semaphore(0)

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

    def odd(self):
        yield 1
        yield object()


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

"""Requests that wait in line: an instrument that can do one thing at once."""

import asyncio
import contextlib
import threading
import time

import pytest

from msl_network import LocalManager, RemoteError, Service, connect, loop_thread, serial


def eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Instrument:
    """What breaks when two use it; each use ends when the test says so."""

    def __init__(self):
        self.uses = []
        self.users = 0
        self.at_most = 0
        self.entered = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)

    @contextlib.contextmanager
    def used(self, who):
        self.users += 1
        self.at_most = max(self.at_most, self.users)
        self.uses.append(who)
        self.entered.release()
        try:
            yield
        finally:
            self.users -= 1


class Bench(Service):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._instrument = Instrument()

    def in_thread(self, who):
        with self._instrument.used(who):
            self._instrument.may_end.acquire(timeout=20)

    async def on_loop(self, who):
        with self._instrument.used(who):
            while not self._instrument.may_end.acquire(blocking=False):
                await asyncio.sleep(0.001)

    def items(self, who):
        with self._instrument.used(who):
            for i in range(3):
                self._instrument.may_end.acquire(timeout=20)
                yield i

    async def items_on_loop(self, who):
        with self._instrument.used(who):
            for i in range(3):
                while not self._instrument.may_end.acquire(blocking=False):
                    await asyncio.sleep(0.001)
                yield i

    def broken(self):
        raise OSError("no instrument")

    def measure(self, who):
        with self._instrument.used(who):
            return who

    def shutdown_service(self):
        return "bye"


@contextlib.contextmanager
def laboratory(manager, service, *names):
    with service.start_in_background(**manager.kwargs), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(name=n, **manager.kwargs)) for n in names]
        yield service._instrument, *(client.link(service.name) for client in clients)


def test_all_kinds_of_methods_wait_for_each_other(manager):
    bench = Bench(concurrency=1)
    with laboratory(manager, bench, "A") as (instrument, link):
        kinds = [link.in_thread, link.on_loop, link.items, link.items_on_loop] * 2
        replies = [kind(i, asynchronous=True) for i, kind in enumerate(kinds)]
        replies.insert(3, link.broken(asynchronous=True))
        for _ in range(2 * (1 + 1 + 3 + 3)):
            instrument.may_end.release()
        with pytest.raises(OSError, match="no instrument"):
            replies.pop(3).result(20)
        results = [reply.result(20) for reply in replies]
        assert results == [None, None, [0, 1, 2], [0, 1, 2]] * 2
        assert instrument.uses == list(range(8))
        assert instrument.at_most == 1


def test_a_stream_keeps_its_place_until_it_has_ended(manager):
    bench = Bench(concurrency=1)
    with laboratory(manager, bench, "A", "B") as (instrument, first, second):
        for name in ("items", "items_on_loop"):
            stream = iter(first[name]("stream"))
            instrument.may_end.release()
            assert next(stream) == 0
            reply = second.measure("after", asynchronous=True)
            eventually(lambda: bench.waiting() == 1)
            instrument.may_end.release(2)
            assert list(stream) == [1, 2]
            assert reply.result(20) == "after"
            # one that is left early makes way
            instrument.may_end.release()
            for _ in first[name]("stream"):
                break
            instrument.may_end.release(3)
            assert second.measure("last", timeout=20) == "last"
            while instrument.may_end.acquire(blocking=False):
                pass
        assert instrument.at_most == 1


def test_clients_take_turns(manager):
    bench = Bench(concurrency=1)
    with laboratory(manager, bench, "A", "B") as (instrument, greedy, other):
        first = greedy.in_thread("first", asynchronous=True)
        assert instrument.entered.acquire(timeout=20)
        many = [greedy.measure(i, asynchronous=True) for i in range(1000)]
        eventually(lambda: bench.waiting() == 1000)
        single = other.measure("other", asynchronous=True)
        eventually(lambda: bench.waiting() == 1001)
        instrument.may_end.release()
        assert single.result(20) == "other"
        assert [reply.result(20) for reply in [first, *many]] == [None, *range(1000)]
        assert instrument.uses == ["first", 0, "other", *range(1, 1000)]


class Lanes(Bench):
    @serial
    def in_thread(self, who):
        super().in_thread(who)

    @serial
    def measure(self, who):
        return super().measure(who)

    @serial("camera")
    async def picture(self):
        return self._instrument.users

    def free(self):
        return self._instrument.users


def test_lanes(manager):
    with laboratory(manager, Lanes(), "A") as (instrument, link):
        long = link.in_thread("long", asynchronous=True)
        assert instrument.entered.acquire(timeout=20)
        waits = link.measure("waits", asynchronous=True)
        # another lane, no lane, and the question itself are not held up
        assert (link.picture(timeout=20), link.free(timeout=20)) == (1, 1)
        assert link.waiting(timeout=20) == 1
        assert not waits.done()
        instrument.may_end.release()
        assert (long.result(20), waits.result(20)) == (None, "waits")
        assert link.waiting() == 0


def test_as_many_as_may(manager):
    bench = Bench(concurrency=3)
    with laboratory(manager, bench, "A") as (instrument, link):
        replies = [link.in_thread(i, asynchronous=True) for i in range(10)]
        for _ in range(3):
            assert instrument.entered.acquire(timeout=20)
        eventually(lambda: bench.waiting() == 7)
        # what every Service has is not held up
        assert link.waiting(timeout=20) == 7
        assert link.set_logging_level("no such level", timeout=20) is False
        instrument.may_end.release(10)
        for reply in replies:
            reply.result(20)
        assert instrument.at_most == 3
    with pytest.raises(ValueError, match="concurrency is 0"):
        Bench(concurrency=0)


def test_the_line_is_offered_where_there_is_one():
    assert "waiting" not in Bench().identity()["attributes"]
    assert Bench(concurrency=1).identity()["attributes"]["waiting"] == "() -> int"
    assert "waiting" in Lanes().identity()["attributes"]
    # what is called so already is a Service's own
    bench = Bench()
    bench.waiting = 5
    assert bench.identity()["attributes"]["waiting"] == 5


def test_who_waits_is_told_the_place(manager):
    with laboratory(manager, Bench(concurrency=1), "A", "B", "C") as (instrument, *links):
        told = {}
        replies = []
        for i, link in enumerate(links):
            told[i] = []
            report = lambda *args, to=told[i]: to.append(args)  # noqa: E731
            replies.append(link.in_thread(i, asynchronous=True, on_progress=report))
            eventually(lambda: i == 0 or told[i])  # noqa: B023
        assert (told[1], told[2]) == (
            [(0, None, "in line: next")],
            [(0, None, "in line: 1 before it")],
        )
        instrument.may_end.release()
        eventually(lambda: (0, None, "in line: next") in told[2])
        instrument.may_end.release(2)
        for reply in replies:
            reply.result(20)
        eventually(lambda: (0, None, "begun") in told[1])
        assert told[0] == []


def test_a_request_that_is_given_up_leaves_the_line_at_once(manager):
    bench = Bench(concurrency=1)
    with laboratory(manager, bench, "A") as (instrument, link):
        long = link.in_thread("long", asynchronous=True)
        assert instrument.entered.acquire(timeout=20)
        replies = [link.measure(i, asynchronous=True) for i in range(50)]
        eventually(lambda: bench.waiting() == 50)
        times = []
        for reply in replies[:40]:
            start = time.monotonic()
            reply.cancel()
            assert reply.cancellation.result(20) == "not begun"
            times.append(time.monotonic() - start)
        assert sorted(times)[20] < 0.05
        assert bench.waiting() == 10
        instrument.may_end.release()
        assert [reply.result(20) for reply in replies[40:]] == list(range(40, 50))
        assert instrument.uses == ["long", *range(40, 50)]
        long.result(20)


def test_a_request_that_is_given_up_as_soon_as_it_is_made_does_not_keep_the_line(manager):
    bench = Bench(concurrency=1)
    with laboratory(manager, bench, "A") as (instrument, link):
        # both lines arrive at once, since the network has stood still meanwhile
        go_on = threading.Event()
        loop_thread.get_loop().call_soon_threadsafe(go_on.wait, 20)
        reply = link.on_loop("never", asynchronous=True)
        reply.cancel()
        go_on.set()
        assert reply.cancellation.result(20) == "not begun"
        assert link.measure("first", timeout=20) == "first"
        assert instrument.uses == ["first"]
        for name in ("on_loop", "measure", "items", "items_on_loop"):
            replies = [link[name](i, asynchronous=True) for i in range(20)]
            for reply in replies:
                reply.cancel()
            instrument.may_end.release(3 * len(replies))
            ends = {reply.cancellation.result(20) for reply in replies if reply.cancelled()}
            assert ends <= {"not begun", "stopped", "ended"}
            assert link.measure("last", timeout=20) == "last"
        assert instrument.at_most == 1


def test_a_client_that_goes_leaves_the_line(manager):
    bench = Bench(concurrency=1)
    with laboratory(manager, bench, "A", "B") as (instrument, stays, _):
        long = stays.in_thread("long", asynchronous=True)
        assert instrument.entered.acquire(timeout=20)
        with connect(**manager.kwargs) as client:
            for i in range(100):
                client.link("Bench").measure(i, asynchronous=True)
            eventually(lambda: bench.waiting() == 100)
        waits = stays.measure("stays", asynchronous=True)
        eventually(lambda: bench.waiting() == 1)
        instrument.may_end.release()
        assert (long.result(20), waits.result(20)) == (None, "stays")
        assert instrument.uses == ["long", "stays"]


def test_a_connection_that_is_lost_empties_the_line():
    bench = Bench(concurrency=1)
    with contextlib.ExitStack() as stack:
        manager = stack.enter_context(LocalManager())
        running = stack.enter_context(bench.start_in_background(**manager.kwargs))
        client = stack.enter_context(connect(**manager.kwargs))
        link = client.link("Bench")
        replies = [link.in_thread(i, asynchronous=True) for i in range(10)]
        eventually(lambda: bench.waiting() == 9)
        manager.stop()
        eventually(lambda: bench.waiting() == 0)
        for reply in replies:
            with pytest.raises(ConnectionError):
                reply.result(20)
        bench._instrument.may_end.release()
        running.stop()
        assert bench._instrument.uses == [0]


def test_shutting_down_waits_for_what_runs_and_not_for_the_line(manager):
    bench = Bench(concurrency=1)
    with laboratory(manager, bench, "A", "B") as (instrument, link, other):
        running = link.in_thread("running", asynchronous=True)
        assert instrument.entered.acquire(timeout=20)
        waits = link.measure("waits", asynchronous=True)
        eventually(lambda: bench.waiting() == 1)
        end = other.shutdown_service(asynchronous=True)
        with pytest.raises(RemoteError, match="'Bench' service is shutting down"):
            waits.result(20)
        assert not end.done()
        instrument.may_end.release()
        assert (running.result(20), end.result(20)) == (None, "bye")
        assert instrument.uses == ["running"]


def test_one_too_many(manager, monkeypatch):
    monkeypatch.setattr("msl_network.executing.REQUESTS_PER_SERVICE", 10)
    with laboratory(manager, Bench(concurrency=1), "A") as (instrument, link):
        replies = [link.in_thread(i, asynchronous=True) for i in range(10)]
        with pytest.raises(RemoteError, match="TooManyError: 10 requests wait for the 'Bench'"):
            link.measure("eleventh", timeout=20)
        instrument.may_end.release(10)
        for reply in replies:
            reply.result(20)
        assert link.measure("again", timeout=20) == "again"

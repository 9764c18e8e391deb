"""What a Service has for all of its Clients: none of them gets all of it."""

import asyncio
import contextlib
import threading

import pytest

from msl_network import Limits, LocalManager, RemoteError, Service, connect
from msl_network.constants import STREAM_ITEMS, WORKERS
from msl_network.sharing import SharedWorkers, Shares
from msl_network.wire.messages import TooManyError

from .laboratory import eventually


def test_who_is_alone_gets_half_and_who_comes_next_half_of_the_rest():
    shares = Shares(64)
    got = []
    for owner in "abcdefgh":
        got.append(0)
        while shares.take(owner):
            got[-1] += 1
    assert got == [32, 16, 8, 4, 2, 1, 1, 0]
    for owner, count in zip("abcdefg", got, strict=False):
        shares.give(owner, count)
    assert (shares.left, shares.held) == (64, {})


def threads(most, lasting=0):
    return SharedWorkers("test", lambda run: run(), most, lasting)


@pytest.fixture
def workers():
    """Threads that run what they are given, 8 at a time and 4 that last."""
    workers = threads(8, 4)
    yield workers
    workers.close()


def test_owners_take_turns():
    workers, go_on, end, done = threads(2), threading.Event(), threading.Event(), []
    workers.run_for("a", lambda: go_on.wait(20))
    workers.run_for("b", lambda: end.wait(20))
    for name in ("a1", "a2", "a3", "b1", "c1", "c2", "c3"):
        workers.run_for(name[0], lambda name=name: done.append(name))
    assert workers.waiting == 7
    go_on.set()
    eventually(lambda: len(done) == 6)
    assert done == ["a1", "c1", "a2", "c2", "a3", "c3"]  # and "b" has its share
    end.set()
    eventually(lambda: done[6:] == ["b1"])
    workers.close()


def test_who_has_its_share_waits_while_others_need_not(workers):
    done, go_on, began = [], threading.Event(), threading.Semaphore(0)

    def hold():
        began.release()
        assert go_on.wait(20)

    for owner, may in (("a", 4), ("b", 2), ("c", 1)):
        for _ in range(4):
            workers.run_for(owner, lambda: hold())
        for _ in range(may):
            assert began.acquire(timeout=20)
    assert workers.waiting == 5
    for owner, names in (("a", "123"), ("d", "4")):
        for name in names:
            workers.run_for(owner, lambda name=name: done.append(name))
    # who has nothing yet is not held up by the three
    eventually(lambda: done == ["4"])
    go_on.set()
    eventually(lambda: len(done) == 4)
    assert workers.waiting == 0


def test_what_has_ended_makes_room_for_two():
    workers, end, began = threads(4), threading.Event(), threading.Semaphore(0)

    def hold(until):
        began.release()
        assert until.wait(20)

    ends_first = threading.Event()
    for owner, until in (("a", end), ("b", end), ("c", ends_first)):
        workers.run_for(owner, lambda until=until: hold(until))
        assert began.acquire(timeout=20)
    for owner in "bc":
        workers.run_for(owner, lambda: hold(end))
    assert workers.waiting == 2
    ends_first.set()
    for _ in "bc":
        assert began.acquire(timeout=20)
    end.set()
    workers.close()


def test_what_waits_can_be_taken_back(workers):
    go_on, ran = threading.Event(), []
    for _ in range(4):
        workers.run_for("a", lambda: go_on.wait(20))
    items = [lambda i=i: ran.append(i) for i in range(5)]
    for item in items:
        workers.run_for("a", item)
    workers.discard("a", items[1])
    workers.discard("a", items[1])
    workers.discard("b", items[2])
    assert workers.waiting == 4
    go_on.set()
    eventually(lambda: ran == [0, 2, 3, 4])
    go_on.clear()
    for _ in range(4):
        workers.run_for("a", lambda: go_on.wait(20))
    for item in items:
        workers.run_for("a", item)
    assert workers.remove("b") == []
    assert workers.remove("a") == items
    assert workers.waiting == 0
    go_on.set()


def test_what_lasts_holds_up_nothing_and_is_limited(workers):
    go_on, refused = threading.Event(), []
    lasts = threading.Semaphore(0)

    def last():
        try:
            with workers.lasting("a"):
                lasts.release()
                assert go_on.wait(20)
        except TooManyError as error:
            refused.append(str(error))

    for _ in range(10):
        workers.run_for("a", lambda: last())
    for _ in range(2):
        assert lasts.acquire(timeout=20)
    eventually(lambda: len(refused) == 8)
    assert refused[0].startswith("2 streams of a are open, the most that it may have now.")
    ran = threading.Semaphore(0)
    for _ in range(20):
        workers.run_for("a", lambda: ran.release())
    for _ in range(20):
        assert ran.acquire(timeout=20)
    go_on.set()
    eventually(lambda: workers._shares.held == workers._lasting.held == {})
    assert (workers._shares.left, workers._lasting.left) == (8, 4)


class Shared(Service):
    def __init__(self):
        super().__init__()
        self.go_on = threading.Event()
        self.began = threading.Semaphore(0)

    def hold(self):
        self.began.release()
        self.go_on.wait(20)

    def items(self):
        thread = threading.get_ident()
        for i in range(3 * STREAM_ITEMS):
            yield i
            assert threading.get_ident() == thread

    def size(self, data):
        return len(data)

    async def keep(self, data):
        while not self.go_on.is_set():
            await asyncio.sleep(0.01)

    def large(self, size):
        return "x" * size

    def large_items(self, size):
        yield 1
        yield "x" * size


@pytest.fixture
def service(manager):
    service = Shared()
    with service.start_in_background(**manager.kwargs):
        yield service
        service.go_on.set()


@pytest.fixture
def links(manager, service):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(**manager.kwargs)) for _ in range(2)]
        yield [client.link("Shared") for client in clients]


def test_client_that_calls_what_takes_long_holds_up_no_other_one(service, links):
    greedy, other = links
    replies = [greedy.hold(asynchronous=True) for _ in range(3 * WORKERS)]
    for _ in range(WORKERS // 2):
        assert service.began.acquire(timeout=20)
    assert other.size("abc", timeout=20) == 3
    assert list(other.items(timeout=20)) == list(range(3 * STREAM_ITEMS))
    for reply in replies[-WORKERS:]:
        reply.cancel()  # which no thread has to come to
    assert {r.cancellation.result(20) for r in replies[-WORKERS:]} == {"not begun"}
    assert service.waiting() == WORKERS + WORKERS // 2
    service.go_on.set()
    assert [reply.result(20) for reply in replies[:-WORKERS]] == [None] * 2 * WORKERS


def test_streams_that_nobody_reads_hold_up_nobody(service, links):
    forgetful, other = links
    unread = [forgetful.items(timeout=20) for _ in range(64)]
    assert [next(stream) for stream in unread] == [0] * 64
    with pytest.raises(RemoteError, match=r"TooManyError: 64 streams of .* Close one before you"):
        next(forgetful.items(timeout=20))
    for link in links:
        assert link.size("abc", timeout=20) == 3
    assert list(other.items(timeout=20)) == list(range(3 * STREAM_ITEMS))
    for stream in unread:
        stream.close()
    assert list(forgetful.items(timeout=20)) == list(range(3 * STREAM_ITEMS))
    eventually(lambda: not service._Service__session.executor._threads._lasting.held)


def test_bytes_that_wait_are_limited_and_the_greedy_one_is_refused(manager):
    service = Shared()
    with contextlib.ExitStack() as stack:
        stack.enter_context(service.start_in_background(read_limit=1_000_000, **manager.kwargs))
        stack.callback(service.go_on.set)
        clients = [stack.enter_context(connect(**manager.kwargs)) for _ in range(2)]
        greedy, other = (client.link("Shared") for client in clients)
        data = "x" * 100_000
        kept = [greedy.keep(data, asynchronous=True) for _ in range(10)]
        for _ in range(20):
            with pytest.raises(RemoteError, match=r"TooManyError: The requests of .* have as many"):
                greedy.size(data, timeout=20)
        assert greedy.size("small", timeout=20) == 5
        assert other.size("x" * 900_000, timeout=20) == 900_000
        service.go_on.set()
        assert [reply.result(20) for reply in kept] == [None] * 10
        eventually(lambda: not service._Service__session.executor._room.held)
        assert greedy.size(data, timeout=20) == 100_000


def test_what_is_more_than_a_message_is_refused_and_not_sent(service, links, monkeypatch):
    link, other = links
    monkeypatch.setattr(service._Service__session.executor, "reply_limit", 100_000)
    waits = other.hold(asynchronous=True)
    with pytest.raises(ValueError, match=r"'large' returns has 200\d\d\d bytes, more than a mess"):
        link.large(200_000)
    stream = link.large_items(200_000)
    assert next(stream) == 1
    with pytest.raises(ValueError, match=r"'large_items' returns has 20\d\d\d\d bytes"):
        next(stream)
    with pytest.raises(ValueError, match=r"A notification of 'Shared' has 20\d\d\d\d bytes"):
        service.emit_notification("x" * 200_000)
    with pytest.raises(ValueError, match="'large_items' yields more than a message can have"):
        link.large_items(200_000, asynchronous=True).result(20)
    assert not waits.done()
    service.go_on.set()
    assert waits.result(20) is None


def test_what_is_more_than_the_manager_takes_is_refused_and_not_sent():
    limits = Limits(message_limit=200_000)
    with (
        LocalManager(limits=limits) as manager,
        Shared().start_in_background(**manager.kwargs) as running,
        connect(**manager.kwargs) as client,
    ):
        service, link = running.service, client.link("Shared")
        waits = link.hold(asynchronous=True)
        with pytest.raises(ValueError, match=r"'large' returns has 300\d\d\d bytes"):
            link.large(300_000, timeout=20)
        with pytest.raises(ValueError, match=r"'size' is asked with has 300\d\d\d bytes, more"):
            link.size("x" * 300_000, timeout=20)
        assert link.size("x" * 100_000, timeout=20) == 100_000
        assert not waits.done()
        service.go_on.set()
        assert waits.result(20) is None

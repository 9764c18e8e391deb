"""Another object that serves behind the same connection, as after a change of a class."""

import asyncio
import os
import signal
import sys
import threading

import pytest

from msl_network import LocalManager, RemoteError, Service, connect, serial, serving
from msl_network.constants import IDENTITY

from .laboratory import eventually

WAIT = 20


class Meter(Service):
    """As it is at first."""

    gain = 1

    def __init__(self, **kwargs):
        super().__init__(**kwargs, ignore_attributes=("begun", "go_on", "closed", "instrument"))
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.closed = threading.Event()
        self.instrument = object()

    def read(self):
        return "old"

    def whoami(self):
        return id(self)

    def measure(self):
        self.begun.release()
        assert self.go_on.wait(WAIT)
        return "old"

    async def settle(self):
        self.begun.release()
        while not self.go_on.is_set():
            await asyncio.sleep(0.01)
        return "old"

    def emit(self):
        self.emit_notification("old")

    def shutdown_handler(self):
        self.closed.set()


class Better(Meter):
    """As it is after a change."""

    gain = 2

    def __init__(self, **kwargs):
        super().__init__(**{"name": "Meter", **kwargs})

    def read(self, digits=3):
        """Read it."""
        return f"new {digits}"

    async def measure(self):
        return "new"

    def settle(self):
        return "new"

    def emit(self):
        self.emit_notification("new")

    def added(self):
        yield from range(3)


@pytest.fixture
def running(manager):
    with Meter().start_in_background(**manager.kwargs) as running:
        yield running
        running.service.go_on.set()


@pytest.fixture
def link(manager, running):
    with connect(**manager.kwargs) as client:
        yield client.link("Meter")


def test_links_and_locks_stay_and_clients_see_what_is_new(manager, running, link):
    old, new = running.service, Better(max_clients=3)
    restored = []
    link.on_restored(lambda: restored.append(1))
    link.acquire_lock()
    address = link.service_address
    running.reload(new)
    assert running.service is new
    assert running.is_connected()
    assert link.read(digits=5) == "new 5"
    assert list(link.added()) == [0, 1, 2]
    eventually(lambda: "added" in link.service_attributes)
    assert link.service_attributes["read"] == "(digits=3)"
    assert (link.service_attributes["gain"], link.gain()) == (2, 2)
    assert link.service_doc == "As it is after a change."
    assert link.service_docs["read"] == "Read it."
    assert (link.service_address, link.service_max_clients) == (address, 3)
    assert not restored  # nothing was lost
    with connect(**manager.kwargs) as other:
        assert "added" in other.identities()["services"]["Meter"]["attributes"]
        with pytest.raises(RemoteError, match="is locked"):
            other.link("Meter")
        assert link.release_lock() == []
        assert other.link("Meter").read() == "new 3"
    # the old one is told, and free
    assert old.closed.wait(WAIT)
    assert not new.closed.is_set()
    eventually(lambda: repr(old) == "<Service 'Meter' not connected>")
    running.reload(old)
    assert link.read() == "old"


def test_what_runs_ends_on_the_object_that_it_began_on(running, link):
    old, new = running.service, Better()
    slow = [link["measure"](asynchronous=True), link["settle"](asynchronous=True)]
    for _ in slow:
        assert old.begun.acquire(timeout=WAIT)
    running.reload(new)
    assert [link["measure"](), link["settle"]()] == ["new", "new"]
    assert link.whoami() == id(new)
    assert not old.closed.is_set()
    assert not any(reply.done() for reply in slow)
    old.go_on.set()
    assert [reply.result(WAIT) for reply in slow] == ["old", "old"]
    assert old.closed.wait(WAIT)


def test_what_runs_can_still_be_given_up(running, link):
    old = running.service
    slow = link["settle"](asynchronous=True)
    assert old.begun.acquire(timeout=WAIT)
    running.reload(Better())
    slow.cancel()
    assert slow.cancellation.result(WAIT) == "stopped"
    assert old.closed.wait(WAIT)


class OneByOne(Better):
    @serial
    def measure(self):
        return "new"

    @serial
    def read(self, digits=3):
        return f"new {digits}"


def test_lanes_are_those_of_the_new_one(running, link):
    """Nothing in line begins while what must not run beside it still runs on the old one."""
    old, new = running.service, OneByOne()
    slow = link["measure"](asynchronous=True)
    assert old.begun.acquire(timeout=WAIT)
    running.reload(new)
    reads = [link.read(i, asynchronous=True) for i in range(3)]
    eventually(lambda: new.waiting() == 3)
    assert link.whoami() == id(new)  # which is in no line

    # a second time, with requests that wait, of which one is for what is no Client's any more
    gone = link["measure"](asynchronous=True)
    eventually(lambda: new.waiting() == 4)

    class Fewer(OneByOne):
        def __init__(self):
            super().__init__()
            self.ignore_attributes("measure")

    newest = Fewer()
    running.reload(newest)
    assert newest.waiting() == 3  # in the line of what still runs on the first one
    with pytest.raises(RemoteError, match="'Meter' service has no attribute 'measure'"):
        gone.result(WAIT)
    assert not any(reply.done() for reply in reads)
    old.go_on.set()
    assert slow.result(WAIT) == "old"
    assert [reply.result(WAIT) for reply in reads] == ["new 0", "new 1", "new 2"]


def test_concurrency_is_that_of_the_new_one(manager):
    with (
        Meter(concurrency=1).start_in_background(**manager.kwargs) as running,
        connect(**manager.kwargs) as client,
    ):
        link, old = client.link("Meter"), running.service
        slow = link["measure"](asynchronous=True)
        assert old.begun.acquire(timeout=WAIT)
        waiting = [link.read(asynchronous=True) for _ in range(5)]
        eventually(lambda: link.waiting() == 5)
        running.reload(Better())  # without a limit
        assert [reply.result(WAIT) for reply in waiting] == ["new 3"] * 5
        assert not slow.done()
        old.go_on.set()
        assert slow.result(WAIT) == "old"


def test_notifications_are_those_of_the_new_one(running, link):
    got = []
    link.notification_handler = got.append
    link.emit()
    running.reload(Better())
    link.emit()
    eventually(lambda: got == ["old", "new"])


def test_tasks_of_the_old_one_end(manager):
    class Beating(Service):
        def __init__(self):
            super().__init__(name="Beating")
            self._beats, self._ended = threading.Event(), threading.Event()
            self.add_tasks(self._beat())

        async def _beat(self):
            try:
                while True:
                    self._beats.set()
                    await asyncio.sleep(0.01)
            finally:
                self._ended.set()

    with Beating().start_in_background(**manager.kwargs) as running:
        old, new = running.service, Beating()
        assert old._beats.wait(WAIT)
        assert not new._beats.is_set()
        running.reload(new)
        assert old._ended.wait(WAIT)
        assert new._beats.wait(WAIT)
        assert not new._ended.is_set()


def test_a_port_is_taken_over(running, link):
    class Careful(Better):
        def take_over(self, old):
            self.instrument = old.instrument

    old, new = running.service, Careful()
    running.reload(new)
    assert new.instrument is old.instrument
    assert link.read() == "new 3"
    eventually(lambda: repr(old) == "<Service 'Meter' not connected>")
    assert not old.closed.is_set()
    running.stop()
    assert new.closed.is_set()
    assert not old.closed.is_set()


def test_what_fails_leaves_the_old_one_running(running, link):
    class Faulty(Better):
        def take_over(self, old):
            raise OSError("the port is in use")

    def check():
        assert running.service is old
        assert link.read() == "old"
        assert not old.closed.is_set()

    old = running.service
    with pytest.raises(OSError, match="the port is in use"):
        running.reload(Faulty())
    check()
    with pytest.raises(ValueError, match=r"'Meter' can't become 'Other'.* or stop\(\) the old one"):
        running.reload(Better(name="Other"))
    check()
    with pytest.raises(RuntimeError, match="is running already"):
        running.reload(old)
    check()


def test_two_do_not_take_over_at_once(running, link):
    class Taking(Better):
        def take_over(self, old):
            self.begun.release()
            assert self.go_on.wait(WAIT)

    taking, late = Taking(), Taking()
    thread = threading.Thread(target=running.reload, args=(taking,))
    thread.start()
    assert taking.begun.acquire(timeout=WAIT)
    with pytest.raises(RuntimeError, match="'Meter' is being reloaded already"):
        running.reload(late)
    assert not late.begun.acquire(blocking=False)
    taking.go_on.set()
    thread.join(WAIT)
    assert running.service is taking
    assert link.read() == "new 3"


@pytest.mark.skipif(sys.platform == "win32", reason="a process can't interrupt itself there")
def test_reload_that_is_interrupted_changes_nothing(running, link):
    class Stuck(Better):
        @property
        def reading(self):
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            self.go_on.wait(WAIT)
            self.begun.release()

        def read(self):
            return "stuck"

    stuck, old = Stuck(), running.service
    with pytest.raises(KeyboardInterrupt):
        running.reload(stuck)
    assert running.service is old
    running.reload(Better())  # at once: the one that hangs is in nobody's way
    stuck.go_on.set()
    assert stuck.begun.acquire(timeout=WAIT)
    assert {link.read() for _ in range(100)} == {"new 3"}
    assert "reading" not in link._owner.identities()["services"]["Meter"]["attributes"]


def test_manager_whose_answer_does_not_come(running, link, manager, monkeypatch):
    """What Clients are told of is what serves."""
    engine, taken = manager._running.manager, threading.Event()
    answer = engine._answer

    def lose(peer, message, result):
        if message.attribute == IDENTITY:
            taken.set()
        else:
            answer(peer, message, result)

    monkeypatch.setattr(engine, "_answer", lose)
    monkeypatch.setattr(serving, "CONNECT_TIMEOUT", 0.5)
    with pytest.raises(TimeoutError, match=r"has not answered within 0\.5 seconds"):
        running.reload(Better())
    assert taken.is_set()
    eventually(lambda: "added" not in link.service_attributes)
    assert link.read(safe_to_repeat=True, timeout=WAIT) == "old"


def test_what_has_ended_is_not_reloaded(running):
    running.stop()
    with pytest.raises(RuntimeError, match=r"'Meter' has ended\. Start the new one instead"):
        running.reload(Better())


def test_a_service_that_is_stopped_tells_both(running, link):
    old, new = running.service, Better()
    link["measure"](asynchronous=True)
    assert old.begun.acquire(timeout=WAIT)
    running.reload(new)
    running.stop()
    assert old.closed.is_set()
    assert new.closed.is_set()


def test_replicas_must_go_on_offering_the_same(manager):
    kwargs = manager.kwargs
    with (
        Meter(replica=True).start_in_background(**kwargs) as one,
        Meter(replica=True).start_in_background(**kwargs) as two,
        connect(**kwargs) as client,
    ):
        link, old = client.link("Meter"), one.service
        with pytest.raises(ValueError, match=r"must offer the same\. What differs: .*'added'"):
            one.reload(Better(replica=True))
        assert one.service is old
        assert {link.read() for _ in range(4)} == {"old"}

        class Mended(Meter):
            def read(self):
                return "mended"

        one.reload(Mended(name="Meter", replica=True))
        assert {link.read() for _ in range(4)} == {"old", "mended"}
        two.stop()
        one.reload(Better(replica=True))  # alone it may offer something else
        assert {link.read() for _ in range(4)} == {"new 3"}


def test_reloaded_while_the_connection_is_away():
    manager = LocalManager(disable_tls=True).start()
    port = manager.port
    running = Meter().start_in_background(**manager.kwargs)
    client = connect(**manager.kwargs)
    link = client.link("Meter")
    manager.stop()
    eventually(lambda: not running.is_connected() and client.is_reconnecting())
    running.reload(Better())
    with LocalManager(port=port, disable_tls=True), running, client:
        assert link.read(safe_to_repeat=True, timeout=WAIT) == "new 3"
        assert "added" in link.service_attributes


def test_a_hundred_times_under_load(running, link):
    """No request is lost, and none is executed on two objects."""
    stop = threading.Event()
    results, failures = [], []

    def ask():
        while not stop.is_set():
            replies = [link.read(asynchronous=True) for _ in range(20)]
            for reply in replies:
                try:
                    results.append(reply.result(WAIT))
                except Exception as error:
                    failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(50):
            running.reload(OneByOne(concurrency=2))
            running.reload(Meter())
    finally:
        stop.set()
        asking.join(WAIT)
    assert not failures
    assert {"old", "new 3"} >= set(results)
    running.reload(OneByOne())
    assert link.waiting() == 0

"""Services that share one name, each in a process of its own; some of them are killed."""

import contextlib
import time
from collections import Counter

import pytest

from msl_network import RemoteError, Service, connect
from msl_network.manager.replicas import check_replica
from msl_network.wire.messages import ServiceIdentity

from .child import Child
from .laboratory import eventually


@pytest.fixture
def start(manager, tmp_path):
    """Start Services that share the name `Worker`."""
    with contextlib.ExitStack() as stack:
        started = []

        def start(count):
            for _ in range(count):
                name = f"worker-{len(started)}"
                child = Child("tests.replica_child", name, tmp_path, manager.kwargs)
                started.append(stack.enter_context(child))
            return started[-count:]

        yield start


@pytest.fixture
def client(manager):
    with connect(**manager.kwargs) as client:
        yield client


def wait_until_begun(workers, count):
    eventually(lambda: sum(worker.ask("begun") for worker in workers) == count)


def test_requests_go_to_the_one_with_the_fewest_in_flight(start, client):
    one, two, three = workers = start(3)
    link = client.link("Worker")
    assert link.service_replicas == 3
    everyone = {worker.pid for worker in workers}
    # they take turns where all are idle
    assert Counter(link.serial_number() for _ in range(9)) == dict.fromkeys(everyone, 3)
    replies = [link.work(asynchronous=True) for _ in range(9)]
    wait_until_begun(workers, 9)
    assert [worker.ask("begun") for worker in workers] == [3, 3, 3]
    two.ask("release")
    eventually(lambda: sum(reply.done() for reply in replies) == 3)
    assert {link.serial_number() for _ in range(9)} == {two.pid}
    for worker in (one, three):
        worker.ask("release")
    assert Counter(r.result(20) for r in replies) == dict.fromkeys(everyone, 3)
    # who asks for the identities sees what 1.x shows: one Service, with one address
    entry = client.identities()["services"]["Worker"]
    assert set(entry) == {"attributes", "address", "language", "os", "max_clients"}


def test_one_is_killed_and_only_what_is_safe_to_repeat_fails_over(start, client):
    one, two = workers = start(2)
    link = client.link("Worker")
    restored = []
    link.on_restored(lambda: restored.append("link"))
    once = [link.work(asynchronous=True) for _ in range(2)]
    safe = [link.work(asynchronous=True, safe_to_repeat=True) for _ in range(2)]
    wait_until_begun(workers, 4)
    assert two.ask("begun") == 2
    link.acquire_lock()
    begin = time.monotonic()
    one.kill()
    # each had one of each kind; what was at the one that is killed begins at the other
    eventually(lambda: two.ask("begun") == 3)
    assert time.monotonic() - begin < 2
    (failed,) = [reply for reply in once if reply.done()]
    with pytest.raises(ConnectionAbortedError, match="'Worker' service disconnected before") as e:
        failed.result(0)
    assert isinstance(e.value, RemoteError)
    two.ask("release")
    replies = [reply for reply in (*once, *safe) if reply is not failed]
    assert [reply.result(20) for reply in replies] == [two.pid] * 3
    # the link is with the name, which has been there all the time, and so is the lock
    assert link.serial_number() == two.pid
    assert not restored
    assert len(link.release_lock()) == 0


def test_the_last_one_is_killed_and_what_is_safe_waits_for_the_next(start, client):
    workers = start(2)
    link = client.link("Worker")
    reply = link.work(asynchronous=True, safe_to_repeat=True)
    for worker in workers:
        eventually(lambda: sum(w.ask("begun") for w in workers if w.process.poll() is None) == 1)
        worker.kill()
    # until the Manager has noticed, the answer is another one
    eventually(lambda: not client.identities()["services"])
    with pytest.raises(RemoteError, match="the 'Worker' Service is not connected to Manager"):
        link.serial_number()
    (third,) = start(1)
    wait_until_begun([third], 1)
    third.ask("release")
    assert reply.result(20) == third.pid


def test_what_is_told_of_a_request_belongs_to_the_one_that_executes_it(start, client):
    workers = start(2)
    link = client.link("Worker")
    # two streams at the same time, of which the second one waits for long
    streams = [link.scan(5000, timeout=20) for _ in workers]
    pids = [{next(stream) for _ in range(4000)} for stream in streams]
    assert sorted(pid for (pid,) in pids) == sorted(worker.pid for worker in workers)
    for stream in streams:
        assert len(list(stream)) == 1000
    replies = [link.expose(asynchronous=True) for _ in workers]
    eventually(lambda: all(reply.progress for reply in replies))
    for reply in replies:
        (worker,) = [w for w in workers if w.pid == reply.progress.value]
        assert worker.ask("heard") == []
        reply.cancel()
        assert reply.cancellation.result(20) == "ended"
        assert worker.ask("heard") == ["cancelled"]


def test_notifications_of_each_reach_all_who_are_linked(start, client, manager):
    workers = start(2)
    with connect(**manager.kwargs) as other:
        heard = [], []
        for link, pids in zip((client.link("Worker"), other.link("Worker")), heard, strict=True):
            link.notification_handler = pids.append
        for worker in workers:
            worker.ask("emit")
        everyone = sorted(worker.pid for worker in workers)
        eventually(lambda: all(sorted(pids) == everyone for pids in heard))


def test_a_lock_is_on_all_of_them(start, client, manager):
    start(2)
    link = client.link("Worker")
    link.acquire_lock()
    start(1)
    with connect(**manager.kwargs) as other:
        with pytest.raises(PermissionError, match="'Worker' service is locked"):
            other.link("Worker")
        link.release_lock()
        assert other.link("Worker").service_replicas == 3


def test_all_of_them_are_shut_down(start, client):
    workers = start(3)
    link = client.link("Worker")
    running = link.work(asynchronous=True)
    wait_until_begun(workers, 1)
    assert link.shutdown_service() in {worker.pid for worker in workers}
    assert repr(link).startswith("<Un-Linked")
    for worker in workers:
        worker.ask("release")  # whoever is working finishes first
    assert running.result(20) in {worker.pid for worker in workers}
    eventually(lambda: "Worker" not in client.identities()["services"])
    eventually(lambda: not any(worker.ask("is running") for worker in workers))


class Dmm(Service):
    def read(self, n=1):
        return n


class OtherDmm(Service):
    def read(self, n=2):
        return n


def test_who_does_not_say_so_shares_no_name(manager):
    def start(service):
        return service.start_in_background(**manager.kwargs)

    with start(Dmm(name="Dmm")):
        with pytest.raises(NameError, match=r"^A 'Dmm' service is already running on the Manager$"):
            start(Dmm(name="Dmm"))
        with pytest.raises(NameError, match="it is no replica: it does not share its name"):
            start(Dmm(name="Dmm", replica=True))
    with start(Dmm(name="Dmm", replica=True)):
        with pytest.raises(NameError, match="only with Services that are replicas"):
            start(Dmm(name="Dmm"))
        with pytest.raises(NameError, match=r"must offer the same\. What differs: 'read'"):
            start(OtherDmm(name="Dmm", replica=True))
        with pytest.raises(NameError, match="max_clients, 1 instead of -1"):
            start(Dmm(name="Dmm", replica=True, max_clients=1))
        with start(Dmm(name="Dmm", replica=True)), connect(**manager.kwargs) as client:
            assert client.link("Dmm").service_replicas == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "(x: Union[int, str], y: Optional[float] = None)",
            "(x: int | str, y: float | None = None)",
        ),
        ("(p: pathlib.Path = None) -> None", "(p: pathlib._local.Path = None)"),
        ("(d: Dict[str, Any], /, *a, m: Mode = <Mode.A: 1>) -> str", "(d, /, *a, m=<Mode.A: 1>)"),
        ("(o=<object at 0x7f>, s='a: b, c=1')", "(o=<object at 0x80>, s='a: b, c=1')"),
        ("(cb: Callable[[int], str], *, k={'a': 1})", "(cb, *, k={'a': 1}) -> '(x: int)'"),
    ],
)
def test_annotations_may_differ_as_versions_of_python_do(one, other):
    check_replica(replica(one), replica(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(x)", "(y)"),
        ("(x)", "(x, y=1)"),
        ("(x=1)", "(x=2)"),
        ("(x: int = 1)", "(x: int)"),
        ("(x, y)", "(x, *, y)"),
        ("(x, y)", "(x, /, y)"),
        ("(*x)", "(**x)"),
        ("(s='a: b')", "(s='a: c')"),
        ("(m=<Mode.A: 1>)", "(m=<Mode.B: 2>)"),
        ("(x)", 5),
        ("(x" + "'" * 100_000, "(x" + '"' * 100_000),  # in no time
    ],
)
def test_what_is_called_in_another_way_is_no_replica(one, other):
    with pytest.raises(NameError, match=r"What differs: 'f'"):
        check_replica(replica(one), replica(other))


def replica(offer):
    return ServiceIdentity(name="Dmm", attributes={"f": offer}, replica=True, features=["replicas"])

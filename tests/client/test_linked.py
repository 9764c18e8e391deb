"""A Client and its one link in one object."""

import threading
import time

import pytest

from msl_network import LinkedClient, LocalManager, RemoteError, connect

from ..laboratory import eventually
from .conftest import Bench


class Linked(LinkedClient):
    handled = 0

    def service_error_handler(self):
        self.handled += 1


def test_both_in_one(manager, bench):
    with Linked("Bench", **manager.kwargs, auth_login=False) as linked:
        assert linked.add(1, y=2) == 3
        assert linked.aio is not None
        assert "add" in dir(linked)
        assert hasattr(linked, "add")
        assert not hasattr(linked, "divide")
        assert (linked.name, linked.service_name) == ("Linked", "Bench")
        assert repr(linked).startswith("<Link[name=Linked] with Bench[")
        assert len(linked.acquire_lock()) == 1
        assert linked.release_lock() == []
        assert "Bench" in linked.identities()["services"]
        with pytest.raises(RemoteError, match="x"):
            linked.fail("x")
        assert linked.handled == 1
        linked.unlink()
        with pytest.raises(AttributeError, match="Cannot access 'add' since the link has been"):
            linked.add(1)
        assert repr(linked).startswith("<Un-Linked[name=Linked] from Bench[")
        assert linked.is_connected()
    assert not linked.is_connected()
    with pytest.raises(ConnectionError, match="The LinkedClient has been disconnected"):
        linked.identities()


def test_shutdown_returns_what_the_service_returns(manager, bench):
    with LinkedClient("Bench", **manager.kwargs) as linked:
        assert linked.shutdown_service("done") == "done"


def test_what_has_lost_its_manager_does_not_look_linked():
    with LocalManager() as manager, Bench().start_in_background(**manager.kwargs):
        away = LinkedClient("Bench", **manager.kwargs)
        ended = LinkedClient("Bench", **manager.kwargs, reconnect=0)
    eventually(lambda: not (away.is_connected() or ended.is_connected()))
    assert repr(away).endswith(", away>")
    eventually(lambda: repr(ended).startswith("<Un-Linked[name=LinkedClient] from Bench["))
    away.disconnect()


def test_notification_handler_is_overridden_or_assigned(manager, bench):
    got, done = [], threading.Event()

    class Listening(LinkedClient):
        def notification_handler(self, number, square):
            got.append(("overridden", number))
            if len(got) == 2:
                done.set()

    def assigned(number, square):
        got.append(("assigned", number))
        if len(got) == 4:
            done.set()

    with Listening("Bench", **manager.kwargs) as linked:
        linked.emit(2)
        assert done.wait(20)
        done.clear()
        linked.notification_handler = assigned
        linked.emit(2)
        assert done.wait(20)
    assert got == [("overridden", 0), ("overridden", 1), ("assigned", 0), ("assigned", 1)]


def test_service_is_waited_for(manager):
    late = Bench(name="Late")
    running = []
    timer = threading.Timer(0.3, lambda: running.append(late.start_in_background(**manager.kwargs)))
    timer.start()
    try:
        with LinkedClient("Late", **manager.kwargs) as linked:
            assert linked.add(1) == 2
            linked.shutdown_service()
    finally:
        timer.join()


def test_service_does_not_come(manager):
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="The 'Never' service is not available"):
        LinkedClient("Never", **{**manager.kwargs, "timeout": 0.5})
    assert time.monotonic() - start < 5


def test_spawn(manager, bench):
    with LinkedClient("Bench", **manager.kwargs) as linked, linked.spawn("Second") as second:
        assert (second.name, second.service_name) == ("Second", "Bench")
        assert second.add(1) == 2


def test_what_disconnect_does_is_done_when_it_is_let_go(manager):
    class Ending(LinkedClient):
        def disconnect(self, timeout=None):
            self.shutdown_service()
            super().disconnect(timeout)

    service = Bench(name="Ending")
    with service.start_in_background(**manager.kwargs), connect(**manager.kwargs) as other:
        linked = Ending("Ending", **manager.kwargs)
        assert linked.add(1) == 2
        del linked
        deadline = time.monotonic() + 20
        while "Ending" in other.identities()["services"]:
            assert time.monotonic() < deadline
        assert len(other.identities()["clients"]) == 1


def test_coroutine_as_notification_handler(manager, bench):
    got = []
    done = threading.Event()

    class Asynchronous(LinkedClient):
        async def notification_handler(self, i, square):
            got.append((i, square))
            if i == 2:
                done.set()

    with Asynchronous("Bench", **manager.kwargs) as linked:
        linked.emit(3)
        assert done.wait(20)
        assert got == [(0, 0), (1, 1), (2, 4)]

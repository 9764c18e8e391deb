"""What waits for a handler that is slow, or for a loop that is held up, is bounded."""

import asyncio
import threading

import pytest

from msl_network import loop_thread
from msl_network.client import notifier
from msl_network.client.notifier import Handler, Notifier

MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def bounds(monkeypatch):
    monkeypatch.setattr(notifier, "NOTIFICATIONS_WAITING", 100)
    monkeypatch.setattr(notifier, "NOTIFICATION_BYTES", 10 * MEGABYTE)


def send(one, handler, count, size):
    """As many notifications as a Service can send while nobody has time for them."""

    async def call():
        for number in range(count):
            one.call(handler, (number,), size=size)

    loop_thread.submit(call()).result(20)


BOUNDED = pytest.mark.parametrize(("size", "kept"), [(0, 100), (MEGABYTE, 10), (99 * MEGABYTE, 1)])


@BOUNDED
def test_slow_handler_gets_the_latest(size, kept, caplog):
    entered, release, ended = threading.Event(), threading.Event(), threading.Event()
    got = []

    def slow(number):
        entered.set()
        release.wait(20)
        got.append(number)
        if number == 999:
            ended.set()

    one = Notifier(loop_thread.get_loop())
    handler = Handler(slow)
    send(one, handler, 1, size)
    assert entered.wait(20)
    send(one, handler, 1000, size)
    release.set()
    assert ended.wait(20)
    one.close()
    assert got == [0, *range(1000 - kept, 1000)]
    assert "a notification handler is too slow" in caplog.text


@BOUNDED
def test_loop_that_was_held_up_gets_the_latest(size, kept):
    one = Notifier(loop_thread.get_loop())
    got = []

    async def cell():
        # it blocks its loop, as a cell of a notebook does
        send(one, Handler(got.append, asyncio.get_running_loop()), 1000, size)
        while 999 not in got:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(cell(), 20))
    one.close()
    assert got == list(range(1000 - kept, 1000))


def test_nothing_is_kept_for_a_loop_that_has_ended(caplog):
    one = Notifier(loop_thread.get_loop())

    async def cell():
        return asyncio.get_running_loop()

    send(one, Handler(print, asyncio.run(cell())), 1000, MEGABYTE)
    one.close()
    assert not one._loops
    assert not caplog.text


def test_coroutines_that_do_not_end_are_bounded():
    one = Notifier(loop_thread.get_loop())

    async def cell():
        started, release = [], asyncio.Event()

        async def slow(number):
            started.append(number)
            await release.wait()

        handler = Handler(slow, asyncio.get_running_loop())
        send(one, handler, 80, 0)
        await asyncio.sleep(0)
        while len(started) < 80:
            await asyncio.sleep(0)
        send(one, handler, 80, 0)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(started) == 100
        release.set()

    asyncio.run(asyncio.wait_for(cell(), 20))
    one.close()

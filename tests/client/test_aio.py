"""The asynchronous Client."""

import asyncio
import threading

import pytest

from msl_network import RemoteError, aio


def run(manager, work):
    """Run a coroutine function with a Client and a link."""

    async def main():
        async with aio.connect(**manager.kwargs) as client:
            return await work(client, await client.link("Bench"))

    return asyncio.run(main())


def test_calls(manager, bench):
    async def work(client, link):
        assert await link.add(1, y=2) == 3
        assert await link["add"](1) == 2
        future = link.add(2, asynchronous=True)  # sent already
        assert future.result(20) == 3
        assert await future == 3
        assert await link.temperature() == 21.5
        assert client.is_connected()
        assert "Bench" in (await client.identities())["services"]
        assert "Bench[" in await client.identities(as_string=True)
        with pytest.raises(RemoteError, match="ValueError: x"):
            await link.fail("x")
        with pytest.raises(AttributeError):
            link.divide  # noqa: B018
        assert len(await link.acquire_lock()) == 1
        assert await link.release_lock() == []
        await client.unlink(link)
        assert repr(link).startswith("<Un-Linked from Bench[")
        return client

    client = run(manager, work)
    assert repr(client) == "<Client disconnected>"


def test_loop_goes_on_while_a_call_runs(manager, bench):
    async def work(client, link):
        call = asyncio.ensure_future(link.wait())
        assert await link.add(1) == 2
        assert not call.done()
        bench.release.set()
        assert await call is True

    run(manager, work)


def test_timeout_and_cancellation(manager, bench):
    async def work(client, link):
        with pytest.raises(TimeoutError, match="did not reply within"):
            await link.wait(timeout=0.05)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await link.wait()
        assert await link.add(1) == 2
        assert not client._session._in_flight._replies

    run(manager, work)


def test_notifications_come_on_the_loop(manager, bench):
    async def work(client, link):
        got = asyncio.Queue()

        def handler(number, square):
            got.put_nowait((number, square, threading.get_ident()))

        link.notification_handler = handler
        await link.emit(3)
        here = threading.get_ident()
        assert [await asyncio.wait_for(got.get(), 20) for _ in range(3)] == [
            (i, i * i, here) for i in range(3)
        ]

        async def slow(number, square):
            await asyncio.sleep(0)
            got.put_nowait(number)

        link.notification_handler = slow
        await link.emit(2)
        assert sorted([await asyncio.wait_for(got.get(), 20) for _ in range(2)]) == [0, 1]

        link.notification_handler = None
        leave = link.on_notification(handler)
        await link.emit(1)
        assert await asyncio.wait_for(got.get(), 20) == (0, 0, here)
        leave()
        link.on_notification(slow)
        await link.emit(1)
        assert await asyncio.wait_for(got.get(), 20) == 0

    run(manager, work)


def test_other_face_of_a_blocking_link(client, link):
    async def work():
        assert await link.aio.add(1, 2) == 3
        return await client.aio.identities()

    assert "Bench" in asyncio.run(work())["services"]
    assert link.add(1, 2) == 3
    assert client.is_connected()


def test_spawn_and_shutdown(manager, bench):
    async def work(client, link):
        second = await client.spawn("Second")
        async with second:
            other = await second.link("Bench")
            assert await other.shutdown_service("text") == "text"
            with pytest.raises(AttributeError, match="the link has been broken"):
                other.add  # noqa: B018

    run(manager, work)


def test_connection_that_fails_can_be_awaited(manager):
    async def main():
        with pytest.raises(ConnectionError):
            await aio.connect(port=1, timeout=5, disable_tls=True)
        kwargs = dict(manager.kwargs)
        client = await aio.connect(kwargs.pop("host"), **kwargs)
        await client.disconnect()
        await client.disconnect()

    asyncio.run(main())

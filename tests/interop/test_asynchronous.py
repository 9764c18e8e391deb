"""The asynchronous Client, which 1.x does not have, on 1.x's network."""

import asyncio
import math

import pytest

from msl_network import RemoteError, aio


def test_asynchronous_client(network, service):
    async def main():
        async with aio.connect(**network.kwargs, cert_file=network.certificate) as client:
            while service not in (await client.identities())["services"]:
                await asyncio.sleep(0.02)
            link = await client.link(service)
            got = asyncio.Queue()
            link.notification_handler = lambda *args, **kwargs: got.put_nowait((args, kwargs))
            slow = asyncio.ensure_future(link.slow(0.3))
            assert await asyncio.gather(*[link.add(i) for i in range(10)]) == list(range(1, 11))
            assert not slow.done()
            assert await slow == "slow"
            (value,), _ = await link.echo(math.nan)
            assert math.isnan(value)
            with pytest.raises(RemoteError, match="on purpose") as caught:
                await link.fail("on purpose")
            assert caught.value.type == "ValueError"
            await link.emit(3)
            notifications = [await asyncio.wait_for(got.get(), 20) for _ in range(3)]
            assert notifications == [((i,), {"square": i * i}) for i in range(3)]
            (name,) = await link.acquire_lock()
            assert name.endswith(f":{client.port}]")
            assert await link.release_lock() == []
            await link.unlink()

    asyncio.run(main())

"""The two faces of a Client, to be driven alike.

The methods of both are coroutines. Those of the blocking face never wait for a loop: `drive` runs
them to their end on the thread that calls it.
"""

import asyncio
import time
from itertools import islice

from msl_network import aio, connect

BOUND = 30.0
"""Seconds in which a piece of work must end."""

CANCEL_AFTER = 0.05
"""Seconds after which a request is given up that is to be."""


def drive(coroutine):
    """Run a coroutine that only blocks, and never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("it waits for a loop")


class Blocking:
    """A blocking Client."""

    async def connect(self, **kwargs):
        return connect(**kwargs)

    async def link(self, client, service, timeout):
        return client.link(service, timeout=timeout)

    async def call(self, link, method, *args, **kwargs):
        return getattr(link, method)(*args, **kwargs)

    async def cancel(self, link, method, *args):
        reply = getattr(link, method)(*args, asynchronous=True)
        time.sleep(CANCEL_AFTER)
        return reply.cancel() and reply.cancellation.result(BOUND) != "unknown"

    async def items(self, link, method, *args, most=None):
        with getattr(link, method)(*args, timeout=BOUND) as stream:
            return list(islice(stream, most))

    async def watch(self, client, timeout):
        return client.watch(timeout=timeout)

    async def disconnect(self, client, timeout):
        client.disconnect(timeout)

    async def pause(self, seconds):
        time.sleep(seconds)


class Asynchronous:
    """An asynchronous Client."""

    async def connect(self, **kwargs):
        return await aio.connect(**kwargs)

    async def link(self, client, service, timeout):
        return await client.link(service, timeout=timeout)

    async def call(self, link, method, *args, **kwargs):
        return await getattr(link, method)(*args, **kwargs)

    async def cancel(self, link, method, *args):
        task = asyncio.ensure_future(getattr(link, method)(*args))
        done, _ = await asyncio.wait([task], timeout=CANCEL_AFTER)
        if done:
            task.result()  # its error
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    async def items(self, link, method, *args, most=None):
        found = []
        async with getattr(link, method)(*args, timeout=BOUND) as stream:
            async for item in stream:
                found.append(item)
                if len(found) == most:
                    break
        return found

    async def watch(self, client, timeout):
        return await client.watch(timeout=timeout)

    async def disconnect(self, client, timeout):
        await client.disconnect(timeout)

    async def pause(self, seconds):
        await asyncio.sleep(seconds)

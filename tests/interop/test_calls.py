"""Calls that are stopped, watched and iterated over, where one of the others is of 1.x."""

import asyncio
import inspect
import threading

import pytest

from msl_network import RemoteError, Service, connect

from ..laboratory import eventually


class Meter(Service):
    def __init__(self):
        super().__init__()
        self.entered = threading.Semaphore(0)

    def scan(self, points: int = 3, *, step=1):
        """Yield the points."""
        for i in range(points):
            self.progress(i, points)
            yield i * step

    def average(self, points):
        for i in range(points):
            self.progress(i, points)
        return points

    async def settle(self):
        self.entered.release()
        await asyncio.sleep(0.5)


def test_client_of_1x_gets_what_it_knows(open_network):
    network = open_network("ours", alone=True, disable_tls=True)
    player = network.players["1.x"]
    with Meter().start_in_background(**network.kwargs):
        for attribute, result in (("scan", [0, 1, 2]), ("average", 3)):
            asked = {"service": "Meter", "attribute": attribute, "args": [3]}
            assert player.play("ask", kwargs=network.kwargs, **asked) == result


def test_manager_of_1x_passes_on_what_it_knows(open_network):
    kwargs = open_network("1.x", alone=True, disable_tls=True).kwargs
    told, meter = [], Meter()
    with meter.start_in_background(**kwargs), connect(**kwargs) as client:
        link = client.link("Meter")
        assert link.scan(3, step=2) == [0, 2, 4]
        assert asyncio.run(link.aio.scan()) == [0, 1, 2]
        assert link.average(3, on_progress=lambda *report: told.append(report)) == 3
        assert told == []
        assert str(inspect.signature(link.scan)) == "(points: int = 3, *, step=1)"
        reply = link.settle(asynchronous=True)
        assert meter.entered.acquire(timeout=10)
        assert reply.cancel()
        assert reply.cancellation.result(0) == "unknown"
        with pytest.raises(TimeoutError) as caught:
            link.settle(timeout=0.05)
        assert caught.value.cancellation.result(0) == "unknown"
        assert link.average(2) == 2  # what still comes of the others is nobody's


def test_service_of_1x_does_what_it_knows(networks):
    network = networks("ours")
    name, told = network.services["1.x"], []
    with connect(**network.kwargs, cert_file=network.certificate) as client:
        eventually(lambda: name in client.identities()["services"])
        link = client.link(name)
        assert str(inspect.signature(link.add)) == "(x: float, y: float = 1) -> float"
        assert link.add(1, on_progress=lambda *report: told.append(report)) == 2
        reply = link.slow(0.3, asynchronous=True)
        assert reply.cancel()
        assert reply.cancellation.result(0) == "unknown"

        async def main():
            with pytest.raises(TimeoutError) as caught:
                await link.aio.slow(0.3, timeout=0.05)
            return caught.value

        assert asyncio.run(main()).cancellation.result(0) == "unknown"
        with pytest.raises(ValueError, match="no power") as caught:
            link.fail("no power")
        assert isinstance(caught.value, RemoteError)
        assert told == []

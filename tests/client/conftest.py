"""A Service to call."""

import asyncio
import threading
import time

import pytest

from msl_network import Service, connect


class Bench(Service):
    """What a Client can come across."""

    gain = 2.5

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.entered = threading.Event()
        self.release = threading.Event()

    @property
    def temperature(self):
        return 21.5

    def add(self, x: float, y: float = 1) -> float:
        return x + y

    def echo(self, *args, **kwargs):
        return args, kwargs

    def wait(self):
        self.entered.set()
        return self.release.wait(30)

    def sleep(self, seconds):
        time.sleep(seconds)
        return seconds

    async def on_loop(self, seconds):
        await asyncio.sleep(seconds)
        return threading.get_ident() == self.loop_thread_id

    def fail(self, text):
        raise ValueError(text)

    def emit(self, count):
        for i in range(count):
            self.emit_notification(i, square=i * i)

    def keywords(self, name, service, attribute, requester, uid, host):
        return [name, service, attribute, requester, uid, host]

    def shutdown_service(self, text="bye"):
        return text


@pytest.fixture
def bench(manager):
    """A Service that is connected."""
    bench = Bench()
    with bench.start_in_background(**manager.kwargs):
        yield bench
        bench.release.set()


@pytest.fixture
def client(manager, bench):
    with connect(**manager.kwargs) as client:
        yield client


@pytest.fixture
def link(client):
    return client.link("Bench")

"""A Manager with a healthy Service and a healthy Client, whatever others do."""

import os
import threading
import time

import pytest

from msl_network import LocalManager, Service, connect

from .raw import RawPeer

REQUEST = {"service": "Healthy", "attribute": "add", "args": [1, 2], "kwargs": {}, "uid": "u"}


class Healthy(Service):
    """A Service whose requests must go on."""

    def __init__(self):
        super().__init__()
        self.entered = threading.Event()
        self.release = threading.Event()

    def add(self, x, y):
        return x + y

    def text(self, size):
        return "x" * size

    def wait(self):
        self.entered.set()
        return self.release.wait(30)

    def unserialisable(self):
        return {"here": [object()]}

    def endless(self):
        value = []
        value.append(value)
        return value

    def fail(self):
        raise SystemExit("not even this ends the Service")


class Laboratory:
    """A Manager with a healthy Service and a Client, whose request is under way all the time."""

    def __init__(self, stack, **kwargs):
        self.service = Healthy()
        # the request under way ends, whatever has happened
        self.manager = stack.enter_context(LocalManager(**kwargs))
        self.running = stack.enter_context(self.service.start_in_background(**self.manager.kwargs))
        self.client = stack.enter_context(connect(**self.manager.kwargs))
        stack.callback(self.service.release.set)
        self.link = self.client.link("Healthy")
        self.under_way = self.link.wait(asynchronous=True)
        assert self.service.entered.wait(20)

    def raw(self):
        return RawPeer(self.manager.port, tls="cert_file" in self.manager.kwargs)

    def check(self):
        """What was there before still works, its request has not been lost, others can come."""
        assert self.link.add(1, 2, timeout=20) == 3
        with connect(**self.manager.kwargs) as client:
            assert client.link("Healthy").add(3, 4, timeout=20) == 7
        assert not self.under_way.done()
        self.service.release.set()
        assert self.under_way.result(20) is True


def eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def missing(reason):
    """Skip where a person runs the tests, fail in CI, which has to have everything."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)

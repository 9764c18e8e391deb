"""A Manager of either package that is started again, even as the other package."""

import contextlib
import threading

import pytest

from msl_network import connect
from msl_network.examples import Echo
from tests.ports import free_port

from .processes import PACKAGES, Peer, pythons


@pytest.mark.parametrize("before", PACKAGES)
@pytest.mark.parametrize("after", PACKAGES)
def test_our_devices_come_back(python_1x, tmp_path, before, after):
    options = {"port": free_port(), "disable_tls": True}
    kwargs = {**options, "host": "localhost"}

    def start(kind):
        home = tmp_path / kind
        manager = Peer(pythons(python_1x)[kind], "manager", kind, home, options)
        manager.hear_about("Network Manager running on")
        return manager

    with contextlib.ExitStack() as stack:
        manager = start(before)
        stack.callback(lambda: manager.end())
        running = stack.enter_context(Echo().start_in_background(**kwargs))
        client = stack.enter_context(connect(**kwargs))
        link = client.link("Echo")
        linked, notified = threading.Event(), threading.Event()
        link.on_restored(linked.set)
        link.notification_handler = lambda *_: notified.set()
        assert link.echo(1) == [[1], {}]
        manager.end()
        reply = link.echo(2, safe_to_repeat=True, asynchronous=True)
        manager = start(after)
        assert reply.result(40) == [[2], {}]
        assert linked.wait(40)
        running.service.emit_notification()
        assert notified.wait(20)

"""A Service that is defined in a cell of a real kernel, asked by a Client of the test."""

import os
import signal
import sys

import pytest

from msl_network import LocalManager, RemoteError, connect

from ..laboratory import eventually
from ..ports import free_port

METER = """%%service Meter --port {port} --no-tls
"A meter in a notebook."
import logging, threading
from random import random
from msl_network import serial

begun, go_on = threading.Event(), threading.Event()
gain: float = 2.5
count = 0

def read(channel: int = 1) -> float:
    "Read a channel."
    global count
    count += 1
    print("read", channel)
    return gain * channel

def scan(n: int):
    yield from range(n)

@serial
async def settle(self):
    self.progress(1, 2, "settling")
    self.emit_notification(self.request.attribute)
    return "settled"

def fail():
    logging.warning("about to fail")
    return _secret() / 0

def wait():
    event = go_on  # of the cell as it is now: it is run again meanwhile
    begun.set()
    return event.wait(20)

def _secret():
    return 1
"""


@pytest.fixture
def network():
    """A Manager that a kernel is told of with few words, and a Client of the test."""
    with LocalManager(disable_tls=True) as manager, connect(**manager.kwargs) as client:
        yield manager, client


@pytest.fixture
def served(kernel, network):
    """A kernel with the Service, and a link with it."""
    manager, client = network
    kernel.run("%load_ext msl_network")
    kernel.run(METER.format(port=manager.port))
    kernel.run("panel = _")
    return kernel, client.link("Meter")


def test_functions_become_methods(served):
    kernel, link = served
    assert link.service_attributes == {
        "fail": "()",
        "gain": 2.5,
        "read": "(channel: int = 1) -> float",
        "scan": "(n: int)",
        "set_logging_level": "(level: Union[str, int]) -> bool",
        "settle": "()",
        "wait": "()",
        "waiting": "() -> int",
    }
    assert (link.service_doc, link.service_docs["read"]) == (
        "A meter in a notebook.",
        "Read a channel.",
    )
    got = []
    link.notification_handler = got.append
    assert link.read(channel=3) == 7.5
    assert list(link.scan(3)) == [0, 1, 2]
    assert link.settle() == "settled"
    eventually(lambda: got == ["settle"])
    for private in ("_secret", "random", "count", "go_on"):
        with pytest.raises(RemoteError):
            link[private]()
    # other cells see and change what the Service has
    assert kernel.run("count").value == 1
    kernel.run("gain = 10")
    assert (link.gain(), link.read()) == (10, 10)


def test_edited_and_run_again(served, network):
    kernel, link = served
    manager, _ = network
    link.acquire_lock()
    address = link.service_address
    waiting = link.wait(asynchronous=True)
    # a request that has not begun would rightly get what is new
    assert kernel.run("old = go_on; begun.wait(20)").value is True
    again = METER.format(port=manager.port).replace("gain * channel", "-gain * channel")
    cell = kernel.run(again + "\ndef added(x):\n    return x\n")
    assert any("application/vnd.jupyter.widget-view+json" in bundle for bundle in cell.shown)
    assert link.read() == -2.5
    assert link.added(1) == 1
    eventually(lambda: "added" in link.service_attributes)
    assert link.service_address == address
    assert len(link.release_lock()) == 0
    assert not waiting.done()
    kernel.run("old.set()")
    assert waiting.result(20) is True


def test_an_error_in_the_cell_leaves_the_service_as_it_was(served, network):
    kernel, link = served
    start = f"%%service Meter --port {network[0].port} --no-tls\n"
    cell = kernel.fail(start + "def read():\n    return 'new'\nx = 1 / 0")
    name, _, shown = cell.error
    assert name == "ZeroDivisionError"
    assert shown.count("ZeroDivisionError") <= 2  # its title and its text
    assert "x = " in shown
    assert "service_cell.py" not in shown
    assert link.read() == 2.5
    assert kernel.fail(start + "def read(:").error[0] == "SyntaxError"
    waits = kernel.fail(start + "import asyncio\nawait asyncio.sleep(0)\ndef read():\n    return 1")
    assert "'await' outside function, and a %%service cell awaits only there" in waits.error[1]
    # nor does a Manager that is not there
    moved = kernel.fail("%%service Meter --port 1 --no-tls\ndef read():\n    return 1")
    assert moved.error[0] == "ConnectionError"
    for cell, refusal in {
        start + "y = 1": "no function for Clients",
        start + "def start():\n    return 1": "a Service has 'start' itself",
        "%%service\ndef read():\n    return 1": "give the Service a name",
        "%%service Meter --speed 9\ny = 1": "unrecognized arguments: --speed 9",
    }.items():
        failed = kernel.finish(kernel.start(cell))
        assert failed.status == "error"
        assert refusal in failed.printed
    assert link.read() == 2.5


def test_what_it_prints_is_in_its_log_and_nowhere_else(served, network):
    kernel, link = served
    cell = kernel.start(
        "import time\nfor i in range(5):\n    print('cell', i)\n    time.sleep(0.1)"
    )
    for channel in range(5):
        link.read(channel)
    with pytest.raises(ZeroDivisionError):
        link.fail()
    kernel.finish(cell)
    assert "".join(f"cell {i}\n" for i in range(5)) == cell.printed
    text = kernel.run("'\\n'.join(map(str, panel.journal.lines()))").value
    assert [line.split(" ", 1)[1] for line in text.splitlines()[:6]] == [
        f"Started at the Manager localhost:{network[0].port}.",
        *(f"read {channel}" for channel in range(5)),
    ]
    for line in ("about to fail", "fail failed for Client[", "return _secret() / 0"):
        assert line in text
    assert "executing.py" not in text
    # the panel has it
    kernel.wait(cell, lambda: "ZeroDivisionError: division by zero" in kernel.page())
    assert "cell 4" not in kernel.page()


def test_a_panel_that_was_closed(served, network):
    kernel, link = served
    kernel.run("panel.close()")
    kernel.run(METER.format(port=network[0].port) + "more: int = 1")
    assert kernel.run("_.is_closed").value is False
    assert link.more() == 1


def test_a_service_that_moves_to_another_manager(served):
    kernel, link = served
    with LocalManager(disable_tls=True) as other, connect(**other.kwargs) as client:
        kernel.run(METER.format(port=other.port))
        assert client.link("Meter").read() == 2.5
        eventually(lambda: "Meter" not in link._owner.identities()["services"])


def test_the_stop_button_gives_up_the_cell_and_not_the_service(served):
    kernel, link = served
    cell = kernel.start("import time; print('busy'); time.sleep(60)")
    kernel.wait(cell, lambda: "busy" in cell.printed)
    kernel.interrupt()
    kernel.finish(cell)
    assert cell.error[0] == "KeyboardInterrupt"
    assert link.read() == 2.5


CLASS = """%%service
from msl_network import Service

class Counter(Service):
    def __init__(self):
        super().__init__(max_clients=1)
        self._n = {start}

    def count(self):
        self._n += 1
        return self._n

    def take_over(self, old):
        self._n = old._n
"""


def test_a_class_in_a_cell_and_a_manager_of_the_kernel(kernel):
    """Nothing is said of a Manager, and none is there: the kernel has one of its own."""
    port = free_port()
    kernel.run(f"from msl_network import constants; constants.PORT = {port}")
    kernel.run("%load_ext msl_network")
    kernel.run(CLASS.format(start=0))
    # who trusts this computer's certificate gets in without a question
    kernel.run(f"import msl_network; client = msl_network.connect(port={port})")
    kernel.run("link = client.link('Counter')")
    assert kernel.run("[link.count(), link.count()]").value == [1, 2]
    failed = kernel.fail(CLASS.format(start="1 / 0"))
    assert "self._n = 1 / 0" in failed.error[2].replace("\x1b", "") or "ZeroDivision" in failed.text
    assert kernel.run("link.count()").value == 3
    kernel.run(CLASS.format(start=0))
    assert kernel.run("link.count()").value == 4
    kernel.run("from msl_network.notebook import serve; panel = serve(Counter)")
    assert kernel.run("link.count()").value == 5
    kernel.run("panel.stop().result(20)")
    assert kernel.run("list(client.identities()['services'])").value == []
    kernel.run("panel.start().result(20)")
    assert kernel.run("link.count(safe_to_repeat=True)").value == 6


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_kernel_that_is_killed_takes_its_service_along(served, network):
    kernel, link = served
    waiting = link.wait(asynchronous=True)
    os.kill(kernel.pid, signal.SIGKILL)
    with pytest.raises(ConnectionAbortedError):
        waiting.result(20)
    eventually(lambda: not network[1].identities()["services"])


def test_a_kernel_that_is_restarted_takes_its_service_along(served, network):
    kernel, link = served
    manager, client = network
    kernel.manager.restart_kernel(now=False)
    eventually(lambda: not client.identities()["services"])
    kernel._client.wait_for_ready(timeout=60)
    kernel.run("%load_ext msl_network")
    kernel.run(METER.format(port=manager.port))
    assert link.read(safe_to_repeat=True, timeout=20) == 2.5

"""The examples of the documentation run as they stand."""

import ast
import asyncio
import inspect
import re
import threading
from pathlib import Path

import pytest

import msl_network
from msl_network import Service, aio

ROOT = Path(__file__).parents[1]


def run_examples(page, names, leave_out=()):
    """Run the examples of a page, one after the other, as cells of a notebook; returns how many."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    blocks = [block for block in blocks if not any(word in block for word in leave_out)]
    for block in blocks:
        code = compile(block, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, names))
        else:
            exec(code, names)
    return len(blocks)


def test_examples_of_calls(capsys):
    names = {"__name__": "calls"}
    try:
        assert run_examples("docs/calls.md", names) > 5
    finally:
        for name in ("client", "running", "manager"):
            thing = names.get(name)
            if thing is not None:
                thing.disconnect() if name == "client" else thing.stop()
    assert "OutOfRangeError 1000 V is more than 100 V" in capsys.readouterr().out


class Sensor(Service):
    """What the examples call."""

    def temperature(self, channel: int = 1) -> float:
        return 20.0 + channel

    def step_motor(self):
        pass


@pytest.mark.parametrize(
    ("page", "count"), [("docs/services.md", 6), ("docs/notebook.md", 2), ("README.md", 3)]
)
def test_examples_of(page, count, manager, monkeypatch):
    """With the Manager of the test in place of that of the laboratory."""
    connect, connect_aio, running = msl_network.connect, aio.connect, []

    def start(service, host):
        running.append(service.start_in_background(**manager.kwargs))

    def here(function):
        return lambda host, **kwargs: function(**(kwargs and {"host": host, **kwargs}) or known)

    known = manager.kwargs
    monkeypatch.setattr(Service, "start", start)
    monkeypatch.setattr(msl_network, "connect", here(connect))
    monkeypatch.setattr(aio, "connect", here(connect_aio))
    with Sensor().start_in_background(**known), connect(**known) as client:
        names = {"client": client, "link": client.link("Sensor"), "pi": client["Sensor"]}
        names |= {"data": [[1], [2]], "read_my_instrument": float, "threading": threading}
        try:
            # the panels, and what is started over SSH, have tests of their own
            assert run_examples(page, names, ["msl_network.notebook"]) == count
        finally:
            for each in running:
                each.stop()

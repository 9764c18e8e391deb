"""A result on the page."""

import asyncio
import html
import math
import re
import subprocess
import sys
import time

import ipywidgets
import pytest

from msl_network import loop_thread
from msl_network.notebook.results import ResultView


def run(coroutine):
    return loop_thread.submit(coroutine).result(60)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def view():
    view = ResultView()
    yield view
    view.close()


def plot_of(view):
    return next((child for child in view.children if hasattr(child, "y_label")), None)


def text_of(view):
    parts = [child.value for child in view.children[1:] if isinstance(child, ipywidgets.HTML)]
    plain = html.unescape(re.sub("<[^>]+>", " ", " ".join(parts)))
    return " ".join(plain.split())


def test_a_value_and_then_another_one(view):
    run(view.show(21.5, attribute="temperature_celsius"))
    assert text_of(view) == "21.5 °C"
    assert plot_of(view) is None
    run(view.show([0.5, 1.5] * 1000, attribute="voltage", doc="Return the voltage in volts."))
    plot = plot_of(view)
    assert (plot.names, plot.y_label) == (("voltage",), "voltage (V)")
    assert "2,000 1.0000 V 0.5001 V 0.5 V 1.5 V" in text_of(view)
    run(view.show({"t": list(range(20)), "<a>": list(range(20))}))
    assert plot_of(view) is plot
    assert (plot.names, plot.x_label, plot.y_label) == (("<a>",), "t", "")
    run(view.show("done"))
    assert text_of(view) == "done"
    assert plot_of(view) is None


def test_an_error(view):
    async def fail():
        await view.show(1)
        view.show_error(ConnectionAbortedError("lost <b>"))

    run(fail())
    assert text_of(view).startswith("ConnectionAbortedError : lost <b> Nobody knows")
    assert "msl-failed" in view._dom_classes
    run(view.show(1))
    assert "msl-failed" not in view._dom_classes


def test_the_latest_of_two_is_shown(view):
    async def both():
        slow = asyncio.create_task(view.show([0.5] * 500_000))
        await asyncio.sleep(0)  # it has begun
        await view.show("quick")
        await slow

    run(both())
    assert text_of(view) == "quick"


def test_the_loop_goes_on_meanwhile(view):
    async def longest_pause():
        showing = asyncio.create_task(view.show([0.25 * i for i in range(1_000_000)]))
        longest, before = 0.0, time.monotonic()
        while not showing.done():
            await asyncio.sleep(0.005)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
        return longest

    assert run(longest_pause()) < 1
    assert "1,000,000" in text_of(view)
    assert "4,000 of 1,000,000 points" in text_of(view)


def test_numbers_of_a_stream_are_plotted(view):
    async def stream():
        for start in range(0, 500, 50):
            numbers = [float(i) for i in range(start, start + 50)]
            await view.extend(numbers, attribute="voltage", doc="Yield.\n\nYields:\n    volts")
        await until(lambda: "500 249.5" in text_of(view))

    run(stream())
    plot = plot_of(view)
    assert plot.names == ("voltage",)
    assert "500 249.5 144.5 0.0 499.0 499.0" in text_of(view)
    run(view.show(1))
    assert (text_of(view), plot_of(view)) == ("1", None)


@pytest.mark.parametrize(
    ("item", "x_label", "names"),
    [
        (lambda i: (i * 0.5, math.sin(i)), "x", ("y",)),
        (lambda i: {"time": i, "a": 1.5, "b": 2}, "time", ("a", "b")),
    ],
)
def test_pairs_and_names_of_a_stream_are_plotted(view, item, x_label, names):
    run(view.extend([item(i) for i in range(20)]))
    plot = plot_of(view)
    assert (plot.x_label, plot.names) == (x_label, names)


def test_other_items_of_a_stream_are_listed(view):
    async def stream():
        await view.extend([1.0, 2.0])
        await view.extend([f"<i>{i}" for i in range(100)])
        await until(lambda: "<i>99" in text_of(view))
        await view.extend([{"last": [1] * 1000}])
        await until(lambda: "last" in text_of(view))

    run(stream())
    assert plot_of(view) is None
    shown = text_of(view)
    assert "<i>88" not in shown
    assert shown.index("<i>99") < shown.index("'last'")
    assert "the latest 12 of 103 items" in shown


def test_nothing_is_left_of_one_that_is_closed():
    before = set(ipywidgets.widget._instances)
    view = ResultView()

    async def stream():
        await view.extend([1.0, 2.0])
        view.close()
        await view.extend([3.0])
        await view.show([1.0] * 100)
        return [task for task in asyncio.all_tasks() if "_redraw" in repr(task.get_coro())]

    left = run(stream())
    run(asyncio.sleep(0))
    assert not [task for task in left if not task.cancelling()]
    assert set(ipywidgets.widget._instances) == before


@pytest.mark.kernel
def test_in_a_kernel(kernel):
    kernel.run(
        "from msl_network import loop_thread\n"
        "from msl_network.notebook.results import ResultView\n"
        "view = ResultView()\n"
        "view"
    )
    cell = kernel.start(
        "import time\n"
        "loop_thread.submit(view.show([i / 2 for i in range(1000)], attribute='read_kelvin'))\n"
        "time.sleep(3)"
    )
    kernel.wait(cell, lambda: "K</td>" in kernel.page())
    assert cell.status is None  # it blocks
    kernel.finish(cell)
    plots = [s for s in kernel.widgets.values() if s.get("y_label") == "read_kelvin (K)"]
    assert len(plots) == 1
    kernel.run("view.close()")
    kernel.wait(cell, lambda: "K</td>" not in kernel.page())


def test_a_process_with_a_view_ends():
    code = "from msl_network.notebook.results import ResultView; view = ResultView()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

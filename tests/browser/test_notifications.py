"""Notifications plotted in a real browser, for a short time or for a long one.

Ten minutes: `PLOT_MINUTES=10 pytest -s tests/browser/test_notifications.py -k memory`
"""

import ast
import os
import re
import time

import psutil
import pytest
from playwright.sync_api import expect

from msl_network.notebook.panels.notifications import LOG

from .accessibility import assert_accessible

pytestmark = pytest.mark.browser

MINUTES = float(os.environ.get("PLOT_MINUTES", "0.1"))
MEGABYTE = 1e6

CELL = """
import math, os, threading
from msl_network import LocalManager, Service, connect
from msl_network.notebook.panels import NotificationsPanel

class Oven(Service):
    def __init__(self):
        super().__init__()
        self._off = threading.Event()

    def run(self):
        i = 0
        while not self._off.wait(0.05):
            i += 1
            self.emit_notification(180 + 5 * math.sin(i / 20), power=180 + 5 * math.cos(i / 33))

    def switch_off(self):
        self._off.set()

manager = LocalManager(disable_tls=True).start()
running = Oven().start_in_background(**manager.kwargs)
threading.Thread(target=running.service.run, daemon=True).start()
link = connect(**manager.kwargs).link("Oven")
panel = NotificationsPanel(link)
print("pid", os.getpid())
panel
"""

COUNTERS = "dict(panel.counters)"

PIXELS = """([canvas, colour]) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
        found += colour.every((value, j) => Math.abs(data[i + j] - value) < 8);
    }
    return found;
}"""

SAVE = "() => window.jupyterapp.commands.execute('docmanager:save').then(() => null)"

LIGHT_BLUE, DARK_BLUE = [0x00, 0x72, 0xB2], [0x5C, 0xB8, 0xEE]


@pytest.fixture
def opened(notebook):
    return shown(notebook)


def shown(notebook, **kwargs):
    opened = notebook([CELL, COUNTERS], height=1500, **kwargs)
    if kwargs.get("app") != "voila":
        opened.run_all()
    return opened


def canvas(page):
    return page.locator(".msl-plot-canvas")


def is_drawn(page):
    """Wait until the first line is there in the colour of the theme."""
    page.wait_for_function(
        f"""([light, dark]) => {{
            const colour = document.body.dataset.jpThemeLight === "false" ? dark : light;
            const canvas = document.querySelector(".msl-plot-canvas");
            return canvas && canvas.width > 0 && ({PIXELS})([canvas, colour]) > 200;
        }}""",
        arg=[LIGHT_BLUE, DARK_BLUE],
    )


def counted(opened):
    """What the panel has counted, now."""
    output = opened.cell(1).locator(".jp-OutputArea-output pre")
    before = output.inner_text()
    opened.run(1)
    expect(output).not_to_have_text(before)  # more has come since
    return ast.literal_eval(output.inner_text())


def test_plot_of_what_is_emitted(opened):
    page = opened.page
    is_drawn(page)
    expect(page.get_by_text("Receiving what Oven emits")).to_be_visible()
    expect(page.get_by_role("button", name="Show args[0]", pressed=True)).to_be_visible()
    expect(canvas(page)).to_have_attribute("aria-label", re.compile(r"args\[0\]: last 1[78]"))
    opened.set_theme("dark")
    is_drawn(page)
    # with the keys, which are none of JupyterLab's here
    assert_accessible(page)
    canvas(page).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".msl-plot-readout")).to_contain_text("at time")
    page.keyboard.press("+")
    show_all = page.get_by_role("button", name="Show all", exact=True)
    expect(show_all).to_be_visible()
    page.keyboard.press("0")
    page.keyboard.press("0")
    expect(show_all).to_be_hidden()
    # what is paused stands still
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("came meanwhile, and are not shown")).to_be_visible()
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_text("Receiving what Oven emits")).to_be_visible()


def test_page_that_is_loaded_again_shows_it_again(opened):
    page = opened.page
    is_drawn(page)
    page.evaluate(SAVE)
    page.reload()
    is_drawn(page)
    expect(page.get_by_text("Receiving what Oven emits")).to_be_visible()


@pytest.mark.parametrize("app", ["notebook7", "voila"])
def test_plot_in_other_applications(notebook, app):
    page = shown(notebook, app=app).page
    is_drawn(page)
    assert_accessible(page)


@pytest.mark.timeout(60 * MINUTES + 120)
def test_memory_is_flat_at_twenty_a_second(opened):
    page = opened.page
    is_drawn(page)
    kernel = psutil.Process(
        int(opened.cell(0).locator("pre", has_text="pid ").first.inner_text().split()[-1])
    )
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def measure():
        for _ in range(2):
            session.send("HeapProfiler.collectGarbage")
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        counts = counted(opened)
        return {
            "heap": session.send("Runtime.getHeapUsage")["usedSize"] / MEGABYTE,
            "nodes": metrics["Nodes"],
            "kernel": kernel.memory_info().rss / MEGABYTE,
            **{name: counts[name] for name in ("received", "undrawn", "dropped")},
        }

    expect(page.locator(".msl-notifications tbody tr")).to_have_count(LOG, timeout=60_000)
    began, rows = time.monotonic(), [measure()]
    while (left := began + 60 * MINUTES - time.monotonic()) > 0:
        page.wait_for_timeout(1000 * min(left, 60))
        rows.append(measure())
        print(f"{(time.monotonic() - began) / 60:.1f} min", rows[-1])
    took = time.monotonic() - began
    first, last = rows[0], rows[-1]
    received = last["received"] - first["received"]
    assert received > 10 * took  # on a busy machine, too
    assert last["dropped"] == 0
    assert last["undrawn"] - first["undrawn"] < received / 2
    assert last["heap"] < first["heap"] + 5
    assert last["nodes"] < first["nodes"] + 2000  # a log that has been replaced has 600
    assert last["kernel"] < first["kernel"] + 20

"""The tutorial, and what a person does besides, in a real JupyterLab."""

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TUTORIAL = NOTEBOOKS / "01-first-steps.ipynb"

# the third one is about the Manager of this computer: here it has a port that is free
USUAL_PORT = """
import socket
from msl_network import constants

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    constants.PORT = free.getsockname()[1]
"""

SERVERS = """
import threading
from msl_network import LocalManager, Service, connect
import msl_network.notebook

class Oven(Service):
    hot = threading.Event()

    def add_numbers(self, a: int, b: int = 2) -> int:
        return a + b

    def heat(self) -> str:
        print("heating", flush=True)
        self.hot.wait(60)
        return "it is hot"

    def finish(self) -> str:
        self.hot.set()
        return "finished"

manager = LocalManager().start()
running = Oven(ignore_attributes="hot").start_in_background(**manager.kwargs)
pi = connect(**manager.kwargs).link("Oven")
"""


STOP = '.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]'
OUTPUT = ".jp-OutputArea-output"


def outputs(notebook, source):
    """What stands below the cell that has this in its source."""
    page = notebook.page
    cell = page.locator(".jp-CodeCell", has=page.locator(".jp-Editor", has_text=source))
    return cell.first.locator(OUTPUT)


def sources(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def run_all(tutorial):
    tutorial.run_all(timeout=90)
    for kind in ("stderr", "error"):
        wrong = f'[data-mime-type="application/vnd.jupyter.{kind}"]'
        expect(tutorial.page.locator(wrong)).to_have_count(0)


def test_with_the_mouse(notebook):
    tutorial = notebook([], path=NOTEBOOKS / "02-with-the-mouse.ipynb")
    run_all(tutorial)
    expect(outputs(tutorial, "board.calling.history[-1]")).to_contain_text("'count': 100")
    expect(outputs(tutorial, "as_script")).to_contain_text("link = client.link('Voltmeter')")
    expect(outputs(tutorial, "heart.acquire_lock()").first).to_contain_text("locked by ['Client[")


def test_a_service_of_your_own(notebook):
    tutorial = notebook([USUAL_PORT, *sources(NOTEBOOKS / "03-your-own-service.ipynb")])
    run_all(tutorial)
    expect(outputs(tutorial, "bath.record(5)")).to_contain_text("[2")
    expect(outputs(tutorial, 'client["Shutter"]')).to_have_text("True")


def test_tutorial(notebook):
    tutorial = notebook([], path=TUTORIAL)
    run_all(tutorial)

    steps = outputs(tutorial, "console_script=pi.console_script")
    for step in (
        "none answers, so one is started",
        "Connecting to 127.0.0.1 with SSH",
        "Linking with RPiService",
    ):
        expect(steps.get_by_text(step)).to_be_visible()
    log = steps.get_by_text("Network Manager running on")
    expect(log).to_be_hidden()
    steps.get_by_text("Log of the far side").click()
    expect(log).to_be_visible()

    expect(outputs(tutorial, "rpi.add_numbers(1, 2, 3, 4)")).to_have_text("10")
    expect(outputs(tutorial, "asyncio.gather")).to_have_text("[1, 4, 9, 16, 25]")
    expect(outputs(tutorial, "except RemoteError")).to_contain_text("There is no channel 7")
    expect(tutorial.page.locator(OUTPUT, has_text="(4, 19.622)").first).to_be_visible()


@pytest.mark.parametrize(
    ("call", "error"),
    [("pi.heat()", "KeyboardInterrupt"), ("await pi.aio.heat()", "CancelledError")],
)
def test_the_stop_button(notebook, call, error):
    opened = notebook([SERVERS, call, "pi.add_numbers(3)"])
    opened.run(0)
    opened.run(1)
    expect(opened.page.get_by_text("heating", exact=True)).to_be_visible()
    expect(opened.cell(1).get_by_text("[*]:")).to_be_visible()
    opened.page.locator(STOP).click()
    expect(opened.cell(1).get_by_text("[2]:")).to_be_visible(timeout=2000)
    expect(opened.cell(1)).to_contain_text(error)
    opened.run(2)
    opened.wait_until_idle()
    expect(opened.cell(2).locator(OUTPUT)).to_have_text("5")


def test_cells_queued_behind_a_call(notebook):
    # the slow method ends when a task of the person's own gets its turn
    opened = notebook(
        [
            SERVERS,
            "import asyncio\nasync def later():\n    await asyncio.sleep(1)\n"
            "    await pi.aio.finish()\ntask = asyncio.create_task(later())",
            "pi.heat()",
            "pi.add_numbers(1)",
            "await pi.aio.add_numbers(2)",
        ]
    )
    opened.run_all()
    for index, text in ((2, "'it is hot'"), (3, "3"), (4, "4")):
        expect(opened.cell(index).locator(".jp-OutputArea-executeResult")).to_contain_text(text)


def test_completion_and_help(notebook):
    opened = notebook([SERVERS, "", "pi.add_numbers?"])
    opened.run(0)
    opened.run(2)
    expect(opened.page.get_by_text("(a: int, b: int = 2) -> int").first).to_be_visible()

    opened.cell(1).locator(".cm-content").click()
    opened.page.keyboard.type("pi.")
    opened.page.keyboard.press("Tab")
    completer = opened.page.locator(".jp-Completer")
    expect(completer.get_by_text("add_numbers", exact=True)).to_be_visible()
    expect(completer.get_by_text("heat", exact=True)).to_be_visible()
    expect(completer.get_by_text("hot", exact=True)).to_have_count(0)

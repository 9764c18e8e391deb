"""A Service in a cell of a real JupyterLab, and its panel."""

import pytest
from playwright.sync_api import expect

from ..ports import free_port
from .accessibility import assert_accessible, nothing_moves

pytestmark = pytest.mark.browser

METER = """%%service Meter
"A meter in a notebook."
def read(channel: int):
    print("<b>reading</b>", channel)
    return "{answer}"

def fail():
    raise ValueError("no <i>power</i>")
"""

ASK = """
link = globals().get("link") or connect(port=constants.PORT).link("Meter")
for channel in range(30):
    print("answer:", link.read(channel))
try:
    link.fail()
except ValueError as error:
    print("caught")
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_cell_that_is_edited_and_run_again(theme, notebook):
    port = free_port()
    setup = "%load_ext msl_network\nfrom msl_network import connect, constants\n"
    nb = notebook(
        [
            f"{setup}constants.PORT = {port}",
            METER.format(answer="old"),
            ASK,
            METER.format(answer="new"),
        ],
        theme=theme,
    )
    page, panel = nb.page, nb.cell(1).locator(".msl-panel")
    nb.run(0)
    nb.run(1)
    expect(panel.get_by_text("Running, connected to the Manager")).to_be_visible()
    log = panel.get_by_role("log", name="Log of the Service")
    with nothing_moves(page):
        nb.run(2)
        expect(log.get_by_text("<b>reading</b> 29")).to_be_visible()
        expect(log.get_by_text("ValueError: no <i>power</i>")).to_be_visible()
        expect(panel.get_by_text("31 in all, 0 running, 0 waiting")).to_be_visible()
    expect(nb.cell(2).get_by_text("answer: old").first).to_be_visible()
    expect(nb.cell(2)).not_to_contain_text("reading")

    nb.run(3)
    expect(nb.cell(3).get_by_text("Reloaded.")).to_be_visible()
    nb.run(2)
    expect(nb.cell(2).get_by_text("answer: new").first).to_be_visible()

    panel.get_by_text("What Clients can ask for").click()
    expect(panel.get_by_text("read(channel: int)")).to_be_visible()
    assert_accessible(page)
    panel.get_by_role("button", name="Stop").press("Enter")
    expect(panel.get_by_text("Stopped.").first).to_be_visible()
    expect(panel.get_by_role("button", name="Stop")).to_be_disabled()
    panel.get_by_role("button", name="Start").press("Enter")
    expect(panel.get_by_text("Running, connected to the Manager")).to_be_visible()

"""Every panel, for everybody: with a screen reader, in both themes, with the keyboard alone, on a
narrow page, and while values change."""

import pytest
from playwright.sync_api import expect

from .accessibility import PANEL, assert_accessible, nothing_moves, walk
from .instruments import Instruments

pytestmark = pytest.mark.browser

PANELS = """
from msl_network import Service, connect
from msl_network.notebook import panels

class Here(Service):
    def add(self, x: float, y: float = 2) -> float:
        return x + y
    def fail(self, x: int = 1):
        raise ValueError("off")
    def spectrum(self, n: int = 300) -> list[float]:
        return [i * i for i in range(n)]

kwargs = {kwargs!r}
here = Here().start_in_background(**kwargs)
client = connect(**kwargs)
call = panels.CallPanel(client.link("Here"))
shown = [
    panels.ConnectPanel(), panels.LaunchPanel(), panels.ServicesPanel(client), call,
    panels.NotificationsPanel(client.link("Oven")), panels.ServicePanel(here), panels.LogPanel(),
]
for method in ("fail", "spectrum"):
    call.fields["method"].value = method
    call.call().result(10)
for panel in shown:
    display(panel)
"""

DASHBOARD = """
from msl_network import connect
from msl_network.notebook import dashboard
client = connect(**{kwargs!r})
dashboard(client.link("Oven"))
"""


@pytest.fixture
def instruments(tmp_path):
    instruments = Instruments(tmp_path)
    yield instruments
    instruments.close()


@pytest.fixture
def dashboard(notebook, instruments):
    opened = notebook([DASHBOARD.format(kwargs=instruments.kwargs)], height=2400)
    opened.run_all()
    page = opened.page
    expect(page.get_by_text("linked, in use")).to_be_visible()
    expect(page.locator(".msl-plot-canvas")).to_be_visible()
    expect(page.get_by_label("Method", exact=True)).to_be_visible()
    return page


def test_everybody_can_read_it(notebook, instruments):
    opened = notebook([PANELS.format(kwargs=instruments.kwargs)], height=4000)
    opened.run_all()
    page = opened.page
    expect(page.get_by_role("button", name="link.fail()")).to_be_visible()
    # a theme changes the colours alone
    for theme, width in (("light", 1280), ("light", 420), ("dark", 420)):
        opened.set_theme(theme)
        page.set_viewport_size({"width": width, "height": 4000})
        for panel in page.locator(PANEL).all():
            box = panel.bounding_box()
            assert panel.evaluate("panel => panel.scrollWidth - panel.clientWidth") <= 1, box
        assert_accessible(page)


def test_the_keyboard_gets_everywhere_and_out_again(dashboard):
    walk(dashboard, ".msl-dashboard")


def test_nothing_moves_while_values_change(dashboard, instruments):
    page = dashboard
    page.get_by_label("Method", exact=True).select_option("heat")
    page.get_by_label("kelvin", exact=True).fill("300")
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.get_by_text("still heating")).to_be_visible()
    row = page.locator(".msl-row", has_text="Lamp")
    with instruments.connect("Marie") as marie, nothing_moves(page):
        link = marie.link("Lamp")
        expect(row.get_by_text("Marie")).to_be_visible()
        link.acquire_lock()
        expect(row.get_by_text("locked by Marie")).to_be_visible()
        link.unlink()
        expect(row.get_by_text("Marie")).to_have_count(0)
        expect(page.get_by_text("still heating")).to_be_hidden()
        expect(page.get_by_text("still heating")).to_be_visible()

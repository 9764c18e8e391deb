"""The panel of the Services in a real JupyterLab: locked against another, with the keyboard."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PANEL = """
import ipywidgets
from msl_network import LocalManager, connect
from msl_network.examples import Echo
from msl_network.notebook.panels import ServicesPanel

manager = LocalManager(disable_tls=True).start()
watchers = manager._running.manager.registry.news.watchers
echo = Echo().start_in_background(**manager.kwargs)
client, other = connect(**manager.kwargs), connect(name="Marie", **manager.kwargs)
panel = ServicesPanel(client)
ipywidgets.Tab([ipywidgets.VBox([panel])])
"""


def test_lock_against_another(notebook):
    opened = notebook(
        [
            PANEL,
            "link = other.link('Echo'); link.acquire_lock()",
            "link.unlink()",
            "try: other.link('Echo')\nexcept Exception as error: print(error)",
        ],
        height=1600,
    )
    opened.run(0)
    page = opened.page
    row = page.locator(".msl-row", has_text="Echo")
    expect(row.get_by_text("free", exact=True)).to_be_visible()

    opened.run(1)
    expect(row.get_by_text("locked by Marie")).to_be_visible()
    row.get_by_role("button", name="Link", exact=True).click()
    expect(page.get_by_role("alert").get_by_text("service is locked by Marie[")).to_be_visible()

    opened.run(2)
    expect(row.get_by_text("free", exact=True)).to_be_visible()
    row.get_by_role("button", name="Link", exact=True).focus()
    page.keyboard.press("Enter")
    expect(row.get_by_text("linked, in use")).to_be_visible()
    lock = row.get_by_role("button", name="Lock", exact=True)
    expect(lock).to_be_enabled()  # it is not while it is being linked
    lock.focus()
    page.keyboard.press("Enter")
    expect(row.get_by_text("locked by you")).to_be_visible()
    expect(row.get_by_text("exclusive")).to_be_visible()
    opened.run(3)
    expect(page.get_by_text("'Echo' service is locked").last).to_be_visible()


def test_nobody_watches_for_a_panel_that_is_off_the_page(notebook):
    wait = "import asyncio\nwhile {}: await asyncio.sleep(0.05)\nprint({!r})"
    opened = notebook(
        [PANEL, wait.format("not watchers", "it is watched"), wait.format("watchers", "not now")],
        height=1600,
    )
    page = opened.page
    opened.run(0)
    expect(page.get_by_text("1 Service on the Manager")).to_be_visible()
    opened.run(1)
    expect(page.locator(".jp-OutputArea-output", has_text="it is watched")).to_be_visible()
    opened.command("notebook:clear-all-cell-outputs")
    opened.run(2)
    expect(page.locator(".jp-OutputArea-output", has_text="not now")).to_be_visible()

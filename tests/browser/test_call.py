"""The panel that calls methods, in real notebooks, with the mouse and the keyboard only."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PANEL = """
import time
from msl_network import LocalManager, Service, connect
from msl_network.notebook.panels import CallPanel

class Oven(Service):
    def heat(self, kelvin: float, name: str | None = None) -> float:
        for i in range(600):
            self.progress(i, 600, "<b>heating</b>")
            if not self.request.sleep(0.1):
                break
        self.request.raise_if_cancelled()
        return kelvin

    def temperature(self, channel: int = 1) -> float:
        return 290.0 + channel

    def count(self):
        i = 0
        while True:
            yield i
            i += 1

    def fail(self, x=1):
        raise ValueError("the <b>lamp</b> is off")

manager = LocalManager().start()
running = Oven().start_in_background(**manager.kwargs)
client = connect(**manager.kwargs)
panel = CallPanel(client.link("Oven"))
panel
"""


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def field(page, name):
    return page.get_by_label(name, exact=True)


def call(page, method, **texts):
    field(page, "Method").select_option(method)
    expect(page.get_by_text(f"{method}(").first).to_be_visible()
    for name, text in texts.items():
        field(page, name).fill(text)
    button(page, "Call").click()


def rows(page):
    return page.get_by_role("table", name="History of calls").locator("tbody tr")


def test_calls_at_once_with_progress_items_and_cancel(notebook):
    opened = notebook([PANEL], height=1600)
    opened.run_all()
    page = opened.page
    expect(page.get_by_text("No call is under way.")).to_be_visible()
    history = page.get_by_text("Result of")

    call(page, "heat", kelvin="300")
    call(page, "heat", kelvin="310")
    under_way = page.locator(".msl-running")
    expect(under_way).to_have_count(2)
    expect(under_way.first).to_contain_text("<b>heating</b>")
    call(page, "count")
    expect(under_way.nth(2)).to_contain_text("link.count()")
    expect(under_way.nth(2)).to_contain_text("items")
    expect(history).to_contain_text("link.count()")
    call(page, "temperature")  # everything is alive meanwhile
    expect(page.get_by_text("temperature returned")).to_be_visible()
    expect(page.get_by_text("291").first).to_be_visible()

    button(page, "Cancel").click()
    expect(page.get_by_text("count: given up and stopped.")).to_be_visible()
    under_way.first.get_by_role("button").click()
    expect(page.get_by_text("heat: given up and stopped.")).to_be_visible()
    expect(under_way).to_have_count(1)
    expect(under_way).to_contain_text("link.heat(310)")
    place = button(page, "Copy all").bounding_box()
    button(page, "Cancel").click()
    expect(page.get_by_text("No call is under way.")).to_be_visible()
    expect(rows(page)).to_have_count(4)
    assert button(page, "Copy all").bounding_box()["y"] == place["y"]  # nothing has moved


def test_what_is_sent_is_what_is_shown(notebook):
    opened = notebook([PANEL], height=1600)
    opened.run_all()
    page = opened.page
    field(page, "Method").select_option("temperature")
    page.get_by_label("default").uncheck()
    expect(field(page, "channel")).to_be_enabled()
    for number in range(10):
        # the browser holds the second change back until the kernel has had the first, but no click
        field(page, "channel").fill("100")
        field(page, "channel").blur()
        field(page, "channel").fill(str(number))
        button(page, "Call").click()
        expect(rows(page)).to_have_count(number + 1)
        expect(rows(page).first).to_contain_text(f"link.temperature({number})")


def test_the_history_with_the_keyboard(notebook):
    opened = notebook([PANEL], height=1600)
    opened.run_all()
    page = opened.page
    call(page, "temperature")
    expect(page.get_by_text("temperature returned")).to_be_visible()
    call(page, "fail")
    expect(page.get_by_text("fail failed")).to_be_visible()
    expect(rows(page).first).to_contain_text("fail")
    expect(rows(page).first).to_contain_text("<b>lamp</b> is off")

    press = page.keyboard.press
    sorter = button(page, "Request")
    sorter.focus()
    press("Enter")
    expect(sorter.locator("..")).to_have_attribute("aria-sort", "ascending")
    expect(rows(page).last).to_contain_text("temperature")
    press("Tab")
    press("Tab")
    press("Tab")
    press("End")
    expect(button(page, "link.temperature()")).to_be_focused()
    press("Enter")
    expect(page.get_by_text("Result of")).to_contain_text("link.temperature()")
    expect(button(page, "▸ link.temperature()")).to_be_focused()
    expect(page.get_by_text("Traceback of the Service")).to_be_hidden()

    button(page, "Fill in again").click()
    expect(page.get_by_text("Filled in as in link.temperature()")).to_be_visible()
    expect(field(page, "Method")).to_have_value("temperature")
    button(page, "Insert as cell").click()
    cell = opened.cell(1)
    expect(cell).to_contain_text("from msl_network import connect")
    expect(cell).to_contain_text("# failed: link.fail()")
    opened.run(1)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[2]:")
    expect(cell.locator(".jp-OutputArea-executeResult")).to_contain_text("291.0")
    expect(page.locator('[data-mime-type="application/vnd.jupyter.error"]')).to_have_count(0)


@pytest.mark.parametrize("app", ["lab", "notebook7", "voila"])
def test_what_was_done_is_copied(notebook, app):
    opened = notebook([PANEL], app=app, height=1600, keep=False)
    if app != "voila":
        opened.run_all()
    page = opened.page
    call(page, "temperature")
    expect(rows(page)).to_have_count(1)
    page.clock.install()
    # where the browser has no clipboard for pages, which is so over plain HTTP
    for clipboard in ("", "Object.defineProperty(navigator, 'clipboard', {value: undefined})"):
        page.evaluate(clipboard or "1")
        for name, text in (
            ("Copy", "link.temperature()"),
            ("Copy line", "link.temperature()"),
            ("Copy all", "client = connect("),
        ):
            button(page, name).click()
            expect(button(page, "✓ Done")).to_be_visible()
            field(page, "Timeout").fill("")
            field(page, "Timeout").press("Control+v")
            assert text in field(page, "Timeout").input_value()
            page.clock.fast_forward(10_000)
            expect(button(page, name)).to_be_visible()
    assert button(page, "Insert as cell").count() == (app != "voila")

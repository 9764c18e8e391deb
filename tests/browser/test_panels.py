"""The panels in a real JupyterLab, with the mouse and the keyboard only."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SERVERS = """
import traitlets
from msl_network import LocalManager, Service
from msl_network.notebook.panels import CallPanel, ConnectPanel, ServicesPanel

class Lamp(Service):
    def mix(self, n: int, factor: float = 1e-30, name: str = "a b"):
        return {"n": n, "factor": factor, "name": name}
    def fail(self, x=1):
        raise ValueError("the <b>lamp</b> is off")

class Heater(Service):
    def heat(self, kelvin):
        return kelvin
"""

PANELS = """
manager = LocalManager({manager}).start()
services = [S().start_in_background(**manager.kwargs) for S in (Lamp, Heater)]
a, b, c = ConnectPanel(port=manager.port), ServicesPanel(), CallPanel()
traitlets.dlink((a, "client"), (b, "client"))
traitlets.dlink((b, "link"), (c, "link"))
display(a, b, c)
"""


@pytest.fixture
def page(notebook):
    """Open a notebook with the three panels, for a Manager with these arguments."""

    def open_panels(manager=""):
        opened = notebook([SERVERS + PANELS.format(manager=manager)], height=1600)
        opened.run_all()
        return opened.page

    return open_panels


def button(page, name, near=None):
    return (near or page).get_by_role("button", name=name, exact=True)


def field(page, name):
    return page.get_by_label(name, exact=True)


def test_with_the_mouse(page):
    page = page()
    button(page, "Connect").click()
    expect(page.get_by_text("Unknown certificate")).to_be_visible()
    expect(page.get_by_text("SHA-256")).to_be_visible()
    expect(button(page, "Connect")).to_be_disabled()
    button(page, "Trust").click()
    expect(page.get_by_text("Connected to the Manager localhost")).to_be_visible()
    expect(page.get_by_text("2 Services on the Manager")).to_be_visible()

    row = page.locator(".msl-row", has_text="Lamp")
    button(page, "Link", near=row).click()
    expect(row.get_by_text("linked, in use")).to_be_visible()
    field(page, "Method").select_option("mix")
    field(page, "n").fill("1.5")
    button(page, "Call").click()
    expect(page.get_by_role("alert").get_by_text("n: 1.5 is no integer")).to_be_visible()
    field(page, "n").fill("100000000000000000000")
    name = page.locator(".widget-hbox", has=field(page, "name")).last
    name.get_by_label("default").uncheck()
    expect(field(page, "name")).to_be_focused()
    field(page, "name").fill("<b>x</b>")
    button(page, "Call").click()
    expect(page.get_by_text("mix returned")).to_be_visible()
    line = page.get_by_text("link.mix(100000000000000000000, name='<b>x</b>')", exact=True)
    expect(line.first).to_be_visible()
    expect(page.get_by_role("row", name="factor 1e-30", exact=True)).to_be_visible()

    field(page, "Method").select_option("fail")
    expect(field(page, "x")).to_be_disabled()
    button(page, "Call").click()
    expect(
        page.get_by_role("alert").get_by_text("the <b>lamp</b> is off", exact=True)
    ).to_be_visible()
    traceback = page.get_by_text("Traceback (most recent call last)")
    expect(traceback).to_be_hidden()
    page.get_by_text("Traceback of the Service").click()
    expect(traceback).to_be_visible()

    button(page, "Unlink", near=row).click()
    expect(page.get_by_text("No link")).to_be_visible()
    button(page, "Disconnect").click()
    expect(page.get_by_text("Disconnected.")).to_be_visible()
    expect(button(page, "Connect")).to_be_enabled()


def test_manager_is_started_again_under_open_panels(notebook):
    opened = notebook(
        [
            SERVERS
            + PANELS.format(manager="disable_tls=True").replace(
                "ConnectPanel(", "ConnectPanel(disable_tls=True, "
            ),
            "manager.stop()",
            "manager = LocalManager(disable_tls=True, port=a.client._session.options.port).start()",
        ],
        height=1600,
    )
    page = opened.page
    opened.run(0)
    button(page, "Connect").click()
    row = page.locator(".msl-row", has_text="Lamp")
    button(page, "Link", near=row).click()
    expect(row.get_by_text("linked, in use")).to_be_visible()
    opened.run(1)
    expect(page.get_by_text("Trying to connect again").first).to_be_visible()
    expect(row.get_by_text("away")).to_be_visible()
    field(page, "Method").select_option("mix")
    field(page, "n").fill("1")
    button(page, "Call").click()
    expect(page.get_by_text("trying to connect again, cannot send").first).to_be_visible()
    opened.run(2)
    expect(page.get_by_text("Connected again to the Manager")).to_be_visible(timeout=20_000)
    expect(row.get_by_text("away")).to_be_hidden()
    expect(row.get_by_text("linked, in use")).to_be_visible()
    button(page, "Call").click()
    expect(page.get_by_text("mix returned")).to_be_visible()


def test_with_the_keyboard(page):
    page = page()
    press, write = page.keyboard.press, page.keyboard.type

    def tab_to(target):
        for _ in range(20):
            press("Tab")
            if target.evaluate("element => element === document.activeElement"):
                return
        pytest.fail(f"{target} can't be reached with the Tab key")

    page.get_by_text("Connect to a Manager").click()
    tab_to(field(page, "Your name"))
    press("Control+a")
    write("Marie")
    press("Enter")
    expect(button(page, "Reject")).to_be_focused()
    press("Shift+Tab")
    press("Enter")
    expect(page.get_by_text("as Marie (port")).to_be_visible()
    expect(page.get_by_text("2 Services on the Manager")).to_be_visible()

    tab_to(button(page, "Link", near=page.locator(".msl-row", has_text="Heater")))
    press("Enter")
    expect(page.get_by_text("of Heater[")).to_be_visible()
    tab_to(field(page, "Method"))
    write("heat")
    tab_to(field(page, "kelvin"))
    write("volts")
    press("Enter")
    expect(page.get_by_text('quote it: "volts"').first).to_be_visible()
    press("Control+a")
    write("[1e-30, 'x']")
    press("Enter")
    expect(page.get_by_text("heat returned")).to_be_visible()
    expect(page.locator(".msl-result")).to_have_text("[1e-30, 'x']")


def test_a_wrong_login(page):
    page = page('auth_login=True, users={"n.bohr": "copenhagen"}')
    field(page, "Log in with").select_option("login")
    field(page, "Username").fill("n.bohr")
    field(page, "Password").fill("wrong")
    button(page, "Connect").click()
    button(page, "Trust").click()
    expect(page.get_by_role("alert").get_by_text("Wrong login password")).to_be_visible()
    expect(button(page, "Connect")).to_be_enabled()
    expect(field(page, "Password")).to_have_value("")

    field(page, "Password").fill("copenhagen")
    field(page, "Password").press("Enter")
    expect(page.get_by_text("Connected to the Manager localhost")).to_be_visible()
    expect(field(page, "Password")).to_have_value("")
    assert "copenhagen" not in page.locator(".jp-OutputArea").first.inner_html()


def test_an_untrusted_certificate(page):
    page = page()
    button(page, "Connect").click()
    button(page, "Reject").click()
    expect(page.get_by_role("alert").get_by_text("is not trusted")).to_be_visible()
    expect(page.get_by_text("Unknown certificate")).to_be_hidden()
    expect(button(page, "Connect")).to_be_enabled()

"""A whole dashboard in a real JupyterLab, with the mouse and the keyboard only."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from msl_network.examples import Echo

from ..laboratory import eventually

pytestmark = pytest.mark.browser

APP = Path(__file__).parents[2] / "notebooks" / "dashboard.ipynb"

SERVERS = """
from msl_network import LocalManager
from msl_network.examples import BasicMath
from msl_network.examples.pi import Pi
from msl_network.notebook import dashboard

pi = Pi().start()
manager = LocalManager(auth_login=True, users={"n.bohr": "copenhagen"}).start()
running = BasicMath().start_in_background(**manager.kwargs)
"""

CONNECTING = "d = dashboard(port=manager.port); d"

LAUNCHING = """
d = dashboard(
    pi.host,
    console_script="~/.local/bin/rpi-service",
    port=pi.manager_port,
    ssh_username=pi.username,
    ssh_port=pi.port,
    known_hosts=pi.folder / "none",
    client_keys=[],
)
display(d)
print("password:", pi.password)
"""


@pytest.fixture
def dashboard(notebook):
    """Open a notebook with a dashboard."""

    def open_dashboard(cell, *more):
        opened = notebook([SERVERS, cell, *more], height=1800)
        opened.run(0)
        opened.run(1)
        return opened

    return open_dashboard


def button(page, name, near=None):
    return (near or page).get_by_role("button", name=name, exact=True)


def field(page, name):
    return page.get_by_label(name, exact=True)


def radio(page, name):
    return page.get_by_role("radio", name=name)


def test_connect_and_call_with_the_mouse(dashboard):
    page = dashboard(CONNECTING).page
    # only what can be done already is there
    expect(button(page, "Connect")).to_be_visible()
    expect(page.get_by_text("Services", exact=True)).to_be_hidden()
    expect(button(page, "Call")).to_be_hidden()
    field(page, "Log in with").select_option("login")
    field(page, "Username").fill("n.bohr")
    field(page, "Password").fill("wrong")
    button(page, "Connect").click()
    expect(page.get_by_text("Unknown certificate")).to_be_visible()
    expect(page.get_by_text("SHA-256")).to_be_visible()
    button(page, "Trust").click()
    expect(page.get_by_role("alert").get_by_text("Wrong login password")).to_be_visible()
    # it can be typed again at once, and nothing else has to be
    expect(field(page, "Password")).to_be_focused()
    expect(field(page, "Username")).to_have_value("n.bohr")
    page.keyboard.type("copenhagen")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Connected to the Manager localhost")).to_be_visible()
    expect(button(page, "Connect")).to_be_hidden()

    row = page.locator(".msl-row", has_text="BasicMath")
    button(page, "Link", near=row).click()
    expect(row.get_by_text("linked, in use")).to_be_visible()
    field(page, "Method").select_option("multiply")
    expect(page.get_by_text("multiply(x: ")).to_be_visible()
    field(page, "x").fill("6")
    field(page, "y").fill("7")
    button(page, "Call").click()
    expect(page.get_by_text("multiply returned")).to_be_visible()
    expect(page.get_by_text("42").first).to_be_visible()

    # wide: the two stand beside each other; narrow: one below the other
    call = page.get_by_text("Call a method")
    notifications = page.get_by_text("Notifications", exact=True)
    assert abs(call.bounding_box()["y"] - notifications.bounding_box()["y"]) < 20
    page.set_viewport_size({"width": 640, "height": 2400})
    eventually(lambda: notifications.bounding_box()["y"] > call.bounding_box()["y"] + 100)

    button(page, "Disconnect").click()
    said = page.get_by_role("status").filter(has_text="Disconnected.")
    expect(said).to_be_visible()
    expect(radio(page, "Connect to a Manager")).to_be_visible()


def test_launch_and_call_with_the_keyboard(dashboard):
    opened = dashboard(LAUNCHING, "d.client.identities()['services'].keys()")
    page = opened.page
    press, write = page.keyboard.press, page.keyboard.type
    printed = page.locator(".jp-RenderedText pre", has_text="password: ")
    expect(printed).to_be_visible()
    password = printed.inner_text().removeprefix("password: ").strip()

    def tab_to(target):
        for _ in range(25):
            press("Tab")
            if target.evaluate("element => element === document.activeElement"):
                return
        pytest.fail(f"{target} can't be reached with the Tab key")

    expect(radio(page, "Start one over SSH")).to_be_checked()
    page.get_by_text("Start a Manager over SSH").click()
    tab_to(field(page, "SSH port"))
    press("Enter")
    expect(page.get_by_text("Unknown host key")).to_be_visible()
    expect(button(page, "Reject")).to_be_focused()
    expect(page.get_by_role("progressbar").or_(page.locator(".progress")).first).to_be_visible()
    press("Shift+Tab")
    press("Enter")
    for typed in ("wrong", password):
        expect(page.get_by_text("pi@127.0.0.1's password")).to_be_visible()
        expect(field(page, "Password").last).to_be_focused()
        write(typed)
        press("Enter")
        if typed == "wrong":
            expect(page.get_by_text("Permission denied, please try again")).to_be_visible()
    expect(page.get_by_text("Connected to the Manager 127.0.0.1")).to_be_visible()
    tab_to(button(page, "Log of the far side"))
    press("Space")
    expect(page.get_by_text("Network Manager running on")).to_be_visible()

    row = page.locator(".msl-row", has_text="RPiService")
    tab_to(button(page, "Link", near=row))
    press("Enter")
    expect(row.get_by_text("linked, in use")).to_be_visible()
    expect(page.get_by_text("add_numbers(a: ")).to_be_visible()
    tab_to(field(page, "Method"))
    write("power")
    expect(page.get_by_text("power(a: ")).to_be_visible()
    tab_to(field(page, "a"))
    write("5")
    press("Enter")
    expect(page.get_by_text("power returned")).to_be_visible()
    opened.run(2)
    expect(page.get_by_text("dict_keys(['RPiService'])")).to_be_visible()
    assert password not in page.locator(".msl-dashboard").inner_html()

    button(page, "Stop").click()
    expect(page.get_by_text("The Manager on 127.0.0.1 has ended")).to_be_visible()
    expect(button(page, "Start")).to_be_visible()


def test_as_an_app(notebook, manager):
    page = notebook([], app="voila", path=APP).page
    with Echo().start_in_background(**manager.kwargs):
        field(page, "Port").first.fill(str(manager.port))
        button(page, "Connect").click()
        button(page, "Trust").click()
        expect(page.get_by_text("Connected to the Manager localhost")).to_be_visible()
        button(page, "Link").click()
        field(page, "Method").select_option("echo")
        button(page, "Call").click()
        expect(page.get_by_text("echo returned")).to_be_visible()

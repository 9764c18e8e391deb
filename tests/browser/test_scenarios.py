"""A day at the instruments, in a dashboard, with the mouse and the keyboard only.

In JupyterLab, Notebook 7 and Voila, with the newest and the oldest ipykernel, and while a cell of
the notebook is idle, awaits something, or blocks the kernel.
"""

from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from msl_network.examples.pi import Pi

from .accessibility import PANEL, assert_accessible
from .instruments import USER, Instruments

pytestmark = pytest.mark.browser

CASES = [
    ("lab", "python3", "idle"),
    ("lab", "python3", "awaiting"),
    ("lab", "python3", "blocked"),
    ("lab", "oldest", "idle"),
    ("lab", "oldest", "awaiting"),
    ("lab", "oldest", "blocked"),
    ("notebook7", "python3", "idle"),
    ("voila", "python3", "idle"),
]

CONNECTED = """
from msl_network import connect
from msl_network.notebook import dashboard
dashboard(connect(**{kwargs!r}))
"""

LOCKED = """
from msl_network import connect
link = connect(name="Marie", **{kwargs!r}).link("Lamp")
link.acquire_lock()
"""

LAUNCHING = [
    ("lab", "python3", "awaiting"),
    ("lab", "python3", "blocked"),
    ("notebook7", "oldest", "blocked"),
    ("voila", "python3", "idle"),
]

DASHBOARD = """
import asyncio, os, time
from msl_network.notebook import dashboard
dashboard("127.0.0.1", assert_hostname=False, **{kwargs!r})
"""

WAIT = """
while not os.path.exists({path!r}):
    {sleep}
os.remove({path!r})
"""

SLEEP = {"awaiting": "await asyncio.sleep(0.02)", "blocked": "time.sleep(0.02)"}


class Person:
    """Works in a notebook of which a cell is idle, awaits, or blocks the kernel."""

    def __init__(self, notebook, kwargs, app, kernel, state, flag):
        cells = [DASHBOARD.format(kwargs=kwargs)]
        if state != "idle":
            cells.append(WAIT.format(path=str(flag), sleep=SLEEP[state]))
        self.opened = notebook(cells, app=app, kernel=kernel, height=2400)
        if app != "voila":
            self.opened.run(0)
        self.page = self.opened.page
        self._flag = flag
        self._state = state
        self._is_looked_at = kernel == "python3" and state == "idle"
        # an older ipykernel handles one message after the other, also while a cell awaits
        self._clicks_wait = state == "blocked" or (state == "awaiting" and kernel == "oldest")
        expect(self.button("Connect").or_(self.button("Start"))).to_be_visible()
        if not self._clicks_wait:
            self._hold()

    @contextmanager
    def meanwhile(self):
        """Have the cell run during what happens here."""
        if self._clicks_wait:
            self._hold()
        yield
        if self._clicks_wait:
            self._release()

    def click(self, name, near=None):
        """Click a button while the cell runs; a kernel that can't handle it does so afterwards."""
        with self.meanwhile():
            self.button(name, near).click()

    def button(self, name, near=None):
        return (near or self.page).get_by_role("button", name=name, exact=True)

    def field(self, name):
        return self.page.get_by_label(name, exact=True)

    def sees(self, text, near=None):
        expect((near or self.page).get_by_text(text).first).to_be_visible()

    def row(self, service):
        return self.page.locator(".msl-row", has_text=service)

    def assert_accessible(self):
        """Have axe-core look, where it matters: neither kernel nor cell makes the page another."""
        if self._is_looked_at:
            assert_accessible(self.page, PANEL)

    def leave(self):
        """Let the cell end, if it still runs."""
        if not self._clicks_wait:
            self._release()

    def _hold(self):
        if self._state != "idle":
            self.opened.run(1)
            expect(self._running).to_be_visible()

    def _release(self):
        if self._state != "idle":
            expect(self._running).to_be_visible()
            self._flag.touch()
            expect(self._running).to_have_count(0)

    @property
    def _running(self):
        return self.opened.cell(1).get_by_text("[*]:")


@pytest.fixture
def instruments(tmp_path):
    instruments = Instruments(tmp_path)
    yield instruments
    instruments.close()


@pytest.mark.parametrize(("app", "kernel", "state"), CASES)
def test_a_day(notebook, instruments, tmp_path, app, kernel, state):
    kwargs = {"port": instruments.port}
    person = Person(notebook, kwargs, app, kernel, state, tmp_path / "go on")
    page = person.page

    # a certificate to trust, a wrong password and a right one
    with person.meanwhile():
        person.field("Log in with").select_option("login")
    person.field("Username").fill(USER["username"])
    person.field("Password").fill("wrong")
    person.click("Connect")
    person.sees("Unknown certificate")
    person.assert_accessible()
    person.click("Trust")
    person.sees("Wrong login password")
    with person.meanwhile():
        person.field("Password").fill(USER["password"])
        person.field("Password").press("Enter")
    person.sees("Connected to the Manager 127.0.0.1")

    # somebody else has locked the Lamp
    with instruments.connect("Marie") as marie:
        link = marie.link("Lamp")
        lamp, oven = person.row("Lamp"), person.row("Oven")
        with person.meanwhile():
            link.acquire_lock()
            person.sees("locked by Marie", lamp)
        person.click("Link", lamp)
        expect(page.get_by_role("alert").get_by_text("locked by Marie")).to_be_visible()
        with person.meanwhile():
            link.release_lock()
            expect(lamp.get_by_text("locked")).to_have_count(0)

    # link, and see at once what the Oven emits
    person.click("Link", oven)
    person.sees("linked, in use", oven)
    with person.meanwhile():
        person.sees("Receiving what Oven emits")
        expect(page.locator(".msl-plot-canvas")).to_be_visible()
    person.assert_accessible()

    # call
    with person.meanwhile():
        person.field("Method").select_option("add")
    person.field("x").fill("40")
    person.click("Call")
    person.sees("add returned")
    person.sees("link.add(40)")

    # see how far it is, and cancel
    with person.meanwhile():
        person.field("Method").select_option("heat")
    person.field("kelvin").fill("300")
    person.click("Call")
    with person.meanwhile():
        expect(page.locator(".progress").first).to_be_visible()
        person.sees("still heating")
    person.click("Cancel")
    assert instruments.oven.given_up.acquire(timeout=15)
    person.sees("heat: given up")

    # the Manager is killed, and started again
    with person.meanwhile():
        instruments.kill_manager()
        person.sees("Trying to connect again")
        instruments.start_manager()
        expect(page.get_by_text("Connected again to the Manager")).to_be_visible(timeout=30_000)
        # the Oven comes back by itself, sooner or later than the dashboard
        expect(oven.get_by_text("away")).to_have_count(0, timeout=30_000)
        person.sees("linked, in use", oven)
    with person.meanwhile():
        person.field("Method").select_option("add")
    person.click("Call")
    expect(page.get_by_text("link.add(40)")).not_to_have_count(1)
    person.assert_accessible()
    person.leave()


def test_lock_of_a_second_notebook_whose_kernel_is_killed(notebook, instruments):
    first = notebook([CONNECTED.format(kwargs=instruments.kwargs)])
    second = notebook(
        [LOCKED.format(kwargs=instruments.kwargs), "import os\nos.kill(os.getpid(), 9)"]
    )
    first.run(0)
    second.run(0)
    row = first.page.locator(".msl-row", has_text="Lamp")
    link = row.get_by_role("button", name="Link", exact=True)
    expect(row.get_by_text("locked by Marie")).to_be_visible()
    link.click()
    expect(first.page.get_by_role("alert").get_by_text("locked by Marie")).to_be_visible()
    second.run(1)
    expect(row.get_by_text("free")).to_be_visible()
    link.click()
    expect(row.get_by_text("linked, in use")).to_be_visible()


@pytest.mark.parametrize(("app", "kernel", "state"), LAUNCHING)
def test_starting_a_manager_on_a_pi(notebook, tmp_path, app, kernel, state):
    with Pi() as pi:
        kwargs = {
            "console_script": "~/.local/bin/rpi-service",
            "port": pi.manager_port,
            "ssh_username": pi.username,
            "ssh_port": pi.port,
            "known_hosts": str(tmp_path / "none"),
            "client_keys": [],
        }
        person = Person(notebook, kwargs, app, kernel, state, tmp_path / "go on")
        person.click("Start")
        person.sees("Unknown host key")
        person.assert_accessible()
        person.click("Trust")
        person.sees("pi@127.0.0.1's password")
        with person.meanwhile():
            person.field("Password").last.fill(pi.password)
            person.field("Password").last.press("Enter")
        person.sees("Connected to the Manager 127.0.0.1")
        person.click("Link", person.row("RPiService"))
        person.sees("linked, in use")
        person.assert_accessible()
        person.click("Stop")
        person.sees("The Manager on 127.0.0.1 has ended")
        person.leave()

"""The pictures of the panels that the docs show: `make pictures` makes them anew."""

import os
import re
from base64 import b64encode

import pytest
from playwright.sync_api import expect

from msl_network.examples.pi import Pi

from .accessibility import PANEL
from .instruments import Instruments
from .servers import ROOT

pytestmark = pytest.mark.browser

FOLDER = ROOT / "docs" / "pictures"
NEW = bool(os.environ.get("PICTURES"))
"""Whether the pictures in the docs are made anew."""

LARGEST = 200_000
"""Most bytes of a picture."""

NAMES = ("connect", "launch", "services", "call", "notifications", "service", "log", "dashboard")

CELL = """
import os, shutil
from msl_network import LocalManager, Service, connect, cryptography
from msl_network.notebook import panels

class Spectrometer(Service):
    exposure = 0.1
    def measure(self, start: float = 400, stop: float = 700, points: int = 61) -> list[float]:
        \"\"\"Measure a spectrum.

        Args:
            start: The first wavelength, in nm.
            stop: The last one, in nm.
            points: The number of wavelengths.

        Returns:
            The counts at each of the wavelengths.
        \"\"\"
        print("measuring", points, "points", flush=True)
        step = (stop - start) / (points - 1)
        return [1000 / (1 + ((start + i * step - 550) / 40) ** 2) for i in range(points)]
    def open_shutter(self, angle: int = 90) -> None:
        raise RuntimeError("the shutter is stuck")

kwargs, pi = {kwargs!r}, {pi!r}
# as it is for who has connected before
pinned = cryptography.certificate_path("127.0.0.1")
os.makedirs(os.path.dirname(pinned), exist_ok=True)
shutil.copy(kwargs.pop("cert_file"), pinned)
spectrometer = Spectrometer().start_in_background(**kwargs)
client = connect(name="Marie", **kwargs)
call = panels.CallPanel(client.link("Spectrometer"))
shown = {{
    "connect": panels.ConnectPanel(port=kwargs["port"]),
    "launch": panels.LaunchPanel(**pi),
    "services": panels.ServicesPanel(client),
    "call": call,
    "notifications": panels.NotificationsPanel(client.link("Oven")),
    "service": panels.ServicePanel(spectrometer),
    "log": panels.LogPanel(),
    "dashboard": panels.Dashboard(client.link("Oven")),
}}
for method in ("open_shutter", "measure"):
    call.fields["method"].value = method
    call.call().result(10)
for panel in shown.values():
    display(panel)
"""

COLOURS = """async base64 => {
    const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes]));
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext('2d');
    context.drawImage(picture, 0, 0);
    const data = context.getImageData(0, 0, picture.width, picture.height).data;
    return new Set(new Uint32Array(data.buffer)).size;
}"""


@pytest.fixture
def instruments(tmp_path):
    instruments = Instruments(tmp_path)
    yield instruments
    instruments.close()


@pytest.fixture
def pi():
    with Pi() as pi:
        yield pi


def assert_picture(page, data, name):
    assert len(data) < LARGEST, f"{name}: {len(data):,} bytes"
    assert page.evaluate(COLOURS, b64encode(data).decode()) > 20, f"{name} is blank"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures(notebook, instruments, pi, theme):
    launching = {
        "host": pi.host,
        "console_script": "~/.local/bin/rpi-service",
        "port": pi.manager_port,
        "ssh_username": pi.username,
        "ssh_port": pi.port,
    }
    cell = CELL.format(kwargs=instruments.kwargs, pi=launching)
    opened = notebook([cell], theme=theme, width=1100, height=5600)
    opened.run_all()
    page = opened.page
    shown = page.locator(f".jp-OutputArea-output > :is({PANEL}, .msl-dashboard)")
    expect(shown).to_have_count(len(NAMES))
    panel = dict(zip(NAMES, shown.all(), strict=True))

    panel["connect"].get_by_label("Log in with").select_option("login")
    panel["connect"].get_by_label("Username").fill("n.bohr")
    panel["connect"].get_by_role("button", name="Connect", exact=True).click()
    expect(panel["connect"].get_by_text("SHA-256")).to_be_visible()
    panel["launch"].get_by_role("button", name="Start", exact=True).click()
    expect(panel["launch"].get_by_text("Unknown host key")).to_be_visible()
    expect(panel["call"].get_by_role("button", name="link.open_shutter()")).to_be_visible()
    expect(panel["call"].locator(".msl-plot-canvas")).to_be_visible()
    board = panel["dashboard"]
    board.get_by_label("Method", exact=True).select_option("heat")
    board.get_by_label("kelvin", exact=True).fill("300")
    board.get_by_role("button", name="Call", exact=True).click()
    expect(board.get_by_text("still heating")).to_be_visible()
    with instruments.connect("Pierre") as pierre:
        pierre.link("Lamp").acquire_lock()
        expect(panel["services"].get_by_text("locked by Pierre")).to_be_visible()
        if NEW:
            page.wait_for_timeout(5000)  # for a line in the plots that is long enough to see
        for name, one in panel.items():
            expect(one).not_to_contain_text(re.compile("pytest|msl-network-pi"))  # no user's paths
            data = one.screenshot(animations="disabled", caret="hide")
            assert_picture(page, data, name)
            file = FOLDER / f"{name}-{theme}.png"
            if NEW:
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(data)
            assert_picture(page, file.read_bytes(), file.name)

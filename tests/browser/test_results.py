"""Results in a real JupyterLab."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

VIEWS = """
import base64
from msl_network import loop_thread
from msl_network.notebook.results import ResultView
from msl_network.notebook.results.png import png

def show(value, **kwargs):
    view = ResultView()
    loop_thread.submit(view.show(value, **kwargs)).result()
    display(view)

picture = png(3, [bytes([0, 1, 0])] * 2, bytes.fromhex("ff0000 00ff00"))
"""

PICTURES = """
show(base64.b64encode(picture).decode(), attribute="snapshot")
show([[x * y for x in range(20)] for y in range(10)], attribute="read_kelvin")
bomb = picture[:16] + (100_000).to_bytes(4) * 2 + picture[24:]
show(list(bomb))
"""

HOSTILE = """
evil = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script>"
for value in (evil, {evil: evil}, [{evil: [evil] * 50}] * 3, {evil: [1.5] * 50, "b": [2] * 50}):
    show(value, attribute=evil, doc=evil)
"""


def test_pictures(notebook):
    nb = notebook([VIEWS + PICTURES])
    nb.run_all()
    page, shown = nb.page, nb.cell(0)
    snapshot = page.get_by_alt_text("Picture returned by snapshot")
    expect(snapshot).to_be_visible()
    assert snapshot.evaluate("img => [img.naturalWidth, img.naturalHeight]") == [3, 2]
    heat = page.get_by_alt_text("read_kelvin as a picture: 10 rows, 20 columns, from 0 K to 171 K")
    expect(heat).to_be_visible()
    assert heat.evaluate("img => img.naturalWidth") == 400
    expect(shown).to_contain_text("too large to be shown here: PNG, 100,000")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "snapshot.png"
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_nothing_is_run(notebook):
    nb = notebook([VIEWS + HOSTILE])
    nb.run_all()
    expect(nb.cell(0).locator(".msl-result")).to_have_count(4)
    expect(nb.cell(0).get_by_text("onerror").first).to_be_visible()
    assert nb.page.evaluate("window.hacked") is None
    expect(nb.cell(0).locator("script, img[src=x]")).to_have_count(0)

"""How things look as a cell's result."""

import re

import pytest

from msl_network import Service, connect
from msl_network.notebook.display import client_html, link_html

WIDGET = "application/vnd.jupyter.widget-view+json"


class Odd(Service):
    unit = "<script>alert(1)</script>"
    many = tuple(range(1000))

    def measure(self, x: str = "<b>") -> "float | None":
        """Measure."""


@pytest.fixture
def client(manager):
    running = Odd(name="<Odd> & co").start_in_background(**manager.kwargs)
    with running, connect(name="<Me>", **manager.kwargs) as client:
        yield client


def test_nothing_of_the_far_side_is_markup(client):
    html = link_html(client.link("<Odd> & co"))
    assert "<b>&lt;Odd&gt; &amp; co</b>" in html
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "x: str = &#x27;&lt;b&gt;&#x27;" in html
    # a long value is cut
    assert "0, 1, 2, 3" in html
    assert "998, 999" not in html
    assert "\N{HORIZONTAL ELLIPSIS}" in html


def test_client(client):
    html = client_html(client)
    assert "&lt;Me&gt;" in html
    assert client.address_manager in html
    client.disconnect()
    assert client_html(client) == "<div><b>&lt;Me&gt;</b> is disconnected</div>"


@pytest.mark.kernel
def test_in_a_cell(connected):
    assert "is connected to the Manager at" in connected.run("client").shown[-1]["text/html"]
    bundle = connected.run("link").shown[-1]
    assert "(a: int, b: int = 2) -&gt; int" in bundle["text/html"]
    assert bundle["text/plain"].startswith("<Link with Oven[")
    assert "heat" in connected.complete("link.")
    assert "link.add(a: int, b: int = 2) -> int" in plain(connected.inspect("link.add"))
    connected.run("link.unlink()")
    assert connected.run("link").shown[-1]["text/plain"].startswith("<Un-Linked from Oven[")
    connected.run("client.disconnect()")
    assert "is disconnected" in connected.run("client").shown[-1]["text/html"]


@pytest.mark.kernel
def test_a_linked_client_is_shown_as_itself(connected, manager):
    connected.run(f"oven = msl_network.LinkedClient('Oven', **{manager.kwargs!r})")
    bundle = connected.run("oven").shown[-1]
    assert "add" in bundle["text/html"]
    assert WIDGET not in bundle
    connected.run("oven.disconnect()")
    assert "Oven" in connected.run("oven").shown[-1]["text/plain"]


def plain(text):
    """A text without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)

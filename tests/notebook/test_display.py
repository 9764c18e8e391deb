"""How things look as a cell's result."""

import re

import pytest

from msl_network import Service, connect
from msl_network.notebook.display import client_html, link_html

WIDGET = "application/vnd.jupyter.widget-view+json"


class Odd(Service):
    """A <i>Service</i>."""

    unit = "<script>alert(1)</script>"
    many = tuple(range(1000))

    def measure(self, x: str = "<b>") -> "float | None":
        """Measure <b>it</b>.

        No more than that.
        """


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
    assert "A &lt;i&gt;Service&lt;/i&gt;." in html
    assert "Measure &lt;b&gt;it&lt;/b&gt;." in html
    assert "No more than that" not in html
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
    shown = plain(connected.inspect("link.add"))
    assert "link.add(a: int, b: int = 2) -> int" in shown
    assert "Add two numbers." in shown
    shown = plain(connected.inspect("link"))
    assert "which sees what a Client in a kernel does to it" in shown
    assert "heat() -> str" in shown
    printed = connected.run("help(link); help(link.add)").printed
    assert "Return when it is hot" in printed
    assert "add(a: int, b: int = 2) -> int\n    Add two numbers." in printed
    connected.run("link.unlink()")
    assert connected.run("link").shown[-1]["text/plain"].startswith("<Un-Linked from Oven[")
    connected.run("client.disconnect()")
    assert "is disconnected" in connected.run("client").shown[-1]["text/html"]


@pytest.mark.kernel
@pytest.mark.parametrize("call", ["link.fail()", "await link.aio.fail()"])
def test_error_of_the_service_below_a_cell(connected, call):
    name, text, shown = connected.fail(f"x = 1\n{call}").error
    assert (name, text.endswith("\n\nValueError: no power")) == ("RemoteValueError", True)
    own, theirs = shown.split("On the side of the Service 'Oven':")
    # the line of the person, and none of this package's
    assert own.startswith(f"Cell, line 2\n    {call}\n\nValueError: no power\n")
    assert 'raise ValueError("no power")' in theirs
    assert "msl_network" not in shown
    assert "\x1b" not in shown


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

"""What things say of themselves as a cell's result, where nothing is known of a notebook."""

import re
import subprocess
import sys

import pytest

from msl_network import LocalManager, Service, connect
from msl_network.display import CELL, ROWS, Description, Table, to_html, to_text


class Odd(Service):
    """A <i>Service</i>.

    It has more lines.
    """

    unit = "<script>alert(1)</script>"
    many = tuple(range(1000))

    @property
    def volts(self) -> float:
        """The voltage."""
        self.asked = True
        return 1.5

    def measure(self, x: str = "<b>") -> "float | None":
        """Measure <b>it</b>.

        No more than that.
        """

    def fail(self):
        raise ValueError("no <b>power</b>")


@pytest.fixture
def odd(manager):
    with Odd(name="<Odd> & co").start_in_background(**manager.kwargs) as running:
        yield running


@pytest.fixture
def client(manager, odd):
    with connect(name="<Me>", **manager.kwargs) as client:
        yield client


def bundle(shown):
    bundle = shown._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/plain", "text/html"}
    return bundle["text/plain"], bundle["text/html"]


def test_link(client):
    text, html = bundle(client["<Odd> & co"])
    assert html.startswith("<div><p><b>&lt;Odd&gt; &amp; co</b> is linked, at the Manager ")
    assert "A &lt;i&gt;Service&lt;/i&gt;.\n\nIt has more lines." in html
    assert (
        "<code>measure(x: str = &#x27;&lt;b&gt;&#x27;) -&gt; &#x27;float | None&#x27;</code>"
        in html
    )
    assert "Measure &lt;b&gt;it&lt;/b&gt;." in html
    assert "No more than that" not in html
    assert "<script" not in html
    assert text.startswith("<Link with <Odd> & co[")
    assert re.search(
        r"^  measure\(x: str = '<b>'\) -> 'float \| None' +Measure <b>it</b>.$", text, re.M
    )
    # a long value is cut
    assert "many = [0, 1, 2, 3" in text
    assert "998, 999" not in text + html


def test_link_that_is_broken(client):
    link = client["<Odd> & co"]
    link.unlink()
    text, html = bundle(link)
    assert text.startswith("<Un-Linked from <Odd> & co[")
    assert "is not linked any more" in html
    assert "Measure" in html


def test_client(client):
    text, html = bundle(client)
    assert html.startswith("<div><p><b>&lt;Me&gt;</b> is connected to the Manager at 127.0.0.1:")
    assert text.startswith("<<Me> manager=127.0.0.1:")
    assert re.search(r"^  <Odd> & co +\S+:\d+ +Python [\d.]+$", text, re.M)
    link = client["<Odd> & co"]
    assert re.search(r"^  <Odd> & co .* linked$", bundle(client)[0], re.M)
    assert "<td" in bundle(client.aio)[1]
    client.disconnect()
    assert bundle(client) == (
        "<<Me> disconnected>",
        "<div><p><b>&lt;Me&gt;</b> is disconnected</p></div>",
    )
    assert repr(link).startswith("<Un-Linked from <Odd> & co[")


def test_what_has_lost_its_manager(client):
    link = client["<Odd> & co"]
    client._session._connection.close()
    while client.is_connected():
        pass
    assert "is connecting again" in bundle(client)[1]
    assert "is away" in bundle(link)[1]
    assert repr(link).endswith(", away>")


def test_link_with_a_service_that_has_gone(odd, client):
    link = client["<Odd> & co"]
    odd.stop()
    text, html = bundle(link)
    assert text.splitlines()[0].endswith(", away>")
    assert "is away; the link comes back with it" in html


def test_service_without_a_look_at_its_instrument(odd):
    for shown in (odd, odd.service):
        odd.service.asked = False
        text, html = bundle(shown)
        assert "measure(x: str" in text
        assert re.search(r"^  volts = … +The voltage\.$", text, re.M)
        assert "is on the Manager at 127.0.0.1:" in html
        assert not odd.service.asked
    odd.stop()
    assert bundle(odd)[0].startswith("<'<Odd> & co' service stopped>")
    assert "is not connected" in bundle(odd)[1]


def test_local_manager(client):
    with LocalManager(auth_password="s3cret") as manager:
        with connect(name="Me", **manager.kwargs):
            text, html = bundle(manager)
        assert "Me[" in text
        assert f"is running at 127.0.0.1:{manager.port}" in html
        assert "s3cret" not in text + html
    assert bundle(manager)[0] == "<LocalManager stopped>"


def test_error_of_a_service(client):
    error = client["<Odd> & co"].fail(asynchronous=True).exception(20)
    text, html = bundle(error)
    assert html.startswith("<div><p><b>ValueError:</b> no &lt;b&gt;power&lt;/b&gt;</p>")
    assert "&lt;Odd&gt; &amp; co.fail at Manager[" in html
    assert "<details><summary>Traceback on the side of the Service" in html
    assert "raise ValueError(" in html.partition("<details>")[2]
    assert text.startswith("ValueError: no <b>power</b>\n")


def test_what_is_endless_is_cut():
    rows = [("x" * 10_000, "y" * 10_000)] * 10_000
    long = Description(
        "t" * 10, doc="d" * 10**6, table=Table(("A", "B"), rows), folded=("f", "z" * 10**6)
    )
    for write in (to_html, to_text):
        assert len(write(long)) < ROWS * (2 * CELL + 300) + 20_000
        assert f"and {10_000 - ROWS} more" in write(long)


def test_control_characters_do_not_act():
    text = "a\x1b[31m\n\u202eb"
    said = Description(text, text, facts={text: text}, table=Table((text,), [(text,)]))
    for write in (to_html, to_text):
        assert not re.search("[\x1b\u202e]", write(said))
    assert to_text(said).startswith(r"a\x1b[31m\n\u202eb ")


def test_nothing_of_a_notebook_is_loaded(manager, odd):
    code = f"""
import sys, msl_network
with msl_network.connect(**{manager.kwargs!r}) as client:
    assert "measure" in client["<Odd> & co"]._repr_mimebundle_()["text/html"]
    assert not [name for name in sys.modules if "IPython" in name or "notebook" in name]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

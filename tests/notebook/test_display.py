"""How things look as a cell's result, with and without widgets, and in a saved notebook."""

import re

import nbformat
import pytest
from nbconvert import HTMLExporter

WIDGET = "application/vnd.jupyter.widget-view+json"

pytestmark = pytest.mark.kernel


def test_client_and_link_are_their_panels(connected):
    bundle = connected.run("client").shown[-1]
    assert "is connected to the Manager at" in bundle["text/html"]
    assert bundle["text/plain"].startswith("<Client manager=")
    assert WIDGET in bundle
    bundle = connected.run("link").shown[-1]
    assert "add(a: int, b: int = 2) -&gt; int" in bundle["text/html"]
    assert bundle["text/plain"].startswith("<Link with Oven[")
    assert WIDGET in bundle
    assert "Call a method" in connected.page()
    connected.run("link.unlink()")
    assert "is not linked any more" in connected.run("link").shown[-1]["text/html"]
    connected.run("client.disconnect()")
    assert "is disconnected" in connected.run("client").shown[-1]["text/html"]


def test_an_object_has_one_panel(connected):
    first, second = (connected.run("link").shown[-1][WIDGET] for _ in range(2))
    assert first == second
    # a cell that makes a new link each time it is run
    cell = "client.link('Oven')"
    connected.run(cell)
    connected.run(f"for _ in range(40): display({cell})")
    count = "from ipywidgets.widgets import widget; len(widget._instances)"
    before = connected.run(count).value
    connected.run(f"for _ in range(40): display({cell})")
    assert connected.run(count).value <= before


def test_linked_client_is_the_panel_of_its_link(connected, manager):
    connected.run(f"oven = msl_network.LinkedClient('Oven', **{manager.kwargs!r})")
    bundle = connected.run("oven").shown[-1]
    assert bundle["text/plain"].startswith("<Link[name=LinkedClient] with Oven[")
    assert "add(a: int" in bundle["text/html"]
    assert WIDGET in bundle
    connected.run("oven.disconnect()")
    bundle = connected.run("oven").shown[-1]
    assert "is not linked any more" in bundle["text/html"]
    assert WIDGET not in bundle


@pytest.mark.parametrize("way", ["import msl_network", NO_WIDGETS := "import msl_network.notebook"])
def test_without_widgets(kernel, manager, oven, way):
    if way == NO_WIDGETS:
        kernel.run("import sys; sys.modules['ipywidgets'] = None  # it is not installed")
    kernel.run(f"{way}\nclient = msl_network.connect(**{manager.kwargs!r})")
    bundle = kernel.run("client['Oven']").shown[-1]
    assert set(bundle) == {"text/plain", "text/html"}
    assert "add(a: int" in bundle["text/html"]


def test_tab_and_question_mark(connected):
    assert "heat" in connected.complete("link.")
    assert connected.complete('link["he') == ["heat"]
    shown = plain(connected.inspect("link.add"))
    assert "link.add(a: int, b: int = 2) -> int" in shown
    assert "Add two numbers." in shown
    shown = plain(connected.inspect("link"))
    assert "which sees what a Client in a kernel does to it" in shown
    assert "heat() -> str" in shown
    printed = connected.run("help(link); help(link.add)").printed
    assert "Return when it is hot" in printed
    assert "add(a: int, b: int = 2) -> int\n    Add two numbers." in printed


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


def test_error_as_a_result(connected):
    bundle = connected.run("link.fail(asynchronous=True).exception()").shown[-1]
    assert bundle["text/plain"].startswith("ValueError: no power\n\n  Raised by:  Oven.fail at ")
    assert "<b>ValueError:</b> no power" in bundle["text/html"]
    # among others it is short
    assert (
        connected.run("[link.fail(asynchronous=True).exception()]")
        .shown[-1]["text/plain"]
        .startswith("[RemoteValueError(")
    )


def test_saved_notebook(connected):
    """What GitHub and nbconvert show: the table, where the panel's state is not saved."""
    cells = []
    for code in ("client", "link"):
        output = nbformat.v4.new_output("execute_result", connected.run(code).shown[-1])
        cells.append(nbformat.v4.new_code_cell(code, outputs=[output]))
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.validate(notebook)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert "<code>add(a: int, b: int = 2) -&gt; int</code>" in page
    assert "is connected to the Manager at" in page
    assert '"model_id"' not in page


def plain(text):
    """A text without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)

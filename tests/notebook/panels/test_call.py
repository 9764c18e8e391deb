"""The panel that calls methods, against a real Manager and real Services."""

import asyncio
import json
import threading

import ipywidgets
import pytest

from msl_network import LocalManager, RemoteError, Service, connect
from msl_network.examples import Echo
from msl_network.notebook.panels import CallPanel
from msl_network.notebook.panels import call as call_panel
from msl_network.notebook.panels.call import MOST_RUNNING
from msl_network.notebook.panels.history import CALLS, Call, History, weigh
from msl_network.notebook.panels.running import ITEMS
from msl_network.notebook.results import view
from msl_network.notebook.results.png import png

from ...oldest import each_ipykernel
from ...raw import RawPeer
from .pages import WAIT, enter, says, shown, shows, status, wait_for


class Instrument(Service):
    """Something to call."""

    gain = 2.5

    def __init__(self):
        super().__init__(ignore_attributes=("go_on", "left", "begun"))
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.left = threading.Event()

    def measure(self, n: int, scale: float = 1e-30, *, unit: str | None = None):
        """Measure the <i>lamp</i>.

        Args:
            n: How often.
        """
        return {"n": n, "scale": scale, "unit": unit}

    def fail(self):
        raise ValueError("the <b>lamp</b> is off")

    def hang(self):
        self.begun.release()
        self.go_on.wait(60)

    def obey(self, total: float | None = 10):
        """Go on until it is given up."""
        self.progress(2.5, total, "<b>heating</b>")
        self.request.sleep(60)
        self.request.raise_if_cancelled()

    def scan(self, n: int, fail: bool = False):
        """Yield so many numbers; without end if it is negative."""
        try:
            i = 0
            while i != n:
                yield i
                i += 1
            if fail:
                raise ValueError("the <b>end</b>")
        finally:
            self.left.set()


@pytest.fixture
def instrument(manager):
    with Instrument().start_in_background(**manager.kwargs) as running:
        yield running.service
        running.service.go_on.set()


@pytest.fixture
def panel(panels, client, instrument):
    return panels(CallPanel, client.link("Instrument"))


def fill(panel, method, **texts):
    """Choose a method, and fill in its form."""
    panel.fields["method"].value = method
    wait_for(lambda: f">{method}" in panel._signature.value, "the form")
    for name, text in texts.items():
        field = panel.form.fields[name]
        if field.default is not None:
            field.default.value = False
        wait_for(lambda field=field: not field.widget.disabled, "the field")
        field.widget.value = text
    return panel


def call(panel, method, **texts):
    """Call a method, and return what is remembered of it."""
    fill(panel, method, **texts).call().result(WAIT)
    return panel.history[-1]


def test_what_the_service_says_of_a_method(panel):
    fill(panel, "measure")
    first, more = panel._signature.value.split("<details>")
    assert "Measure the &lt;i&gt;lamp&lt;/i&gt;." in first
    assert "How often" not in first
    assert "Args:\n    n: How often." in more
    fill(panel, "fail")
    assert "<details>" not in panel._signature.value


def test_a_call(panel):
    made = call(panel, "measure", n="100000000000000000000", scale="1e-3")
    assert made.code == panel.code == "link.measure(100000000000000000000, 0.001)"
    assert made.outcome == {"n": 10**20, "scale": 1e-3, "unit": None}
    assert made.began.tzinfo is not None
    assert "measure returned" in status(panel)
    assert "0.001" in shown(panel.result)
    assert made.code in shown(panel._caption)


def test_a_value_is_read(panel):
    assert call(panel, "gain").outcome == 2.5
    assert panel.code == "link.gain()"


def test_enter_sends_what_was_typed_last(panel):
    field = fill(panel, "measure", n="1").form.fields["n"].widget
    enter(field)  # the browser tells of the key first, of the text after it
    field.value = "2"
    says(panel, "measure returned")
    assert panel.history[-1].outcome["n"] == 2


def test_an_error_of_the_far_side(panel):
    made = call(panel, "fail")
    assert isinstance(made.outcome, RemoteError)
    assert "fail failed" in status(panel)
    assert "ValueError" in shown(panel.result)
    assert "the &lt;b&gt;lamp&lt;/b&gt; is off" in shown(panel.result)
    assert "Traceback" in shown(panel.result)
    assert not panel.buttons["Call"].disabled


@pytest.mark.parametrize(
    ("method", "state", "told"),
    [("obey", "stopped", "given up and stopped"), ("scan", "stopped", "given up and stopped")],
)
def test_a_call_is_given_up(panel, instrument, method, state, told):
    fill(panel, method, **({"n": "-1"} if method == "scan" else {}))
    ended = panel.call()
    shows(panel._rows, "items" if method == "scan" else "heating")
    assert not panel.buttons["Call"].disabled
    panel.buttons["Cancel"].click()
    ended.result(WAIT)
    assert told in status(panel)
    made = panel.history[-1]
    assert isinstance(made.outcome, asyncio.CancelledError)
    assert str(made.outcome) == state
    assert told in made.summary
    assert panel.running == []
    wait_for(lambda: panel.buttons["Cancel"].disabled, "the button")
    if method == "scan":
        assert instrument.left.wait(WAIT)
        assert made.count >= len(made.items) > 0


def test_a_service_that_does_not_stop(panel, instrument, monkeypatch):
    monkeypatch.setattr("msl_network.notebook.panels.running.BECAME_WAIT", 0.2)
    fill(panel, "hang")
    ended = panel.call()
    assert instrument.begun.acquire(timeout=WAIT)
    panel.cancel()
    ended.result(WAIT)
    assert "so it may go on" in status(panel)

    monkeypatch.setattr("msl_network.notebook.panels.running.BECAME_WAIT", WAIT)
    ended = panel.call()
    assert instrument.begun.acquire(timeout=WAIT)
    panel.cancel()
    shows(panel._rows, "asking what became of it")
    call(panel, "measure", n="1")  # nothing is held up meanwhile
    instrument.go_on.set()
    ended.result(WAIT)
    assert str(panel.history[-1].outcome) == "ended"


def test_a_timeout(panel, monkeypatch):
    monkeypatch.setattr("msl_network.notebook.panels.running.BECAME_WAIT", 0.1)
    panel.fields["timeout"].value = "0.1"
    assert isinstance(call(panel, "hang").outcome, TimeoutError)
    assert "hang took too long: given up; the Service does not say" in status(panel)
    assert panel.code == "link.hang(timeout=0.1)"
    assert "<b>TimeoutError</b>" in shown(panel.result)
    monkeypatch.setattr("msl_network.notebook.panels.running.BECAME_WAIT", WAIT)
    made = call(panel, "obey")
    assert "obey took too long: given up and stopped" in status(panel)
    assert "Given up and stopped." in shown(panel.result)
    assert "did not reply within 0.1 seconds; given up and stopped" in made.summary
    panel.fields["timeout"].value = "inf"
    call(panel, "gain")
    assert panel.code == 'link.gain(timeout=float("inf"))'
    panel.fields["timeout"].value = "soon"
    panel.call().result(WAIT)
    assert "Timeout: soon is no number" in status(panel)
    assert len(panel.history) == 3


def test_progress(panel):
    fill(panel, "obey").call()
    shows(panel._rows, "25% · &lt;b&gt;heating&lt;/b&gt;")
    row = panel._rows.children[0]
    assert row._bar.value == 0.25
    panel.cancel()
    shows(panel._rows, "No call is under way")

    fill(panel, "obey", total="0").call()
    shows(panel._rows, "2.5 done")
    assert row._bar.layout.visibility == "hidden"  # its place is kept


def test_items_as_they_come(panel):
    made = call(panel, "scan", n="3")
    assert made.outcome == made.items == [0, 1, 2]
    assert made.code == "for item in link.scan(3): print(item)"
    assert "yielded 3 items" in status(panel)
    shows(panel.result, "msl-number")

    made = call(panel, "scan", n="25000")
    assert made.count == 25000
    assert made.items == list(range(25000 - ITEMS, 25000))
    assert weigh(made.items) < 1_000_000
    shows(panel.result, ">25,000<")
    call(panel, "gain")
    panel.show(made).result(WAIT)
    shows(panel.result, ">10,000<")
    assert "of the last 10,000 of 25,000 items" in shown(panel.result)
    assert "15000" in shown(panel.result)  # the smallest


def test_less_is_sent_while_no_browser_answers(panel, monkeypatch):
    monkeypatch.setattr(call_panel, "SLOWING", 1e-3)  # the first pause is without end
    fill(panel, "scan", n="-1")
    ended = panel.call()
    shows(panel.result, "Mean")
    above = shown(panel.result)
    wait_for(lambda: panel.running[0].items[-1:] > [100_000], "many items")
    assert shown(panel.result) == above
    panel._copy._handle_custom_msg({"answer": "beat"}, [])  # as the browser does
    wait_for(lambda: shown(panel.result) != above, "the next look")
    above = shown(panel.result)
    panel.cancel()
    ended.result(WAIT)
    wait_for(lambda: f"{panel.history[-1].count:,}" in shown(panel.result), "the end")
    shows(panel._rows, "No call is under way")


def test_an_error_after_items(panel):
    made = call(panel, "scan", n="2", fail=True)
    assert isinstance(made.outcome, RemoteError)
    assert made.items == [0, 1]
    assert "(after 2 items)" in made.summary
    assert "the &lt;b&gt;end&lt;/b&gt;" in shown(panel._failure)
    shows(panel.result, "msl-number")
    call(panel, "gain")
    assert "the &lt;b&gt;end&lt;/b&gt;" not in shown(panel)


def test_several_at_once(panel, instrument):
    first = fill(panel, "hang").call()
    wait_for(lambda: panel.running, "the first one")
    second = fill(panel, "obey").call()
    wait_for(lambda: len(panel.running) == 2, "the second one")
    call(panel, "measure", n="1")
    shows(panel._rows, "link.hang()")
    assert [each.method for each in panel.running] == ["hang", "obey"]
    panel._rows.children[-1]._stop.click()
    second.result(WAIT)
    assert panel.history[-1].method == "obey"
    assert not first.done()
    instrument.go_on.set()
    first.result(WAIT)
    assert panel.history[-1].outcome is None

    instrument.go_on.clear()
    fill(panel, "hang")
    for _ in range(MOST_RUNNING):
        panel.call()
    wait_for(lambda: len(panel.running) == MOST_RUNNING, "all of them")
    panel.call().result(WAIT)
    assert f"{MOST_RUNNING} calls are under way" in status(panel)
    instrument.go_on.set()
    wait_for(lambda: not panel.running, "the end of all of them")


def test_a_call_is_shown_and_filled_in_again(panel):
    first = call(panel, "measure", n="1", unit="V")
    call(panel, "measure", n="2", unit="A")
    call(panel, "fail")
    panel.show(first).result(WAIT)
    assert "V" in shown(panel.result)
    assert "Traceback" not in shown(panel.result)
    assert panel._table.chosen == first.number
    panel.fill(first).result(WAIT)
    assert panel.fields["method"].value == "measure"
    panel.call().result(WAIT)
    assert panel.history[-1].outcome == {"n": 1, "scale": 1e-30, "unit": "V"}

    # what the browser sends when its buttons are clicked
    panel._table._handle_custom_msg({"fill": 2}, [])
    says(panel, "Filled in as in link.measure(2, unit=&#x27;A&#x27;)")
    panel._table._handle_custom_msg({"choose": 3}, [])
    wait_for(lambda: panel._table.chosen == 3, "the choice")
    panel._table._handle_custom_msg({"choose": 99}, [])
    panel._table._handle_custom_msg({"choose": "<b>"}, [])


def test_a_result_keeps_its_unit_when_another_service_is_called(panels, manager, client):
    class Inside(Service):
        def temperature(self):
            """Returns the temperature in °C."""
            return 20.5

    class Outside(Service):
        def temperature(self):
            """Returns the temperature in K."""
            return 273.5

    with (
        Inside().start_in_background(**manager.kwargs),
        Outside().start_in_background(**manager.kwargs),
    ):
        panel = panels(CallPanel, client.link("Inside"))
        made = call(panel, "temperature")
        assert "°C" in shown(panel.result)
        panel.link = client.link("Outside")
        wait_for(lambda: "in K" in panel._signature.value, "the other Service")
        call(panel, "temperature")
        assert ">K<" in shown(panel.result)
        panel.show(made).result(WAIT)
        assert "20.5" in shown(panel.result)
        assert "°C" in shown(panel.result)


def test_a_result_stands_below_no_other_call(panel, monkeypatch):
    first, second = call(panel, "measure", n="1"), call(panel, "measure", n="2")
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*args, **kwargs):
        begun.set()
        go_on.wait(WAIT)
        return page_of(*args, **kwargs)

    page_of = view.page_of
    monkeypatch.setattr(view, "page_of", slowly)
    showing = panel.show(first)
    assert begun.wait(WAIT)
    assert second.code in shown(panel._caption)  # as long as its result is there
    go_on.set()
    showing.result(WAIT)
    assert first.code in shown(panel._caption)


def test_names_and_texts_that_no_page_can_have(panels, manager, client):
    bad = "<b>\n\u202e\ud800\x1b[2J"
    attributes = {bad: "(x: '\ud800' = 1)", "read": f"(x: str = {bad!a})", "value": bad}
    docs = dict.fromkeys(attributes, f"{bad}\n\n{bad}")
    with RawPeer(manager.port) as peer:
        peer.service("Odd", attributes=attributes, docs=docs)
        panel = panels(CallPanel, client.link("Odd"))
        for name in attributes:
            panel.fields["method"].value = name
            wait_for(lambda name=name: panel._forms.get(name) is panel.form, "the form")
            state = ipywidgets.Widget.get_manager_state()["state"].values()
            texts = json.dumps([each["state"] for each in state], ensure_ascii=False)
            assert not set("\u202e\ud800\x1b") & set(texts)
            assert "<b>" not in panel._signature.value


def test_the_history_as_a_script_does_the_same(panel, manager):
    call(panel, "measure", n="1", unit="V")
    call(panel, "scan", n="2")
    call(panel, "fail")
    script = panel.history.as_script()
    assert "# failed: link.fail()" in script
    names = {}
    exec(script, names)
    names["client"].disconnect()
    assert names["item"] == 1
    assert [row["state"] for row in panel.history.as_table()] == ["returned", "returned", "failed"]
    assert panel.history.as_table()[2]["error"] == "ValueError: the <b>lamp</b> is off"
    wait_for(lambda: panel._table.script == script, "the script in the browser")


def test_a_picture_in_the_history():
    made = Call(1, "a", (), {}, png(3, [bytes(3)] * 2, bytes(3)), 0.1, "link.a()", "link.a()", None)
    assert made.summary.startswith("✓ PNG, 3 \N{MULTIPLICATION SIGN} 2 pixels, ")


def test_the_history_is_bounded():
    def made(number, value):
        return Call(number, "a", (), {}, value, 0.1, "link.a()", "link.a()", None)

    history = History()
    for number in range(CALLS + 10):
        history.add(made(number, number))
    assert [call.number for call in history] == list(range(10, CALLS + 10))
    history.add(made(0, "x" * 200_000_000))
    assert len(history) == 1
    assert weigh({"a": [0.5] * 1_000_000}) == pytest.approx(32_000_000, rel=0.1)
    error = ValueError("x" * 200_000_000)
    history.add(made(1, error))
    assert len(history) == 1
    assert len(history[0].summary) < 200


def test_another_version_of_the_service_comes_back(panels, manager, client):
    class Lamp(Service):
        def shine(self, hours: int, bright: bool = False, why: str = "dark"):
            return [hours, bright, why]

    class Better(Service):
        """Known by the same name."""

        def __init__(self):
            super().__init__(name="Lamp")

        def shine(self, hours: int, why: str = "cosy", *, colour: str = "red"):
            return [hours, why, colour]

        def flicker(self):
            pass

    first = Lamp().start_in_background(**manager.kwargs)
    panel = panels(CallPanel, client.link("Lamp"))
    fill(panel, "shine", hours="3", why="night")
    address = panel.link.service_address
    first.stop()
    wait_for(lambda: "the Service is away" in panel._title.value, "the state of the link")
    with Better().start_in_background(**manager.kwargs):
        wait_for(lambda: "✓\N{NO-BREAK SPACE}linked" in panel._title.value, "the state of the link")
        assert panel.link.service_address != address
        assert address not in panel._title.value
        assert panel.link.service_address in panel._title.value
        assert "flicker" in dict(panel.fields["method"].options)
        panel.call().result(WAIT)
        assert panel.history[-1].outcome == [3, "night", "red"]


def test_the_service_is_reloaded_with_its_links_kept(panels, manager, client):
    class Lamp(Service):
        def shine(self, hours: int):
            return hours

    class Better(Lamp):
        def shine(self, hours: int, bright: bool = True):
            return [hours, bright]

    with Lamp().start_in_background(**manager.kwargs) as running:
        panel = panels(CallPanel, client.link("Lamp"))
        fill(panel, "shine", hours="3")
        running.reload(Better(name="Lamp"))
        wait_for(lambda: "bright" in panel.form.fields, "the form")
        panel.call().result(WAIT)
        assert panel.history[-1].outcome == [3, True]


def test_a_lost_connection_is_told(panels):
    first = LocalManager(disable_tls=True).start()
    kwargs = first.kwargs
    with connect(**kwargs) as client, Echo().start_in_background(**kwargs):
        panel = panels(CallPanel, client.link("Echo"))
        first.stop()
        wait_for(lambda: "is being made again" in panel._title.value, "the state of the link")
        panel.call().result(WAIT)
        assert isinstance(panel.history[-1].outcome, ConnectionError)
        assert not panel.buttons["Call"].disabled
        with LocalManager(disable_tls=True, port=kwargs["port"]):
            wait_for(lambda: "✓\N{NO-BREAK SPACE}linked" in panel._title.value, "the link")
            panel.call().result(WAIT)
            assert panel.history[-1].error is None
    wait_for(lambda: "disconnected" in panel._title.value, "the end")


@each_ipykernel
def test_in_a_kernel(connected, oven):
    kernel = connected
    cell = kernel.run("from msl_network.notebook import CallPanel\npanel = CallPanel(link)\npanel")

    def see(text):
        kernel.wait(cell, lambda: text in kernel.page())

    def choose(method):
        methods = kernel.widgets[kernel.find(description="Method")]["_options_labels"]
        kernel.change("Method", index=methods.index(method))
        see(f">{method}(")

    choose("add")
    kernel.change("a", value="40")
    kernel.click("Call")
    see("add returned")
    choose("simmer")
    kernel.click("Call")
    see("simmering")
    choose("tick")
    kernel.click("Call")
    see("link.tick()")
    see("2 items")
    assert "simmering" in kernel.page()  # it goes on
    kernel.click("Cancel")
    assert oven.given_up.acquire(timeout=WAIT)
    see("tick: given up")
    kernel.click("Cancel")
    see("simmer: given up, but it ended all the same")

    def table():
        uid = kernel.find(chosen=3) or kernel.find(chosen=2)
        return uid, kernel.widgets[uid]["rows"]

    kernel.wait(cell, lambda: len(table()[1]) == 3)
    uid, rows = table()
    assert [row["code"] for row in rows] == [
        "link.add(40)",
        "for item in link.tick(): print(item)",
        "link.simmer()",
    ]
    kernel.send(uid, "custom", content={"choose": rows[0]["number"]})
    see("Result of <code>link.add(40)</code>")
    assert kernel.run("panel.history[0].outcome").value == 42

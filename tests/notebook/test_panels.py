"""The panels without a browser, against a real Manager and real Services."""

import threading
import time
from concurrent.futures import Future

import ipywidgets
import pytest
import traitlets

from msl_network import LocalManager, RemoteError, Service, connect, cryptography
from msl_network.examples import Echo
from msl_network.notebook.panels import CallPanel, ConnectPanel, ServicesPanel
from msl_network.notebook.panels.question import SecretField

WAIT = 10.0


def wait_for(condition, what):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.01)


class Instrument(Service):
    """Something to call."""

    gain = 2.5

    def __init__(self):
        super().__init__(max_clients=1)
        self._go_on = threading.Event()

    def measure(self, n: int, scale: float = 1e-30, *, unit: str = "V"):
        """Measure the <i>lamp</i>.

        Args:
            n: How often.
        """
        return {"n": n, "scale": scale, "unit": unit}

    def fail(self):
        raise ValueError("the <b>lamp</b> is off")

    def hang(self):
        self._go_on.wait(WAIT)

    def go_on(self):
        self._go_on.set()


@pytest.fixture
def panels():
    """Make panels that are closed after the test."""
    made = []

    def make(kind, *args, **kwargs):
        panel = kind(*args, **kwargs)
        made.append(panel)
        return panel

    yield make
    for panel in made:
        panel.close()


@pytest.fixture
def instrument(manager):
    with Instrument().start_in_background(**manager.kwargs) as running:
        yield running
        running.service.go_on()


@pytest.fixture
def client(manager):
    with connect(**manager.kwargs) as client:
        yield client


def status(panel):
    return panel._status.value


def says(panel, text):
    deadline = time.monotonic() + WAIT
    while text not in status(panel):
        assert time.monotonic() < deadline, f"waited for {text!r}, but it says {status(panel)}"
        time.sleep(0.01)


def enter(field):
    """Press Enter in a field."""
    field._handle_custom_msg({"event": "submit"}, [])


def test_from_connecting_to_a_result_in_three_panels(panels, manager, instrument):
    connecting, services, calling = map(panels, (ConnectPanel, ServicesPanel, CallPanel))
    traitlets.dlink((connecting, "client"), (services, "client"))
    traitlets.dlink((services, "link"), (calling, "link"))
    assert calling.buttons["Call"].disabled

    connecting = panels(ConnectPanel, **manager.kwargs)
    traitlets.dlink((connecting, "client"), (services, "client"))
    connecting.buttons["Connect"].click()
    says(connecting, "Connected to the Manager 127.0.0.1")
    assert connecting.client.is_connected()
    says(services, "1 Service on the Manager")

    services._rows["Instrument"].link.click()
    wait_for(lambda: calling.form is not None, "the form")
    assert services.link is services.links["Instrument"] is calling.link
    assert services.code == "link = client.link('Instrument')"

    calling.fields["method"].value = "measure"
    wait_for(lambda: "n" in calling.form.fields, "the form of the method")
    calling.form.fields["n"].widget.value = "100000000000000000000"
    calling.buttons["Call"].click()
    says(calling, "measure returned")
    call = calling.history[-1]
    assert call.code == calling.code == "link.measure(100000000000000000000)"
    assert call.outcome == {"n": 10**20, "scale": 1e-30, "unit": "V"}
    assert "1e-30" in calling._result.value

    connecting.buttons["Disconnect"].click()
    says(connecting, "Disconnected.")
    says(calling, "No link")
    assert connecting.client is services.client is services.link is calling.link is None
    assert not connecting.buttons["Connect"].disabled


@pytest.mark.parametrize("answer", ["Trust", "Reject"])
def test_an_unknown_certificate_is_shown(answer, panels, monkeypatch, tmp_path):
    pinned = tmp_path / "pinned.crt"
    monkeypatch.setattr(cryptography, "certificate_path", lambda host: str(pinned))
    monkeypatch.setattr(cryptography, "save_certificate", lambda pem, host: pinned.write_bytes(pem))
    with LocalManager() as manager:
        panel = panels(ConnectPanel, "127.0.0.1", manager.port, assert_hostname=False)
        panel.buttons["Connect"].click()
        wait_for(lambda: panel.question is not None, "the question")
        shown = panel.question.children[0].value
        certificate = cryptography.load_certificate(manager.kwargs["cert_file"])
        for fact in cryptography.describe(certificate).values():
            assert fact in shown
        panel.question.buttons[answer].click()
        says(panel, "Connected" if answer == "Trust" else "is not trusted")
        assert pinned.exists() == (answer == "Trust")
        wait_for(lambda: panel.buttons["Connect"].disabled == (answer == "Trust"), "the button")


def test_a_login(panels):
    with LocalManager(auth_login=True, users={"n.bohr": "copenhagen"}) as manager:
        kwargs = manager.kwargs
        del kwargs["username"], kwargs["password"]
        panel = panels(ConnectPanel, **kwargs)
        fields = panel.fields
        fields["authentication"].value = "login"
        wait_for(lambda: fields["password"].layout.display == "", "the field")
        fields["username"].value = "n.bohr"
        fields["password"].value = "wrong"
        enter(fields["password"])
        says(panel, "Wrong login password")
        assert panel.client is None
        wait_for(lambda: not panel.buttons["Connect"].disabled, "the button")

        # what is not filled in is asked for
        panel.buttons["Connect"].click()
        wait_for(lambda: panel.question is not None, "the question")
        assert isinstance(panel.question.field, SecretField)
        panel.question.field.value = "copenhagen"
        enter(panel.question.field)
        says(panel, "Connected")
        assert "username='n.bohr'" in panel.code
        for shown in (str(ipywidgets.Widget.get_manager_state()), repr(panel), repr(fields)):
            assert "copenhagen" not in shown
            assert "wrong" not in shown


def test_a_password_is_not_kept_in_the_widget(panels):
    panel = panels(ConnectPanel, username="n.bohr", password="copenhagen")
    assert "copenhagen" not in str(ipywidgets.Widget.get_manager_state())
    assert "entered" in panel.fields["password"].placeholder
    panel.fields["password"].value = "manhattan"
    wait_for(lambda: panel.fields["password"].value == "", "the field to be cleared")
    assert panel.fields["password"].take() == "manhattan"
    assert panel.fields["password"].take() is None


def test_what_is_filled_in_wrongly(panels):
    panel = panels(ConnectPanel)
    for name, value in (("port", "http"), ("port", "70000"), ("host", " ")):
        before, panel.fields[name].value = panel.fields[name].value, value
        panel.connect().result(WAIT)
        assert name.capitalize() in status(panel)
        panel.fields[name].value = before
    with pytest.raises(TypeError):
        ConnectPanel(cert="file")


def test_nobody_answers_and_the_person_gives_up(panels, manager):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        panel = panels(ConnectPanel, "127.0.0.1", port, disable_tls=True, timeout=60)
        panel.buttons["Connect"].click()
        wait_for(lambda: panel.buttons["Disconnect"].description == "Cancel", "Cancel")
        assert panel.buttons["Connect"].disabled
        panel.buttons["Disconnect"].click()
        says(panel, "Cancelled")
        wait_for(lambda: not panel.buttons["Connect"].disabled, "the button")


def test_the_manager_goes_away(panels):
    with LocalManager() as manager:
        panel = panels(ConnectPanel, **manager.kwargs)
        panel.connect().result(WAIT)
        assert panel.client is not None
    says(panel, "has ended")
    assert panel.client is None
    assert not panel.buttons["Connect"].disabled


def test_services_come_and_go(panels, manager, client):
    panel = panels(ServicesPanel, client)
    panel.set_state({"_view_count": 1})  # as the browser does that shows it
    says(panel, "No Services")
    with Echo().start_in_background(**manager.kwargs):
        says(panel, "1 Service on the Manager")
        panel._rows["Echo"].link.click()
        wait_for(lambda: panel.link is not None, "the link")
        assert panel.link.echo(1) == [[1], {}]
    wait_for(lambda: "away" in panel._rows["Echo"]._cells.value, "the Service to be away")
    with Echo().start_in_background(**manager.kwargs):
        wait_for(lambda: "away" not in panel._rows["Echo"]._cells.value, "the Service")
        assert panel.link.echo(1) == [[1], {}]
    wait_for(lambda: "away" in panel._rows["Echo"]._cells.value, "the Service to be away")
    panel._rows["Echo"].unlink.click()
    wait_for(lambda: panel.links == {} and panel._rows == {}, "the end of the link")
    assert panel.link is None


def test_several_links(panels, manager, client, instrument):
    with Echo().start_in_background(**manager.kwargs):
        panel = panels(ServicesPanel, client)
        panel.link_with("Echo").result(WAIT)
        panel.link_with("Instrument").result(WAIT)
        assert set(panel.links) == {"Echo", "Instrument"}
        assert panel.link.service_name == "Instrument"
        panel._rows["Echo"].use.click()
        wait_for(lambda: panel.link.service_name == "Echo", "the choice")
        panel._rows["Echo"].unlink.click()
        wait_for(lambda: panel.link.service_name == "Instrument", "the other link")


def test_a_service_that_is_full(panels, manager, client, instrument):
    with connect(**manager.kwargs) as other:
        other.link("Instrument")
        panel = panels(ServicesPanel, client)
        wait_for(lambda: "Instrument" in panel._rows, "the Services")
        panel.link_with("Instrument").result(WAIT)
        assert "Link Instrument" in status(panel)
        assert "maximum" in status(panel)
        assert panel.link is None
        assert not panel._rows["Instrument"].link.disabled


def test_what_the_service_says_of_a_method(panels, client, instrument):
    panel = panels(CallPanel, client.link("Instrument"))
    panel.fields["method"].value = "measure"
    wait_for(lambda: "n" in panel.form.fields, "the form")
    shown = panel._signature.value
    assert "Measure the &lt;i&gt;lamp&lt;/i&gt;." in shown
    first, more = shown.split("<details>")
    assert "How often" not in first
    assert "Args:\n    n: How often." in more
    panel.fields["method"].value = "fail"
    wait_for(lambda: "fail()" in panel._signature.value, "the signature")
    assert "<details>" not in panel._signature.value


def test_an_error_of_the_far_side(panels, client, instrument):
    panel = panels(CallPanel, client.link("Instrument"))
    panel.fields["method"].value = "fail"
    panel.call().result(WAIT)
    assert "fail failed" in status(panel)
    shown = panel._result.value
    assert "<b>ValueError</b>" in shown
    assert "the &lt;b&gt;lamp&lt;/b&gt; is off" in shown
    assert "<details><summary>Traceback" in shown
    assert isinstance(panel.history[-1].outcome, RemoteError)
    assert not panel.buttons["Call"].disabled


def test_a_request_is_given_up_or_has_a_timeout(panels, client, instrument):
    panel = panels(CallPanel, client.link("Instrument"))
    panel.fields["method"].value = "hang"
    call: Future[None] = panel.call()
    says(panel, "Waiting for Instrument.hang")
    assert panel.buttons["Call"].disabled
    panel.buttons["Cancel"].click()
    call.result(WAIT)
    assert "Given up" in status(panel)
    assert panel.buttons["Cancel"].disabled
    assert not panel.buttons["Call"].disabled

    panel.fields["timeout"].value = "0.1"
    panel.call().result(WAIT)
    assert "TimeoutError" in panel._result.value
    assert panel.code == "link.hang(timeout=0.1)"
    panel.fields["timeout"].value = "soon"
    panel.call().result(WAIT)
    assert "Timeout: soon is no number" in status(panel)
    assert [call.method for call in panel.history] == ["hang", "hang"]


def test_enter_sends_what_was_typed_last(panels, client, instrument):
    panel = panels(CallPanel, client.link("Instrument"))
    panel.fields["method"].value = "measure"
    wait_for(lambda: "n" in panel.form.fields, "the form")
    field = panel.form.fields["n"].widget
    field.value = "1"
    enter(field)  # the browser tells of the key first, of the text after it
    field.value = "2"
    says(panel, "measure returned")
    assert panel.history[-1].outcome["n"] == 2


def test_a_value_is_read(panels, client, instrument):
    panel = panels(CallPanel, client.link("Instrument"))
    panel.fields["method"].value = "gain"
    panel.call().result(WAIT)
    assert panel.history[-1].outcome == 2.5
    assert panel.code == "link.gain()"


def test_a_lost_connection_is_told(panels, manager):
    with connect(**manager.kwargs) as client, Echo().start_in_background(**manager.kwargs):
        panel = panels(CallPanel, client.link("Echo"))
    panel.call().result(WAIT)
    assert "ConnectionError" in panel._result.value
    assert not panel.buttons["Call"].disabled


def test_panels_live_through_a_restart_of_the_manager(panels):
    first = LocalManager(disable_tls=True).start()
    kwargs = first.kwargs
    with Instrument().start_in_background(**kwargs):
        panel = panels(ConnectPanel, **kwargs)
        panel.connect().result(WAIT)
        services = panels(ServicesPanel, panel.client)
        services.set_state({"_view_count": 1})
        wait_for(lambda: "Instrument" in services._rows, "the Services")
        services.link_with("Instrument").result(WAIT)
        calling = panels(CallPanel, services.link)
        first.stop()
        says(panel, "Trying to connect again")
        says(services, "Trying to connect again")
        with LocalManager(disable_tls=True, port=kwargs["port"]):
            says(panel, "Connected again to the Manager")
            wait_for(lambda: "Instrument" in services._rows, "the Services")
            assert services.link is calling.link
            calling.fields["method"].value = "measure"
            wait_for(lambda: "n" in calling.form.fields, "the form")
            calling.form.fields["n"].widget.value = "3"
            wait_for(lambda: calling.link.gain(safe_to_repeat=True) == 2.5, "the link")
            calling.call().result(WAIT)
            assert calling.history[-1].outcome["n"] == 3


def test_closing_stops_everything(manager, instrument):
    before = ipywidgets.Widget.get_manager_state()["state"].keys()
    panel = ConnectPanel(**manager.kwargs)
    panel.connect().result(WAIT)
    client = panel.client
    services, calling = ServicesPanel(client), CallPanel(client.link("Instrument"))
    services.set_state({"_view_count": 1})
    calling.fields["method"].value = "hang"
    call = calling.call()
    says(calling, "Waiting")
    for each in (calling, services, panel):
        each.close()
        each.close()
    call.result(WAIT)
    wait_for(lambda: not client.is_connected(), "the end of the connection")
    wait_for(lambda: services._polling is None, "the end of looking")
    left = ipywidgets.Widget.get_manager_state()["state"]
    assert [left[key] for key in left.keys() - before] == []


def test_a_changed_certificate_is_refused(panels, manager):
    with LocalManager() as other:
        kwargs = {**manager.kwargs, "cert_file": other.kwargs["cert_file"]}
        panel = panels(ConnectPanel, **kwargs)
        panel.connect().result(2 * WAIT)
        assert "Perhaps the Network Manager is using a new certificate" in status(panel)
        assert panel.question is panel.client is None
        assert not panel.buttons["Connect"].disabled

"""Several panels together, without a browser, against a real Manager and a real Service."""

import threading

import ipywidgets
import pytest
import traitlets

from msl_network import LocalManager, Service
from msl_network.notebook.panels import CallPanel, ConnectPanel, Dashboard, ServicesPanel

from .pages import WAIT, says, shows, wait_for


class Instrument(Service):
    """Something to call."""

    gain = 2.5

    def __init__(self):
        super().__init__(max_clients=1)
        self._go_on = threading.Event()

    def measure(self, n: int, scale: float = 1e-30, *, unit: str = "V"):
        return {"n": n, "scale": scale, "unit": unit}

    def hang(self):
        self._go_on.wait(WAIT)

    def go_on(self):
        self._go_on.set()


@pytest.fixture
def instrument(manager):
    with Instrument().start_in_background(**manager.kwargs) as running:
        yield running
        running.service.go_on()


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
    shows(calling.result, "1e-30")

    connecting.buttons["Disconnect"].click()
    says(connecting, "Disconnected.")
    says(calling, "No link")
    assert connecting.client is services.client is services.link is calling.link is None
    assert not connecting.buttons["Connect"].disabled


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
    wait_for(lambda: services._watching is None, "the end of watching")
    left = ipywidgets.Widget.get_manager_state()["state"]
    assert [left[key] for key in left.keys() - before] == []


def test_a_panel_that_is_closed_at_once_leaves_nothing(client, instrument):
    link = client.link("Instrument")
    before = ipywidgets.Widget.get_manager_state()["state"].keys()
    for _ in range(5):
        dashboard = Dashboard(link)
        dashboard.services.set_state({"_view_count": 1})
        dashboard.close()
    dashboard.services.refresh().result(WAIT)  # all that was handed over before has had its turn
    wait_for(
        lambda: ipywidgets.Widget.get_manager_state()["state"].keys() == before, "the last widget"
    )

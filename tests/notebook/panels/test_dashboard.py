"""All panels in one, against a real Manager and a real SSH server."""

import ipywidgets
import pytest

from msl_network import LinkedClient, connect
from msl_network.examples import Echo
from msl_network.examples.pi import Pi
from msl_network.notebook import dashboard

from .pages import WAIT, says, status, wait_for


@pytest.fixture
def dashboards():
    """Make dashboards that are closed after the test."""
    made = []

    def make(*args, **kwargs):
        made.append(dashboard(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def echo(manager):
    with Echo().start_in_background(**manager.kwargs):
        yield


def is_shown(widget):
    return widget.layout.display != "none"


def test_from_connecting_to_a_result(dashboards, manager, echo):
    made = dashboards(**manager.kwargs)
    assert is_shown(made.connecting)
    for panel in (made.launching, made.services, made._columns):
        assert not is_shown(panel)
    made.connecting.buttons["Connect"].click()
    wait_for(lambda: is_shown(made.services), "the Services")
    assert made.client is made.services.client is made.connecting.client
    assert not is_shown(made._choice)
    made.services.link_with("Echo").result(WAIT)
    wait_for(lambda: is_shown(made._columns), "the panels of the link")
    assert made.link is made.services.link is made.calling.link is made.notifications.link
    assert made.link.echo(1) == [[1], {}]

    made.connecting.buttons["Disconnect"].click()
    says(made.connecting, "Disconnected.")
    wait_for(lambda: made.link is None, "the end of the link")
    assert made.client is made.services.client is made.calling.link is None
    wait_for(lambda: is_shown(made._choice), "the choice")
    assert is_shown(made._columns)  # results are still there to be read


def test_of_what_is_there_already(dashboards, manager, echo):
    with connect(**manager.kwargs) as client:
        made = dashboards(client)
        says(made.connecting, "Connected to the Manager")
        says(made.services, "1 Service on the Manager")
        assert made.client is client
        assert made.link is None

        link = client.link("Echo")
        made.link = link
        wait_for(lambda: made.services.links == {"Echo": link}, "the link")
        assert made.calling.link is link

        other = dashboards(link)
        says(other.services, "1 Service on the Manager")
        wait_for(lambda: is_shown(other._columns), "the panels of the link")
        assert other.client is client
        assert other.services.links == {"Echo": link}
        assert other.link is other.calling.link is link
        other.close()
        assert client.is_connected()

    # it is connected again to the same one
    says(made.connecting, "has ended")
    wait_for(lambda: is_shown(made.connecting), "the form")
    assert made.connecting.fields["port"].value == str(manager.port)
    assert made.client is None

    with LinkedClient("Echo", **manager.kwargs) as linked:
        third = dashboards(linked)
        says(third.services, "1 Service on the Manager")
        assert third.link is linked.link
        assert third.client is linked.client
        assert made.client is not third.client


def test_another_client_takes_the_place_of_the_first(dashboards, manager, echo):
    with connect(name="a", **manager.kwargs) as a, connect(name="b", **manager.kwargs) as b:
        made = dashboards(a.link("Echo"))
        says(made.connecting, " as a ")
        made.client = b
        says(made.connecting, " as b ")
        wait_for(lambda: made.link is None, "the end of the link")
        assert made.services.client is b
        assert a.is_connected()
        made.client = None
        says(made.connecting, "Not connected")
        says(made.services, "No Client")


def test_launching(dashboards):
    with Pi() as pi:
        made = dashboards(
            pi.host, console_script=pi.console_script, port=pi.manager_port, **pi.ssh_kwargs
        )
        assert is_shown(made.launching)
        assert not is_shown(made.connecting)
        assert made.connecting.fields["host"].value == pi.host
        made.launching.start().result(2 * WAIT)
        assert "It runs on 127.0.0.1 as process" in status(made.launching)
        says(made.services, "on the Manager")
        made.services.link_with("RPiService").result(WAIT)
        assert made.link.power(3) == 9
        made.launching.stop().result(WAIT)
        assert made.client is made.link is None


def test_closing_leaves_nothing_behind(manager, echo):
    before = ipywidgets.Widget.get_manager_state()["state"].keys()
    made = dashboard(**manager.kwargs)
    made.connecting.connect().result(WAIT)
    client = made.client
    made.services.link_with("Echo").result(WAIT)
    made.close()
    made.close()
    wait_for(lambda: not client.is_connected(), "the end of the connection")

    def left():
        state = ipywidgets.Widget.get_manager_state()["state"]
        return [state[key]["model_name"] for key in state.keys() - before]

    wait_for(lambda: not left(), "the end of the widgets")


def test_closed_ones_leave_the_client_alone(manager, echo):
    with connect(**manager.kwargs) as client:
        link = client["Echo"]
        for _ in range(3):
            made = dashboard(link)
            says(made.connecting, "Connected")
            wait_for(lambda made=made: made.calling.form is not None, "the form")
            made.close()
        session, state = client._session, link._state
        kept = (session.on_end, session.on_lost, session.on_restored, state.on_restored)
        wait_for(lambda: not any(map(len, (*kept, state.on_changed, state.listeners))), "the end")

"""Watching, where the Manager or the other Clients are of 1.x."""

import contextlib

from msl_network import connect
from msl_network.examples import Echo
from msl_network.notebook.panels import ServicesPanel

from ..laboratory import eventually


def test_manager_of_1x_is_looked_at_now_and_then(open_network):
    kwargs = open_network("1.x", alone=True, disable_tls=True).kwargs
    calls = []
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connect(**kwargs))
        watch = stack.enter_context(client.watch(lambda watch: calls.append([*watch.services])))
        assert not watch.is_live
        assert "looked at every 2 seconds" in repr(watch)
        assert [entry["name"] for entry in watch.clients.values()] == ["Client"]
        running = Echo().start_in_background(**kwargs)
        eventually(lambda: "Echo" in watch.services)
        assert "links" not in watch.services["Echo"]
        running.stop()
        eventually(lambda: not watch.services)
        eventually(lambda: calls == [[], ["Echo"], []])  # nothing where nothing has changed
        assert client.is_connected()


def test_client_of_1x_is_told_nothing_and_is_seen(open_network):
    network = open_network("ours", alone=True, disable_tls=True)
    player = network.players["1.x"]
    with (
        connect(**network.kwargs) as client,
        Echo().start_in_background(**network.kwargs),
        client.watch() as watch,
    ):
        assert watch.is_live
        name = player.begin("hold_link", kwargs=network.kwargs, service="Echo", lock="exclusive")
        eventually(lambda: watch.services["Echo"]["locks"] == name)
        assert watch.services["Echo"]["links"] == name
        while player.go_on() != "end":
            pass
        eventually(lambda: watch.services["Echo"]["links"] == [])


def test_the_panel_of_the_services_says_what_a_manager_of_1x_does_not(open_network):
    kwargs = open_network("1.x", alone=True, disable_tls=True).kwargs
    with Echo().start_in_background(**kwargs), connect(**kwargs) as client:
        panel = ServicesPanel(client)
        panel.refresh().result(20)
        panel.link_with("Echo").result(20)
        eventually(lambda: "does not tell who is linked and has locked" in panel._status.value)
        assert "unknown" in panel._rows["Echo"]._cells.value
        assert panel._rows["Echo"].release.layout.display == ""
        panel.close()

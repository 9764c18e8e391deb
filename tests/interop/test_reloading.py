"""A Service that is reloaded, where one of the others is of 1.x."""

from msl_network import Service, connect

from ..laboratory import eventually


class Meter(Service):
    def read(self):
        return "old"


class Better(Service):
    def __init__(self):
        super().__init__(name="Meter")

    def read(self):
        return "new"

    def added(self):
        return "added"


def test_manager_of_1x_goes_on_telling_what_was_there(open_network, caplog):
    kwargs = open_network("1.x", alone=True, disable_tls=True).kwargs
    with Meter().start_in_background(**kwargs) as running, connect(**kwargs) as client:
        link = client.link("Meter")
        running.reload(Better())
        assert "does not know that a Service can be reloaded" in caplog.text
        assert link.read() == "new"
        assert client.link("Meter")["added"]() == "added"
        assert "added" not in client.identities()["services"]["Meter"]["attributes"]
        running.stop()
        # started anew it is told
        with running.service.start_in_background(**kwargs):
            eventually(lambda: "Meter" in client.identities()["services"])
            assert client.link("Meter").added() == "added"


def test_client_of_1x_stays_linked(open_network):
    network = open_network("ours", alone=True, disable_tls=True)
    player = network.players["1.x"]
    with Meter().start_in_background(**network.kwargs) as running:
        name = player.begin("hold_link", kwargs=network.kwargs, service="Meter", lock="exclusive")
        running.reload(Better())
        with connect(**network.kwargs) as client:
            assert "added" in client.identities()["services"]["Meter"]["attributes"]
        assert len(name) == 1
        assert player.go_on() == []  # the lock was still there to be released
        assert player.go_on() == "end"

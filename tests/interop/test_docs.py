"""Docstrings and the kinds of errors, where one of the others is of 1.x and passes over them."""

import pytest

from msl_network import RemoteError, Service, connect

from ..laboratory import eventually


class OutOfRangeError(ValueError):
    pass


class Meter(Service):
    """A voltmeter."""

    def read(self, channel: int, /) -> float:
        """Read the voltage."""
        raise OutOfRangeError(channel)

    def reset(self):
        raise ValueError("no power")


@pytest.mark.parametrize("kind", ["ours", "1.x"])
def test_what_a_manager_passes_on(open_network, kind):
    kwargs = open_network(kind, alone=True, disable_tls=True).kwargs
    with Meter().start_in_background(**kwargs), connect(**kwargs) as client:
        link = client.link("Meter")
        told = kind == "ours"
        assert link.service_doc == ("A voltmeter." if told else "")
        assert ("Read the voltage." in link.read.__doc__) == told
        assert "(channel: int, /) -> float" in link.__doc__
        with pytest.raises(RemoteError, match=r"\n\nOutOfRangeError: 3") as caught:
            link.read(3)
        assert isinstance(caught.value, ValueError) == told
        # whose name says what it is, to whoever looks
        with pytest.raises(ValueError, match=r"\n\nValueError: no power"):
            link.reset()
        assert client.identities()["services"]["Meter"].keys() == {
            *["address", "attributes", "language", "max_clients", "os"]
        }


def test_service_and_client_of_1x(networks):
    network = networks("ours")
    name = network.services["1.x"]
    with connect(**network.kwargs, cert_file=network.certificate) as client:
        eventually(lambda: name in client.identities()["services"])
        link = client.link(name)
        assert (link.service_doc, link.service_docs) == ("", {})
        assert link.__doc__.startswith(f"The Service {name!r}.")
        assert f"A method of the Service {name!r}" in link.add.__doc__
    player = network.players["1.x"]
    kinds, text = player.play("errors", kwargs=network.kwargs, service=network.services["ours"])[
        "raised"
    ]
    assert kinds[0] == "RuntimeError"
    assert text.endswith("ValueError: Ångström\nsecond line")

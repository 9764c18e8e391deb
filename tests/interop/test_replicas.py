"""Services that share one name, where one of the others is of 1.x."""

import contextlib

import pytest

from msl_network import Service, connect
from msl_network.examples import Echo

from ..laboratory import eventually


class Twin(Service):
    def __init__(self):
        super().__init__(replica=True)


def test_manager_of_1x_lets_no_two_share_a_name(open_network):
    kwargs = open_network("1.x", alone=True, disable_tls=True).kwargs
    text = (
        r"A 'Twin' service is already running on the Manager, which lets no two Services share a "
        r"name\. Start this one with another name, or use a newer Manager$"
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(Twin().start_in_background(**kwargs))
        with pytest.raises(NameError, match=text):
            Twin().start_in_background(**kwargs)
        client = stack.enter_context(connect(**kwargs))
        assert client.link("Twin").service_replicas == 1
        # who is refused for another reason is not told to do something about this one
        stack.enter_context(Echo().start_in_background(**kwargs))
        with pytest.raises(NameError, match=r"already running on the Manager$"):
            Echo().start_in_background(**kwargs)


def test_client_of_1x_sees_one_service(open_network):
    network = open_network("ours", alone=True, disable_tls=True)
    twins = [network.start_service("ours", name="Twin", replica=True) for _ in range(2)]
    player = network.players["1.x"]
    with connect(**network.kwargs) as client:
        eventually(lambda: "Twin" in client.identities()["services"])
        eventually(lambda: client.link("Twin").service_replicas == 2)
        link = client.link("Twin")
        addresses = {client.link("Twin").service_address for _ in range(4)}
        assert len(addresses) == 1
        address = addresses.pop()
        assert player.play("call", kwargs=network.kwargs, services=["Twin"] * 4) == [42] * 4
        shown = player.begin("show", kwargs=network.kwargs, service="Twin")
        assert address in str(shown)
        while player.go_on() != "end":
            pass
        returned, got = player.play("notifications", kwargs=network.kwargs, service="Twin")
        assert (returned, len(got)) == (50, 50)
        link.unlink()
    name = player.begin("hold_link", kwargs=network.kwargs, service="Twin", lock="exclusive")
    assert len(name) == 1
    assert player.go_on() == []
    assert player.go_on() == "end"
    result = player.play("shut_service_down", kwargs=network.kwargs, service="Twin")
    assert result[0] == [[1], {"reason": "end"}]
    assert [twin.ended() for twin in twins] == [0, 0]

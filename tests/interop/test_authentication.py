"""All four kinds of authentication, with and without TLS; users and hostnames are of 1.x."""

import re

import pytest

from .processes import BOHR


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "no TLS"])
@pytest.mark.parametrize("kind", ["ours", "1.x"], ids="Manager {}".format)
@pytest.mark.parametrize("authentication", ["none", "password", "login", "hostname"])
def test_authentication(open_network, database_1x, kind, tls, authentication):
    """Services and Clients of both kinds connect; who is not known is refused with 1.x's text."""
    wrong, text = {}, None
    manager = {"disable_tls": not tls, "database": database_1x()}
    if authentication == "password":
        manager["auth_password"] = "two wörds"
        wrong, text = {"password_manager": "one"}, "ValueError: Wrong Manager password"
    elif authentication == "login":
        manager |= {"auth_login": True, "users": BOHR}
        wrong, text = {"password": "one"}, "ValueError: Wrong login password"
    elif authentication == "hostname":
        manager["auth_hostname"] = True
    network = open_network(kind, **manager)
    services = list(network.services.values())
    for player in network.players.values():
        assert player.play("call", kwargs=network.kwargs, services=services) == [42, 42]
        if text:
            kinds, message = player.play("refused", kwargs={**network.kwargs, **wrong})
            assert kinds[0] == "ValueError"
            assert message == text


@pytest.mark.parametrize("kind", ["ours", "1.x"], ids="Manager {}".format)
def test_untrusted_hostname(open_network, database_1x, kind):
    network = open_network(kind, database=database_1x("elsewhere"), auth_hostname=True, alone=True)
    for player in network.players.values():
        kinds, message = player.play("refused", kwargs=network.kwargs)
        assert kinds[0] == "ValueError"
        assert re.fullmatch(r"ValueError: '\S+' is not a trusted hostname", message)


@pytest.mark.parametrize("kind", ["ours", "1.x"], ids="Client {}".format)
@pytest.mark.parametrize("manager_kind", ["ours", "1.x"], ids="Manager {}".format)
def test_administrator_shuts_the_manager_down(open_network, database_1x, manager_kind, kind):
    network = open_network(manager_kind, database=database_1x(), auth_login=True, users=BOHR)
    result = network.players[kind].play("shut_manager_down", kwargs=network.kwargs)
    assert result == [None, False]
    assert network.manager.ended() == 0

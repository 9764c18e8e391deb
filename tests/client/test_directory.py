"""What a person who presses Tab is told, and how soon."""

import time

import pytest

from msl_network import LocalManager, connect
from msl_network.client.directory import FRESH, PATIENCE

from ..cable import Cable


@pytest.fixture
def laid(manager, bench):
    """A Client at the end of a cable, and the cable."""
    with (
        Cable(manager.port) as cable,
        connect(**{**manager.kwargs, "port": cable.port, "reconnect": 0}) as client,
    ):
        yield client, cable
        cable.reset()  # nobody waits for the end of a silent one


def test_names_of_the_services(client):
    assert client._ipython_key_completions_() == ["Bench"]


def test_answer_is_good_for_a_while(client, manager):
    assert client._ipython_key_completions_() == ["Bench"]
    asked = client._directory._asked
    client._ipython_key_completions_()
    assert client._directory._asked == asked
    # who looks, and does not type, sees what is there now
    assert client._directory.services(age=0)
    assert client._directory._asked > asked


def test_manager_that_stalls(laid):
    client, cable = laid
    assert client._ipython_key_completions_() == ["Bench"]
    cable.silence()
    client._directory._asked -= FRESH
    start = time.monotonic()
    # the next letters are not waited for, either
    for _ in range(10):
        assert client._ipython_key_completions_() == ["Bench"]
    assert time.monotonic() - start < PATIENCE + 1
    assert len(client._session._in_flight) == 0


def test_client_that_is_disconnected():
    with LocalManager() as manager, connect(**manager.kwargs) as client:
        client.disconnect()
        assert client._ipython_key_completions_() == []

import asyncio

import pytest

from msl_network import connect, loop_thread


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
    # the panels have stopped what they do before the next test looks
    loop_thread.submit(asyncio.sleep(0)).result(20)


@pytest.fixture
def client(manager):
    with connect(**manager.kwargs) as client:
        yield client

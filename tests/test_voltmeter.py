"""The simulated voltmeter, which uses all that a call can do."""

import math
import threading

import pytest

from msl_network import connect
from msl_network.examples import Voltmeter
from msl_network.examples.voltmeter import OutOfRangeError

from .laboratory import eventually


@pytest.fixture
def meter(manager):
    with (
        Voltmeter(delay=0.005, seed=1).start_in_background(**manager.kwargs),
        connect(**manager.kwargs) as client,
    ):
        yield client.link("Voltmeter")


def test_it_measures(meter):
    assert meter.voltage() == pytest.approx(5, abs=0.1)
    result = meter.average(readings=20)
    assert result["count"] == 20
    assert result["mean"] == pytest.approx(5, abs=0.05)
    assert 0 < result["std"] < 0.1
    assert meter.settle() == pytest.approx(0, abs=0.2)


def test_scan_comes_point_by_point(meter):
    points = list(meter.scan(stop=1.0, points=11))
    assert [seconds for seconds, _ in points] == pytest.approx([i / 10 for i in range(11)])
    assert min(volts for _, volts in points) < -1


def test_average_is_stopped_and_another_client_is_next(meter, manager):
    begun = threading.Event()
    long = meter.average(10**6, asynchronous=True, on_progress=lambda *_: begun.set())
    assert begun.wait(10)
    with connect(**manager.kwargs) as other:
        # one cable: it waits for the other one
        reading = other.link("Voltmeter").voltage(asynchronous=True)
        assert not reading.done()
        assert meter.range() == 10  # which needs no cable
        long.cancel()
        assert reading.result(10) == pytest.approx(5, abs=0.1)
    assert long.cancellation.result(10) == "ended"


def test_range(meter):
    assert meter.set_range(0.5) == 1
    with pytest.raises(ValueError, match=r"V in the range of 1 V") as caught:
        list(meter.scan())
    assert caught.value.type == OutOfRangeError.__name__
    assert meter.set_range(7) == 10
    eventually(lambda: not math.isnan(meter.average(2)["std"]))

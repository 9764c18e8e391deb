"""The unit of what a method returns: a wrong one is worse than none."""

import pytest

from msl_network.notebook.results.unit import unit_of

GOOGLE = """Measure once.

Args:
    delay: How long to wait, in ms.
    threshold (mV): What counts.

Returns:
    {}

Raises:
    ValueError: The voltage in kV is too large.
"""

NUMPY = """Measure once.

Parameters
----------
delay : float
    How long to wait (ms)

Returns
-------
{}

Raises
------
ValueError
    In case of kV
"""

SPHINX = """Measure once.

:param delay: How long to wait, in ms.
:returns: {}
:rtype: float
"""


@pytest.mark.parametrize(
    ("doc", "unit"),
    [
        (GOOGLE.format("The voltage in volts."), "V"),
        (GOOGLE.format("The range, in millivolts."), "mV"),
        (GOOGLE.format("float: temperature (°C)"), "°C"),
        (GOOGLE.format("float: Temperature [mK]."), "mK"),
        (GOOGLE.format("list[float]: The voltages of the cell,\n    measured in µV."), "µV"),
        (GOOGLE.format("float: The voltage in V, or None if it is off."), "V"),
        (NUMPY.format("float\n    The frequency in kHz."), "kHz"),
        (NUMPY.format("pressure : float\n    The pressure (mbar)"), "mbar"),
        (SPHINX.format("the resistance in kΩ"), "kΩ"),
        ("Return the temperature of the oven in degrees Celsius.", "°C"),
        ("Reads the humidity in percent.\n\nTakes 3 ms.", "%"),
        ("The current temperature in kelvin.", "K"),
        ("Measure and return the speed in m/s.", "m/s"),
        ("The range in use, in volts.", "V"),
        ("The set point of the temperature, in °C.", "°C"),
        ("Return the upper limit of the voltage in volts.", "V"),
    ],
)
def test_a_docstring_tells_it(doc, unit):
    assert unit_of("measure", doc) == unit


@pytest.mark.parametrize(
    "doc",
    [
        GOOGLE.format("The result."),
        GOOGLE.format("The time in seconds and the voltage in volts."),
        GOOGLE.format("tuple[float, float]: time (s), voltage (V)"),
        GOOGLE.format("dict: The voltages in volts."),
        GOOGLE.format("The channel (A)"),
        GOOGLE.format("The voltage in volts. Divided by 1000 if given in mV."),
        GOOGLE.format("The voltage in volts per second."),
        NUMPY.format("v : float\n    The voltage (V)\ni : float\n    The current (A)"),
        SPHINX.format("the voltage after a delay in ms"),
        "Set the voltage in volts.",
        "Get or set the voltage in volts.",
        "Return the voltage for a threshold in mV.",
        "Return the rise time of the voltage in volts.",
        "Return the ratio of the voltages in volts.",
        "Return the range of the current source in volts.",
        "Return the limit of the oven in volts.",
        "The time in use by others, in seconds.",
        "Return the temperature in degrees.",
        "Return the voltage (min).",
        "Returns " + "the voltage in " * 5000,
    ],
)
def test_a_docstring_that_leaves_a_doubt(doc):
    assert unit_of("measure", doc) == ""


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("temperature_celsius", "°C"),
        ("get_frequency_hz", "Hz"),
        ("read_kelvin", "K"),
        ("voltage_mV", "mV"),
        ("duration_s", "s"),
        ("time_in_seconds", "s"),
        ("cpu_temperature_degC", "°C"),
        ("getTemperatureCelsius", "°C"),
        *[(name, "") for name in ("V", "m", "voltage", "set_voltage_mV", "wait_seconds", "is_hz")],
        *[(name, "") for name in ("power_mw", "get_freq_mhz", "voltage_min", "current_a")],
        *[(name, "") for name in ("query_db", "get_power_at_khz", "volts_per_hz", "read_v")],
        *[(name, "") for name in ("get_voltage_kelvin", "count_seconds", "move_to_mm", "")],
    ],
)
def test_a_name_tells_it(name, unit):
    assert unit_of(name, "") == unit


def test_when_they_differ_there_is_none():
    assert unit_of("temperature_celsius", "Return the temperature in degrees Celsius.") == "°C"
    assert unit_of("temperature_celsius", "Return the temperature in kelvin.") == ""

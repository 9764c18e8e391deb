"""The limits of a Manager: settings, each of them checked."""

import argparse
import dataclasses

import pytest

from msl_network import Limits, constants, filter_run_forever_kwargs
from msl_network.cli.limits import add_limits, read_limits
from msl_network.manager.starting import prepare


def test_each_limit_is_a_named_constant():
    for field in dataclasses.fields(Limits):
        assert field.default == getattr(constants, field.name.upper())
        assert field.name in Limits.__doc__


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "10", None, True])
def test_limit_that_is_no_positive_number(name, value):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"message_limit": 1 << 40}, "outgoing_limit must be at least twice message_limit"),
        ({"memory_limit": 1 << 20}, "memory_limit must be at least twice message_limit"),
        ({"unauthenticated": 1}, "unauthenticated must be at least unauthenticated_per_address"),
        ({"heartbeat": 0.01}, "heartbeat must be at least 0.1, not 0.01"),
        ({"outgoing_lines": 1}, "outgoing_lines must be at least twice requests_per_service"),
        ({"message_limit": 1.5}, "message_limit must be an integer, not 1.5"),
    ],
)
def test_limits_that_contradict_each_other(limits, text):
    with pytest.raises(ValueError, match=text):
        Limits(**limits)


def test_windows_has_room_for_fewer_sockets(monkeypatch):
    monkeypatch.setattr(constants, "IS_WINDOWS", True)
    Limits(connections=300, unauthenticated=150)
    with pytest.raises(ValueError, match="together must be at most 450 on Windows, not 451"):
        Limits(connections=301, unauthenticated=150)


def test_manager_is_given_limits():
    limits = Limits(heartbeat=3)
    options = filter_run_forever_kwargs(limits=limits, timeout=5)
    assert options == {"limits": limits}
    assert prepare(**options, disable_tls=True).limits is limits
    assert prepare(disable_tls=True).limits == Limits()


def test_what_goes_with_an_option_follows_it():
    parser = argparse.ArgumentParser()
    add_limits(parser)
    words = ["--message-limit", "1.5G", "--requests-per-service", "500000", "--heartbeat", "2.5"]
    options = vars(parser.parse_args(words))
    assert read_limits(options) == Limits(
        message_limit=3 << 29,
        outgoing_limit=3 << 30,
        memory_limit=6 << 30,
        requests_per_service=500_000,
        outgoing_lines=1_000_000,
        heartbeat=2.5,
    )
    assert options == {}


@pytest.mark.parametrize(
    ("text", "size"), [("100", 100), ("512K", 512 << 10), ("64 MiB", 64 << 20), ("1gb", 1 << 30)]
)
def test_sizes_as_people_write_them(text, size):
    parser = argparse.ArgumentParser()
    add_limits(parser)
    assert parser.parse_args(["--message-limit", text]).message_limit == size

"""The limits of a Manager as options of a command."""

import argparse
import re
from typing import TYPE_CHECKING, Any

from .. import constants

if TYPE_CHECKING:
    from ..manager import Limits

__all__ = ["add_limits", "read_limits"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([kmg]?)(?:i?b)?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

_OPTIONS: tuple[tuple[str, str, str], ...] = (
    ("message_limit", "SIZE", "The largest message; twice as much may wait for one device."),
    (
        "memory_limit",
        "SIZE",
        "What is held of all messages together. The device with the most of\nthem makes way.",
    ),
    ("handshake_limit", "SIZE", "The largest message of a device that is not known yet."),
    ("handshake_timeout", "SECONDS", "How long a device, or a person, has to authenticate."),
    (
        "heartbeat",
        "SECONDS",
        "How often each side says that it is alive. One that is\nsilent for two is dropped.",
    ),
    ("stall_timeout", "SECONDS", "How long a device may read nothing before it is dropped."),
    (
        "unauthenticated_per_address",
        "COUNT",
        "The most connections from an address that are not authenticated:\n"
        "then the oldest silent one makes way.",
    ),
    ("unauthenticated", "COUNT", "The most of them from all addresses."),
    ("connections", "COUNT", "The most devices."),
    ("requests_per_client", "COUNT", "The most requests of a Client that have no reply yet."),
    ("requests_per_service", "COUNT", "The most requests at a Service that have no reply yet."),
)


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give bytes, or 512K, 64M, 1.5G")
    return round(float(match[1]) * _FACTORS[match[2].lower()])


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add an option for each limit that the owner of a Manager would change."""
    group = parser.add_argument_group(
        "limits", "What the Manager puts up with. A SIZE is in bytes, or as in 512K, 64M, 1G."
    )
    kinds: dict[str, Any] = {"SIZE": _size, "SECONDS": float, "COUNT": int}
    for name, kind, text in _OPTIONS:
        default = getattr(constants, name.upper())
        shown = f"{default:g}"
        if kind == "SIZE":
            shown = f"{default >> 20}M" if default >> 20 else f"{default >> 10}K"
        group.add_argument(
            "--" + name.replace("_", "-"),
            type=kinds[kind],
            metavar=kind,
            help=f"{text}\n(default: {shown})",
        )


def read_limits(options: dict[str, Any]) -> "Limits":
    """Take the limits out of the options of a command.

    Raises:
        ValueError: One of them is not a positive number, or they contradict each other.
    """
    from ..manager import Limits

    given = {name: options.pop(name) for name, _, _ in _OPTIONS}
    chosen = {name: value for name, value in given.items() if value is not None}
    # what goes with one that has been changed
    if "message_limit" in chosen:
        chosen["outgoing_limit"] = 2 * chosen["message_limit"]
        chosen.setdefault("memory_limit", max(constants.MEMORY_LIMIT, 2 * chosen["outgoing_limit"]))
    if "requests_per_service" in chosen:
        chosen["outgoing_lines"] = 2 * chosen["requests_per_service"]
    return Limits(**chosen)

"""What a panel does as lines of Python, which a person can run as they stand."""

import keyword
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ...client.blocking import Link
from ...device import ConnectOptions
from ..results import source

__all__ = ["call_line", "connect_line", "keywords", "link_line", "stream_line"]


def connect_line(name: str, options: ConnectOptions) -> str:
    """The line that connects a Client; it has no password in it and asks for the ones it needs.

    Args:
        name: The name of the Client.
        options: How it reaches its Manager.
    """
    default = ConnectOptions()
    kwargs: dict[str, Any] = {} if name == "Client" else {"name": name}
    for option in fields(options):
        value = getattr(options, option.name)
        # what is not shown is secret
        if option.repr and value != getattr(default, option.name):
            kwargs[option.name] = value
    return f"client = connect({keywords(kwargs)})"


def link_line(service: str) -> str:
    """The line that links with a Service."""
    return f"link = client.link({source(service)})"


def call_line(
    method: str, args: Sequence[Any], kwargs: dict[str, Any], timeout: float | None = None
) -> str:
    """The line that calls a method of a Service.

    Args:
        method: Its name, which may be none in Python, or one that the link has itself.
        args: The positional arguments.
        kwargs: The keyword arguments.
        timeout: The seconds that the call may take; None for as long as it takes.
    """
    target = f"link[{source(method)}]"
    # Python takes some letters of other scripts for others
    if method.isascii() and _is_name(method) and method[0] != "_" and not hasattr(Link, method):
        target = f"link.{method}"
    words = [source(value) for value in args]
    if kwargs:
        words.append(keywords(kwargs))
    if timeout is not None:
        words.append(f"timeout={source(timeout)}")
    return f"{target}({', '.join(words)})"


def stream_line(call: str) -> str:
    """The line that shows the items of a method that yields.

    Args:
        call: The line that calls it.
    """
    return f"for item in {call}: print(item)"


def keywords(kwargs: dict[str, Any]) -> str:
    """Keyword arguments, as they stand in a call.

    Args:
        kwargs: The values by their keyword.
    """
    if all(name.isascii() and _is_name(name) for name in kwargs):
        return ", ".join(f"{name}={source(value)}" for name, value in kwargs.items())
    return f"**{source(kwargs)}"


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)

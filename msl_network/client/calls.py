"""A Service's attributes as they look on a link: functions with a signature and a docstring."""

import asyncio
from collections.abc import Callable
from typing import Any

from ..escaping import escaped
from .docs import attribute_doc
from .errors import UnknownAttributeError
from .links import LinkState
from .notifier import Handler
from .signature import parse_signature

__all__ = ["attribute_names", "call_options", "check_attribute", "remote_callable", "yields"]


def remote_callable(state: LinkState, name: str, send: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of an attribute of a Service.

    Args:
        state: The link.
        name: The name of the attribute.
        send: Called with the positional and the keyword arguments; sends the request.

    Returns:
        A function with the signature that the Service tells, for `help`, `?` and completion.
    """
    offer = state.identity.get("attributes", {}).get(name)
    signature = parse_signature(offer)

    def call(*args: Any, **kwargs: Any) -> Any:
        return send(args, kwargs)

    # what comes over the network is shown, and must not act on a terminal
    shown = escaped(name)
    call.__name__, call.__qualname__ = shown, f"{state.service}.{shown}"
    of = f"of the Service {state.service!r}"
    doc = attribute_doc(state.identity, name)
    if signature is not None:
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = doc or f"A method {of}."
    elif isinstance(offer, str) and offer.startswith("("):
        call.__doc__ = f"{shown}{escaped(offer)}\n\n{doc or f'A method {of}.'}"
    elif offer is None:
        call.__doc__ = f"An attribute {of}."
    else:
        value = f"An attribute {of}, {offer!r} when the link was made."
        call.__doc__ = f"{doc}\n\n{value}" if doc else value
    return call


def attribute_names(state: LinkState) -> list[str]:
    """The attributes that a Service offers and that are names in Python."""
    return [name for name in state.identity.get("attributes", {}) if name.isidentifier()]


def check_attribute(state: LinkState, name: str) -> None:
    """Check whether a Service can have an attribute.

    Raises:
        AttributeError: The link has been broken, or the Service, which told what it has, does
            not have it.
    """
    if state.session is None:
        raise AttributeError(f"Cannot access {name!r} since the link has been broken")
    offered = state.identity.get("attributes", {})
    # 1.x leaves out of its identity what it can't describe, and any Service may do more than
    # it tells: link["name"] asks it all the same
    if offered and name not in offered:
        raise UnknownAttributeError(
            f"The {state.service!r} service has no attribute {name!r}. "
            f"It has: {', '.join(sorted(map(escaped, offered)))}"
        )


def call_options(kwargs: dict[str, Any], loop: asyncio.AbstractEventLoop | None) -> dict[str, Any]:
    """Take the keyword arguments that are about a call, and not the Service's, out of the others.

    Args:
        kwargs: The keyword arguments of a call.
        loop: The loop on which a handler is called; None for a thread of its own.

    Returns:
        What `LinkState.request` takes of them.

    Raises:
        TypeError: `on_progress` can't be called.
    """
    options = {"timeout": kwargs.pop("timeout", None)}
    if "safe_to_repeat" in kwargs:
        options["safe_to_repeat"] = kwargs.pop("safe_to_repeat")
    if (function := kwargs.pop("on_progress", None)) is not None:
        if not callable(function):
            raise TypeError(f"on_progress={function!r} can't be called")
        options["on_progress"] = Handler(function, loop)
    return options


def yields(state: LinkState, name: str) -> bool:
    """Whether an attribute is a method that yields, whose items can be had one by one."""
    identity = state.identity
    return name in identity.get("streams", ()) and "stream" in identity.get("features", ())

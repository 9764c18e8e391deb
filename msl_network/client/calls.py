"""A Service's attributes as they look on a link: functions with a signature and a docstring."""

from collections.abc import Callable
from typing import Any

from .errors import UnknownAttributeError
from .links import LinkState
from .signature import parse_signature

__all__ = ["attribute_names", "check_attribute", "remote_callable"]


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

    call.__name__, call.__qualname__ = name, f"{state.service}.{name}"
    if signature is not None:
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = f"A method of the Service {state.service!r}."
    elif isinstance(offer, str) and offer.startswith("("):
        call.__doc__ = f"{name}{offer}\n\nA method of the Service {state.service!r}."
    elif offer is None:
        call.__doc__ = f"An attribute of the Service {state.service!r}."
    else:
        call.__doc__ = (
            f"An attribute of the Service {state.service!r}, {offer!r} when the link was made."
        )
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
            f"It has: {', '.join(sorted(offered))}"
        )

"""A Service's attributes as they look on a link: callables with a signature and a docstring."""

import inspect
from collections.abc import Callable
from typing import Any

from .errors import UnknownAttributeError
from .session import LinkState
from .signature import parse_signature

__all__ = ["RemoteCallable", "attribute_names", "check_attribute"]


class RemoteCallable:
    """An attribute of a Service, to be called.

    Args:
        state: The link.
        name: The name of the attribute.
        send: Called with the arguments, sends the request.
    """

    def __init__(self, state: LinkState, name: str, send: Callable[..., Any]) -> None:
        self.__name__ = name
        self.__qualname__ = f"{state.service}.{name}"
        self._service = state.service
        self._send = send
        self._offer = state.identity.get("attributes", {}).get(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request for the attribute to the Service."""
        return self._send(args, kwargs)

    @property
    def __signature__(self) -> inspect.Signature | None:
        return parse_signature(self._offer)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        where = f"of the Service {self._service!r}"
        if isinstance(self._offer, str) and self._offer.startswith("("):
            return f"{self.__name__}{self._offer}\n\nA method {where}."
        if self._offer is None:
            return f"An attribute {where}."
        return f"An attribute {where}, {self._offer!r} when the link was made."

    def __repr__(self) -> str:
        if isinstance(self._offer, str) and self._offer.startswith("("):
            return f"<{self.__qualname__}{self._offer}>"
        return f"<{self.__qualname__}>"


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

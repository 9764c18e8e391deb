"""What a Service tells a Manager of itself: as much as the Manager knows what to do with."""

import functools
import inspect
from types import MethodType
from typing import TYPE_CHECKING, Any

from .constants import DOC_LIMIT, DOCS_LIMIT, HANDSHAKE_LIMIT
from .display import Description, attributes_table
from .wire.codec import encode
from .wire.messages import Message

if TYPE_CHECKING:
    from .service import Service

__all__ = ["describe", "introduce"]

ROOM = 1024
"""Bytes that are left free in an identity: for the names of features, and of fields."""


def introduce(service: "Service", question: Message) -> dict[str, Any]:
    """Make the identity of a Service; not on the loop, since its properties are looked at.

    Args:
        service: The Service.
        question: The Manager's request for the identity. One of 1.x names no features, and is told
            what it knows.
    """
    identity = service.identity()
    names = identity["attributes"]
    if "stream" in question.features:
        identity["streams"] = [name for name in names if _yields(service, name)]
    if "docs" in question.features:
        docs = {name: doc for name in names if (doc := _docstring(service, name))}
        limit = question.identity_limit or HANDSHAKE_LIMIT
        room = min(DOCS_LIMIT, limit - ROOM - len(encode(identity)))
        identity["doc"], identity["docs"] = _bounded(_class_doc(service), docs, room)
    return identity


def describe(service: "Service", state: str) -> Description:
    """What a Service says of itself where it runs, without a look at its properties.

    Args:
        service: The Service.
        state: How it is doing.
    """
    hidden, _ = service._terms()
    names = [name for name in dir(service) if not name.startswith("_") and name not in hidden]
    return Description(
        service.name,
        state,
        line=repr(service),
        doc=_class_doc(service),
        table=attributes_table(
            {name: _outline(service, name) for name in names},
            {name: _docstring(service, name) for name in names},
        ),
    )


def _outline(service: "Service", name: str) -> Any:
    """A signature or a value, or `...` for what may ask the instrument."""
    found = inspect.getattr_static(service, name)
    if not inspect.isroutine(found) and hasattr(type(found), "__get__"):
        return ...
    value = getattr(service, name)
    try:
        return str(inspect.signature(value)) if callable(value) else value
    except (TypeError, ValueError):
        return "(...)"


def _yields(service: "Service", name: str) -> bool:
    method = inspect.getattr_static(type(service), name, None)
    function = getattr(method, "__func__", method)
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _docstring(service: "Service", name: str) -> str:
    """The docstring of a method or a property; a value has only that of its type."""
    # without looking at the value, which may ask the instrument
    for place in (service, *type(service).__mro__):
        found = vars(place).get(name)
        if isinstance(found, staticmethod | classmethod | MethodType):
            found = found.__func__
        described = isinstance(found, property | functools.cached_property)
        if described or inspect.isroutine(found) or inspect.isclass(found):
            doc = found.__doc__
            if isinstance(doc, str):
                return inspect.cleandoc(doc)
    return ""


def _class_doc(service: "Service") -> str:
    from .service import Service

    kinds = type(service).__mro__
    for kind in kinds[: kinds.index(Service)]:
        if isinstance(doc := kind.__dict__.get("__doc__"), str):
            return inspect.cleandoc(doc)
    return ""


def _bounded(doc: str, docs: dict[str, str], room: int) -> tuple[str, dict[str, str]]:
    """Cut what is too long, then drop the longest ones until the rest fits in the room (bytes)."""
    # no attribute has an empty name
    cut = {name: _cut(text) for name, text in {"": doc, **docs}.items()}
    sizes = {name: len(encode({name: text})) for name, text in cut.items()}
    left = sum(sizes.values())
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if left <= room:
            break
        left -= sizes[name]
        del cut[name]
    return cut.pop("", ""), cut


def _cut(text: str) -> str:
    return text if len(text) <= DOC_LIMIT else text[: DOC_LIMIT - 1] + "\N{HORIZONTAL ELLIPSIS}"

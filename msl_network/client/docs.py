"""The docstrings of a Service, which arrive as text: bounded, and harmless for a terminal."""

from functools import lru_cache
from typing import Any

from ..constants import DOC_LIMIT
from ..escaping import escaped

__all__ = ["LinkDoc", "attribute_doc", "service_doc"]


def attribute_doc(identity: dict[str, Any], name: str) -> str:
    """The docstring of an attribute of a Service; empty where there is none.

    Args:
        identity: The Service's entry in the Manager's identity.
        name: The name of the attribute.
    """
    docs = identity.get("docs")
    return _text(docs.get(name)) if isinstance(docs, dict) else ""


def service_doc(identity: dict[str, Any]) -> str:
    """The docstring of a Service; empty where there is none.

    Args:
        identity: The Service's entry in the Manager's identity.
    """
    return _text(identity.get("doc"))


class LinkDoc:
    """The docstring of a class of links, of which each link has that of its Service.

    Args:
        doc: The docstring of the class.
    """

    def __init__(self, doc: str | None) -> None:
        self._doc = doc

    def __get__(self, link: Any, owner: type | None = None) -> str | None:
        if link is None:
            return self._doc
        lines = [link.service_doc or f"The Service {link.service_name!r}.", "", "It offers:", ""]
        docs = link.service_docs
        for name, offer in sorted(link.service_attributes.items()):
            is_method = isinstance(offer, str) and offer.startswith("(")
            lines.append(escaped(f"    {name}{offer}" if is_method else f"    {name}"))
            if name in docs:
                first, *_ = docs[name].splitlines()
                lines.append(f"        {first}")
        return "\n".join(lines)


def _text(value: object) -> str:
    return _harmless(value[:DOC_LIMIT]) if isinstance(value, str) else ""


# the asynchronous face of a link makes its functions anew for each call
@lru_cache(maxsize=256)
def _harmless(text: str) -> str:
    return escaped(text.replace("\r\n", "\n"), keep="\n\t")

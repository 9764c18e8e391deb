"""What Services that share a name have in common."""

import re
from collections.abc import Iterator
from typing import Any

from ..wire.messages import ServiceIdentity

__all__ = ["check_replica"]

DIFFERENCES = 5
"""Most attributes of a replica that a refusal names."""

# where a default value was in the memory of its process
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")

# a text in quotes, a bracket, a sign between parameters or their parts, or anything else; each
# reads on from where the one before has ended, whatever there is
_PART = re.compile(
    r"""'(?:[^'\\]|\\.)*'? | "(?:[^"\\]|\\.)*"? | [][(){},:=] | [^][(){},:='"]+""",
    re.VERBOSE | re.DOTALL,
)


def check_replica(new: ServiceIdentity, there: ServiceIdentity) -> None:
    """Check that a Service may share the name of one that is there.

    A Client that has looked at one must be able to call any of them: they have the same names, the
    methods among them the same parameters, and the same of them yield. A value may differ, as the
    reading or the serial number of an instrument does; and so may annotations, which versions of
    Python write differently. `max_clients` is a promise to each Service, whichever Clients its
    requests come from, so that the name can't have the sum; and to have the smallest would not help
    one that comes when more are linked.

    Raises:
        NameError: It may not, and why.
    """
    text = f"A {new.name!r} service is already running on the Manager"
    if not there.is_replica and not new.is_replica:
        raise NameError(text)  # no more than 1.x says
    if not there.is_replica:
        raise NameError(f"{text}, and it is no replica: it does not share its name")
    if not new.is_replica:
        raise NameError(f"{text}. It shares its name, but only with Services that are replicas")
    differing = {*new.streams} ^ {*there.streams}
    for name in {*new.attributes, *there.attributes}:
        if not (
            name in new.attributes
            and name in there.attributes
            and _is_same(new.attributes[name], there.attributes[name])
        ):
            differing.add(name)
    shown = [f"{name!r:.50}" for name in sorted(differing)[:DIFFERENCES]]
    if len(differing) > DIFFERENCES:
        shown.append(f"{len(differing) - DIFFERENCES} more attributes")
    if new.limit != there.limit:
        shown.append(f"max_clients, {new.limit} instead of {there.limit}")
    if shown:
        raise NameError(
            f"{text}, and its replicas must offer the same. What differs: {', '.join(shown)}"
        )


def _is_same(offer: Any, other: Any) -> bool:
    """Whether two offers are values, or methods that are called in the same way."""
    if not _is_signature(offer) or not _is_signature(other):
        return not _is_signature(offer) and not _is_signature(other)
    return offer == other or [*_parameters(offer)] == [*_parameters(other)]


def _is_signature(offer: Any) -> bool:
    return isinstance(offer, str) and offer.startswith("(")


def _parameters(signature: str) -> Iterator[str]:
    """The parts of a signature that matter to who calls: names, stars, slashes and defaults."""
    depth, told, is_annotation = 0, False, False
    for part in _PART.findall(_ADDRESS.sub("", signature)):
        if part in (")", "]", "}"):
            depth -= 1
            if depth == 0:
                return  # what it returns is annotated, too
        if depth == 1 and part in (",", "="):
            told, is_annotation = part == "=", False
        elif depth == 1 and part == ":" and not told:
            is_annotation = True
        if not is_annotation and (text := part.strip()):
            yield text
        if part in ("(", "[", "{"):
            depth += 1

"""The identities of all devices as text, laid out as in 1.x."""

from typing import Any

from ..escaping import escaped

__all__ = ["identities_as_string"]


def identities_as_string(manager: dict[str, Any], indent: int = 2) -> str:
    """Write the identity of a Manager for a person.

    Args:
        manager: The identity.
        indent: How many spaces each level is indented by.

    Raises:
        ConnectionError: It is no identity.
    """
    try:
        return _text(manager, indent)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConnectionError(
            f"The Manager does not say what is on it ({type(error).__name__}: {error}). "
            f"It is no Manager, or a defective one"
        ) from None


def _text(manager: dict[str, Any], indent: int) -> str:
    tab = " " * indent
    lines = [f"Manager[{manager['hostname']}:{manager['port']}]"]
    for key in sorted(manager.keys() - {"hostname", "port", "clients", "services"}):
        if key == "attributes":
            lines.append(f"{tab}attributes:")
            lines += [f"{2 * tab}{name}{text}" for name, text in sorted(manager[key].items())]
        else:
            lines.append(f"{tab}{key}: {manager[key]}")
    lines.append(f"Clients [{len(manager['clients'])}]:")
    for network_name, client in sorted(manager["clients"].items()):
        lines.append(f"{tab}{network_name}")
        lines += [
            f"{2 * tab}{key}: {client[key]}" for key in sorted(client.keys() - {"name", "address"})
        ]
    lines.append(f"Services [{len(manager['services'])}]:")
    for name, service in sorted(manager["services"].items()):
        lines.append(f"{tab}{name}[{service['address']}]")
        for key in sorted(service.keys() - {"address"}):
            if key == "attributes":
                lines.append(f"{2 * tab}attributes:")
                lines += [
                    f"{3 * tab}{attribute}{_signature(offer)}"
                    for attribute, offer in sorted(service[key].items())
                ]
            else:
                lines.append(f"{2 * tab}{key}: {service[key]}")
    # what a device says of itself is shown, and neither begins a line nor acts on a terminal
    return "\n".join(map(escaped, lines))


def _signature(offer: Any) -> str:
    # a constant or a property is called without arguments
    return offer if isinstance(offer, str) and offer.startswith("(") else f"() -> {offer}"

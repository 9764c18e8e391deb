"""How a Client, a Link and a Service look as a cell's result.

IPython is told how to show them, so that the classes themselves know nothing of a notebook. What is
shown is HTML that reads well in a saved notebook, and in a kernel with widgets the panel.
"""

import html
from typing import Any

from ..escaping import escaped
from .bridge import in_kernel

__all__ = ["client_html", "install", "link_html"]

_TABLE = "border-collapse:collapse;margin:.3em 0"
_CELL = "text-align:left;padding:.15em .8em .15em 0;vertical-align:top"


def install() -> None:
    """Teach IPython. Nothing happens outside of a kernel."""
    if not in_kernel():
        return
    from IPython import get_ipython

    from ..client.blocking import Client, Link
    from ..client.linked import LinkedClient
    from .launch import LaunchedClient

    formatter = get_ipython().display_formatter
    formatter.mimebundle_formatter.for_type(LaunchedClient, _with_panel)
    formatters = formatter.formatters
    formatters["text/html"].for_type(Client, client_html)
    formatters["text/html"].for_type(Link, link_html)
    formatters["text/html"].for_type(LinkedClient, link_html)


def link_html(link: Any) -> str:
    """A link (or a linked Client) and what its Service offers.

    Args:
        link: A `Link` or a `LinkedClient`.
    """
    docs = link.service_docs
    rows = "".join(
        f'<tr><td style="{_CELL}"><code>{html.escape(escaped(name))}</code></td>'
        f'<td style="{_CELL}"><code>{html.escape(escaped(_short(offer)))}</code></td>'
        f'<td style="{_CELL}">{html.escape(_short(_first_line(docs.get(name, ""))))}</td></tr>'
        for name, offer in sorted(link.service_attributes.items())
    )
    facts = f"{link.service_address}, {link.service_language}"
    return (
        f"<div><b>{html.escape(link.service_name)}</b> {html.escape(escaped(facts))}"
        f"<br><small>{html.escape(repr(link))}</small>{_doc_html(link.service_doc)}"
        f'<table style="{_TABLE}"><thead><tr><th style="{_CELL}">Attribute</th>'
        f'<th style="{_CELL}">Signature or value</th><th style="{_CELL}">Description</th>'
        "</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def client_html(client: Any) -> str:
    """A Client and the Manager that it is connected to."""
    if client.is_reconnecting():
        return (
            f"<div><b>{html.escape(client.name)}</b> has lost its connection to the Manager at "
            f"<code>{html.escape(client.address_manager)}</code>, and is connecting again</div>"
        )
    if not client.is_connected():
        return f"<div><b>{html.escape(client.name)}</b> is disconnected</div>"
    return (
        f"<div><b>{html.escape(client.name)}</b> is connected to the Manager at "
        f"<code>{html.escape(client.address_manager)}</code>, from port {client.port}</div>"
    )


def _with_panel(client: Any, **_: Any) -> dict[str, Any] | None:
    """A linked Client as the panel that calls its Service, with what a saved notebook shows."""
    if client.link is None:
        return None  # as any other
    from .panels import CallPanel

    bundle: dict[str, Any] = CallPanel(client.link)._repr_mimebundle_()
    return {**bundle, "text/html": link_html(client), "text/plain": repr(client)}


def _doc_html(doc: str) -> str:
    return (
        f'<div style="white-space:pre-wrap;margin:.3em 0">{html.escape(doc)}</div>' if doc else ""
    )


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _short(offer: Any, most: int = 200) -> str:
    text = offer if isinstance(offer, str) else repr(offer)
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"

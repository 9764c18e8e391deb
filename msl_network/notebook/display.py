"""The panels that a Client and a link are shown as, where a kernel has widgets."""

from collections import OrderedDict
from importlib.util import find_spec
from typing import Any, Final

from .. import display
from ..client.blocking import Client, Link
from ..client.linked import LinkedClient
from .bridge import in_kernel

__all__ = ["install"]

MOST: Final = 32
"""Most panels that displays have made. A cell that is run again and again makes one each time, and
ipywidgets keeps a panel until it is closed."""

_panels: "OrderedDict[int, tuple[object, Any]]" = OrderedDict()


def install() -> None:
    """Show a Client and a link as a panel, too. Nothing happens without widgets."""
    if in_kernel() and find_spec("ipywidgets") is not None:
        display.set_widget(_widget)


def _widget(shown: object) -> dict[str, Any] | None:
    """The mimebundle of an object's panel; None for an object without one."""
    if isinstance(shown, LinkedClient):
        subject: Any = shown.link
    else:
        subject = shown if isinstance(shown, Client | Link) else None
    if subject is None:
        return None
    bundle: dict[str, Any] = _panel(subject)._repr_mimebundle_()
    # a saved notebook keeps what the object says of itself, and not what the widget does
    return {kind: data for kind, data in bundle.items() if not kind.startswith("text/")}


def _panel(subject: Any) -> Any:
    from .panels import CallPanel, ServicesPanel

    _, panel = _panels.pop(id(subject), (None, None))
    if panel is None or panel._closed:
        panel = ServicesPanel(subject) if isinstance(subject, Client) else CallPanel(subject)
        panel._view_count = 0  # the browsers count from here on
    # what is shown keeps its object, so that no other one can have its id
    _panels[id(subject)] = subject, panel
    while len(_panels) > MOST:
        _close_one()
    return panel


def _close_one() -> None:
    """Close the oldest panel that is on no page, or else the oldest."""
    oldest = [key for key, (_, panel) in _panels.items() if not panel._view_count]
    _, panel = _panels.pop(oldest[0] if oldest else next(iter(_panels)))
    panel.close()

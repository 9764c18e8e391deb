"""The toolkit for a notebook: `connect`, the panels, and how things look as a cell's result.

Importing this module makes blocking calls keep the kernel alive while they wait (see `bridge`), and
teaches IPython how to show a Client, a Link and what comes from them (see `display`).
"""

from typing import TYPE_CHECKING, Any

from . import bridge, display
from .launch import connect

if TYPE_CHECKING:
    from .panels import CallPanel, ConnectPanel, ServicesPanel

__all__ = ["CallPanel", "ConnectPanel", "ServicesPanel", "connect"]

bridge.install()
display.install()


def __getattr__(name: str) -> Any:
    # ipywidgets is only loaded for those who use a panel
    if name in ("CallPanel", "ConnectPanel", "ServicesPanel"):
        from . import panels

        return getattr(panels, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

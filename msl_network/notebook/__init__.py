"""The toolkit for a notebook: `connect`, the panels, and how things look as a cell's result.

Importing this module makes blocking calls keep the kernel alive while they wait (see `bridge`), and
teaches IPython how to show a Client, a Link and what comes from them (see `display`).
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import bridge, display
from .launch import connect
from .served import serve

if TYPE_CHECKING:
    from ..client.blocking import Client, Link
    from ..client.linked import LinkedClient
    from .panels import (
        CallPanel,
        ConnectPanel,
        Dashboard,
        LaunchPanel,
        LogPanel,
        NotificationsPanel,
        ServicePanel,
        ServicesPanel,
    )
    from .plot import Plot
    from .results import ResultView

__all__ = [
    "CallPanel",
    "ConnectPanel",
    "Dashboard",
    "LaunchPanel",
    "LogPanel",
    "NotificationsPanel",
    "Plot",
    "ResultView",
    "ServicePanel",
    "ServicesPanel",
    "connect",
    "dashboard",
    "serve",
]

bridge.install()
display.install()
if bridge.in_kernel():
    from IPython import get_ipython

    from . import completion

    completion.install(get_ipython())


def dashboard(of: "Client | Link | LinkedClient | str | None" = None, **kwargs: Any) -> "Dashboard":
    """All panels in one: connecting or launching, Services, calls, notifications.

    Args:
        of: A Client or a link that is there already, or the name or address of a Manager's
            computer.
        kwargs: Other keyword arguments of `connect`, to be filled in.
    """
    from .panels import Dashboard

    return Dashboard(of, **kwargs)


def __getattr__(name: str) -> Any:
    # ipywidgets is only loaded for those who use a panel
    if name in __all__:
        room = {"Plot": "plot", "ResultView": "results"}.get(name, "panels")
        return getattr(importlib.import_module(f".{room}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Control laboratory instruments over a network, from a notebook.

A Manager links the requests of Clients with the Services that execute them. The names below are
loaded when they are first used.
"""

from typing import TYPE_CHECKING, Any

from .version import __version__, version_info

if TYPE_CHECKING:
    from . import aio, ssh
    from .client.blocking import Client, Link, connect, filter_client_connect_kwargs
    from .client.errors import RemoteError
    from .client.linked import LinkedClient
    from .database import ConnectionsTable, HostnamesTable, UsersTable
    from .lanes import serial
    from .manager import Limits, LocalManager, filter_run_forever_kwargs
    from .running import run_services
    from .service import Service, filter_service_start_kwargs

__all__ = [
    "Client",
    "ConnectionsTable",
    "HostnamesTable",
    "Limits",
    "Link",
    "LinkedClient",
    "LocalManager",
    "RemoteError",
    "Service",
    "UsersTable",
    "__version__",
    "aio",
    "connect",
    "filter_client_connect_kwargs",
    "filter_run_forever_kwargs",
    "filter_service_start_kwargs",
    "run_services",
    "serial",
    "ssh",
    "version_info",
]

_HOMES = {
    "Client": "client.blocking",
    "ConnectionsTable": "database",
    "HostnamesTable": "database",
    "Limits": "manager",
    "Link": "client.blocking",
    "LinkedClient": "client.linked",
    "LocalManager": "manager",
    "RemoteError": "client.errors",
    "Service": "service",
    "UsersTable": "database",
    "connect": "client.blocking",
    "filter_client_connect_kwargs": "client.blocking",
    "filter_run_forever_kwargs": "manager",
    "filter_service_start_kwargs": "service",
    "run_services": "running",
    "serial": "lanes",
}
_MODULES = frozenset(
    {"aio", "constants", "cryptography", "database", "examples", "json", "manager", "ssh"}
)


def load_ipython_extension(shell: Any) -> None:
    """Do what `%load_ext msl_network` asks for."""
    import importlib

    importlib.import_module(".notebook.magics", __name__).load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Do what `%unload_ext msl_network` asks for."""
    import importlib

    importlib.import_module(".notebook.magics", __name__).unload(shell)


def __getattr__(name: str) -> Any:
    import importlib

    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})

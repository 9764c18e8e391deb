"""The Manager: what links the requests of Clients with the Services that execute them."""

from .limits import Limits
from .local import LocalManager
from .running import filter_run_forever_kwargs, run_forever

__all__ = ["Limits", "LocalManager", "filter_run_forever_kwargs", "run_forever"]

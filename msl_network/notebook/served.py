"""Services that serve from this notebook: started by a cell, and reloaded when it is run again."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..manager import LocalManager
from ..running_service import RunningService
from ..service import Service
from .own_manager import manager_kwargs

if TYPE_CHECKING:
    from .panels import ServicePanel

__all__ = ["serve"]


@dataclass(slots=True)
class _Served:
    """A Service that was started here.

    Attributes:
        panel: Its panel.
        where: What was said of where its Manager is.
    """

    panel: "ServicePanel"
    where: dict[str, Any] = field(repr=False)  # there may be a password in it


_served: dict[str, _Served] = {}


def serve(
    service: Service | type[Service],
    *,
    manager: LocalManager | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> "ServicePanel":
    """Start a Service in the background of this notebook, or reload it if it runs already.

    Run again with the changed class, it reloads the Service of that name: the connection, the links
    and the locks of its Clients stay, see `RunningService.reload`. On another Manager, the new one
    is started and the old one stopped. If anything fails, also in the constructor, the one that
    runs goes on. The Service ends with the kernel.

    Example:
        >>> class Thermometer(Service):
        ...     def temperature(self) -> float:
        ...         return 20.1
        >>> serve(Thermometer)

    Args:
        service: The class, or an object of it that does not run yet.
        manager: A Manager in this process, to be connected to.
        name: The name on the Manager, instead of the one that the object has.
        kwargs: Those of `Service.start`. Without `host`, `port` and a `manager` it is the Manager
            of this computer; if none answers on the usual port, this process starts one.

    Returns:
        The panel of the Service, with its log: the same one each time, until it is closed.

    Raises:
        TypeError: It is no Service.
        Exception: As `Service.start` and `RunningService.reload`, and what the constructor raises.
    """
    from .panels import ServicePanel

    made = service() if isinstance(service, type) else service
    if not isinstance(made, Service):
        raise TypeError(f"{service!r} is no Service: derive the class from msl_network.Service")
    if name is not None:
        made._name = name
    where = {**kwargs, "manager": manager}
    served = _served.get(made.name)
    running, is_own = None if served is None else served.panel.running, False
    if running is None or served is None or not running.is_running():
        options, is_own = _where(manager, kwargs)
        running = made.start_in_background(**options)
    elif running.service is not made and served.where != where:
        options, is_own = _where(manager, kwargs)
        running = _move(running, made, options)
    elif running.service is not made:
        running.reload(made)
    if served is not None and not served.panel.is_closed:
        panel = served.panel
        panel.running = running
        panel.look()
    else:
        panel = ServicePanel(running)
    _served[made.name] = _Served(panel, where)
    if is_own:
        panel.journal.tell("The Manager is one that this kernel has started, and ends with it.")
    return panel


def _move(running: RunningService, made: Service, options: dict[str, Any]) -> RunningService:
    """Start a Service, then stop the one in whose place it comes."""
    try:
        moved = made.start_in_background(**options)
    except NameError:
        # it is the same Manager, or one that has such a Service already, which the next try shows
        running.stop()
        return made.start_in_background(**options)
    running.stop()
    return moved


def _where(manager: LocalManager | None, kwargs: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """What starts a Service, and whether its Manager is this process's own."""
    if manager is not None:
        return {**manager.kwargs, **kwargs}, False
    if "host" in kwargs or "port" in kwargs:
        return kwargs, False
    found, is_own = manager_kwargs()
    return {**found, **kwargs}, is_own

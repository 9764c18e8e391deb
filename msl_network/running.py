"""A Manager with its Services, in one program."""

import asyncio
from typing import Any

from .asking import ask_nobody
from .manager.running import filter_run_forever_kwargs, report, run_manager
from .manager.starting import CannotStartError, Running
from .service import Service, filter_service_start_kwargs
from .serving import ServiceSession

__all__ = ["run_services"]


def run_services(*services: Service, **kwargs: Any) -> int:
    """Run a Manager for as long as these Services are connected to it.

    Args:
        services: Services that have been made but not started.
        kwargs: Those of `manager.run_forever` and of `Service.start`. What neither of them knows
            is ignored.

    Returns:
        0 after an orderly end, 1 if the Manager could not start or a Service could not connect.

    Raises:
        TypeError: One of `services` is not a Service.
    """
    if not services:
        report("Warning... no services have been specified")
        return 1
    for service in services:
        if not isinstance(service, Service):
            raise TypeError(f"All services must be of type {Service}")
    options = filter_run_forever_kwargs(**kwargs)
    log = {name: options.pop(name) for name in list(options) if name.startswith("log_")}
    start_kwargs = filter_service_start_kwargs(**kwargs)

    async def until_disconnected(running: Running) -> None:
        sessions: list[ServiceSession] = []
        stopped = asyncio.ensure_future(running.manager.stopped.wait())
        try:
            for service in services:
                # the Manager of this very program is not one that comes back
                kwargs = {**start_kwargs, "port": running.manager.port, "reconnect": 0}
                try:
                    sessions.append(await service._serve(ask_nobody, **kwargs))
                except (OSError, ValueError, NameError, TypeError) as error:
                    raise CannotStartError(f"{type(error).__name__}: {error}") from error
            # only now: who starts this on another computer links with a Service next
            running.announce()
            ended = asyncio.gather(*[asyncio.wrap_future(session.ended) for session in sessions])
            waiting: list[asyncio.Future[Any]] = [ended, stopped]
            await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
        finally:
            stopped.cancel()
            for session in sessions:
                session.close()
            # for as long as it takes: what makes an instrument safe is not cut off
            ends = [asyncio.wrap_future(session.ended) for session in sessions]
            await asyncio.gather(stopped, *ends, return_exceptions=True)

    return run_manager(options, until_disconnected, **log)

"""A Service in the background of this process: looked at, reloaded, stopped and started again."""

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from . import asking
from .asking import Ask
from .constants import SHUTDOWN_TIMEOUT
from .display import Description, Displayed
from .request import Request
from .serving import ServiceSession

if TYPE_CHECKING:
    from .service import Service

__all__ = ["RunningService"]

logger = logging.getLogger(__package__)


class RunningService(Displayed):
    """A Service in the background of this process."""

    def __init__(self, session: ServiceSession) -> None:
        self._session = session
        self._process = os.getpid()
        self._reloading = threading.Lock()
        # whoever does not keep this object has a Service for as long as the process runs
        atexit.register(self._exit)

    def __repr__(self) -> str:
        state = "running" if self.is_running() else "stopped"
        if self.is_running() and not self.is_connected():
            state = "connecting again"
        return f"<{self.service.name!r} service {state}>"

    def _repr_description_(self) -> Description:
        return replace(self.service._repr_description_(), line=repr(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def service(self) -> "Service":
        """The Service: the object that serves now."""
        return self._session.service

    @property
    def address_manager(self) -> str:
        """`host:port` of the Manager."""
        return self._session.address

    @property
    def requests(self) -> list[Request]:
        """The requests that have no reply yet."""
        return self._session.executor.requests

    @property
    def request_count(self) -> int:
        """How many requests there have been since it was started."""
        return self._session.executor.count

    @property
    def reason(self) -> Exception | None:
        """Why the connection has ended for good; None if it has not, or has been ended here."""
        return self._session.reason

    def on_error(self, callback: Callable[[Request, BaseException], object]) -> Callable[[], None]:
        """Have a function called whenever a method has ended with an exception.

        Args:
            callback: Called with the request and the exception, on the thread of the method: it
                must return at once.

        Returns:
            What takes the function away again: call it without arguments.
        """
        callbacks = self._session.executor.on_error
        callbacks.append(callback)

        def take_away() -> None:
            with contextlib.suppress(ValueError):
                callbacks.remove(callback)

        return take_away

    def is_running(self) -> bool:
        """Whether it serves, or tries to connect again."""
        return not self._session.ended.done() and os.getpid() == self._process

    def is_connected(self) -> bool:
        """Whether the Manager can be reached."""
        return self._session.is_connected

    def reload(self, service: "Service") -> None:
        """Let another object serve from now on, as after a change of its class.

        The connection stays, and with it links and locks; Clients see what the new one offers. A
        request that runs ends on the object that it began on, which holds up those that must not
        run at the same time; those that wait are executed by the new one. The tasks that the old
        one has added are cancelled. Its `shutdown_handler` is called when nothing runs on it any
        more, unless the new one overrides `Service.take_over`.

        A Manager that does not know of this (1.x) goes on telling Clients what the old one offered.

        Args:
            service: What serves from now on; it has the same name, and is not running.

        Raises:
            ValueError: It has another name, or the Manager refuses it: what replicas offer must
                be the same. Nothing has changed.
            RuntimeError: This one has ended, or is being reloaded by another thread, or the new one
                is running already.
            TimeoutError: The Manager does not answer. Nothing has changed.
            Exception: What `take_over` of the new one raises. Nothing has changed.
        """
        old = self.service
        if service.name != old.name:
            raise ValueError(
                f"{old.name!r} can't become {service.name!r}: Clients are linked with the name. "
                f"Give the new one this name, or stop() the old one and start the new one"
            )
        if not self.is_running():
            raise RuntimeError(f"{old.name!r} has ended. Start the new one instead")
        if not self._reloading.acquire(blocking=False):
            # what can't be opened twice can't be taken over twice either
            raise RuntimeError(f"{old.name!r} is being reloaded already")
        try:
            service._check_free()
            service.take_over(self.service)
            asking.wait_and_answer(lambda _: self._session.reload(service))
        finally:
            self._reloading.release()
        logger.info("%r has been reloaded", service.name)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the connection has ended for good.

        Raises:
            TimeoutError: It has not ended within `timeout` seconds.
        """
        asking.wait(self._session.ended, timeout)

    def stop(self) -> None:
        """Disconnect from the Manager. Nothing happens if it is disconnected.

        Raises:
            TimeoutError: A handler of the Service or one of its tasks does not end.
        """
        atexit.unregister(self._exit)
        if os.getpid() != self._process:
            return  # the child of a fork, which has no part in it
        self._session.close()
        try:
            asking.wait(self._session.ended, 3 * SHUTDOWN_TIMEOUT)
        except TimeoutError:
            raise TimeoutError(
                f"{self.service.name!r} has not ended within {3 * SHUTDOWN_TIMEOUT:g} seconds: its "
                f"connection_lost, its shutdown_handler or one of its tasks still runs"
            ) from None

    def start(self) -> None:
        """Start it again when it has ended, as it was started. Nothing happens if it is running.

        Its tasks (`Service.add_tasks`) have ended and are not begun again.

        Raises:
            As `Service.start`.
        """
        asking.wait_and_answer(self._start)

    async def _start(self, ask: Ask) -> None:
        if not self.is_running():
            callbacks = self._session.executor.on_error
            self._session = await self.service._connect(self._session.options(), ask)
            self._session.executor.on_error = callbacks
            self._process = os.getpid()
            atexit.register(self._exit)

    def _has(self, service: "Service") -> bool:
        """Whether an object serves here, or something still runs on it that it began before."""
        return service is self.service or service._is_in(self._session)

    def _exit(self) -> None:
        try:
            self.stop()
        except TimeoutError as error:
            logger.error("%s", error)

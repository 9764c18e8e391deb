"""What is on a Manager, for who types or looks and does not wait for long."""

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from .. import loop_thread
from ..asking import wait_awake
from ..constants import MANAGER
from .errors import RemoteError

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Directory"]

PATIENCE: Final = 0.5
"""Seconds to wait for a Manager: a person who has pressed Tab does not wait for longer."""

FRESH: Final = 2.0
"""Seconds for which an answer is good, and for which a Manager that does not answer is not asked
again: each letter that is typed may be a question."""


class Directory:
    """The Services on a Manager, as it told them a moment ago.

    Args:
        session: The engine of the Client.
    """

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._services: dict[str, Any] = {}
        self._asked = float("-inf")

    def services(self, age: float = FRESH) -> dict[str, Any]:
        """The entries of the Services, by name; what is known of them if the Manager is slow.

        Args:
            age: Seconds that may have gone by since the Manager was asked.
        """
        now = time.monotonic()
        # on the loop of the network nothing can be waited for
        if now - self._asked >= age and self._session.is_connected and not loop_thread.on_loop():
            self._asked = now
            with contextlib.suppress(OSError, RemoteError, ValueError):
                self._services = self._ask()
        return self._services

    def lacks(self, service: str) -> bool:
        """Whether the Manager says that a Service is not there; False if it is slow."""
        known = self._services
        return service not in self.services(age=0) and self._services is not known

    def _ask(self) -> dict[str, Any]:
        reply = self._session.request(MANAGER, "identity", (), {})
        try:
            # plainly: what a kernel does meanwhile is not worth it for so short a time
            identity = wait_awake(reply, PATIENCE)
        finally:
            reply.cancel()
        services = identity.get("services") if isinstance(identity, dict) else None
        known = services.items() if isinstance(services, dict) else ()
        return {name: entry for name, entry in known if isinstance(entry, dict)}

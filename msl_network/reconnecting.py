"""Coming back after the connection to a Manager was lost: when to try, and when to give up."""

import asyncio
import logging
import math
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from .device import UntrustedCertificateError

__all__ = ["Comeback", "pauses", "try_again"]

T = TypeVar("T")

logger = logging.getLogger(__package__)

FIRST_PAUSE = 0.2
"""Seconds before the first try: a Manager that is started again is not there at once."""

LONGEST_PAUSE = 10.0
"""Seconds between two tries at the most, so that nobody waits much longer than the Manager does."""

LASTING = 1.0
"""Seconds after which a connection counts as made. After one that ends sooner, as of a Manager that
ends whenever it is started, the pauses go on growing, and the limit is the one there was."""

ONE_TRY = 60.0
"""Seconds that one try may take, where a device waits for its Manager for as long as it takes: one
that is silent is not to be the last that is tried."""

_WORTH_TRYING = (OSError, NameError)
"""What may be over soon: no Manager, or one that is full; no network, nor a file that is on it. A
NameError is the Manager's that still has the Service's dead connection; what else it refuses (a
wrong password, a host that is not trusted), it will refuse again."""


def pauses() -> Iterator[float]:
    """The seconds between one try and the next.

    They double, and each is varied by half of it at random, so that a hundred devices that have
    lost the same Manager do not all come back in the same moment.
    """
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - nothing secret
        pause = min(2 * pause, LONGEST_PAUSE)


async def try_again(
    attempt: Callable[[], Awaitable[T]],
    limit: float,
    worth_trying: tuple[type[Exception], ...] = _WORTH_TRYING,
    between: Iterator[float] | None = None,
) -> T:
    """Try until it succeeds.

    Args:
        attempt: What is tried, each time after a pause.
        limit: Seconds to try for.
        worth_trying: The errors after which it is tried again.
        between: The pauses; None for new ones.

    Raises:
        Exception: The error of the last attempt: the time is over, or a further one would fail
            as well.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    for pause in between or pauses():
        await asyncio.sleep(min(pause, max(0.0, deadline - loop.time())))
        try:
            async with asyncio.timeout(ONE_TRY):
                return await attempt()
        except (UntrustedCertificateError, FileNotFoundError):
            raise  # of a Manager that took its certificate along there is nothing to trust
        except worth_trying as error:
            if loop.time() >= deadline:
                raise
            logger.debug("%s", error)
    raise AssertionError  # there is always one more pause


class Comeback:
    """Brings a device back whenever its connection is lost; on the loop of the network.

    Args:
        name: The name of the device, for the log.
        level: The level of what it logs. A Service runs where nobody looks; who calls with a Client
            is told by an exception, and nothing must interrupt what is being typed.
        limit: Seconds to try for; 0 to end with the connection.
        connect: Connects the device.
        is_connected: Whether it is connected.
        back: Called when it is back.
        ended: Called once, when it is not tried any more, with the reason.

    Attributes:
        is_stopped: Whether the next loss is the end.
    """

    def __init__(
        self,
        name: str,
        level: int,
        limit: float,
        connect: Callable[[], Awaitable[None]],
        is_connected: Callable[[], bool],
        back: Callable[[], None],
        ended: Callable[[Exception], None],
    ) -> None:
        self._name = name
        self._level = level
        self._limit = limit
        self._connect = connect
        self._is_connected = is_connected
        self._back = back
        self._ended = ended
        self.is_stopped = False
        self._process = os.getpid()
        self._task: asyncio.Task[None] | None = None
        self._pauses = pauses()
        self._since = self._deadline = -math.inf
        self._reason: Exception = ConnectionError("It has not been connected")

    @property
    def is_expected(self) -> bool:
        """Whether the device will come back, or try to, once its connection is lost."""
        if self.is_stopped or self._limit <= 0:
            return False
        return os.getpid() == self._process  # the child of a fork has no part in it

    def lost(self, error: Exception) -> None:
        """Note that the connection is lost."""
        self._reason = error
        if self._task is not None:
            return  # it has been lost in the moment in which it was made, which `_tried` sees
        now = asyncio.get_running_loop().time()
        if now - self._since >= LASTING:
            self._pauses, self._deadline = pauses(), now + self._limit
        if not self.is_expected or now >= self._deadline:
            self._end()
            return
        left = self._deadline - now
        self._log("%s. Trying to connect again for %s", error, _duration(left))
        self._task = asyncio.ensure_future(try_again(self._connect, left, between=self._pauses))
        self._task.add_done_callback(self._tried)

    def stop(self) -> None:
        """Try no more, not after the next loss either."""
        self.is_stopped = True
        if self._task is not None:
            self._task.cancel()

    def _tried(self, task: "asyncio.Task[None]") -> None:
        # a callback, and not the end of the task: one that is cancelled before it has begun, as
        # when Manager and Service are stopped at once, does not come to its end
        self._task = None
        if not task.cancelled() and task.exception() is None:
            self._since = asyncio.get_running_loop().time()
        if self._is_connected():
            self._log("connected again")
            self._back()
        elif task.cancelled():
            self._end()
        elif error := task.exception():
            self._log("not connected again: %s", error)
            if isinstance(error, Exception):
                self._reason = error
            self._end()
        else:
            self.lost(self._reason)

    def _end(self) -> None:
        self.is_stopped = True
        self._ended(self._reason)

    def _log(self, text: str, *args: object) -> None:
        logger.log(self._level, f"%s: {text}", self._name, *args)


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "as long as it takes"
    if seconds < 120:
        return f"{seconds:.3g} seconds"
    return f"{seconds / 60:.0f} minutes"

"""A bar that shows how far a request is, while a blocking call waits for it."""

import contextlib
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ..asking import wait
from .reply import Progress, Reply

__all__ = ["result_with_bar", "show_without_terminal"]

logger = logging.getLogger(__package__)

PATIENCE = 0.3
"""Seconds before anybody looks at the progress: a bar that flashes up is none."""

# without the rate: who measures wants to know when it is done
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
_COUNT = "{desc}: {n_fmt} [{elapsed}{postfix}]"


# None is tqdm's word for "unless it is a terminal": what is written to a file nobody looks at
_disable: bool | None = None

# ... and for "unless it stands below another one", of which there would be many
_leave: bool | None = None


def show_without_terminal() -> None:
    """Show bars from now on also where standard error is no terminal: in a notebook."""
    global _disable, _leave
    _disable, _leave = False, True


def result_with_bar(reply: Reply[Any]) -> Any:
    """Wait for a reply, and show its progress, if the Service reports any, where a person looks.

    An interrupt gives the request up.

    Raises:
        Whatever the request failed with.
    """
    start = time.time()
    bar: _Bar | None = None
    try:
        # a TimeoutError may be this wait's, or what the request failed with
        with contextlib.suppress(TimeoutError):
            return wait(reply, PATIENCE)
        reply.add_done_callback(lambda _: reply.ring())
        while not reply.done():
            reply.bell = bell = Future[None]()
            if reply.progress is not None:
                bar = bar or _Bar(reply.request, start)
                bar.show(_showable(reply.progress))
            if not reply.done():
                wait(bell)
        result = reply.result(0)
        if bar is not None:
            bar.fill()
        return result
    except BaseException as error:
        # an interrupt, or the stop button of a notebook: the request is given up
        reply.interrupted(error)
        raise
    finally:
        if bar is not None:
            bar.close()


def _showable(progress: Progress) -> Progress:
    """What of a report a bar can show: no report is in the way of the result."""
    value, total, message = progress
    known = total is not None and _is_finite(total) and total > 0
    return Progress(max(value, 0) if _is_finite(value) else 0, total if known else None, message)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False  # an integer that is larger than any float


class _Bar:
    """A bar of tqdm, which is gone where it can't be shown: it is not in the way of the result.

    Args:
        name: What stands before it.
        start: When the call began, as `time.time` says it.
    """

    def __init__(self, name: str, start: float) -> None:
        self._name = name
        self._start = start
        self._bar: Any = None
        self._total: float | None = None
        self._is_gone = False

    def show(self, progress: Progress) -> None:
        """Draw it."""
        self._try(self._draw, progress)

    def fill(self) -> None:
        """Draw it as one whose end is reached, where that is known."""
        if self._total is not None:
            self._try(self._draw, Progress(self._total, self._total))

    def close(self) -> None:
        """Draw no more."""
        self._try(lambda: self._bar.close())

    def _try(self, draw: Callable[..., object], *args: Any) -> None:
        if self._is_gone:
            return
        try:
            draw(*args)
        except Exception:
            # there is no standard error, it is closed, or can't write a letter of the message
            logger.debug("the progress of %s can't be shown", self._name, exc_info=True)
            self._is_gone = True
            if self._bar is not None:
                self._bar.disable = True  # or it tries once more when it is forgotten

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            self._make(progress.total)
        bar = self._bar
        if bar.disable:
            return
        if self._total != progress.total:
            self._total = progress.total
            bar.reset(progress.total)  # a widget has it, too
            bar.start_t = self._start
        bar.n = progress.value
        bar.bar_format = _COUNT if progress.total is None else _BAR
        bar.set_postfix_str(progress.message, refresh=False)
        bar.refresh()

    def _make(self, total: float | None) -> None:
        from tqdm.auto import tqdm

        self._total = total
        self._bar = tqdm(
            desc=self._name,
            total=total,
            disable=_disable,
            delay=PATIENCE,
            dynamic_ncols=True,
            leave=_leave,
        )
        if not self._bar.disable:
            self._bar.start_t = self._start

"""A bar that shows how far a request is, while a blocking call waits for it."""

import contextlib
import math
import time
from concurrent.futures import Future
from typing import Any

from ..asking import wait
from .reply import Progress, Reply

__all__ = ["result_with_bar", "show_without_terminal"]

PATIENCE = 0.3
"""Seconds before anybody looks at the progress: a bar that flashes up is none."""

# without the rate: who measures wants to know when it is done
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
_COUNT = "{desc}: {n_fmt} [{elapsed}{postfix}]"


# None is tqdm's word for "unless it is a terminal": what is written to a file nobody looks at
_disable: bool | None = None


def show_without_terminal() -> None:
    """Show bars from now on also where standard error is no terminal: in a notebook."""
    global _disable
    _disable = False


def result_with_bar(reply: Reply[Any]) -> Any:
    """Wait for a reply, and show its progress, if the Service reports any, where a person looks.

    An interrupt gives the request up.

    Raises:
        Whatever the request failed with.
    """
    start = time.time()
    bar: Any = None
    try:
        # a TimeoutError may be this wait's, or what the request failed with
        with contextlib.suppress(TimeoutError):
            return wait(reply, PATIENCE)
        reply.add_done_callback(lambda _: reply.ring())
        while not reply.done():
            reply.bell = bell = Future[None]()
            if reply.progress is not None:
                progress = _showable(reply.progress)
                if bar is None:
                    bar = _make_bar(reply.request, start, progress.total)
                _show(bar, progress)
            if not reply.done():
                wait(bell)
        result = reply.result(0)
        if bar is not None and bar.total is not None:
            _show(bar, Progress(bar.total, bar.total))
        return result
    except BaseException:
        # an interrupt, or the stop button of a notebook: the request is given up
        reply.cancel()
        raise
    finally:
        if bar is not None:
            bar.close()


def _showable(progress: Progress) -> Progress:
    """What of a report a bar can show: no report is in the way of the result."""
    value, total, message = progress
    known = total is not None and _is_finite(total)
    return Progress(value if _is_finite(value) else 0, total if known else None, message)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False  # an integer that is larger than any float


def _make_bar(name: str, start: float, total: float | None) -> Any:
    from tqdm.auto import tqdm

    bar = tqdm(desc=name, total=total, disable=_disable, delay=PATIENCE, dynamic_ncols=True)
    if not bar.disable:
        bar.start_t = start
    return bar


def _show(bar: Any, progress: Progress) -> None:
    if bar.total != progress.total and not bar.disable:
        start = bar.start_t
        bar.reset(progress.total)  # a widget has it, too
        bar.start_t = start
    bar.n = progress.value
    bar.bar_format = _COUNT if progress.total is None else _BAR
    bar.set_postfix_str(progress.message, refresh=False)
    bar.refresh()

"""Blocking calls in a running kernel.

While a cell waits for a reply, the kernel's own event loop goes on turning, so that panels, plots
and the user's tasks stay alive. `nest_asyncio2` makes that possible. It makes asyncio slower for
the whole process, so it is applied when a call first takes long enough to matter, and never
outside of a kernel.
"""

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from .. import asking
from ..client.bar import show_without_terminal
from ..client.reply import waited_for
from .comm_status import tell_when_handled

__all__ = ["in_kernel", "install", "wait_in_kernel"]

T = TypeVar("T")

GRACE = 0.05
"""Seconds to wait for a reply before the kernel's loop turns meanwhile: a person does not notice
them, and most calls are answered by then."""


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def install() -> None:
    """Let blocking calls wait as a notebook needs it. Nothing happens outside of a kernel."""
    if in_kernel():
        from IPython import get_ipython

        asking.set_waiter(wait_in_kernel)
        show_without_terminal()
        tell_when_handled(get_ipython().kernel)


def wait_in_kernel(future: "Future[T]", timeout: float | None) -> T:
    """Wait for a future while the loop of the kernel turns.

    On a thread without a running loop it waits plainly.

    Raises:
        TimeoutError: The time is up. The future is not cancelled.
        KeyboardInterrupt: The stop button.
        asyncio.CancelledError: The task that waits is cancelled, as ipykernel's stop button does in
            a cell with an `await`.
    """
    loop = _running_loop()
    if loop is None:
        return future.result(timeout)
    caller = asyncio.current_task(loop)
    with _stoppable():
        try:
            return future.result(GRACE if timeout is None else min(GRACE, timeout))
        except TimeoutError:
            if future.done() or (timeout is not None and timeout <= GRACE):
                raise
        _nest(loop)
        task = loop.create_task(_until_done(future, None if timeout is None else timeout - GRACE))
        try:
            with _cancelled_instead(caller, task), _interrupting(loop, task):
                loop.run_until_complete(task)
        finally:
            # a second interrupt leaves the nested run and not the task
            task.cancel()
    return future.result(0)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    # in a cell with an `await` the stop button cancels the cell's task, which does not see that
    # before it awaits something
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if before is not None:  # the handler of a library that is not Python's
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _interrupting(loop: asyncio.AbstractEventLoop, waiting: "asyncio.Task[None]") -> Iterator[None]:
    # An exception that comes anywhere in a loop loses what the loop is about to run, and so a task
    # of whomever; the wait is cancelled instead. A second one gets through to what holds it up.
    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True
        loop.call_soon_threadsafe(waiting.cancel)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupted:  # also where the time was up meanwhile
            raise KeyboardInterrupt from None


@contextlib.contextmanager
def _cancelled_instead(
    caller: "asyncio.Task[Any] | None", waiting: "asyncio.Task[None]"
) -> Iterator[None]:
    # Who is in the middle of a call sees that it is cancelled at its next `await`, or at its end,
    # which loses the kernel: an interrupt that comes just before the wait would do that.
    if caller is None:
        yield
        return
    caller.cancel = waiting.cancel  # type: ignore[method-assign]
    try:
        yield
    finally:
        del caller.cancel


async def _until_done(future: "Future[Any]", timeout: float | None) -> None:
    waiting: Future[None] = Future()
    waiting.set_running_or_notify_cancel()  # so that a wait which is over does not cancel it
    future.add_done_callback(lambda _: waiting.set_result(None))
    async with asyncio.timeout(timeout):
        await waited_for(waiting)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    if threading.current_thread() is not threading.main_thread():
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _nest(loop: asyncio.AbstractEventLoop) -> None:
    if hasattr(loop, "_nest_patched") and hasattr(asyncio, "_nest_asyncio2"):
        return
    if hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2"):
        import warnings

        warnings.warn(
            "nest_asyncio has been applied in this kernel. It loses cells on ipykernel 7.1 and "
            "later: a cell that is queued while another one waits may never run. Use its "
            "continuation nest_asyncio2 instead, or leave it out, and restart the kernel",
            stacklevel=2,
        )
    import nest_asyncio2

    nest_asyncio2.apply(loop)

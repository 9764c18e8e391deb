"""Running a Manager as a program, until it is shut down or interrupted."""

import asyncio
import contextlib
import inspect
import logging
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from .. import asking, loop_thread
from ..constants import PORT
from ..logs import logging_to, set_logging_level
from .limits import Limits
from .starting import CannotStartError, Running, prepare, start

__all__ = ["filter_run_forever_kwargs", "report", "run_forever", "run_manager"]

logger = logging.getLogger(__package__)


def run_forever(
    *,
    host: str | None = None,
    port: int = PORT,
    auth_hostname: bool = False,
    auth_login: bool = False,
    auth_password: str | Sequence[str] | None = None,
    database: str | None = None,
    disable_tls: bool = False,
    cert_file: str | None = None,
    key_file: str | None = None,
    key_file_password: str | Sequence[str] | None = None,
    limits: Limits | None = None,
    log_level: str | int = "INFO",
    log_file: str | None = None,
    log_format: str = "text",
) -> int:
    """Run a Manager until it is shut down or interrupted.

    Args:
        host: The hostname or address to listen on; None for every interface.
        port: The port to listen on.
        auth_hostname: Whether only trusted hostnames may connect.
        auth_login: Whether who connects must log in as one of the users in the database.
        auth_password: A password that everybody who connects must know, or the path of a file
            with the password on its first line. Of the three, only one can be chosen.
        database: The path of the database; None for the default one.
        disable_tls: Whether connections are not encrypted.
        cert_file: The path of the certificate; None for the default one, made when missing.
        key_file: The path of the private key of the certificate.
        key_file_password: The password of the private key, or the path of a file with it.
        limits: What it puts up with; None for the default limits.
        log_level: The level of the log.
        log_file: The path of the log file; None for a new one in the folder of the logs.
        log_format: How the file is written: `"text"`, or `"json"` for one JSON object in a line.

    Returns:
        0 after an orderly end, 1 if the Manager could not start. The reason is logged and
        printed to standard error.

    Raises:
        ValueError: There is no such `log_format`.
    """
    options = {name: value for name, value in locals().items() if not name.startswith("log_")}
    return run_manager(
        options, _until_stopped, log_level=log_level, log_file=log_file, log_format=log_format
    )


async def _until_stopped(running: Running) -> None:
    running.announce()
    await running.manager.stopped.wait()


def filter_run_forever_kwargs(**kwargs: Any) -> dict[str, Any]:
    """Select the keyword arguments that `run_forever` knows.

    `password_manager`, which a Client and a Service know it by, counts as `auth_password`.
    """
    known = inspect.signature(run_forever).parameters
    selected = {name: value for name, value in kwargs.items() if name in known}
    if "password_manager" in kwargs:
        selected.setdefault("auth_password", kwargs["password_manager"])
    return selected


def report(text: str) -> None:
    """Log why nothing is running, and print it to standard error, where a person looks."""
    logger.error(text)
    print(text, file=sys.stderr)


def run_manager(
    options: dict[str, Any],
    until: Callable[[Running], Coroutine[Any, Any, None]],
    *,
    log_level: str | int = "INFO",
    log_file: str | None = None,
    log_format: str = "text",
) -> int:
    """Run a Manager for as long as a coroutine runs.

    Args:
        options: The keyword arguments of `run_forever`, without those of the log.
        until: Called with the Manager when it listens.
        log_level: The level of the log.
        log_file: The path of the log file; None for a new one in the folder of the logs.
        log_format: How the file is written, see `run_forever`.

    Returns:
        0 after an orderly end, 1 if the Manager could not start.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(logging_to(log_file, log_format))
            if not set_logging_level(log_level):
                raise CannotStartError(f"ValueError: Cannot set logging level to {log_level!r}")
            plan = prepare(**options)
        except (CannotStartError, OSError) as error:
            report(str(error))
            return 1
        stop = asyncio.Event()

        async def main() -> None:
            running = await start(plan)
            work = asyncio.ensure_future(until(running))
            stopping = asyncio.ensure_future(stop.wait())
            try:
                await asyncio.wait([work, stopping], return_when="FIRST_COMPLETED")
                if work.done():
                    work.result()
            finally:
                work.cancel()
                stopping.cancel()
                await asyncio.gather(work, stopping, return_exceptions=True)
                await running.close()

        stack.enter_context(_terminated_is_interrupted())
        future = loop_thread.submit(main())
        try:
            try:
                asking.wait(future)
            except KeyboardInterrupt:
                logger.info("CTRL+C keyboard interrupt received")
                loop_thread.get_loop().call_soon_threadsafe(stop.set)
                asking.wait(future)  # another Ctrl+C ends that, too
        except (CannotStartError, OSError) as error:
            report(str(error))
            return 1
    return 0


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    # `kill` and systemd end a Manager as orderly as Ctrl+C does; on Windows Ctrl+Break, and
    # closing the window
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM]
    if sys.platform == "win32":
        numbers.append(signal.SIGBREAK)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

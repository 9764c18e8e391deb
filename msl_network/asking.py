"""Questions to a person, and waiting for what happens on the network's loop.

A question (which password, trust this certificate) arises in a coroutine on the loop of the
network and is answered where a person is: on the thread that waits for the result, or in a
panel. It is never asked on the loop, which goes on serving everything else meanwhile.
"""

import asyncio
import getpass
import queue
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from . import loop_thread

__all__ = [
    "WAKE_UP",
    "Ask",
    "Question",
    "ask_in_terminal",
    "ask_nobody",
    "check_not_on_loop",
    "holds_up_a_loop",
    "set_waiter",
    "wait",
    "wait_and_answer",
    "wait_awake",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What only a person can answer.

    Attributes:
        kind: `"username"`, `"password"`, `"passphrase"`, `"certificate"` or `"host key"`.
        prompt: The text that stands where the answer is typed.
        text: What the person should read before.
        secret: Whether the answer must not be seen.
        choice: Whether the answer is yes or no (`"y"` or `"n"`).
        details: The facts that the question is about (`{"SHA-256": "ab:cd:...", ...}`).
    """

    kind: str
    prompt: str
    text: str = ""
    secret: bool = False
    choice: bool = False
    details: dict[str, str] = field(default_factory=dict)


Ask: TypeAlias = Callable[[Question], Awaitable[str]]
"""Awaited on the loop of the network for the answer to a question."""

Waiter: TypeAlias = Callable[["Future[Any]", float | None], Any]


WAKE_UP = 0.1
"""Seconds after which who waits looks up: an interrupt (Ctrl+C, the stop button of a notebook) is
only seen by who is awake, when it comes just before the wait or on Windows."""


def wait_awake(future: "Future[T]", timeout: float | None) -> T:
    """Wait for a future in a way that can always be interrupted.

    Raises:
        TimeoutError: The time is up. The future is not cancelled.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = WAKE_UP if deadline is None else min(WAKE_UP, deadline - time.monotonic())
        try:
            return Future.result(future, max(left, 0.0))
        except TimeoutError:
            if future.done() or (deadline is not None and time.monotonic() >= deadline):
                raise


_waiter: Waiter = wait_awake


def set_waiter(waiter: Waiter | None) -> None:
    """Choose how this process waits for a future in a blocking call.

    Args:
        waiter: Called with a future and a timeout (seconds, or None) on the thread that
            waits; returns the result or raises. None restores the plain way.
    """
    global _waiter
    _waiter = waiter or wait_awake


def wait(future: "Future[T]", timeout: float | None = None) -> T:
    """Wait for a future on the calling thread.

    Args:
        future: What is waited for.
        timeout: Seconds to wait at the most; None to wait for as long as it takes.

    Raises:
        TimeoutError: The time is up. The future is not cancelled.
        RuntimeError: Called on the loop of the network, which would wait for itself.
    """
    check_not_on_loop(future)
    result: T = _waiter(future, timeout)
    return result


def check_not_on_loop(future: "Future[Any]") -> None:
    """Check that a future is not going to be waited for on the loop of the network.

    Raises:
        RuntimeError: It is.
    """
    if loop_thread.on_loop() and not future.done():
        raise RuntimeError(
            "A blocking call on the thread of the network would wait for itself. "
            "Use the asynchronous call there (link.aio, or asynchronous=True)"
        )


def holds_up_a_loop() -> bool:
    """Whether the tasks of an event loop would have to wait while this thread does.

    They do not in a kernel, whose loop turns meanwhile.
    """
    if loop_thread.on_loop():
        return True
    return _waiter is wait_awake and asyncio._get_running_loop() is not None


def ask_in_terminal(question: Question) -> str:
    """Ask a question with `input` or `getpass`, which also work in a notebook's cell."""
    if question.text:
        print(question.text)
    if question.secret:
        return getpass.getpass(question.prompt)
    if not question.choice:
        return input(question.prompt)
    while True:
        answer = input(question.prompt).strip().lower()
        if answer.startswith(("y", "n")):
            return answer[0]


async def ask_nobody(question: Question) -> str:
    """Be asked where there is no person.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"Nobody can be asked here: {question.prompt}")


def wait_and_answer(
    start: Callable[[Ask], Coroutine[Any, Any, T]],
    *,
    answer: Callable[[Question], str] = ask_in_terminal,
    timeout: float | None = None,
) -> T:
    """Run a coroutine on the loop of the network, answering its questions on this thread.

    Args:
        start: Called with a function to ask with; returns the coroutine to run.
        answer: Answers one question, on the calling thread.
        timeout: Seconds to wait for the loop at the most. Time that a person takes to answer
            does not count.

    Raises:
        TimeoutError: The time is up; the coroutine has been cancelled.
    """
    inbox: queue.SimpleQueue[tuple[Question, Future[str]]] = queue.SimpleQueue()
    bell: Future[None] = Future()

    def ring() -> None:
        if not bell.done():
            bell.set_result(None)

    async def ask(question: Question) -> str:
        reply: Future[str] = Future()
        inbox.put((question, reply))
        ring()
        return await asyncio.wrap_future(reply)

    task = loop_thread.submit(start(ask))
    task.add_done_callback(lambda _: ring())
    try:
        while True:
            wait(bell, timeout)
            bell = Future()
            while not inbox.empty():
                question, reply = inbox.get()
                if not reply.set_running_or_notify_cancel():
                    continue  # nobody wants to know any more
                try:
                    reply.set_result(answer(question))
                except Exception as error:
                    # an interrupt is this thread's, and ends the waiting
                    reply.set_exception(error)
            if task.done():
                return task.result()
    finally:
        # after an interrupt or a timeout nobody waits for it any more
        task.cancel()

"""Waiting for the loop of the network, and answering its questions."""

import asyncio
import threading
import time
from concurrent.futures import Future

import pytest

from msl_network import asking, loop_thread
from msl_network.asking import Question


def test_questions_are_answered_on_the_thread_that_waits():
    answered = []

    def answer(question):
        answered.append((question.prompt, threading.get_ident()))
        return question.prompt.upper()

    async def work(ask):
        assert loop_thread.on_loop()
        return [await ask(Question("username", "a")), await ask(Question("password", "b"))]

    assert asking.wait_and_answer(work, answer=answer) == ["A", "B"]
    here = threading.get_ident()
    assert answered == [("a", here), ("b", here)]


def test_loop_goes_on_while_a_person_thinks():
    async def other():
        return "other"

    def answer(question):
        return loop_thread.submit(other()).result(20)

    async def work(ask):
        return await ask(Question("username", "?"))

    assert asking.wait_and_answer(work, answer=answer) == "other"


def test_errors_come_through():
    async def fail(ask):
        raise ValueError("on the loop")

    with pytest.raises(ValueError, match="on the loop"):
        asking.wait_and_answer(fail)

    async def ask_twice(ask):
        try:
            await ask(Question("username", "?"))
        except EOFError as error:
            return f"nobody there: {error}"

    def answer(question):
        raise EOFError("closed")

    assert asking.wait_and_answer(ask_twice, answer=answer) == "nobody there: closed"


def test_interrupt_gives_up():
    cancelled = threading.Event()

    async def work(ask):
        try:
            await ask(Question("username", "?"))
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def answer(question):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asking.wait_and_answer(work, answer=answer)
    assert cancelled.wait(20)


def test_timeout_gives_up():
    cancelled = threading.Event()

    async def work(ask):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    start = time.monotonic()
    with pytest.raises(TimeoutError):
        asking.wait_and_answer(work, timeout=0.1)
    assert time.monotonic() - start < 5
    assert cancelled.wait(20)


def test_waiting_on_the_loop_for_itself_is_refused():
    async def work():
        asking.wait(Future())

    with pytest.raises(RuntimeError, match="would wait for itself"):
        loop_thread.submit(work()).result(20)


def test_another_way_to_wait():
    waited = []

    def waiter(future, timeout):
        waited.append(timeout)
        return future.result(timeout)

    done = Future()
    done.set_result(5)
    asking.set_waiter(waiter)
    try:
        assert asking.wait(done, 7) == 5
    finally:
        asking.set_waiter(None)
    assert asking.wait(done) == 5
    assert waited == [7]

"""A short soak, its end when it is interrupted, and that it sees what is wrong."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from msl_network import LocalManager, serial

from .faces import Blocking, drive
from .load import Load
from .score import Score
from .service_child import Executed, Soaked
from .soak import differences

ROOT = Path(__file__).parents[2]
SMALL = ["--clients", "12", "--services", "4", "--pause", "0.2"]


def soak(*arguments):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.soak", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.timeout(300)
def test_a_short_one_with_restarts():
    with soak("--minutes", "0.25", "--restart-every", "1", *SMALL) as process:
        output, _ = process.communicate()
    assert "Nothing was wrong." in output, output
    assert process.returncode == 0
    right, restarts = map(
        int, re.search(r"([\d]+) right results.* (\d+) restarts", output).groups()
    )
    assert right > 200
    assert restarts >= 2


def test_an_interrupt_ends_all_processes():
    with soak("--minutes", "5", *SMALL) as process:
        assert process.stdout.readline() == "12 Clients, 4 Services\n"
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 6
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in output
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


# --- that it sees what is wrong ------------------------------------------------------------


class Wrong(Soaked):
    """Whatever can be wrong with replies is wrong with its."""

    def echo(self, text, checksum):
        return [text[:-1], checksum]

    def reverse(self, array):
        return array

    def step(self, client, number):
        super().step(client, number)
        return super().step(client, number)

    def wait(self, seconds):
        raise OSError("broken")

    def scan(self, text, count):
        yield from ([number + 1, text] for number in range(count))

    follow = scan

    def work(self, count):
        return count + 1

    def fail(self, text):
        raise TypeError(text)

    @serial
    def alone(self, number):
        return None


@pytest.mark.parametrize(
    ("work", "text"),
    [
        ("echo", "the reply to"),
        ("repeatable", "the reply to"),
        ("array", "an array is not the one that was sent"),
        ("timeout", "RemoteOSError (OSError)"),
        ("leave", "the items are wrong"),
        ("progress", "the reply is 501"),
        ("error", "the error is"),
        ("alone", "the reply is None"),
        ("step", None),
    ],
)
def test_wrong_replies(work, text):
    score = Score()
    service = Wrong("Wrong", score)
    with LocalManager() as manager, service.start_in_background(**manager.kwargs):
        load = Load(Blocking(), "C", manager.kwargs, "Wrong", ["Wrong"], "R", score, 0.1, 1)
        load.is_over = True  # as soon as it is connected
        load.client = drive(load._face.connect(**manager.kwargs))
        load._link = load.client.link("Wrong")
        drive(load._attempt(work, getattr(load, f"_{work}")))
        load.client.disconnect()
    service.stop_ticking()
    assert score.wrong_count == 1
    assert (text or "step 1 of C was executed twice") in score.wrong[0]


def test_an_error_is_wrong_in_calm_times_only():
    score = Score()
    load = Load(Blocking(), "C", {}, "S", ["S"], "R", score, 0.1, 1)

    async def fail():
        raise ConnectionAbortedError("gone")

    for is_calm in (True, False):
        load.is_calm = is_calm
        drive(load._attempt("echo", fail))
    assert score.wrong == ["C (blocking): echo: ConnectionAbortedError: gone"]
    assert score.errors == {"echo: ConnectionAbortedError": 1}


def test_notifications():
    score = Score()
    load = Load(Blocking(), "C", {}, "S", ["S"], "R", score, 0.1, 1)
    for number in (5, 6, 7, 7, 6):
        load._notified(number)
    assert [text.split(": ")[1] for text in score.wrong] == [
        "notification 7 came after 7",
        "notification 6 came after 7",
    ]
    load.is_calm = False
    load._notified(10)  # some were sent while it was away
    load.expect_every_tick()
    load.is_calm = True
    load._notified(20)
    load._notified(22)
    assert score.wrong[2:] == ["C (blocking): notifications 21 to 21 are missing"]


def test_what_has_been_executed():
    executed = Executed()
    assert all(executed.is_new(number) for number in range(0, 60_000, 2))
    assert executed.is_new(59_999)  # later than others, which is not twice
    assert not executed.is_new(59_998)
    assert not executed.is_new(4)


def test_what_is_left():
    before = {"manager": {"threads": 3, "links": 1, "memory": 10.0, "task names": []}}
    after = {"manager": {"threads": 3, "links": 2, "memory": 20.0, "task names": ["x"]}}
    assert differences(before, before) == []
    assert differences(before, after) == ["manager: links: 1 before, 2 after ['x']"]

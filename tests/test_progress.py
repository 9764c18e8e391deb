"""How far a request is: told to who asked, and to nobody else."""

import asyncio
import io
import re
import sys
import threading
import time

import pytest
from tqdm import tqdm

from msl_network import Service, connect
from msl_network.client import bar

from .laboratory import eventually
from .raw import RawPeer


class Scanner(Service):
    def scan(self, points, pause=0.01, unit=""):
        for i in range(points):
            self.progress(i + 1, points, f"point {i + 1}{unit}")
            self.request.sleep(pause)
        return points

    async def settle(self):
        for i in range(5):
            self.progress(i)
            await asyncio.sleep(0.12)

    def odd(self):
        self.progress(float("nan"), 3, "\x1b[2J" + "x" * 10_000)
        self.request.sleep(0.5)

    def beyond_any_bar(self, which):
        nan, inf, huge = float("nan"), float("inf"), 10**400
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            self.progress(
                *[
                    *[(nan, 10), (1, nan), (inf, 10), (1, inf), (huge, 1), (1, huge)],
                    *[(0, 0), (1, -1), (11, 10), (-1, 10)],
                ][which]
            )
            self.request.sleep(0.02)
        return which

    def outside(self):
        failed = []

        def run():
            try:
                self.progress(1)
            except RuntimeError as error:
                failed.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return failed


@pytest.fixture
def link(manager):
    with Scanner().start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        yield client.link("Scanner")


def test_who_asked_is_told(manager, link):
    told, others = [], []
    with connect(**manager.kwargs) as other:
        reply = other.link("Scanner").scan(
            100, on_progress=lambda *report: others.append(report), asynchronous=True
        )
        assert link.scan(50, on_progress=lambda *report: told.append(report)) == 50
        reply.cancel()
    assert told[0] == (1, 50, "point 1")
    assert [total for _, total, _ in told] == [50] * len(told)
    assert [value for value, *_ in told] == sorted(value for value, *_ in told)
    assert len(told) < 20  # ten a second, whatever the method does
    assert {total for _, total, _ in others} <= {100}


def test_latest_report_is_told_though_the_method_says_no_more(link):
    reply = link.scan(3, pause=0.0, asynchronous=True, on_progress=lambda *_: None)
    assert reply.result(10) == 3
    slow = link.scan(2, pause=0.4, asynchronous=True)
    eventually(lambda: slow.progress is not None and slow.progress.value == 2)
    assert slow.result(10) == 2


def test_slow_handler_is_told_the_latest_and_holds_nobody_up(link):
    told, free = [], threading.Event()

    def handle(value, total, message):
        told.append(value)
        free.wait(30)

    assert link.scan(60, on_progress=handle) == 60
    free.set()
    eventually(lambda: len(told) == 2)
    assert told[1] > 40


def test_asynchronous_face(link):
    async def main():
        told, here = [], threading.get_ident()
        await link.aio.settle(on_progress=lambda *r: told.append((*r, threading.get_ident())))
        return told, here

    told, here = asyncio.run(main())
    assert told[0] == (0, None, "", here)
    assert len(told) >= 4


def test_report_that_is_odd(link):
    told = []
    link.odd(on_progress=lambda *report: told.append(report))
    assert len(told) == 1
    assert told[0][2].endswith("x" * 100)
    assert len(told[0][2]) < 2000
    assert "\x1b" not in told[0][2]


def test_outside_of_a_request_there_is_nobody_to_tell(link):
    assert link.outside() == ["progress() is for methods that a Client has called"]


def test_who_knows_no_more_than_1x_is_told_nothing(manager, link):
    with RawPeer(manager.port).client() as raw:
        request = {"service": "Scanner", "attribute": "scan", "args": [10], "uid": "1"}
        assert raw.ask({**request, "kwargs": {}})["result"] == 10


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar_while_a_call_waits(link, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(bar, "PATIENCE", 0.05)
    assert link.scan(40) == 40
    shown = terminal.getvalue()
    assert "Scanner.scan" in shown
    assert "/40" in shown
    assert "point " in shown


@pytest.mark.parametrize("which", range(10))
def test_what_no_bar_can_show_is_not_in_the_way_of_the_result(link, monkeypatch, which):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(bar, "PATIENCE", 0.05)
    assert link.beyond_any_bar(which) == which


class PipeThatIsClosed(Terminal):
    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


class AsciiTerminal(Terminal):
    encoding = "ascii"

    def write(self, text):
        text.encode("ascii")
        return super().write(text)


@pytest.mark.parametrize("terminal", [None, PipeThatIsClosed(), AsciiTerminal()])
def test_what_shows_no_bar_is_not_in_the_way_of_the_result(link, monkeypatch, terminal):
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(bar, "PATIENCE", 0.05)
    assert link.scan(20, 0.02, "Ω") == 20


def test_bar_below_another_one_goes_again(link, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(bar, "PATIENCE", 0.05)
    for _ in tqdm(range(2)):
        link.scan(20)
    shown = terminal.getvalue().rpartition("Scanner.scan")[2]
    assert shown
    assert "20/20" in shown
    assert re.search(r"\r +\x1b\[A\r", shown)  # it is wiped out


def test_no_bar_in_a_file(link, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setattr(bar, "PATIENCE", 0.05)
    assert link.scan(40) == 40
    assert file.getvalue() == ""


def test_call_without_reports_shows_no_bar(link, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(bar, "PATIENCE", 0.01)
    start = time.monotonic()
    link.outside()
    assert time.monotonic() - start < 5
    assert terminal.getvalue() == ""

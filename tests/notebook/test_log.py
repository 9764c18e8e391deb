"""The last lines of the log, for who wants to look."""

import logging

import pytest

from msl_network.notebook.log import LINE, LINES, Recorder

logger = logging.getLogger("msl_network")


@pytest.fixture
def recorder():
    recorder = Recorder()
    recorder.start()
    yield recorder
    recorder.stop()


def test_lines_from_a_level_on(recorder):
    logging.getLogger("msl_network.client").info("connected to %s", "somebody\x1b[31m\nforged")
    logger.debug("unheard")
    (line,) = recorder.lines()
    assert line.endswith(r"[INFO] msl_network.client - connected to somebody\x1b[31m\nforged")
    recorder.start(logging.DEBUG)
    logger.debug("heard")
    assert recorder.lines(1)[0].endswith("heard")
    assert recorder.lines(0) == []


def test_nothing_stays_when_it_stops():
    before = logger.level, list(logger.handlers)
    recorder = Recorder()
    recorder.start(logging.DEBUG)
    recorder.stop()
    recorder.stop()
    assert (logger.level, logger.handlers) == before
    logger.error("too late")
    assert recorder.lines() == []


def test_one_that_stops_leaves_the_level_to_the_others(recorder):
    other = Recorder()
    other.start()
    recorder.stop()
    logger.info("heard")
    assert other.lines()[0].endswith("heard")
    other.stop()
    assert not logger.isEnabledFor(logging.INFO)


def test_it_is_bounded(recorder):
    for i in range(LINES + 10):
        logger.info("%d %s", i, "x" * 2 * LINE)
    lines = recorder.lines()
    assert len(lines) == LINES
    assert "- 10 xx" in lines[0]
    assert max(map(len, lines)) == LINE


def test_only_what_is_wanted():
    recorder = Recorder(lambda record: "Oven" in record.getMessage())
    recorder.start()
    logger.info("Oven is hot")
    logger.info("Grill is hot")
    recorder.stop()
    assert [line.partition(" - ")[2] for line in recorder.lines()] == ["Oven is hot"]

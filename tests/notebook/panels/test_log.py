"""The panel of the log."""

import logging
import threading

import pytest

from msl_network.notebook.log import Recorder
from msl_network.notebook.panels import LogPanel
from msl_network.notebook.panels.log import SHOWN

from .pages import shown, shows, wait_for

logger = logging.getLogger("msl_network")


@pytest.fixture
def panel(panels):
    return panels(LogPanel)


def test_lines_come_as_they_are_logged(panel):
    shows(panel, "Nothing has been logged yet")
    logger.info("<b>%s</b>", "hello")
    shows(panel, "&lt;b&gt;hello&lt;/b&gt;")
    assert "<b>hello" not in shown(panel)


def test_pause_and_clear(panel):
    logger.info("first")
    shows(panel, "first")
    panel.pause()
    shows(panel, "Paused")
    logger.info("second")
    panel.pause()
    shows(panel, "second")
    panel.clear()
    shows(panel, "Nothing has been logged yet")


def test_level(panel):
    panel.fields["level"].value = "DEBUG"
    wait_for(lambda: logger.level == logging.DEBUG, "the level")
    shows(panel, "logging.getLogger(&quot;msl_network&quot;).setLevel(&#x27;DEBUG&#x27;)")
    logger.debug("details")
    shows(panel, "details")


def test_flood_is_shown_now_and_then(panel):
    drawn = []
    panel._lines.observe(lambda change: drawn.append(change["new"]), "value")

    def log():
        for i in range(2000):
            logger.info("line %d", i)

    threads = [threading.Thread(target=log) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shows(panel, "line 1999")
    assert len(drawn) < 100
    assert shown(panel).count("- line ") == SHOWN


def test_closed_panel_leaves_nothing_behind(panels):
    before = logger.level, list(logger.handlers)
    panel = panels(LogPanel)
    panel.close()
    wait_for(lambda: (logger.level, logger.handlers) == before, "the end of the recorder")
    recorder = Recorder()
    recorder.start()
    panel = panels(LogPanel, recorder)
    panel.close()
    wait_for(lambda: not recorder._listeners, "the end of the listener")
    assert recorder.is_recording
    recorder.stop()

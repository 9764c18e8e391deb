"""The panel of a Service in this process, and its log, without a browser."""

import asyncio
import sys
import threading

import pytest

from msl_network import LocalManager, Service, connect
from msl_network.notebook import serve
from msl_network.notebook.panels import ServicePanel

from .pages import says, shown, shows, status, wait_for


class Lamp(Service):
    """A <b>lamp</b>."""

    def __init__(self):
        super().__init__()
        self.ignore_attributes("go_on")
        self.go_on = threading.Event()
        self.add_tasks(self._beat())

    async def _beat(self):
        print("task begins")
        await asyncio.sleep(0)

    def shine(self, text="on"):
        print("lamp", text)
        return text

    async def dim(self):
        print("dimmed", file=sys.stderr)

    def burn(self):
        raise ValueError("<script>alert(1)</script>\x1b[2J")

    def wait(self):
        return self.go_on.wait(20)

    def connection_lost(self, error):
        print("made safe")

    def shutdown_handler(self):
        print("handler")


class Brighter(Lamp):
    def __init__(self):
        super().__init__()
        self._name = "Lamp"

    def shine(self, text="brighter"):
        print("lamp", text)
        return text


@pytest.fixture
def manager():
    # without TLS: a certificate would go with it, and nobody connects again without one
    with LocalManager(disable_tls=True) as manager:
        yield manager


@pytest.fixture
def running(manager):
    with Lamp().start_in_background(**manager.kwargs) as running:
        yield running
        running.service.go_on.set()


@pytest.fixture
def panel(panels, running):
    return panels(ServicePanel, running)


@pytest.fixture
def link(manager, running):
    with connect(**manager.kwargs) as client:
        yield client.link("Lamp")


def texts(panel):
    return [line.text for line in panel.journal.lines()]


def test_what_a_service_prints_and_what_goes_wrong(capsys, panels, running, link):
    panel = panels(ServicePanel, running)
    link.shine()
    link.dim()
    print("of the test")
    with pytest.raises(ValueError, match="script"):
        link.burn()
    shows(panel, "lamp on")
    shows(panel, "dimmed")
    shows(panel, "burn failed for Client[")
    shows(panel, "ValueError: &lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J")
    assert "<script>" not in shown(panel)
    assert "of the test" not in shown(panel)
    out, err = capsys.readouterr()
    assert ("lamp" in out, "dimmed" in err, "of the test" in out) == (False, False, True)
    panel.buttons["Clear log"].click()
    wait_for(lambda: "lamp on" not in shown(panel), "the log to be empty")
    panel.close()
    link.shine("again")
    assert capsys.readouterr().out == "lamp again\n"


def test_a_log_keeps_no_more_than_it_says(panel, link):
    for _ in range(3):
        link.shine("\n".join(f"line {i}" for i in range(800)))
    link.shine("x" * 10_000)
    link.shine("10 %\r50 %\rall")
    lines = panel.journal.lines()
    assert len(lines) == 1000
    assert texts(panel)[-1] == "all"
    assert texts(panel)[-2].startswith("lamp xxx")
    assert len(texts(panel)[-2]) == 2000
    sys.stdout.flush()


def test_how_it_is_doing(panel, link):
    says(panel, "Running, connected to the Manager 127.0.0.1")
    assert status(panel).count("msl-ok") == 1
    link.shine()
    reply = link.wait(asynchronous=True)
    shows(panel, "2 in all, 1 running, 0 waiting")
    shows(panel, "wait for Client[")
    shows(panel, "shine(text=&#x27;on&#x27;)")
    shows(panel, "A &lt;b&gt;lamp&lt;/b&gt;.")
    panel.running.service.go_on.set()
    assert reply.result(20) is True
    shows(panel, "2 in all, 0 running, 0 waiting")


def test_stop_and_start(panel, running, manager):
    assert panel.buttons["Start"].disabled
    panel.buttons["Stop"].click()
    says(panel, "Stopped.")
    assert panel.code == "running.stop()"
    assert not running.is_running()
    assert "handler" in texts(panel)
    wait_for(lambda: panel.buttons["Stop"].disabled, "the button")
    panel.buttons["Start"].click()
    says(panel, "Running")
    assert panel.code == "running.start()"
    with connect(**manager.kwargs) as client:
        assert client.link("Lamp").shine() == "on"
    manager.stop()
    says(panel, "is lost. Trying to connect again")
    wait_for(lambda: "made safe" in texts(panel), "the handler")
    panel.buttons["Stop"].click()
    says(panel, "Stopped.")
    panel.buttons["Start"].click()
    wait_for(lambda: "msl-error" in status(panel), "the error")
    wait_for(lambda: not panel.buttons["Start"].disabled, "the button")


def test_reloaded(panel, running, link):
    assert link.shine() == "on"
    running.reload(Brighter())
    assert link.shine() == "brighter"
    wait_for(lambda: "Reloaded." in texts(panel), "the log")
    shows(panel, "shine(text=&#x27;brighter&#x27;)")
    assert "lamp brighter" in texts(panel)


def test_serve_again_and_again(panels, manager):
    panel = panels(serve_lamp, manager)
    first = panel.running
    with connect(**manager.kwargs) as client:
        link = client.link("Lamp")
        assert serve(Brighter, manager=manager) is panel
        assert panel.running is first
        assert link.shine() == "brighter"

        class Broken(Lamp):
            def __init__(self):
                raise OSError("the port is in use")

        with pytest.raises(OSError, match="in use"):
            serve(Broken, name="Lamp", manager=manager)
        with pytest.raises(TypeError, match="is no Service"):
            serve(dict, manager=manager)
        assert link.shine() == "brighter"
        # at another Manager it is another one
        with LocalManager() as other:
            serve(Lamp, manager=other)
            wait_for(lambda: not first.is_running(), "the end")
            assert panel.running is not first
            with connect(**other.kwargs) as client:
                assert client.link("Lamp").shine() == "on"
            panel.stop().result(20)
        panel.close()
        again = panels(serve_lamp, manager)
        assert again is not panel
        again.stop().result(20)


def serve_lamp(manager):
    return serve(Lamp, manager=manager)

"""The panel of notifications, against a real Manager and real Services."""

import gc
import math
import time
import weakref

import pytest
import traitlets

from msl_network import LocalManager, Service, connect
from msl_network.notebook.panels import NotificationsPanel, notifications
from msl_network.notebook.panels.notifications import LOG

from .pages import WAIT, says, shows, wait_for


class Oven(Service):
    """Emits what it is told to."""

    def emit(self, *args, **kwargs):
        self.emit_notification(*args, **kwargs)

    def emit_many(self, count):
        for i in range(count):
            self.emit_notification(i)


class Lamp(Oven):
    pass


@pytest.fixture
def oven(manager):
    with Oven().start_in_background(**manager.kwargs):
        yield


@pytest.fixture
def link(client, oven):
    return client.link("Oven")


@pytest.fixture
def panel(panels, link):
    return panels(NotificationsPanel, link)


def counted(panel, **counts):
    """Wait until it has counted this, and each notification once."""

    def is_so():
        now = panel.counters
        each_once = now["received"] == now["shown"] + now["dropped"] + now["paused"]
        return each_once and counts.items() <= now.items()

    wait_for(is_so, counts)


def test_log_and_plot(panel, link):
    heard = []
    link.notification_handler = lambda *args, **kwargs: heard.append(args)
    says(panel, "Waiting for the first notification of Oven")
    assert not panel.plotted
    for i in range(3):
        link.emit(i, "<b>hot</b>\u202e", oven={"temperature": i / 2})
    counted(panel, received=3, shown=3)
    says(panel, "Receiving what Oven emits")
    assert len(heard) == 3  # the user's own handler is still there
    assert panel.last == ((2, "<b>hot</b>\u202e"), {"oven": {"temperature": 1.0}})
    assert panel.latest[0].text.startswith("0, '<b>hot</b>")
    assert panel.latest[0].time == pytest.approx(time.time(), abs=WAIT)
    shows(panel._listed, "&lt;b&gt;hot&lt;/b&gt;\\u202e")
    shows(panel._last_line, "{&#x27;temperature&#x27;: 1.0}")
    shows(panel._counters, "<b>3</b> received")
    assert panel.plotted == ["args[0]", 'kwargs["oven"]["temperature"]']
    wait_for(lambda: panel.plot.names == tuple(panel.plotted), "the lines")
    assert [list(line) for line in panel.plot._points.lines.values()] == [[0, 1, 2], [0, 0.5, 1]]


def test_numbers_are_chosen(panel, link):
    link.emit(1, 2, 3, 4, 5)
    wait_for(lambda: len(panel._boxes) == 5, "what can be chosen")
    assert panel.plotted == ["args[0]", "args[1]", "args[2]", "args[3]"]
    panel._boxes["args[4]"].value = True
    panel._boxes["args[0]"].value = False
    wait_for(lambda: panel.plot.names == ("args[1]", "args[2]", "args[3]", "args[4]"), "the lines")
    assert list(panel.plot._points.lines["args[4]"]) == [5]  # also what came before
    panel.plotted = ["args[0]"]
    wait_for(lambda: panel.plot.names == ("args[0]",), "the line")
    assert [box.value for box in panel._boxes.values()] == [True, False, False, False, False]
    with pytest.raises(traitlets.TraitError):
        panel.plotted = [f"args[{i}]" for i in range(13)]
    link.emit(10, later=11)
    wait_for(lambda: 'kwargs["later"]' in panel._boxes, "another number")
    assert panel.plotted == ["args[0]"]  # a person has chosen


def test_thirteenth_number_is_refused(panel, link):
    link.emit(*range(13))
    wait_for(lambda: len(panel._boxes) == 13, "what can be chosen")
    for box in panel._boxes.values():
        box.value = True
    wait_for(lambda: panel._boxes["args[12]"].disabled, "the box that is one too many")
    assert panel.plotted == [f"args[{i}]" for i in range(12)]
    assert not panel._boxes["args[12]"].value
    panel._boxes["args[5]"].value = False
    wait_for(lambda: not panel._boxes["args[12]"].disabled, "room for another one")


def test_pause_resume_clear(panel, link):
    link.emit(1)
    counted(panel, shown=1)
    panel.buttons["Pause"].click()
    wait_for(lambda: panel.buttons["Pause"].description == "Resume", "Resume")
    assert panel.is_paused
    assert panel.code == "stop()"
    link.emit(2)
    counted(panel, received=2, shown=1, paused=1)
    says(panel, "Paused: 1 came meanwhile")
    panel.buttons["Pause"].click()
    wait_for(lambda: not panel.is_paused, "the end of the pause")
    link.emit(3)
    counted(panel, received=3, shown=2, paused=1)
    first, gap, last = panel.plot._points.lines["args[0]"]
    assert (first, last) == (1, 3)
    assert math.isnan(gap)
    assert [one.text for one in panel.latest] == ["1", "3"]
    panel.buttons["Clear"].click()
    counted(panel, received=0, shown=0, paused=0)
    assert not panel.latest
    assert panel.last is None
    link.emit(4)
    counted(panel, received=1, shown=1)
    assert list(panel.plot._points.lines["args[0]"]) == [4]


def test_what_comes_fast_is_counted(panel, link):
    link.emit_many(2000)
    counted(panel, received=2000, dropped=0, forgotten=0)
    assert panel.counters["merged"] > 0
    assert [one.text for one in panel.latest] == [str(i) for i in range(2000 - LOG, 2000)]
    assert panel.last == ((1999,), {})
    wait_for(lambda: panel.plot.names == ("args[0]",), "the line")
    assert list(panel.plot._points.lines["args[0]"]) == [*range(2000)]


def test_what_comes_too_fast_is_dropped_and_counted(panels, link, monkeypatch):
    monkeypatch.setattr(notifications, "POINTS", 50)
    panel = panels(NotificationsPanel, link)
    link.emit_many(2000)
    counted(panel, received=2000)
    counters = panel.counters
    assert counters["dropped"] > 0
    assert counters["forgotten"] == counters["shown"] - 50
    shows(panel._counters, "came too fast and are left out")
    shows(panel._counters, "older ones are no longer plotted")
    assert panel.last == ((1999,), {})


def test_link_is_set_changed_and_taken_away(panels, manager, client, oven):
    panel = panels(NotificationsPanel)
    says(panel, "No link")
    assert panel.buttons["Pause"].disabled
    with Lamp().start_in_background(**manager.kwargs):
        ovens, lamp = client.link("Oven"), client.link("Lamp")
        panel.link = ovens
        ovens.emit(1)
        counted(panel, received=1, shown=1)
        panel.link = lamp
        says(panel, "Waiting for the first notification of Lamp")
        assert not panel._boxes
        ovens.emit(1)
        lamp.emit(kelvin=2700)
        counted(panel, received=1, shown=1)
        assert panel.plotted == ['kwargs["kelvin"]']
        panel.link = None
        says(panel, "No link")
        assert not len(ovens._state.listeners)
        assert not len(lamp._state.listeners)


def test_manager_comes_back(panels):
    with LocalManager(disable_tls=True) as manager:
        oven = Oven().start_in_background(**manager.kwargs, reconnect=WAIT)
        client = connect(**manager.kwargs, reconnect=WAIT)
        link = client.link("Oven")
        panel = panels(NotificationsPanel, link)
        link.emit(1)
        counted(panel, received=1)
        port = manager.port
    says(panel, "Nothing comes: the connection is lost")
    shows(panel._last_line, "Last known")  # and not as if it were what it is now
    shows(panel._listed, '<td class="msl-quiet">The connection is lost')
    with LocalManager(disable_tls=True, port=port):
        wait_for(lambda: client.is_connected() and not link._state.is_lost, "the link")
        shows(panel._listed, "Linked again.")
        assert link.service_address in panel._title.value
        link.emit(2)
        counted(panel, received=2, shown=2)
        shows(panel._last_line, "Last<")
        first, gap, last = panel.plot._points.lines["args[0]"]
        assert (first, last) == (1, 2)
        assert math.isnan(gap)  # no line leads over it
        assert [one.text for one in panel.latest] == ["1", "2"]
        client.disconnect()
        oven.stop()


def test_closed_panel_leaves_nothing(link):
    panel = NotificationsPanel(link)
    link.emit(1)
    counted(panel, received=1)
    panel.close()
    wait_for(lambda: not len(link._state.listeners), "the listener")
    gone = [weakref.ref(one) for one in (panel, panel.plot)]
    del panel
    link.emit(2)
    wait_for(lambda: gc.collect() is not None and not any(one() for one in gone), "the end of it")


def test_why_nothing_comes(panel, link, client):
    link.emit(1)
    says(panel, "Receiving what Oven emits")
    client.disconnect()
    says(panel, "Nothing comes: disconnected")


def test_the_service_is_away(panels, client, manager):
    with Oven().start_in_background(**manager.kwargs):
        panel = panels(NotificationsPanel, client.link("Oven"))
        says(panel, "Waiting for the first notification")
    says(panel, "Nothing comes: the Service is away")
    with Oven().start_in_background(**manager.kwargs):
        says(panel, "Waiting for the first notification")


@pytest.mark.kernel
def test_panel_goes_on_while_a_cell_blocks(connected, link):
    connected.run("""
import threading
over = threading.Event()
link.on_notification(lambda *args: over.set() if args == ("over",) else None)
panel = msl_network.notebook.NotificationsPanel(link)
""")
    cell = connected.start("over.wait(60)")
    for i in range(3):
        link.emit(i)
    connected.wait(cell, lambda: "<b>3</b> received" in connected.page())
    assert cell.status is None
    link.emit("over")
    assert connected.finish(cell).value is True
    plotted, names, frames = connected.run(
        "panel.plotted, panel.plot.names, panel.plot.frames"
    ).value
    assert plotted == [*names] == ["args[0]"]
    assert frames > 0

"""The panel of the Services, against a real Manager and real Services."""

import asyncio
import contextlib

import pytest

from msl_network import LocalManager, Service, connect
from msl_network.examples import Echo
from msl_network.notebook.panels import ServicesPanel
from msl_network.notebook.panels import services as module

from ...raw import RawPeer
from .pages import WAIT, says, shown, status, wait_for


class Instrument(Service):
    def __init__(self):
        super().__init__(max_clients=2)

    def measure(self):
        return 1


@pytest.fixture
def echo(manager):
    with Echo().start_in_background(**manager.kwargs) as running:
        yield running


@pytest.fixture
def instrument(manager):
    with Instrument().start_in_background(**manager.kwargs) as running:
        yield running


@pytest.fixture
def watchers(manager):
    return manager._running.manager.registry.news.watchers


@pytest.fixture
def panel(panels, client):
    """A panel that is on a page."""
    return show(panels(ServicesPanel, client))


def show(panel, views=1):
    panel.set_state({"_view_count": views})  # as the browser does that shows it
    return panel


def row(panel, name):
    wait_for(lambda: name in panel._rows, f"the row of {name}")
    return panel._rows[name]


def reads(panel, name, *texts):
    """Wait until the row of a Service shows these texts, one after the other."""

    def found():
        left = shown(row(panel, name)._cells)
        for text in texts:
            _, found, left = left.partition(text)
            if not found:
                return False
        return True

    wait_for(found, f"{texts} in the row of {name}: {shown(row(panel, name)._cells)}")


def offered(row):
    """The buttons of a row that can be clicked."""
    return [
        button.description
        for button in row._buttons
        if button.layout.display != "none" and not button.disabled
    ]


def test_services_come_and_go(panel, manager):
    says(panel, "No Services")
    with Echo().start_in_background(**manager.kwargs):
        says(panel, "1 Service on the Manager")
        row(panel, "Echo").link.click()
        wait_for(lambda: panel.link is not None, "the link")
        assert panel.link.echo(1) == [[1], {}]
    reads(panel, "Echo", "away", "unknown", "unknown")
    assert "linked" not in shown(panel._rows["Echo"])
    assert offered(panel._rows["Echo"]) == ["Unlink"]
    assert panel._rows["Echo"].release.layout.display == "none"
    with Echo().start_in_background(**manager.kwargs):
        wait_for(lambda: "away" not in shown(panel._rows["Echo"]), "the Service")
        assert panel.link.echo(1) == [[1], {}]
    reads(panel, "Echo", "away")
    panel._rows["Echo"].unlink.click()
    wait_for(lambda: panel.links == {} and panel._rows == {}, "the end of the link")
    assert panel.link is None
    assert panel._table.children == ()


def test_several_links(panel, echo, instrument):
    panel.link_with("Echo").result(WAIT)
    panel.link_with("Instrument").result(WAIT)
    assert set(panel.links) == {"Echo", "Instrument"}
    assert panel.link.service_name == "Instrument"
    row(panel, "Echo").use.click()
    wait_for(lambda: panel.link.service_name == "Echo", "the choice")
    assert panel.code == "link = client.link('Echo')"
    panel._rows["Echo"].unlink.click()
    wait_for(lambda: panel.link.service_name == "Instrument", "the other link")


def test_links_that_the_client_made_elsewhere(panel, client, echo, instrument):
    panel.link_with("Instrument").result(WAIT)
    made = client["Echo"]
    wait_for(lambda: panel.links.get("Echo") is made, "the link")
    assert panel.link is panel.links["Instrument"]  # the one that a person has chosen
    wait_for(lambda: offered(row(panel, "Echo"))[0] == "Use", "its button")
    made.unlink()
    wait_for(lambda: "Echo" not in panel.links, "the end of the link")


def test_who_is_linked_and_who_has_locked(panel, manager, client, instrument):
    reads(
        panel,
        "Instrument",
        "Python",
        "2\N{NO-BREAK SPACE}attributes",
        "nobody",
        "at most 2",
        "free",
    )
    with connect(name="Marie", **manager.kwargs) as other:
        link = other.link("Instrument")
        reads(panel, "Instrument", "Marie[", "1 linked, at most 2", "free")
        row(panel, "Instrument").link.click()
        reads(panel, "Instrument", "linked, in use", "you", "Marie[", "2 linked, at most 2", "free")
        assert offered(panel._rows["Instrument"]) == ["Lock", "Lock shared", "Unlink"]

        panel._rows["Instrument"].lock.click()  # which needs the only link
        says(panel, "Lock Instrument: ")  # and not that it is about to
        assert "cannot acquire an exclusive lock, there are 2 links" in status(panel)
        assert panel.code == "link.acquire_lock()"
        panel._rows["Instrument"].lock_shared.click()
        reads(panel, "Instrument", "locked by <b>you</b>", "shared")
        assert panel.code == "link.acquire_lock(shared=True)"
        assert offered(panel._rows["Instrument"]) == ["Release", "Unlink"]
        link.acquire_lock(shared=True)
        reads(panel, "Instrument", "locked by <b>you</b>, ", "Marie[", "shared")
        panel._rows["Instrument"].release.click()
        reads(panel, "Instrument", 'locked by <span class="msl-name">Marie[')
        assert panel.code == "link.release_lock()"
    reads(panel, "Instrument", "you", "free")
    panel.lock("Instrument").result(WAIT)
    reads(panel, "Instrument", "locked by <b>you</b>", "exclusive")
    assert panel._told == "ok"
    panel.release("Instrument").result(WAIT)
    reads(panel, "Instrument", "free")
    # what is done elsewhere is seen, too
    panel.link.acquire_lock()
    reads(panel, "Instrument", "locked by <b>you</b>")
    panel.link.unlink()
    wait_for(lambda: panel.link is None, "the end of the link")
    assert offered(panel._rows["Instrument"]) == ["Link"]


def test_a_service_that_is_locked_by_somebody(panel, manager, echo):
    with connect(name="Marie", **manager.kwargs) as other:
        other.link("Echo").acquire_lock()
        reads(panel, "Echo", 'locked by <span class="msl-name">Marie[')
        panel.link_with("Echo").result(WAIT)
        assert "service is locked by Marie[" in status(panel)
        assert panel.link is None
        assert offered(panel._rows["Echo"]) == ["Link"]
    reads(panel, "Echo", "free")
    assert "locked by Marie[" in status(panel)  # what went wrong stays until the next action
    panel.link_with("Echo").result(WAIT)
    assert panel._told == "ok"


def test_a_service_that_is_full(panels, manager, client, instrument):
    with connect(**manager.kwargs) as one, connect(**manager.kwargs) as two:
        one.link("Instrument")
        two.link("Instrument")
        panel = panels(ServicesPanel, client)
        panel.refresh().result(WAIT)
        panel.link_with("Instrument").result(WAIT)
        assert "Link Instrument" in status(panel)
        assert "maximum" in status(panel)
        assert panel.link is None
        assert offered(row(panel, "Instrument")) == ["Link"]


def test_without_a_page(panels, client, echo, watchers):
    panel = panels(ServicesPanel)
    panel.link_with("Echo").result(WAIT)
    assert "No Client" in status(panel)
    panel.client = client
    says(panel, "1 Service on the Manager")
    panel.link_with("Echo").result(WAIT)
    panel.lock("Echo", shared=True).result(WAIT)
    reads(panel, "Echo", "locked by <b>you</b>", "shared")
    panel.lock("Nothing").result(WAIT)
    assert "Lock Nothing: There is no link with it" in status(panel)
    wait_for(lambda: not watchers, "the end of watching")


def test_manager_is_watched_while_the_panel_is_shown(panel, client, echo, watchers):
    reads(panel, "Echo", "free")
    assert len(watchers) == 1
    show(panel, views=2)
    show(panel, views=0)
    wait_for(lambda: not watchers, "the end of watching")
    show(panel)
    wait_for(lambda: watchers, "the watch")
    panel.client = None
    says(panel, "No Client")
    wait_for(lambda: not watchers and not panel._rows, "the end of watching")
    panel.client = client
    reads(panel, "Echo", "free")
    panel.close()
    wait_for(lambda: not watchers, "the end of watching")
    assert client.is_connected()


def test_the_client_ends(panel, client, echo):
    panel.link_with("Echo").result(WAIT)
    client.disconnect()
    says(panel, "The Client is disconnected from")
    wait_for(lambda: panel._rows == panel.links == {} and panel.link is None, "the end")
    panel.link_with("Echo").result(WAIT)
    assert "Link Echo" in status(panel)


def test_manager_is_started_again(panels):
    with LocalManager(disable_tls=True) as first:
        kwargs = first.kwargs
        running = Echo().start_in_background(**kwargs)
        client = connect(**kwargs)
        panel = show(panels(ServicesPanel, client))
        panel.link_with("Echo").result(WAIT)
        panel.lock("Echo").result(WAIT)
    with running, client:
        says(panel, "Trying to connect again")
        reads(panel, "Echo", "away")
        with LocalManager(disable_tls=True, port=kwargs["port"]):
            says(panel, "1 Service on the Manager")
            reads(panel, "Echo", "linked", "you", "free")  # a lock is not taken again by itself


def test_very_many_services(panel, manager, client, monkeypatch, echo):
    monkeypatch.setattr(module, "SHOWN", 3)
    with contextlib.ExitStack() as peers:
        for i in range(5):
            peers.enter_context(RawPeer(manager.port)).service(f"A{i}")
        says(panel, "6 Services")
        wait_for(lambda: "and 3 more" in shown(panel._more), "the others")
        assert list(panel._rows) == ["A0", "A1", "A2"]
        panel.link_with("Echo").result(WAIT)
        assert set(panel._rows) == {"A0", "A1", "Echo"}
    says(panel, "1 Service on")


def test_a_service_of_another_kind(panel, manager):
    """What a Service says of itself is text, whatever it says."""
    markup = "<img src=x onerror=alert(1)>"
    with RawPeer(manager.port).service(markup, language=f"{markup}\x1b[2J", max_clients=None):
        reads(panel, markup, "&lt;img", "no limit")
        assert "<img" not in shown(panel)
        assert "\x1b" not in shown(panel)


def test_blocked_loop_of_a_kernel_holds_nothing_up(panels, manager, client, echo):
    async def cell():
        panel = show(panels(ServicesPanel, client))
        panel.link_with("Echo").result(WAIT)  # this loop stands still meanwhile
        reads(panel, "Echo", "linked, in use", "you")

    asyncio.run(cell())

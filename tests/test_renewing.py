"""A Service that says anew what it offers, on its open connection: what its Clients then know."""

import inspect
import threading

import pytest

from msl_network import connect

from .laboratory import eventually
from .raw import RawPeer

BEFORE = {"add": "(x, y)", "old": "() -> int", "gain": 1.5}
AFTER = {"add": "(x, y=2, *, unit: str = 'V')", "new": "(z)", "gain": 2.5}
DOCS = {"features": ["renew", "docs", "stream"], "doc": "Adds.", "docs": {"add": "Add two."}}


def renew(raw, attributes=AFTER, uid="r", **more):
    """Send a new identity; returns the answer."""
    identity = {"type": "service", "name": "RawService", "attributes": attributes, **more}
    return raw.ask(
        {"service": "Manager", "attribute": "__identity__", "args": [identity], "uid": uid}
    )


@pytest.fixture
def raw(manager):
    with RawPeer(manager.port) as raw:
        yield raw.service(attributes=BEFORE, **DOCS)


@pytest.fixture
def link(manager, raw):
    with connect(**manager.kwargs) as client:
        yield client.link("RawService")


def test_links_know_what_it_offers_now(raw, link):
    changed, restored = threading.Event(), threading.Event()
    link.on_changed(changed.set)
    link.on_restored(restored.set)
    assert str(inspect.signature(link.add)) == "(x, y)"
    assert link.add.__doc__ == "Add two."
    assert link.old.__doc__.startswith("A method")
    reply = link.add(1, 2, asynchronous=True)
    request = raw.read()

    assert (
        renew(raw, doc="Subtracts.", docs={"add": "Subtract."}, streams=["new"])["result"] is True
    )
    assert changed.wait(20)
    assert str(inspect.signature(link.add)) == str(AFTER["add"])
    assert link.add.__doc__ == "Subtract."
    assert link.service_attributes == AFTER
    assert (link.service_doc, link.service_streams) == ("Subtracts.", ["new"])
    assert str(inspect.signature(link.new)) == "(z)"
    assert "2.5" in link.gain.__doc__
    with pytest.raises(AttributeError, match="has no attribute 'old'"):
        link.old()
    assert {"new", "add"} <= set(dir(link))
    # the request that was under way has its answer
    raw.send({"result": 3, "requester": request["requester"], "uid": request["uid"]})
    assert reply.result(20) == 3
    assert not restored.is_set()


def test_what_has_not_changed_is_not_told(raw, link, manager):
    with connect(**manager.kwargs) as client, client.watch() as watch:
        changed = []
        link.on_changed(lambda: changed.append(1))
        more = {"doc": "Adds.", "docs": {"add": "Add two."}}
        assert renew(raw, BEFORE, **more)["result"] is True
        assert renew(raw, **more)["result"] is True
        eventually(lambda: changed == [1])
        eventually(lambda: watch.services["RawService"]["attributes"] == AFTER)
        assert client.link("RawService").service_attributes == AFTER


def test_service_that_comes_back_as_another_version(raw, link, manager):
    restored, changed = threading.Event(), threading.Event()
    link.on_restored(restored.set)
    link.on_changed(changed.set)
    assert str(inspect.signature(link.add)) == "(x, y)"
    raw.socket.shutdown(2)
    raw.read()
    eventually(lambda: "RawService" not in link._owner.identities()["services"])
    with RawPeer(manager.port).service(attributes=AFTER, **DOCS):
        assert restored.wait(20)
        assert changed.wait(20)
        assert str(inspect.signature(link.add)) == str(AFTER["add"])
        assert link.new.__name__ == "new"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"name": "Other"}, "can't become 'Other'"),
        ({"type": "client"}, "can't become a Client"),
        ({"type": "manager"}, "Unknown connection type"),
        ({"replica": True}, "is a replica can't change"),
        ({"attributes": None}, "Invalid identity"),
        ({"attributes": 1}, "Invalid identity"),
        ({"docs": {"add": 1}}, "Invalid identity"),
        ({"max_clients": "many"}, "Invalid identity"),
        ({"name": "x" * 2000}, "more than 1000 characters"),
        ({"attributes": {"deep": [[[]]] * 1}, "name": "a\nb"}, "control characters"),
        ({"doc": "x" * 150_000}, "can have 131072 bytes"),
    ],
)
def test_what_the_manager_refuses_changes_nothing(raw, link, more, text):
    answer = renew(raw, **more)
    assert answer["error"]
    assert answer["uid"] == "r"
    assert text in answer["message"]
    assert link._owner.identities()["services"]["RawService"]["attributes"] == BEFORE
    assert link.service_attributes == BEFORE


@pytest.mark.parametrize("args", [[], [None], ["client"], [[]], [{}]])
def test_what_is_no_identity(raw, args):
    answer = raw.ask({"service": "Manager", "attribute": "__identity__", "args": args, "uid": "r"})
    assert answer["error"]
    assert raw.ask("identity")["result"]["services"]["RawService"]["attributes"] == BEFORE


def test_identity_as_large_as_when_connecting(raw, link):
    attributes = {f"method{i}": "(x: float, y: float = 1.0) -> float" for i in range(2000)}
    assert renew(raw, attributes)["result"] is True
    eventually(lambda: link.service_attributes == attributes)


def test_a_client_can_not(manager, raw):
    with RawPeer(manager.port).client("RawService") as client:
        assert "Only a Service" in renew(client)["message"]
        assert client.ask("identity")["result"]["services"]["RawService"]["attributes"] == BEFORE


def test_client_of_1x_is_not_told(manager, raw):
    with RawPeer(manager.port).client() as client:
        assert client.ask("link RawService")["result"]["attributes"] == BEFORE
        assert renew(raw)["result"] is True
        assert client.ask("identity")["result"]["services"]["RawService"]["attributes"] == AFTER

"""Links, locks and requests in flight."""

from functools import partial

import pytest

from msl_network.manager import registry as registry_module
from msl_network.manager.limits import Limits
from msl_network.manager.registry import Registry
from msl_network.wire.codec import assemble, decode
from msl_network.wire.messages import ClientIdentity, ServiceIdentity, TooManyError

A, B = "A[h:1]", "B[h:2]"


@pytest.fixture
def registry():
    registry = Registry("Manager[h:0]")
    for name in (A, B):
        registry.add(name, name[2:-1], ClientIdentity(name=name[0]))
    return registry


def add_service(registry, name="S", **more):
    identity = ServiceIdentity(name=name, attributes={}, **more)
    return registry.add(f"{name}[h:9]", "h:9", identity)


def test_names_are_taken_once(registry):
    add_service(registry)
    with pytest.raises(NameError, match="A 'S' service is already running on the Manager"):
        add_service(registry)
    with pytest.raises(NameError, match="cannot be called 'Manager'"):
        add_service(registry, "Manager")
    assert list(registry.services) == ["S"]


def test_links_have_a_limit(registry):
    service = add_service(registry, max_clients=1)
    registry.link(A, "S")
    registry.link(A, "S")
    with pytest.raises(PermissionError, match=r"maximum number of Clients[^$]*\n  A\[h:1\]"):
        registry.link(B, "S")
    with pytest.raises(PermissionError):
        registry.begin(B, "S", "u")  # a request counts as linking
    registry.unlink(A, "S")
    assert registry.begin(B, "S", "u") is service
    assert list(service.links) == [B]
    with pytest.raises(KeyError, match="was not linked"):
        registry.unlink(A, "S")
    registry.unlink(A, "Gone")


def test_locks(registry):
    add_service(registry)
    with pytest.raises(PermissionError, match="it is not linked"):
        registry.acquire_lock(A, "S", shared=True)
    registry.link(A, "S")
    assert registry.acquire_lock(A, "S", shared=False) == [A]
    with pytest.raises(PermissionError, match="'S' service is locked"):
        registry.link(B, "S")
    with pytest.raises(PermissionError, match="'S' service is locked"):
        registry.begin(B, "S", "u")
    assert registry.release_lock(A, "S") == []
    registry.link(B, "S")
    with pytest.raises(PermissionError, match="there are 2 links"):
        registry.acquire_lock(A, "S", shared=False)
    assert registry.acquire_lock(A, "S", shared=True) == [A, B]
    assert registry.acquire_lock(B, "S", shared=True) == [A, B]
    assert registry.release_lock(A, "S") == [B]
    registry.unlink(B, "S")
    assert registry.release_lock(A, "S") == []


def test_client_that_goes_takes_all_with_it(registry):
    service = add_service(registry)
    registry.begin(A, "S", "u")
    registry.acquire_lock(A, "S", shared=False)
    registry.remove_client(registry.clients[A])
    assert not service.links
    assert not service.locks
    assert registry.finish(service, A, "u") is None
    registry.link(B, "S")


def test_reply_is_taken_once_and_from_the_service_that_was_asked(registry):
    service, other = add_service(registry), add_service(registry, "Other")
    registry.begin(A, "S", "u")
    assert registry.finish(other, A, "u") is None
    assert registry.finish(service, B, "u") is None
    assert registry.finish(service, A, "v") is None
    assert registry.finish(service, A, "u") == A
    assert registry.finish(service, A, "u") is None


def test_requests_of_a_service_that_goes(registry):
    service = add_service(registry)
    for uid in ("", "", "u"):
        registry.begin(A, "S", uid)
    assert registry.remove_service(service) == {A: ["", "", "u"]}
    assert registry.clients[A].in_flight == 0
    with pytest.raises(KeyError, match="the 'S' Service is not connected to Manager"):
        registry.begin(A, "S", "u")


def add_replica(registry, port, *, name="S", attributes=None, features=("replicas",), **more):
    identity = ServiceIdentity(
        name=name,
        attributes=attributes or {},
        replica=True,
        features=list(features),
        **more,
    )
    return registry.add(f"{name}[h:{port}]", f"h:{port}", identity)


def test_replicas_take_turns_and_the_least_busy_is_first(registry):
    one, two, three = (add_replica(registry, port) for port in (1, 2, 3))
    assert list(registry.services) == ["S"]
    assert [registry.begin(A, "S", str(uid)) for uid in range(4)] == [one, two, three, one]
    assert registry.executing(A, "S", "2") is three
    assert registry.finish(one, A, "1") is None  # it is not the one that was asked
    assert registry.finish(three, A, "2") == A
    assert registry.executing(A, "S", "2") is None
    assert registry.begin(A, "S", "4") is three
    assert registry.finish(one, A, "0") == registry.finish(one, A, "3") == A
    assert [registry.begin(A, "S", str(uid)) for uid in (5, 6)] == [one, two]
    assert registry.asked_by(registry.clients[A]) == [three, one, two]


def test_link_and_lock_are_with_all_replicas(registry):
    one, two = (add_replica(registry, port, max_clients=1) for port in (1, 2))
    registry.link(A, "S")
    with pytest.raises(PermissionError, match="maximum number of Clients"):
        registry.link(B, "S")
    assert list(one.links) == list(two.links) == [A]
    assert registry.acquire_lock(A, "S", shared=False) == [A]
    registry.begin(A, "S", "u")
    assert registry.remove_service(one) == {A: ["u"]}
    with pytest.raises(PermissionError, match="is locked"):
        registry.begin(B, "S", "u")
    assert registry.services["S"] is two
    registry.remove_client(registry.clients[A])
    registry.link(B, "S")


def test_clients_are_left_behind_by_the_last_replica(registry):
    client = registry.add("C[h:3]", "h:3", ClientIdentity(name="C", features=["relink"]))
    one, two = (add_replica(registry, port) for port in (1, 2))
    registry.link(client.network_name, "S")
    registry.remove_service(two)
    again = add_replica(registry, 3)
    assert registry.relink(again) == []
    for service in (one, again):
        registry.remove_service(service)
    assert not registry.services
    last = add_replica(registry, 4)
    assert registry.relink(last) == [client.network_name]
    assert list(last.links) == [client.network_name]


def test_entry_tells_what_all_replicas_can_do(registry):
    one = add_replica(registry, 1, features=["replicas", "cancel", "progress"])
    add_replica(registry, 2, features=["progress", "replicas"])
    assert "replicas" not in one.entry()
    entry = one.entry(extended=True)
    assert (entry["features"], entry["replicas"]) == (["replicas", "progress"], 2)


def test_name_is_shared_only_by_those_who_say_so(registry):
    add_service(registry, "Alone")
    with pytest.raises(NameError, match="already running on the Manager, and it is no replica"):
        add_replica(registry, 1, name="Alone")
    add_replica(registry, 2)
    with pytest.raises(NameError, match=r"already running .* only with Services that are replicas"):
        add_service(registry)
    with pytest.raises(NameError, match="only with Services that are replicas"):
        add_replica(registry, 3, features=[])


# as far as a Client that calls it can tell
SAME = {"add": "(x, f=<function f at 0x7f02>)", "serial": 2}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"attributes": {"serial": 2}}, "What differs: 'add'$"),
        ({"attributes": {**SAME, "add": "(x)", "new": "()"}}, "'add', 'new'$"),
        ({"attributes": {**SAME, "serial": "()"}}, "'serial'$"),
        ({"attributes": SAME, "max_clients": 2}, "max_clients, 2 instead of -1$"),
        ({"attributes": SAME, "streams": ["add"]}, "'add'$"),
        (
            {"attributes": {**SAME, **{f"m{i}": "()" for i in range(9)}}},
            "'m0', 'm1', 'm2', 'm3', 'm4', 4 more attributes$",
        ),
    ],
)
def test_replicas_offer_the_same(registry, more, text):
    attributes = {"add": "(x, f=<function f at 0x7f01>)", "serial": 1}
    add_replica(registry, 1, attributes=attributes)
    add_replica(registry, 2, attributes=SAME)
    with pytest.raises(NameError, match="already running.*" + text):
        add_replica(registry, 3, **more)


def test_all_devices_together_say_no_more_than_fits_in_a_message(registry, monkeypatch):
    add_service(registry, "Small")
    monkeypatch.setattr(registry_module, "IDENTITIES_LIMIT", registry._size + 2000)
    large = {"doc": "x" * 1500}
    service = add_service(registry, "Large", **large)
    for add in (partial(add_service, registry, "S"), partial(add_replica, registry, 9)):
        with pytest.raises(TooManyError, match=r"say more than \d+ bytes of themselves"):
            add(**large)
    with pytest.raises(TooManyError):
        registry.add("C[h:8]", "h:8", ClientIdentity(name="C", os="x" * 1500))
    with pytest.raises(TooManyError):
        registry.renew(service, renewed("Large", doc="x" * 3000))
    assert decode(assemble(service.entry(extended=True)))["doc"] == large["doc"]
    assert not registry.renew(service, renewed("Large", attributes={}, **large))
    registry.remove_service(service)
    registry.renew(add_service(registry, "S"), renewed("S", **large))


def test_each_replica_is_a_connection():
    registry = Registry("Manager[h:0]", Limits(connections=2))
    add_replica(registry, 1)
    add_replica(registry, 2)
    with pytest.raises(TooManyError):
        add_replica(registry, 3)


def told(registry, number=0):
    """What has changed after a change, as those who watch are told it."""
    return {
        change.name: registry.entry(change.name, is_service=change.is_service)
        for change in registry.news.since(number)
    }


def test_news_of_links_and_locks(registry):
    add_service(registry, max_clients=2)
    known = registry.watch(B)
    assert known["name"] == B
    assert known["services"]["S"]["links"] == []
    assert set(known["clients"]) == {A, B}
    assert told(registry) == {}
    registry.begin(A, "S", "1")  # counts as linking
    registry.acquire_lock(A, "S", shared=True)
    entry = told(registry)["S"]
    assert (entry["links"], entry["locks"], entry["lock"]) == ([A], [A], "shared")
    assert entry["max_clients"] == 2
    number = registry.news.number
    registry.begin(A, "S", "2")
    registry.release_lock(B, "S")  # which has none
    assert told(registry, number) == {}
    registry.acquire_lock(A, "S", shared=False)
    assert told(registry, number)["S"]["lock"] == "exclusive"
    registry.remove_client(registry.clients[A])
    registry.remove_service(registry.services["S"])
    assert told(registry, number) == {A: None, "S": None}


def test_news_are_no_more_than_1x_says_and_the_links(registry):
    service = add_service(registry, doc="secret", docs={"x": "secret"}, streams=["x"])
    assert {*service.watched()} == {*service.entry(), "links", "locks", "lock"}


def test_nothing_is_noted_while_nobody_watches(registry):
    add_service(registry)
    registry.link(A, "S")
    assert registry.news.number == 0
    registry.watch(B)
    registry.unlink(A, "S")
    registry.news.unwatch(B)
    assert registry.news.since(0) == []
    registry.watch(B)
    registry.remove_client(registry.clients[B])
    assert registry.news.watchers == {}


def test_name_that_changes_again_and_again_is_told_once(registry):
    service = add_service(registry)
    registry.watch(B)
    for _ in range(100):
        registry.link(A, "S")
        registry.unlink(A, "S")
    assert [change.name for change in registry.news.since(0)] == ["S"]
    registry.remove_client(registry.clients[A])
    assert [change.name for change in registry.news.since(0)] == ["S", A]
    registry.remove_service(service)
    assert [change.name for change in registry.news.since(0)] == [A, "S"]


def test_who_is_too_far_behind_is_told_so(registry, monkeypatch):
    monkeypatch.setattr("msl_network.manager.news.NEWS_KEPT", 3)
    registry.watch(A)
    for port in range(5):
        add_service(registry, f"S{port}")
    assert registry.news.since(0) is None
    assert [change.name for change in registry.news.since(2)] == ["S2", "S3", "S4"]


def renewed(name="S", **more):
    return ServiceIdentity(name=name, **{"attributes": {"new": "()"}, **more})


def test_service_renews_what_it_offers(registry):
    service = add_service(registry, features=["renew"], max_clients=2)
    registry.begin(A, "S", "1")
    registry.acquire_lock(A, "S", shared=True)
    more = {"streams": ["new"], "doc": "d", "docs": {"new": "n"}, "max_clients": 1}
    assert registry.renew(service, renewed(**more, features=["ping"], os="another"))
    entry = decode(assemble(service.entry(extended=True)))
    assert (entry["attributes"], entry["streams"]) == ({"new": "()"}, ["new"])
    assert (entry["doc"], entry["docs"], entry["max_clients"]) == ("d", {"new": "n"}, 1)
    assert (entry["features"], entry["os"]) == (["renew"], "unknown")
    assert (list(service.links), list(service.locks), service.waiting) == ([A], [A], 1)
    assert not registry.renew(service, renewed(**more))
    with pytest.raises(PermissionError):
        registry.link(B, "S")


@pytest.mark.parametrize(
    ("identity", "text"),
    [
        (renewed("Other"), "can't become 'Other'"),
        (ClientIdentity(name="S"), "can't become a Client"),
        (renewed(replica=True), "is a replica can't change"),
    ],
)
def test_service_that_would_be_another_one(registry, identity, text):
    service = add_service(registry)
    before = service.identity
    with pytest.raises(ValueError, match=text):
        registry.renew(service, identity)
    assert service.identity is before


def test_replica_renews_itself_if_it_still_matches(registry):
    attributes = {"add": "(x)", "serial": 1}
    one = add_replica(registry, 1, attributes=attributes)
    two = add_replica(registry, 2, attributes=attributes)
    assert registry.renew(two, renewed(attributes={"add": "(x)", "serial": 2}, replica=True))
    with pytest.raises(NameError, match="What differs: 'add'"):
        registry.renew(two, renewed(attributes={"add": "(x, y)", "serial": 2}, replica=True))
    assert two.identity.attributes["add"] == "(x)"
    registry.remove_service(one)
    assert registry.renew(two, renewed(replica=True))  # the last one may

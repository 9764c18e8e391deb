"""Links, locks and requests in flight."""

import pytest

from msl_network.manager.registry import Orphan, Registry
from msl_network.wire.messages import ClientIdentity, ServiceIdentity

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
    assert registry.remove_service(service) == [
        Orphan(A, "", "S"),
        Orphan(A, "", "S"),
        Orphan(A, "u", "S"),
    ]
    with pytest.raises(KeyError, match="the 'S' Service is not connected to Manager"):
        registry.begin(A, "S", "u")

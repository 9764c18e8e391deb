"""Who is connected to a Manager, and what is between them: links, locks, requests in flight.

Pure bookkeeping: it does no I/O and knows of a peer no more than its name. The texts of its
errors are those that 1.x sends.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw

from ..constants import MANAGER
from ..wire.codec import encode
from ..wire.messages import ClientIdentity, ServiceIdentity, TooManyError
from .limits import Limits
from .news import News
from .replicas import check_replica

__all__ = ["ClientRecord", "Registry", "ServiceRecord"]

LEFT_BEHIND = 10_000
"""Most Services that have gone of which it is remembered who was linked with them; each needed a
connection of its own, so that nobody comes near it by accident."""


IDENTITIES_LIMIT = 64 * 1024 * 1024
"""Most bytes of what all devices say of themselves. It is in the Manager's identity, which each one
that connects is sent: a quarter of the largest message, and a thousand Services of the largest."""


def _written(identity: ClientIdentity, *names: str) -> dict[str, Raw]:
    """What a device says of itself as JSON: made once, and not for each that asks."""
    return {name: Raw(encode(getattr(identity, name))) for name in names}


@dataclass(slots=True)
class ClientRecord:
    """A Client that is connected.

    Attributes:
        network_name: `name[host:port]`.
        address: `host:port`.
        identity: Who it says it is.
        in_flight: How many of its requests have no reply yet.
        written: What it says of itself, as JSON, by the name of the field.
    """

    network_name: str
    address: str
    identity: ClientIdentity
    in_flight: int = 0
    written: dict[str, Raw] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.written = _written(self.identity, "language", "os")

    def entry(self) -> dict[str, Any]:
        """What the Manager's identity says of it, to be written by `assemble`."""
        return {"name": self.identity.name, "address": self.address, **self.written}


@dataclass(slots=True, eq=False)
class ServiceRecord:
    """A Service that is connected.

    A link and a lock are with a name. Those who share one, its replicas, have the same `links`, the
    same `locks` and the same `replicas`.

    Attributes:
        network_name: `name[host:port]`.
        address: `host:port`.
        identity: Who it says it is.
        links: Network names of the Clients that are linked, in the order of linking.
        locks: Network names of those that hold a lock, and whether they share it.
        replicas: The Services of this name, itself included; first the one that has been without a
            new request for longest.
        in_flight: How many requests of each `(requester, uid)` have no reply yet; a person at a
            terminal sends all of them with the same uid.
        waiting: How many that are in all.
        written: What it says of itself, as JSON, by the name of the field.
    """

    network_name: str
    address: str
    identity: ServiceIdentity
    links: dict[str, None] = field(default_factory=dict)
    locks: dict[str, bool] = field(default_factory=dict)
    replicas: "list[ServiceRecord]" = field(default_factory=list, repr=False)
    in_flight: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting: int = 0
    written: dict[str, Raw] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.replicas.append(self)
        self.write()

    def write(self) -> None:
        """Write its identity, which is new."""
        names = "attributes", "language", "os", "features", "streams", "doc", "docs"
        self.written = _written(self.identity, *names)

    @property
    def name(self) -> str:
        """The name by which Clients ask for it."""
        return self.identity.name

    def entry(self, *, extended: bool = False) -> dict[str, Any]:
        """What the Manager's identity says of it, which with more is also the answer to a link.

        Args:
            extended: Whether who asks knows more than 1.x.

        Returns:
            What `assemble` writes.
        """
        written = self.written
        entry: dict[str, Any] = {
            "attributes": written["attributes"],
            "address": self.address,
            "language": written["language"],
            "os": written["os"],
            "max_clients": self.identity.limit,
        }
        if extended:
            entry["features"] = written["features"]
            if len(self.replicas) > 1:
                # a request may get to any of them
                known = set[str].intersection(*[set(r.identity.features) for r in self.replicas])
                entry["features"] = [name for name in self.identity.features if name in known]
            for name in ("streams", "doc", "docs"):
                entry[name] = written[name]
            entry["replicas"] = len(self.replicas)
        return entry

    def watched(self) -> dict[str, Any]:
        """What those who watch are told of it: what 1.x says, and the links and locks."""
        kind = "shared" if any(self.locks.values()) else "exclusive"
        return {
            **self.entry(),
            "links": list(self.links),
            "locks": list(self.locks),
            "lock": kind if self.locks else None,
        }


class Registry:
    """The devices of a Manager.

    Attributes:
        clients: The Clients by network name.
        services: The Services by name; one of those that share it.
        news: What has changed since who watches was told.
    """

    def __init__(self, manager: str, limits: Limits | None = None) -> None:
        self._manager = manager
        self._limits = limits or Limits()
        self.clients: dict[str, ClientRecord] = {}
        self.services: dict[str, ServiceRecord] = {}
        self.news = News()
        self._size = 0  # of all that is written
        # who was linked with a Service that has gone, by the name of the Service
        self._left_behind: dict[str, dict[str, None]] = {}

    # --- coming and going ----------------------------------------------------------------

    def add(
        self, network_name: str, address: str, identity: ClientIdentity
    ) -> ClientRecord | ServiceRecord:
        """Register a device.

        Raises:
            NameError: A Service of that name is there already and the two do not share it, or it is
                the Manager's name.
            TooManyError: There are as many devices as there may be, or they say too much.
        """
        services = sum(len(service.replicas) for service in self.services.values())
        if len(self.clients) + services >= self._limits.connections:
            raise TooManyError(f"{self._limits.connections} devices are connected, no more can be")
        if not isinstance(identity, ServiceIdentity):
            if network_name in self.clients:
                raise NameError(f"A {network_name!r} client is already connected to the Manager")
            client = ClientRecord(network_name, address, identity)
            self._take_room(client)
            self.clients[network_name] = client
            self.news.note(network_name, is_service=False)
            return client
        if identity.name == MANAGER:
            raise NameError(f"A service cannot be called {MANAGER!r}, the name of the Manager")
        first = self.services.get(identity.name)
        if first is None:
            service = ServiceRecord(network_name, address, identity)
            self._take_room(service)
            self.services[identity.name] = service
            self._changed(service)
            return service
        check_replica(identity, first.identity)
        service = ServiceRecord(network_name, address, identity, first.links, first.locks)
        self._take_room(service)
        service.replicas = first.replicas
        service.replicas.append(service)
        return service

    def _take_room(self, record: ClientRecord | ServiceRecord, before: int = 0) -> None:
        """Note how much a device says of itself.

        Raises:
            TooManyError: It is too much.
        """
        size = self._size - before + _size(record)
        if size > IDENTITIES_LIMIT:
            text = f"All devices together say more than {IDENTITIES_LIMIT} bytes of themselves"
            raise TooManyError(f"{text}. Let this one offer less, or stop another one")
        self._size = size

    def remove_client(self, client: ClientRecord) -> list[str]:
        """Forget a Client, its links, its locks and its requests.

        Returns:
            The names of the Services that it was linked with.
        """
        name = client.network_name
        if self.clients.pop(name, None) is not None:
            self._size -= _size(client)
        self.news.unwatch(name)
        self.news.note(name, is_service=False)
        linked = []
        for service in self.services.values():
            if name in service.links:
                linked.append(service.name)
                del service.links[name]
                service.locks.pop(name, None)
                self._changed(service)
            for replica in service.replicas:
                for key in [key for key in replica.in_flight if key[0] == name]:
                    replica.waiting -= replica.in_flight.pop(key)
        for absent in list(self._left_behind):
            self._forget(name, absent)
        return linked

    def remove_service(self, service: ServiceRecord) -> dict[str, list[str]]:
        """Forget a Service, but not who was linked with the last of its name and wants to be again.

        Returns:
            The uids of the requests that it has not answered, by Client, each once for each time it
            was sent.
        """
        replicas = service.replicas
        if service in replicas:
            replicas.remove(service)
            self._size -= _size(service)
            del self.services[service.name]
            self._changed(service)
            if replicas:
                self.services[service.name] = replicas[0]
                left = []
            else:
                left = [n for n in service.links if "relink" in self.clients[n].identity.features]
            if left and len(self._left_behind) < LEFT_BEHIND:
                self._left_behind[service.name] = dict.fromkeys(left)
        orphans: dict[str, list[str]] = {}
        for requester, uid in service.in_flight.elements():
            orphans.setdefault(requester, []).append(uid)
        service.in_flight.clear()
        service.waiting = 0
        for requester, uids in orphans.items():
            self.clients[requester].in_flight -= len(uids)
        return orphans

    def renew(self, service: ServiceRecord, identity: ClientIdentity) -> bool:
        """Take what a Service offers now; its links, locks and requests are kept.

        Returns:
            Whether that is something else than before.

        Raises:
            ValueError: It says that it is somebody else, or that it shares its name where it did
                not, or the other way round.
            NameError: It shares its name, and the others do not offer the same.
            TooManyError: All devices together say too much of themselves.
        """
        before = service.identity
        if not isinstance(identity, ServiceIdentity):
            raise ValueError(f"The {before.name!r} service can't become a Client")
        if identity.name != before.name:
            raise ValueError(f"The {before.name!r} service can't become {identity.name!r}")
        if identity.replica != before.replica:
            raise ValueError(f"Whether {before.name!r} is a replica can't change")
        # what it can do beyond 1.x belongs to the connection, which is the same
        new = msgspec.structs.replace(
            before,
            attributes=identity.attributes,
            streams=identity.streams,
            doc=identity.doc,
            docs=identity.docs,
            max_clients=identity.max_clients,
        )
        for other in service.replicas:
            if other is not service:
                check_replica(new, other.identity)
        size = _size(service)
        service.identity = new
        service.write()
        try:
            self._take_room(service, size)
        except TooManyError:
            service.identity = before
            service.write()
            raise
        self._changed(service)
        return new != before

    # --- for those who watch -------------------------------------------------------------

    def entry(self, name: str, *, is_service: bool) -> dict[str, Any] | None:
        """What those who watch are told of a device; None if it is not there."""
        if is_service:
            service = self.services.get(name)
            return None if service is None else service.watched()
        client = self.clients.get(name)
        return None if client is None else client.entry()

    def watch(self, client: str) -> dict[str, Any]:
        """Note that a Client watches, and return what there is now."""
        self.news.watch(client)
        return {
            "name": client,
            "number": self.news.number,
            "services": {name: service.watched() for name, service in self.services.items()},
            "clients": {name: other.entry() for name, other in self.clients.items()},
        }

    def _changed(self, service: ServiceRecord) -> None:
        self.news.note(service.name, is_service=True)

    # --- links ---------------------------------------------------------------------------

    def relink(self, service: ServiceRecord) -> list[str]:
        """Link a Service that has come back with the Clients that it left behind.

        Returns:
            The network names of those for whom there was room.
        """
        limit = service.identity.limit
        clients = list(self._left_behind.pop(service.name, ()))
        if limit > 0:
            del clients[limit:]
        service.links.update(dict.fromkeys(clients))
        self._changed(service)
        return clients

    def _forget(self, client: str, service: str) -> None:
        left = self._left_behind.get(service, {})
        left.pop(client, None)
        if not left:
            self._left_behind.pop(service, None)

    def link(self, client: str, service: str) -> ServiceRecord:
        """Link a Client with a Service. Linking again is fine.

        Raises:
            KeyError: The Service does not exist.
            PermissionError: It is locked, or has its maximum of Clients.
        """
        record = self.services.get(service)
        if record is None:
            raise KeyError(f"the {service!r} service does not exist, cannot link with {client}")
        if client in record.links:
            return record
        if record.locks:
            raise PermissionError(f"{service!r} service is locked")
        limit = record.identity.limit
        if 0 < limit <= len(record.links):
            raise PermissionError(
                f"The maximum number of Clients are already linked with {service!r}"
                + _linked_clients(record)
            )
        record.links[client] = None
        self._changed(record)
        return record

    def unlink(self, client: str, service: str) -> None:
        """Unlink a Client from a Service, and release its lock. Fine if the Service has gone.

        Raises:
            KeyError: The Client is not linked with it.
        """
        record = self.services.get(service)
        if record is None:
            self._forget(client, service)
            return
        if client not in record.links:
            raise KeyError(f"cannot unlink {client}, it was not linked with {service!r}")
        del record.links[client]
        record.locks.pop(client, None)
        self._changed(record)

    # --- locks ---------------------------------------------------------------------------

    def acquire_lock(self, client: str, service: str, *, shared: bool) -> list[str]:
        """Lock a Service: while any lock is held nobody new can link.

        Args:
            client: Who wants the lock. Must be linked with the Service.
            service: Which Service.
            shared: Whether others may be linked. An exclusive lock needs the only link.

        Returns:
            The network names of the linked Clients.

        Raises:
            KeyError: The Service does not exist.
            PermissionError: The Client is not linked, or not the only one.
        """
        record = self.services.get(service)
        if record is None:
            raise KeyError(f"{service!r} service does not exist, {client} cannot acquire a lock")
        if client not in record.links:
            raise PermissionError(
                f"{client} cannot acquire a lock because it is not linked with "
                f"the {service!r} service"
            )
        if not shared and len(record.links) > 1:
            raise PermissionError(
                f"{client} cannot acquire an exclusive lock, there are {len(record.links)} "
                f"links with the {service!r} service" + _linked_clients(record)
            )
        record.locks[client] = shared
        self._changed(record)
        return list(record.links)

    def release_lock(self, client: str, service: str) -> list[str]:
        """Release a lock. Fine if the Client has none.

        Returns:
            The network names of those that still hold one.

        Raises:
            KeyError: The Service does not exist.
        """
        record = self.services.get(service)
        if record is None:
            raise KeyError(f"{service!r} service does not exist, {client} cannot release the lock")
        if record.locks.pop(client, None) is not None:
            self._changed(record)
        return list(record.locks)

    # --- requests ------------------------------------------------------------------------

    def begin(self, client: str, service: str, uid: str) -> ServiceRecord:
        """Note a request of a Client to a Service. Counts as linking, where it has not linked.

        Returns:
            The Service that is to execute it: of those that share the name, one of those with the
            fewest requests in flight, each in its turn.

        Raises:
            KeyError: The Service is not connected.
            PermissionError: The Client is not linked and can't be.
            TooManyError: The Client or the Service has as many requests in flight as it may.
        """
        record = self.services.get(service)
        if record is None:
            raise KeyError(f"the {service!r} Service is not connected to {self._manager}")
        if client not in record.links:
            self.link(client, service)
        sender = self.clients[client]
        if sender.in_flight >= self._limits.requests_per_client:
            raise TooManyError(
                f"{client} has {sender.in_flight} requests in flight, the most that a Client may "
                f"have. Wait for replies before you send more"
            )
        if len(record.replicas) > 1:
            record = _next(record.replicas)
        # nobody has more of them than are left to the others
        if sender.in_flight >= self._limits.requests_per_service - record.waiting:
            raise TooManyError(
                f"{record.waiting} requests wait for the {service!r} service, and {client} has "
                f"{sender.in_flight} in flight, the most that it may now. Try again later"
            )
        # not `+=`, for which a Counter calls a function of Python where the key is new
        key = (client, uid)
        record.in_flight[key] = record.in_flight.get(key, 0) + 1
        record.waiting += 1
        sender.in_flight += 1
        return record

    def finish(self, service: ServiceRecord, requester: str | None, uid: str) -> str | None:
        """Take a request off the books that a Service answers.

        Args:
            service: The Service that sent the reply.
            requester: The Client that it is for, as the reply says; None where it does not.
            uid: The uid of the request, as the reply says.

        Returns:
            The network name of the Client; None if it waits for no such reply.
        """
        key = (requester or "", uid)
        count = service.in_flight.get(key, 0)
        if not count:
            return None
        if count == 1:
            del service.in_flight[key]
        else:
            service.in_flight[key] = count - 1
        service.waiting -= 1
        self.clients[key[0]].in_flight -= 1
        return requester

    def asked_by(self, client: ClientRecord) -> list[ServiceRecord]:
        """The Services that have not answered a request of a Client."""
        name = client.network_name
        return [
            replica
            for service in self.services.values()
            for replica in service.replicas
            if any(key[0] == name for key in replica.in_flight)
        ]

    def executing(self, client: str, service: str, uid: str) -> ServiceRecord | None:
        """The Service that has not answered a request of a Client yet; None if it has."""
        record = self.services.get(service)
        replicas = () if record is None else record.replicas
        return next((r for r in replicas if (client, uid) in r.in_flight), None)

    def only_request(self, service: ServiceRecord) -> tuple[str, str] | None:
        """The one request in flight at a Service: what an error without a uid can only be for."""
        if service.waiting != 1:
            return None
        return next(iter(service.in_flight))


def _size(record: ClientRecord | ServiceRecord) -> int:
    return sum(len(memoryview(text)) for text in record.written.values())


def _linked_clients(service: ServiceRecord) -> str:
    return "\nThe linked Clients are:\n  " + "\n  ".join(sorted(service.links))


def _next(replicas: list[ServiceRecord]) -> ServiceRecord:
    chosen = min(replicas, key=lambda replica: replica.waiting)
    replicas.remove(chosen)
    replicas.append(chosen)
    return chosen

"""The Manager: passes requests, replies and notifications between the connected devices."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ..budget import Budget
from ..computer import software
from ..connection import Connection
from ..constants import (
    CANCEL,
    FEATURES,
    GONE,
    GOODBYE,
    HOSTNAME,
    IDENTITY,
    LINKED,
    MANAGER,
    PING,
    SHUTDOWN_MANAGER,
    SHUTDOWN_TIMEOUT,
)
from ..database import ConnectionsTable, HostnamesTable, UsersTable
from ..heartbeat import keep_alive
from ..logs import set_logging_level
from ..wire.handshake import Authentication
from ..wire.messages import (
    Message,
    TooManyError,
    error_lines,
    message_line,
    parse_identity,
    request_line,
    result_line,
    written_line,
)
from ..workers import Workers
from .admission import Admission, neighbourhood
from .authentication import Brake, LoginCheck
from .limits import Limits
from .listening import Visitor
from .names import Names, plain
from .peer import Peer
from .recorder import RECORD_TIMEOUT, Recorder
from .registry import ClientRecord, Registry, ServiceRecord
from .reporter import Reporter

__all__ = ["ADMIN_ATTRIBUTES", "Manager", "Tables"]

logger = logging.getLogger(__package__)

ADMIN_ATTRIBUTES = frozenset(
    {
        "identity",
        "port",
        "set_logging_level",
        "connections_table.connections",
        "hostnames_table.delete",
        "hostnames_table.hostnames",
        "hostnames_table.insert",
        "users_table.delete",
        "users_table.insert",
        "users_table.is_admin",
        "users_table.is_password_valid",
        "users_table.is_user_registered",
        "users_table.update",
        "users_table.usernames",
        "users_table.users",
    }
)
"""What an administrator can ask a Manager for, besides `shutdown_manager`. In 1.x any attribute
of any object could be reached, the database's SQL included."""


TOLD_LIMIT = 10_000
"""Most bytes of what a Client tells of a request: three names of 1000 characters, and a number."""


@dataclass(slots=True)
class Tables:
    """The tables of a Manager's database."""

    connections: ConnectionsTable
    hostnames: HostnamesTable
    users: UsersTable


class Manager:
    """Links the requests of Clients with the Services that execute them.

    Not made by a user: see `run_forever`, `run_services` and `LocalManager`.

    Args:
        port: The port that it listens on.
        authentication: How devices authenticate themselves.
        tables: The tables of its database, opened with `check_same_thread=False`.
        password: The password, where that is the authentication.
        limits: What it puts up with.
    """

    def __init__(
        self,
        *,
        port: int,
        authentication: Authentication,
        tables: Tables,
        password: str | None = None,
        limits: Limits,
    ) -> None:
        self.port = port
        self.authentication = authentication
        self.password = password
        self.limits = limits
        self.network_name = f"Manager[{HOSTNAME}:{port}]"
        self.registry = Registry(self.network_name, limits)
        self.admission: Admission[Visitor] = Admission(
            limits.unauthenticated_per_address, limits.unauthenticated
        )
        self.peers: set[Peer] = set()
        self._budget = Budget(limits.memory_limit)
        self.brake = Brake()
        self.recorder = Recorder(tables.connections)
        self._trusted = frozenset(map(plain, tables.hostnames.hostnames()))
        self.stopped = asyncio.Event()
        self.on_empty: Callable[[], None] | None = None
        self._tables = tables
        self._users_thread = Workers("msl-network-users", 1)
        self.names = Names()
        self.logins = LoginCheck(tables.users, self._users_thread)
        self._by_client: dict[str, Peer] = {}
        self._by_service: dict[ServiceRecord, Peer] = {}
        self._reporter = Reporter(self.registry, lambda client: self._by_client[client].connection)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def __str__(self) -> str:
        return self.network_name

    # --- for its peers -------------------------------------------------------------------

    def connect(self, visitor: Visitor) -> Connection:
        """Make the protocol of a new connection."""
        return Connection(
            lambda connection: self._connected(connection, visitor),
            limit=self.limits.handshake_limit,
            stall_timeout=self.limits.stall_timeout,
            outgoing_limit=self.limits.outgoing_limit,
            outgoing_lines=self.limits.outgoing_lines,
            account=self._budget.open(neighbourhood(visitor.ip_address)),
        )

    def _connected(self, connection: Connection, visitor: Visitor) -> Peer:
        visitor.connection = connection
        keep_alive(connection.info("socket"), self.limits.heartbeat)
        peer = Peer(self, connection, visitor)
        if self._closing or visitor.has_to_go:
            # its TLS handshake took until now
            connection.abort("the Manager has stopped")
        return peer

    async def trusted_hosts(self) -> frozenset[str]:
        """The trusted names and addresses, as `names.plain` writes them.

        They are read each time: what `msl-network hostname` changes counts from then on. Where
        they can't be read it is those of the last time.
        """
        try:
            async with asyncio.timeout(RECORD_TIMEOUT):
                names = await self._users_thread.run(self._tables.hostnames.hostnames)
            self._trusted = frozenset(map(plain, names))
        except (TimeoutError, sqlite3.Error) as error:
            logger.error("cannot read the trusted hostnames: %s", str(error) or "it is locked")
        return self._trusted

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine for a peer."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("unexpected error", exc_info=error)

    def question(self, attribute: str, args: list[str]) -> bytes:
        """Write what the Manager asks a device."""
        more: dict[str, Any] = {}
        if attribute == "identity":
            more = {
                "features": FEATURES,
                "heartbeat": self.limits.heartbeat,
                "identity_limit": self.limits.handshake_limit,
                "message_limit": self.limits.message_limit,
            }
        return request_line(attribute, args, requester=self.network_name, **more)

    def registered(self, peer: Peer) -> None:
        """Note which connection a registered device has."""
        if isinstance(peer.record, ServiceRecord):
            self._by_service[peer.record] = peer
            for client in self.registry.relink(peer.record):
                logger.info("linked %s again with %r", client, peer.record.name)
                told = self._tell(LINKED, [peer.record.name, peer.record.entry(extended=True)])
                self._by_client[client].connection.send(told)
        else:
            self._by_client[peer.network_name] = peer

    def client_peer(self, network_name: str) -> Peer:
        """The connection of a registered Client."""
        return self._by_client[network_name]

    def service_peer(self, service: ServiceRecord) -> Peer:
        """The connection of a registered Service."""
        return self._by_service[service]

    def remove(self, peer: Peer) -> None:
        """Forget a device that has gone, and tell those who wait for it."""
        self.peers.discard(peer)
        self.admission.leave(peer.visitor)
        record = peer.record
        if isinstance(record, ClientRecord):
            self._by_client.pop(peer.network_name, None)
            for service in self.registry.asked_by(record):
                if (other := self._by_service[service]).can("stream"):
                    gone = request_line(GONE, service=MANAGER, requester=peer.network_name)
                    other.connection.send(gone)
            self.registry.remove_client(record)
        elif isinstance(record, ServiceRecord):
            self._by_service.pop(record, None)
            text = f"The {record.name!r} service disconnected before it replied"
            error = ConnectionAbortedError(text)
            for client, uids in self.registry.remove_service(record).items():
                other = self.client_peer(client)
                # who may send it again need not wait
                left = len(record.replicas) if other.can("replicas") else 0
                more: dict[str, Any] = {"replicas": left} if left else {}
                # at once: there may be thousands
                other.connection.send(error_lines(error, uids, requester=client, **more))
            if self.on_empty is not None and not self.registry.services:
                self.on_empty()

    def tell_service(self, peer: Peer, message: Message) -> None:
        """Pass on what a Client tells of a request in flight, where the Service knows it."""
        service, uid = message.service or "", message.uid or ""
        record = self.registry.executing(peer.network_name, service, uid) if uid else None
        if record is None:
            return  # it has been answered meanwhile
        other = self._by_service[record]
        if other.can("cancel" if message.attribute == CANCEL else "stream"):
            line = message_line(message, peer.network_name)
            # a Client that tells without end takes no room from the requests of others, nor
            # gets a Service dropped that is busy
            if len(line) <= TOLD_LIMIT and other.connection.has_room(len(line), share=0.5):
                other.connection.send(line)

    # --- requests to the Manager itself --------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """Who the Manager is, and who is connected to it, to be written by `assemble`."""
        return {
            "hostname": HOSTNAME,
            "port": self.port,
            "attributes": {"identity": "() -> dict", "link": "(service: str) -> bool"},
            **software(),
            "clients": {name: c.entry() for name, c in self.registry.clients.items()},
            "services": {name: s.entry() for name, s in self.registry.services.items()},
        }

    def request(self, peer: Peer, message: Message) -> None:
        """Handle a request to the Manager."""
        attribute = message.attribute
        if attribute is None:
            peer.fail(message, ValueError("A request needs an `attribute`"))
        elif attribute == PING:
            pass  # written differently from how this package does
        elif attribute == "identity":
            self._answer(peer, message, self.identity())
        elif attribute == IDENTITY:
            self._renew(peer, message)
        elif attribute == "watch" and peer.can("news"):
            self._watch(peer, message)
        elif attribute in ("link", "unlink", "acquire_lock", "release_lock"):
            try:
                result = self._link_request(peer, attribute, message)
            except (KeyError, PermissionError, TypeError, ValueError) as error:
                peer.refuse(message, error)
            else:
                self._answer(peer, message, result)
        elif not peer.is_admin:
            logger.info("%s sent the admin request %r", peer, attribute)
            peer.ask_for_login(message)
        elif attribute == SHUTDOWN_MANAGER:
            logger.info("%s shuts the Manager down", peer)
            self._note_change(peer, attribute)
            self.say_goodbye(f"{peer} has shut it down")
            self.stopped.set()
        elif attribute not in ADMIN_ATTRIBUTES:
            peer.fail(message, AttributeError(f"'Manager' object has no attribute {attribute!r}"))
        else:
            self._admin(peer, attribute, message)

    def _renew(self, peer: Peer, message: Message) -> None:
        """Take what a Service that has been reloaded says of itself, as when it connected."""
        record = peer.record
        try:
            if not isinstance(record, ServiceRecord):
                raise PermissionError("Only a Service can say anew what it offers")
            identity = parse_identity(next(iter(message.positional()), None))
            is_new = self.registry.renew(record, identity)
        except (
            *(KeyError, NameError, PermissionError, TypeError, ValueError),
            TooManyError,
        ) as error:
            peer.refuse(message, error)
            return
        self._answer(peer, message, True)
        if not is_new:
            return
        logger.info("%s offers something else now", peer)
        line = self._tell(LINKED, [record.name, record.entry(extended=True), True])
        for client in record.links:
            other = self._by_client[client]
            # a Service that renews itself without end gets nobody dropped
            if other.can("relink") and other.connection.has_room(len(line), share=0.5):
                other.connection.send(line)

    def _watch(self, peer: Peer, message: Message) -> None:
        try:
            args = message.positional()
        except ValueError as error:
            peer.fail(message, error)
            return
        match args:
            case [True] if isinstance(peer.record, ClientRecord):
                self._answer(peer, message, self.registry.watch(peer.network_name))
            case [False]:
                self.registry.news.unwatch(peer.network_name)
                self._answer(peer, message, True)
            case _:
                text = "A Client can `watch` what is on the Manager: it takes true or false"
                peer.fail(message, TypeError(text))

    def _admin(self, peer: Peer, attribute: str, message: Message) -> None:
        if peer.admin_requests >= self.limits.admin_requests:
            text = f"{peer.admin_requests} of your requests are being worked on. Wait for replies"
            peer.refuse(message, TooManyError(text))
            return
        peer.admin_requests += 1
        self.spawn(self._admin_request(peer, attribute, message))

    def _tell(self, attribute: str, args: list[Any]) -> bytes:
        """Write what the Manager tells a device."""
        return written_line(
            args=args,
            attribute=attribute,
            error=False,
            kwargs={},
            service=MANAGER,
            requester=self.network_name,
            uid="",
        )

    def _answer(self, peer: Peer, message: Message, result: Any) -> None:
        peer.connection.send(
            written_line(
                error=False, requester=peer.network_name, result=result, uid=message.uid or ""
            )
        )

    def _link_request(self, peer: Peer, attribute: str, message: Message) -> Any:
        if not isinstance(peer.record, ClientRecord):
            raise PermissionError(f"Only a Client can send the request {attribute!r}")
        client = peer.network_name
        args, kwargs = message.positional(), message.keywords()
        service = args[0] if args else kwargs.get("service")
        if not isinstance(service, str):
            raise TypeError(f"The request {attribute!r} needs the name of a service")
        if attribute == "link":
            record = self.registry.link(client, service)
            logger.info("linked %s with %r [%d link(s)]", peer, service, len(record.links))
            return record.entry(extended=peer.is_extended)
        if attribute == "unlink":
            self.registry.unlink(client, service)
            logger.info("unlinked %s from %r", peer, service)
            return True
        if attribute == "release_lock":
            locks = self.registry.release_lock(client, service)
            logger.info("%s unlocked %r [%d lock(s)]", peer, service, len(locks))
            return locks
        shared = args[1] if len(args) > 1 else kwargs.get("shared", False)
        links = self.registry.acquire_lock(client, service, shared=bool(shared))
        logger.info("%s locked %r [%d link(s)]", peer, service, len(links))
        return links

    async def _admin_request(self, peer: Peer, attribute: str, message: Message) -> None:
        table_name, _, method = attribute.rpartition(".")
        try:
            args, kwargs = message.positional(), message.keywords()
            if not table_name:
                value = getattr(self, method)
                result = value(*args, **kwargs) if callable(value) else value
            else:
                # each table is used on one thread only
                table, thread = {
                    "users_table": (self._tables.users, self._users_thread),
                    "hostnames_table": (self._tables.hostnames, self._users_thread),
                    "connections_table": (self._tables.connections, self.recorder.thread),
                }[table_name]
                result = await thread.run(lambda: getattr(table, method)(*args, **kwargs))
            if method in ("insert", "update", "delete"):
                self._note_change(peer, attribute)
            uid = message.uid or ""
            peer.connection.send(result_line(result, requester=peer.network_name, uid=uid))
        except Exception as error:
            # whatever a table raises is the administrator's to know
            logger.info("%s: %r failed: %s", peer, attribute, error)
            peer.fail(message, error)
        finally:
            peer.admin_requests -= 1

    def _note_change(self, peer: Peer, attribute: str) -> None:
        self.recorder.record(peer, f"{attribute} by {peer}, user {peer.username!r}")

    def set_logging_level(self, level: int | str) -> bool:
        """Set the level of this package's log; whether there is such a level is returned."""
        return set_logging_level(level)

    # --- the end -------------------------------------------------------------------------

    def say_goodbye(self, reason: str) -> None:
        """Tell all devices that the Manager ends for good, so that nobody tries to come back."""
        line = self._tell(GOODBYE, [reason])
        for peer in self.peers:
            if peer.can("goodbye"):
                peer.connection.send(line)

    async def close(self) -> None:
        """Disconnect all devices and let go of everything."""
        logger.info("shutting down the Network Manager")
        self._closing = True
        self.on_empty = None
        self._reporter.close()
        for task in list(self._tasks):
            task.cancel()
        peers = list(self.peers)
        for peer in peers:
            if peer.connection.lost_reason is None and not peer.connection.is_closing:
                peer.connection.lost_reason = "the Manager stops"
            peer.connection.close()
        if peers:
            _, late = await asyncio.wait(
                [asyncio.ensure_future(peer.connection.wait_closed()) for peer in peers],
                timeout=SHUTDOWN_TIMEOUT,
            )
            for peer in list(self.peers) if late else ():
                peer.connection.abort("it did not close in time")
            if late:
                await asyncio.wait(late, timeout=SHUTDOWN_TIMEOUT)
        self.names.close()
        self.logins.close()
        await self.recorder.close()
        await self._users_thread.run(self._tables.users.close)
        await self._users_thread.run(self._tables.hostnames.close)
        self._users_thread.close()

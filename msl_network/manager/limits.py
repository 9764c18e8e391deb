"""The limits of a Manager, each a setting of it."""

import math
from dataclasses import dataclass, fields

from .. import constants
from ..constants import (
    ADMIN_REQUESTS,
    CONNECTIONS,
    HANDSHAKE_LIMIT,
    HANDSHAKE_TIMEOUT,
    HEARTBEAT,
    HEARTBEAT_SHORTEST,
    MEMORY_LIMIT,
    MESSAGE_LIMIT,
    OUTGOING_LIMIT,
    OUTGOING_LINES,
    REQUESTS_PER_CLIENT,
    REQUESTS_PER_SERVICE,
    STALL_TIMEOUT,
    TLS_TIMEOUT,
    UNAUTHENTICATED,
    UNAUTHENTICATED_PER_ADDRESS,
)

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a Manager puts up with. The reasons of the defaults are in `msl_network.constants`.

    Example:
        >>> run_forever(limits=Limits(message_limit=64 << 20, memory_limit=256 << 20))

    Attributes:
        message_limit: Most bytes of a message.
        handshake_limit: Most bytes of a message before the peer is registered.
        handshake_timeout: Seconds to authenticate and identify oneself.
        tls_timeout: Seconds for the TLS part of connecting.
        heartbeat: Seconds between two signs of life.
        stall_timeout: Seconds without progress after which a peer that does not read is dropped.
        outgoing_limit: Most bytes that wait for one peer.
        outgoing_lines: Most messages that wait for one peer.
        memory_limit: Most bytes that are held of all messages together: of those that are not
            complete yet, and of those that wait for a peer.
        unauthenticated_per_address: Most connections from an address that are not registered.
        unauthenticated: Most connections in all that are not registered.
        connections: Most devices that are registered.
        requests_per_client: Most requests of a Client that have no reply yet.
        requests_per_service: Most requests at a Service that have no reply yet.
        admin_requests: Most requests of an administrator that are worked on, or wait for a login.

    Raises:
        ValueError: One of them is not a positive number, or they contradict each other.
    """

    message_limit: int = MESSAGE_LIMIT
    handshake_limit: int = HANDSHAKE_LIMIT
    handshake_timeout: float = HANDSHAKE_TIMEOUT
    tls_timeout: float = TLS_TIMEOUT
    heartbeat: float = HEARTBEAT
    stall_timeout: float = STALL_TIMEOUT
    outgoing_limit: int = OUTGOING_LIMIT
    outgoing_lines: int = OUTGOING_LINES
    memory_limit: int = MEMORY_LIMIT
    unauthenticated_per_address: int = UNAUTHENTICATED_PER_ADDRESS
    unauthenticated: int = UNAUTHENTICATED
    connections: int = CONNECTIONS
    requests_per_client: int = REQUESTS_PER_CLIENT
    requests_per_service: int = REQUESTS_PER_SERVICE
    admin_requests: int = ADMIN_REQUESTS

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            kinds = (int,) if isinstance(field.default, int) else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds):
                kind = "an integer" if kinds == (int,) else "a number"
                raise ValueError(f"{field.name} must be {kind}, not {value!r}")
            if not 0 < value < math.inf:
                raise ValueError(f"{field.name} must be greater than 0 and finite, not {value!r}")
        if self.heartbeat < HEARTBEAT_SHORTEST:
            raise ValueError(
                f"heartbeat must be at least {HEARTBEAT_SHORTEST}, not {self.heartbeat!r}"
            )
        sockets = self.connections + self.unauthenticated
        if constants.IS_WINDOWS and sockets > constants.SOCKETS_ON_WINDOWS:
            raise ValueError(
                f"connections and unauthenticated together must be at most "
                f"{constants.SOCKETS_ON_WINDOWS} on Windows, not {sockets!r}"
            )
        for large, times, small in (
            ("outgoing_limit", 2, "message_limit"),
            ("memory_limit", 2, "message_limit"),
            ("outgoing_lines", 2, "requests_per_service"),
            ("unauthenticated", 1, "unauthenticated_per_address"),
        ):
            least = times * getattr(self, small)
            if getattr(self, large) < least:
                twice = "twice " if times == 2 else ""
                raise ValueError(
                    f"{large} must be at least {twice}{small}: "
                    f"{getattr(self, large)!r} is less than {least!r}"
                )

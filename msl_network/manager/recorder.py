"""The record of what connected, kept without ever holding up the Manager."""

import contextlib
import logging
import sqlite3
import threading
import time
from datetime import datetime
from typing import NamedTuple

from ..constants import HOSTNAME, RECORDS_KEPT, RECORDS_WAITING
from ..database import BUSY_TIMEOUT, ConnectionsTable, Peer
from ..workers import NoThreadError, Workers

__all__ = ["RECORD_TIMEOUT", "Recorder"]

logger = logging.getLogger(__package__)

RECORD_LENGTH = 500
"""Most characters of a message that are kept."""

PRUNE_AFTER = 1000
"""Rows that are written before the table is cut back again to `RECORDS_KEPT` of them."""

RECORD_TIMEOUT = 0.5
"""Seconds that one try to write a row waits for a locked database, which is how long a Manager
that is closing is held up. There are tries for as long as `database.BUSY_TIMEOUT`."""


MANAGER_HAS = "the Manager has "
"""How the rows begin that tell of the Manager itself."""

KILLED = "; the one before it was killed, and its connections ended with it"

STARTED, STOPPED = f"{MANAGER_HAS}started", f"{MANAGER_HAS}stopped"


class _Origin(NamedTuple):
    """What is recorded of a device: the device itself, with all that it has, does not wait."""

    ip_address: str
    domain: str
    port: int

    def __str__(self) -> str:
        return f"{self.ip_address}:{self.port}"


class Recorder:
    """Writes to the connections table on a thread of its own.

    Now and then the oldest rows make way. A locked database or a full disk costs rows, each with a
    line in the log, and nothing else.

    Args:
        table: The table. It is used on that thread only.

    Attributes:
        thread: A pool with that one thread.
    """

    def __init__(self, table: ConnectionsTable) -> None:
        self._table = table
        self.thread = Workers("msl-network-record", 1)
        self._lock = threading.Lock()
        self._waiting = 0
        self._written = 0
        self._closed = False
        self._manager: _Origin | None = None

    def record(self, origin: Peer, message: str) -> None:
        """Note what happened to a connection. Returns at once."""
        with self._lock:
            if self._closed:
                return
            if self._waiting >= RECORDS_WAITING:
                logger.error("cannot record %r of %s: the database is busy", message, origin)
                return
            self._waiting += 1
        with contextlib.suppress(NoThreadError):
            device = _Origin(origin.ip_address, origin.domain, origin.port)
            self.thread.submit(self._insert, device, message, datetime.now())

    async def started(self, port: int) -> None:
        """Note that the Manager has started.

        If the one before it on its port was killed, that is noted, too: nothing else tells that
        what was connected to it no longer is.
        """
        self._manager = _Origin("127.0.0.1", HOSTNAME, port)
        last = None
        with contextlib.suppress(sqlite3.Error):
            last = await self.thread.run(self._table.last_message, port, MANAGER_HAS)
        killed = last is not None and last.startswith(STARTED)
        self.record(self._manager, STARTED + (KILLED if killed else ""))

    async def close(self) -> None:
        """Note that the Manager has stopped, and write what waits, except while it is locked."""
        if self._manager is not None:
            self.record(self._manager, STOPPED)
        with self._lock:
            self._closed = True
        await self.thread.run(self._table.close)
        self.thread.close()

    def _insert(self, origin: _Origin, message: str, when: datetime) -> None:
        with self._lock:
            self._waiting -= 1
        deadline = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                if self._closed:
                    # the Manager is closing: what is locked now is not waited for
                    self._table.execute("PRAGMA busy_timeout = 0;")
                self._table.insert(origin, message[:RECORD_LENGTH], when)
            except sqlite3.Error as error:
                locked = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
                if locked and not self._closed and time.monotonic() < deadline:
                    continue
                logger.error("cannot record %r of %s: %s", message, origin, error)
            else:
                self._prune()
            return

    def _prune(self) -> None:
        # once at the beginning, since what is restarted often writes few rows each time
        if self._written % PRUNE_AFTER == 0:
            with contextlib.suppress(sqlite3.Error):  # there will be another time
                self._table.prune(RECORDS_KEPT)
        self._written += 1

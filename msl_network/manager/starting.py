"""Starting a Manager: what it is given is checked, what is missing is made."""

import logging
import os
import sqlite3
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from .. import constants, loop_thread
from ..constants import HOSTNAME, NETWORK_MANAGER_RUNNING_PREFIX, PORT
from ..secret import read_secret
from ..wire.handshake import Authentication
from .limits import Limits
from .listening import Listener, bind
from .manager import Manager, Tables
from .recorder import RECORD_TIMEOUT

__all__ = ["CannotStartError", "Plan", "Running", "prepare", "start"]

logger = logging.getLogger(__package__)

EXPIRES_SOON = timedelta(days=60)
"""How long before its certificate expires a Manager says so at each start."""


class CannotStartError(Exception):
    """A Manager can't start, and its text says why."""


@dataclass(slots=True)
class Plan:
    """What a Manager needs to start."""

    host: str | None
    port: int
    authentication: Authentication
    password: str | None = field(repr=False)
    context: ssl.SSLContext | None
    database: str
    limits: Limits


@dataclass(slots=True)
class Running:
    """A Manager that listens."""

    manager: Manager
    listener: Listener
    plan: Plan

    def announce(self) -> None:
        """Log that it is ready for Clients: the line that `ssh.start_manager` waits for."""
        logger.info(
            "%s %s:%d (TLS %s)",
            NETWORK_MANAGER_RUNNING_PREFIX,
            self.plan.host or HOSTNAME,
            self.manager.port,
            "ENABLED" if self.plan.context else "DISABLED",
        )

    async def close(self) -> None:
        """Stop listening and disconnect all devices."""
        self.listener.close()
        await self.manager.close()


def prepare(
    *,
    host: str | None = None,
    port: int = PORT,
    auth_hostname: bool = False,
    auth_login: bool = False,
    auth_password: str | Sequence[str] | None = None,
    database: str | None = None,
    disable_tls: bool = False,
    cert_file: str | None = None,
    key_file: str | None = None,
    key_file_password: str | Sequence[str] | None = None,
    limits: Limits | None = None,
    free_port: bool = False,
) -> Plan:
    """Check what `run_forever` is given, and make the key and the certificate if missing.

    A `port` of 0, for one that is free, needs `free_port`.

    Raises:
        CannotStartError: Something is wrong with it.
    """
    try:
        number = int(port)
    except (TypeError, ValueError):
        number = -1
    if not (0 if free_port else 1) <= number <= 65535:
        raise CannotStartError("ValueError: The port must be a positive integer")
    if sum(map(bool, (auth_hostname, auth_login, auth_password))) > 1:
        raise CannotStartError("Cannot specify multiple authentication methods")
    password = None
    authentication = Authentication.NONE
    if auth_password:
        authentication, password = Authentication.PASSWORD, _secret(auth_password, "password")
    elif auth_login:
        authentication = Authentication.LOGIN
    elif auth_hostname:
        authentication = Authentication.HOSTNAME
    context = None
    if not disable_tls:
        key_password = _secret(key_file_password, "key password")
        context = _server_context(host, cert_file, key_file, key_password)
    return Plan(
        host=host,
        port=number,
        authentication=authentication,
        password=password,
        context=context,
        database=database or constants.DATABASE,
        limits=limits or Limits(),
    )


def _secret(words: str | Sequence[str] | None, name: str) -> str | None:
    try:
        return read_secret(words, name, logger.info)
    except (OSError, ValueError) as error:
        raise CannotStartError(f"{type(error).__name__}: {error}") from error


def _server_context(
    host: str | None, cert_file: str | None, key_file: str | None, password: str | None
) -> ssl.SSLContext:
    from .. import cryptography

    try:
        if cert_file is None and key_file is None:
            if host is None:
                key_file = cryptography.get_default_key_path()
                cert_file = cryptography.get_default_cert_path()
            else:
                key_file = os.path.join(constants.KEY_DIR, f"{host}.key")
                cert_file = os.path.join(constants.CERT_DIR, f"{host}.crt")
            if not os.path.isfile(key_file):
                cryptography.generate_key(path=key_file, password=password)
            if not os.path.isfile(cert_file):
                cryptography.generate_certificate(
                    path=cert_file, key_path=key_file, key_password=password
                )
        elif cert_file is None:
            # as in 1.x: the default certificate is made anew to match the key
            cert_file = cryptography.generate_certificate(key_path=key_file, key_password=password)
        context = cryptography.server_context(cert_file, key_file, password)
        certificate = cryptography.load_certificate(cert_file)
    except (OSError, ValueError, TypeError) as error:
        text = f"Cannot load the certificate {cert_file} with the key {key_file or cert_file}: "
        advice = ""
        if "KEY_VALUES_MISMATCH" in str(error):
            advice = (
                f"\nTo make a certificate for this key: msl-network certgen --key-file {key_file} "
                f"{cert_file}\nEach device has to trust it once more"
            )
        raise CannotStartError(f"{text}{error}{advice}") from error
    # what a person compares on the first connection
    fingerprint = cryptography.get_fingerprint(certificate)
    logger.info("loaded certificate %s, SHA-256 %s", cert_file, fingerprint)
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    if left < EXPIRES_SOON:
        logger.warning(
            "the certificate %s %s on %s. `msl-network certgen` makes a new one, which each device "
            "has to trust once more",
            cert_file,
            "expires" if left > timedelta(0) else "has expired",
            f"{certificate.not_valid_after_utc:%Y-%m-%d}",
        )
    _warn_if_public(key_file or cert_file, "the private key")
    return context


def _open_tables(plan: Plan) -> Tables:
    from ..database import ConnectionsTable, HostnamesTable, UsersTable

    try:
        if plan.database != ":memory:":
            constants.ensure_parent(plan.database)
        tables = Tables(
            connections=ConnectionsTable(
                database=plan.database, check_same_thread=False, timeout=RECORD_TIMEOUT
            ),
            hostnames=HostnamesTable(database=plan.database, check_same_thread=False),
            users=UsersTable(database=plan.database, check_same_thread=False),
        )
    except (sqlite3.Error, OSError) as error:
        raise CannotStartError(f"Cannot open the database {plan.database}: {error}") from error
    if plan.database != ":memory:":
        _warn_if_public(plan.database, "the database, with what passwords are checked against,")
    if plan.authentication is Authentication.LOGIN and not tables.users.usernames():
        _close(tables)
        name = tables.users.NAME
        raise CannotStartError(
            f"The {name!r} table is empty, no one could log in\n"
            f"To add a user to the {name!r} table run the "
            f'"msl-network user" command'
        )
    return tables


def _warn_if_public(path: str | None, what: str) -> None:
    # 1.x left them so; what a person has set is not changed behind the back
    if path and not constants.IS_WINDOWS and os.stat(path).st_mode & 0o007:
        logger.warning("everybody on this computer can read %s: chmod o= %s", what, path)


def _close(tables: Tables) -> None:
    for table in (tables.connections, tables.hostnames, tables.users):
        table.close()


async def start(plan: Plan) -> Running:
    """Start a Manager on the running loop.

    Raises:
        CannotStartError: Its database can't be opened, or nobody could log in.
        OSError: The port is in use, or the host is not of this computer.
    """
    tables = await loop_thread.in_thread(_open_tables, plan)
    # asked for here, and not for the first connection, since it looks at the interfaces
    await loop_thread.in_thread(lambda: constants.LOCALHOST_ALIASES)
    try:
        sockets = await loop_thread.in_thread(bind, plan.host, plan.port)
    except OSError:
        _close(tables)
        raise
    manager = Manager(
        port=int(sockets[0].getsockname()[1]),
        authentication=plan.authentication,
        tables=tables,
        password=plan.password,
        limits=plan.limits,
    )
    await manager.recorder.started(manager.port)
    listener = Listener(manager, sockets, plan.context)
    logger.info("using %s for authentication", plan.authentication.value)
    return Running(manager, listener, plan)

"""An SSH connection: the host key, the login, and a blocking face."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

import asyncssh

from .. import constants, loop_thread, trust
from ..asking import Ask, Question, wait, wait_and_answer

__all__ = ["SSHClient", "close_connection", "connect", "login_of", "open_connection", "refuse"]

PASSWORD_ATTEMPTS = 3
"""How often a password is asked for, as OpenSSH does."""

KEEPALIVE = 30.0
"""Seconds without a word from the server after which it is asked whether it is there; after
three of them without an answer the connection is lost."""

ClientKeys: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_REPLACED = {
    "missing_host_key_policy": "an unknown host key is shown and asked about; "
    "use known_hosts= for a file with the key",
    "paramiko_kwargs": "use ssh_port=, known_hosts= and client_keys=",
}

_NOBODY_TO_ASK = (EOFError, OSError, NotImplementedError)
"""What `input` and `getpass` raise where there is no terminal and no cell: NotImplementedError is
from a kernel without a person before it."""


def refuse(kwargs: dict[str, Any], function: str) -> None:
    """Refuse keywords of 1.x that have been replaced.

    Raises:
        TypeError: There is one of them; the text says what to use instead.
    """
    for name in kwargs:
        if name in _REPLACED:
            raise TypeError(f"{function}() has no {name!r} any more: {_REPLACED[name]}")


class Login(asyncssh.SSHClient):
    """Answers what the server asks for while a connection is made.

    Attributes:
        host_key: The key of the server, when it is none of the pinned ones.
        password: The password that the server accepted; None when it was a key.
        closed_here: Whether the connection was closed from this side.
        lost: Why the connection has ended, when it did so by itself.
        error: What went wrong while a person was asked.
    """

    def __init__(self, username: str, host: str, password: str | None, ask: Ask | None) -> None:
        self.name = f"{username}@{host}"
        self.host_key: asyncssh.SSHKey | None = None
        self.password: str | None = None
        self.closed_here = False
        self.lost: Exception | None = None
        self.error: Exception | None = None
        self._given = password
        self._ask = ask
        self._attempts = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.host_key = key
        return False

    async def password_auth_requested(self) -> str | None:
        if self._given is not None:
            if self._attempts:
                return None
            self._attempts = 1
            self.password = self._given
            return self.password
        if self._attempts >= PASSWORD_ATTEMPTS:
            return None
        again = "Permission denied, please try again." if self._attempts else ""
        self._attempts += 1
        self.password = await self.answer(
            Question("password", f"{self.name}'s password: ", again, secret=True)
        )
        if self.password == "":
            self.error = ValueError("You must specify the SSH password")
            self.password = None
        return self.password

    def kbdint_auth_requested(self) -> str | None:
        left = 1 if self._given is not None else PASSWORD_ATTEMPTS
        return "" if self._attempts < left and self.error is None else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        answers = []
        for prompt, echo in prompts:
            if not echo and "password" in prompt.lower():
                reply = await self.password_auth_requested()
            else:
                reply = await self.answer(
                    Question("password", f"{self.name}: {prompt}", instructions, secret=not echo)
                )
            if reply is None:
                return None
            answers.append(reply)
        return answers

    def end_asking(self) -> None:
        """Ask nothing any more: the login is over.

        Whom it asks knows the task that connects, and what that leads to: a connection must not
        keep who uses it alive.
        """
        self._ask = self._given = None

    async def answer(self, question: Question) -> str | None:
        """Ask a person; None when there is nobody, with the reason in `error`."""
        if self.error is not None:
            return None
        if self._ask is None:
            self.error = PermissionError(
                f"{self.name} wants a {question.kind} and there is nobody to ask for it"
            )
            return None
        try:
            return await self._ask(question)
        except _NOBODY_TO_ASK:
            self.error = PermissionError(
                f"{self.name} wants a {question.kind} and there is nobody to ask for it. "
                "Use a key (client_keys=, or an agent), or give the password"
            )
        except Exception as error:
            self.error = error
        return None


def login_of(connection: asyncssh.SSHClientConnection) -> Login | None:
    """What `open_connection` knows about an open connection."""
    owner = connection.get_owner()
    return owner if isinstance(owner, Login) else None


async def open_connection(
    host: str,
    *,
    username: str | None = None,
    password: str | None = None,
    timeout: float = constants.CONNECT_TIMEOUT,
    port: int = trust.SSH_PORT,
    known_hosts: str | os.PathLike[str] | None = None,
    client_keys: ClientKeys | None = None,
    ask: Ask | None = None,
) -> asyncssh.SSHClientConnection:
    """Connect to another computer; the asynchronous face of `connect`.

    It must run on the loop of the network when blocking calls are to use the connection too.

    Args:
        host: See `connect`, also for what it raises.
        username: See `connect`.
        password: See `connect`.
        timeout: See `connect`.
        port: The port of the SSH server.
        known_hosts: See `connect`.
        client_keys: See `connect`.
        ask: Awaited for the answer to a question (username, password, passphrase, host
            key); None when there is nobody to ask.
    """
    if "@" in host:
        username, _, host = host.rpartition("@")
    if username is None and ask is not None:
        with contextlib.suppress(*_NOBODY_TO_ASK):
            username = await ask(Question("username", "Enter the SSH username: "))
    if not username:
        raise ValueError("You must specify the SSH username")
    if password == "":
        raise ValueError("You must specify the SSH password")

    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout) as deadline:
            patient = None if ask is None else _patiently(ask, deadline, timeout)
            keys = await _load_keys(client_keys, Login(username, host, password, patient))
            files = [known_hosts] if known_hosts else [constants.KNOWN_HOSTS, "~/.ssh/known_hosts"]
            pinned = await asyncio.to_thread(trust.find_host_keys, host, port, files)
            while True:
                login = Login(username, host, password, patient)
                try:
                    connection = await _connect(login, username, host, port, pinned, keys)
                    login.end_asking()
                    return connection
                except asyncssh.HostKeyNotVerifiable as error:
                    key = login.host_key
                    if key is None:  # revoked, or a certificate that is not valid
                        raise ConnectionError(
                            f"Refused the SSH host key of {where}: {error}"
                        ) from None
                    if pinned.keys or pinned.authorities:
                        raise ConnectionError(_changed(host, port, key, pinned)) from None
                await _ask_about(host, port, key, patient)
                file = await asyncio.to_thread(trust.add_host_key, host, port, key, known_hosts)
                pinned = trust.HostKeys((trust.PinnedKey(key, file, 0),), revoked=pinned.revoked)
    except TimeoutError:
        raise TimeoutError(f"No SSH connection to {where} within {timeout} seconds") from None


def _patiently(ask: Ask, deadline: asyncio.Timeout, timeout: float) -> Ask:
    """Ask without counting the time that a person takes."""

    async def ask_patiently(question: Question) -> str:
        deadline.reschedule(None)
        answer = await ask(question)
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            deadline.reschedule(asyncio.get_running_loop().time() + timeout)
        return answer

    return ask_patiently


async def _load_keys(client_keys: ClientKeys | None, login: Login) -> Any:
    if client_keys is None:
        return ()  # those in ~/.ssh, without the ones that have a passphrase
    paths = [client_keys] if isinstance(client_keys, str | os.PathLike) else client_keys
    keys = [key for path in paths for key in await _load_key(path, login)]
    return keys or None  # None: no key at all, not even those in ~/.ssh


async def _load_key(path: str | os.PathLike[str], login: Login) -> Sequence[asyncssh.SSHKeyPair]:
    def load(passphrase: str | None = None) -> Sequence[asyncssh.SSHKeyPair]:
        return asyncssh.load_keypairs(os.path.expanduser(os.fspath(path)), passphrase)

    try:
        try:
            return await asyncio.to_thread(load)
        except asyncssh.KeyImportError as error:
            if "passphrase" not in str(error).lower():
                raise
        question = Question("passphrase", f"Passphrase of the key {path}: ", secret=True)
        passphrase = await login.answer(question)
        if passphrase is None:
            raise login.error or ValueError(f"The SSH key {path} has a passphrase")
        return await asyncio.to_thread(load, passphrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise ValueError(f"Cannot load the SSH key {path}: {error}") from None


async def _connect(
    login: Login, username: str, host: str, port: int, pinned: trust.HostKeys, keys: Any
) -> asyncssh.SSHClientConnection:
    where = f"{host}:{port}"
    try:
        return await asyncssh.connect(
            host,
            port,
            config=None,
            client_factory=lambda: login,
            username=username,
            client_keys=keys,
            known_hosts=(
                pinned.trusted(),
                [entry.key for entry in pinned.authorities],
                [entry.key for entry in pinned.revoked],
                *([],) * 4,
            ),
            server_host_key_algs=pinned.algorithms(),
            x509_trusted_certs=None,
            preferred_auth=("publickey", "password", "keyboard-interactive"),
            login_timeout=0,  # a person may be thinking; `timeout` is for the rest
            keepalive_interval=KEEPALIVE,
        )
    except (asyncssh.HostKeyNotVerifiable, TimeoutError):
        raise
    except (OSError, asyncssh.Error) as error:
        if login.error is not None:
            raise login.error from None
        if isinstance(error, asyncssh.PermissionDenied):
            raise PermissionError(
                f"Permission denied for {login.name} by the SSH server at {where}: "
                f"{'wrong password' if login.password is not None else 'no key was accepted'}"
            ) from None
        raise ConnectionError(f"Cannot connect to {where} over SSH: {error}") from error


def _changed(host: str, port: int, key: asyncssh.SSHKey, pinned: trust.HostKeys) -> str:
    entries = pinned.keys or pinned.authorities
    known = "\n".join(f"  pinned:  {entry}" for entry in entries)
    pattern = trust.host_pattern(host, port)
    return (
        f"The SSH host key of {host}:{port} has changed. Somebody may be between you and that "
        f"computer, or it has been installed anew\n{known}\n  it shows: {trust.fingerprint(key)}\n"
        "If you know why it has changed, remove the line and connect again: "
        f"ssh-keygen -R '{pattern}' -f '{entries[0].path}'"
    )


async def _ask_about(host: str, port: int, key: asyncssh.SSHKey, ask: Ask | None) -> None:
    where = f"{host}:{port}"
    shown = trust.fingerprint(key)
    what_to_do = (
        "Connect once where you can answer the question (in a terminal or a notebook), or give "
        "a file that has the key with known_hosts="
    )
    question = Question(
        "host key",
        "Do you trust this computer (y/n)? ",
        f"The SSH host key of {where} is not known.\n  {shown}",
        choice=True,
        details={
            "Host": where,
            "Type": key.get_algorithm(),
            "SHA-256": key.get_fingerprint().removeprefix("SHA256:"),
        },
    )
    if ask is None:
        raise ConnectionError(f"The SSH host key of {where} is not known: {shown}. {what_to_do}")
    try:
        answer = await ask(question)
    except _NOBODY_TO_ASK:
        raise ConnectionError(
            f"The SSH host key of {where} is not known, and there is nobody to ask: {shown}. "
            f"{what_to_do}"
        ) from None
    if answer != "y":
        raise ConnectionError(f"The SSH host key of {where} was not trusted: {shown}")


async def close_connection(connection: asyncssh.SSHClientConnection) -> None:
    """Close a connection, and cut it when the far side does not go along."""
    login = login_of(connection)
    if login is not None:
        login.closed_here = True
    connection.close()
    try:
        async with asyncio.timeout(constants.SHUTDOWN_TIMEOUT):
            await connection.wait_closed()
    except TimeoutError:
        connection.abort()


class SSHClient:
    """An SSH connection to another computer, made by `connect`.

    Attributes:
        connection: asyncssh's connection, for coroutines on the loop of the network.
    """

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.connection = connection
        info = connection.get_extra_info
        self._name = f"{info('username')}@{info('host')}:{info('port')}"

    def is_connected(self) -> bool:
        """Whether the connection is there."""
        return not self.connection.is_closed()

    def close(self) -> None:
        """Close the connection; more than once is fine."""
        if self.is_connected():
            wait(loop_thread.submit(close_connection(self.connection)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SSHClient {self._name}{'' if self.is_connected() else ' closed'}>"


def connect(
    host: str,
    *,
    username: str | None = None,
    password: str | None = None,
    timeout: float = constants.CONNECT_TIMEOUT,
    ssh_port: int = trust.SSH_PORT,
    port: int | None = None,
    known_hosts: str | os.PathLike[str] | None = None,
    client_keys: ClientKeys | None = None,
    **refused: Any,
) -> SSHClient:
    """Connect to another computer over SSH.

    Args:
        host: The hostname or IP address, also with the user: `"pi@raspberrypi"`.
        username: The user to log in as; asked for when it is not given.
        password: The password. When it is not given and no key is accepted, it is asked for, three
            times at the most.
        timeout: Seconds that the server has to let us in. The time that a person takes to
            answer does not count.
        ssh_port: The port of the SSH server.
        port: The same as `ssh_port`.
        known_hosts: A file in OpenSSH's format with the keys of hosts, instead of
            `constants.KNOWN_HOSTS` and `~/.ssh/known_hosts`. A key that is not known is
            shown and asked about, and added when it is trusted.
        client_keys: Path of a private key, or several; otherwise those in `~/.ssh`. None
            of them is used when the list is empty.
        refused: Keywords that 1.x has and that have been replaced.

    Raises:
        ConnectionError: The computer can't be reached, or its host key is not trusted or not the
            one that is pinned.
        PermissionError: Neither a key nor the password is accepted.
        TimeoutError: The time is up.
        ValueError: There is no username, or a private key can't be loaded.
        TypeError: A keyword is not known.
    """
    refuse(refused, "connect")
    if refused:
        raise TypeError(f"connect() got an unexpected keyword argument {next(iter(refused))!r}")
    return SSHClient(
        wait_and_answer(
            lambda ask: open_connection(
                host,
                username=username,
                password=password,
                timeout=timeout,
                port=port or ssh_port,
                known_hosts=known_hosts,
                client_keys=client_keys,
                ask=ask,
            )
        )
    )

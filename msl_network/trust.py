"""SSH host keys: which key is pinned for which host.

The files are in OpenSSH's format, so `ssh`, `ssh-keygen -F` and `ssh-keygen -R` work on them too.
"""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from . import constants

__all__ = ["HostKeys", "PinnedKey", "add_host_key", "find_host_keys", "fingerprint", "host_pattern"]

SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A key for a host, and the line that says so.

    Attributes:
        key: The public key.
        path: The file that it was read from.
        line: The number of the line in that file.
    """

    key: asyncssh.SSHKey
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{fingerprint(self.key)} ({self.path}, line {self.line})"


@dataclass(frozen=True, slots=True)
class HostKeys:
    """The keys that are pinned for one host and port.

    Attributes:
        keys: Keys of the host itself.
        authorities: Keys that may sign a certificate of the host (`@cert-authority`).
        revoked: Keys that must never be accepted (`@revoked`).
        elsewhere: Keys of the same host, without its port. One of these is accepted, as OpenSSH
            does, but another key does not contradict them: it is another server.
    """

    keys: tuple[PinnedKey, ...] = ()
    authorities: tuple[PinnedKey, ...] = ()
    revoked: tuple[PinnedKey, ...] = ()
    elsewhere: tuple[PinnedKey, ...] = ()

    def trusted(self) -> list[asyncssh.SSHKey]:
        """The keys that the host may show."""
        return [pinned.key for pinned in self.keys + self.elsewhere]

    def algorithms(self) -> list[str]:
        """The algorithms to offer, those of the pinned keys first.

        A server has keys of several types and shows the one that is preferred; without this
        order a host of which the RSA key is known would seem to have changed.
        """
        default = list(get_default_public_key_algs())
        known = [name for key in self.trusted() for name in key.sig_algorithms if name in default]
        if self.authorities:
            known = [*get_default_certificate_algs(), *known]
        return [name.decode("ascii") for name in dict.fromkeys(known + default)]


def fingerprint(key: asyncssh.SSHKey) -> str:
    """The type of a key and its SHA-256 fingerprint, as `ssh-keygen -l` shows them."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def host_pattern(host: str, port: int = SSH_PORT) -> str:
    """The name of a host in a file of known hosts: `host`, or `[host]:port`."""
    host = host.lower()
    return host if port == SSH_PORT else f"[{host}]:{port}"


def find_host_keys(host: str, port: int, paths: Iterable[str | os.PathLike[str]]) -> HostKeys:
    """Look up what is pinned for a host.

    A host is looked up under the name that the person uses for it, not under its address:
    addresses of a laboratory's network are given to another computer tomorrow.

    Args:
        host: The hostname or IP address.
        port: The port of the SSH server.
        paths: Files in OpenSSH's format; one that does not exist is empty.

    Raises:
        OSError: A file can't be read.
    """
    lines = [entry for path in paths for entry in _read(Path(path).expanduser())]
    keys, authorities, revoked = _match(lines, host_pattern(host, port))
    elsewhere: tuple[PinnedKey, ...] = ()
    if port != SSH_PORT:
        elsewhere, other, also_revoked = _match(lines, host_pattern(host))
        revoked += also_revoked
        if not keys:
            authorities += other
    return HostKeys(keys, authorities, revoked, elsewhere)


def add_host_key(
    host: str, port: int, key: asyncssh.SSHKey, path: str | os.PathLike[str] | None = None
) -> Path:
    """Pin a key for a host.

    Args:
        host: The hostname or IP address, as the person calls it.
        port: The port of the SSH server.
        key: The public key.
        path: The file to add a line to; None for `constants.KNOWN_HOSTS`.

    Returns:
        The file.

    Raises:
        OSError: The file can't be written.
    """
    file = constants.ensure_parent(path or constants.KNOWN_HOSTS, private=True)
    public = key.export_public_key("openssh").decode("ascii").split()
    line = f"{host_pattern(host, port)} {public[0]} {public[1]}\n"
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(file, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size:
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            if os.read(descriptor, 1) != b"\n":
                line = "\n" + line
        # one write in append mode: two processes that add a line don't mix them
        data = line.encode()
        if os.write(descriptor, data) < len(data):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
    finally:
        os.close(descriptor)
    return file


_Line = tuple[Path, int, asyncssh.SSHKnownHosts]


def _read(path: Path) -> list[_Line]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    result = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            result.append((path, number, asyncssh.import_known_hosts(line)))
        except ValueError:
            continue  # OpenSSH skips a line that it can't read, and so do we
    return result


def _match(
    lines: list[_Line], pattern: str
) -> tuple[tuple[PinnedKey, ...], tuple[PinnedKey, ...], tuple[PinnedKey, ...]]:
    found: tuple[list[PinnedKey], list[PinnedKey], list[PinnedKey]] = ([], [], [])
    for path, number, entry in lines:
        for pinned, keys in zip(found, entry.match(pattern, "", None)[:3], strict=True):
            pinned.extend(PinnedKey(key, path, number) for key in keys)
    return tuple(found[0]), tuple(found[1]), tuple(found[2])

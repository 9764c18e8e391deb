"""Limits, defaults and paths, each with its reason.

`IPV4_ADDRESSES` and `LOCALHOST_ALIASES` are worked out when they are first asked for: they
need the network interfaces of this computer, and importing a module starts nothing.
"""

import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

# --- names on the wire -------------------------------------------------------------------

PORT: Final = 1875
"""Default port of a Manager: the year in which the BIPM was established."""

HOSTNAME: Final = socket.gethostname()
"""The hostname of this computer."""

MANAGER: Final = "Manager"
"""The name under which a Client addresses the Manager itself; no Service can have it."""

NOTIFICATION_UID: Final = "notification"
"""The uid that marks a notification; no request can use it."""

DISCONNECT_REQUEST: Final = "__disconnect__"
SHUTDOWN_SERVICE: Final = "shutdown_service"
SHUTDOWN_MANAGER: Final = "shutdown_manager"

PING: Final = "__ping__"
"""The attribute of the line that says no more than that its sender is alive."""

GOODBYE: Final = "__goodbye__"
"""The attribute of the line by which a Manager says that it ends for good, and why."""

LINKED: Final = "__linked__"
"""The attribute of the line by which a Manager tells a Client that a Service with which it was
linked has come back, and that the two are linked again."""

CANCEL: Final = "__cancel__"
"""The attribute of the line by which a Client gives up the request of that uid."""

PROGRESS: Final = "__progress__"
"""The attribute of the line by which a Service tells a Client how far a request is."""

ITEMS: Final = "__items__"
"""The attribute of the line with items that a method has yielded."""

TAKEN: Final = "__taken__"
"""The attribute of the line by which a Client tells how many items it has taken in all."""

GONE: Final = "__gone__"
"""The attribute of the line by which a Manager tells a Service that a Client, to which it may be
sending items, has gone."""

IDENTITY: Final = "__identity__"
"""The attribute of the request by which a Service that is reloaded tells the Manager who it is now.
It has a uid, and the Manager answers it: with true, or with an error if it refuses (a replica that
would offer something else than the others), and then nothing has changed."""

NEWS: Final = "__news__"
"""The attribute of the line by which a Manager tells a Client that watches what has changed."""

FEATURES: Final = (
    "ping",
    "goodbye",
    "relink",
    "cancel",
    "progress",
    "stream",
    "replicas",
    "exceptions",
    "docs",
    "news",
    "renew",
)
"""What goes beyond 1.x. It is used between two peers where both have named it."""

NETWORK_MANAGER_RUNNING_PREFIX: Final = "Network Manager running on"
"""A Manager logs a line with this text when it is ready; `ssh.start_manager` waits for it."""

# --- files -------------------------------------------------------------------------------

# `sudo` on a Raspberry Pi makes `~` the folder of root, while the certificates and the
# database that a person made are in the folder of the person who called sudo.
USER_DIR: Final = os.path.expanduser("~" + os.environ.get("SUDO_USER", ""))

HOME_DIR: Final = os.environ.get("MSL_NETWORK_HOME") or os.path.join(USER_DIR, ".msl", "network")
"""Where all files are kept, unless the environment variable MSL_NETWORK_HOME says otherwise."""

CERT_DIR: Final = os.path.join(HOME_DIR, "certs")
KEY_DIR: Final = os.path.join(HOME_DIR, "keys")
LOG_DIR: Final = os.path.join(HOME_DIR, "logs")
DATABASE: Final = os.path.join(HOME_DIR, "manager.sqlite3")
KNOWN_HOSTS: Final = os.path.join(HOME_DIR, "known_hosts")
"""SSH host keys that a person trusted here, in OpenSSH's format."""

DEFAULT_YEARS_VALID: Final = 10
"""How long a certificate is valid, in years, unless one says otherwise. Peers pin it, so each
renewal means a visit to each of them; but the 100 years of 1.x outlive every key of today."""

IS_WINDOWS: Final = sys.platform == "win32"
IS_LINUX: Final = sys.platform.startswith("linux")

# --- limits ------------------------------------------------------------------------------

MESSAGE_LIMIT: Final = 256 * 1024 * 1024
"""Largest message in bytes. 1.x has no limit and its users send waveforms of 110 MB; twice
that, and a peer that never ends its line still can't fill the memory of a Pi with swap."""

HANDSHAKE_LIMIT: Final = 128 * 1024
"""Largest message in bytes before a peer is registered: an identity with hundreds of signatures has
some 50 kB, and nobody who is not known yet costs more than a megabyte, TLS included."""

HANDSHAKE_TIMEOUT: Final = 120.0
"""Seconds that a peer has to authenticate and identify itself. A person may be typing a
password: 1.x asks for it in the middle of connecting."""

TLS_TIMEOUT: Final = 30.0
"""Seconds that a peer has for the TLS part of connecting, where nobody types anything."""

UNAUTHENTICATED_PER_ADDRESS: Final = 128
"""Most connections from one address that are not registered yet: a hundred Clients that start at
once behind one router, and some. When there are more, the oldest silent one makes way; each costs
up to 100 kB."""

UNAUTHENTICATED: Final = 150 if IS_WINDOWS else 500
"""Most connections in all that are not registered yet: half of the 1024 files that a program may
have open, unless the system is told otherwise."""

CONNECTIONS: Final = 300 if IS_WINDOWS else 10_000
"""Most devices that are registered: more than any laboratory has, and some 300 MB."""

SOCKETS_ON_WINDOWS: Final = 450
"""Most of both together on Windows, where an event loop ends that has more than 512 sockets: the
rest is for those that are about to close, and for what else the program has."""

HEARTBEAT: Final = 10.0
"""Seconds between two signs of life. A peer that gives none for two of them is dropped: soon enough
for who waits, late enough for a driver that keeps Python's lock for some seconds."""

HEARTBEAT_SHORTEST: Final = 0.1
"""Fewest seconds between them: a device that was told less would do nothing else."""

STALL_TIMEOUT: Final = 10.0
"""Seconds without any progress after which a peer that does not read is dropped."""

OUTGOING_LIMIT: Final = 2 * MESSAGE_LIMIT
"""Most bytes that wait for one peer: room for one message of the largest size behind another."""

MEMORY_LIMIT: Final = 2 * OUTGOING_LIMIT
"""Most bytes that a Manager holds of all messages together: 1 GiB, which a Raspberry Pi of 2 GB
has. One peer may be behind with half of it, while two of the largest pass between others."""

OUTGOING_LINES: Final = 200_000
"""Most lines that wait for one peer: all requests that can be in flight at a Service, twice. A
small line costs several times its bytes."""

REQUESTS_PER_CLIENT: Final = 50_000
"""Most requests of one Client that have no reply yet: a loop in a notebook that sends all it has at
once, and no more than half of what one Service takes."""

REQUESTS_PER_SERVICE: Final = 100_000
"""Most requests at one Service that have no reply yet; each costs its Manager some 300 bytes, and
the Service, where it may wait in line, some 1,500."""

ADMIN_REQUESTS: Final = 100
"""Most requests of one administrator that a Manager works on, or that wait for a login."""

LOGIN_ATTEMPTS: Final = 3
"""Wrong passwords in a row from one address before the next try is slowed down."""

LOGIN_DELAY: Final = 1.0
"""Seconds by which the try after that is delayed; doubled with each further one."""

LOGIN_DELAY_MAX: Final = 30.0
"""Longest delay of a try, in seconds: less than HANDSHAKE_TIMEOUT."""

LOGIN_FORGET: Final = 300.0
"""Seconds after which the wrong passwords of an address are forgotten."""

LOGINS_FAILED: Final = 10_000
"""Most addresses of which wrong passwords are remembered, some 3 MB. Who has more of them has three
tries from each as it is."""

NAME_LIMIT: Final = 1000
"""Most characters of a name of a device or a method and of a uid: a Manager keeps and logs them."""

LOGIN_REMEMBERED: Final = 60.0
"""Seconds for which a right login is not checked anew: as long as it takes all Clients to come back
after a network has been away. It ends at once when the user's record is changed."""

LOGINS_REMEMBERED: Final = 1000
"""Most users of whom it is remembered."""

RECORDS_KEPT: Final = 250_000
"""Rows of the connections table that are kept: some months of a busy laboratory. Older ones make
way, so that an SD card does not fill up; and all together, some 30 MB, can be read on a small Pi
and sent to an administrator in one message."""

REFUSAL_PAUSE: Final = 60.0
"""Seconds before a request of a device that is refused again for the same reason is recorded
again: one that asks for a locked Service a hundred times a second is a row a minute."""

RECORDS_WAITING: Final = 10_000
"""Rows that may wait for the connections table while its database is locked; further ones
are dropped, with a line in the log."""

WORKERS: Final = 64
"""Most methods of a Service that run in threads at the same time; further requests wait. A method
that waits for its instrument costs a thread and nothing else. A Client has no more of them than are
left to the others, 32 if it is alone: one that calls what takes an hour holds up nobody else."""

STREAMS: Final = 128
"""Most generators of a Service whose items are taken one by one. Each has a thread besides, on
which it waits until they are, and that may be for ever. Clients share them in the same way: 64 for
one that is alone, more than a person forgets to close."""

PROGRESS_INTERVAL: Final = 0.1
"""Seconds between two reports of the progress of a request: a person sees no more."""

PROGRESS_MESSAGE: Final = 200
"""Most characters of a word about what is being done; it stands behind a bar."""

STREAM_ITEMS: Final = 1000
"""Most items that a method which yields is ahead of who takes them: enough for 20,000 a second over
a network that takes 50 ms."""

STREAM_BYTES: Final = 1024 * 1024
"""Most bytes of them, where they are large; one item may be larger."""

NEWS_INTERVAL: Final = 0.1
"""Seconds between two lines of news: a person sees no more."""

NEWS_BYTES: Final = 256 * 1024
"""Most bytes of a line of news, unless a single Service has more to say: it is read where all else
is read, and what it leaves out is in the next one."""

NEWS_RATE: Final = 1024 * 1024
"""Most bytes of news per second and Client: the thousand Services of a Manager that has just been
started again take some seconds, and results have the rest of the network."""

NEWS_KEPT: Final = 20_000
"""Most names of which it is remembered that something has changed, for Clients that are behind with
their news: as many as can come and go at once."""

ERROR_TEXT: Final = 100_000
"""Most characters of the text of an error, and of its traceback: a driver may put all that it has
received in it, which must not be in the way of the other replies."""

DOC_LIMIT: Final = 10_000
"""Most characters of a docstring that travels: five pages, more than anybody reads in a cell."""

DOCS_LIMIT: Final = 64 * 1024
"""Most bytes of the docstrings of a Service: half of what its identity may have."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection to be made, as in 1.x."""

RECONNECT: Final = 3600.0
"""Seconds for which a device that has lost its connection tries to come back: long enough for a
computer that installs its updates at night; after that, whoever looks finds it ended."""

SHUTDOWN_TIMEOUT: Final = 5.0
"""Seconds that a peer has to close its side before its connection is cut."""

LEASE: Final = 120.0
"""Seconds after which what was started over SSH ends, when who has started it gives no signs of
life: a notebook may be held up for a minute (a debugger, a driver that keeps Python's lock)."""

LEASE_SHORTEST: Final = 1.0
"""Fewest seconds of that: there are four signs within them, each of which crosses a network."""


def _ipv4_addresses() -> list[str]:
    import psutil

    return [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    ]


def __getattr__(name: str) -> Any:
    if name == "IPV4_ADDRESSES":
        value: Any = _ipv4_addresses()
    elif name == "LOCALHOST_ALIASES":
        value = {
            HOSTNAME,
            "localhost",
            "127.0.0.1",
            "::1",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
            "1.0.0.127.in-addr.arpa",
            *__getattr__("IPV4_ADDRESSES"),
        }
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def ensure_parent(path: str | os.PathLike[str], *, private: bool = False) -> "Path":
    """Make the folder that `path` is to be in.

    Nobody but the owner can change what is in a folder that is made here, whatever the umask is:
    who could would say which certificates are trusted.

    Args:
        path: The path of a file.
        private: Whether nobody but the owner may even look into it.

    Returns:
        `path`, with `~` expanded.

    Raises:
        OSError: The folder can't be made.
    """
    from pathlib import Path

    file = Path(path).expanduser()
    missing = [folder for folder in file.parents if not folder.is_dir()]
    for folder in reversed(missing):
        last = folder == file.parent
        folder.mkdir(exist_ok=True, mode=0o700 if private and last else 0o755)
    return file

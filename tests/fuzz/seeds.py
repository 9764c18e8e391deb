"""What the fuzzers begin with: the lines and the words of docs/protocol.md, made by the code.

No file of a corpus is kept in the repository. `seeds(target)` is the corpus, and `WORDS` the
dictionary from which a mutation takes what chance would take years to spell.
"""

import math
from pathlib import Path

from msl_network.constants import (
    CANCEL,
    DISCONNECT_REQUEST,
    FEATURES,
    GONE,
    GOODBYE,
    IDENTITY,
    ITEMS,
    LINKED,
    NEWS,
    NOTIFICATION_UID,
    PING,
    PROGRESS,
    TAKEN,
)
from msl_network.heartbeat import PING_LINE
from msl_network.wire import codec, messages
from msl_network.wire.messages import Message

__all__ = [
    "CLIENT_LINES",
    "CLIENT_NAME",
    "IDENTITY_LINES",
    "MANAGER_LINES",
    "SERVICE_LINES",
    "TYPED_LINES",
    "WORDS",
    "seeds",
]

MANAGER_NAME = "Manager[host:1875]"
CLIENT_NAME = "Client[host:50000]"

VALUES = (
    [1, 2.5, -3e300, None, True, 'Ω \u2028 \\ "', math.nan, math.inf, -math.inf],
    {"a": {"": [[[]]]}, "long": 10**30, "wave": [0.1] * 10},
    "\ud800",
    12345678901234567890,
)

CLIENT_LINES = (
    messages.request_line("add", (1, 2), {}, service="Echo", uid="1"),
    messages.request_line("echo", VALUES[:1], {"x": VALUES[1]}, service="Echo", uid="2"),
    messages.request_line("identity", service="Manager", uid="3"),
    messages.request_line("link", ("Echo",), service="Manager", uid="4"),
    messages.request_line("unlink", ("Echo",), service="Manager", uid="5"),
    messages.request_line("acquire_lock", ("Echo",), {"shared": True}, service="Manager", uid="6"),
    messages.request_line("release_lock", ("Echo",), service="Manager", uid="7"),
    messages.request_line("watch", (True,), service="Manager", uid="w"),
    messages.request_line("users_table.insert", ("a", "b", True), service="Manager", uid="8"),
    messages.request_line("shutdown_manager", service="Manager", uid="9"),
    messages.request_line(DISCONNECT_REQUEST, service="self", uid="10"),
    messages.request_line("scan", (10,), service="Echo", uid="1", stream=True),
    messages.request_line("one", (1,), service="Pool", uid="11"),
    messages.request_line("shutdown_service", service="Echo", uid="12"),
    messages.request_line(TAKEN, (1,), service="Echo", uid="1"),
    messages.request_line(CANCEL, service="Echo", uid="1"),
    messages.request_line("watch", (False,), service="Manager", uid="w"),
    PING_LINE + b"\r\n",
)

SERVICE_LINES = (
    messages.result_line(VALUES[0], requester=CLIENT_NAME, uid="1"),
    messages.result_line(VALUES[1], requester=CLIENT_NAME, uid="2"),
    messages.error_line(ValueError("no"), requester=CLIENT_NAME, uid="3", traceback=["a", "b"]),
    messages.error_line("no type", requester=CLIENT_NAME, uid="3", traceback=[1]),  # type: ignore
    messages.notification_line("Echo", (1, "two"), {"x": math.nan}),
    messages.request_line("identity", service="Manager", uid="4"),
    messages.request_line(
        IDENTITY,
        [{"type": "service", "name": "Echo", "attributes": {"n": 2}, "docs": {"n": "N."}}],
        service="Manager",
        uid="5",
    ),
    messages.items_line(ITEMS, [b"1", b'"two"', b"NaN"], requester=CLIENT_NAME, uid="1"),
    messages.list_line(b'1,"two"', requester=CLIENT_NAME, uid="1"),
    messages.request_line(PROGRESS, [1, 2.5, "so far"], requester=CLIENT_NAME, uid="1"),
    messages.request_line(PROGRESS, [1, None, ""], requester=CLIENT_NAME, uid="3"),
    messages.error_line(
        "OvenError: hot", requester=CLIENT_NAME, uid="1", types=["ValueError", "OSError"]
    ),
    messages.error_line("CancelledError: x", requester=CLIENT_NAME, uid="1", cancelled="stopped"),
)

ASKED = {"requester": CLIENT_NAME, "features": ["progress", "stream", "exceptions"]}

MANAGER_LINES = (
    # to a Service
    messages.request_line("echo", (1, None), {"x": 2}, service="Echo", uid="1", **ASKED),
    messages.request_line("later", (1,), service="Echo", uid="2", **ASKED),
    messages.request_line("one", (1,), service="Echo", uid="3", **ASKED),
    messages.request_line("scan", (9,), service="Echo", uid="4", stream=True, **ASKED),
    messages.request_line("follow", (2000,), service="Echo", uid="5", stream=True, **ASKED),
    messages.request_line("follow", (9,), service="Echo", uid="6", **ASKED),
    messages.request_line("value", service="Echo", uid="7", **ASKED),
    messages.request_line(TAKEN, (5,), service="Echo", uid="4", requester=CLIENT_NAME),
    messages.request_line(CANCEL, service="Echo", uid="5", requester=CLIENT_NAME),
    messages.request_line(GONE, service="Manager", requester=CLIENT_NAME),
    messages.result_line(True, uid=IDENTITY),
    # to a Client
    *messages.error_lines(
        ConnectionAbortedError("The 'Echo' service disconnected before it replied"),
        ["1", "2", "4"],
        requester=CLIENT_NAME,
        replicas=2,
    ).splitlines(keepends=True),
    messages.result_line(
        {
            "name": CLIENT_NAME,
            "number": 3,
            "services": {"Echo": {"attributes": {}, "links": [], "locks": [], "lock": None}},
            "clients": {CLIENT_NAME: {"address": "h:1"}},
        },
        uid="5",
    ),
    messages.request_line(LINKED, ["Echo", {"attributes": {"n": 1}}], service="Manager"),
    messages.request_line(LINKED, ["Echo", {"attributes": {"n": 2}}, True], service="Manager"),
    messages.news_line({"Echo": b'{"attributes":{},"links":[]}', "X": b"null"}, {"C": b"null"}, 3),
    messages.news_line(),
    messages.request_line(GOODBYE, ["until 8 o'clock", 8], service="Manager"),
    messages.result_line(
        {"attributes": {"echo": "(x, y=1)", "n": 1}, "address": "h:1", "language": "", "os": ""},
        uid="1",
    ),
)

IDENTITY_LINES = (
    messages.request_line(
        "identity",
        requester=MANAGER_NAME,
        features=FEATURES,
        heartbeat=10.0,
        identity_limit=131072,
        message_limit=268435456,
    ),
    messages.request_line("username", [MANAGER_NAME], requester=MANAGER_NAME),
    messages.request_line("password", ["n.bohr"], requester=MANAGER_NAME),
    messages.result_line({"type": "client", "name": "Client", "features": ["ping"]}),
    messages.result_line(
        {
            "type": "service",
            "name": "Heart",
            "attributes": {"beat": "(rate: float = 1.0) -> None", "unit": "Hz"},
            "max_clients": 3,
            "language": "Python",
            "os": "Linux",
            "features": FEATURES,
            "streams": ["beat"],
            "doc": "A heart.",
            "docs": {"beat": "Beat."},
            "replica": True,
        }
    ),
    messages.result_line("a password"),
    b"1234\r\n",
)

TYPED_LINES = (
    b"client\n",
    b"client Some Name\n",
    b"identity\n",
    b"link Echo\n",
    b"Echo add 4 y=10\n",
    b'"String Editor" concat s1="a b" s2 = "c"\n',
    b"Echo add true NULL [1,{'a':(2,)}] 1e999 0x10 -5 text\n",
    b"Manager users_table.usernames\n",
    b"exit\n",
)

WORDS = tuple(
    dict.fromkeys(
        [
            *(f'"{name}":'.encode() for name in Message.__struct_fields__),
            *(
                f'"{name}":'.encode()
                for name in dict.fromkeys(
                    [
                        *("type", "name", "number", "services", "clients", "links", "locks"),
                        *messages.ServiceIdentity.__struct_fields__,
                    ]
                )
            ),
            *(
                f'"{word}"'.encode()
                for word in [
                    *(PING, NOTIFICATION_UID, DISCONNECT_REQUEST, CANCEL, TAKEN, ITEMS, PROGRESS),
                    *(GONE, GOODBYE, LINKED, NEWS, IDENTITY, "watch", *FEATURES),
                ]
            ),
            *(b'"Manager"', b'"Echo"', b'"link"', b'"identity"', b'"acquire_lock"', b'"client"'),
            *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"[]", b"{}", b'""', b","),
            *(
                b"[[[[[[[[",
                b"]]]]]]]]",
                b'{"a":',
                b'"\\ud800"',
                b"\\u0000",
                b"\xed\xa0\x80",
                b"\xff",
            ),
            *(
                b"\r\n",
                b"\n",
                b"\r",
                b"\xef\xbb\xbf",
                b"\x1b[2J",
                b"link ",
                b"client ",
                b"='",
                b' "',
            ),
            b"9" * 25,
        ]
    )
)


def seeds(target: str) -> list[bytes]:
    """The corpus of a target, see `targets`."""
    lines = {
        "lines": (*CLIENT_LINES, *SERVICE_LINES, *MANAGER_LINES, *IDENTITY_LINES, *TYPED_LINES),
        "scan": (*CLIENT_LINES, *SERVICE_LINES, *MANAGER_LINES),
        "codec": tuple(map(codec.encode, VALUES)),
        "handshake": (*IDENTITY_LINES, *TYPED_LINES[:2]),
        "terminal": TYPED_LINES,
        "manager": (*_to_a_manager(), *TYPED_LINES),
        "client": (*SERVICE_LINES, *MANAGER_LINES, *IDENTITY_LINES[:3]),
        "service": MANAGER_LINES,
    }[target]
    together = [b"".join(lines)] if target not in ("codec", "scan", "handshake") else []
    return [*lines, *together]


def _to_a_manager() -> list[bytes]:
    """Lines, each with the number of who sends it: two Clients, a Service, two replicas."""
    by_clients = [b"%d%b" % (i, line) for line in CLIENT_LINES[:-1] for i in (0, 1)]
    by_services = [b"%d%b" % (i, line) for line in SERVICE_LINES for i in (2, 3)]
    # what a Service answers to what it has been asked, and what its Client tells of that
    talks = [
        b"".join(b"1" + line for line in CLIENT_LINES if b'"uid":"1"' in line) + answer
        for answer in by_services[::2]
    ]
    return [*by_clients, *by_services, *talks]


def write_corpus(target: str, folder: Path) -> None:
    """Write the corpus of a target as files, which a coverage-guided fuzzer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(seeds(target)):
        (folder / f"seed-{i:02}").write_bytes(seed)


def write_dictionary(path: Path) -> None:
    """Write the words in the format of libFuzzer's dictionaries."""
    words = ("".join(f"\\x{byte:02x}" for byte in word) for word in WORDS)
    path.write_text("".join(f'"{word}"\n' for word in words), encoding="ascii")

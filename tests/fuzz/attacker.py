"""Connects to a Manager, goes as far as a stage of connecting, and sends mutated messages there."""

import re

from msl_network.wire import codec
from tests.raw import RawPeer

from .mutate import Mutator
from .seeds import CLIENT_LINES, IDENTITY_LINES, SERVICE_LINES, TYPED_LINES

USER = ("m.curie", "radium")  # no administrator, who could shut the Manager down

# what is told to who sent something wrong, and what a Service's own methods raise
DOCUMENTED = re.compile(
    r"(Value|Type|Key|Name|Permission|Attribute|Timeout|ConnectionAborted|Runtime|Overflow)Error: "
)
ASKED = {"identity", "username", "password", "__linked__"}

SENTINEL = {"service": "Manager", "attribute": "identity", "uid": "sentinel"}

EVERYTHING = (*CLIENT_LINES, *TYPED_LINES, *SERVICE_LINES)

# what leads to a login is a stage of its own
ADMIN = b"users_table", b"shutdown_manager"
HARMLESS = tuple(line for line in EVERYTHING if not any(word in line for word in ADMIN))


def line(data):
    """One message more, whatever line ends it has in it already."""
    return data if data.endswith(b"\n") else data + b"\n"


class Attacker:
    """Sends mutated messages to a Manager.

    Args:
        port: The port of the Manager.
        tls: Whether it uses TLS.
        login: Whether it wants a login.
        seed: Of the mutations.

    Attributes:
        sent: How many messages it has sent.
        answers: How many lines it was answered.
        refused: The types of the errors that it was answered, with how often.
    """

    def __init__(self, port, *, tls, login, seed):
        self._port, self._tls, self._login = port, tls, login
        self._seed = seed
        self._mutators = {}
        self.sent = 0
        self.answers = 0
        self.refused = {}

    def _mutated(self, seeds, count):
        if seeds not in self._mutators:
            self._seed += 1
            self._mutators[seeds] = Mutator(seeds, self._seed)
        mutator = self._mutators[seeds]
        self.sent += count
        return b"".join(line(next(mutator)) for _ in range(count))

    def _connect(self, answers):
        """Connect and answer so many of the Manager's questions."""
        raw = RawPeer(self._port, tls=self._tls)
        right = [*USER] if self._login else []
        for answer in [*right, {"type": "client", "name": "Attacker"}][:answers]:
            raw.read()
            raw.send({"result": answer})
        return raw

    def strike(self, stage, count):
        """Send so many messages over one connection, at a stage of connecting."""
        questions = 3 if self._login else 1
        before = {"username": 0, "password": 1, "identity": questions - 1}.get(stage, questions)
        with self._connect(before) as raw:
            seeds = IDENTITY_LINES if before < questions else HARMLESS
            if stage == "login":
                raw.send({**SENTINEL, "attribute": "users_table.users", "uid": ""})
                seeds = EVERYTHING
            self._send_and_read(raw, self._mutated(seeds, count))

    def answer_as_service(self, client, count):
        """Register as a Service, and send mutated replies to a Client's request; its future."""
        name = f"Liar{self.sent}"
        with self._connect(2 if self._login else 0) as raw:
            raw.read()
            raw.send({"result": {"type": "service", "name": name, "attributes": {}}})
            raw.ask(SENTINEL)
            future = client.link(name)["anything"](1, asynchronous=True)
            request = raw.read()
            mine = (request["requester"].encode(), request["uid"].encode())
            data = self._mutated(SERVICE_LINES, count)
            data = data.replace(b"Client[host:50000]", mine[0]).replace(
                b'"uid":"1"', b'"uid":"%s"' % mine[1]
            )
            self._send_and_read(raw, data)
        return future

    def _send_and_read(self, raw, data):
        """Send messages and read until the Manager has handled them, or closed the connection."""
        try:
            raw.send(data)
            raw.send(SENTINEL)
        except OSError:
            pass  # it was refused before the last of them
        while (answer := self._read(raw)) is not None:
            if answer.get("uid") == "sentinel":
                return

    def _read(self, raw):
        text = raw.read_line()
        if not text:
            return None
        assert text.endswith(b"\r\n"), text
        self.answers += 1
        try:
            answer = codec.decode(text)
        except ValueError:
            assert text.count(b"[") + text.count(b"{") > 500, text  # nested as it was sent
            return {}
        assert isinstance(answer, dict), text
        if answer.get("error"):
            message = answer["message"]
            assert DOCUMENTED.match(message), message
            kind = message.partition(":")[0]
            self.refused[kind] = self.refused.get(kind, 0) + 1
        elif "result" not in answer:
            assert answer["attribute"] in ASKED or answer.get("requester"), text
        return answer

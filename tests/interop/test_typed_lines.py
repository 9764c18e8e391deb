"""A person at a terminal: what both Managers answer to the same lines."""

import json
import re
import time

import pytest

from ..raw import RawPeer

LINES = [
    "link Probe {kind}",
    '"Probe {kind}" add 4 10',
    '"Probe {kind}" add x=4 y=10',
    '"Probe {kind}" add 4 y=2.5',
    '\'Probe {kind}\' echo s1="first string" s2="b"',
    '"Probe {kind}" echo true False null NONE 0x10 1e3 text "two words"',
    '"Probe {kind}" temperature',
    '"Probe {kind}" fail x',
    '"Probe {kind}" _private',
    '{{"service": "Probe {kind}", "attribute": "add", "args": [1, 2], "kwargs": {{}}, "uid": "7"}}',
    "LINK Nobody",
    "Nobody add 1 2",
    "Manager identity",
]

# what our Manager's question has more than that of 1.x
BEYOND = ("features", "heartbeat", "identity_limit", "message_limit")


def comparable(answer, terminal, network):
    """An answer without what differs from one Manager to the other: ports and tracebacks."""
    answer = {**answer, "traceback": None, "uid": answer["uid"] if not answer["error"] else None}
    text = json.dumps(answer, sort_keys=True)
    text = text.replace(f":{network.port}]", ":MANAGER]").replace(str(terminal.port), "TERMINAL")
    return re.sub(r'("address": "[^":]+):\d+', r"\1:PORT", text)


def wait_for_service(terminal, name):
    deadline = time.monotonic() + 20
    while name not in terminal.ask("identity")["result"]["services"]:
        assert time.monotonic() < deadline, f"{name} did not come"


@pytest.mark.parametrize("kind", ["ours", "1.x"], ids="Service {}".format)
def test_same_answers(networks, kind):
    answers = {}
    for manager in ("ours", "1.x"):
        network = networks(manager)
        with RawPeer(network.port) as terminal:
            question = terminal.read()
            assert question["attribute"] == "identity"
            # what goes beyond 1.x, which 1.x's peers pass over
            beyond = {name: question.pop(name, None) for name in BEYOND}
            assert (beyond["features"] is None) == (manager == "1.x")
            terminal.type('client A "Person"')
            wait_for_service(terminal, f"Probe {kind}")
            answers[manager] = [comparable(question, terminal, network)]
            for line in LINES[:-1]:
                answer = terminal.ask(line.format(kind=kind))
                answers[manager].append((line, comparable(answer, terminal, network)))
            answer = terminal.ask(LINES[-1])["result"]
            mine = {k: v for k, v in answer["clients"].items() if str(terminal.port) in k}
            answers[manager].append(
                (
                    sorted(answer),
                    answer["attributes"],
                    json.dumps(mine).replace(str(terminal.port), ""),
                )
            )
            terminal.type("exit")
            assert terminal.read() is None
    assert answers["ours"] == answers["1.x"]


def test_login_within_the_session(network):
    with RawPeer(network.port) as terminal:
        terminal.read()
        terminal.type("client")
        question = terminal.ask("Manager users_table.is_user_registered n.bohr")
        assert question["attribute"] == "username"
        assert question["args"] == [question["requester"]]
        question = terminal.ask("n.bohr")
        assert (question["attribute"], question["args"]) == ("password", ["n.bohr"])
        answer = terminal.ask("Ångström & Co")
        assert (answer["error"], answer["result"]) == (False, True)
        answer = terminal.ask("Manager users_table.is_admin username=m.curie")
        assert (answer["error"], answer["result"]) == (False, False)
        terminal.type("disconnect")
        assert terminal.read() is None


def test_nonsense_is_answered_and_the_connection_stays(network):
    with RawPeer(network.port) as terminal:
        terminal.read()
        terminal.type("client")
        answer = terminal.ask("nonsense")
        assert answer["error"] is True
        assert answer["result"] is None
        assert terminal.ask("identity")["error"] is False


def test_service_by_hand(network, player):
    """What a Service in another language sends, without any field that could be left out."""
    identity = {"type": "SERVICE", "name": f"Typed {id(player)}", "attributes": {"twice": "(x)"}}
    with RawPeer(network.port) as terminal:
        terminal.read()
        terminal.type(json.dumps({"result": identity}))
        player.say(
            json.dumps(
                {"scenario": "typed_service", "kwargs": network.kwargs, "service": identity["name"]}
            )
        )
        request = terminal.read()
        assert request["attribute"] == "twice"
        assert request["args"] == [21]
        assert request["requester"].startswith("Client[")
        terminal.type(
            json.dumps(
                {
                    "result": 42,
                    "error": False,
                    "requester": request["requester"],
                    "uid": request["uid"],
                }
            )
        )
        assert json.loads(player.hear())["result"] == [42, "unknown", "unknown", -1]
        assert player.go_on() == "end"

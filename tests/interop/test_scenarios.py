"""One script of a person, played with each of Manager, Service and Client from either side.

Where all three are 1.x's the test shows that what is expected is what 1.x does.
"""

import json
import re

import pytest

# 1.x's own Manager adds a traceback of itself to some errors
RETURNED = r"Manager\[localhost:\d+\] returned the following exception:\n\n(?:Traceback [\s\S]*\n)?"


def is_remote_error(failure, text):
    """Whether it is what 1.x raises, with its text; ours may have a traceback between."""
    kinds, message = failure
    assert "RuntimeError" in kinds
    assert re.match(RETURNED, message), message
    assert message.endswith(text), message
    return True


def test_values_arrive_unharmed(network, player, service):
    result = player.play("values", kwargs=network.kwargs, service=service)
    assert result == {
        "small": True,
        "types": [
            "str",
            "int",
            "int",
            "float",
            "float",
            "bool",
            "NoneType",
            "list",
            "dict",
            "dict",
        ],
        "big": True,
        "numbers": True,
        "keywords": True,
        "special": "[[nan, [inf]], {'minus': -inf}]",
        "property": 21.5,
        "constant": 4,
        "to_json": {"value": 1.25, "unit": "V"},
    }


def test_errors(network, player, service):
    result = player.play("errors", kwargs=network.kwargs, service=service)
    assert is_remote_error(result["raised"], "ValueError: Ångström\nsecond line")
    assert is_remote_error(result["asynchronous"], "ValueError: later")
    assert is_remote_error(
        result["arguments"],
        "TypeError: Probe.add() takes from 2 to 3 positional arguments but 4 were given",
    )
    assert is_remote_error(
        result["unserialisable"], "TypeError: Object of type object is not JSON serializable"
    )
    kinds, message = result["missing"]
    assert "RuntimeError" in kinds
    assert "has no attribute 'does_not_exist'" in message
    assert re.fullmatch(
        RETURNED + r"KeyError: \"the 'Nobody' service does not exist, "
        r"cannot link with Client\[[^\]]+:\d+\]\"",
        result["no service"][1],
    )
    assert result["asynchronous admin"] == [
        ["ValueError", "Exception", "BaseException", "object"],
        "Cannot make asynchronous requests to a Manager",
    ]
    assert "TimeoutError" in result["timeout"][0]
    assert result["afterwards"] == 3


def test_fast_reply_overtakes_a_slow_one(network, player, service):
    sums, in_order, last = player.play("out_of_order", kwargs=network.kwargs, service=service)
    assert sums == in_order == [2 * i for i in range(20)]
    assert last == "slow"


def test_notifications(network, player, service):
    returned, got = player.play("notifications", kwargs=network.kwargs, service=service)
    assert returned == 50
    assert got == [[[i], {"square": i * i}] for i in range(50)]


def test_unlink(network, player, service):
    result = player.play("unlink", kwargs=network.kwargs, service=service)
    where = re.escape(service) + r"\[[^\]]+:\d+\]"
    assert re.fullmatch(rf"<Link with {where} at Manager\[localhost:\d+\]>", result["before"])
    assert re.fullmatch(rf"<Un-Linked from {where}>", result["after"])
    kinds, message = result["call"]
    assert kinds[0] == "AttributeError"
    assert message == "Cannot access 'add' since the link has been broken"
    assert result["wrong"][0][0] == "TypeError"
    assert result["wrong"][1] == "Must pass in a Link object, received <class 'str'>"


def test_linked_client(network, player, service):
    result = player.play("linked_client", kwargs=network.kwargs, service=service)
    assert result["sum"] == [3, 7]
    assert result["names"] == ["Linked", "Spawned"]
    assert result["notifications"] == [[[i], {"square": i * i}] for i in range(3)]
    assert is_remote_error(result["error"], "ValueError: on purpose")
    assert result["handled"] == 1


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_nobody_can_link_with_a_locked_service(network, service, kind):
    for holder, late in (("ours", "1.x"), ("1.x", "ours")):
        first, second = network.players[holder], network.players[late]
        names = first.begin("hold_link", kwargs=network.kwargs, service=service, lock=kind)
        assert len(names) == 1
        assert names[0].startswith("Holder[")
        refusal = second.play("try_link", kwargs=network.kwargs, service=service)
        assert re.fullmatch(RETURNED + f"PermissionError: '{service}' service is locked", refusal)
        assert first.go_on() == []
        linked = second.play("try_link", kwargs=network.kwargs, service=service)
        assert linked.startswith(f"<Link with {service}[")
        assert first.go_on() == "end"


def test_exclusive_lock_needs_the_only_link(network, player, service):
    holder = network.players["ours" if player is network.players["1.x"] else "1.x"]
    name = holder.begin("hold_link", kwargs=network.kwargs, service=service)
    kinds, message = player.play("try_exclusive_lock", kwargs=network.kwargs, service=service)
    assert "RuntimeError" in kinds
    pattern = (
        rf"PermissionError: Greedy\[(.+):\d+\] cannot acquire an exclusive lock, there are 2 links "
        rf"with the '{service}' service\nThe linked Clients are:"
        r"\n  Greedy\[\1:\d+\]\n  Holder\[\1:\d+\]"
    )
    assert re.fullmatch(RETURNED + pattern, message), message
    assert name.startswith("Holder[")
    assert holder.go_on() is None
    assert holder.go_on() == "end"


@pytest.mark.parametrize("service_kind", ["ours", "1.x"])
def test_service_has_its_maximum_of_clients(network, service_kind):
    name = f"One at a time {service_kind}"
    limited = network.start_service(service_kind, name=name, max_clients=1)
    for holder, late in (("ours", "1.x"), ("1.x", "ours")):
        first, second = network.players[holder], network.players[late]
        first.begin("hold_link", kwargs=network.kwargs, service=name)
        refusal = second.play("try_link", kwargs=network.kwargs, service=name)
        assert re.fullmatch(
            RETURNED + "PermissionError: The maximum number of Clients are already linked with "
            rf"'{name}'\nThe linked Clients are:\n  Holder\[[^\]]+:\d+\]",
            refusal,
        )
        assert first.go_on() is None
        assert first.go_on() == "end"
        linked = second.begin("hold_link", kwargs=network.kwargs, service=name)
        assert linked.startswith("Holder[")
        assert second.go_on() is None
        assert second.go_on() == "end"
    limited.end()


@pytest.mark.parametrize("service_kind", ["ours", "1.x"])
def test_client_shuts_a_service_down(network, player, service_kind):
    name = f"Mortal {service_kind}"
    mortal = network.start_service(service_kind, name=name)
    result = player.play("shut_service_down", kwargs=network.kwargs, service=name)
    assert result[0] == [[1], {"reason": "end"}]
    if service_kind == "ours":
        assert result[1] == "'slow'"
    elif network.kind == "ours":
        # 1.x's Service forgets what it is doing
        text = f"ConnectionAbortedError: The '{name}' service disconnected before it replied"
        assert result[1].endswith(text)
    assert result[2] in ("RuntimeError", "RemoteKeyError")
    assert mortal.ended() == 0


def test_administrator_logs_in_within_the_session(network, player):
    result = player.play("admin", kwargs=network.kwargs)
    assert result["usernames"] == ["no error", "['m.curie', 'n.bohr']"]
    assert result["argument"] == result["keyword"] == ["no error", "True"]
    assert result["value"] == ["no error", str(network.port)]
    assert "RuntimeError" in result["unknown"][0]
    assert "AttributeError: " in result["unknown"][1]
    assert is_remote_error(
        result["raises"],
        "ValueError: Cannot delete 'nowhere'. This hostname is not in the table.",
    )
    assert result["afterwards"] == ["attributes", "clients"]


def test_request_of_an_administrator_is_refused_to_others(network, player):
    kwargs = {**network.kwargs, "username": "m.curie", "password": "radium"}
    failure = player.play("no_admin", kwargs=kwargs)
    assert is_remote_error(
        failure,
        "ValueError: You must be an administrator to send this request to the Manager",
    )


def test_both_clients_show_the_same(network, service):
    """The reprs and the text of `identities`, at the same time, of the same Manager."""
    shown = {}
    for kind, player in network.players.items():
        shown[kind] = player.begin("show", kwargs=network.kwargs, service=service)
    # now that all are there, both see the same Clients
    texts = {kind: player.go_on() for kind, player in network.players.items()}
    assert texts["ours"] == texts["1.x"]
    assert f"{service}[" in texts["ours"]
    ends = {kind: player.go_on() for kind, player in network.players.items()}
    assert ends["ours"][:3] == ends["1.x"][:3]
    assert ends["ours"][3][1] == ends["1.x"][3][1]
    for player in network.players.values():
        assert player.go_on() == "end"

    def without_ports(kind, name):
        text = json.dumps(shown[kind][name])
        for port in (shown[kind]["port"], shown[kind]["linked port"]):
            text = text.replace(str(port), "PORT")
        return text

    for name in ("client", "link", "linked", "facts"):
        assert without_ports("ours", name) == without_ports("1.x", name)
    assert shown["ours"]["text"].splitlines()[0] == shown["1.x"]["text"].splitlines()[0]

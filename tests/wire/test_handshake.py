"""The states of connecting, as one table."""

import pytest

from msl_network.wire.handshake import (
    Authentication,
    ManagerHandshake,
    is_manager_name,
    read_answer,
)

ME = "Manager[host:1875]"


@pytest.mark.parametrize(
    ("authentication", "questions"),
    [
        (Authentication.NONE, [("identity", [])]),
        (Authentication.HOSTNAME, [("identity", [])]),
        (Authentication.PASSWORD, [("password", [ME]), ("identity", [])]),
        (
            Authentication.LOGIN,
            [("username", [ME]), ("password", ["n.bohr"]), ("identity", [])],
        ),
    ],
)
def test_what_is_asked(authentication, questions):
    handshake = ManagerHandshake(authentication, ME)
    asked = []
    while handshake.question:
        asked.append((handshake.question, handshake.args))
        handshake.accept("n.bohr")
    assert asked == questions


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b'{"result": "secret", "error": false, "requester": null, "uid": ""}', "secret"),
        (b'{"result": {"type": "client"}}', {"type": "client"}),
        (b"typed secret  ", "typed secret"),
        (b"1234", "1234"),
        (b'"quoted"', '"quoted"'),
        (b"{1", "{1"),
        ("Ångström".encode(), "Ångström"),
    ],
)
def test_answer_is_json_or_typed(line, answer):
    assert read_answer(line) == answer


def test_answer_that_is_no_text():
    with pytest.raises(UnicodeDecodeError):
        read_answer(b"\xff")


def test_name_of_a_manager():
    assert is_manager_name(ME)
    assert not is_manager_name("n.bohr")
    assert not is_manager_name(f"{ME} or so")

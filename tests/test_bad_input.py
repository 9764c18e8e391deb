"""Bad input: a clear error for the one who did it, and nothing else breaks or is lost."""

import contextlib
import json
import time

import pytest

from msl_network import Limits, RemoteError, Service, connect
from msl_network.manager import authentication

from .laboratory import REQUEST

# --- lines ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text", "uid"),
    [
        (b"\x16\x03\x01\x00", "not", ""),
        (b"{not JSON}", "ValueError: The message is not JSON", ""),
        (b"[]", "ValueError: The message must be a JSON object, not list", ""),
        (b"5", "ValueError: The message must be a JSON object, not int", ""),
        (b"null", "ValueError: The message must be a JSON object, not NoneType", ""),
        (b'"text"', "ValueError: The message must be a JSON object, not str", ""),
        (b"{}", "ValueError: A request needs a `service` and an `attribute`", ""),
        (b'"caf\xe9"', "ValueError: The message is not", ""),
        (b"\xef\xbb\xbf{}", "ValueError: The message is not JSON: Unexpected UTF-8 BOM", ""),
        (
            b'{"service": "Healthy", "attribute": "add", "args": ["\xff"], "uid": "u"}',
            "ValueError: The message is not UTF-8",
            "u",
        ),
        ({**REQUEST, "attribute": 5}, "ValueError: Expected `str | null`, got `int`", "u"),
        ({**REQUEST, "service": ["x"]}, "ValueError: Expected `str | null`, got `array`", "u"),
        ({**REQUEST, "args": {}}, "ValueError: `args` must be an array and `kwargs` an", "u"),
        ({**REQUEST, "kwargs": []}, "ValueError: `args` must be an array and `kwargs` an", "u"),
        ({**REQUEST, "kwargs": None}, "ValueError: `args` must be an array and `kwargs` an", "u"),
        ({**REQUEST, "uid": 5}, "ValueError: Expected `str | null`, got `int`", ""),
        ({**REQUEST, "uid": "notification"}, "ValueError: The uid 'notification' is reserved", ""),
        ({**REQUEST, "attribute": None}, "ValueError: A request needs a `service` and", "u"),
        ({**REQUEST, "service": "Manager", "attribute": "link"}, "TypeError: The request", "u"),
        (
            {**REQUEST, "service": "Manager", "attribute": "link", "args": [["x"]]},
            "TypeError: The request 'link' needs the name of a service",
            "u",
        ),
        (b'{"service": "\\ud800", "attribute": "x", "uid": "u"}', "surrogates not allowed", "u"),
        (b'{"service": "Healthy", "attribute": "\\ud800", "uid": "u"}', "surrogates not", "u"),
        (b"[" * 100_000, "The JSON text is nested too deeply", ""),
        (
            b'{"service":"Healthy","attribute":"add","args":' + b"[" * 9999 + b"]" * 9999 + b"}",
            "The JSON text is nested too deeply",
            "",
        ),
    ],
)
def test_client_sends_an_invalid_line(laboratory, line, text, uid):
    lab = laboratory()
    with lab.raw().client() as raw:
        raw.send(line if not isinstance(line, bytes) else line + b"\r\n")
        answer = raw.read()
        assert answer["error"] is True
        assert answer["result"] is None
        assert text in answer["message"]
        assert answer["uid"] == uid
        # the connection stays
        assert raw.ask(REQUEST)["result"] == 3


def test_client_answers_what_it_was_not_asked(laboratory):
    lab = laboratory()
    with lab.raw().client() as raw:
        name = next(n for n in lab.client.identities()["clients"] if n.startswith("Client["))
        raw.send({"result": 1, "requester": name, "uid": lab.under_way.uid, "error": False})
        raw.send({"result": [[], {}], "service": "Healthy", "uid": "notification", "error": False})
        raw.send({"error": True, "message": "x", "requester": name, "uid": lab.under_way.uid})
        assert raw.ask(REQUEST)["result"] == 3
    assert not lab.under_way.done()


@pytest.mark.parametrize(
    "reply",
    [
        {"result": 1, "error": "no", "uid": "UID", "requester": "WHO"},
        {"result": 1, "error": False, "uid": "UID", "requester": 5},
        {"result": 1, "error": True, "uid": "UID", "requester": "WHO", "message": 7},
        {"result": 1, "error": False, "uid": 5, "requester": "WHO"},
    ],
)
def test_service_sends_an_invalid_reply(laboratory, reply):
    """The Client that waits for it is told, and the Service is still there."""
    lab = laboratory()
    with lab.raw().service() as raw:
        link = lab.client.link("RawService")
        future = link["anything"](asynchronous=True)
        request = raw.read()
        filled = {"UID": request["uid"], "WHO": request["requester"]}
        raw.send({k: filled.get(v, v) if isinstance(v, str) else v for k, v in reply.items()})
        with pytest.raises(RemoteError, match="ValueError: Invalid reply: Expected"):
            future.result(20)
        future = link["again"](asynchronous=True)
        request = raw.read()
        raw.send({"result": 5, "uid": request["uid"], "requester": request["requester"]})
        assert future.result(20) == 5
        # once is enough: the second one goes nowhere
        raw.send({"result": 6, "uid": request["uid"], "requester": request["requester"]})
        assert raw.ask("identity")["error"] is False


def test_service_sends_bad_utf8(laboratory):
    lab = laboratory()
    with lab.raw().service() as raw:
        future = lab.client.link("RawService")["x"](asynchronous=True)
        request = raw.read()
        reply = {"result": "?", "uid": request["uid"], "requester": request["requester"]}
        raw.send(json.dumps(reply).encode().replace(b"?", b"\xff") + b"\n")
        with pytest.raises(RemoteError, match="Invalid reply: The message is not UTF-8"):
            future.result(20)
        assert raw.ask("identity")["error"] is False


@pytest.mark.parametrize("ending", [b"", b"\r\n"])
def test_line_over_the_limit(laboratory, ending):
    lab = laboratory(limits=Limits(message_limit=100_000))
    with lab.raw().client() as raw:
        args = ["x" * (100_000 - len(json.dumps(REQUEST)) - 3), ""]
        text = json.dumps({**REQUEST, "args": args}).encode()
        assert raw.ask(text.ljust(100_000) + b"\r\n")["result"] == args[0]
        raw.send(b"x" * 100_010 + ending)
        answer = raw.read()
        assert answer["message"] == (
            "LineTooLongError: The message is larger than the limit of 100000 bytes"
        )
        assert raw.read() is None


def test_client_sends_more_than_the_limit(laboratory):
    """Who was told the limit is refused by its own side, and stays."""
    lab = laboratory(limits=Limits(message_limit=100_000))
    with connect(**lab.manager.kwargs) as client:
        link = client.link("Healthy")
        with pytest.raises(ValueError, match="100000"):
            link.add("x" * 200_000, "")
        assert link.add(1, 2) == 3
    with lab.raw().client() as raw:
        with contextlib.suppress(OSError):  # it is closed while it still sends
            raw.send(b"x" * 200_000)
        answer = raw.read()
        assert answer is None or "limit of 100000 bytes" in answer["message"]
        assert raw.read() is None


def test_before_it_is_known_a_peer_gets_little(laboratory):
    lab = laboratory()
    with lab.raw() as raw:
        assert raw.read()["attribute"] == "identity"
        with contextlib.suppress(OSError):
            raw.send(b"x" * 2_000_000)
        answer = raw.read()
        assert answer is None or "LineTooLongError" in answer["message"]


# --- connecting ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "text"),
    [
        (b"\n", "TypeError: Cannot read the identity"),
        (b"hello\n", "TypeError: Cannot read the identity"),
        (b"\xff\xfe\n", "ValueError: The message is not UTF-8"),
        ([], "TypeError: Cannot read the identity"),
        ({"result": []}, "TypeError: The identity must be a JSON object, not list"),
        ({"result": None}, "TypeError: Cannot read the identity"),
        ({"result": {}}, "KeyError: 'type'"),
        ({"result": {"type": "client"}}, "KeyError: 'name'"),
        (
            {"result": {"type": "client", "name": "\ud800"}},
            "TypeError: Invalid identity: 'utf-8' codec can't encode",
        ),
        (
            b'{"result": {"type": "service", "name": "x", "attributes": {"a": '
            + b"[" * 900
            + b"]" * 900
            + b"}}}\n",
            "TypeError: Invalid identity: the attributes are nested too deeply",
        ),
        ({"result": {"type": "client", "name": 5}}, "TypeError: The type and the name"),
        ({"result": {"type": "thing", "name": "x"}}, "TypeError: Unknown connection type 'thing'"),
        ({"result": {"type": "service", "name": "x"}}, "KeyError: 'attributes'"),
        (
            {"result": {"type": "service", "name": "x", "attributes": 5}},
            "TypeError: Invalid identity: Expected `object`, got `int`",
        ),
        (
            {"result": {"type": "service", "name": "x", "attributes": {}, "max_clients": "1"}},
            "TypeError: Invalid identity: Expected `int | null`, got `str`",
        ),
        (
            {"result": {"type": "service", "name": "Manager", "attributes": {}}},
            "NameError: A service cannot be called 'Manager'",
        ),
        (
            {"result": {"type": "service", "name": "Healthy", "attributes": {}}},
            "NameError: A 'Healthy' service is already running on the Manager",
        ),
    ],
)
def test_invalid_identity(laboratory, identity, text):
    lab = laboratory()
    before = lab.client.identities()
    with lab.raw() as raw:
        assert raw.read()["attribute"] == "identity"
        answer = raw.ask(identity)
        assert answer["error"] is True
        assert answer["message"].startswith(text)
        assert raw.read() is None
    assert lab.client.identities() == before


def test_peer_that_says_nothing(laboratory):
    lab = laboratory(limits=Limits(handshake_timeout=1))
    with lab.raw() as raw:
        assert raw.read()["attribute"] == "identity"
        assert raw.read()["message"] == (
            "TimeoutError: The connection was not established in 1 seconds"
        )
        assert raw.read() is None


def test_peer_without_tls(laboratory):
    lab = laboratory()
    kwargs = {"host": "localhost", "port": lab.manager.port, "timeout": 0.5}
    with pytest.raises(ConnectionError, match="Perhaps the Manager is using TLS"):
        connect(**kwargs, disable_tls=True)


def test_peer_with_tls_where_there_is_none(laboratory):
    lab = laboratory(disable_tls=True)
    kwargs = {"host": "localhost", "port": lab.manager.port, "timeout": 20}
    with pytest.raises(ConnectionError, match="Try setting disable_tls=True"):
        connect(**kwargs, auto_save=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Healthy", "A 'Healthy' service is already running on the Manager"),
        ("Manager", "A service cannot be called 'Manager', the name of the Manager"),
    ],
)
def test_service_whose_name_is_taken(laboratory, name, text):
    lab = laboratory()
    with pytest.raises(NameError, match=text):
        Service(name=name).start(**lab.manager.kwargs)
    # with another name it can start
    with Service(name=name).start_in_background(name="Another", **lab.manager.kwargs):
        assert "Another" in lab.client.identities()["services"]


def test_certificate_that_has_changed(laboratory, tmp_path, manager):
    lab = laboratory()
    kwargs = {**lab.manager.kwargs, "cert_file": manager.kwargs["cert_file"]}
    with pytest.raises(ConnectionError) as caught:
        connect(**kwargs)
    text = str(caught.value)
    assert "Perhaps the Network Manager is using a new certificate" in text
    assert kwargs["cert_file"] in text
    assert "trusted: " in text
    assert "offered: " in text


def test_wrong_password_three_times(laboratory, monkeypatch):
    """The fourth try has to wait, a right one too; after it all is forgotten."""
    monkeypatch.setattr(authentication, "LOGIN_DELAY", 0.5)
    lab = laboratory(auth_password="right")
    wrong = {**lab.manager.kwargs, "password_manager": "wrong"}

    def seconds(kwargs, refused=True):
        start = time.monotonic()
        if refused:
            with pytest.raises(ValueError, match="Wrong Manager password"):
                connect(**kwargs)
        else:
            connect(**kwargs).disconnect()
        return time.monotonic() - start

    assert max(seconds(wrong) for _ in range(3)) < 0.5
    assert seconds(wrong) >= 0.5
    assert seconds(lab.manager.kwargs, refused=False) >= 1.0
    assert seconds(wrong) < 0.5


def test_unknown_user_and_wrong_password_look_the_same(laboratory):
    lab = laboratory(auth_login=True, users={"n.bohr": "right"})
    for login in ({"username": "n.bohr", "password": "wrong"}, {"username": "nobody"}):
        with pytest.raises(ValueError, match=r"^ValueError: Wrong login password$"):
            connect(**{**lab.manager.kwargs, **login})


@pytest.mark.parametrize(
    "kwargs", [{"auth_password": "x"}, {"auth_login": True, "users": {"n.bohr": "right"}}]
)
def test_password_that_is_no_unicode(laboratory, kwargs):
    lab = laboratory(**kwargs)
    with lab.raw() as raw:
        question = raw.read()
        if question["attribute"] == "username":
            question = raw.ask({"result": "n.bohr"})
        assert question["attribute"] == "password"
        assert "password" in raw.ask({"result": "\ud800"})["message"]
        assert raw.read() is None


@pytest.mark.parametrize("answer", [[["n.bohr"]], 5])
def test_login_that_is_no_text(laboratory, answer):
    """It is nobody's, before a session and in one."""
    lab = laboratory(auth_login=True, users={"n.bohr": "right", "5": "5"})
    with lab.raw() as raw:
        assert raw.read()["attribute"] == "username"
        assert raw.ask({"result": answer})["args"] == [""]
        assert raw.ask({"result": answer})["message"] == "ValueError: Wrong login password"
        assert raw.read() is None


@pytest.mark.parametrize("answer", [[["n.bohr"]], 5])
def test_login_in_a_session_that_is_no_text(laboratory, answer):
    lab = laboratory()
    with lab.raw().client() as raw:
        question = raw.ask({"service": "Manager", "attribute": "port", "uid": "u"})
        assert question["attribute"] == "username"
        assert raw.ask({"result": answer})["args"] == [""]
        refused = raw.ask({"result": answer})
        assert (refused["message"], refused["uid"]) == ("ValueError: Wrong login password", "u")


@pytest.mark.parametrize("login", ["username", "password"])
def test_login_that_is_large(laboratory, login):
    """Nobody waits while it is looked into: its millions of values are not made."""
    lab = laboratory()
    with lab.raw().client() as raw:
        raw.ask({"service": "Manager", "attribute": "port", "uid": "u"})
        if login == "password":
            raw.ask({"result": "n.bohr"})
        answer = raw.ask(b'{"result":[' + b"[]," * 4_000_000 + b"[]]}\n")
        if login == "username":
            assert (answer["attribute"], answer["args"]) == ("password", [""])
            answer = raw.ask({"result": "x"})
        assert answer["message"] == "ValueError: Wrong login password"


def test_requests_that_wait_for_a_login_are_limited(laboratory):
    lab = laboratory()
    with lab.raw().client() as raw:
        request = {"service": "Manager", "attribute": "port", "args": ["x" * 60_000], "kwargs": {}}
        for i in range(2):
            raw.send({**request, "uid": str(i)})
        assert raw.read()["attribute"] == "username"
        answer = raw.ask({**request, "uid": "4"})
        assert answer["message"] == "PermissionError: Log in first: too many requests wait for it"
        assert answer["uid"] == "4"
        answer = raw.ask({**request, "args": ["x" * 70_000], "uid": "5"})
        assert answer["message"] == "ValueError: A request to the Manager can have 65536 bytes"


# --- requests ------------------------------------------------------------------------------


def test_unknown_service_and_method(laboratory):
    lab = laboratory()
    with pytest.raises(RemoteError, match="KeyError: \"the 'Nobody' service does not exist"):
        lab.client.link("Nobody")
    with pytest.raises(AttributeError, match="The 'Healthy' service has no attribute 'divide'"):
        lab.link.divide(1, 2)
    with pytest.raises(RemoteError, match="has no attribute 'divide'"):
        lab.link["divide"](1, 2)
    with pytest.raises(RemoteError, match="PermissionError: Cannot request a private attribute"):
        lab.link["_tasks"]()
    for name in ("start", "emit_notification", "start_in_background", ""):
        with pytest.raises(RemoteError, match="AttributeError"):
            lab.link[name]()
    with lab.raw().client() as raw:
        answer = raw.ask({**REQUEST, "service": "Nobody"})
        assert answer["message"].startswith("KeyError: \"the 'Nobody' Service is not connected to")
        assert answer["uid"] == "u"


def test_arguments_that_do_not_fit(laboratory):
    lab = laboratory()
    with pytest.raises(RemoteError, match="missing 1 required positional argument: 'y'") as caught:
        lab.link.add(1)
    assert caught.value.type == "TypeError"
    with pytest.raises(RemoteError, match="unexpected keyword argument 'z'"):
        lab.link.add(1, z=2)
    with pytest.raises(TypeError, match="not JSON serializable"):
        lab.link.add(1, object())


def test_result_that_cannot_be_serialised(laboratory):
    lab = laboratory()
    with pytest.raises(RemoteError, match="Object of type object is not JSON serializable"):
        lab.link.unserialisable()
    with pytest.raises(RemoteError, match="ValueError"):
        lab.link.endless()
    with pytest.raises(RemoteError, match="SystemExit: not even this ends the Service"):
        lab.link.fail()

"""Peers that lie: in another's name, twice, past a lock, into an object, at one's terminal."""

import asyncio
import json
import logging
import re

import ipywidgets
import pytest

from msl_network import LinkedClient, LocalManager, RemoteError, Service, connect, loop_thread
from msl_network.client import session
from msl_network.client.calls import yields
from msl_network.client.identities import identities_as_string
from msl_network.manager.manager import ADMIN_ATTRIBUTES
from msl_network.notebook.panels import CallPanel, ServicesPanel
from msl_network.notebook.results import to_html

from .laboratory import REQUEST, eventually
from .raw import RawPeer

ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves a cursor, begins a line or turns the direction of reading; a line end is looked for
by itself, where there must be none."""

HOSTILE = [
    "\x1b[2J\x1b]0;title\x07",
    "one\n2026-01-01 00:00:00 [ERROR] forged",
    "over\rwritten",
    "user\u202egnp.exe",
    "\x9b1A",
    "\u2028line",
    "\x00",
]
MARKUP = "<img src=x onerror=alert(1)>"


def ask(raw, uid, service="Healthy", attribute="add", args=(1, 2)):
    raw.send({**REQUEST, "service": service, "attribute": attribute, "args": args, "uid": uid})


# --- in another's name ------------------------------------------------------------------------


def test_service_answers_for_another_service(laboratory):
    lab = laboratory()
    with lab.raw().service() as raw:
        to = {"requester": lab.client._session.network_name, "uid": lab.under_way.uid}
        raw.send({"result": "a lie", "error": False, **to})
        raw.send({"error": True, "message": "ValueError: a lie", **to})
        assert raw.ask("identity")["error"] is False
        assert not lab.under_way.done()


def test_service_emits_in_the_name_of_another(laboratory):
    lab = laboratory()
    got = []
    lab.link.notification_handler = lambda *args: got.append(args)
    with lab.raw().service() as raw:
        own = []
        link = lab.client.link("RawService")
        link.notification_handler = lambda *args: own.append(args)
        notification = {"result": [["a lie"], {}], "uid": "notification", "error": False}
        raw.send({**notification, "service": "Healthy"})
        raw.send({**notification, "service": "RawService"})
        eventually(lambda: own == [("a lie",)])
        assert raw.ask("identity")["error"] is False
        lab.service.emit_notification("the truth")
        eventually(lambda: got == [("the truth",)])


def test_service_says_who_a_reply_is_for(laboratory):
    """Only who has asked gets it, whatever the Service says."""
    lab = laboratory()
    with lab.raw().service() as raw, lab.raw().client("Other") as other:
        other.ask("identity")
        reply = lab.client.link("RawService")["x"](asynchronous=True)
        request = raw.read()
        host = request["requester"].partition("[")[2].rpartition(":")[0]
        stranger = f"Other[{host}:{other.port}]"
        raw.send({"result": "a lie", "requester": stranger, "uid": request["uid"], "error": False})
        raw.send({"result": "right", "requester": request["requester"], "uid": request["uid"]})
        assert reply.result(20) == "right"
        assert "clients" in other.ask("identity")["result"]  # and nothing came before it


def test_client_says_goodbye_to_a_service(laboratory):
    """Only its Manager can tell a Service not to come back, and why."""
    lab = laboratory()
    with lab.raw().client() as raw:
        request = {"service": "Healthy", "attribute": "__goodbye__", "args": ["a lie"], "uid": "1"}
        assert "Cannot request a private attribute" in raw.ask(request)["message"]
    session = lab.running._session
    assert session._comeback.is_expected
    assert session._connection.lost_reason is None


def test_service_answers_twice(laboratory):
    lab = laboratory()
    with lab.raw().service() as raw:
        link = lab.client.link("RawService")
        first = link["x"](asynchronous=True)
        request = raw.read()
        for result in ("once", "twice"):
            raw.send({"result": result, "requester": request["requester"], "uid": request["uid"]})
        assert first.result(20) == "once"
        second = link["x"](asynchronous=True)
        request = raw.read()
        raw.send({"result": "new", "requester": request["requester"], "uid": request["uid"]})
        assert second.result(20) == "new"


def test_service_says_that_it_has_gone_and_lives(laboratory):
    """A request that is safe to repeat comes back to it, but not for ever without a pause."""
    lab = laboratory()
    with lab.raw().service() as raw:
        link = lab.client.link("RawService")
        reply = link["x"](asynchronous=True, safe_to_repeat=True)
        lie = "ConnectionAbortedError: The 'RawService' service disconnected before it replied"
        for _ in range(session.AT_ONCE + 1):
            request = raw.read()
            to = {"requester": request["requester"], "uid": request["uid"]}
            assert lab.client._session._in_flight.held_for == set()
            raw.send({"error": True, "message": lie, "replicas": 1, "result": None, **to})
        eventually(lambda: lab.client._session._in_flight.held_for == {"RawService"})
        raw.read()
        raw.send({"result": "right", **to})
        assert reply.result(20) == "right"


# --- uids -------------------------------------------------------------------------------------


def test_uid_is_used_again(laboratory):
    """By one Client while it is in flight and after its reply, and by another one."""
    lab = laboratory()
    with lab.raw().service() as raw, lab.raw().client("A") as a, lab.raw().client("B") as b:
        asked = []
        for peer in (a, a, b):
            ask(peer, "the same", "RawService")
            asked.append(raw.read())
        # those of B and A can't be told by their uid, and each gets its own
        for request, result in zip(asked, ("a1", "a2", "b"), strict=True):
            raw.send({"result": result, "requester": request["requester"], "uid": "the same"})
        assert [a.read()["result"], a.read()["result"], b.read()["result"]] == ["a1", "a2", "b"]
        # there were two, so a third reply is nobody's
        raw.send({"result": "a3", "requester": asked[0]["requester"], "uid": "the same"})
        ask(a, "the same", "RawService")
        request = raw.read()
        raw.send({"result": "a4", "requester": request["requester"], "uid": "the same"})
        assert a.read()["result"] == "a4"
        assert not lab.manager._running.manager.registry.services["RawService"].in_flight


def test_uid_of_another_client_gives_up_nothing(laboratory):
    lab = laboratory()
    with lab.raw().client() as raw:
        ask(raw, lab.under_way.uid)
        answer = raw.read()
        assert (answer["result"], answer["uid"]) == (3, lab.under_way.uid)
    assert not lab.under_way.done()


# --- past a link ------------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", ["add", "shutdown_service", "_ignored"])
def test_client_calls_a_locked_service_without_linking(laboratory, attribute):
    lab = laboratory()
    lab.link.acquire_lock()
    with lab.raw().client() as raw:
        ask(raw, "u", attribute=attribute)
        answer = raw.read()
        assert answer["message"] == "PermissionError: 'Healthy' service is locked"
        assert answer["uid"] == "u"
        lab.link.release_lock()
        ask(raw, "v")
        assert raw.read()["result"] == 3
        # and with that it is linked, so it can't be locked out
        with pytest.raises(RemoteError, match="cannot acquire an exclusive lock"):
            lab.link.acquire_lock()


def test_client_calls_a_full_service_without_linking(laboratory):
    lab = laboratory()
    with Service(name="One", max_clients=1).start_in_background(**lab.manager.kwargs):
        link = lab.client.link("One")
        with lab.raw().client() as raw:
            ask(raw, "u", "One", "anything")
            assert "maximum number of Clients are already linked" in raw.read()["message"]
            link.unlink()
            ask(raw, "u", "One", "anything")
            assert raw.read()["message"].startswith("AttributeError")
            with pytest.raises(RemoteError, match="maximum number of Clients"):
                lab.client.link("One")


def test_client_takes_the_lock_of_another(laboratory):
    lab = laboratory()
    lab.link.acquire_lock()
    with lab.raw().client() as raw:
        for attribute in ("release_lock", "acquire_lock", "unlink", "link"):
            ask(raw, "u", "Manager", attribute, ["Healthy"])
            assert raw.read()["error"] is (attribute != "release_lock")
        with pytest.raises(RemoteError, match="is locked"), connect(**lab.manager.kwargs) as other:
            other.link("Healthy")
    lab.link.release_lock()


# --- into an object ---------------------------------------------------------------------------


class Open(Service):
    """A Service with what a caller might want to get through."""

    secret = "of the Service"

    def __init__(self):
        super().__init__()
        self._private = "private"
        self.ends = []

    def shutdown_handler(self):
        self.ends.append("called by a stranger")

    @property
    def broken(self):
        raise OSError("the instrument is off")

    @property
    def nested(self):
        return self

    def method(self):
        return 1


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        ("__class__", "PermissionError"),
        ("__init__", "PermissionError"),
        ("__dict__", "PermissionError"),
        ("_private", "PermissionError"),
        ("_Service__session", "PermissionError"),
        ("method.__globals__", "AttributeError"),
        ("method.__func__", "AttributeError"),
        ("nested.secret", "AttributeError"),
        ("a.b", "AttributeError"),
        ("identity", "AttributeError"),
        ("add_tasks", "AttributeError"),
        ("shutdown_handler", "AttributeError"),
        ("emit_notification", "AttributeError"),
        ("ignore_attributes", "AttributeError"),
        ("start", "AttributeError"),
        ("request", "AttributeError"),
        ("broken", "OSError: the instrument is off"),
        ("nested", "TypeError"),
        ("", "AttributeError"),
        (" secret", "AttributeError"),
        ("\u0455ecret", "AttributeError"),  # it begins with a Cyrillic letter
    ],
)
def test_client_reaches_into_a_service(manager, attribute, text):
    service = Open()
    with service.start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        link = client.link("Open")
        assert attribute not in link.service_attributes
        with pytest.raises(RemoteError) as caught:
            link[attribute](timeout=20)
        assert (caught.value.type + ": " + caught.value.message).startswith(text)
        assert "private" not in caught.value.message or text == "PermissionError"
        assert service.ends == []
        assert link.secret(timeout=20) == "of the Service"


REACHES = [
    "__class__",
    "__init__.__globals__",
    "_tables",
    "_tables.users.execute",
    "identity.__func__",
    "identity.__self__",
    "port.__class__",
    "password",
    "registry",
    "registry.clients",
    "stopped.set",
    "logins.check",
    "recorder.record",
    "set_logging_level.__globals__",
    "users_table",
    "users_table.connection",
    "users_table.cursor",
    "users_table.execute",
    "users_table.close",
    "users_table.__class__",
    "users_table.__init__.__globals__",
    "users_table.insert.__func__",
    "users_table..insert",
    "users_table.users.users",
    ".users",
    "hostnames_table.execute",
    "connections_table.execute",
    "connections_table.insert",
    "admission",
    "limits",
]


def test_administrator_reaches_into_the_manager():
    users = {"n.bohr": "secret"}
    with (
        LocalManager(auth_login=True, users=users) as manager,
        connect(**manager.kwargs) as client,
    ):
        assert not set(REACHES) & ADMIN_ATTRIBUTES
        for attribute in REACHES:
            with pytest.raises(RemoteError, match="AttributeError: 'Manager' object has no"):
                client.admin_request(attribute)
        for attribute in ("users_table.insert", "users_table.users"):
            with pytest.raises(RemoteError, match="TypeError"):
                client.admin_request(attribute, "'; DROP TABLE auth_users; --", nonsense=1)
        assert client.admin_request("users_table.usernames") == ["n.bohr"]


def test_administrator_can_ask_for_all_of_the_documented_list():
    """Each of the list is there: what is not would be a promise that nobody keeps."""
    with LocalManager(auth_login=True, users={"n.bohr": "secret"}) as manager:
        inside = manager._running.manager
        names = ("users", "hostnames", "connections")
        tables = {f"{name}_table": getattr(inside._tables, name) for name in names}
        for attribute in ADMIN_ATTRIBUTES:
            table, _, method = attribute.rpartition(".")
            assert hasattr(tables[table] if table else inside, method)


# --- at a person's terminal -------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["client", "service"])
def test_name_that_acts_on_a_terminal_is_refused(manager, name, kind):
    with pytest.raises(TypeError, match="control characters in the name") as caught:
        if kind == "client":
            connect(name=name, **manager.kwargs)
        else:
            Service(name=name).start_in_background(**manager.kwargs)
    assert not ACTING.search(str(caught.value))
    assert "\n" not in str(caught.value)


ALL = "".join(HOSTILE) + MARKUP


@pytest.fixture
def liar(manager):
    """A Service of which everything that it may choose is hostile."""
    raw = RawPeer(manager.port)
    assert raw.read()["attribute"] == "identity"
    identity = {
        "type": "service",
        "name": MARKUP,
        "language": ALL,
        "os": ALL,
        "attributes": {ALL: f"(x: {ALL}) -> {ALL}", "value": ALL, "many": [ALL, {ALL: ALL}]},
        "doc": ALL,
        "docs": {ALL: f"{ALL}\n\n{ALL}", "value": ALL},
    }
    raw.send({"result": identity})
    with raw:
        yield raw


def shows_nothing_that_acts(text, lines=None):
    assert not ACTING.search(text), ascii(text)
    if lines is not None:
        assert text.count("\n") + 1 == lines


def is_no_markup(text):
    """What is on the page is text: the tag is not there."""
    assert "&lt;img" in text
    assert "<img" not in text


def shows_no_markup(shown):
    bundle = shown._repr_mimebundle_()
    is_no_markup(bundle["text/html"])
    for text in bundle.values():
        shows_nothing_that_acts(text.replace("\n", ""))


def test_texts_of_a_service_that_are_hostile(manager, liar):
    with connect(name=MARKUP, **manager.kwargs) as client:
        eventually(lambda: MARKUP in client.identities()["services"])
        text = client.identities(as_string=True)
        # each in its line: none is forged
        service = client.identities()["services"][MARKUP]
        own = client.identities()["clients"]
        shows_nothing_that_acts(text)
        assert text.count("\n") == 6 + 3 * len(own) + 6 + len(service["attributes"])
        link = client.link(MARKUP)
        shows_nothing_that_acts(repr(link), lines=1)
        shows_nothing_that_acts(repr(client), lines=1)
        shows_no_markup(link)
        for doc in (link.__doc__, link[ALL].__doc__, link["value"].__doc__):
            shows_nothing_that_acts(doc)
        shows_no_markup(client)
        with LinkedClient(MARKUP, **manager.kwargs) as linked:
            shows_nothing_that_acts(repr(linked), lines=1)
            shows_no_markup(linked)


def test_results_and_errors_of_a_service_that_are_hostile(manager, liar, caplog):
    with caplog.at_level(logging.DEBUG, "msl_network"), connect(**manager.kwargs) as client:
        eventually(lambda: MARKUP in client.identities()["services"])
        link = client.link(MARKUP)
        replies = [link[ALL](ALL, asynchronous=True) for _ in range(2)]
        requests = [liar.read() for _ in replies]
        to = [{"requester": r["requester"], "uid": r["uid"]} for r in requests]
        liar.send({"result": {ALL: [ALL]}, **to[0]})
        traceback = [f'  File "{ALL}", line 1', ALL]
        liar.send({"error": True, "message": f"{ALL}: {ALL}", "traceback": traceback, **to[1]})
        # a value is what it is, and is shown as what it is not: harmless
        assert replies[0].result(20) == {ALL: [ALL]}
        is_no_markup(to_html(replies[0].result()))
        error = replies[1].exception(20)
        assert isinstance(error, RemoteError)
        shows_nothing_that_acts(str(error))
        liar.send({"error": True, "message": ALL, "uid": "", "requester": ALL})
        liar.send({"attribute": ALL, "service": ALL, "uid": ALL})
        liar.send(ALL.encode() + b"\n")
        liar.send({"result": [[], {}], "service": ALL, "uid": "notification"})
    for record in caplog.records:
        shows_nothing_that_acts(record.getMessage(), lines=1)


def test_request_of_a_client_that_is_hostile(manager, caplog):
    with (
        caplog.at_level(logging.DEBUG, "msl_network"),
        Open().start_in_background(**manager.kwargs),
        RawPeer(manager.port).client(MARKUP) as raw,
    ):
        requests = [(ALL, "x"), ("Open", ALL), ("Manager", ALL), ("Manager", "link")]
        for service, attribute in requests:
            ask(raw, ALL, service, attribute, [ALL])
            if attribute == ALL and service == "Manager":
                assert raw.read()["attribute"] == "username"  # of an administrator
            else:
                assert raw.read()["error"] is True
        raw.send({"result": ALL, "requester": ALL, "uid": ALL})
    for record in caplog.records:
        shows_nothing_that_acts(record.getMessage(), lines=1)


def test_panels_of_what_is_hostile(manager, liar):
    with connect(name=MARKUP, **manager.kwargs) as client:
        eventually(lambda: MARKUP in client.identities()["services"])
        panels = [ServicesPanel(client), CallPanel(client.link(MARKUP))]
        try:
            eventually(lambda: "&lt;img" in str(shown_by(panels[0])))
            eventually(lambda: "&lt;img" in str(shown_by(panels[1])))
            for panel in panels:
                assert "<img" not in str(shown_by(panel))
        finally:
            for panel in panels:
                panel.close()


def shown_by(widget):
    """What the widgets show as HTML; everything else a browser shows as text."""
    found = [widget.value] if isinstance(widget, ipywidgets.HTML) else []
    for child in getattr(widget, "children", ()):
        found += shown_by(child)
    return found


def test_manager_says_of_a_service_what_makes_no_sense(manager):
    entry = {"attributes": {"f": "()"}, "features": 5, "streams": 7}
    with connect(**manager.kwargs) as client:
        state = client._session.linked("Odd", dict(entry))
        assert not yields(state, "f")
        assert not client._session._can("Odd", "cancel")
        told = {"args": ["Odd", {**entry, "address": "new:1"}], "service": "Manager"}
        client._session.line_received(json.dumps({"attribute": "__linked__", **told}).encode())
        assert state.identity["address"] == "new:1"
        assert not client._session._can("Odd", "cancel")


NOBODY = {"args": ["Nobody", {"attributes": {}}], "attribute": "__linked__", "service": "Manager"}
QUESTION = {"args": ["Manager[h:1]"], "attribute": "password", "requester": "Manager[h:1]"}


def told(client, line, times):
    """Have the Manager of a Client say something again and again."""
    text = json.dumps(line).encode()

    async def tell():
        for _ in range(times):
            client._session.line_received(text)

    loop_thread.submit(tell()).result(20)


def test_manager_links_what_nobody_wants(manager):
    with connect(**manager.kwargs) as client:
        told(client, NOBODY, 1000)
        assert len(client._session._in_flight) == 0
        assert client.identities(timeout=20)["services"] == {}


def test_manager_asks_without_end(manager, monkeypatch):
    """Nobody is asked a thousand times for a password, nor is it kept that somebody should be."""
    monkeypatch.setattr(session, "QUESTIONS", 10)
    with connect(**manager.kwargs) as client:
        asked = []

        async def person(question):
            asked.append(question)
            await asyncio.get_running_loop().create_future()

        client._session.ask = person
        told(client, QUESTION, 1000)
        eventually(lambda: asked)
        assert len(client._session._tasks) == 10
        for task in tuple(client._session._tasks):
            loop_thread.get_loop().call_soon_threadsafe(task.cancel)
        eventually(lambda: not client._session._tasks)


@pytest.mark.parametrize(
    "identity",
    [None, [], 5, {}, {"hostname": "h", "port": 1, "clients": 5, "services": {}}]
    + [{"hostname": "h", "port": 1, "clients": {}, "services": {"S": value}} for value in (5, {})],
)
def test_manager_does_not_say_what_is_on_it(identity):
    with pytest.raises(ConnectionError, match=r"does not say what is on it.* or a defective one"):
        identities_as_string(identity)

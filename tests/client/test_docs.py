"""Docstrings and the kinds of parameters, as they arrive at a Client."""

import asyncio
import contextlib
import enum
import functools
import inspect
import json
import pydoc

import pytest

from msl_network import LocalManager, Service, connect
from msl_network.constants import DOC_LIMIT, DOCS_LIMIT
from msl_network.manager import Limits

from ..raw import RawPeer

ACTS = "\x1bc\x07\u202e\r"


class Range(enum.Enum):
    LOW = 1


class Meter(Service):
    """A voltmeter.

    It has two ranges.
    """

    unit = "V"

    @property
    def offset(self):
        """What is subtracted."""
        return 0.5

    def read(self, channel, /, count: int = 1, *delays, range=Range.LOW, **more) -> float:
        """Read the voltage.

        Args:
            channel: Which input.
        """

    def reset(self):
        pass

    def scan(self):
        """Yield voltages."""
        yield 1


@pytest.fixture
def link(manager):
    running = Meter().start_in_background(**manager.kwargs)
    with running, connect(**manager.kwargs) as client:
        yield client.link("Meter")


def test_help(link):
    assert link.read.__doc__ == "Read the voltage.\n\nArgs:\n    channel: Which input."
    assert "A method of the Service 'Meter'" in link.reset.__doc__
    assert link.offset.__doc__.startswith("What is subtracted.\n\nAn attribute of the Service")
    assert link.aio.read.__doc__ == link.read.__doc__
    text = pydoc.plain(pydoc.render_doc(link.read))
    assert "read(channel, /, count: int = 1, *delays, range=<Range.LOW: 1>, **more) -> flo" in text
    assert "channel: Which input." in text


def test_help_on_the_link(link):
    assert link.service_doc == "A voltmeter.\n\nIt has two ranges."
    assert set(link.service_docs) >= {"offset", "read", "scan"}
    assert "unit" not in link.service_docs  # a text has only the docstring of `str`
    assert "reset" not in link.service_docs
    for face in (link, link.aio):
        text = pydoc.plain(pydoc.render_doc(face))
        assert "It has two ranges." in text
        assert "Read the voltage." in text
        # what a link can do is still told
        assert type(face).__doc__.startswith("A link with a Service:")


def test_kinds_of_parameters(link):
    kinds = inspect.Parameter
    parameters = inspect.signature(link.read).parameters.values()
    assert [(p.name, p.kind) for p in parameters] == [
        ("channel", kinds.POSITIONAL_ONLY),
        ("count", kinds.POSITIONAL_OR_KEYWORD),
        ("delays", kinds.VAR_POSITIONAL),
        ("range", kinds.KEYWORD_ONLY),
        ("more", kinds.VAR_KEYWORD),
    ]


def test_class_without_a_docstring(manager):
    class Plain(Service):
        pass

    running = Plain().start_in_background(**manager.kwargs)
    with running, connect(**manager.kwargs) as client:
        link = client.link("Plain")
        assert link.service_doc == ""  # not that of its base class
        assert link.__doc__.startswith("The Service 'Plain'.")


def talkative(sizes):
    """A Service with a method for each of these lengths of a docstring."""

    def make(size):
        def method(self):
            return size

        method.__doc__ = "x" * size
        return method

    return type("Talkative", (Service,), {f"m{i}": make(n) for i, n in enumerate(sizes)})()


def test_docstrings_that_are_long(manager):
    sizes = [1_000_000, *[DOC_LIMIT] * 10, *[5000] * 100, *[50] * 100]
    running = talkative(sizes).start_in_background(**manager.kwargs)
    with running, connect(**manager.kwargs) as client:
        link = client.link("Talkative")
        docs = link.service_docs
        assert sum(map(len, docs.values())) < DOCS_LIMIT
        # the longest ones have been left out, and none of the short ones
        assert not any(f"m{i}" in docs for i in range(11))
        assert all(docs[f"m{i}"] == "x" * 50 for i in range(111, 211))
        assert 0 < sum(len(doc) == 5000 for doc in docs.values()) < 100
        assert link.m0() == 1_000_000


def test_one_docstring_that_is_long(manager):
    running = talkative([1_000_000]).start_in_background(**manager.kwargs)
    with running, connect(**manager.kwargs) as client:
        doc = client.link("Talkative").m0.__doc__
        assert len(doc) == DOC_LIMIT
        assert doc.endswith("x\N{HORIZONTAL ELLIPSIS}")


@pytest.mark.parametrize("limit", [2000, 8000])
def test_manager_that_takes_small_identities_only(limit):
    """A Service that fits without its docstrings is not refused for them."""
    with (
        LocalManager(limits=Limits(handshake_limit=limit)) as manager,
        talkative([5000, 5000, 5000]).start_in_background(**manager.kwargs),
        connect(**manager.kwargs) as client,
    ):
        docs = client.link("Talkative").service_docs
        assert sum(name.startswith("m") for name in docs) == (limit == 8000)


def test_docstrings_of_every_kind_of_attribute(manager):
    class Base(Service):
        """Of the base class."""

        def inherited(self):
            """Of the method that is overridden."""

    class Kinds(Base):
        __doc__ = None

        @staticmethod
        def static(): ...

        @classmethod
        def of_class(cls):
            """Of the class."""

        def inherited(self):
            pass

        @functools.cached_property
        def cached(self):
            """Cached."""
            return 1

        def broken(self):
            pass

        broken.__doc__ = 5

    kinds = Kinds()
    kinds.assigned = Meter().read
    kinds.partial = functools.partial(print, 1)
    # said here, since Python 3.13 does not compile it as a docstring
    Kinds.static.__doc__ = "Static, with half of a \ud800 pair."
    with kinds.start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        link = client.link("Kinds")
        assert link.service_doc == "Of the base class."
        docs = link.service_docs
        del docs["set_logging_level"], docs["assigned"]
        assert docs == {
            "static": r"Static, with half of a \ud800 pair.",
            "of_class": "Of the class.",
            "inherited": "Of the method that is overridden.",
            "cached": "Cached.",
        }


def test_docstrings_that_are_hostile(manager):
    docs = {"f": f"{ACTS}<b>\r\nnext", "g": "x" * 100_000, "h": ACTS}
    attributes = {"f": f"(x: <{ACTS}>, y)", "g": f"(Int {ACTS} x)", "h": "value"}
    with RawPeer(manager.port) as raw, connect(**manager.kwargs) as client:
        raw.service("Liar", attributes=attributes, doc=ACTS, docs=docs)
        link = client.link("Liar")
        assert link.f.__doc__ == r"\x1bc\x07\u202e\r<b>" + "\nnext"
        assert str(inspect.signature(link.f)) == r"(x: <\x1bc\x07\u202e\r>, y)"
        assert len(link.g.__doc__) < DOC_LIMIT + 100
        for text in (link.__doc__, link.g.__doc__, link.h.__doc__, pydoc.render_doc(link.f)):
            assert not set(text) & set("\x1b\x07\u202e\r"), ascii(text)


@pytest.mark.parametrize("wrong", [{"docs": ["f"]}, {"docs": {"f": 5}}, {"doc": {}}])
def test_docstrings_of_a_wrong_type_are_refused(manager, wrong):
    with RawPeer(manager.port) as raw:
        raw.read()
        raw.send({"result": {"type": "service", "name": "Liar", "attributes": {}, **wrong}})
        assert "TypeError: Invalid identity" in raw.read()["message"]


def test_manager_that_lies_about_docstrings(manager):
    with Meter().start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        for lie in ({"doc": 5, "docs": [1]}, {"docs": {"reset": {}, "read": None}}):
            link = client.link("Meter")
            link._state.identity.update({"doc": None, **lie})
            assert (link.service_doc, link.service_docs) == ("", {})
            assert "A method of" in link.reset.__doc__
            assert "read(channel" in link.__doc__


def test_client_of_1x_gets_what_1x_tells(manager, link):
    with RawPeer(manager.port).client() as raw:
        request = {"service": "Manager", "attribute": "link", "args": ["Meter"], "kwargs": {}}
        raw.send({**request, "uid": "1", "error": False})
        entry = raw.read()["result"]
    assert set(entry) == {"address", "attributes", "language", "max_clients", "os"}


@pytest.mark.parametrize("more", [{}, {"features": ["ping"]}])
def test_manager_without_the_feature_is_told_what_1x_tells(more):
    """A Manager that names neither `docs` nor `stream`: its only answer is to hang up."""
    identity = {}

    async def main():
        async def serve(reader, writer):
            question = {"attribute": "identity", "args": [], "kwargs": {}, "error": False}
            writer.write(json.dumps({**question, "requester": "M", "uid": "", **more}).encode())
            writer.write(b"\r\n")
            identity.update(json.loads(await reader.readline())["result"])
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            kwargs = {"host": "127.0.0.1", "port": port, "disable_tls": True, "reconnect": 0}
            with contextlib.suppress(ConnectionError):
                await asyncio.to_thread(Meter().start, **kwargs)

    asyncio.run(main())
    known = {"attributes", "language", "max_clients", "name", "os", "type"}
    assert set(identity) == known | {"features"}

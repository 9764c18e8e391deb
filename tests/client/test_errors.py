"""An exception of a Service, as whoever called gets it."""

import asyncio
import builtins
import copy
import errno
import json
import pickle
import subprocess
import sys
import traceback

import pytest

from msl_network import RemoteError, Service, connect
from msl_network.client.errors import remote_error

from ..raw import RawPeer


class OutOfRangeError(ValueError):
    """What the driver of an instrument defines."""


class TimeoutError(Exception):
    """A driver's own, which is not the built-in one."""


class NoSuchPortError(OutOfRangeError, KeyError):
    pass


class UnprintableError(LookupError):
    def __str__(self):
        raise RuntimeError("no text")


ERRORS = {
    "value": lambda: ValueError("9 V is too much"),
    "key": lambda: KeyError("channel"),
    "file": lambda: FileNotFoundError(2, "No such file", "x.csv"),
    "zero": lambda: ZeroDivisionError("division by zero"),
    "unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "runtime": lambda: NotImplementedError("not yet"),
    "own": lambda: OutOfRangeError("9 V is too much"),
    "several": lambda: NoSuchPortError("7"),
    "namesake": lambda: TimeoutError("late"),
    "exit": lambda: SystemExit(3),
    "stop": lambda: StopIteration("end"),
    "group": lambda: ExceptionGroup("two", [ValueError(1), KeyError(2)]),
    "syntax": lambda: SyntaxError("VOLT?"),
    "unprintable": UnprintableError,
    "late": lambda: builtins.TimeoutError("the lamp is cold"),
    "cancelled": asyncio.CancelledError,
    "interrupt": KeyboardInterrupt,
}


class EndlessError(Exception):
    def __str__(self):
        return "begin" + "x" * 100_000_000 + "end"


class Bench(Service):
    def fail(self, name):
        raise ERRORS[name]()

    def wait(self):
        self.request.sleep(30)

    def because(self):
        try:
            {}["gain"]
        except KeyError as error:
            error.add_note("read from x.toml")
            raise ValueError("no gain") from error

    def several(self):
        raise ExceptionGroup("both lamps", [ValueError("left"), OSError("right")])

    def endless(self):
        raise EndlessError


@pytest.fixture
def link(manager):
    running = Bench().start_in_background(**manager.kwargs)
    with running, connect(**manager.kwargs) as client:
        yield client.link("Bench")


def error_of(link, name):
    with pytest.raises(RemoteError) as caught:
        link.fail(name)
    return caught.value


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("value", {ValueError}),
        ("key", {KeyError, LookupError}),
        ("file", {FileNotFoundError, OSError}),
        ("zero", {ZeroDivisionError, ArithmeticError}),
        ("unicode", {UnicodeDecodeError, UnicodeError, ValueError}),
        ("runtime", {NotImplementedError}),
        ("own", {ValueError}),
        ("several", {ValueError, KeyError, LookupError}),
        ("namesake", set()),
        ("exit", set()),
        ("stop", set()),
        ("group", set()),
        ("syntax", set()),
        ("unprintable", {LookupError}),
        ("late", {builtins.TimeoutError, OSError}),
        ("cancelled", set()),
        ("interrupt", set()),
    ],
)
def test_except_clauses(link, name, kinds):
    error = error_of(link, name)
    assert all(isinstance(error, kind) for kind in [RuntimeError, *kinds])
    others = {ValueError, LookupError, OSError, ArithmeticError, StopIteration, ExceptionGroup}
    expected = {kind for kind in others if any(issubclass(known, kind) for known in kinds)}
    assert {kind for kind in others if isinstance(error, kind)} == expected
    assert not isinstance(error, (SyntaxError, SystemExit, KeyboardInterrupt))
    assert isinstance(error, builtins.TimeoutError) is (name == "late")
    # all that it tells is there, and its text is that of 1.x
    there = ERRORS[name]()
    assert (error.type, error.service, error.attribute) == (type(there).__name__, "Bench", "fail")
    text = f"{error.type}: {error.message}"
    address = link._state.manager
    assert str(error) == f"Manager[{address}] returned the following exception:\n\n{text}"
    if name != "unprintable":
        assert error.message == str(there)
    assert "raise ERRORS[name]()" in error.traceback


def test_timeout_of_the_service_and_of_the_call(link):
    def which(call, *args, **options):
        try:
            call(*args, **options)
        except RemoteError:
            return "Service"
        except builtins.TimeoutError:
            return "call"

    assert which(link.fail, "late") == "Service"
    assert which(link.wait, timeout=0.05) == "call"


def test_number_of_an_error_of_the_system(link):
    error = error_of(link, "file")
    assert (error.errno, pickle.loads(pickle.dumps(error)).errno) == (errno.ENOENT, errno.ENOENT)
    assert error_of(link, "late").errno is None


def test_traceback_has_what_led_to_it(link):
    with pytest.raises(ValueError, match="no gain") as caught:
        link.because()
    before, after = caught.value.traceback.split("The above exception was the direct cause")
    assert before.endswith("KeyError: 'gain'\nread from x.toml\n\n")
    assert "ValueError: no gain" in after
    with pytest.raises(RemoteError, match="both lamps") as caught:
        link.several()
    assert "ValueError: left" in caught.value.traceback
    assert "OSError: right" in caught.value.traceback


def test_text_that_is_endless_is_shortened(link):
    with pytest.raises(RemoteError) as caught:
        link.endless()
    assert len(caught.value.message) < 200_000 > len(caught.value.traceback)
    assert (caught.value.message[:6], caught.value.message[-4:]) == ("beginx", "xend")


def test_except_clause_of_a_base_class(link):
    try:
        link.fail("own")
    except ValueError as error:
        assert error.message == "9 V is too much"  # noqa: PT017
    else:
        pytest.fail("no error")


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_can_be_copied_and_pickled(link, name):
    error = error_of(link, name)
    error.add_note("at 300 K")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        for field in ("type", "message", "traceback", "service", "attribute", "__notes__"):
            assert getattr(other, field) == getattr(error, field)


def test_what_python_prints(link):
    for name in ERRORS:
        error = error_of(link, name)
        shown = "".join(traceback.format_exception(error))
        assert f"{error.type}: {error.message}" in shown
        below = shown.partition("On the side of the Service 'Bench':")[2]
        assert "raise ERRORS[name]()" in below


SCRIPT = """
from msl_network import connect
connect(**{kwargs!r}).link("Bench").fail("own")
"""


def test_script_that_does_not_catch_it(manager, link):
    command = [sys.executable, "-c", SCRIPT.format(kwargs=manager.kwargs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "OutOfRangeError: 9 V is too much\n\nOn the side of the Service 'Bench':" in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        *["__import__", "print", "SystemExit", "KeyboardInterrupt", "BaseException", "Exception"],
        *["StopIteration", "StopAsyncIteration", "GeneratorExit", "ExceptionGroup", "object"],
        *["SyntaxError", "RuntimeError", "os.system", "", "\x1b", "\ud800", "x" * 100_000],
    ],
)
def test_type_that_is_hostile(name):
    more = {"traceback": "", "service": "Bench", "attribute": "fail"}
    for types in (None, [name], [name] * 1000, ["ValueError", name]):
        error = remote_error("host:1875", f"{name}: text", types=types, **more)
        assert isinstance(error, ValueError) is (types is not None and "ValueError" in types)
        assert type(error) is RemoteError or type(error).__bases__ == (RemoteError, ValueError)
        assert error.message == "text"


def test_types_that_no_class_has():
    more = {"traceback": "", "service": "Bench", "attribute": "fail"}
    types = [name for name, kind in vars(builtins).items() if isinstance(kind, type)]
    error = remote_error("host:1875", "Both: text", types=types, **more)
    assert type(error) is RemoteError


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (["OSError"], OSError),
        (["KeyError", "LookupError"], KeyError),
        ("ValueError", RemoteError),
        ({"ValueError": 1}, RemoteError),
        ([1, None, ["ValueError"]], RemoteError),
        ([float("nan"), "OSError"], OSError),
    ],
)
def test_error_reply_that_is_hostile(manager, types, kind):
    acts = "\x1b[2J\u202e"
    with RawPeer(manager.port) as raw, connect(**manager.kwargs) as client:
        raw.service("Liar", features=["exceptions"])
        reply = client.link("Liar")["fail"](asynchronous=True)
        request = raw.read()
        assert "exceptions" in request["features"]
        to = {"requester": request["requester"], "uid": request["uid"], "result": None}
        lines = [*["x" * 100] * 1000, f"end {acts}"]
        raw.send({**to, "error": True, "message": "Own: x", "types": types, "traceback": lines})
        error = reply.exception(20)
    assert isinstance(error, kind)
    assert (error.type, error.message) == ("Own", "x")
    shown = "".join(traceback.format_exception(error)) + "\n".join(error._render_traceback_())
    assert not set(shown) & set(acts[0] + acts[-1])
    assert r"end \x1b[2J\u202e" in shown
    assert len(shown) < 30_000


def test_client_of_1x_is_told_no_types(manager, link):
    with RawPeer(manager.port).client() as raw:
        request = {"service": "Bench", "attribute": "fail", "args": ["own"], "kwargs": {}}
        raw.send({**request, "uid": "1", "error": False})
        reply = raw.read()
    assert set(reply) == {"error", "message", "requester", "result", "traceback", "uid"}
    assert reply["message"] == "OutOfRangeError: 9 V is too much"


def test_service_of_1x_is_asked_as_by_1x(manager):
    with RawPeer(manager.port).service("Old") as raw, connect(**manager.kwargs) as client:
        reply = client.link("Old")["fail"](asynchronous=True)
        request = raw.read()
        assert set(request) == {
            *["args", "attribute", "error", "kwargs", "requester", "service", "uid"]
        }
        to = {"requester": request["requester"], "uid": request["uid"], "result": None}
        raw.send(json.loads(json.dumps({**to, "error": True, "message": "KeyError: 'x'"})))
        assert isinstance(reply.exception(20), KeyError)


def test_lines_of_the_user_and_the_other_side(link):
    def measure():
        return link.fail("own")

    with pytest.raises(ValueError, match="too much") as caught:
        measure()
    lines = caught.value._render_traceback_()
    text = "\n".join(lines)
    assert f'File "{__file__}", line ' in text
    assert '    return link.fail("own")' in lines
    ours, theirs = text.split("On the side of")
    assert "blocking.py" not in text
    assert "OutOfRangeError: 9 V is too much\n    raised by Bench.fail at Manager[" in ours
    assert "raise ERRORS[name]()" in theirs
    try:
        raise KeyError("before")
    except KeyError:
        error = error_of(link, "own")
    assert "KeyError: 'before'" in error._render_traceback_()

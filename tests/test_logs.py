"""The log: nobody writes a line of it but the Manager, and no password is ever in it."""

import io
import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from datetime import datetime

import pytest

from msl_network import LocalManager, connect, logs
from msl_network.constants import NETWORK_MANAGER_RUNNING_PREFIX
from msl_network.database import UsersTable

from .raw import RawPeer

HOSTILE = "a\n2026-01-01 [ERROR] forged\r\x1b[2J\x1b]0;title\x07\x9b1A\u202egnp\u2066\u2028\ud800b"
HARMLESS = (
    r"a\n2026-01-01 [ERROR] forged\r\x1b[2J\x1b]0;title\x07\x9b1A\u202egnp\u2066\u2028\ud800b"
)

logger = logging.getLogger("msl_network.test")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Log a hostile text, and one in a traceback; returns what is in the file."""

    def write(log_format="text"):
        # the handlers of pytest can't report half a surrogate pair
        monkeypatch.setattr(logging.getLogger("msl_network"), "propagate", False)
        path = tmp_path / "log"
        with logs.logging_to(str(path), log_format):
            logger.warning("%s sent %r", HOSTILE, HOSTILE)
            try:
                raise ValueError(HOSTILE)
            except ValueError:
                logger.exception("failed")
        return path.read_text(encoding="utf-8")

    return write


def test_text_from_the_network_can_neither_begin_a_line_nor_act_on_a_terminal(written, capsys):
    text = written()
    shown = capsys.readouterr()
    assert shown.err == ""  # nothing that a handler could not write
    assert re.sub(r"\[(\w+) *\]", r"[\1]", text) == re.sub(r"\[(\w+) *\]", r"[\1]", shown.out)
    first, second, *traceback = text.splitlines()
    assert first.endswith(
        f" [WARNING ] msl_network.test - {HARMLESS} sent {HARMLESS!r}".replace(r"\\", "\\")
    )
    assert second.endswith(" [ERROR   ] msl_network.test - failed")
    assert all(line.startswith("  ") for line in traceback)
    assert traceback[0] == "  Traceback (most recent call last):"
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066\u2028\ud800]", text)


def test_handlers_of_the_users_own_program_share_no_traceback_with_ours(written):
    package, said = logging.getLogger("msl_network"), io.StringIO()
    mine = logging.StreamHandler(said)
    package.addHandler(mine)
    try:
        text = written()
    finally:
        package.removeHandler(mine)
    assert "\n  Traceback" in text
    assert "\x1b" not in text
    assert "failed\nTraceback" in said.getvalue()


def test_json_is_one_object_in_a_line(written, capsys):
    text = written("json")
    first, second = map(json.loads, text.splitlines())
    assert text.isascii()
    assert list(first) == ["time", "level", "logger", "message"]
    assert first["message"] == f"{HOSTILE} sent {HOSTILE!r}"
    assert (first["level"], first["logger"]) == ("WARNING", "msl_network.test")
    when = datetime.fromisoformat(first["time"])
    assert when.utcoffset() is not None
    assert abs((datetime.now().astimezone() - when).total_seconds()) < 60
    assert list(second) == ["time", "level", "logger", "message", "exc_info"]
    assert second["exc_info"].startswith("Traceback (most recent call last):\n")
    assert second["exc_info"].endswith(f"ValueError: {HOSTILE}")
    # what is printed is for people
    assert " [WARN" in capsys.readouterr().out


def test_terminal_that_has_few_letters_or_has_gone(tmp_path, monkeypatch, capsys):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", write_through=True)
    monkeypatch.setattr(sys, "stdout", narrow)
    with logs.logging_to(str(tmp_path / "log")):
        logging.getLogger("msl_network.test").warning("Ω is 5 °C")
        assert narrow.buffer.getvalue().decode("cp1252").rstrip().endswith("\\u03a9 is 5 °C")
        narrow.close()
        logging.getLogger("msl_network.test").warning("nobody listens")
    assert capsys.readouterr().err == ""
    kept = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [line.rpartition(" - ")[2] for line in kept] == ["Ω is 5 °C", "nobody listens"]


def test_format_that_does_not_exist(tmp_path):
    with (
        pytest.raises(ValueError, match="must be text or json, not 'xml'"),
        logs.logging_to(str(tmp_path / "log"), "xml"),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_logging_of_the_users_own_program_is_left_alone(tmp_path):
    root, package = logging.getLogger(), logging.getLogger("msl_network")
    state = [(log, log.level, log.handlers.copy(), log.propagate) for log in (root, package)]
    with logs.logging_to(str(tmp_path / "log")):
        assert logs.set_logging_level("debug")
        assert (root.level, root.handlers, root.propagate) == state[0][1:]
        with LocalManager() as manager:
            connect(**manager.kwargs).disconnect()
    for log, *before in state:
        assert [log.level, log.handlers, log.propagate] == before
    assert logging.raiseExceptions


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_can_read_the_log(tmp_path, written):
    before = os.umask(0)
    try:
        written()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


# --- passwords -----------------------------------------------------------------------------

RIGHT, TYPED, NEW = "right-Zw4k right-Q9xv", "typed-Hn7r typed-M2ps", "new-Vb5t"
SECRETS = {word for secret in (RIGHT, TYPED, NEW) for word in secret.split()}


@pytest.fixture
def start(tmp_path):
    """Start a Manager that logs all it can; ending it returns everything that it wrote."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (tmp_path / "secret.txt").write_text(RIGHT)
    files = {"-d": tmp_path / "manager.sqlite3", "-l": tmp_path / "log"}
    with UsersTable(database=files["-d"]) as users:
        users.insert("n.bohr", RIGHT, True)
        users.insert("m.curie", RIGHT, False)
    processes = []

    def start(*words):
        more = {"-H": "127.0.0.1", "-p": port, "-G": "DEBUG", **files}
        options = ["--disable-tls", *(str(word) for pair in more.items() for word in pair)]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-u", "-m", "msl_network", "start", *words, *options],
                env=os.environ | {"MSL_NETWORK_HOME": str(tmp_path / "home")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        lines = []
        for line in processes[0].stdout:
            lines.append(line)
            if NETWORK_MANAGER_RUNNING_PREFIX.encode() in line:
                break
        else:
            pytest.fail(b"".join(lines).decode())

        def end():
            processes[0].send_signal(signal.SIGTERM)
            out, _ = processes[0].communicate(timeout=60)
            kept = b"".join(path.read_bytes() for path in files.values())
            return (b"".join(lines) + out + kept).decode(errors="replace")

        return port, end

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def answers(port, *lines):
    """Send lines, each after the question before it; returns the last answer."""
    with RawPeer(port, tls=False) as raw:
        answer = raw.read()
        for line in lines:
            raw.send(line if not isinstance(line, str) else line.encode() + b"\n")
            answer = raw.read()
        return answer


def meddle(port, *login):
    """What people do with a password in a session, and what programs do."""
    with RawPeer(port, tls=False) as service, RawPeer(port, tls=False) as raw:
        for peer, identity in (
            (service, {"type": "service", "name": "Dmm", "attributes": {}}),
            (raw, {"type": "client", "name": "Person"}),
        ):
            peer.read()
            for line in login:
                peer.ask(line)
            peer.send({"result": identity})
        service.send({"result": TYPED, "requester": TYPED, "uid": TYPED})
        service.send({"error": TYPED, "result": TYPED, "requester": TYPED, "uid": TYPED})
        assert service.ask("identity")["result"]
        raw.send({"service": "Dmm", "attribute": "read", "args": [TYPED], "kwargs": {"x": TYPED}})
        # typed when nobody has asked
        for line in (TYPED, TYPED.split()[0], f"link {TYPED}", f"{TYPED} x=1", f'"{TYPED}" y'):
            assert raw.ask(line)["error"]
        for line in (f'{{"password": "{TYPED}"', f'{{"result": "{TYPED}"}}x', f'["{TYPED}"]'):
            raw.send(line.encode() + b"\n")
            assert raw.read()["error"]
        raw.send({"result": TYPED, "requester": TYPED, "uid": "x"})
        if login:
            return
        request = {"service": "Manager", "args": [], "kwargs": {}, "uid": "1"}
        for name, password in (("n.bohr", TYPED), (TYPED, "n.bohr"), (TYPED, TYPED)):
            assert raw.ask({**request, "attribute": "port"})["attribute"] == "username"
            assert raw.ask(name)["attribute"] == "password"
            assert "Wrong login password" in raw.ask(password)["message"]
            assert raw.ask(password)["error"]  # once more, and nobody has asked
        raw.ask({**request, "attribute": "port"})
        raw.ask("n.bohr")
        assert raw.ask({"result": RIGHT})["result"] == port
        for table, args, kwargs in (
            ("insert", ["new", NEW, False], {}),
            ("insert", ["new", NEW, False], {}),
            ("insert", ["new", NEW], {}),
            ("update", ["new"], {"password": TYPED}),
            ("update", ["n.bohr"], {"password": TYPED, "is_admin": NEW, "more": NEW}),
            ("is_password_valid", ["n.bohr", RIGHT], {}),
            ("is_password_valid", [RIGHT], {}),
        ):
            call = {"attribute": f"users_table.{table}", "args": args, "kwargs": kwargs}
            raw.ask({**request, **call})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't interrupt one process")
@pytest.mark.parametrize("words", [[], ["--log-format", "json"]], ids=["text", "json"])
@pytest.mark.parametrize("way", ["none", "login", "password"])
def test_neither_log_nor_record_nor_output_ever_has_a_password(start, way, words, tmp_path):
    secret = str(tmp_path / "secret.txt")
    options = {"none": [], "login": ["--auth-login"], "password": ["-P", secret]}[way]
    port, end = start(*options, *words)
    if way == "none":
        meddle(port)
        for line in (RIGHT, {"result": RIGHT}, {"result": [RIGHT]}, {"result": {RIGHT: RIGHT}}):
            assert answers(port, line)["error"]
    elif way == "login":
        meddle(port, "n.bohr", RIGHT)
        for lines in (
            ("n.bohr", TYPED),
            (TYPED, TYPED),
            (RIGHT, "n.bohr"),
            ("m.curie", RIGHT, TYPED),
        ):
            assert answers(port, *lines)["error"]
    else:
        meddle(port, RIGHT)
        for lines in ((TYPED,), (RIGHT, RIGHT), ({"result": [RIGHT]},)):
            assert answers(port, *lines)["error"]
    text = end()
    assert "requested 'read' from 'Dmm'" in text
    assert "Person[" in text
    assert {secret for secret in SECRETS if secret in text} == set()

"""`msl_network.ssh` against a real OpenSSH server with a real user."""

import builtins
import getpass
import json
import os
import socket
import subprocess
import threading
from pathlib import Path

import asyncssh
import pytest

from msl_network import constants, loop_thread, ssh

from .openssh import OpenSSH, mode_of, openssh_server, wait_for

pytestmark = pytest.mark.openssh


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with openssh_server(tmp_path_factory.mktemp("openssh")) as server:
        yield server


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OpenSSH):
    """A home of our own, without keys, agent and anybody to ask."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(constants, "KNOWN_HOSTS", str(tmp_path / ".msl" / "known_hosts"))

    def nobody(prompt: str = "") -> str:
        raise EOFError

    monkeypatch.setattr(builtins, "input", nobody)
    monkeypatch.setattr(getpass, "getpass", nobody)
    yield tmp_path
    server.end_processes()
    for name in ("received.json", "seen.txt", "pid", "ended"):
        (server.home / name).unlink(missing_ok=True)


class Person:
    """Answers questions, on the thread on which they are asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[str]) -> None:
        self.seen: list[str] = []
        self.thread: threading.Thread | None = None
        for function, module in (("input", builtins), ("getpass", getpass)):
            monkeypatch.setattr(module, function, self._answer(list(answers.get(function, []))))

    def _answer(self, answers: list[str]):
        def answer(prompt: str = "") -> str:
            self.seen.append(prompt)
            self.thread = threading.current_thread()
            return answers.pop(0)

        return answer


@pytest.fixture
def client(server: OpenSSH):
    with ssh.connect(server.host, username=server.username, **server.kwargs) as client:
        yield client


# --- logging in --------------------------------------------------------------------------


def test_a_key_logs_in_without_a_question(server, client):
    assert client.is_connected()
    assert repr(client) == f"<SSHClient {server.username}@127.0.0.1:{server.port}>"
    assert ssh.exec_command(client, "whoami; pwd") == [server.username, str(server.home)]
    client.close()
    client.close()
    assert not client.is_connected()
    with pytest.raises(ConnectionError):
        ssh.exec_command(client, "whoami")


def test_a_key_in_the_folder_of_ssh_is_found(server, home):
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_ed25519").write_text(server.client_key.read_text())
    kwargs = {**server.kwargs, "client_keys": None}
    with ssh.connect(f"{server.username}@127.0.0.1", **kwargs) as client:
        assert ssh.exec_command(client, "whoami") == [server.username]


def test_a_password_logs_in(server):
    kwargs = {**server.kwargs, "client_keys": []}
    with ssh.connect(
        "127.0.0.1", username=server.username, password=server.password, **kwargs
    ) as c:
        assert ssh.exec_command(c, "whoami") == [server.username]


def test_a_given_wrong_password_is_refused_and_not_shown(server):
    kwargs = {**server.kwargs, "client_keys": []}
    with pytest.raises(PermissionError, match=f"{server.username}@127.0.0.1") as error:
        ssh.connect("127.0.0.1", username=server.username, password="5ecret-wrong", **kwargs)
    assert "5ecret" not in str(error.value)


def test_the_username_and_password_are_asked_for_on_the_callers_thread(server, monkeypatch):
    person = Person(
        monkeypatch, input=[server.username], getpass=["wrong", "wrong", server.password]
    )
    with ssh.connect("127.0.0.1", **{**server.kwargs, "client_keys": None}) as client:
        assert ssh.exec_command(client, "whoami") == [server.username]
    prompt = f"{server.username}@127.0.0.1's password: "
    assert person.seen == ["Enter the SSH username: ", prompt, prompt, prompt]
    assert person.thread is threading.current_thread()


def test_after_three_wrong_passwords_nobody_is_asked_again(server, monkeypatch):
    person = Person(monkeypatch, getpass=["wrong"] * 9)
    with pytest.raises(PermissionError, match="wrong password"):
        ssh.connect(f"{server.username}@127.0.0.1", **{**server.kwargs, "client_keys": None})
    assert len(person.seen) == 3


def test_without_anybody_to_ask_for_a_password(server):
    with pytest.raises(PermissionError, match="nobody to ask"):
        ssh.connect(f"{server.username}@127.0.0.1", **{**server.kwargs, "client_keys": None})


# --- host keys ---------------------------------------------------------------------------


def test_an_unknown_host_key_is_shown_and_pinned_when_trusted(server, monkeypatch, capsys):
    kwargs = {**server.kwargs, "known_hosts": None}
    shown = subprocess.run(
        ["ssh-keygen", "-lf", server.host_key], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    person = Person(monkeypatch, input=["y"])
    ssh.connect(f"{server.username}@127.0.0.1", **kwargs).close()
    assert len(person.seen) == 1
    out = capsys.readouterr().out
    assert shown in out
    assert "ssh-ed25519" in out
    pinned = Path(constants.KNOWN_HOSTS)
    assert pinned.read_text() == server.known_hosts.read_text()
    assert mode_of(pinned) == 0o600
    assert mode_of(pinned.parent) == 0o700

    ssh.connect(f"{server.username}@127.0.0.1", **kwargs).close()
    assert len(person.seen) == 1


def test_an_unknown_host_key_that_is_not_trusted(server, monkeypatch):
    Person(monkeypatch, input=["n"])
    with pytest.raises(ConnectionError, match="not trusted"):
        ssh.connect(f"{server.username}@127.0.0.1", **{**server.kwargs, "known_hosts": None})
    assert not Path(constants.KNOWN_HOSTS).exists()


def test_an_unknown_host_key_without_anybody_to_ask(server):
    with pytest.raises(ConnectionError, match="known_hosts="):
        ssh.connect(f"{server.username}@127.0.0.1", **{**server.kwargs, "known_hosts": None})
    assert not Path(constants.KNOWN_HOSTS).exists()


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_a_changed_host_key_is_refused(server, home, monkeypatch, kind):
    other = asyncssh.generate_private_key(kind)
    known_hosts = home / ".ssh" / "known_hosts"
    known_hosts.parent.mkdir()
    line = f"[127.0.0.1]:{server.port} {other.export_public_key().decode()}"
    known_hosts.write_text("# a comment\n\n" + line)
    Person(monkeypatch, input=["y"], getpass=["y"])
    with pytest.raises(ConnectionError, match="has changed") as error:
        ssh.connect(f"{server.username}@127.0.0.1", **{**server.kwargs, "known_hosts": None})
    text = str(error.value)
    shown = asyncssh.read_private_key(server.host_key).get_fingerprint()
    for part in (other.get_fingerprint(), shown, f"{known_hosts}, line 3", "ssh-keygen -R"):
        assert part in text

    # what the text says is what helps
    command = text[text.index("ssh-keygen -R") :]
    subprocess.run(command, shell=True, check=True, capture_output=True)
    ssh.connect(f"{server.username}@127.0.0.1", **{**server.kwargs, "known_hosts": None}).close()


# --- commands ----------------------------------------------------------------------------


def test_standard_error_is_an_error(client):
    with pytest.raises(RuntimeError, match=r"^\ncat: /nowhere"):
        ssh.exec_command(client, "cat /nowhere")


def test_an_exit_status_is_an_error(client):
    with pytest.raises(RuntimeError, match=r"exit status 3\nwhat it said"):
        ssh.exec_command(client, "echo what it said; exit 3")
    with pytest.raises(RuntimeError, match="'false' ended with exit status 1"):
        ssh.exec_command(client, "false")


def test_a_command_that_takes_too_long_is_ended(client, server):
    # the shortest ones end before the far side has said that the command runs
    for timeout in (0.2, 0.001, 0.002, 0.003, 0.005, 0.01):
        with pytest.raises(RuntimeError, match="Timeout executing SSH command: 'sleep 61'"):
            ssh.exec_command(client, "sleep 61", timeout=timeout)
    ssh.exec_command(client, "true")
    wait_for(
        lambda: not any("61" in process.cmdline() for process in server.processes()),
        "the end of the command",
    )
    assert ssh.exec_command(client, "echo the client lives on") == ["the client lives on"]


def test_three_megabytes_on_standard_error_do_not_block(client):
    with pytest.raises(RuntimeError, match="xxx"):
        ssh.exec_command(client, "head -c 3000000 /dev/zero | tr '\\0' x >&2")


def test_three_megabytes_on_standard_output(client):
    lines = ssh.exec_command(client, "yes 0123456789 | head -n 300000")
    assert lines == ["0123456789"] * 300_000


def test_a_command_gets_no_input(client):
    assert ssh.exec_command(client, "cat; echo; printf 'a\n\nb'") == ["", "a", "", "b"]


def test_killing_a_process_says_nothing(client):
    pid = ssh.exec_command(client, "sleep 60 >/dev/null 2>&1 & echo $!")[0]
    assert ssh.exec_command(client, f"kill -9 {pid}") == []


def test_a_reboot_looks_like_the_end_of_the_command(client, server):
    # sshd's process for this connection is killed, which is what a reboot does
    command = "echo going down; sleep 0.5; kill -9 $PPID; sleep 60"
    assert ssh.exec_command(client, command) == ["going down"]
    wait_for(lambda: not client.is_connected(), "the end of the connection")


def test_a_computer_that_is_not_there(server):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionError, match=f"127.0.0.1:{port}"):
        ssh.connect(f"{server.username}@127.0.0.1", **{**server.kwargs, "ssh_port": port})


# --- a Manager ---------------------------------------------------------------------------

HOSTILE = {
    "quotes": "it's \"quoted\"; 'twice'",
    "command": "'; touch {home}/broken-out #",
    "substitution": "$(touch broken-out) `touch broken-out` ${HOME} %s !!",
    "backslashes": "C:\\new\\table \\\\ \\' \\n",
    "lines": "one\ntwo\r\nthree\ttab",
    "unicode": "Ωµ-Ohm 漢字 \u2028 \x7f",
    "password": "s3cret-of-the-manager",
    "nested": {"a": [1, 2.5, None, True, "'"], "": "-"},
}


def test_a_manager_starts_and_stays_and_gets_what_was_sent(server):
    script = server.script("it's a script/my console")
    ssh.start_manager(server.host, script, **server.login, **HOSTILE)

    assert json.loads((server.home / "received.json").read_text()) == HOSTILE
    assert not list(server.home.rglob("broken-out"))
    everything = subprocess.run(["ps", "auxeww"], capture_output=True, text=True).stdout
    assert f"{server.home}/it's a script/my console" in everything
    assert "s3cret-of-the-manager" not in everything
    assert "s3cret" not in (server.home / "seen.txt").read_text()
    log = Path(script + ".log")
    assert mode_of(log) == 0o600
    assert log.owner() == server.username
    assert "Network Manager running on" in log.read_text()
    assert "s3cret" not in log.read_text()
    # nothing but the Manager is left of it
    wait_for(lambda: len(server.processes()) == 1, "the end of all the rest")
    assert server.processes()[0].pid == int((server.home / "pid").read_text())


def test_a_path_in_the_home_of_the_user_and_a_password(server):
    server.script("bin/my script")
    ssh.start_manager(
        f"{server.username}@127.0.0.1",
        "~/bin/my script",
        ssh_password=server.password,
        ssh_port=server.port,
        known_hosts=server.known_hosts,
        client_keys=[],
    )
    assert json.loads((server.home / "received.json").read_text()) == {}


def test_an_address_in_use(server):
    script = server.script("in-use")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RuntimeError, match=r"^Cannot start Manager\n\npreparing\n") as error:
            ssh.start_manager(server.host, script, **server.login, port=port)
    assert "Address already in use" in str(error.value)


@pytest.mark.parametrize("script", ["~/no/such/script", "no-such-script"])
def test_a_missing_script(server, script):
    (server.home / "no-such-script.log").write_text("the log of another time")
    with pytest.raises(RuntimeError, match=r"^Cannot start Manager\n\n.*no such console script"):
        ssh.start_manager(server.host, script, **server.login)


def test_a_script_of_which_the_interpreter_is_missing(server):
    script = server.script("no-python", "")
    Path(script).write_text("#!/no/such/python\n")
    with pytest.raises(RuntimeError, match=r"^Cannot start Manager\n\n.*No such file"):
        ssh.start_manager(server.host, script, **server.login)


def test_a_script_that_says_nothing(server):
    script = server.script("quiet", "exit 7")
    with pytest.raises(RuntimeError, match=r"^Cannot start Manager\n\n.*exit status 7"):
        ssh.start_manager(server.host, script, **server.login)


def test_a_traceback_arrives_whole(server):
    script = server.script("broken")
    with pytest.raises(RuntimeError, match="ValueError: no such instrument") as error:
        ssh.start_manager(server.host, script, **server.login, how="traceback")
    assert "Traceback (most recent call last)" in str(error.value)


def test_a_manager_that_takes_too_long_goes_on(server):
    script = server.script("slow")
    with pytest.raises(TimeoutError, match="looking for the instrument") as error:
        ssh.start_manager(server.host, script, **server.login, timeout=2, how="silent")
    pid = int((server.home / "pid").read_text())
    assert f"process {pid} " in str(error.value)
    assert os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("wants_password", [False, True])
def test_as_sudo(server, wants_password):
    # a sudo of the user's own, so that no right of the computer is changed
    server.script(
        "bin/sudo",
        """\
if [ "$1" = -k ]; then shift; fi
if [ "$1" = -n ]; then
    [ -e "$HOME/wants_password" ] && { echo "sudo: a password is required" >&2; exit 1; }
    shift
elif [ "$1" = -S ]; then
    shift 3
    IFS= read -r password
    [ "$password" = "$(cat "$HOME/wants_password")" ] || { echo "sudo: wrong" >&2; exit 1; }
fi
[ "$1" = -v ] && exit 0
[ "$1" = -- ] && shift
AS_SUDO=yes exec "$@"
""",
    )
    script = server.script("as-sudo")
    wanted = server.home / "wants_password"
    login = {**server.login, "client_keys": [], "ssh_password": server.password}
    try:
        if wants_password:
            wanted.write_text(server.password)
            wanted.chmod(0o644)
        ssh.start_manager(server.host, script, **login, as_sudo=True, **HOSTILE)
        if wants_password:
            wanted.write_text("another one")
            with pytest.raises(PermissionError, match="sudo"):
                ssh.start_manager(server.host, script, **login, as_sudo=True)
    finally:
        wanted.unlink(missing_ok=True)
        (server.home / "bin" / "sudo").unlink()
    seen = (server.home / "seen.txt").read_text()
    assert "AS_SUDO=yes" in seen
    assert server.password not in seen
    assert json.loads((server.home / "received.json").read_text()) == HOSTILE


def test_without_sudo(server):
    script = server.script("no-sudo")
    server.script("bin/sudo", "exit 127")
    with pytest.raises(RuntimeError, match="no sudo"):
        ssh.start_manager(server.host, script, **server.login, as_sudo=True)
    (server.home / "bin" / "sudo").unlink()


# --- a Manager of a notebook -------------------------------------------------------------


def on_loop(coroutine):
    return loop_thread.submit(coroutine).result(20)


async def cut(connection):
    connection.abort()  # as when the kernel is killed


@pytest.fixture
def connection(server):
    connection = on_loop(
        ssh.open_connection(
            "127.0.0.1",
            username=server.username,
            port=server.port,
            known_hosts=server.known_hosts,
            client_keys=server.client_key,
        )
    )
    yield connection
    on_loop(ssh.close_connection(connection))


def test_a_bound_manager_is_stopped(server, connection):
    script, lines = server.script("bound"), []
    manager = on_loop(ssh.run_manager(connection, script, kwargs=HOSTILE, on_line=lines.append))
    assert manager.running
    assert manager.host == "127.0.0.1"
    assert manager.pid == int((server.home / "pid").read_text())
    assert lines[0] == "preparing"
    assert lines == list(manager.log)
    assert f"pid={manager.pid} running" in repr(manager)
    assert json.loads((server.home / "received.json").read_text()) == HOSTILE
    manager.stop()
    assert not manager.running
    assert (server.home / "ended").read_text() == "gracefully"
    manager.stop()


def test_a_bound_manager_ends_with_its_connection(server, connection):
    on_loop(ssh.run_manager(connection, server.script("bound"), kwargs={}))
    on_loop(cut(connection))
    wait_for((server.home / "ended").exists, "the end of the Manager")
    wait_for(lambda: not server.processes(), "the end of all processes")


def test_a_bound_manager_that_fails(server, connection):
    script = server.script("bound")
    with pytest.raises(ValueError, match="A lease has 1 s at least"):
        on_loop(ssh.run_manager(connection, script, kwargs={}, lease=0))
    with pytest.raises(RuntimeError, match="ValueError: no such instrument"):
        on_loop(ssh.run_manager(connection, script, kwargs={"how": "traceback"}))
    with pytest.raises(TimeoutError, match="looking for the instrument"):
        on_loop(ssh.run_manager(connection, script, kwargs={"how": "silent"}, timeout=2))
    with pytest.raises(RuntimeError, match="no such console script"):
        on_loop(ssh.run_manager(connection, "/no/such/script", kwargs={}))
    wait_for(lambda: len(server.processes()) <= 1, "the end of all but the connection")


def test_a_manager_that_stays_outlives_the_connection(server, connection):
    script, lines = server.script("stays"), []
    manager = on_loop(
        ssh.run_manager(connection, script, kwargs={}, stay=True, on_line=lines.append)
    )
    assert lines[0] == "preparing"
    assert mode_of(Path(script + ".log")) == 0o600
    on_loop(cut(connection))
    wait_for(lambda: not manager.running, "the end of the connection")
    assert os.path.exists(f"/proc/{manager.pid}")


def test_a_manager_that_stays_is_stopped(server, connection):
    manager = on_loop(ssh.run_manager(connection, server.script("s"), kwargs={}, stay=True))
    manager.stop()
    assert not manager.running
    assert (server.home / "ended").read_text() == "gracefully"

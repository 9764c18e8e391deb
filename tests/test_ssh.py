"""`msl_network.ssh` and `msl_network.trust`, against servers of asyncssh."""

import asyncio
import builtins
import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import asyncssh
import pytest

from msl_network import constants, loop_thread, ssh, trust
from msl_network.examples.pi import Pi

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.fixture(scope="module")
def pi():
    with Pi() as pi:
        yield pi


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without keys and agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(constants, "KNOWN_HOSTS", str(tmp_path / ".msl" / "known_hosts"))
    return tmp_path


def test_nothing_heavy_is_imported_on_the_far_side():
    code = (
        "import sys; from msl_network import ssh; ssh.parse_console_script_kwargs(); "
        "print('asyncssh' in sys.modules)"
    )
    assert run_python(code).stdout == "False\n"


@pytest.mark.parametrize(
    ("name", "instead"),
    [("missing_host_key_policy", "known_hosts="), ("paramiko_kwargs", "ssh_port=")],
)
def test_replaced_keywords_say_what_to_use(name, instead):
    with pytest.raises(TypeError, match=f"{name}.*{instead}"):
        ssh.connect("pi@localhost", **{name: {}})
    with pytest.raises(TypeError, match=f"{name}.*{instead}"):
        ssh.start_manager("pi@localhost", "script", **{name: {}})
    with pytest.raises(TypeError, match="unexpected keyword argument 'prot'"):
        ssh.connect("pi@localhost", prot=22)


# --- the console script's side -----------------------------------------------------------

PARSE = (
    "import json; from msl_network import ssh; print(json.dumps(ssh.parse_console_script_kwargs()))"
)


def run_python(code: str, *args: str, text: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        input=text,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--kwargs", '{"a": "é"}'], ""),  # as 1.x does
        (["--kwargs", "-"], '{"a": "é"}\n'),
        (["--kwargs", "-"], '{"a": "é"}'),
        (["--kwargs", "-"], 'the password for sudo\n{"a": "é"}\n'),
        (["--other", "--kwargs", "-"], '{"a": "é"}\nmore\n'),
    ],
)
def test_the_kwargs_of_a_console_script(args, text):
    assert json.loads(run_python(PARSE, *args, text=text).stdout) == {"a": "é"}


def test_a_console_script_that_a_person_starts_has_no_kwargs():
    assert run_python(PARSE).stdout == "{}\n"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--kwargs", "-"], ""),
        (["--kwargs", "-"], "s3cret\n"),
        (["--kwargs", "-"], '{"a": "s3cret\n'),
        (["--kwargs", "-"], "s3cret\n[1]\n"),
        (["--kwargs", '"s3cret"'], ""),
        (["--kwargs"], ""),
    ],
)
def test_kwargs_that_are_none(args, text):
    done = run_python(PARSE, *args, text=text)
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("obeys", [True, False])
def test_a_process_ends_with_its_standard_input(obeys):
    code = f"""
import signal, time
from msl_network.ssh import console
console.GRACE = 0.1
console.parse_console_script_kwargs()
ready = False
while True:
    try:
        if not ready:
            ready = True
            print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        if {obeys}:
            break
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--kwargs", "-", "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        # what a shell does for a job in the background
        preexec_fn=lambda: __import__("signal").signal(2, __import__("signal").SIG_IGN),
    )
    with process:
        process.stdin.write("{}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        process.stdin.close()
        assert process.wait(20) == (0 if obeys else 1)
        assert process.stdout.read() == "interrupted\n"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no far side is one of these")
def test_a_process_ends_when_no_sign_of_life_comes_any_more():
    """Not while they come, nor when it was held up itself meanwhile."""
    code = """
import threading
from msl_network import ssh
ssh.parse_console_script_kwargs()
print("ready", flush=True)
threading.Event().wait(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, "--kwargs", "-", "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    ) as process:

        def say(*lines):
            process.stdin.write("".join(f"{line}\n" for line in lines))
            process.stdin.flush()

        say("{}", "lease", "lease nan", "lease 0", "lease -1", "anything else")
        assert process.stdout.readline() == "ready\n"
        for _ in range(8):
            say("lease 0.4")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
        process.send_signal(signal.SIGSTOP)
        say("lease 0.4")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.8)
        process.send_signal(signal.SIGCONT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        assert process.wait(20) not in (0, None)  # by the interrupt, which nobody handles


# --- host keys ---------------------------------------------------------------------------


@pytest.fixture
def keys():
    return [asyncssh.generate_private_key("ssh-ed25519") for _ in range(3)]


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def test_pinned_keys_are_found_as_openssh_finds_them(tmp_path, keys):
    one, two, three = keys
    file = tmp_path / "known_hosts"
    lines = f"other,pi {public(one)}\nnot a key\n\n[pi]:2222 {public(two)}\n"
    file.write_text(f"{lines}@revoked * {public(three)}\n")

    found = trust.find_host_keys("pi", 22, [file, tmp_path / "missing"])
    assert [pinned.line for pinned in found.keys] == [1]
    assert found.trusted() == [one.convert_to_public()]
    assert [pinned.line for pinned in found.revoked] == [5]
    found = trust.find_host_keys("PI", 2222, [file])
    assert [pinned.line for pinned in found.keys] == [4]
    # the server at port 22 is another one, though it may have the same key
    found = trust.find_host_keys("pi", 4000, [file])
    assert found.keys == ()
    assert found.trusted() == [one.convert_to_public()]
    assert trust.find_host_keys("unknown", 22, [file]).trusted() == []


def test_a_hashed_host_is_found(tmp_path, keys):
    file = tmp_path / "known_hosts"
    file.write_text(f"raspberrypi {public(keys[0])}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", file], check=True, capture_output=True)
    assert "raspberrypi" not in file.read_text()
    assert len(trust.find_host_keys("raspberrypi", 22, [file]).keys) == 1


def test_a_key_is_added_on_a_line_of_its_own(tmp_path, keys):
    file = tmp_path / "folder" / "known_hosts"
    trust.add_host_key("Pi", 22, keys[0], file)
    file.write_text(file.read_text().rstrip("\n"))
    trust.add_host_key("pi", 2222, keys[1], file)
    assert file.read_text() == f"pi {public(keys[0])}\n[pi]:2222 {public(keys[1])}\n"


class Server(asyncssh.SSHServer):
    """Lets in who knows the password, asked for in the keyboard-interactive way."""

    def kbdint_auth_supported(self):
        return True

    def get_kbdint_challenge(self, username, lang, submethods):
        return "", "The laboratory's computer", "en", [("Password: ", False), ("Your cat? ", True)]

    def validate_kbdint_response(self, username, responses):
        return list(responses) == ["right", "Schrödinger"]


@pytest.fixture
def serve():
    servers = []

    def serve(*host_keys: asyncssh.SSHKey) -> int:
        async def listen():
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=Server,
                server_host_keys=list(host_keys),
                process_factory=lambda process: process.exit(0),
            )

        servers.append(loop_thread.submit(listen()).result(10))
        return servers[-1].get_port()

    async def close(server):
        server.close()
        await server.wait_closed()

    yield serve
    for server in servers:
        loop_thread.submit(close(server)).result(10)


def answers(monkeypatch, *texts: str) -> list[str]:
    """Answer what is asked, one text after the other; returns what was asked."""
    left, seen = list(texts), []

    def answer(prompt: str = "") -> str:
        seen.append(prompt)
        return left.pop(0)

    monkeypatch.setattr(builtins, "input", answer)
    monkeypatch.setattr(getpass, "getpass", answer)
    return seen


def test_a_key_of_another_type_than_the_preferred_one_has_not_changed(
    serve, keys, tmp_path, monkeypatch
):
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    port = serve(keys[0], rsa)
    file = trust.add_host_key("127.0.0.1", port, rsa, tmp_path / "known_hosts")
    answers(monkeypatch, "right", "Schrödinger")
    with ssh.connect("me@127.0.0.1", port=port, known_hosts=file) as client:
        assert client.is_connected()


def test_the_key_of_a_server_at_another_port_is_no_contradiction(
    serve, keys, tmp_path, monkeypatch
):
    file = trust.add_host_key("127.0.0.1", 22, keys[1], tmp_path / "known_hosts")
    port = serve(keys[0])
    seen = answers(monkeypatch, "y", "right", "Schrödinger")
    ssh.connect("me@127.0.0.1", port=port, known_hosts=file).close()
    assert seen == [
        "Do you trust this computer (y/n)? ",
        "me@127.0.0.1's password: ",
        "me@127.0.0.1: Your cat? ",
    ]
    assert f"[127.0.0.1]:{port}" in file.read_text()


def test_a_revoked_key_is_refused(serve, keys, tmp_path, monkeypatch):
    port = serve(keys[0])
    file = tmp_path / "known_hosts"
    file.write_text(f"@revoked * {public(keys[0])}\n[127.0.0.1]:{port} {public(keys[0])}\n")
    answers(monkeypatch)
    with pytest.raises(ConnectionError, match="revoked"):
        ssh.connect("me@127.0.0.1", port=port, known_hosts=file)


def test_a_given_password_answers_the_question_for_it(serve, keys, tmp_path, monkeypatch):
    port = serve(keys[0])
    file = trust.add_host_key("127.0.0.1", port, keys[0], tmp_path / "known_hosts")
    seen = answers(monkeypatch, "Schrödinger")
    ssh.connect("me@127.0.0.1", password="right", port=port, known_hosts=file).close()
    assert seen == ["me@127.0.0.1: Your cat? "]
    answers(monkeypatch, "Felix")
    with pytest.raises(PermissionError, match="wrong password"):
        ssh.connect("me@127.0.0.1", password="right", port=port, known_hosts=file)


# --- keys, time, threads -----------------------------------------------------------------


def test_the_passphrase_of_a_key_is_asked_for(pi, tmp_path, monkeypatch):
    key = asyncssh.read_private_key(pi.client_key)
    locked = tmp_path / "locked"
    key.write_private_key(locked, "pkcs8-pem", passphrase="open sesame")
    seen = answers(monkeypatch, "open sesame")
    kwargs = {"port": pi.port, "known_hosts": pi.known_hosts, "client_keys": locked}
    with ssh.connect("pi@127.0.0.1", **kwargs) as client:
        assert ssh.exec_command(client, "echo in") == ["in"]
    assert seen == [f"Passphrase of the key {locked}: "]
    answers(monkeypatch, "wrong")
    with pytest.raises(ValueError, match="Cannot load the SSH key"):
        ssh.connect("pi@127.0.0.1", **kwargs)
    with pytest.raises(FileNotFoundError):
        ssh.connect("pi@127.0.0.1", **{**kwargs, "client_keys": tmp_path / "missing"})


def test_a_server_that_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        start = time.monotonic()
        with pytest.raises(TimeoutError, match=f"127.0.0.1:{port} within 0.2 seconds"):
            ssh.connect("me@127.0.0.1", port=port, timeout=0.2)
        assert time.monotonic() - start < 5


def test_a_person_may_think_longer_than_the_timeout(pi, monkeypatch):
    def think(prompt: str = "") -> str:
        threading.Event().wait(1.5)
        return "y" if "trust" in prompt else pi.password

    monkeypatch.setattr(builtins, "input", think)
    monkeypatch.setattr(getpass, "getpass", think)
    with ssh.connect("pi@127.0.0.1", port=pi.port, timeout=1) as client:
        assert client.is_connected()


def test_an_interrupt_while_a_person_is_asked(pi, monkeypatch):
    def interrupt(prompt: str = "") -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(getpass, "getpass", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ssh.connect("pi@127.0.0.1", port=pi.port, known_hosts=pi.known_hosts)


def test_the_questions_of_a_coroutine_go_to_its_ask(pi):
    asked = []

    async def ask(question):
        asked.append(question)
        return {"host key": "y", "password": pi.password}[question.kind]

    async def run():
        connection = await ssh.open_connection("pi@127.0.0.1", port=pi.port, ask=ask)
        try:
            return await ssh.run_command(connection, "echo $USER")
        finally:
            await ssh.close_connection(connection)

    assert asyncio.run(run()) == ["pi"]
    assert [question.kind for question in asked] == ["host key", "password"]
    assert asked[0].choice
    shown = asyncssh.import_known_hosts(pi.known_hosts.read_text())
    key = shown.match(f"[127.0.0.1]:{pi.port}", "", None)[0][0]
    assert f"SHA256:{asked[0].details['SHA-256']}" == key.get_fingerprint()
    assert asked[1].secret
    with pytest.raises(PermissionError, match="nobody to ask"):
        asyncio.run(ssh.open_connection("pi@127.0.0.1", port=pi.port))

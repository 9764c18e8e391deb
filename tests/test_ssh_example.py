"""1.x's documented example of a Service on another computer, against a real OpenSSH server.

`ssh_example.rst` has its code and what is typed, as 1.x documents it; only the import lines are
ours. It is typed into a real interpreter in a real terminal.
"""

import doctest
import os
import pty
import re
import select
import shlex
import socket
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from msl_network import UsersTable, ssh

from .openssh import REPOSITORY, OpenSSH, openssh_server, own, wait_for
from .ports import free_port

pytestmark = pytest.mark.openssh

DOCUMENT = Path(__file__).with_name("ssh_example.rst").read_text()
BLOCKS = [
    (kind, textwrap.dedent(block))
    for kind, block in re.findall(
        r"^\.\. code-block:: (\w+)\n\n((?:    .*\n|\n)+)", DOCUMENT, re.MULTILINE
    )
]
_, *MODULES = [block for kind, block in BLOCKS if kind == "python"]
USE, DISCONNECT, IN_USE, OTHER_PORT, SHUT_DOWN, KILL, REBOOT = [
    doctest.DocTestParser().get_examples(block) for kind, block in BLOCKS if kind == "pycon"
]

# what pip makes of the entry point in setup.py
CONSOLE_SCRIPT = """\
#!/bin/sh
'''exec' {python} "$0" "$@"
'''
import sys
sys.path[:0] = [{lib!r}]
from mypackage import start_service_on_rpi
sys.exit(start_service_on_rpi())
"""

PROMPT = ">>> "
CONTINUE = "Continue? y/n: "


class Terminal:
    """An interpreter in a terminal: what is typed there, and what can be read there."""

    def __init__(self, folder: Path, server: OpenSSH) -> None:
        self.port, self.other_port = free_port(), free_port()
        self.folder = folder
        self.asked = 0
        self._server = server
        self._seen = ""
        self._master, slave = pty.openpty()
        settings = termios.tcgetattr(slave)
        settings[1] &= ~termios.OPOST  # line ends as they are written
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import code; code.interact(banner='', exitmsg='')"],
            cwd=folder,
            env={
                "HOME": str(folder),
                "MSL_NETWORK_HOME": str(folder / "network"),
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(REPOSITORY),
            },
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.read(PROMPT)

    def read(self, *ends: str, timeout: float = 60) -> str:
        """Read until one of these texts is at the end, or nothing comes any more."""
        deadline = time.monotonic() + timeout
        while not self._seen.endswith(ends or ("\0",)):
            left = deadline - time.monotonic()
            assert left > 0, f"none of {ends} within {timeout} s, only: {self._seen}"
            if not select.select([self._master], [], [], left)[0]:
                continue
            try:
                chunk = os.read(self._master, 65536)
            except OSError:  # the program has ended
                chunk = b""
            if not chunk:
                assert not ends, f"the end, and none of {ends}: {self._seen}"
                break
            self._seen += chunk.decode()
        seen, self._seen = self._seen, ""
        return seen

    def type(self, line: str, *ends: str) -> str:
        """Type a line and read what comes, without the prompt of the next one."""
        os.write(self._master, line.rstrip("\n").encode() + b"\n")
        return self.read(*(ends or (PROMPT,))).removesuffix(PROMPT)

    def adapted(self, text: str) -> str:
        """Put in this computer, this user and ports that are free."""
        user, ssh_port = self._server.username, self._server.port
        return (
            text.replace("'pi@192.168.1.65'", f"'{user}@127.0.0.1', ssh_port={ssh_port}")
            .replace("assert_hostname=False)", "assert_hostname=False, port=1875)")
            .replace("192.168.1.65", "127.0.0.1")
            .replace("1875", str(self.port))
            .replace("1876", str(self.other_port))
        )

    def follow(self, examples: list[doctest.Example], **kwargs: object) -> list[str]:
        """Type what the document has; returns what came after each line.

        Args:
            examples: A block of the document.
            kwargs: Further keyword arguments for its `connect`.
        """
        more = "".join(f", {name}={value!r}" for name, value in ({"timeout": 60} | kwargs).items())
        said = []
        for example in examples:
            line = self.adapted(example.source)
            if " connect(" in line:
                line = line.rstrip().removesuffix(")") + more + ")"
            said.append(self.type(line, PROMPT, CONTINUE))
            if said[-1].endswith(CONTINUE):
                self.asked += 1
                said[-1] = self.type("y")
        return said

    def leave(self) -> str:
        """End the interpreter; returns what it says at its end."""
        os.write(self._master, b"exit()\n")
        said = self.read()
        assert self.process.wait(30) == 0
        return said

    def close(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


def write_package(folder: Path, server: OpenSSH) -> None:
    """Write mypackage, with the user and the port of this server."""
    (folder / "mypackage").mkdir(parents=True)
    for name, text in zip(("__init__", "rpi_service", "my_client"), MODULES, strict=True):
        text = text.replace("/home/pi/", f"{server.home}/")
        text = text.replace(
            "ssh_username='pi'", f"ssh_username='{server.username}', ssh_port={server.port}"
        )
        # a method of which the body is one comment, as it is in the document, is none
        text = text.replace(
            "from the Network Manager.\n", "from the Network Manager.\n        return None\n"
        )
        (folder / "mypackage" / f"{name}.py").write_text(text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSSH]:
    with openssh_server(tmp_path_factory.mktemp("openssh")) as server:
        write_package(server.home / "lib", server)
        # in their `sudo` all is of the user: no test ends what is not its own
        server.script("bin/sudo", 'exec "$@"\n')
        server.script("bin/reboot", "kill -9 -1\n")
        yield server


@pytest.fixture
def script(server: OpenSSH) -> Path:
    """The console script on the Pi."""
    script = server.home / ".local" / "bin" / "mypackage"
    script.parent.mkdir(parents=True, exist_ok=True)
    python = shlex.quote(server.python)
    script.write_text(CONSOLE_SCRIPT.format(python=python, lib=str(server.home / "lib")))
    script.chmod(0o755)
    own(server.home, server.username)
    return script


@pytest.fixture
def terminal(tmp_path: Path, server: OpenSSH, script: Path) -> Iterator[Terminal]:
    write_package(tmp_path, server)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / ".ssh" / "known_hosts").write_bytes(server.known_hosts.read_bytes())
    (tmp_path / ".ssh" / "id_ed25519").touch(0o600)
    (tmp_path / ".ssh" / "id_ed25519").write_bytes(server.client_key.read_bytes())
    terminal = Terminal(tmp_path, server)
    yield terminal
    terminal.close()
    server.end_processes()


def nothing_is_left(server: OpenSSH) -> None:
    processes_are(server, 0)


def processes_are(server: OpenSSH, count: int) -> None:
    """Wait until so many processes are all that the user runs; SSH ends in its own time."""
    wait_for(lambda: len(server.processes()) == count, f"{count} processes of the user")


def test_from_the_first_line_to_the_last(server, terminal):
    assert terminal.follow(USE) == [example.want for example in USE]
    assert terminal.asked == 1
    processes_are(server, 1)
    assert terminal.follow(DISCONNECT) == [""]
    nothing_is_left(server)
    # the certificate has been trusted once and for all
    assert terminal.follow(USE) == [example.want for example in USE]
    assert terminal.asked == 1
    assert terminal.follow(DISCONNECT) == [""]
    assert terminal.leave() == ""
    nothing_is_left(server)


def test_an_error_of_the_service_ends_everything(server, terminal):
    terminal.follow(USE)
    error = terminal.type("rpi.power('x')")
    assert "unsupported operand type(s) for **" in error.splitlines()[-1]
    assert terminal.type("rpi.is_connected()") == "False\n"
    nothing_is_left(server)
    assert terminal.leave() == ""


@pytest.fixture
def in_use(server: OpenSSH, terminal: Terminal) -> list[str]:
    """The lines of the error when the address is in use, by a Manager that serves a Client."""
    assert terminal.follow(USE)[-1] == "125\n"
    terminal.type("first = rpi")
    (said,) = terminal.follow(IN_USE)
    assert terminal.type("first.power(3)") == "9\n"
    return said.splitlines()


def test_an_address_in_use(server, terminal, in_use):
    error = terminal.adapted(IN_USE[0].want).rstrip()
    if not socket.has_dualstack_ipv6():
        error = error.replace(f"('::', {terminal.port}, 0, 0)", f"('0.0.0.0', {terminal.port})")
    assert in_use[-1] == error
    assert "RuntimeError: Cannot start Manager" in in_use
    processes_are(server, 1)

    # the first way out
    assert terminal.follow(OTHER_PORT) == [""]
    assert terminal.type("rpi.power(4)") == "16\n"
    processes_are(server, 2)
    for name in ("rpi", "first"):
        assert terminal.type(f"{name}.disconnect()") == ""
    nothing_is_left(server)
    assert terminal.leave() == ""


def test_shutting_the_other_manager_down(server, terminal, in_use):
    (server.home / "secret.txt").write_text("of the administrator\n")
    add_user = "user add admin --admin --password secret.txt"
    with ssh.connect(f"{server.username}@127.0.0.1", **server.kwargs) as pi:
        ssh.exec_command(pi, f"PYTHONPATH=lib {server.python} -m msl_network {add_user}")
    *connected, request = SHUT_DOWN
    assert terminal.follow(connected) == ["", ""]
    assert "Enter a username for " in terminal.type(request.source, " > ")
    assert "Enter the password for admin" in terminal.type("admin", " > ")
    assert terminal.type("of the administrator").strip() == ""
    nothing_is_left(server)

    assert terminal.follow(USE) == [example.want for example in USE]
    # not asked for: it is known already
    terminal.follow(connected, username="admin", password="of the administrator")
    assert terminal.follow([request]) == [""]
    nothing_is_left(server)
    assert terminal.leave() == ""


def test_killing_it(server, script, terminal, in_use):
    *listed, kill, close = KILL
    *_, listing = terminal.follow(listed)
    command = f"{server.python} {script} "
    (line,) = [line for line in listing.splitlines() if command in line]
    pid = line.split()[1]
    processes_are(server, 2)  # the second one is the open SSH connection
    assert pid in [str(process.pid) for process in server.processes()]
    kill.source = kill.source.replace("1367", pid)
    assert terminal.follow([kill, close]) == [kill.want, close.want]
    nothing_is_left(server)

    assert terminal.follow(USE) == [example.want for example in USE]
    assert terminal.follow(DISCONNECT) == [""]
    assert terminal.leave() == ""
    nothing_is_left(server)


def test_rebooting(server, terminal, in_use):
    assert terminal.follow(REBOOT) == [example.want for example in REBOOT]
    nothing_is_left(server)

    assert terminal.follow(USE) == [example.want for example in USE]
    assert terminal.follow(DISCONNECT) == [""]
    assert terminal.leave() == ""
    nothing_is_left(server)


def test_a_missing_console_script(server, script, terminal):
    script.unlink()
    *_, said = terminal.follow(USE[:2])
    assert "RuntimeError: Cannot start Manager" in said
    assert f"{script}: no such console script" in said
    assert "refused" not in said
    nothing_is_left(server)


def test_a_password_of_the_manager_is_seen_nowhere(server, script, terminal):
    secret = "with 'quotes' and spaces; $(touch broken-out)"
    passwords = {"auth_password": secret, "rpi_password": server.password, "client_keys": []}
    assert terminal.follow(USE, **passwords) == [example.want for example in USE]
    (in_use,) = terminal.follow(IN_USE, **passwords)
    everything = in_use.partition("RuntimeError: ")[2]
    assert "address already in use" in everything
    ps = subprocess.run(["ps", "auxeww"], capture_output=True, text=True, check=True)
    everything += ps.stdout
    assert f"{script} --kwargs -" in everything
    for folder in (server.home / ".msl", script.parent, terminal.folder / "network"):
        for path in folder.rglob("*"):
            everything += path.read_text(errors="replace") if path.is_file() else ""
    assert "Network Manager running on" in everything
    assert "using password for authentication" in everything
    assert "broken-out" not in everything
    assert server.password not in everything
    assert not list(server.home.rglob("broken-out"))

    # it is the Manager's password indeed
    terminal.type("import msl_network")
    said = terminal.type(
        f"msl_network.connect(host='127.0.0.1', port={terminal.port}, "
        "assert_hostname=False, password_manager='wrong')"
    )
    assert said.splitlines()[-1].startswith("ValueError: ")
    terminal.type("rpi.disconnect()")
    nothing_is_left(server)


NOT_KNOWN = (
    "ValueError: The Manager is using a login for authentication but RPiService "
    "does not know the username and password to use to connect to the Manager"
)


@pytest.mark.parametrize(
    ("login", "error"),
    [
        ({}, NOT_KNOWN),
        ({"username": "curie"}, NOT_KNOWN),
        ({"username": "curie", "password": "polonium"}, None),
        ({"username": "curie", "password": "radium?"}, "Wrong login password"),
        ({"username": "bohr", "password": "polonium"}, "Wrong login password"),
    ],
)
def test_a_login(server, terminal, tmp_path, login, error):
    database = server.home / "users.sqlite3"
    with UsersTable(database=str(database)) as table:
        if not table.is_user_registered("curie"):
            table.insert("curie", "polonium", False)
    own(server.home, server.username)
    login = {"auth_login": True, "database": str(database), **login}
    if error is None:
        assert terminal.follow(USE, **login) == [example.want for example in USE]
        assert terminal.follow(DISCONNECT) == [""]
    else:
        *_, said = terminal.follow(USE[:2], **login)
        assert "RuntimeError: Cannot start Manager" in said
        assert error in said
    nothing_is_left(server)
    assert terminal.leave() == ""


def test_a_login_where_there_are_no_users(server, terminal):
    login = {"username": "curie", "password": "polonium", "database": f"{server.home}/none.sqlite3"}
    *_, said = terminal.follow(USE[:2], auth_login=True, **login)
    assert "The 'auth_users' table is empty, no one could log in" in said
    nothing_is_left(server)

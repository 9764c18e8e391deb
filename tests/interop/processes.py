"""Processes of either package: what they are told, what they say, and their end."""

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

from tests.ports import free_port

PACKAGES = {"ours": "msl_network", "1.x": "msl.network"}
USERS = {"n.bohr": ("Ångström & Co", True), "m.curie": ("radium", False)}
BOHR = ("n.bohr", USERS["n.bohr"][0])
PEERS = Path(__file__).with_name("peers")
WAIT = 40.0
"""Seconds after which a process that says nothing has failed."""


class Peer:
    """A process that runs one of the scripts in `peers`, in a home of its own."""

    def __init__(self, python, script, kind, home, *arguments):
        home.mkdir(parents=True, exist_ok=True)
        self.name = f"{script} of {kind}"
        self._errors = (home / f"{script}.err").open("w+", encoding="utf-8")
        environment = {
            **os.environ,
            "MSL_NETWORK_HOME": str(home),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
        }
        if kind == "ours":
            root = str(PEERS.parents[2])
            environment["PYTHONPATH"] = os.pathsep.join(
                filter(None, [root, os.environ.get("PYTHONPATH")])
            )
        self.process = subprocess.Popen(
            [
                python,
                str(PEERS / f"{script}.py"),
                PACKAGES[kind],
                *map(json.dumps, arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=environment,
            cwd=home,
        )
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        """The next line that it prints."""
        try:
            line = self._lines.get(timeout=WAIT)
        except queue.Empty:
            line = None
        if line is None:
            self._errors.seek(0)
            raise AssertionError(f"the {self.name} said nothing more:\n{self._errors.read()}")
        return line

    def hear_about(self, text):
        """Wait for a line with a text in it."""
        while text not in self.hear():
            pass

    def ended(self):
        """Wait for its own end; returns its exit status."""
        return self.process.wait(WAIT)

    def end(self):
        """End it, whatever it is doing."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self.process.stdin.close()
        self.process.stdout.close()
        self._errors.close()


class Player(Peer):
    """A process that plays Clients, one scenario after the other."""

    def begin(self, scenario, **arguments):
        """Play a scenario up to its first report."""
        self.say(json.dumps({"scenario": scenario, **arguments}))
        return self._report()

    def go_on(self):
        """Play on to the next report; "end" when there is none."""
        self.say("")
        return self._report()

    def play(self, scenario, **arguments):
        """Play a scenario with one report."""
        result = self.begin(scenario, **arguments)
        assert self.go_on() == "end"
        return result

    def _report(self):
        report = json.loads(self.hear())
        assert "error" not in report, report["error"]
        return report["result"]


class Network:
    """A Manager of one kind, with Services and players of both kinds.

    Attributes:
        kwargs: What a Client needs to connect.
        services: The names of a Service of each kind.
        players: A player of each kind.

    Args:
        users: The login of all of them.
        alone: Whether there are no Services.
    """

    def __init__(self, pythons, kind, folder, *, users=None, alone=False, **manager_kwargs):
        self.kind = kind
        self.folder = folder
        self._alone = alone
        self.port = free_port()
        self._pythons = pythons
        self._peers = []
        self.kwargs = {"host": "localhost", "port": self.port, "auto_save": True}
        if manager_kwargs.get("disable_tls"):
            self.kwargs["disable_tls"] = True
        if users:
            self.kwargs["username"], self.kwargs["password"] = users
        if "auth_password" in manager_kwargs:
            self.kwargs["password_manager"] = manager_kwargs["auth_password"]
        self.manager = self._start(
            Peer,
            "manager",
            kind,
            {
                "port": self.port,
                "log_file": str(folder / "manager.log"),
                **manager_kwargs,
            },
        )
        self.services = {}
        self.players = {}

    def open(self):
        self.manager.hear_about("Network Manager running on")
        for kind in PACKAGES:
            if not self._alone:
                self.services[kind] = f"Probe {kind}"
                self.start_service(kind, name=self.services[kind])
            self.players[kind] = self.start_player(kind)
        return self

    @property
    def certificate(self):
        """The path of the Manager's certificate."""
        (path,) = self.folder.glob("manager-*/certs/*.crt")
        return str(path)

    def start_service(self, kind, **own):
        return self._start(Peer, "service", kind, own, self.kwargs)

    def start_player(self, kind):
        return self._start(Player, "client", kind)

    def _start(self, form, script, kind, *arguments):
        home = self.folder / f"{script}-{kind}-{len(self._peers)}"
        peer = form(self._pythons[kind], script, kind, home, *arguments)
        self._peers.append(peer)
        return peer

    def close(self):
        for peer in reversed(self._peers):
            peer.end()


def pythons(python_1x):
    return {"ours": sys.executable, "1.x": python_1x}

"""What is in the laboratory beside the notebook: a Manager that can be killed, and Services."""

import math
import os
import subprocess
import sys
import threading

from msl_network import Service, connect, cryptography

from ..ports import free_port
from .servers import ROOT

USER = {"username": "n.bohr", "password": "copenhagen"}

MANAGER = """
import sys
from msl_network import LocalManager

port, cert_file, key_file, username, password = sys.argv[1:]
manager = LocalManager(
    port=int(port), cert_file=cert_file, key_file=key_file,
    auth_login=True, users={username: password},
).start()
print(manager.port, flush=True)
sys.stdin.read()
"""


class Oven(Service):
    """Something that is hot, and tells so twenty times a second."""

    def __init__(self):
        super().__init__(ignore_attributes=("given_up", "off"))
        self.given_up = threading.Semaphore(0)
        self.off = threading.Event()

    def add(self, x: float, y: float = 2) -> float:
        """Add two numbers."""
        return x + y

    def heat(self, kelvin: float, seconds: float = 60) -> float:
        """Heat, and tell how far it is, until it is done or given up."""
        for i in range(int(seconds * 20)):
            self.progress(i, int(seconds * 20), "heating" if i % 16 < 8 else "still heating")
            if not self.request.sleep(0.05):
                self.given_up.release()
                break
        return kelvin

    def tell(self):
        i = 0
        while not self.off.wait(0.05):
            i += 1
            self.emit_notification(180 + 5 * math.sin(i / 20))


class Lamp(Service):
    """Something else."""

    def shine(self) -> str:
        return "bright"


class Instruments:
    """A Manager in a process of its own, and an Oven and a Lamp in this one.

    Attributes:
        port: The port of the Manager.
        oven: The Oven.
        kwargs: What `connect` needs.
    """

    def __init__(self, folder):
        self._folder = folder
        self._key, self._cert = folder / "key.pem", folder / "certificate.pem"
        cryptography.generate_key(path=self._key)
        cryptography.generate_certificate(path=self._cert, key_path=self._key)
        self.port = free_port()
        self.start_manager()
        self.kwargs = {"host": "127.0.0.1", "port": self.port, "cert_file": str(self._cert), **USER}
        self.oven = Oven()
        self._running = [s.start_in_background(**self.kwargs) for s in (self.oven, Lamp())]
        self._telling = threading.Thread(target=self.oven.tell)
        self._telling.start()

    def connect(self, name):
        """Connect as somebody else."""
        return connect(name=name, **self.kwargs)

    def start_manager(self):
        """Start the Manager, or start it again where it was."""
        args = [str(self.port), str(self._cert), str(self._key), *USER.values()]
        self._manager = subprocess.Popen(
            [sys.executable, "-c", MANAGER, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(self._folder)},  # it can't remove what it has there
        )
        self._manager.stdout.readline()

    def kill_manager(self):
        """Kill the Manager, which can do nothing about it."""
        self._manager.kill()
        self._manager.communicate()

    def close(self):
        """Stop everything."""
        self.oven.off.set()
        self._telling.join()
        for running in self._running:
            running.stop()
        self.kill_manager()

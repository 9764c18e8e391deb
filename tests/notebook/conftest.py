import sys
import threading

import pytest

from msl_network import Service

from ..oldest import oldest_python
from .kernels import Kernel


class Oven(Service):
    """A Service of the test's own process, which sees what a Client in a kernel does to it."""

    def __init__(self):
        super().__init__(ignore_attributes=("given_up", "heating", "hot"))
        self.given_up = threading.Semaphore(0)
        self.heating = threading.Semaphore(0)
        self.hot = threading.Event()

    def add(self, a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    def heat(self) -> str:
        """Return when it is hot, which the test decides."""
        self.heating.release()
        self.hot.wait(60)
        return "hot"

    def simmer(self, seconds: float = 60) -> str:
        """Report how far it is, until it is done or given up."""
        self.heating.release()
        for i in range(int(seconds * 20)):
            self.progress(i, int(seconds * 20), "simmering")
            if not self.request.sleep(0.05):
                self.given_up.release()
                break
        return "done"

    def tick(self):
        """Yield numbers until it is left."""
        self.heating.release()
        number = 0
        try:
            while True:
                yield number
                number += 1
                self.request.sleep(0.02)
        finally:
            self.given_up.release()

    def finish(self):
        """Let `heat` return."""
        self.hot.set()

    def fail(self):
        raise ValueError("no power")


@pytest.fixture
def home(tmp_path):
    """The home folder of msl_network in the kernel."""
    return tmp_path / "home"


@pytest.fixture
def ipykernel(request):
    """The Python of the kernel: see `each_ipykernel`."""
    return oldest_python() if getattr(request, "param", "") == "oldest" else sys.executable


@pytest.fixture
def kernel(home, ipykernel):
    kernel = Kernel(home, ipykernel)
    yield kernel
    kernel.close()


@pytest.fixture
def oven(manager):
    """A Service on a Manager, both in the process of the test."""
    oven = Oven()
    running = oven.start_in_background(**manager.kwargs)
    yield oven
    oven.hot.set()
    running.stop()


@pytest.fixture
def connected(kernel, manager, oven):
    """A kernel with `msl_network.notebook` imported, a `client` and a `link`."""
    kernel.run(f"""
import asyncio
import msl_network.notebook
client = msl_network.connect(**{manager.kwargs!r})
link = client.link("Oven")
""")
    return kernel

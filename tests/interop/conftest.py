"""The 1.x package in an environment of its own, and networks of both."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..laboratory import missing
from . import processes

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

REQUIREMENT = "msl-network==1.0.0"
FOLDER = Path(__file__).parents[2] / ".venv-1.x"
SETUP_TIMEOUT = 240.0
"""Seconds that each of the two steps to make the environment may take."""

MAKE_DATABASE = """
import sys
from msl.network.database import HostnamesTable, UsersTable
with UsersTable(database=sys.argv[1]) as users:
    for name, (password, is_admin) in {users!r}.items():
        users.insert(name, password, is_admin)
with HostnamesTable(database=sys.argv[1]) as hostnames:
    if sys.argv[2:]:
        for name in hostnames.hostnames():
            hostnames.delete(name)
        hostnames.insert(sys.argv[2])
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.interop)
            # the first one makes the environment, the first one of another worker waits for it
            item.add_marker(pytest.mark.timeout(2 * SETUP_TIMEOUT + 120))


@contextlib.contextmanager
def lock(path):
    """Let one process at a time in."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def has_1x(python):
    check = "from importlib.metadata import version; print(version('msl-network'))"
    if not os.path.exists(python):
        return False
    done = subprocess.run([python, "-c", check], capture_output=True, text=True, timeout=60)
    return done.stdout.strip() == REQUIREMENT.partition("==")[2]


def make_environment():
    python = str(FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
    with lock(FOLDER.parent / ".pytest_cache" / "venv-1.x.lock"):
        if not has_1x(python):
            run = {"check": True, "capture_output": True, "text": True, "timeout": SETUP_TIMEOUT}
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], **run)
            subprocess.run([python, "-m", "pip", "install", "--quiet", REQUIREMENT], **run)
    return python


@pytest.fixture(scope="session")
def python_1x():
    """The interpreter of an environment with the 1.x package."""
    python = os.environ.get("MSL_NETWORK_1X_PYTHON")
    if python:
        if not has_1x(python):
            pytest.fail(f"MSL_NETWORK_1X_PYTHON={python} has no {REQUIREMENT}")
        return python
    try:
        return make_environment()
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"cannot make an environment with {REQUIREMENT}: {error}"
        reason += f"\n{getattr(error, 'stderr', None) or ''}"
        missing(reason)


@pytest.fixture(scope="session")
def database_1x(python_1x, tmp_path_factory):
    """Make a database with 1.x; a hostname that is given is the only one that is trusted."""

    def make(*hostname):
        path = str(tmp_path_factory.mktemp("database") / "manager.sqlite3")
        script = MAKE_DATABASE.format(users=processes.USERS)
        environment = {**os.environ, "MSL_NETWORK_HOME": os.path.dirname(path)}
        subprocess.run(
            [python_1x, "-c", script, path, *hostname], check=True, timeout=60, env=environment
        )
        return path

    return make


@pytest.fixture
def open_network(python_1x, tmp_path):
    """Start networks that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(kind, **kwargs):
            folder = tmp_path / f"network {kind}"
            network = processes.Network(processes.pythons(python_1x), kind, folder, **kwargs)
            stack.callback(network.close)
            return network.open()

        yield start


@pytest.fixture(scope="session")
def networks(python_1x, database_1x, tmp_path_factory):
    """A network with a Manager of each kind, started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        running = {}

        def get(kind):
            if kind not in running:
                running[kind] = network = processes.Network(
                    processes.pythons(python_1x),
                    kind,
                    tmp_path_factory.mktemp(f"manager-{kind}"),
                    users=processes.BOHR,
                    database=database_1x(),
                )
                stack.callback(network.close)
                network.open()
            return running[kind]

        yield get


@pytest.fixture(params=["ours", "1.x"], ids="Manager {}".format)
def network(request, networks):
    """A network with a Manager of each kind."""
    return networks(request.param)


@pytest.fixture(params=["ours", "1.x"], ids="Service {}".format)
def service(request, network):
    """The name of a Service of each kind."""
    return network.services[request.param]


@pytest.fixture(params=["ours", "1.x"], ids="Client {}".format)
def player(request, network):
    """A player of each kind."""
    return network.players[request.param]

"""What all tests share: a home of their own, and a Manager."""

import contextlib
import os
import shutil
import tempfile

# The paths are worked out when msl_network.constants is imported: no test touches the home of
# the person who runs it, and each worker has one of its own.
HOME = tempfile.mkdtemp(prefix="msl-network-tests-")
os.environ["MSL_NETWORK_HOME"] = HOME

import pytest  # noqa: E402


def pytest_unconfigure():
    shutil.rmtree(HOME, ignore_errors=True)


def pytest_collection_modifyitems(config, items):
    """Have one worker begin with the browser, which keeps more than one processor busy, while the
    others have what waits a lot; without workers, what is quick comes first."""
    is_alone = not hasattr(config, "workerinput")
    items.sort(key=lambda item: (item.get_closest_marker("browser") is None) != is_alone)


@pytest.fixture
def manager():
    """A Manager with TLS and no authentication."""
    from msl_network import LocalManager

    with LocalManager() as manager:
        yield manager


@pytest.fixture
def laboratory():
    """Make a laboratory; at the end it must be as healthy as at the beginning."""
    from .laboratory import Laboratory

    with contextlib.ExitStack() as stack:
        made = []

        def make(**kwargs):
            made.append(Laboratory(stack, **kwargs))
            return made[0]

        yield make
        for one in made:
            one.check()

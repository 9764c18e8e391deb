"""What all tests share: a home of their own, and a Manager."""

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


@pytest.fixture
def manager():
    """A Manager with TLS and no authentication."""
    from msl_network import LocalManager

    with LocalManager() as manager:
        yield manager

"""The oldest ipykernel that is supported, in an environment that `make test` makes."""

import sys
from pathlib import Path

import pytest

from .laboratory import missing

_FOLDER = Path(__file__).parents[1] / ".venv-oldest"
PYTHON = _FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
"""The Python of that environment."""

each_ipykernel = pytest.mark.parametrize("ipykernel", ["newest", "oldest"], indirect=True)
"""Run a test that has a `kernel` with the newest and with the oldest ipykernel."""


def oldest_python():
    """The Python of that environment, which a test needs."""
    if not PYTHON.exists():
        missing(f"There is no environment with the oldest ipykernel: make {_FOLDER.name}/.made")
    return str(PYTHON)

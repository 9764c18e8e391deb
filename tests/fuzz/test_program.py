"""The program `python -m tests.fuzz`: with atheris and without, and what it says of a failure."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..laboratory import missing
from . import __main__ as program
from .targets import TARGETS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("guided", [True, False])
def test_a_short_run(guided, tmp_path):
    if guided and importlib.util.find_spec("atheris") is None:
        missing("there is no atheris for this system")
    targets = ["codec", "manager", "service"]
    command = [sys.executable, "-m", "tests.fuzz", *targets, "--runs", "1000"]
    command += ["--corpus", str(tmp_path)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command if guided else [*command, "--plain"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as documented") == len(targets)
    assert ("guided by coverage" in done.stdout) == guided


def test_a_failure_is_kept_and_can_be_run_again(tmp_path, monkeypatch, capsys):
    def fragile(data):
        if b"Infinity" in data:
            raise ZeroDivisionError("found")

    monkeypatch.setitem(TARGETS, "codec", fragile)
    outcome = program.unguided("codec", 5000, None, tmp_path)
    assert outcome.failed
    assert outcome.executions < 5000
    assert not program.report([outcome], "")
    said = capsys.readouterr().out
    assert "FAILED" in said
    assert f"python -m tests.fuzz codec --again {outcome.crash}" in said
    with pytest.raises(ZeroDivisionError):
        TARGETS["codec"](outcome.crash.read_bytes())

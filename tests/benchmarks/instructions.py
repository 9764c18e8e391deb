"""Instructions of a call in each process: `python -m tests.benchmarks --instructions`.

A process under valgrind counts its instructions, which do not depend on what else the machine is
doing, as times do: a few percent that a change costs are seen. It is measured beside other
revisions of the repository.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.ports import free_port

from .running import HERE, REPOSITORY, wait_for_port

ROLES = ("manager", "service", "caller")

FEW = 200
"""Calls of the run that is subtracted: what starting and ending costs is in both."""


def main(revisions: list[str], count: int) -> None:
    """Measure the working tree beside other revisions, and print what a call costs.

    Args:
        revisions: The other revisions, as git names them.
        count: How many calls are counted.
    """
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed: apt-get install valgrind")
    print(f"{'1,000 instructions per call':<30}{''.join(f'{role:>12}' for role in ROLES)}")
    with tempfile.TemporaryDirectory() as folder:
        for revision in [*revisions, ""]:
            root = _extract(revision, Path(folder)) if revision else REPOSITORY
            figures = [_measure(root, role, count) / 1000 for role in ROLES]
            name = revision or "working tree"
            print(f"{name:<30}{''.join(f'{figure:>12,.1f}' for figure in figures)}", flush=True)


def _extract(revision: str, folder: Path) -> Path:
    root = folder / re.sub(r"\W", "-", revision)
    root.mkdir()
    command = ["git", "archive", "--output", f"{root}.tar", revision, "msl_network"]
    if subprocess.run(command, cwd=REPOSITORY, check=False).returncode:
        raise SystemExit(f"git has no revision {revision!r}")
    subprocess.run(["tar", "-x", "-C", root, "-f", f"{root}.tar"], check=True)
    return root


def _measure(root: Path, role: str, count: int) -> float:
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "MSL_NETWORK_HOME": home, "PYTHONPATH": str(root)}
        # the keys are made by a run that is not counted
        _run(env, "", 1)
        few, many = (_run(env, role, calls) for calls in (FEW, FEW + count))
    return (many - few) / count


def _run(env: dict[str, str], counted: str, calls: int) -> int:
    port = free_port()
    counts = Path(env["MSL_NETWORK_HOME"]) / "counts"
    with ExitStack() as stack:

        def start(role: str, *args: str) -> subprocess.Popen:
            command = [sys.executable, str(HERE / "peer.py"), "msl_network", role, str(port), *args]
            if role == counted:
                tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"]
                command = [*tool, *command]
            quiet = subprocess.DEVNULL
            peer = subprocess.Popen(command, env=env, text=True, stdout=quiet, stderr=quiet)
            stack.callback(_end, peer)
            return peer

        wait_for_port(port, start("manager"))
        start("service")
        if start("caller", str(calls)).wait(600):
            raise SystemExit("the caller has failed")
    if not counted:
        return 0
    return max(map(int, re.findall(r"^(?:summary|totals): (\d+)", counts.read_text(), re.M)))


def _end(peer: subprocess.Popen) -> None:
    if peer.poll() is None:
        peer.send_signal(signal.SIGINT)
        peer.wait(60)

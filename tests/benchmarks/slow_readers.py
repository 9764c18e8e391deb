"""What peers that do not read cost others: `python -m tests.benchmarks --slow-readers`.

A Service emits large notifications to all that are linked with it. Some Clients take them and call
a method again and again; others are linked, and read nothing any more. Manager, Service and the
healthy Clients are a process each, TLS is on.
"""

import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.raw import RawPeer

REPOSITORY = Path(__file__).parents[2]

MANAGER = """
import json, sys
from msl_network import LocalManager

with LocalManager(database=sys.argv[1]) as manager:
    print(json.dumps(manager.kwargs), flush=True)
    sys.stdin.readline()
"""

SERVICE = """
import json, sys, threading, time
from msl_network import Service

class Source(Service):
    def add(self, x, y):
        return x + y

source = Source()
with source.start_in_background(**json.loads(sys.argv[1])):
    print("ready", flush=True)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    while not stop.wait(0.1):
        source.emit_notification("x" * 100_000)
"""

CLIENTS = """
import json, sys, threading, time
from msl_network import connect

kwargs, seconds = json.loads(sys.argv[1]), float(sys.argv[2])
times = []

def work():
    with connect(**kwargs) as client:
        link = client.link("Source")
        link.notification_handler = lambda text: None
        until = time.perf_counter() + seconds
        while (start := time.perf_counter()) < until:
            assert link.add(1, 2) == 3
            times.append(time.perf_counter() - start)
            time.sleep(0.002)

threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(times))
"""


def _start(stack: contextlib.ExitStack, program: str, *words: str) -> subprocess.Popen:
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    )
    stack.callback(process.kill)
    return process


def run(slow: int, seconds: float) -> tuple[list[float], list[str]]:
    """Measure.

    Args:
        slow: How many peers do not read.
        seconds: For how long healthy Clients call.

    Returns:
        The times of the calls in seconds, and what the record says of those that were dropped.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        database = str(Path(folder) / "manager.sqlite3")
        kwargs = json.loads(_start(stack, MANAGER, database).stdout.readline())
        _start(stack, SERVICE, json.dumps(kwargs)).stdout.readline()
        for _ in range(slow):
            peer = stack.enter_context(RawPeer(kwargs["port"])).client()
            peer.ask({"service": "Manager", "attribute": "link", "args": ["Source"], "uid": "l"})
        clients = _start(stack, CLIENTS, json.dumps(kwargs), str(seconds))
        times = json.loads(clients.communicate(timeout=seconds + 60)[0])
        with contextlib.closing(sqlite3.connect(database)) as connection:
            rows = connection.execute("SELECT message FROM connections")
            dropped = [row[0] for row in rows if "did not read" in row[0]]
    return times, dropped


def main(rounds: int, seconds: float = 20.0) -> None:
    """Print the figures, with and without 50 peers that do not read, taking turns."""
    figures: dict[int, list[list[float]]] = {0: [], 50: []}
    for _ in range(rounds):
        for slow, found in figures.items():
            times, dropped = run(slow, seconds)
            hundredths = statistics.quantiles(times, n=100)
            found.append([1000 * hundredths[49], 1000 * hundredths[98], 1000 * max(times)])
            print(
                f"{slow:>2} that do not read: {len(times):,} calls, "
                "median {:.2f} ms, p99 {:.2f} ms, longest {:.1f} ms".format(*found[-1]),
                f"({len(dropped)} dropped: {dropped[0]!r})" if dropped else "",
                flush=True,
            )
    without, beside = (statistics.median(f[1] for f in found) for found in figures.values())
    print(
        f"\np99, median of {rounds}: {without:.2f} ms without them, {beside:.2f} ms with them: "
        f"{beside / without:.2f} times as long"
    )

"""This package beside 1.x, on the same work: `python -m tests.benchmarks --help`.

Manager, Service and Client are a process each, TLS is on, and the two take turns, so that what else
the machine is doing hits both. Nothing is asserted: machines are shared and noisy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from tests.ports import free_port

from . import instructions, slow_readers
from .running import HERE, REPOSITORY, wait_for_port


def run(python: str, package: str, count: int) -> dict[str, float]:
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "MSL_NETWORK_HOME": home, "PYTHONPATH": str(REPOSITORY)}

        def start(role: str, *args: str, **options: object) -> subprocess.Popen:
            command = [python, str(HERE / "peer.py"), package, role, str(port), *args]
            return subprocess.Popen(command, env=env, text=True, **options)

        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        manager = start("manager", **quiet)
        peers = [manager]
        try:
            wait_for_port(port, manager)
            peers.append(start("service", **quiet))
            for _ in range(20):
                time.sleep(0.25)  # the Service has no way to tell that it is there
                client = start("client", str(count), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                output, errors = client.communicate(timeout=600)
                if client.returncode == 0:
                    return json.loads(output.splitlines()[-1])
            raise SystemExit(errors)
        finally:
            for peer in reversed(peers):
                peer.terminate()
                peer.wait(20)


def import_time(python: str, package: str) -> float:
    code = (
        "import time; t = time.perf_counter(); "
        f"from {package} import connect, Service; print(time.perf_counter() - t)"
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    output = subprocess.run([python, "-c", code], env=env, capture_output=True, check=True)
    return 1000 * float(output.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("MSL_NETWORK_1X_PYTHON", str(REPOSITORY / ".venv-1.x/bin/python"))
    parser.add_argument("--python-1x", default=default, help="Python with 1.x (%(default)s)")
    parser.add_argument("--count", type=int, default=10_000, help="calls per run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (%(default)s)")
    parser.add_argument(
        "--slow-readers",
        action="store_true",
        help="measure instead what healthy Clients notice of 50 peers that do not read",
    )
    parser.add_argument(
        "--instructions",
        nargs="*",
        metavar="REVISION",
        help="count instead the instructions of a call in each process, beside other revisions",
    )
    args = parser.parse_args()
    if args.instructions is not None:
        instructions.main(args.instructions, args.count // 10)
        return
    if args.slow_readers:
        slow_readers.main(args.rounds)
        return
    sides = {"1.x": (args.python_1x, "msl.network"), "this": (sys.executable, "msl_network")}
    results: dict[str, dict[str, list[float]]] = {name: {} for name in sides}
    for _ in range(args.rounds):
        for name, side in sides.items():
            figures = run(*side, args.count)
            figures["import"] = import_time(*side)
            for what, figure in figures.items():
                results[name].setdefault(what, []).append(figure)
            print(f"{name}: " + ", ".join(f"{k} {v:,.1f}" for k, v in figures.items()), flush=True)
    print(f"\n{'median of ' + str(args.rounds):<24}{'1.x':>12}{'this':>12}{'ratio':>9}")
    for what in results["this"]:
        if what == "stream":
            median = statistics.median(results["this"][what])
            print(f"{'stream [items/s]':<24}{'':>12}{median:>12,.1f}")
            continue
        old, new = (statistics.median(results[name][what]) for name in sides)
        unit = "ms" if what == "import" else "calls/s"
        ratio = old / new if what == "import" else new / old
        print(f"{what + ' [' + unit + ']':<24}{old:>12,.1f}{new:>12,.1f}{ratio:>8.1f}x")


if __name__ == "__main__":
    main()

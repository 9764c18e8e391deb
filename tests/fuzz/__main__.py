"""Fuzzes the wire layer and says what it found: `python -m tests.fuzz --help`.

atheris (libFuzzer) looks for inputs that reach new code; where it can't be installed, the mutator
makes them without looking. What is found is kept below `build/fuzz`, so that the next run goes
on from there. The exit code is 1 if a target failed, and the input that did it is in a file.
"""

import argparse
import gc
import hashlib
import importlib.util
import re
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import psutil

from .mutate import Mutator
from .seeds import seeds, write_corpus, write_dictionary
from .targets import TARGETS

GROWTH = 32
"""Most MiB by which a process may grow."""

LONGEST = 8192
"""Most bytes of an input."""

_STATUS = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: \d+ .*rss: (\d+)Mb")
_WRITTEN = re.compile(r"Test unit written to (\S+)")


@dataclass
class Outcome:
    """What came of fuzzing a target."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    coverage: int | None = None
    growth: float = 0.0
    crash: Path | None = None
    reason: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.reason)


def guided(target: str, runs: int | None, seconds: float | None, output: Path) -> Outcome:
    """Fuzz a target with atheris."""
    corpus, crashes = output / "corpus" / target, output / "crashes"
    crashes.mkdir(parents=True, exist_ok=True)
    write_corpus(target, corpus)
    write_dictionary(output / "dictionary")
    command = [
        *(sys.executable, "-m", "tests.fuzz.guided", target),
        *(f"-dict={output / 'dictionary'}", f"-max_len={LONGEST}", "-rss_limit_mb=1024"),
        *("-timeout=10", f"-artifact_prefix={crashes / target}-", str(corpus)),
    ]
    if runs is not None:
        command.append(f"-runs={runs}")
    if seconds is not None:
        command.append(f"-max_total_time={max(1, round(seconds))}")
    outcome = Outcome(target)
    begin = time.monotonic()
    first_memory = last_memory = 0
    log: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            log = [*log[-30:], line.rstrip()]
            if status := _STATUS.match(line):
                outcome.executions, outcome.coverage, last_memory = map(int, status.groups())
                first_memory = first_memory or last_memory
            elif written := _WRITTEN.search(line):
                outcome.crash = Path(written[1])
    outcome.seconds = time.monotonic() - begin
    outcome.growth = last_memory - first_memory
    if process.returncode:
        outcome.reason = "\n".join(log)
    return outcome


def unguided(target: str, runs: int | None, seconds: float | None, output: Path) -> Outcome:
    """Fuzz a target with the mutator."""
    outcome = Outcome(target)
    run = TARGETS[target]
    begin = time.monotonic()
    mutator = Mutator(seeds(target), seed=time.time_ns(), longest=LONGEST)
    memory = psutil.Process().memory_info
    first = None
    for i, data in enumerate(mutator):
        outcome.seconds = time.monotonic() - begin
        if i == runs or (seconds is not None and outcome.seconds > seconds):
            break
        if i == 1000:
            gc.collect()
            first = memory().rss
        outcome.executions = i + 1
        try:
            run(data)
        except Exception:
            crashes = output / "crashes"
            crashes.mkdir(parents=True, exist_ok=True)
            outcome.crash = crashes / f"{target}-crash-{hashlib.sha256(data).hexdigest()[:16]}"
            outcome.crash.write_bytes(data)
            outcome.reason = traceback.format_exc()
            break
    if first is not None:
        gc.collect()
        outcome.growth = (memory().rss - first) / 2**20
    return outcome


def report(outcomes: list[Outcome], guide: str) -> bool:
    """Print what came of it; whether all is well."""
    for outcome in outcomes:
        if not outcome.failed and outcome.growth > GROWTH:
            outcome.reason = f"its memory grew by more than {GROWTH} MiB"
    print(f"\n{guide}\n\ntarget      executions   per second   coverage   grew by   outcome")
    for o in outcomes:
        coverage = "-" if o.coverage is None else str(o.coverage)
        speed = o.executions / max(o.seconds, 1e-9)
        print(
            f"{o.target:<10} {o.executions:>11,} {speed:>12,.0f} {coverage:>10} "
            f"{o.growth:>5.0f} MiB   {'FAILED' if o.failed else 'as documented'}"
        )
    for o in filter(lambda o: o.failed, outcomes):
        print(f"\n--- {o.target} ---\n{o.reason}")
        if o.crash is not None:
            print(f"The input is in {o.crash}. To run it again:")
            print(f"  python -m tests.fuzz {o.target} --again {o.crash}")
    return not any(o.failed for o in outcomes)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default"
    )
    parser.add_argument("--runs", type=int, help="inputs for each target")
    parser.add_argument("--seconds", type=float, help="seconds for each target (default: 60)")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=Path("build/fuzz"),
        metavar="DIR",
        help="where inputs that reach new code or fail are kept (default: build/fuzz)",
    )
    parser.add_argument("--plain", action="store_true", help="use the mutator, not atheris")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run one input again")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    targets = options.targets or list(TARGETS)
    if options.again is not None:
        for target in targets:
            TARGETS[target](options.again.read_bytes())
        print("as documented")
        return 0
    seconds = options.seconds
    if options.runs is None and seconds is None:
        seconds = 60.0
    plain = options.plain or importlib.util.find_spec("atheris") is None
    fuzz = unguided if plain else guided
    outcomes = []
    try:
        for target in targets:
            print(f"fuzzing {target} ...", flush=True)
            outcomes.append(fuzz(target, options.runs, seconds, options.corpus))
    except KeyboardInterrupt:
        print("interrupted")
    guide = "without a guide (atheris is not used)" if plain else "guided by coverage (atheris)"
    return 0 if report(outcomes, guide) else 1


if __name__ == "__main__":
    sys.exit(main())

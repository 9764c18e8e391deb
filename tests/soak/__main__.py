"""Lets a Manager, Services and Clients run for a long time and checks every reply: see `--help`.

It proves that no reply is wrong, none comes twice, and none is missing without an error, while the
Manager is killed and started again; and that at the end every process holds what it held at the
beginning. The exit code is 1, with the reasons, if any of this is not so.
"""

import argparse
import sys
import tempfile
import time

from .soak import Soak


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells]))


def report(soak, seconds):
    """Print what came of it; whether all is well."""
    done, errors = soak.totals()
    slowest = max((score["slowest"] for score in soak.scores.values()), default=0)
    print(
        f"\n{seconds / 60:.1f} minutes, {done.total():,} right results "
        f"({done.total() / seconds:,.0f} a second), {errors.total():,} errors, "
        f"{soak.restarts} restarts of the Manager, the slowest result took {slowest:.1f} s\n"
    )
    reloads = sum(score["done"].get("reload", 0) for score in soak.scores.values())
    table([["work", "right"], *([work, f"{n:,}"] for work, n in done.most_common())])
    print(f"\n{reloads:,} reloads")
    if errors:
        print()
        table(
            [
                ["error while the Manager was away", "times"],
                *([error, f"{n:,}"] for error, n in errors.most_common()),
            ]
        )
    if soak.before and soak.after:
        print()
        names = [
            "descriptors",
            "threads",
            "tasks",
            "links",
            "in flight",
            "streams",
            "pool",
            "memory",
        ]
        rows = [["held before > after by", *names]]
        for name, held in soak.after.items():
            before = soak.before[name]
            cells = [
                f"{before[what]:.0f} > {held[what]:.0f}" if what in held else "-" for what in names
            ]
            rows.append([name, *cells])
        table(rows)
        manager = soak.after["manager"]
        print(
            "\nat the Manager: "
            + ", ".join(f"{manager[what]} {what}" for what in ("clients", "services", "locks"))
        )
    wrong = soak.all_wrong()
    print(f"\n{soak.wrong_count()} wrong" if wrong else "\nNothing was wrong.")
    for text in wrong:
        print(f"- {text}")
    return not wrong


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__.split("\n\n")[0]
    )
    number = parser.add_argument
    number("--minutes", type=float, default=60, help="how long (default: 60)")
    number("--clients", type=int, default=100, help="how many Clients (default: 100)")
    number("--services", type=int, default=10, help="how many Services, 4 or more (default: 10)")
    number(
        "--restart-every",
        type=float,
        default=5,
        metavar="SECONDS",
        help="how often the Manager is killed in the middle third; 0 for never (default: 5)",
    )
    number("--pause", type=float, default=0.4, help="mean pause of a Client (default: 0.4 s)")
    number("--seed", type=int, default=1875, help="of the random numbers (default: 1875)")
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    code = 0
    with (
        tempfile.TemporaryDirectory(prefix="msl-network-soak-") as folder,
        Soak(options, folder, lambda line: print(line, flush=True)) as soak,
    ):
        try:
            soak.start()
            print(f"{options.clients} Clients, {options.services} Services", flush=True)
            begin = time.monotonic()
            soak.run()
        except KeyboardInterrupt:
            print("\ninterrupted")
            code = 130
        except RuntimeError as error:
            soak.wrong.append(str(error))  # a process has ended, or hangs
        if not report(soak, max(time.monotonic() - begin, 1e-9)):
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())

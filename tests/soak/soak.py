"""A soak: a Manager, Services and Clients in processes of their own, for as long as one likes.

It begins calm; for the middle third of its time the Manager is killed and started again on the same
port every few seconds, with SIGKILL and SIGTERM in turns; it ends calm. What each process holds is
counted before and after it.
"""

import contextlib
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from msl_network.cryptography import generate_certificate, generate_key
from msl_network.database import UsersTable
from tests.child import Child
from tests.ports import free_port

LOGIN = ("n.bohr", "Ångström & Co")
CLIENT_PROCESSES = 3
SERVICE_PROCESSES = 2
LOCKED = 2
"""How many of the Services are those that Clients lock."""

WARM_UP = 0.1
"""Part of the time after which it is counted what the processes hold."""

PROGRESS = 10.0
"""Seconds between two lines of progress."""

SETTLE = 30.0
"""Seconds in which the processes must hold what they held before."""

GROWTH = 128
"""Most MiB by which a process may grow: what a thousand large messages leave of a heap."""

# what can be fewer or more without a leak
VARY = {"memory", "pool", "task names", "errors"}


class Soak:
    """A soak.

    Args:
        options: See `__main__`.
        folder: Where its files are.
        say: Called with each line of progress.

    Attributes:
        wrong: What was wrong.
        before, after: What each process held.
        restarts: How often the Manager was killed.
    """

    def __init__(self, options, folder, say=print):
        self._options = options
        self._folder = Path(folder)
        self._say = say
        self._stack = contextlib.ExitStack()
        self._manager = None
        self._clients = {}
        self._services = {}
        self._begin = time.monotonic()
        self.wrong = []
        self.before = {}
        self.after = {}
        self.restarts = 0
        self.scores = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._manager is not None:
            self._manager.close()
        self._stack.close()

    # --- processes -----------------------------------------------------------------------

    def start(self):
        """Start all processes and wait until everybody is connected."""
        key = generate_key(path=str(self._folder / "manager.key"), algorithm="ECC")
        cert = generate_certificate(path=str(self._folder / "manager.crt"), key_path=key)
        database = str(self._folder / "manager.sqlite3")
        with UsersTable(database=database) as users:
            users.insert(*LOGIN, False)
        port = free_port()
        self._manager_options = {
            "host": "127.0.0.1",
            "port": port,
            "auth_login": True,
            "database": database,
            "cert_file": cert,
            "key_file": key,
        }
        kwargs = {"host": "localhost", "port": port, "cert_file": cert, "timeout": 30}
        kwargs["username"], kwargs["password"] = LOGIN
        self._start_manager()
        services = [f"Soak{i}" for i in range(self._options.services)]
        for i in range(SERVICE_PROCESSES):
            self._services[f"services-{i + 1}"] = self._child(
                "service_child",
                f"services-{i + 1}",
                {
                    "services": services[i::SERVICE_PROCESSES],
                    "reloaded": f"Reloaded{i}",
                    "kwargs": kwargs,
                },
            )
        names = [f"Client{i}" for i in range(self._options.clients)]
        for i in range(CLIENT_PROCESSES):
            self._clients[f"clients-{i + 1}"] = self._child(
                "client_child",
                f"clients-{i + 1}",
                {
                    "names": names[i::CLIENT_PROCESSES],
                    "services": services[:-LOCKED],
                    "others": services[-LOCKED:],
                    "reloaded": [f"Reloaded{i}" for i in range(SERVICE_PROCESSES)],
                    "kwargs": kwargs,
                    "pause": self._options.pause,
                    "seed": self._options.seed,
                },
            )

    def _child(self, module, name, config):
        return self._stack.enter_context(Child(f"tests.soak.{module}", name, self._folder, config))

    def _start_manager(self):
        config = {"options": self._manager_options}
        self._manager = Child("tests.manager_child", "manager", self._folder, config)

    def _restart_manager(self):
        number = (signal.SIGKILL, signal.SIGTERM)[self.restarts % 2]
        self._manager.kill(number)
        self._manager.close()
        self.restarts += 1
        self._start_manager()

    def _children(self):
        return {"manager": self._manager, **self._services, **self._clients}

    def _ask(self, children, action, *args):
        """Ask several at the same time."""
        with ThreadPoolExecutor(len(children)) as pool:
            asked = {
                name: pool.submit(child.ask, action, *args, wait=300)
                for name, child in children.items()
            }
            return {name: future.result() for name, future in asked.items()}

    # --- the run -------------------------------------------------------------------------

    def run(self):
        """Run it, from the first request to the last count."""
        total = self._options.minutes * 60
        self._begin = time.monotonic()
        self._ask({**self._clients, **self._services}, "work", True)
        self._work_until(total * WARM_UP, "warm-up")
        self._rest()
        self.before = self._settled()
        self._resume()
        restarted = self._options.restart_every > 0
        if restarted:
            self._work_until(total / 3, "calm")
            self._ask({**self._clients, **self._services}, "calm", False)
            self._work_until(total * 2 / 3, "restarts", self._options.restart_every)
            self._rest()
            self._resume()
        self._work_until(total, "calm")
        self._rest()
        self.after = self._settled(self.before)
        self._compare()
        self._note_scores()
        for name, late in self._ask(self._clients, "end").items():
            self.wrong += [f"{name}: {who} did not end" for who in late]

    def _rest(self):
        """Have everybody end what they do, and see that they are well."""
        for name, late in self._ask(self._clients, "work", False).items():
            self.wrong += [f"{name}: still at work: {who}" for who in late]
        self._ask(self._services, "work", False)

    def _resume(self):
        devices = {**self._clients, **self._services}
        self._ask(devices, "calm", True)
        self._ask(devices, "work", True)

    def _work_until(self, end, phase, restart_every=None):
        end += self._begin
        now = time.monotonic()
        progress, restart = now + PROGRESS, now + (restart_every or float("inf"))
        while (now := time.monotonic()) < end:
            time.sleep(max(0, min(progress, restart, end) - now))
            now = time.monotonic()
            if now >= restart:
                self._restart_manager()
                # where that took long, it is there for a while before the next one
                restart = max(restart + restart_every, time.monotonic() + restart_every / 2)
            if now >= progress:
                progress += PROGRESS
                self._progress(phase)

    def _progress(self, phase):
        self._note_scores()
        done, errors = self.totals()
        seconds = time.monotonic() - self._begin
        memory = " ".join(
            f"{psutil.Process(child.pid).memory_info().rss / 2**20:.0f}"
            for child in self._children().values()
        )
        self._say(
            f"{seconds:7.0f} s  {phase:<8}  {done.total():>9,} right  {errors.total():>7,} errors  "
            f"{self.wrong_count()} wrong  {self.restarts:>3} restarts  {memory} MiB"
        )

    def _note_scores(self):
        self.scores = self._ask({**self._clients, **self._services}, "score")

    def totals(self):
        """How much work ended in its result, and in which errors."""
        done, errors = Counter(), Counter()
        for name in self._clients:
            done += Counter(self.scores.get(name, {}).get("done", {}))
            errors += Counter(self.scores.get(name, {}).get("errors", {}))
        return done, errors

    def wrong_count(self):
        return len(self.wrong) + sum(score["wrong count"] for score in self.scores.values())

    def all_wrong(self):
        """Everything that was wrong, in words."""
        lines = list(self.wrong)
        for name, score in self.scores.items():
            lines += [f"{name}: {text}" for text in score["wrong"]]
            if more := score["wrong count"] - len(score["wrong"]):
                lines.append(f"{name}: and {more} more")
        return lines

    # --- what is left --------------------------------------------------------------------

    def _census(self):
        return self._ask(self._children(), "census")

    def _settled(self, expected=None):
        """What the processes hold, when it is what is expected or at the latest after a while.

        Without an expectation, that nothing is on its way: the same twice.
        """
        deadline = time.monotonic() + SETTLE
        last = self._census()
        while time.monotonic() < deadline:
            now = self._census()
            if not differences(last if expected is None else expected, now):
                return now
            last = now
            time.sleep(0.5)
        return last

    def _compare(self):
        self.wrong += differences(self.before, self.after)
        for name, held in self.after.items():
            grown = held["memory"] - self.before[name]["memory"]
            if grown > GROWTH:
                self.wrong.append(f"{name} has grown by {grown:.0f} MiB")
            self.wrong += [f"{name} logged: {text}" for text in held["errors"]]


def differences(before, after):
    """What the processes hold now, but did not hold before, or the other way round."""
    return [
        f"{name}: {what}: {number} before, {after[name][what]} after {after[name]['task names']}"
        for name, held in before.items()
        for what, number in held.items()
        if what not in VARY and after[name][what] != number
    ]

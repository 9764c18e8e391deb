"""Some Clients of a soak, in one process: one half blocking, in threads, the other asynchronous."""

import asyncio
import threading
import time

from tests.census import Errors, census
from tests.child import Pipe

from .faces import Asynchronous, Blocking, drive
from .load import Load
from .score import Score

IDLE = 150.0
"""Seconds in which all Clients must have ended what they were doing, and be well."""


class Clients:
    """The Clients of this process.

    Args:
        config: What the parent says of them.
    """

    def __init__(self, config):
        self._score = Score()
        self._errors = Errors()
        self._loads = []
        for i, name in enumerate(config["names"]):
            service = config["services"][i % len(config["services"])]
            face = (Blocking, Asynchronous)[i % 2]()
            others = config["others"]
            reloaded = config["reloaded"][i % len(config["reloaded"])]
            seed = f"{config['seed']} {name}"
            self._loads.append(
                Load(
                    face,
                    name,
                    config["kwargs"],
                    service,
                    others,
                    reloaded,
                    self._score,
                    config["pause"],
                    seed,
                )
            )
        self._threads = [
            threading.Thread(target=self._run, args=(drive, load), name=f"drives {load}")
            for load in self._loads[::2]
        ]
        self._threads.append(threading.Thread(target=self._run_asynchronous, name="drives loop"))
        for thread in self._threads:
            thread.daemon = True  # one that hangs is reported, and ends with the process
            thread.start()

    def _run(self, run, *loads):
        try:
            run(*[load.run() for load in loads])
        except BaseException as error:
            self._score.is_wrong(f"{', '.join(map(str, loads))} ended: {error!r}")

    def _run_asynchronous(self):
        async def gather(*runs):
            await asyncio.gather(*runs)

        self._run(lambda *runs: asyncio.run(gather(*runs)), *self._loads[1::2])

    def work(self, is_working):
        """Start to work, or stop; returns who has not stopped in time, and at what."""
        for load in self._loads:
            load.is_idle = False
            load.is_working = is_working
        if is_working:
            return []
        deadline = time.monotonic() + IDLE
        while late := [f"{load}: {load.now}" for load in self._loads if not load.is_idle]:
            if time.monotonic() > deadline:
                return late
            time.sleep(0.05)
        return []

    def calm(self, is_calm):
        """Say whether anything may fail from now on."""
        for load in self._loads:
            load.expect_every_tick()
            load.is_calm = is_calm

    def census(self):
        sessions = [load.client._session for load in self._loads if load.client is not None]
        return {
            **census(),
            "in flight": sum(len(session._in_flight._replies) for session in sessions),
            "links": sum(len(session.links) for session in sessions),
            "errors": self._errors.texts,
        }

    def score(self):
        return self._score.as_dict()

    def end(self):
        """Disconnect; returns who could not."""
        for load in self._loads:
            load.is_over = True
        deadline = time.monotonic() + IDLE
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]


def main():
    pipe = Pipe()
    clients = Clients(pipe.config)
    pipe.ready()
    pipe.serve(
        {
            "work": clients.work,
            "calm": clients.calm,
            "census": clients.census,
            "score": clients.score,
            "end": clients.end,
        }
    )


if __name__ == "__main__":
    main()

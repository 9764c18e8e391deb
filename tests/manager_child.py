"""A Manager in a process of its own, the program that users run, which tells what it holds.

Run by `child.Child("tests.manager_child", ...)` with `{"options": those of run_forever}`, and
`"patient": true` for one that takes any number of wrong passwords without a pause, each checked in
no time: what slows down a person who guesses would slow down a test of a thousand logins.
"""

import os
import signal
import sys
import threading

from msl_network import loop_thread, passwords
from msl_network.manager import authentication
from msl_network.manager.running import run_manager
from tests.census import Errors, census
from tests.child import Pipe

QUICK = b"$scrypt$ln=4,r=8,p=1$"


async def _holds(manager):
    services = manager.registry.services.values()
    return {
        "connections": len(manager.peers),
        "clients": len(manager.registry.clients),
        "services": len(manager.registry.services),
        "links": sum(len(service.links) for service in services),
        "locks": sum(len(service.locks) for service in services),
        "in flight": sum(service.in_flight.total() for service in services),
    }


def main():
    pipe = Pipe()
    errors = Errors()
    if pipe.config.get("patient"):
        authentication.LOGIN_ATTEMPTS = sys.maxsize
        passwords.CURRENT = QUICK
    manager = None

    def count():
        held = loop_thread.submit(_holds(manager)).result(60)
        return {**held, **census(), "errors": errors.texts}

    def serve():
        pipe.serve({"census": count})
        os.kill(os.getpid(), signal.SIGTERM)  # as who stops it does

    async def until(running):
        nonlocal manager
        manager = running.manager
        threading.Thread(target=serve, daemon=True).start()
        pipe.ready()
        await manager.stopped.wait()

    return run_manager(pipe.config["options"], until, log_level="WARNING", log_file=os.devnull)


if __name__ == "__main__":
    sys.exit(main())

"""Systems that have less than this one: no uvloop, `select` alone, and names that are missing."""

import subprocess
import sys

LESS = """
import asyncio, os, selectors, signal, socket, sys

sys.modules["uvloop"] = None
for module, names in (
    (socket, ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")),
    (os, ("fork", "register_at_fork", "killpg")),
    (signal, ("SIGURG", "SIGHUP")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


class Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(selectors.SelectSelector())

    def add_signal_handler(self, *_):
        raise NotImplementedError

    remove_signal_handler = add_signal_handler


asyncio.SelectorEventLoop = Loop
"""

SESSION = """
from msl_network import LocalManager, connect
from msl_network.examples import Echo
from msl_network.loop_thread import get_loop

with LocalManager(auth_login=True, users={"n.bohr": "secret"}) as manager:
    with Echo().start_in_background(**manager.kwargs), connect(**manager.kwargs) as client:
        link = client.link("Echo")
        many = [link.echo(i, asynchronous=True) for i in range(100)]
        assert [future.result(20)[0][0] for future in many] == list(range(100))
        assert len(link.echo("x" * 1_000_000)[0][0]) == 1_000_000
        assert client.admin_request("users_table.usernames") == ["n.bohr"]
    assert type(get_loop()) is Loop
print("done")
"""


def test_session_on_a_system_that_has_less():
    done = subprocess.run(
        [sys.executable, "-c", LESS + SESSION],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")

"""Two computers with a cable between them that can be pulled out: network namespaces, each with one
end. No packet comes or goes after that, and no system says so."""

import contextlib
import os
import subprocess
import sys
from typing import NamedTuple

from .laboratory import missing

MANAGER_ADDRESS, DEVICE_ADDRESS = "10.203.0.1", "10.203.0.2"


def run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)


class Computers(NamedTuple):
    """The names of the two namespaces: that of the Manager, and that of a device."""

    manager: str
    device: str

    def pull_out(self):
        """Pull out the cable, at the device's end."""
        run("ip", "-n", self.device, "link", "set", "cable", "down")

    def plug_in(self):
        """Plug it in again."""
        run("ip", "-n", self.device, "link", "set", "cable", "up")


def within(namespace, *command):
    """A command that runs another one in a namespace."""
    return ["ip", "netns", "exec", namespace, *command]


@contextlib.contextmanager
def two_computers():
    """Make the namespaces, and the cable."""
    if sys.platform != "linux" or os.geteuid() != 0:
        missing("only root can make network namespaces, on Linux")
    names = Computers(*(f"msl-{os.getpid()}-{end}" for end in Computers._fields))
    with contextlib.ExitStack() as stack:
        for name in names:
            try:
                run("ip", "netns", "add", name)
            except FileNotFoundError:
                missing("the `ip` command is missing: install iproute2")
            except subprocess.CalledProcessError as error:
                missing(f"a network namespace can't be made here: {error.stderr}")
            stack.callback(run, "ip", "netns", "delete", name)
        run(
            *("ip", "-n", names.manager, "link", "add", "cable", "type", "veth"),
            *("peer", "name", "cable", "netns", names.device),
        )
        for name, address in zip(names, (MANAGER_ADDRESS, DEVICE_ADDRESS), strict=True):
            run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "cable")
            for link in ("lo", "cable"):
                run("ip", "-n", name, "link", "set", link, "up")
        yield names

"""What a process has of threads, tasks, descriptors and connections: what is there after and was
not there before has leaked."""

import asyncio
import contextlib
import gc
import os
import re
import sys
import threading
import time

from msl_network import loop_thread
from msl_network.client.blocking import Client, Link
from msl_network.client.reply import Reply
from msl_network.client.session import Session
from msl_network.connection import Connection
from msl_network.line_socket import LineSocket
from msl_network.manager.peer import Peer
from msl_network.serving import ServiceSession

KINDS = (Client, Connection, LineSocket, Link, Peer, Reply, ServiceSession, Session)

# the network's own threads, which a process keeps: as many as it needed at the same time
POOL = re.compile(r"msl-network(-look-ups)?(-\d+)?$|asyncio_\d+$")

LEAK_TIMEOUT = 10  # seconds


def _threads():
    return {thread for thread in threading.enumerate() if not POOL.match(thread.name)}


def _tasks():
    return asyncio.all_tasks(loop_thread.get_loop())


def _files():
    files = set()
    if sys.platform == "linux":
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # that of the list itself
                target = os.readlink(f"/proc/self/fd/{number}")
                if target == "/dev/null":
                    continue  # a loop that has ever listened keeps one in reserve
                # a socket has a number of its own, others have not
                files.add(target if target.startswith("socket:") else f"{number} {target}")
    return files


def _objects():
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) in KINDS]


@contextlib.contextmanager
def leaks(*cables, timeout=LEAK_TIMEOUT):
    """Nothing is left of what was made in the block, save for the sockets of the cables.

    Args:
        cables: The cables that are there before and after.
        timeout: Seconds that it may take to go.

    Raises:
        AssertionError: Something is, and its text says what.
    """
    loop_thread.get_loop()  # it stays
    threads, tasks, files = _threads(), _tasks(), _files()
    objects = {id(thing) for thing in _objects()}
    yield

    def left():
        new = _files() - files
        if new:
            new = new.difference(*(cable.sockets() for cable in cables))
        return [*(_threads() - threads), *(_tasks() - tasks), *new]

    def left_objects():
        return [thing for thing in _objects() if id(thing) not in objects]

    for look, pause in ((left, 0.01), (left_objects, 0.1)):
        deadline = time.monotonic() + timeout
        while found := look():
            assert time.monotonic() < deadline, found
            del found
            time.sleep(pause)

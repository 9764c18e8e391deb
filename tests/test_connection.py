"""One connection of the Manager: flow control, and the end of peers that do not read."""

import asyncio
import gc
import socket
import time
import weakref

import pytest

from msl_network.budget import Budget
from msl_network.connection import WRITE_SIZE, Connection
from msl_network.loop_thread import new_event_loop


class Lines:
    """What has been received."""

    def __init__(self):
        self.lines = []
        self.lost = asyncio.Event()
        self.error = None

    def line_received(self, line):
        self.lines.append(line)

    def line_too_long(self, error):
        return b"too long\r\n"

    def connection_lost(self, error):
        self.error = error
        self.lost.set()


def run(work, **kwargs):
    """Run a coroutine function with a Connection, its receiver, and the socket of its peer."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        lines = Lines()
        options = {"limit": 1000, "stall_timeout": 0.3, **kwargs}
        _, connection = await loop.create_connection(
            lambda: Connection(lambda _: lines, **options), sock=ours
        )
        try:
            async with asyncio.timeout(30):
                await work(loop, connection, lines, theirs)
        finally:
            theirs.close()
            connection.abort("the end")
            await connection.wait_closed()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())


async def read(loop, sock):
    data = bytearray()
    while chunk := await loop.sock_recv(sock, 1 << 20):
        data += chunk
    return bytes(data)


def test_lines_arrive_in_order_and_in_one_piece():
    sent = [
        b"a\r\n",
        b"x" * 3 * WRITE_SIZE + b"\r\n",
        b"b\r\n",
        b"y" * WRITE_SIZE + b"\r\n",
        b"c\n",
    ]

    async def work(loop, connection, lines, peer):
        for line in sent:
            assert connection.send(line)
        connection.close()
        assert not connection.send(b"late\r\n")
        assert await read(loop, peer) == b"".join(sent)

    run(work)


def test_lines_are_received_and_limited():
    async def work(loop, connection, lines, peer):
        await loop.sock_sendall(peer, b"one\r\ntwo\nthr")
        await loop.sock_sendall(peer, b"ee\n")
        while len(lines.lines) < 3:
            await asyncio.sleep(0.01)
        await loop.sock_sendall(peer, b"x" * 2000)
        assert await read(loop, peer) == b"too long\r\n"
        assert lines.lines == [b"one", b"two", b"three"]
        peer.close()
        await lines.lost.wait()
        assert "limit of 1000 bytes" in connection.lost_reason

    run(work)


def test_lines_are_kept_back():
    async def work(loop, connection, lines, peer):
        connection.pause_lines()
        await loop.sock_sendall(peer, b"one\ntwo\n")
        await asyncio.sleep(0.05)
        assert lines.lines == []
        connection.resume_lines()
        while len(lines.lines) < 2:
            await asyncio.sleep(0.01)
        assert lines.lines == [b"one", b"two"]

    run(work)


@pytest.mark.parametrize("size", [20_000_000, 1000])
def test_peer_that_does_not_read_is_dropped(size):
    async def work(loop, connection, lines, peer):
        for _ in range(20_000_000 // size):
            connection.send(b"x" * size + b"\n")
        await lines.lost.wait()
        assert connection.lost_reason == "it did not read for 0.3 seconds"

    run(work)


def test_peer_that_reads_slowly_is_not():
    size = 5_000_000

    async def work(loop, connection, lines, peer):
        connection.send(b"x" * size)
        got = 0
        while got < size:
            got += len(await loop.sock_recv(peer, 200_000))
            await asyncio.sleep(0.04)
        assert got == size
        assert not connection.is_closing

    run(work)


def test_no_more_waits_than_allowed():
    async def work(loop, connection, lines, peer):
        while connection.send(b"x" * 100_000):
            pass
        await lines.lost.wait()
        assert connection.lost_reason == "more than 1000000 bytes wait for it"

    run(work, outgoing_limit=1_000_000, stall_timeout=30)


def test_no_more_lines_wait_than_allowed():
    async def work(loop, connection, lines, peer):
        while connection.send(b"x" * WRITE_SIZE):
            pass
        await lines.lost.wait()
        assert connection.lost_reason == "more than 100 messages wait for it"

    run(work, outgoing_lines=100, stall_timeout=30)


def test_line_in_parts_is_not_mixed_with_others():
    async def work(loop, connection, lines, peer):
        for part in (b"a", memoryview(b"x" * 3 * WRITE_SIZE), b"\r\n", b"b\r\n"):
            connection.send(part)
        connection.close()
        assert await read(loop, peer) == b"a" + b"x" * 3 * WRITE_SIZE + b"\r\nb\r\n"

    run(work)


def test_peer_that_floods_leaves_others_their_turn():
    async def work(loop, connection, lines, peer):
        seen = []

        def line_received(line):
            if not seen:
                loop.call_soon(lambda: seen.append(len(lines.lines)))
                seen.append(0)
            time.sleep(0.001)
            lines.lines.append(line)

        lines.line_received = line_received
        await loop.sock_sendall(peer, b"\n" * 500 + b"last\n")
        while lines.lines[-1:] != [b"last"]:
            await asyncio.sleep(0.01)
        assert len(lines.lines) == 501
        assert seen[1] < 100

    run(work)


def test_connection_that_has_gone_holds_nothing():
    """What still looks into its last line does not make it count again; and it is free at once."""
    budget = Budget()
    gone = []

    async def work(loop, connection, lines, peer):
        connection.pause_lines()
        connection.hold(WRITE_SIZE)
        assert budget.total == WRITE_SIZE
        connection.abort("it is given up")
        await lines.lost.wait()
        connection.hold(WRITE_SIZE)
        assert budget.total == 0
        gone.append(weakref.ref(connection))

    gc.disable()
    try:
        run(work, account=budget.open(""))
        assert gone[0]() is None
    finally:
        gc.enable()

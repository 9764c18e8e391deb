"""A cable between a device and its Manager, which a test can pull out, tear or cut.

It passes the bytes of each connection on as they come, so it is real TLS that runs through it.
"""

import asyncio
import os
import socket
import struct
import threading


class _End(asyncio.Protocol):
    """One end of a connection: what arrives here leaves at the other one."""

    def __init__(self, cable, direction, other=None):
        self.cable = cable
        self.direction = direction
        self.other = other
        self.transport = None
        self.waiting = b""  # until the other end is connected

    def connection_made(self, transport):
        self.transport = transport
        self.cable._ends.append(self)
        if self.cable._kill is not None:
            self.cable._kill(self)
        elif self.other is None:
            self.other = _End(self.cable, "down", self)
            self.cable._spawn(self.cable._plug_in(self.other))
        elif self.other.waiting:
            transport.write(self.other.waiting)

    def data_received(self, data):
        data = self.cable._passed(self, data)
        if not data:
            return
        if self.other.transport is None:
            self.waiting += data
        else:
            self.other.transport.write(data)

    def eof_received(self):
        if self.cable._kill is None:
            self.other.transport.close()

    def connection_lost(self, error):
        self.cable._ends.remove(self)
        if error is not None and self.cable._kill is None:
            self.other.transport.abort()


class Cable:
    """A TCP relay on the loopback interface, in a thread.

    Args:
        manager: The port of the Manager.

    Attributes:
        port: The port that a device connects to instead.
        stopped: Set for each direction, `"up"` (to the Manager) and `"down"`, when it has been
            told to stop and has done so.
    """

    def __init__(self, manager):
        self._manager = manager
        self._ends = []
        self._tasks = set()
        self._kill = None  # what is done to every end, once the cable is dead
        self._left = {}  # how many more bytes may pass
        self._turns = {}  # how many more times the side may say something
        self._last = None
        self.stopped = {"up": threading.Event(), "down": threading.Event()}
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cable", daemon=True)

    def __enter__(self):
        self._thread.start()
        self._server = self._do(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self._do(self._let_go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def sockets(self):
        """Its own connections, as `/proc/self/fd` of Linux has them."""
        return self._do(self._sockets())

    def stop(self, direction, *, after=None, turn=None):
        """Pass no more in one direction, and go on with the other one.

        Args:
            direction: `"up"` to the Manager, or `"down"`.
            after: How many more bytes pass.
            turn: The first turn that does not pass: what a side says, until the other side
                says something, is a turn of it. Counted from the beginning of a connection.
        """
        self._do(self._stop(direction, after, turn))

    def close(self):
        """Close every connection in both directions, as when a program ends."""
        self._do(self._die(lambda end: end.transport.write_eof()))

    def reset(self):
        """Reset every connection in both directions, as when a computer restarts."""
        self._do(self._die(_reset))

    def tear_off(self):
        """Reset every connection at the device's end alone, of which the Manager is told nothing.

        As of a router that was started again, or a computer that had no power. New ones pass.
        """
        self._do(self._tear_off())

    def silence(self):
        """Pass nothing any more, in neither direction; the connections stay open."""
        self._do(self._die(lambda end: end.transport.pause_reading()))

    # --- on its loop ---------------------------------------------------------------------

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def _spawn(self, coroutine):
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self):
        return await self._loop.create_server(lambda: _End(self, "up"), "127.0.0.1", 0)

    async def _plug_in(self, end):
        await self._loop.create_connection(lambda: end, "127.0.0.1", self._manager)

    async def _sockets(self):
        numbers = [end.transport.get_extra_info("socket").fileno() for end in self._ends]
        return {os.readlink(f"/proc/self/fd/{number}") for number in numbers if number >= 0}

    async def _stop(self, direction, after, turn):
        if after is not None:
            self._left[direction] = after
        else:
            self._turns[direction] = turn

    def _passed(self, end, data):
        """What of the data may pass; the others stay where they are."""
        if self._kill is not None:
            return b""
        direction = end.direction
        if direction in self._turns and self._last != direction:
            self._turns[direction] -= 1
            if self._turns[direction] == 0:
                self._left[direction] = 0
        self._last = direction
        if direction in self._left:
            data = data[: self._left[direction]]
            self._left[direction] -= len(data)
            if self._left[direction] == 0:
                end.transport.pause_reading()
                self.stopped[direction].set()
        return data

    async def _die(self, how):
        self._kill = how
        for end in list(self._ends):
            # what still comes is read, and goes nowhere: unread bytes make a reset of an end
            end.transport.resume_reading()
            how(end)

    async def _tear_off(self):
        for end in list(self._ends):
            if end.direction == "up":
                end.other.transport.pause_reading()
                _reset(end)

    async def _let_go(self):
        self._server.close()
        await self._die(lambda end: end.transport.abort())
        await self._server.wait_closed()
        for task in list(self._tasks):
            task.cancel()


def _reset(end):
    sock = end.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()

"""What one Client of a soak does, and what it must get for it.

Each piece of work ends within `BOUND` in the right result, or, while the Manager is being killed,
in an error that the documentation names. Anything else is wrong: another result, another error,
an error in calm times, a notification twice or, in calm times, missing. What is safe to repeat ends
in the right result always, and has the time to come back for it.
"""

import math
import time
import zlib
from itertools import chain
from random import Random

from msl_network import RemoteError

from .faces import BOUND
from .score import Wrong, kind
from .service_child import POOL

COMEBACK = 60.0
"""Seconds in which a Client must be back, with its link, once its Manager is."""

# what a request may end in while the Manager is away, or back without the Service or the link yet
AWAY = (ConnectionError, TimeoutError)
AWAY_THERE = {"KeyError", "ConnectionAbortedError", "PermissionError"}

WORK = {
    "echo": 40,
    "array": 10,
    "step": 20,
    "repeatable": 10,
    "timeout": 4,
    "cancel": 4,
    "large": 1,
    "lock": 4,
    "relink": 4,
    "connect": 3,
    "stream": 8,
    "leave": 4,
    "progress": 4,
    "error": 6,
    "alone": 6,
    "watch": 3,
    "pool": 6,
    "reloaded": 6,
}


class Load:
    """A Client and its work.

    Args:
        face: How the Client is used.
        name: The name of the Client.
        kwargs: How it connects.
        service: The name of the Service that it is always linked with.
        others: The names of Services that Clients lock.
        reloaded: The name of a Service that is reloaded.
        score: Where it says what came of it.
        pause: Mean seconds between two pieces of work.
        seed: Of the random numbers.

    Attributes:
        is_calm: Whether nothing is being killed, so that nothing may fail.
        is_working: Whether it should work; else it waits.
        is_over: Whether it should end.
        is_idle: Whether it waits, and is well.
        now: What it is doing.
        client: The Client, once it is connected.
    """

    def __init__(self, face, name, kwargs, service, others, reloaded, score, pause, seed):
        self._face = face
        self._name = name
        self._kwargs = {**kwargs, "name": name}
        self._service = service
        self._others = others
        self._reloaded_name = reloaded
        self._number = 0
        self._score = score
        self._pause = pause
        self._random = Random(seed)
        self._steps = 0
        self._tick = None
        self._ticks = 0
        self.is_calm = True
        self.is_working = False
        self.is_over = False
        self.is_idle = False
        self.now = "connect"
        self.client = None

    def __str__(self):
        return f"{self._name} ({type(self._face).__name__.lower()})"

    async def run(self):
        """Connect and work until it is over."""
        self.client = await self._face.connect(**self._kwargs)
        self._link = await self._face.link(self.client, self._service, BOUND)
        self._link.notification_handler = self._notified
        # what takes the most memory comes first, so that it is there when that is counted
        works = chain(["large"], random_works(self._random))
        while not self.is_over:
            if not self.is_working:
                if not self.is_idle:
                    await self._attempt("come back", self._come_back)
                    self.is_idle = True
                await self._face.pause(0.05)
                continue
            self.is_idle = False
            work = next(works)
            await self._attempt(work, getattr(self, f"_{work}"))
            await self._face.pause(self._random.expovariate(1 / self._pause))
        self.now = "disconnect"
        await self._face.disconnect(self.client, BOUND)

    async def _attempt(self, work, method):
        self.now = work
        was_calm = self.is_calm
        begin = time.monotonic()
        try:
            await method()
        except Wrong as error:
            self._score.is_wrong(f"{self}: {work}: {error}")
        except Exception as error:
            remote = isinstance(error, RemoteError) and error.type in AWAY_THERE
            if (was_calm and self.is_calm) or not (remote or isinstance(error, AWAY)):
                self._score.is_wrong(f"{self}: {work}: {kind(error)}: {error}")
            else:
                self._score.failed(work, error)
        else:
            self._score.right(work, time.monotonic() - begin)
        seconds = time.monotonic() - begin
        if seconds > (COMEBACK if work in ("come back", "repeatable") else BOUND) + 5:
            self._score.is_wrong(f"{self}: {work} took {seconds:.0f} seconds")

    # --- notifications -------------------------------------------------------------------

    def expect_every_tick(self):
        """From the next notification on none may be missing."""
        self._tick = None

    def _notified(self, number):
        last, self._tick = self._tick, number
        self._ticks += 1
        if last is None:
            return
        if number <= last:
            self._score.is_wrong(f"{self}: notification {number} came after {last}")
        elif self.is_calm and number != last + 1:
            self._score.is_wrong(f"{self}: notifications {last + 1} to {number - 1} are missing")

    # --- work ----------------------------------------------------------------------------

    async def _call(self, link, method, *args, **kwargs):
        timeout = kwargs.setdefault("timeout", BOUND)
        begin = time.monotonic()
        try:
            return await self._face.call(link, method, *args, **kwargs)
        except TimeoutError:
            if timeout >= BOUND:
                raise Wrong(f"{method}: neither a reply nor an error") from None
            raise
        finally:
            late = time.monotonic() - begin - timeout
            if late > 5:
                self._score.is_wrong(f"{self}: {method} ended {late:.0f} s after its timeout")

    async def _echo(self, link=None, size=200, **kwargs):
        text = "".join(self._random.choices('abcΩ漢🌡\n"\\', k=self._random.randrange(1, size)))
        await self._echo_text(link or self._link, text, **kwargs)

    async def _echo_text(self, link, text, **kwargs):
        checksum = zlib.crc32(text.encode())
        reply = await self._call(link, "echo", text, checksum, **kwargs)
        if reply != [text, checksum]:
            raise Wrong(f"the reply to {text!r:.80} is {reply!r:.80}")

    async def _repeatable(self):
        # it may have to come back first
        await self._echo(safe_to_repeat=True, timeout=COMEBACK)

    async def _array(self):
        array = [self._random.gauss(0, 1) for _ in range(1000)]
        array[self._random.randrange(1000)] = math.nan
        reply = await self._call(self._link, "reverse", array)
        if repr(reply) != repr(array[::-1]):
            raise Wrong("an array is not the one that was sent")

    async def _large(self):
        await self._echo_text(self._link, self._random.choice("aΩ") * 2_000_000)

    async def _step(self):
        self._steps += 1
        number = self._steps
        reply = await self._call(self._link, "step", self._name, number)
        if reply != number:
            raise Wrong(f"the reply to step {number} is {reply!r}")

    async def _timeout(self):
        try:
            reply = await self._call(self._link, "wait", 0.5, timeout=0.1)
        except TimeoutError:
            return
        raise Wrong(f"the reply {reply!r} came in spite of the timeout")

    async def _cancel(self):
        given_up = await self._face.cancel(self._link, "wait", 0.5)
        # it may be over before, which only the end of the connection does
        if not given_up and self.is_calm:
            raise Wrong("the request could not be given up")

    async def _stream(self):
        method = self._random.choice(("scan", "follow"))
        text, count = self._random.choice("aΩ🌡"), self._random.choice((0, 1, 50, 3000))
        items = await self._face.items(self._link, method, text, count)
        if items != [[number, text] for number in range(count)]:
            raise Wrong(f"{len(items)} of {count} items, or wrong ones: {items!r:.80}")

    async def _leave(self):
        method, most = self._random.choice(("scan", "follow")), self._random.randrange(1, 5)
        items = await self._face.items(self._link, method, "x", 100_000, most=most)
        if items != [[number, "x"] for number in range(most)]:
            raise Wrong(f"the items are wrong: {items!r:.80}")

    async def _progress(self):
        reports = []
        reply = await self._call(
            self._link, "work", 500, on_progress=lambda *report: reports.append(report)
        )
        reports = reports.copy()  # one may still come
        right = [(number, 500, f"{number} of 500") for number, *_ in reports]
        if reply != 500 or reports != right or reports != sorted(reports):
            raise Wrong(f"the reply is {reply!r}, the reports are {reports!r:.200}")

    async def _error(self):
        text = self._random.choice("abΩ") * self._random.randrange(1, 50)
        try:
            reply = await self._call(self._link, "fail", text)
        except RemoteError as error:
            if error.type in AWAY_THERE:
                raise
            is_right = isinstance(error, ValueError) and "in fail" in error.traceback
            if not is_right or (error.type, error.message) != ("OvenError", text):
                raise Wrong(f"the error is {error!r}") from None
        else:
            raise Wrong(f"the reply {reply!r} came instead of an error")

    async def _alone(self):
        number = self._random.randrange(1000)
        reply = await self._call(self._link, "alone", number)
        if reply != number:
            raise Wrong(f"the reply is {reply!r}, not {number}")

    async def _watch(self):
        watch = await self._face.watch(self.client, BOUND)
        with watch:
            clients, services = watch.clients, watch.services
            own = watch.network_name
            links = services.get(self._service, {}).get("links", ())
        # it may have been lost since: then nothing is known
        if self.is_calm and not (own in clients and own in links):
            raise Wrong(f"{own!r} is not there, or not linked with {self._service}")

    async def _pool(self):
        link = await self._face.link(self.client, POOL, BOUND)
        try:
            await self._echo(link, safe_to_repeat=self._random.random() < 0.5)
        finally:
            await self._unlink(link)

    async def _reloaded(self):
        link = await self._face.link(self.client, self._reloaded_name, BOUND)
        try:
            number = await self._call(link, "number")
            if number < self._number:
                raise Wrong(f"it is number {number}, and has been {self._number}")
            self._number = number
        finally:
            await self._unlink(link)

    async def _lock(self):
        link = await self._link_with(self._random.choice(self._others))
        if link is None:
            return
        try:
            names = await self._face.call(link, "acquire_lock", shared=True, timeout=BOUND)
            if not any(name.startswith(f"{self._name}[") for name in names):
                raise Wrong(f"it has the lock of {link.service_name}, but is not linked: {names}")
            await self._echo(link)
            await self._face.call(link, "release_lock", timeout=BOUND)
        finally:
            await self._unlink(link)

    async def _relink(self):
        link = await self._link_with(self._random.choice(self._others))
        if link is not None:
            await self._unlink(link)

    async def _link_with(self, service):
        try:
            return await self._face.link(self.client, service, BOUND)
        except RemoteError as error:
            if error.type == "PermissionError":
                return None  # another Client has locked it
            raise

    async def _unlink(self, link):
        """Unlink, also when the connection has to come back before."""
        deadline = time.monotonic() + COMEBACK
        while True:
            try:
                await self._face.call(link, "unlink", timeout=BOUND)
                return
            except (RemoteError, *AWAY) as error:
                if self.is_calm or time.monotonic() > deadline:
                    raise Wrong(f"cannot unlink: {kind(error)}: {error}") from None
            await self._face.pause(0.2)

    async def _connect(self):
        client = await self._face.connect(**{**self._kwargs, "name": f"{self._name}-more"})
        try:
            link = await self._face.link(client, self._service, BOUND)
            await self._echo(link)
        finally:
            await self._face.disconnect(client, BOUND)

    async def _come_back(self):
        """Be connected and linked again: a request is answered, and a notification comes."""
        deadline = time.monotonic() + COMEBACK
        while True:
            try:
                await self._echo()
                break
            except (RemoteError, *AWAY) as error:
                if self.is_calm or time.monotonic() > deadline:
                    raise Wrong(f"it is not back: {kind(error)}: {error}") from None
            await self._face.pause(0.1)
        ticks = self._ticks
        while self._ticks == ticks:
            if time.monotonic() > deadline:
                raise Wrong("there are no notifications")
            await self._face.pause(0.05)


def random_works(random):
    """What to do, for ever."""
    while True:
        yield from random.choices(list(WORK), list(WORK.values()), k=100)

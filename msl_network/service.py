"""A Service: an instrument, or anything else, whose methods are called over the network."""

import inspect
import logging
from collections.abc import Iterable
from typing import Any, Union

from . import asking
from .asking import Ask
from .computer import software
from .constants import CONNECT_TIMEOUT, PORT, RECONNECT
from .device import ConnectOptions
from .display import Description, Displayed
from .introducing import describe
from .lanes import lane_of
from .logs import set_logging_level
from .request import Request, current_request
from .running_service import RunningService
from .serving import ServiceSession
from .wire.codec import encode
from .wire.messages import notification_line

__all__ = ["Request", "Service", "filter_service_start_kwargs"]

logger = logging.getLogger(__package__)

# what is no Client's to ask for, whether a subclass defines it or not
_IGNORED = frozenset(
    {
        "add_tasks",
        "address_manager",
        "connection_lost",
        "connection_restored",
        "emit_notification",
        "emit_notification_threadsafe",
        "identity",
        "ignore_attributes",
        "loop_thread_id",
        "max_clients",
        "name",
        "port",
        "shutdown_handler",
        "start",
        "take_over",
    }
)

# what is new here, and is the Service's to offer where a subclass has a method of that name
_OWN = frozenset({"progress", "request", "start_in_background", "waiting"})


class Service(Displayed):
    """Base class of all Services.

    The public attributes of a subclass are what Clients can ask for. A method runs in a thread of
    its own, an `async def` method on the loop of the network; one that is called
    `shutdown_service` allows Clients to shut the Service down.

    Example:
        >>> class Thermometer(Service):
        ...     def temperature(self) -> float:
        ...         return 20.1
        >>> Thermometer().start(host="raspberrypi")

    Args:
        name: The name on the Manager; None for the name of the class.
        max_clients: Most Clients that can be linked at the same time; None for no limit.
        ignore_attributes: Names of attributes that Clients must not ask for.
        concurrency: Most requests that are executed at the same time, further ones wait in line; 1
            for an instrument that can do one thing at once, None for no limit. For single methods
            there is `serial`.
        replica: Whether it shares its name with others that say so and offer the same: each request
            goes to the one that has the fewest in flight.

    Raises:
        ValueError: `concurrency` is less than 1.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        max_clients: int | None = None,
        ignore_attributes: str | Iterable[str] | None = None,
        concurrency: int | None = None,
        replica: bool = False,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}, nothing would ever be executed")
        self._name = type(self).__name__ if name is None else name
        self._max_clients = int(max_clients) if max_clients is not None and max_clients > 0 else -1
        self._ignored: set[str] = set(_IGNORED)
        self._tasks: list[Any] = []
        self.__concurrency = concurrency
        self.__session: ServiceSession | None = None
        self.__address: str | None = None
        self.__replica = replica
        if ignore_attributes is not None:
            names = ignore_attributes
            self.ignore_attributes(*([names] if isinstance(names, str) else names))

    def __repr__(self) -> str:
        where = f"Manager[{self.__address}]" if self.__connected() else "not connected"
        return f"<Service {self._name!r} {where}>"

    def _repr_description_(self) -> Description:
        connected = self.__connected()
        state = f"is on the Manager at {self.__address}" if connected else "is not connected"
        return describe(self, state)

    # --- what is known of it -------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name on the Manager."""
        return self._name

    @property
    def max_clients(self) -> int:
        """Most Clients that can be linked at the same time; -1 for no limit."""
        return self._max_clients

    @property
    def address_manager(self) -> str | None:
        """`host:port` of the Manager; None before the first connection."""
        return self.__address

    @property
    def port(self) -> int | None:
        """The port of the connection to the Manager; None before the first connection."""
        return None if self.__session is None else self.__session.port

    @property
    def loop_thread_id(self) -> int | None:
        """The identifier of the thread that runs the event loop; None while not connected."""
        return self.__session.thread_id if self.__session and self.__connected() else None

    @property
    def request(self) -> Request | None:
        """The request for which the running method was called; None outside of one."""
        return current_request.get()

    def identity(self) -> dict[str, Any]:
        """Who the Service says it is: its name, and what it offers."""
        identity = {
            "type": "service",
            "name": self._name,
            "attributes": self.__offers(),
            "max_clients": self._max_clients,
            **software(),
        }
        return {**identity, "replica": True} if self.__replica else identity

    @staticmethod
    def set_logging_level(level: Union[str, int]) -> bool:  # noqa: UP007 - its text is 1.x's
        """Set the level of this package's log.

        Args:
            level: A number, also as text, or the name of a level in any case.

        Returns:
            Whether there is such a level.
        """
        return set_logging_level(level)

    # --- for a subclass ------------------------------------------------------------------

    def ignore_attributes(self, *names: str) -> None:
        """Keep attributes to the Service: Clients neither see them nor can ask for them.

        Call it before `start`.
        """
        self._ignored.update(names)

    def add_tasks(self, *coros_or_futures: Any) -> None:
        """Add coroutines that run on the event loop for as long as the Service is connected.

        Call it before `start`.
        """
        self._tasks.extend(coros_or_futures)

    def shutdown_handler(self) -> None:
        """Called in a thread after the connection has ended for good. Override it to clean up."""

    def connection_lost(self, error: Exception) -> None:
        """Called in a thread when the connection is lost. Override it to make an instrument safe.

        The Service tries to connect again for the seconds that `start` was given as `reconnect`.
        The replies of methods that are running are lost.

        Args:
            error: Why it is lost.
        """

    def connection_restored(self) -> None:
        """Called in a thread when a lost connection has been made again. Override it."""

    def take_over(self, old: "Service") -> None:
        """Called before this object takes the place of another one, see `RunningService.reload`.

        Override it to take over what can't be opened twice, a serial port for example, from the
        object whose requests may still be running. What is not overridden closes: the
        `shutdown_handler` of the other one is called when the last of its requests has ended.

        Example:
            >>> class Meter(Service):
            ...     _port = None
            ...     def take_over(self, old):
            ...         self._port = old._port

        Args:
            old: The object that has served until now.
        """

    def progress(self, value: float, total: float | None = None, message: str = "") -> None:
        """Tell the Client whose request is being executed how far it is.

        Args:
            value: How much is done.
            total: How much there is to do; None if that is not known.
            message: A word about what is being done.

        Raises:
            RuntimeError: No request is being executed here.
        """
        request = current_request.get()
        if request is None:
            raise RuntimeError("progress() is for methods that a Client has called")
        request.progress(value, total, message)

    def waiting(self) -> int:
        """How many requests wait: in line, or for a thread.

        Clients can ask for it where requests wait in line, and don't wait themselves for that.
        """
        return 0 if self.__session is None else self.__session.waiting

    def emit_notification(self, *args: Any, **kwargs: Any) -> None:
        """Send a notification to every Client that is linked, from any thread.

        Nobody gets it while the Service is not connected. Where the Manager is behind with what it
        has been sent, a thread waits.

        Raises:
            TypeError: An argument can't be written as JSON.
            ValueError: It is more than a message can have.
            TooManyError: It is a coroutine that emits, which can't wait, and too many wait already.
        """
        line = notification_line(self._name, args, kwargs)
        if self.__session is not None:
            self.__session.notify(line)

    emit_notification_threadsafe = emit_notification

    # --- running -------------------------------------------------------------------------

    def start(
        self,
        *,
        name: str | None = None,
        host: str = "localhost",
        port: int = PORT,
        timeout: float | None = CONNECT_TIMEOUT,
        username: str | None = None,
        password: str | None = None,
        password_manager: str | None = None,
        read_limit: int | None = None,
        disable_tls: bool = False,
        cert_file: str | None = None,
        assert_hostname: bool = True,
        auto_save: bool = False,
        reconnect: float = RECONNECT,
    ) -> None:
        """Connect to a Manager and serve until the Manager ends, or this is interrupted.

        What the Manager wants to know and is not given is asked for. A connection that is lost is
        made again: see `reconnect`.

        Args:
            name: The name on the Manager, instead of the one the Service was made with.
            host: The hostname or address of the Manager.
            port: The port of the Manager.
            timeout: Seconds to wait for the connection; None to wait for as long as it takes.
            username: The user to log in as, where the Manager wants a login.
            password: The password of that user.
            password_manager: The password of the Manager, where it wants one.
            read_limit: Most bytes of a message; None for `constants.MESSAGE_LIMIT`.
            disable_tls: Whether the connection is not encrypted.
            cert_file: The path of the Manager's certificate; None for the one that is pinned
                for the host.
            assert_hostname: Whether the certificate must be that of the host.
            auto_save: Whether an unknown certificate is trusted without asking.
            reconnect: Seconds to try to connect again when the connection is lost; 0 for not at
                all, `math.inf` for as long as it takes.

        Raises:
            ConnectionError: The Manager can't be reached, or its certificate is not trusted.
            TimeoutError: It can't be reached in time.
            NameError: There is a Service of that name on it already, and the two do not share it.
            ValueError: It refuses the Service (a wrong password, an untrusted host), or both
                kinds of password are given.
        """
        kwargs = {key: value for key, value in locals().items() if key != "self"}
        with self.start_in_background(**kwargs) as running:
            try:
                running.wait()
            except KeyboardInterrupt:
                logger.info("CTRL+C keyboard interrupt received")

    def start_in_background(self, **kwargs: Any) -> RunningService:
        """Connect to a Manager and serve in the background of this process.

        Args:
            kwargs: Those of `start`.

        Returns:
            What stops it again: use it in `with`, or call its `stop`.

        Raises:
            As `start`.
        """
        connecting: Any = lambda ask: self._serve(ask, **kwargs)  # noqa: E731
        return RunningService(asking.wait_and_answer(connecting))

    async def _serve(self, ask: Ask, *, name: str | None = None, **kwargs: Any) -> ServiceSession:
        """Connect to a Manager; on the loop of the network."""
        options = ConnectOptions(**kwargs)
        if options.password and options.password_manager:
            raise ValueError(
                'Specify either "password" or "password_manager" but not both.\n'
                "A Manager cannot be started using multiple authentication methods."
            )
        self._check_free()
        if name is not None:
            self._name = name
        return await self._connect(options, ask)

    # --- for its engine ------------------------------------------------------------------

    async def _connect(self, options: ConnectOptions, ask: Ask) -> ServiceSession:
        session = ServiceSession(self, options)
        await session.connect(ask)
        logger.info("%r is connected to Manager[%s]", self._name, options.address)
        return session

    def _check_free(self) -> None:
        """Check that it does not run.

        Raises:
            RuntimeError: It does.
        """
        if self.__session is not None and not self.__session.ended.done():
            raise RuntimeError(f"{self!r} is running already")

    def _terms(self) -> tuple[set[str], int | None]:
        """What is no Client's to ask for, and how many requests run at the same time."""
        return self.__hidden(), self.__concurrency

    def _begin(self, session: ServiceSession) -> list[Any]:
        """Note the session, before the first request; returns the tasks to be run."""
        tasks, self._tasks = self._tasks, []
        self.__session, self.__address = session, session.address
        return tasks

    def _is_in(self, session: ServiceSession) -> bool:
        """Whether it serves in a session, or something still runs on it there."""
        return self.__session is session

    def _leave(self) -> None:
        """Forget the session, in which another object has taken its place."""
        self.__session = None

    def __connected(self) -> bool:
        return self.__session is not None and self.__session.is_connected

    def __hidden(self) -> set[str]:
        """The attributes that are no Client's to ask for."""
        kind, mine = type(self), vars(self)
        own = {n for n in _OWN if n not in mine and getattr(kind, n) is getattr(Service, n)}
        if self.__concurrency is not None or any(
            lane_of(inspect.getattr_static(kind, name, None)) is not None for name in dir(kind)
        ):
            own.discard("waiting")
        return self._ignored | own

    def __offers(self) -> dict[str, Any]:
        offers: dict[str, Any] = {}
        ignored = self.__hidden()
        for name in dir(self):
            if name.startswith("_") or name in ignored:
                continue
            try:
                value = getattr(self, name)
                offer = str(inspect.signature(value)) if callable(value) else value
                encode(offer)
            except Exception as error:
                # a property that fails now, a value or a callable that can't be described
                logger.warning("%s [attribute=%r]", error, name)
                continue
            offers[name] = offer
        return offers


def filter_service_start_kwargs(**kwargs: Any) -> dict[str, Any]:
    """Select the keyword arguments that `Service.start` knows.

    `auth_password`, which a Manager knows it by, counts as `password_manager`.
    """
    known = inspect.signature(Service.start).parameters.keys() - {"self"}
    selected = {key: value for key, value in kwargs.items() if key in known}
    if "auth_password" in kwargs:
        selected.setdefault("password_manager", kwargs["auth_password"])
    return selected

"""A Manager in the background of a process."""

import atexit
import os
import shutil
import tempfile
from typing import Any, Self

from .. import asking, loop_thread
from ..display import Description, Displayed, Table
from .limits import Limits
from .manager import Manager
from .starting import CannotStartError, Plan, Running, prepare, start

__all__ = ["LocalManager"]


class LocalManager(Displayed):
    """A Manager in the background of this process, for tests, demonstrations and one computer.

    It listens on the loopback interface only, on a port that is free, with a certificate and a
    database of its own in a temporary folder.

    Example:
        >>> with LocalManager() as manager:
        ...     with connect(**manager.kwargs) as client:
        ...         client.identities()

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 for one that is free.
        auth_hostname: Whether only trusted hostnames may connect.
        auth_password: A password that everybody who connects must know.
        users: Who may log in: `{username: password}`. The first one is an administrator.
        auth_login: Whether who connects must log in as one of them.
        disable_tls: Whether connections are not encrypted.
        database: The path of a database to use; None for a temporary one.
        cert_file: The path of a certificate to use; None for a temporary one.
        key_file: The path of its private key.
        limits: What it puts up with; None for the default limits.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        auth_hostname: bool = False,
        auth_password: str | None = None,
        auth_login: bool = False,
        users: dict[str, str] | None = None,
        disable_tls: bool = False,
        database: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._options: dict[str, Any] = {
            "host": host,
            "port": port,
            "auth_hostname": auth_hostname,
            "auth_login": auth_login,
            "disable_tls": disable_tls,
            "limits": limits,
        }
        self._password = auth_password
        self._users = users or {}
        self._database = database
        self._given_cert = cert_file
        self._cert_file = cert_file
        self._key_file = key_file
        self._folder: str | None = None
        self._running: Running | None = None

    def __repr__(self) -> str:
        if self._running is None:
            return "<LocalManager stopped>"
        return f"<LocalManager at {self._options['host']}:{self.port}>"

    def _repr_description_(self) -> Description:
        if self._running is None:
            return Description("LocalManager", "is not running", line=repr(self))
        registry = self._running.manager.registry
        rows = [("Service", name) for name in sorted([*registry.services])]
        rows += [("Client", name) for name in sorted([*registry.clients])]
        return Description(
            "LocalManager",
            f"is running at {self._options['host']}:{self.port}, "
            "where connect(**manager.kwargs) connects to it",
            line=repr(self),
            table=Table(("Kind", "Name"), rows),
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port that it listens on.

        Raises:
            RuntimeError: It is not running.
        """
        return self._manager().port

    @property
    def kwargs(self) -> dict[str, Any]:
        """What `connect` and `Service.start` need to reach it.

        With `auth_login` that is the login of the first of its users.

        Raises:
            RuntimeError: It is not running.
        """
        kwargs = {"host": self._options["host"], "port": self.port}
        if self._options["disable_tls"]:
            kwargs["disable_tls"] = True
        else:
            kwargs["cert_file"] = self._cert_file
        if self._password is not None:
            kwargs["password_manager"] = self._password
        if self._options["auth_login"]:
            kwargs["username"], kwargs["password"] = next(iter(self._users.items()))
        return kwargs

    def start(self) -> Self:
        """Start it. Nothing happens if it is running.

        Raises:
            OSError: The port is in use.
            RuntimeError: It can't start for another reason, which the text says.
        """
        if self._running is not None:
            return self
        self._process = os.getpid()
        self._folder = tempfile.mkdtemp(prefix="msl-network-")
        try:
            plan = self._prepare(self._folder)
            self._running = asking.wait(loop_thread.submit(start(plan)))
            self._ended = loop_thread.submit(_run(self._running))
        except CannotStartError as error:
            self._remove_folder()
            raise RuntimeError(str(error)) from None
        except BaseException:
            self._remove_folder()
            raise
        atexit.register(self._exit)
        return self

    def stop(self) -> None:
        """Disconnect all devices and stop. Nothing happens if it is not running."""
        atexit.unregister(self._exit)
        if self._running is not None and os.getpid() != self._process:
            return  # the child of a fork, which has no part in it
        running, self._running = self._running, None
        if running is not None:
            loop_thread.get_loop().call_soon_threadsafe(running.manager.stopped.set)
            asking.wait(self._ended)
        self._remove_folder()

    def _exit(self) -> None:
        # with its program, for good
        if self._running is not None and os.getpid() == self._process:
            manager = self._running.manager
            loop_thread.get_loop().call_soon_threadsafe(manager.say_goodbye, "its program ends")
        self.stop()

    def _remove_folder(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _manager(self) -> Manager:
        if self._running is None:
            raise RuntimeError("The Manager is not running. start() it, or use `with`")
        return self._running.manager

    def _prepare(self, folder: str) -> Plan:
        from .. import cryptography
        from ..database import UsersTable

        database = self._database or os.path.join(folder, "manager.sqlite3")
        with UsersTable(database=database) as table:
            for i, (name, password) in enumerate(self._users.items()):
                if not table.is_user_registered(name):
                    table.insert(name, password, i == 0)
        key_file = self._key_file
        if not self._options["disable_tls"] and self._given_cert is None:
            # an elliptic curve: a key of it is made in no time
            key_file = cryptography.generate_key(
                path=os.path.join(folder, "manager.key"), algorithm="ECC"
            )
            self._cert_file = cryptography.generate_certificate(
                path=os.path.join(folder, "manager.crt"), key_path=key_file
            )
        return prepare(
            **self._options,
            auth_password=self._password,
            database=database,
            cert_file=self._cert_file,
            key_file=key_file,
            free_port=True,
        )


async def _run(running: Running) -> None:
    # an administrator can shut it down, too
    await running.manager.stopped.wait()
    await running.close()

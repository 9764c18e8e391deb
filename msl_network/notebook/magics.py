"""The magic `%msl`: short commands to connect, to link and to look, which say what they do.

%load_ext msl_network
%msl connect raspberrypi --service RPiService
"""

import argparse
import builtins
import contextlib
import keyword
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any, Final

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from ..client.blocking import Client, Link
from ..client.errors import RemoteError
from ..client.linked import LinkedClient
from ..constants import PORT
from ..escaping import escaped
from ..logs import set_logging_level
from .bridge import in_kernel
from .completion import change_code, install, word_matcher
from .log import Recorder
from .parser import Helped, Parser, words_of
from .results import source
from .service_cell import ServiceMagics

__all__ = ["NetworkMagics", "host_and_port", "load", "unload", "variable_of"]

_DESCRIPTION: Final = """\
Control laboratory instruments over a network.

Each command says what it does as a line of Python, to be copied. What it needs
to know and is not told (a password, whether a certificate is to be trusted) is
asked for; a password is never part of a command."""

_EXAMPLES: Final = """\
examples:
  %msl connect raspberrypi
  %msl connect raspberrypi --service RPiService --script ~/.local/bin/mypackage --ssh-user pi
  %msl services
  %msl link BasicMath
  %msl link BasicMath --as calculator
  %msl log debug
  %msl disconnect

%msl connect --help, or %msl connect? tells more of connect, and so for each command."""

LEVELS: Final = ("debug", "info", "warning", "error")

LOG_LINES: Final = 20
"""Lines of the log that are printed where no number is given."""

_EXPECTED = (OSError, RuntimeError, ValueError, NameError, AttributeError)
"""What goes wrong in a laboratory rather than in a program."""

# where a word begins in a name such as RPiService
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@magics_class
class NetworkMagics(Magics):
    """The magic `%msl`.

    Args:
        shell: IPython's.

    Attributes:
        recorder: Keeps the log.
    """

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.recorder = Recorder()
        self._name = "client"
        self._panel: Any = None
        self._options: dict[str, list[str]] = {}
        self._parser = self._make_parser()
        type(self).msl.__doc__ = self._parser.format_help()
        self._matcher = word_matcher("msl", self._candidates)

    def load(self) -> None:
        """Register it in the shell."""
        self.shell.register_magics(self, ServiceMagics)
        self.shell.Completer.custom_matchers.append(self._matcher)
        self.shell.input_transformers_cleanup.append(_with_question_mark)
        install(self.shell)

    def unload(self) -> None:
        """Take it out of the shell. Clients and links stay."""
        self.shell.Completer.custom_matchers.remove(self._matcher)
        self.shell.input_transformers_cleanup.remove(_with_question_mark)
        magics = self.shell.magics_manager.magics
        magics["line"].pop("msl", None)
        magics["cell"].pop("service", None)
        self.recorder.stop()

    @line_magic
    def msl(self, line: str) -> Any:  # noqa: D102 - its docstring is the help
        try:
            words = words_of(line)
        except ValueError as error:
            raise UsageError(f"%msl: {error}") from None
        if words and words[0] not in (*self._options, "--help"):
            commands = ", ".join(self._options)
            raise UsageError(f"%msl: {words[0]!r} is no command, which are {commands}")
        try:
            args = self._parser.parse_args(words or ["--help"])
        except Helped:
            return None
        with _in_one_line():
            return args.execute(args)

    # --- the commands ----------------------------------------------------------------------

    def _make_parser(self) -> argparse.ArgumentParser:
        parser = Parser("%msl", description=_DESCRIPTION, epilog=_EXAMPLES, add_help=False)
        parser.add_argument("--help", action="help", help="Print this.")
        commands = parser.add_subparsers(title="commands", metavar="command", required=True)

        def add(name: str, execute: Callable[[argparse.Namespace], Any], text: str) -> Any:
            command = commands.add_parser(
                name, prog=f"%msl {name}", help=text, description=text, add_help=False
            )
            command.set_defaults(execute=execute)
            self._options[name] = []

            def option(*names: str, **kwargs: Any) -> None:
                action = command.add_argument(*names, **kwargs)
                self._options[name] += action.option_strings

            option("--help", action="help", help="Print this.")
            return option

        option = add("connect", self._connect, "Connect to a Manager, and link with a Service.")
        option("host", metavar="HOST[:PORT]", help=f"Its computer, and its port (default: {PORT}).")
        option("--service", metavar="S", help="Link with this Service.")
        option(
            "--script",
            metavar="PATH",
            help="Start the Manager with this program there, over SSH, if none answers.",
        )
        option("--ssh-user", metavar="U", help="The user to log in as for that.")
        option("--ssh-port", metavar="N", type=int, default=22, help="The port of the SSH server.")
        option("--stay", action="store_true", help="Let the Manager that was started go on.")
        option("--user", metavar="U", help="The user to log in as at the Manager.")
        option("--name", metavar="N", help="How others see you (default: Client).")
        option("--no-tls", action="store_true", help="Do not encrypt the connection.")
        option("--timeout", metavar="SECONDS", type=float, help="The time that each step may take.")
        option(
            "--as",
            dest="variable",
            metavar="NAME",
            default="client",
            help=_AS + " (default: client).",
        )

        option = add("services", self._services, "Show what is on the Manager.")
        option("--client", metavar="NAME", help=_CLIENT)

        option = add("link", self._link, "Link with a Service.")
        option("service", metavar="NAME", help="The Service; in quotes if there is a space in it.")
        option(
            "--as",
            dest="variable",
            metavar="NAME",
            help=_AS + " (default: basic_math for BasicMath).",
        )
        option("--client", metavar="NAME", help=_CLIENT)

        option = add("log", self._log, "Keep the log of msl_network, and show it.")
        option(
            "what",
            nargs="?",
            metavar="LEVEL|N|off",
            help="debug, info, warning or error: keep it from this level on;\n"
            "a number: print so many lines; off: keep it no more.",
        )

        option = add("dashboard", self._dashboard, "Show all panels.")
        option("--client", metavar="NAME", help=_CLIENT)

        option = add("disconnect", self._disconnect, "Disconnect from the Manager.")
        option("--client", metavar="NAME", help=_CLIENT)
        return parser

    def _connect(self, args: argparse.Namespace) -> Any:
        from .launch import connect

        host, port = host_and_port(args.host)
        self._check_name(args.variable, Client, LinkedClient)
        given = {
            "port": None if port == PORT else port,
            "service": args.service,
            "console_script": args.script,
            "ssh_username": args.ssh_user,
            "ssh_port": None if args.ssh_port == 22 else args.ssh_port,
            "stay": args.stay or None,
            "username": args.user,
            "name": args.name,
            "disable_tls": args.no_tls or None,
            "timeout": args.timeout,
        }
        kwargs = {name: value for name, value in given.items() if value is not None}
        client = connect(host, **kwargs)
        words = [source(host), *(f"{name}={source(value)}" for name, value in kwargs.items())]
        self._name = args.variable
        return self._assign(args.variable, client, f"connect({', '.join(words)})")

    def _services(self, args: argparse.Namespace) -> Any:
        _, client = self._find(args.client)
        client.identities()  # a Manager that does not answer is an error here
        return client

    def _link(self, args: argparse.Namespace) -> Any:
        name, client = self._find(args.client)
        variable = args.variable or variable_of(args.service)
        self._check_name(variable, Link)
        return self._assign(variable, client[args.service], f"{name}[{source(args.service)}]")

    def _log(self, args: argparse.Namespace) -> Any:
        what = args.what
        if what == "off":
            self.recorder.stop()
            print("The log is not kept any more")
        elif what is None or what.isdecimal():
            self.recorder.start()
            return self._show_log(what)
        else:
            self._keep_from(what)
        return None

    def _show_log(self, lines: str | None) -> Any:
        if lines is None and in_kernel():
            with contextlib.suppress(ImportError):
                from .panels.log import LogPanel

                if self._panel is None or self._panel._closed:
                    self._panel = LogPanel(self.recorder)
                return self._panel
        shown = self.recorder.lines(int(lines or LOG_LINES))
        print(
            "\n".join(shown) or f"Nothing has been logged yet, from {self.recorder.level_name} on"
        )
        return None

    def _keep_from(self, level: str) -> None:
        if level.lower() not in LEVELS:
            raise UsageError(f"%msl log: {level} is no level, which are {', '.join(LEVELS)}")
        self.recorder.start()
        set_logging_level(level)
        print(f"The log is kept from {self.recorder.level_name} on. %msl log shows it")

    def _dashboard(self, args: argparse.Namespace) -> Any:
        from . import dashboard

        return dashboard(self._find(args.client)[1])

    def _disconnect(self, args: argparse.Namespace) -> None:
        name, _ = self._find(args.client)
        name = name.removesuffix(".client")
        self.shell.user_ns[name].disconnect()
        print(f"{name}.disconnect()")

    # --- names -----------------------------------------------------------------------------

    def _find(self, name: str | None) -> tuple[str, Client]:
        """The Client that is meant, and how it is written.

        Raises:
            UsageError: There is none, or it is disconnected.
        """
        clients = {
            variable: value
            for variable, value in self.shell.user_ns.items()
            if isinstance(value, Client | LinkedClient) and not variable.startswith("_")
        }
        if name is None and self._name in clients:
            name = self._name
        elif name is None and len(clients) == 1:
            (name,) = clients
        elif name is None and clients:
            raise UsageError(
                f"There are several Clients: choose one with --client, of {', '.join(clients)}"
            )
        if name is None:
            raise UsageError("There is no Client yet. %msl connect HOST makes one")
        if name not in clients:
            raise UsageError(f"{name} is no Client")
        found = clients[name]
        client = found.client if isinstance(found, LinkedClient) else found
        if found is not client:
            name = f"{name}.client"
        if client is None or not (client.is_connected() or client.is_reconnecting()):
            raise UsageError(f"{name} is disconnected. %msl connect HOST makes a new one")
        return name, client

    def _check_name(self, name: str, *kinds: type) -> None:
        """Check whether a name can be given to something.

        Raises:
            UsageError: It is none, or already that of something else.
        """
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(f"{name!r} is no name in Python. Choose another one with --as")
        if not isinstance(self.shell.user_ns.get(name), (*kinds, type(None))):
            raise UsageError(f"{name} is something else already. Choose another name with --as")

    def _assign(self, name: str, value: Any, expression: str) -> Any:
        self.shell.push({name: value})
        print(escaped(f"{name} = {expression}"))
        return value

    def _candidates(self, words: list[str]) -> list[str]:
        """What the next word of the magic can be."""
        if not words:
            return [*self._options]
        command, *before = words
        if before and before[-1] == "--client":
            return [
                n for n, v in self.shell.user_ns.items() if isinstance(v, Client | LinkedClient)
            ]
        own = (*LEVELS, "off") if command == "log" and not before else ()
        services = self._service_names() if command == "link" and not before else ()
        return [*services, *own, *self._options.get(command, ())]

    def _service_names(self) -> list[str]:
        with contextlib.suppress(UsageError):
            _, client = self._find(None)
            return [shlex.quote(name) for name in sorted(client._directory.services())]
        return []


_AS: Final = "The variable to assign"
_CLIENT: Final = "The variable that has the Client, if there are several."


def load(shell: Any) -> None:
    """Do what `%load_ext msl_network` does.

    Args:
        shell: IPython's.
    """
    magics = NetworkMagics(shell)
    magics.load()
    _loaded[id(shell)] = magics


def unload(shell: Any) -> None:
    """Do what `%unload_ext msl_network` does.

    Args:
        shell: IPython's.
    """
    magics = _loaded.pop(id(shell), None)
    if magics is not None:
        magics.unload()


_loaded: dict[int, NetworkMagics] = {}


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    """Have an error shown in one line: the ways inside of this package say nothing to its user."""
    try:
        yield
    except _EXPECTED as error:
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, RemoteError):
            text = f"{error.type}: {error.message}" if error.type else error.message
        line = escaped(text, keep="\n\t")
        error._render_traceback_ = lambda: line.split("\n")  # type: ignore[union-attr]
        raise


def _with_question_mark(lines: list[str]) -> list[str]:
    """Make `%msl connect?` what it asks for; IPython would look for something called connect."""
    return change_code(
        lines, lambda line: re.sub(r"^(\s*%msl\s+\w+)\s*\?+\s*$", r"\1 --help\n", line)
    )


def host_and_port(text: str) -> tuple[str, int]:
    """Take `host`, `host:port` or `[::1]:port` to pieces.

    Raises:
        UsageError: The port is none.
    """
    found = re.fullmatch(r"\[(.+)\](?::(.*))?|([^:]+)(?::([^:]*))?", text)
    if found is None:
        return text, PORT  # an address of IPv6
    host, port = found[1] or found[3], found[2] or found[4]
    if port is None:
        return host, PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UsageError(f"%msl connect: {port} is no port, which is a number from 1 to 65535")
    return host, int(port)


def variable_of(service: str) -> str:
    """The name of a variable for a Service: `basic_math` for BasicMath."""
    name = re.sub(r"\W+", "_", _WORD.sub("_", service)).strip("_").lower()
    if not name.isidentifier():
        name = f"service_{name}".rstrip("_")
    return f"{name}_" if keyword.iskeyword(name) or hasattr(builtins, name) else name

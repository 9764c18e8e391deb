"""The cell magic `%%service`: the functions of a cell as the methods of a Service.

%%service Thermometer
import random

def temperature(channel: int = 1) -> float:
    "The temperature, in °C."
    return 20 + random.random()
"""

import ast
import contextlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class

from ..escaping import escaped
from ..service import Service
from .parser import Helped, Parser, words_of
from .served import serve

if TYPE_CHECKING:
    from .panels import ServicePanel

__all__ = ["ServiceMagics", "service_of"]

HOOKS: Final = frozenset(
    {
        "connection_lost",
        "connection_restored",
        "shutdown_handler",
        "take_over",
    }
)
"""What a Service has itself and a cell may define: the Service calls it."""

_DESCRIPTION: Final = """\
Serve what this cell defines, from this notebook. Run it again to reload that:
the Service has what is new, and its Clients stay linked. An error in the cell
leaves the Service as it was.

The functions of the cell become the methods of a Service; one whose first
parameter is called self gets the Service, for self.progress(...) or
self.emit_notification(...). A variable with an annotation (gain: float = 2.5)
becomes an attribute. A name with an underscore is private. Where the cell defines
a class that derives from Service, that is used instead.

A password is asked for, and never part of the line."""

_EXAMPLE: Final = """\
example:
  %%service Thermometer
  import random

  def temperature(channel: int = 1) -> float:
      "The temperature, in degrees Celsius."
      return 20 + random.random()"""


def service_of(name: str, cell: ast.Module, variables: dict[str, Any], **kwargs: Any) -> Service:
    """Make a Service of what a cell has defined.

    Its functions become methods. One whose first parameter is called `self` gets the Service as
    that. A variable with an annotation (`gain: float = 2.5`) becomes an attribute, of which Clients
    are told the value that it has then. All of it stays in the notebook, where other cells can
    use and change it; what is private there, with an underscore, is private here.

    Args:
        name: The name of the Service.
        cell: The cell, which has been run.
        variables: The variables of the notebook.
        kwargs: Those of `Service`.

    Raises:
        UsageError: There is no function in it, or what it defines is the Service's own.
    """
    members: dict[str, Any] = {"__doc__": ast.get_docstring(cell), "__module__": "__main__"}
    for node in _statements(cell.body):
        match node:
            case ast.FunctionDef(name=found) | ast.AsyncFunctionDef(name=found):
                if callable(function := variables.get(found)) and not found.startswith("_"):
                    members[found] = _method(function)
            case ast.AnnAssign(target=ast.Name(id=found)):
                if found in variables and not found.startswith("_"):
                    members[found] = _attribute(found, variables)
    names = [found for found in members if not found.startswith("_")]
    for found in names:
        if hasattr(Service, found) and found not in HOOKS:
            raise UsageError(f"%%service: a Service has {found!r} itself. Choose another name")
    if HOOKS.issuperset(names):
        raise UsageError(
            "%%service: there is no function for Clients in this cell, and no class that derives "
            "from msl_network.Service"
        )
    # what the old one has is the notebook's, and not to be closed
    members.setdefault("take_over", lambda self, old: None)
    made: Service = type("CellService", (Service,), members)(name=name, **kwargs)
    return made


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a cell, and those in its `if`, `try`, `with` and loops."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for field in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, field, []))
            for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
                yield from _statements(part.body)


def _method(function: Callable[..., Any]) -> Any:
    try:
        first = next(iter(inspect.signature(function).parameters), "")
    except (TypeError, ValueError):
        first = ""
    return function if first == "self" else staticmethod(function)


def _attribute(name: str, variables: dict[str, Any]) -> property:
    return property(lambda self: variables[name])


@magics_class
class ServiceMagics(Magics):
    """The cell magic `%%service`."""

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._parser = _make_parser()
        type(self).service.__doc__ = self._parser.format_help()

    @cell_magic
    def service(self, line: str, cell: str) -> Any:  # noqa: D102 - its docstring is the help
        try:
            args = self._parser.parse_args(words_of(line))
        except ValueError as error:
            raise UsageError(f"%%service: {error}") from None
        except Helped:
            return None
        given = {
            "host": args.host,
            "port": args.port,
            "username": args.username,
            "disable_tls": args.no_tls or None,
        }
        where = {key: value for key, value in given.items() if value is not None}
        terms = {"max_clients": args.max_clients, "concurrency": args.concurrency}
        source = self.shell.transform_cell(cell)
        file = self.shell.compile.cache(source, self.shell.execution_count, raw_code=cell)
        with self._as_of_the_cell(file):
            return self._serve(self._run(source, file), args.name, terms, where)

    def _serve(
        self, tree: ast.Module, name: str | None, terms: dict[str, Any], where: dict[str, Any]
    ) -> "ServicePanel":
        variables = self.shell.user_ns
        classes = _classes(tree, variables)
        if not classes:
            if not name:
                raise UsageError("%%service: give the Service a name, as in %%service Thermometer")
            return serve(service_of(name, tree, variables, **terms), **where)
        if any(value is not None for value in terms.values()):
            raise UsageError(
                "%%service: --max-clients and --concurrency are for a cell of functions; a class "
                "gives them to super().__init__(...)"
            )
        if len(classes) == 1:
            return serve(*classes.values(), name=name, **where)
        if name not in classes:
            raise UsageError(
                f"%%service: there are several Services in this cell, say which one is meant: "
                f"%%service {' or '.join(classes)}"
            )
        return serve(classes[name], **where)

    def _run(self, source: str, file: str) -> ast.Module:
        """Run the cell as IPython runs one, and return what it consists of."""
        shell = self.shell
        tree: ast.Module = shell.compile.ast_parse(source, file)
        try:
            code = shell.compile(shell.transform_ast(tree), file, "exec")
        except SyntaxError as error:
            if re.search("await|async", error.msg):
                error.msg += ", and a %%service cell awaits only there"
            raise
        exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102 - it is what a person runs
        return tree

    @contextlib.contextmanager
    def _as_of_the_cell(self, file: str) -> Iterator[None]:
        """Have an error shown as of a plain cell, without the ways inside of this package."""
        try:
            yield
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename != file:
                trace = trace.tb_next
            if trace is not None:
                lines = self.shell.InteractiveTB.structured_traceback(type(error), error, trace)
            elif isinstance(error, (OSError, RuntimeError, ValueError, NameError)):
                # what goes wrong in a laboratory rather than in a program
                lines = [escaped(f"{type(error).__name__}: {error}", keep="\n\t")]
            else:
                raise
            if not hasattr(error, "_render_traceback_"):
                error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
            raise


def _make_parser() -> Parser:
    parser = Parser("%%service", description=_DESCRIPTION, epilog=_EXAMPLE, add_help=False)
    option = parser.add_argument
    option("name", nargs="?", metavar="NAME", help="The name on the Manager.")
    option(
        "--host",
        help="The computer of the Manager. Without it and --port it is this one,\n"
        "and if no Manager answers here, one is started in this notebook.",
    )
    option("--port", type=int, metavar="N", help="The port of the Manager.")
    option("--username", metavar="U", help="The user to log in as at the Manager.")
    option("--no-tls", action="store_true", help="Do not encrypt the connection.")
    option("--max-clients", type=int, metavar="N", help="Most Clients that can be linked.")
    option(
        "--concurrency",
        type=int,
        metavar="N",
        help="Most requests that are executed at the same time, others wait.",
    )
    option("--help", action="help", help="Print this.")
    return parser


def _classes(tree: ast.Module, variables: dict[str, Any]) -> dict[str, type[Service]]:
    """The Services that a cell defines, but for those that others of them derive from."""
    found = {
        node.name: kind
        for node in _statements(tree.body)
        if isinstance(node, ast.ClassDef)
        and isinstance(kind := variables.get(node.name), type)
        and issubclass(kind, Service)
        and not node.name.startswith("_")
    }
    return {
        name: kind
        for name, kind in found.items()
        if not any(kind in other.__mro__[1:] for other in found.values())
    }

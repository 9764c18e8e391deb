"""What goes wrong on the other side of a request."""

import builtins
import linecache
import os
import re
import traceback as tracebacks
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ..constants import MANAGER
from ..display import Description, Displayed, to_text
from ..escaping import escaped

if TYPE_CHECKING:
    from .reply import Cancellation

__all__ = ["RemoteError", "ReplyTimeoutError", "UnknownAttributeError", "remote_error"]

SHOWN = 10_000
"""Most characters of a traceback of the other side that are shown below an error: its end."""


_ERRNO = re.compile(r"\[Errno (-?\d{1,9})\] ")


class RemoteError(RuntimeError, Displayed):
    """A Service or the Manager answered a request with an error.

    Its text is the one that 1.x shows, without what could act on a terminal. What was a built-in
    exception on the other side is one here, too: `except ValueError` catches a ValueError of the
    Service, and one of a class that is derived from it, and so do `except RemoteError` and
    `except RuntimeError`. An OSError has the `errno` that it has there; what else such a class has
    beside its text does not travel.

    Attributes:
        type: The name of the exception's class on the other side.
        message: The text of that exception.
        traceback: The traceback of that exception as text; empty where there is none.
        service: The Service that was asked, or `"Manager"`.
        attribute: What it was asked for.
    """

    def __init__(
        self,
        manager: str,
        text: str,
        *,
        types: Sequence[str] | None,
        traceback: str,
        service: str,
        attribute: str,
    ) -> None:
        shown = escaped(text, keep="\n\t")
        # not of the next class: an OSError or a UnicodeDecodeError wants other arguments
        RuntimeError.__init__(
            self, f"Manager[{manager}] returned the following exception:\n\n{shown}"
        )
        name, colon, message = text.partition(": ")
        self.type = name if colon else ""
        self.message = message if colon else text
        self.traceback = escaped(traceback, keep="\n\t")
        self.service = service
        self.attribute = attribute
        self._manager = manager
        self._types = types
        if OSError in type(self).__mro__ and (number := _ERRNO.match(self.message)):
            self.errno = int(number[1])
        if self.traceback:
            # Python shows it below the text
            end = self.traceback[-SHOWN:]
            cut = "" if end == self.traceback else "\N{HORIZONTAL ELLIPSIS}"
            self.add_note(f"\nOn the side of {self._side}:\n\n{cut}{end}")

    def __str__(self) -> str:
        # a KeyError would show the repr of it
        return str(self.args[0])

    def __reduce__(self) -> Any:
        text = f"{self.type}: {self.message}" if self.type else self.message
        make = partial(
            remote_error,
            *(self._manager, text),
            types=self._types,
            traceback=self.traceback,
            service=self.service,
            attribute=self.attribute,
        )
        return make, (), self.__dict__  # with what the user has noted on it

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below a cell: the lines of the user, and not those of this package."""
        kind = f"{self.type}: " if self.type else ""
        text = escaped(f"{kind}{self.message}", keep="\n\t")
        return _rendered(self, f"{text}\n    raised by {escaped(self._where)}")

    def _repr_description_(self) -> Description:
        first, _, rest = self.message.partition("\n")
        folded = f"Traceback on the side of {self._side}", self.traceback
        return Description(
            f"{self.type or type(self).__name__}:",
            first,
            doc=rest,
            facts={"Raised by": self._where},
            folded=folded if self.traceback else None,
        )

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """What IPython shows of it in a terminal; it has a way of its own for exceptions."""
        is_whole = len(printer.stack) == 1
        printer.text(to_text(self._repr_description_()) if is_whole else repr(self))

    @property
    def _where(self) -> str:
        return f"{self.service}.{self.attribute} at Manager[{self._manager}]"

    @property
    def _side(self) -> str:
        return "the Manager" if self.service == MANAGER else f"the Service {self.service!r}"


class UnknownAttributeError(AttributeError, RuntimeError):
    """A Service does not have the attribute.

    It is an AttributeError, so that `hasattr(link, name)` tells the truth, and a RuntimeError,
    which 1.x raises when a Service is asked for what it does not have.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below a cell: the lines of the user, and not those of this package."""
        return _rendered(self, f"AttributeError: {self}")


class ReplyTimeoutError(TimeoutError):
    """The reply to a request has not come in time, and the request has been given up.

    Attributes:
        cancellation: What became of the request.
    """

    def __init__(self, text: str, cancellation: "Cancellation | None") -> None:
        super().__init__(text)
        self.cancellation = cancellation

    def __reduce__(self) -> Any:
        return type(self), (str(self), self.cancellation), self.__dict__

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below a cell: the lines of the user, and not those of this package."""
        return _rendered(self, f"TimeoutError: {self}")


def _rendered(error: BaseException, text: str) -> list[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    blocks = []
    if before is not None:
        blocks.append("".join(tracebacks.format_exception(before)).rstrip())
        blocks.append("After the above exception, another one occurred:")
    blocks += ["\n".join(_callers(error)), text]
    blocks += [note.strip("\n") for note in getattr(error, "__notes__", ())]
    return "\n\n".join(filter(None, blocks)).split("\n")


# What a future or a coroutine takes for something else, what is made of other exceptions, and what
# Python shows by its line and not by its text.
_UNFIT = (StopIteration, StopAsyncIteration, BaseExceptionGroup, SyntaxError)

_KNOWN: dict[str, type[Exception]] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and not issubclass(kind, _UNFIT)
    and not issubclass(RemoteError, kind)
}


@lru_cache(maxsize=256)
def _kind(names: frozenset[str]) -> type[RemoteError]:
    """The class of remote errors that are built-in exceptions, too."""
    named = {_KNOWN[name] for name in names}
    nearest = {kind for kind in named if not any(issubclass(k, kind) for k in named - {kind})}
    bases = sorted(nearest, key=lambda kind: kind.__name__)
    if not bases:
        return RemoteError
    name = "".join(["Remote", *(kind.__name__ for kind in bases)])
    try:
        return type(name, (RemoteError, *bases), {"__module__": __name__})
    except TypeError:
        return RemoteError  # no class can be all of them: the other side makes it up


def remote_error(
    manager: str,
    text: str,
    *,
    types: Sequence[str] | None,
    traceback: str,
    service: str,
    attribute: str,
) -> RemoteError:
    """Make the exception that an error reply tells of.

    Nothing that the other side says is evaluated: its types are looked up by name among the
    built-in exceptions.

    Args:
        manager: `host:port` of the Manager.
        text: `"Type: text"` of the exception.
        types: The built-in exceptions that it is one of; None where the name of its type says it.
        traceback: Its traceback.
        service: The Service that was asked, or `"Manager"`.
        attribute: What it was asked for.
    """
    names = [text.partition(": ")[0]] if types is None else types
    kind = _kind(frozenset(name for name in names if name in _KNOWN))
    return kind(
        manager, text, types=types, traceback=traceback, service=service, attribute=attribute
    )


def _callers(error: BaseException) -> Iterator[str]:
    """The lines of code that led to an error, until the first one of this package."""
    for frame, line in tracebacks.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package == __name__.partition(".")[0]:
            return
        if package in ("IPython", "ipykernel"):
            continue
        code = frame.f_code
        # a cell is in no file
        is_file = os.path.exists(code.co_filename)
        where = f'File "{code.co_filename}"' if is_file else "Cell"
        of = "" if code.co_name == "<module>" else f", in {code.co_name}"
        yield f"{where}, line {line}{of}"
        if source := linecache.getline(code.co_filename, line, frame.f_globals).strip():
            yield f"    {source}"

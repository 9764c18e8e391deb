"""The calls that a panel has made."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, overload

from ...escaping import escaped
from ..results import summary
from ..results.errors import became_of, error_name
from ..results.picture import picture_of

__all__ = ["Call", "History", "weigh"]

CALLS: Final = 50
"""Most calls that are remembered."""

BYTES: Final = 100 * 1024 * 1024
"""Most bytes, about, of what they were given and returned. The latest one is kept in any case."""

SHOWN: Final = 80
"""Most characters of an outcome in one line."""

SAMPLE: Final = 8
"""Items of a list that are looked at to estimate its size."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that has been made.

    Attributes:
        number: Which one of the panel's calls it is, from 1 on.
        method: The name of the method.
        args: The positional arguments.
        kwargs: The keyword arguments.
        outcome: What it returned, or the exception that it ended with: a `CancelledError` if it was
            given up, with a word in it that says what became of it, as in `Reply.cancellation`.
            Of a method that yields: the last 10,000 items.
        duration: How long it took, in seconds.
        request: The request as Python, without what is done with its items.
        code: The Python line that does the same.
        began: When it began.
        items: The last 10,000 items of a method that yields, however it ended; None for any other.
        count: How many items it has yielded in all.
        setup: The Python lines that connect and link, on which `code` depends.
        doc: The docstring of the method, which may tell the unit of the outcome.
    """

    number: int
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(hash=False)
    outcome: Any = field(hash=False)
    duration: float
    request: str
    code: str
    began: datetime
    items: list[Any] | None = field(default=None, hash=False)
    count: int = 0
    setup: str = ""
    doc: str = ""

    @property
    def error(self) -> BaseException | None:
        """The exception that it ended with."""
        return self.outcome if isinstance(self.outcome, BaseException) else None

    @property
    def state(self) -> str:
        """`"returned"`, `"failed"` or `"cancelled"`."""
        if isinstance(self.outcome, asyncio.CancelledError):
            return "cancelled"
        return "returned" if self.error is None else "failed"

    @property
    def summary(self) -> str:
        """The outcome in a line of text."""
        count = f"{self.count:,} {'item' if self.count == 1 else 'items'}"
        became = "" if self.error is None else became_of(self.error)
        if self.state == "cancelled":
            return f"○ {became}" + (f" after {count}" if self.items else "")
        if self.error is not None:
            text = _told(self.error)
            text = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
            text += f"; {became}" if became else ""
            return f"✗ {text}" + (f" (after {count})" if self.items else "")
        if self.items is not None:
            return f"✓ {count}"
        picture = picture_of(self.outcome)
        return f"✓ {summary(self.outcome, SHOWN) if picture is None else picture.description}"


def _told(error: BaseException) -> str:
    """The type and the message of an error in a line of text."""
    return escaped(": ".join(filter(None, error_name(error))))


class History(Sequence[Call]):
    """Calls that have been made, the oldest first; a bounded number of them.

    Example:
        >>> pandas.DataFrame(panel.history.as_table())
        >>> print(panel.history.as_script())
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._weights: list[int] = []

    def __repr__(self) -> str:
        return f"<History of {len(self)} {'call' if len(self) == 1 else 'calls'}>"

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls))

    @overload
    def __getitem__(self, index: int) -> Call: ...

    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...

    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        return self._calls[index]

    def add(self, call: Call) -> None:
        """Remember a call, instead of the oldest ones if there are too many."""
        self._calls.append(call)
        # a stream's outcome is its items
        outcome = call.outcome if call.items is None else call.items
        self._weights.append(weigh((call.args, call.kwargs, outcome, call.code)))
        while len(self) > 1 and (len(self) > CALLS or sum(self._weights) > BYTES):
            del self._calls[0], self._weights[0]

    def find(self, number: int) -> Call | None:
        """The call with a number; None if it is not remembered."""
        return next((call for call in self if call.number == number), None)

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()
        self._weights.clear()

    def as_table(self) -> list[dict[str, Any]]:
        """The calls as rows, each a dict with the same keys, as `pandas.DataFrame` takes them.

        The keys are `number`, `began`, `method`, `args`, `kwargs`, `state` (see `Call.state`),
        `result` (None if there is none), `error` (its text, or None), `count`, `duration` (seconds)
        and `code`.
        """
        return [
            {
                "number": call.number,
                "began": call.began,
                "method": call.method,
                "args": call.args,
                "kwargs": call.kwargs,
                "state": call.state,
                "result": None if call.error else call.outcome,
                "error": _told(call.error) if call.error else None,
                "count": call.count,
                "duration": call.duration,
                "code": call.code,
            }
            for call in self
        ]

    def as_script(self, longest: int | None = None) -> str:
        """The calls as a script, or a cell, that connects, links, and makes them again.

        A call that failed or was given up is there as a comment.

        Args:
            longest: Most characters of a line; what is longer is left out. None for any length.
        """
        lines, setup = ["from msl_network import connect"], ""
        for call in self:
            if call.setup != setup:
                setup = call.setup
                lines += ["", setup, ""]
            if longest is not None and len(call.code) > longest:
                lines.append(f"# left out, since its arguments are long: {call.method!a}")
            else:
                lines.append(call.code if call.error is None else f"# {call.state}: {call.code}")
        return "\n".join(lines) + "\n"


def weigh(value: Any, depth: int = 4) -> int:
    """About how many bytes a value takes, from a sample of what is in it.

    Args:
        value: A number, a text, or lists and dicts of such.
        depth: Levels that are looked at.
    """
    size = sys.getsizeof(value, 64)
    if isinstance(value, BaseException):
        # one of the far side has its text and its traceback
        return size + weigh((value.args, list(vars(value).values())), depth)
    if isinstance(value, dict):
        return size + weigh(list(value), depth) + weigh(list(value.values()), depth)
    if not isinstance(value, list | tuple) or not value or depth == 0:
        return size
    sample = value[:: -(-len(value) // SAMPLE)]
    return size + sum(weigh(item, depth - 1) for item in sample) * len(value) // len(sample)

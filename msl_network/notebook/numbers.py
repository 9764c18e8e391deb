"""The numbers in a notification, each with the path to it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from ..escaping import escaped
from .results.text import is_number

__all__ = ["numbers_in"]

DEPTH: Final = 4
"""Levels of nested data that are looked at."""

ITEMS: Final = 16
"""Most items of a list that are looked at one by one: a longer one is an array."""

NAMES: Final = 64
"""Most names of a dict that are looked at."""

NAME_LIMIT: Final = 40
"""Most characters of such a name."""

LOOKED_AT: Final = 500
"""Most values that are looked at, numbers or not."""


def numbers_in(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, int | float]:
    """Find the numbers that are worth a line in a plot.

    Args:
        args: The positional arguments of a notification.
        kwargs: Its keyword arguments.

    Returns:
        The numbers by their path, such as `args[0]` or `kwargs["oven"]["temperature"]`.
    """
    roots = {"args": args[:ITEMS], "kwargs": kwargs}
    found = (pair for path, value in roots.items() for pair in _walk(path, value, DEPTH))
    return {path: value for path, value in islice(found, LOOKED_AT) if is_number(value)}


def _walk(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    yield path, value
    if depth == 0:
        return
    if isinstance(value, list | tuple) and len(value) <= ITEMS:
        for i, item in enumerate(value):
            yield from _walk(f"{path}[{i}]", item, depth - 1)
    elif isinstance(value, dict):
        for name in list(islice(value, NAMES)):
            if isinstance(name, str) and len(name) <= NAME_LIMIT:
                quoted = escaped(json.dumps(name, ensure_ascii=False))
                yield from _walk(f"{path}[{quoted}]", value[name], depth - 1)

"""What a person types, read as Python literals; nothing of it is run."""

import ast
import math
import re
from typing import Any, Final

__all__ = ["NOT_FINITE", "read_arguments", "read_integer", "read_literal", "read_number"]

NOT_FINITE: Final = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
"""What is a number, and no literal."""

_WORDS: Final = {"true": True, "false": False, "null": None, "none": None}


def read_literal(text: str) -> Any:
    """Read a Python literal.

    Raises:
        ValueError: It is none.
    """
    text = text.strip()
    if not text:
        raise ValueError('type a Python value, e.g. 1.5, "text", [1, 2] or None')
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    if text.lower() in _WORDS:
        raise ValueError(f"{text} is no Python value, did you mean {_WORDS[text.lower()]}?")
    if text.isidentifier():
        raise ValueError(f'{text} is no Python value; if it is a text, quote it: "{text}"')
    raise ValueError(f"{_shortened(text)} is no Python value; a text must be quoted")


def read_integer(text: str) -> int:
    """Read an integer of any length.

    Raises:
        ValueError: It is none.
    """
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    if type(value) is not int:
        raise ValueError(f"{_shortened(text)} is no integer" if text.strip() else "type an integer")
    return value


def read_number(text: str) -> int | float:
    """Read a number; `nan`, `inf` and `-inf` are ones.

    An integer stays one, so that no digit is lost.

    Raises:
        ValueError: It is none, or too large or too small for a float.
    """
    word = text.strip()
    if NOT_FINITE.fullmatch(word):
        return float(word)
    try:
        value = ast.literal_eval(word)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    if type(value) is int:
        return value
    if type(value) is not float:
        raise ValueError(f"{_shortened(text)} is no number" if word else "type a number")
    digits = re.split("[eE]", word)[0]
    if math.isinf(value) or (value == 0 and re.search("[1-9]", digits)):
        raise ValueError(f"{_shortened(text)} is out of the range of a float")
    return value


def read_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Read arguments such as `1, "a", x=3`.

    Raises:
        ValueError: They are none, or one is no Python literal.
    """
    try:
        call = ast.parse(f"f({text}\n)", mode="eval").body
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        call = None
    # `1)(2` and `1) or (2` are calls and more
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(f'{_shortened(text)} are no arguments; type them as in 1, "a", x=3')
    kwargs = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError("** is not possible here; type each keyword as in x=3")
        if keyword.arg in kwargs:
            raise ValueError(f"{keyword.arg} is there twice")
        kwargs[keyword.arg] = read_literal(ast.unparse(keyword.value))
    return [read_literal(ast.unparse(argument)) for argument in call.args], kwargs


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:39]}…"

"""The signature of a Service's method, which arrives as text."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..escaping import escaped

__all__ = ["Source", "parse_signature"]


class Source(str):
    """Source that is shown as it is: an annotation, or a default that is no literal."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def parse_signature(text: object) -> inspect.Signature | None:
    """Read a signature such as `(x: Union[int, float], n=2) -> float`, without running any of it.

    Args:
        text: What a Service's identity says of an attribute: a signature, or a value.

    Returns:
        The signature, its annotations and the defaults that are no literals as `Source`; None if
        it is none that Python could have.
    """
    if not isinstance(text, str) or not text.startswith("("):
        return None
    return _parse(text)


# the asynchronous face of a link makes its functions anew for each call
@lru_cache(maxsize=256)
def _parse(text: str) -> inspect.Signature | None:
    try:
        (function,) = ast.parse(f"def f{text}: ...").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # an enumeration or a function as a default value, or a type of another language
        return _parse_loosely(text)
    if not isinstance(function, ast.FunctionDef):
        return None
    try:
        return inspect.Signature(
            _parameters(function.args), return_annotation=_annotation(function.returns)
        )
    except (ValueError, RecursionError):
        return None


def _parameters(args: ast.arguments) -> list[inspect.Parameter]:
    kinds = inspect.Parameter
    parameters = []
    positional: list[tuple[ast.arg, Any]] = [
        (arg, kinds.POSITIONAL_ONLY) for arg in args.posonlyargs
    ]
    positional += [(arg, kinds.POSITIONAL_OR_KEYWORD) for arg in args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults))
    for (arg, kind), default in zip(positional, [*defaults, *args.defaults], strict=True):
        parameters.append(_parameter(arg, kind, default))
    if args.vararg:
        parameters.append(_parameter(args.vararg, kinds.VAR_POSITIONAL, None))
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        parameters.append(_parameter(arg, kinds.KEYWORD_ONLY, default))
    if args.kwarg:
        parameters.append(_parameter(args.kwarg, kinds.VAR_KEYWORD, None))
    return parameters


def _parameter(arg: ast.arg, kind: Any, default: ast.expr | None) -> inspect.Parameter:
    return inspect.Parameter(
        arg.arg, kind, default=_default(default), annotation=_annotation(arg.annotation)
    )


def _annotation(node: ast.expr | None) -> Any:
    return inspect.Signature.empty if node is None else Source(ast.unparse(node))


def _default(node: ast.expr | None) -> Any:
    if node is None:
        return inspect.Parameter.empty
    try:
        return _literal(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Source(ast.unparse(node))


def _literal(node: ast.expr | str) -> Any:
    value = ast.literal_eval(node)
    repr(value)  # an integer may have more digits than Python writes
    return value


# --- what is laid out as Python does it, with something in it that is none -------------------

# a text in quotes, a bracket, a sign between parameters or their parts, or anything else
_PART = re.compile(
    r"""'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | -> | [][(){}<>,:=] | [^][(){}<>,:='"-]+ | .""",
    re.VERBOSE | re.DOTALL,
)
LONGEST_LOOSE = 10_000
"""Most characters of such a text: quotes that are never closed take the square of its length."""

_CLOSED_BY = {"(": ")", "[": "]", "{": "}", "<": ">"}


def _parse_loosely(text: str) -> inspect.Signature | None:
    """Read `(mode=<Mode.FAST: 1>, x: Int 32)`: the names and kinds are those of Python."""
    if len(text) > LONGEST_LOOSE:
        return None
    parts = list(_parts(text))
    end = parts.index((")", 0)) if (")", 0) in parts else 0
    rest = "".join(part for part, _ in parts[end + 1 :]).strip()
    if not end or (rest and not rest.startswith("->")):
        return None
    returns = Source(escaped(rest[2:].strip())) if rest else inspect.Signature.empty
    pieces: list[list[str]] = [[""]]
    for part, depth in parts[1:end]:
        piece = pieces[-1]
        if depth == 1 and part == ",":
            pieces.append([""])
        elif depth == 1 and part in ":=" and part not in piece and "=" not in piece:
            piece += [part, ""]
        else:
            piece[-1] += part
    try:
        return inspect.Signature(list(_loose_parameters(pieces)), return_annotation=returns)
    except ValueError:
        return None


def _parts(text: str) -> Iterator[tuple[str, int]]:
    """The parts of a text, each with how many brackets it is in."""
    closers: list[str] = []
    for part in _PART.findall(text):
        if closers and part == closers[-1]:
            closers.pop()
        yield part, len(closers)
        if part in _CLOSED_BY:
            closers.append(_CLOSED_BY[part])


def _loose_parameters(pieces: list[list[str]]) -> Iterator[inspect.Parameter]:
    """Make the parameters.

    Raises:
        ValueError: They are none.
    """
    kinds = inspect.Parameter
    kind: Any = kinds.POSITIONAL_OR_KEYWORD
    texts = [piece[0].strip() for piece in pieces]
    positional_only = texts.index("/") if "/" in texts else 0
    if pieces[0] == texts == [""]:
        return
    for i, (text, piece) in enumerate(zip(texts, pieces, strict=True)):
        parts = dict(zip(piece[1::2], map(str.strip, piece[2::2]), strict=True))
        if text in ("*", "/"):
            kind = kinds.KEYWORD_ONLY if text == "*" else kind
            continue
        name = text.lstrip("*")
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name")
        stars = len(text) - len(name)
        own = (kinds.POSITIONAL_ONLY if i < positional_only else kind), kinds.VAR_POSITIONAL
        yield inspect.Parameter(
            name,
            (*own, kinds.VAR_KEYWORD)[min(stars, 2)],
            annotation=_loose(parts, ":"),
            default=_loose(parts, "="),
        )
        kind = kinds.KEYWORD_ONLY if stars else kind


def _loose(parts: dict[str, str], sign: str) -> Any:
    text = parts.get(sign)
    if text is None:
        return inspect.Parameter.empty
    if sign == "=":
        try:
            return _literal(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            pass
    return Source(escaped(text))

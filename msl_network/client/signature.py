"""The signature of a Service's method, which arrives as text."""

import ast
import inspect
from typing import Any

__all__ = ["Source", "parse_signature"]


class Source(str):
    """Python source that is shown as it is: an annotation, or a default that is no literal."""

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
    try:
        (function,) = ast.parse(f"def f{text}: ...").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # `<object at 0x...>` as a default value, or another language's way to write it
        return None
    if not isinstance(function, ast.FunctionDef):
        return None
    try:
        return inspect.Signature(
            _parameters(function.args), return_annotation=_annotation(function.returns)
        )
    except ValueError:
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
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Source(ast.unparse(node))

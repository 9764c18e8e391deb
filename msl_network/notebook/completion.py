"""What Tab and `?` know of the Services on a Manager, before there is a link with one.

IPython does not evaluate `client["BasicMath"]` to see what it could offer, and rightly so: that
would make a link. What the Client knows of the Manager is enough.
"""

import ast
import contextlib
import inspect
import re
import tokenize
from collections.abc import Callable
from typing import Any, Final

from IPython import get_ipython
from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.oinspect import OInfo
from IPython.utils.tokenutil import token_at_cursor

from ..client.aio import AsyncLink
from ..client.blocking import Client, Link
from ..client.calls import remote_callable
from ..client.linked import LinkedClient
from ..client.links import LinkState

__all__ = ["change_code", "explain", "find_client", "install", "word_matcher"]

PRIORITY: Final = 1000
"""Before what IPython offers, which nobody wants who has typed the name of a Service."""

_NAME: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_KEY: Final = r"""\[\s*(?P<key>'(?:[^'\\]|\\.)+'|"(?:[^"\\]|\\.)+")\s*\]"""
_ATTRIBUTE: Final = re.compile(rf"(?P<name>{_NAME}){_KEY}(?P<aio>\.aio)?\.(?P<start>\w*)$")
_ASKED: Final = re.compile(rf"(?P<name>{_NAME}){_KEY}(?P<aio>\.aio)?\.(?P<start>\w+)")
_QUESTION: Final = re.compile(
    rf"\s*(?P<what>(?P<name>{_NAME}){_KEY}(?:\.\w+)*)\s*(?P<mark>\?\??)\s*$"
)


def install(shell: Any) -> None:
    """Complete `client["BasicMath"].`, and answer `client["BasicMath"].add?`, from now on.

    In a kernel, Shift+Tab on it is answered, too.

    Args:
        shell: IPython's; nothing happens the second time.
    """
    if any(isinstance(each, _Answer) for each in shell.input_transformers_cleanup):
        return
    shell.Completer.custom_matchers.append(_matcher("links", _Attributes(shell)))
    shell.input_transformers_cleanup.append(_Answer(shell))
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        kernel.do_inspect = _Inspection(shell, kernel.do_inspect)


def word_matcher(magic: str, candidates: Callable[[list[str]], list[str]]) -> Any:
    """Make what completes the words of a line magic.

    Args:
        magic: The name of the magic.
        candidates: Called with the words that are complete; returns what the next one can be.

    Returns:
        One of the `custom_matchers` of IPython's completer.
    """
    begins = re.compile(rf"\s*(?:{_NAME}\s*=\s*)?%{magic}\s+(?P<done>.*\s)?(?P<start>\S*)$")

    def matches(line: str) -> tuple[str, dict[str, str]]:
        if (found := begins.match(line)) is None:
            return "", {}
        words = (found["done"] or "").split()
        return found["start"], dict.fromkeys(candidates(words), "keyword")

    return _matcher(magic, matches)


def find_client(namespace: dict[str, Any], name: str) -> Client | None:
    """The Client that a name, or a name with dots, stands for. Nothing is evaluated.

    Args:
        namespace: Where the name is.
        name: The name.
    """
    first, *rest = name.split(".")
    found = namespace.get(first)
    for attribute in rest:
        if isinstance(found, LinkedClient) and attribute == "client":
            found = found.client
        else:
            found = inspect.getattr_static(found, attribute, None)
    return found if isinstance(found, Client) else None


def explain(found: Any, name: str, level: int) -> None:
    """Do what IPython does for `name?`.

    Args:
        found: What the name stands for.
        name: The name.
        level: 1 for `name??`.
    """
    shell = get_ipython()
    info = OInfo(found=True, obj=found, parent=None, ismagic=False, isalias=False, namespace=None)
    pager = shell.enable_html_pager
    shell.inspector.pinfo(found, name, None, info, detail_level=level, enable_html_pager=pager)


def change_code(lines: list[str], change: Callable[[str], str]) -> list[str]:
    """Change the lines of a cell where they are code, before IPython reads it.

    Args:
        lines: The lines. Those in a string, and those for a cell magic, stay as they are.
        change: Called with a line; returns what it becomes.
    """
    if lines and lines[0].startswith("%%"):
        return lines
    changed = []
    for before, line in enumerate(lines):
        new = change(line)
        changed.append(line if new == line or _ends_in_string(lines[:before]) else new)
    return changed


def _ends_in_string(lines: list[str]) -> bool:
    try:
        for _ in tokenize.generate_tokens(iter(lines).__next__):
            pass
    except tokenize.TokenError as error:
        # as Python says it until 3.11, and from 3.12 on
        return re.search("multi-line string|triple-quoted", str(error)) is not None
    except SyntaxError:  # a magic
        pass
    return False


class _Attributes:
    """What comes after `client["BasicMath"].`."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, line: str) -> tuple[str, dict[str, str]]:
        found = _ATTRIBUTE.search(line)
        client = None if found is None else find_client(self._shell.user_ns, found["name"])
        if found is None or client is None:
            return "", {}
        entry: dict[str, Any] = {}
        with contextlib.suppress(SyntaxError):  # in the middle of an escape sequence
            entry = client._directory.services().get(ast.literal_eval(found["key"]), {})
        attributes = entry.get("attributes")
        if not isinstance(attributes, dict):
            return "", {}
        offered = {
            name: "function" if str(offer).startswith("(") else "instance"
            for name, offer in sorted(attributes.items())
            if name.isidentifier()
        }
        own = dir(AsyncLink if found["aio"] else Link)
        return found["start"], offered | {n: "function" for n in own if not n.startswith("_")}


class _Answer:
    """Makes a question that IPython can't read, `client["BasicMath"].add?`, a call that it can."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        return change_code(lines, self._answer)

    def _answer(self, line: str) -> str:
        found = _QUESTION.match(line)
        if found is None or find_client(self._shell.user_ns, found["name"]) is None:
            return line
        what, level = found["what"], len(found["mark"]) - 1
        return f"__import__({__name__!r}, fromlist='_').explain({what}, {what!r}, {level})\n"


class _Inspection:
    """Answers Shift+Tab on `client["BasicMath"].add`, which a kernel takes for `client.add`.

    Args:
        shell: IPython's.
        inspect: What the kernel does for all else.
    """

    def __init__(self, shell: Any, inspect: Callable[..., Any]) -> None:
        self._shell = shell
        self._inspect = inspect

    def __call__(self, code: str, cursor_pos: int, *args: Any, **kwargs: Any) -> Any:
        text = None
        with contextlib.suppress(SyntaxError):
            text = self._text(code, cursor_pos)
        if text is None:
            return self._inspect(code, cursor_pos, *args, **kwargs)
        return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}

    def _text(self, code: str, cursor: int) -> str | None:
        asked = token_at_cursor(code, cursor)
        word = re.match(r"\w*", code[cursor:])
        before = code[: cursor + len(word[0] if word else "")]
        for found in reversed(list(_ASKED.finditer(before))):
            name, key, aio, attribute = found["name"], found["key"], found["aio"], found["start"]
            client = find_client(self._shell.user_ns, name)
            if client is not None and f"{name}{aio or ''}.{attribute}" == asked:
                face = AsyncLink if aio else Link
                function = _offered(client, ast.literal_eval(key), face, attribute)
                return function and _described(found[0], function)
        return None


def _offered(client: Client, service: str, face: type, name: str) -> Callable[..., Any] | None:
    """A method of a link with a Service, as far as it is known without making one."""
    if name in dir(face):
        own: Callable[..., Any] = getattr(face, name)
        return own
    session = client._session
    states = [state for state in tuple(session.links) if state.service == service]
    entry = client._directory.services().get(service)
    if not states and entry is not None and isinstance(entry.get("attributes"), dict):
        states = [LinkState(session, service, entry)]
    if not states or name not in states[0].identity["attributes"]:
        return None
    return remote_callable(states[0], name, lambda args, kwargs: None)


def _described(name: str, function: Callable[..., Any]) -> str:
    with contextlib.suppress(ValueError, TypeError):  # it has none that Python could have
        name += str(inspect.signature(function))
    return f"Signature: {name}\n\n{inspect.getdoc(function) or ''}"


def _matcher(name: str, matches: Callable[[str], tuple[str, dict[str, str]]]) -> Any:
    """Make what IPython asks for completions.

    Args:
        name: A name for it.
        matches: Called with the line until the cursor; returns the word that is being typed, and
            what it can become, with the kind of it.
    """

    @context_matcher(priority=PRIORITY, identifier=f"msl_network.{name}")  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> Any:
        start, found = matches(context.text_until_cursor)
        completions = [
            SimpleCompletion(text, type=kind)
            for text, kind in found.items()
            if text.startswith(start)
        ]
        return {"completions": completions, "matched_fragment": start, "suppress": True}

    return matcher

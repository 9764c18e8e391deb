"""A parameter of a method as widgets: what is sent is what is shown.

Numbers are typed as text, since a slider or a number box changes what it can't show (`10**20`,
`1e-30`). What is no simple type is typed as a Python literal, which is parsed and never run.
"""

import ast
import html
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import ipywidgets
import traitlets

from .. import loop_thread
from ..client.signature import Source
from ..escaping import escaped, has_controls
from .results import source, summary
from .typed import NOT_FINITE, read_integer, read_literal, read_number

__all__ = ["LABEL_WIDTH", "VARIADIC", "FormError", "ParameterField"]

LABEL_WIDTH: Final = "7.5em"
"""Width of the labels of a panel's fields."""

PLACEHOLDER: Final = 100
"""Most characters of what an empty field shows."""

VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""The kinds of parameters that take any number of arguments."""

_EMPTY: Final = inspect.Parameter.empty


class FormError(ValueError):
    """What is typed in a form is no value for the method.

    Attributes:
        field: The name of the field.
    """

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field
        self.text = text


def _parsed(annotation: Any) -> ast.expr | None:
    if annotation is _EMPTY:
        return None
    try:
        return ast.parse(str(annotation), mode="eval").body
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None  # a type of another language


def _members(annotation: Any) -> tuple[list[ast.expr], bool]:
    """The types of a union, or the only one, and whether None is one of them."""
    node = _parsed(annotation)
    waiting = [] if node is None else [node]
    members: list[ast.expr] = []
    optional = False
    while waiting:  # no recursion: who knows how deep it is
        match waiting.pop():
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                waiting += [right, left]
            case ast.Subscript(value=value, slice=inner) if _name(value) == "Optional":
                waiting.append(inner)
                optional = True
            case ast.Subscript(value=value, slice=inner) if _name(value) == "Union":
                waiting += reversed(inner.elts if isinstance(inner, ast.Tuple) else [inner])
            case ast.Constant(value=None) | ast.Name(id="NoneType"):
                optional = True
            case ast.Constant(value=str(text)) if (quoted := _parsed(text)) is not None:
                waiting.append(quoted)
            case other:
                members.append(other)
    return members, optional


def _name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _choices(node: ast.expr | None) -> list[Any]:
    """The values of a `Literal`; none if it is something else."""
    if not isinstance(node, ast.Subscript) or _name(node.value) != "Literal":
        return []
    try:
        value = ast.literal_eval(node.slice)
    except (ValueError, TypeError):
        return []
    return list(value) if isinstance(node.slice, ast.Tuple) else [value]


class _Input(NamedTuple):
    """A widget, and what reads a value from it and writes one into it."""

    widget: Any
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


class ParameterField(ipywidgets.VBox):  # type: ignore[misc]
    """One parameter: its name, its widget, whether it is left at its default, what is wrong.

    Args:
        parameter: The parameter.

    Attributes:
        parameter: The parameter.
        widget: Where the value is typed or chosen.
        default: The checkbox that leaves the parameter at its default; None if it has none.
        none: The checkbox that makes the value None; None if it can't be.
    """

    def __init__(self, parameter: inspect.Parameter) -> None:
        self.parameter = parameter
        members, optional = _members(parameter.annotation)
        self._input = _make_input(parameter, members)
        self.widget = self._input.widget
        self.widget.description = parameter.name
        self.widget.description_allow_html = False
        self.widget.style.description_width = LABEL_WIDTH
        layout = self.widget.layout
        layout.flex, layout.min_width, layout.width = "1 1 14em", "10em", "auto"
        self._shown_default = self.widget.value
        self._error = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        name = escaped(parameter.name)
        self.default: Any = None
        self.none: Any = None
        if parameter.default is not _EMPTY:
            self.default = _checkbox(
                "default", f"{name}: leave it out, so that the Service uses its default", value=True
            )
            self.default.observe(self._toggled(self._use_default), "value")
        is_none = parameter.default is None
        if (optional or is_none) and parameter.kind not in VARIADIC:
            self.none = _checkbox("None", f"{name}: send None", value=is_none)
            self.none.observe(self._toggled(self._follow), "value")
        row = [each for each in (self.widget, self.none, self.default) if each is not None]
        line = ipywidgets.HBox(row, layout=ipywidgets.Layout(flex_flow="row wrap"))
        line.add_class("msl-parameter")
        super().__init__([line, self._error])
        self._follow()

    @property
    def is_given(self) -> bool:
        """Whether a value is sent for the parameter."""
        if self.parameter.kind in VARIADIC:
            return bool(self.widget.value.strip())
        return self.default is None or not self.default.value

    def value(self) -> Any:
        """What is typed or chosen.

        Raises:
            FormError: It is no value for the parameter; the field shows why.
        """
        if self.none is not None and self.none.value:
            return None
        try:
            value = self._input.read(self.widget.value)
        except ValueError as error:
            raise self.refuse(str(error)) from None
        self.complain("")
        return value

    def fill(self, value: Any) -> None:
        """Put a value into the field, as if it had been typed.

        Raises:
            FormError: The field can't have it.
        """
        if self.default is not None:
            self._set_default(False)
        is_none = value is None and self.none is not None
        if self.none is not None:
            self.none.value = is_none
        if not is_none:
            try:
                self.widget.value = self._input.write(value)
            except (ValueError, traitlets.TraitError):
                text = f"{summary(value, 40)} can't be filled in"
                raise FormError(self.parameter.name, text) from None
        self._follow()

    def clear(self) -> None:
        """Leave the parameter at its default; without one, empty the field."""
        if self.default is not None:
            self._set_default(True)
        else:
            self.widget.value = self._shown_default
        self._follow()

    def take_over(self, other: "ParameterField") -> None:
        """Show what another field shows, as far as this one can."""
        if type(self.widget) is not type(other.widget) or not other.is_given:
            return
        if other.none is not None and other.none.value:
            if self.none is not None:
                self.fill(None)
            return
        value = other.widget.value
        if isinstance(value, int) and not isinstance(value, bool):  # which of several choices
            with suppress(FormError, ValueError):
                self.fill(other.value())
            return
        if self.default is not None:
            self._set_default(False)
        if self.none is not None:
            self.none.value = False
        self.widget.value = value
        self._follow()

    def refuse(self, text: str) -> FormError:
        """Show what is wrong, and return the error to raise."""
        self.complain(text)
        return FormError(self.parameter.name, text)

    def complain(self, text: str) -> None:
        """Show what is wrong; nothing, if the text is empty."""
        self._error.value = _complaint(text)
        self._error.layout.display = "" if text else "none"

    def _toggled(self, act: Callable[[], None]) -> Callable[[Any], object]:
        # a callback can be on any thread, and widgets are set on one
        return lambda _: loop_thread.get_loop().call_soon_threadsafe(act)

    def _set_default(self, default: bool) -> None:
        self.default.value = default
        # what is shown is what is sent: the default itself, again
        if default:
            self.widget.value = self._shown_default
        if self.none is not None:
            self.none.value = default and self.parameter.default is None

    def _use_default(self) -> None:
        default = bool(self.default.value)
        self._set_default(default)
        self._follow()
        if not default:
            self.widget.focus()

    def _follow(self) -> None:
        default = self.default is not None and self.default.value
        if self.none is not None:
            self.none.disabled = default
        self.widget.disabled = default or (self.none is not None and self.none.value)
        self.complain("")


def _checkbox(name: str, tooltip: str, *, value: bool) -> Any:
    return ipywidgets.Checkbox(
        value=value,
        description=name,
        indent=False,
        tooltip=tooltip,
        layout=ipywidgets.Layout(width="auto", flex="0 0 6em"),
    )


def _make_input(parameter: inspect.Parameter, members: list[ast.expr]) -> _Input:
    """The widget of a parameter, given the types that it can have beside None."""
    # a default that is no literal can be left as it is, but not be typed
    computed = isinstance(parameter.default, Source)
    default = None if parameter.default is _EMPTY or computed else parameter.default
    if parameter.kind is parameter.VAR_POSITIONAL:
        return _Input(_text("a list, as in [1, 2]; empty for none"), _read_list, source)
    if parameter.kind is parameter.VAR_KEYWORD:
        return _Input(_text('a dict, as in {"x": 1}; empty for none'), _read_dict, source)
    node = members[0] if len(members) == 1 else None
    name = _name(node)
    choices = _choices(node)
    # 1, True and 1.0 are one for Python, and not for a Service
    words = [repr(choice) for choice in choices]
    if choices and not computed and (default is None or repr(default) in words):
        options = [(word, index) for index, word in enumerate(words)]
        value = 0 if default is None else words.index(repr(default))
        widget = ipywidgets.Dropdown(options=options, value=value)
        return _Input(widget, choices.__getitem__, lambda value: words.index(repr(value)))
    if name == "bool" and not computed and (default is None or isinstance(default, bool)):
        return _Input(ipywidgets.Checkbox(value=bool(default), indent=True), bool, _write_bool)
    hint = "" if parameter.annotation is _EMPTY else str(parameter.annotation)
    placeholder = f"default: {parameter.default}" if computed else hint or "a Python value"
    # what a line of text can't show is typed in quotes
    plain = default is None or (isinstance(default, str) and not has_controls(default))
    if name == "str" and plain:
        return _Input(_text(placeholder, default or ""), str, _write_text)
    shown = "" if default is None else _write(default)
    if name in _SIMPLE:
        return _Input(_text(placeholder, shown), _or_none(_SIMPLE[name]), _write)
    read = _number_or_literal if "float" in hint else read_literal
    return _Input(_text(placeholder, shown), read, _write)


_SIMPLE: Final[dict[str, Callable[[str], Any]]] = {
    "int": read_integer,
    "float": read_number,
}


def _text(placeholder: str, value: str = "") -> Any:
    # The browser sends what is typed when the field is left. Were it to send each letter, it
    # would hold back the last ones while the kernel is busy, and a click would overtake them.
    hint = escaped(placeholder[:PLACEHOLDER])
    return ipywidgets.Text(value=value, placeholder=hint, continuous_update=False)


def _write(value: Any) -> str:
    # as a field for numbers takes it
    return repr(value) if isinstance(value, float) else source(value)


def _write_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither True nor False")
    return value


def _write_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    if has_controls(value):
        raise ValueError(f"{value!r} can't be shown in a line")
    return value


def _or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    # "None" is no other value of such a type, so that it can be typed, too
    return lambda text: None if text.strip() == "None" else read(text)


def _number_or_literal(text: str) -> Any:
    return float(text) if NOT_FINITE.fullmatch(text.strip()) else read_literal(text)


def _read_list(text: str) -> list[Any]:
    value = read_literal(text)
    if not isinstance(value, list | tuple):
        raise ValueError("type a list, as in [1, 2]")
    return list(value)


def _read_dict(text: str) -> dict[str, Any]:
    value = read_literal(text)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError('type a dict whose keys are texts, as in {"x": 1}')
    return value


def _complaint(text: str) -> str:
    return f'<div class="msl-complaint" role="alert">⚠ {html.escape(text)}</div>' if text else ""

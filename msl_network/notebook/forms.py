"""A method's signature as widgets: what is sent is what is shown.

Numbers are typed as text, since a slider or a number box changes what it can't show (`10**20`,
`1e-30`). What is no simple type is typed as a Python literal, which is parsed and never run.
"""

import ast
import html
import inspect
import math
import re
from collections.abc import Callable
from typing import Any, Final

import ipywidgets

from .. import loop_thread
from ..client.signature import Source, parse_signature
from .results import source

__all__ = ["ArgumentsForm", "Form", "FormError", "ParameterField", "SignatureForm", "form_for"]

RESERVED: Final = ("timeout", "asynchronous", "safe_to_repeat", "on_progress")
"""Keywords that a link takes for itself, so that they can't be sent by name."""

ARGUMENTS: Final = "arguments"
"""The name of the field in which all arguments are typed."""

FIELDS: Final = 100
"""Most fields of a form; a method that says it has more parameters gets one box for them."""

LABEL_WIDTH: Final = "7.5em"
"""Width of the labels of a panel's fields."""

_EMPTY: Final = inspect.Parameter.empty
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)
_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_WORDS: Final = {"true": True, "false": False, "null": None, "none": None}
_NOT_FINITE: Final = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


class FormError(ValueError):
    """What is typed in a form is no value for the method.

    Attributes:
        field: The name of the field.
    """

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field
        self.text = text


# --- reading what was typed ------------------------------------------------------------------


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
    if _NOT_FINITE.fullmatch(word):
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
        kwargs[keyword.arg] = read_literal(ast.unparse(keyword.value))
    return [read_literal(ast.unparse(argument)) for argument in call.args], kwargs


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:39]}…"


# --- annotations -----------------------------------------------------------------------------


def _parsed(annotation: Any) -> ast.expr | None:
    if annotation is _EMPTY:
        return None
    try:
        node = ast.parse(str(annotation), mode="eval").body
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # with `from __future__ import annotations` it arrives in quotes
            node = ast.parse(node.value, mode="eval").body
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None  # a type of another language
    return node


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


# --- fields ----------------------------------------------------------------------------------


class ParameterField(ipywidgets.VBox):  # type: ignore[misc]
    """One parameter: its name, its widget, whether it is left at its default, what is wrong.

    Args:
        parameter: The parameter.

    Attributes:
        parameter: The parameter.
        widget: Where the value is typed or chosen.
        default: The checkbox that leaves the parameter at its default; None if it has none.
    """

    def __init__(self, parameter: inspect.Parameter) -> None:
        self.parameter = parameter
        self.widget, self._read = _make_widget(parameter)
        self.widget.description = parameter.name
        self.widget.description_allow_html = False
        self.widget.style.description_width = LABEL_WIDTH
        layout = self.widget.layout
        layout.flex, layout.min_width, layout.width = "1 1 14em", "10em", "auto"
        self.default: Any = None
        self._error = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        row = [self.widget]
        if parameter.default is not _EMPTY:
            self.default = ipywidgets.Checkbox(
                value=True,
                description="default",
                indent=False,
                tooltip=f"{parameter.name}: leave it out, so that the Service uses its default",
                layout=ipywidgets.Layout(width="auto", flex="0 0 6em"),
            )
            self.default.observe(self._default_toggled, "value")
            self.widget.disabled = True
            row.append(self.default)
        super().__init__(
            [ipywidgets.HBox(row, layout=ipywidgets.Layout(flex_flow="row wrap")), self._error]
        )

    @property
    def is_given(self) -> bool:
        """Whether a value is sent for the parameter."""
        if self.parameter.kind in _VARIADIC:
            return bool(self.widget.value.strip())
        return self.default is None or not self.default.value

    def value(self) -> Any:
        """What is typed or chosen.

        Raises:
            FormError: It is no value for the parameter; the field shows why.
        """
        try:
            value = self._read(self.widget.value)
        except ValueError as error:
            raise self.refuse(str(error)) from None
        self.complain("")
        return value

    def refuse(self, text: str) -> FormError:
        """Show what is wrong, and return the error to raise."""
        self.complain(text)
        return FormError(self.parameter.name, text)

    def complain(self, text: str) -> None:
        """Show what is wrong; nothing, if the text is empty."""
        self._error.value = _complaint(text)
        self._error.layout.display = "" if text else "none"

    def _default_toggled(self, change: Any) -> None:
        # a callback can be on any thread, and widgets are set on one
        loop_thread.get_loop().call_soon_threadsafe(self._use_default, bool(change["new"]))

    def _use_default(self, default: bool) -> None:
        self.widget.disabled = default
        self.complain("")
        if not default:
            self.widget.focus()


def _make_widget(parameter: inspect.Parameter) -> tuple[Any, Callable[[Any], Any]]:
    """The widget of a parameter, and what reads its value."""
    # a default that is no literal can be left as it is, but not be typed
    computed = isinstance(parameter.default, Source)
    default = None if parameter.default is _EMPTY or computed else parameter.default
    if parameter.kind is parameter.VAR_POSITIONAL:
        return _text("a list, as in [1, 2]; empty for none"), _read_list
    if parameter.kind is parameter.VAR_KEYWORD:
        return _text('a dict, as in {"x": 1}; empty for none'), _read_dict
    node = _parsed(parameter.annotation)
    name = _name(node)
    choices = _choices(node)
    if choices and (default is None or default in choices):
        chosen = choices[0] if default is None else default
        options = [(repr(choice), index) for index, choice in enumerate(choices)]
        widget = ipywidgets.Dropdown(options=options, value=choices.index(chosen))
        return widget, choices.__getitem__
    if name == "bool" and (default is None or isinstance(default, bool)):
        return ipywidgets.Checkbox(value=bool(default), indent=True), bool
    shown = "" if parameter.default is _EMPTY or computed else source(default)
    hint = "" if parameter.annotation is _EMPTY else str(parameter.annotation)
    placeholder = f"default: {parameter.default}" if computed else hint or "a Python value"
    if name == "str" and isinstance(default, str):
        return _text(placeholder, default), str
    if name in _SIMPLE and shown != "None":
        return _text(placeholder, shown), _SIMPLE[name]
    return _text(placeholder, shown), _number_or_literal if "float" in hint else read_literal


_SIMPLE: Final[dict[str, Callable[[str], Any]]] = {
    "str": str,
    "int": read_integer,
    "float": read_number,
}


def _text(placeholder: str, value: str = "") -> Any:
    # The browser sends what is typed when the field is left. Were it to send each letter, it
    # would hold back the last ones while the kernel is busy, and a click would overtake them.
    return ipywidgets.Text(value=value, placeholder=placeholder, continuous_update=False)


def _number_or_literal(text: str) -> Any:
    return float(text) if _NOT_FINITE.fullmatch(text.strip()) else read_literal(text)


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


# --- forms -----------------------------------------------------------------------------------


class Form(ipywidgets.VBox):  # type: ignore[misc]
    """The arguments of one method.

    Attributes:
        fields: The fields by name.
    """

    fields: "dict[str, ParameterField]"

    @property
    def texts(self) -> list[Any]:
        """The widgets in which text is typed."""
        widgets = [field.widget for field in self.fields.values()]
        return [widget for widget in widgets if isinstance(widget, ipywidgets.Text)]

    def values(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments to send, on the loop of the network.

        Raises:
            FormError: What is typed in a field is no value for it; the field shows why.
        """
        raise NotImplementedError


class SignatureForm(Form):
    """A form with a field for each parameter.

    Args:
        signature: The signature of the method.
    """

    def __init__(self, signature: inspect.Signature) -> None:
        self.fields = {name: ParameterField(p) for name, p in signature.parameters.items()}
        super().__init__(list(self.fields.values()))

    def values(self) -> tuple[list[Any], dict[str, Any]]:
        """See `Form.values`."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        skipped = ""
        for name, field in self.fields.items():
            field.complain("")
            kind = field.parameter.kind
            if not field.is_given:
                if kind in _POSITIONAL:
                    skipped = skipped or name
                continue
            value = field.value()
            if kind is inspect.Parameter.VAR_KEYWORD:
                self._check_keywords(field, value, kwargs)
                kwargs.update(value)
            elif kind is inspect.Parameter.KEYWORD_ONLY or (
                skipped and kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            ):
                self._check_keywords(field, {name: value}, {})
                kwargs[name] = value
            elif skipped:
                raise field.refuse(f"what comes before it must be given too: {skipped}")
            elif kind is inspect.Parameter.VAR_POSITIONAL:
                args += value
            else:
                args.append(value)
        return args, kwargs

    def _check_keywords(
        self, field: ParameterField, new: dict[str, Any], given: dict[str, Any]
    ) -> None:
        for name in new:
            if name in RESERVED:
                raise field.refuse(f"{name} can't be sent by name: the link takes it for itself")
            other = self.fields.get(name)
            positional_only = other and other.parameter.kind is inspect.Parameter.POSITIONAL_ONLY
            if name in given or (other not in (None, field) and not positional_only):
                raise field.refuse(f"{name} has a field of its own")


class ArgumentsForm(Form):
    """A form with one box, for a method of which the signature can't be read."""

    def __init__(self) -> None:
        parameter = inspect.Parameter(ARGUMENTS, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        field = ParameterField(parameter)
        field.widget.placeholder = 'as in 1, "a", x=3; empty for none'
        self.fields = {ARGUMENTS: field}
        super().__init__([field])

    def values(self) -> tuple[list[Any], dict[str, Any]]:
        """See `Form.values`."""
        field = self.fields[ARGUMENTS]
        field.complain("")
        try:
            args, kwargs = read_arguments(field.widget.value)
        except ValueError as error:
            raise field.refuse(str(error)) from None
        for name in RESERVED:
            if name in kwargs:
                raise field.refuse(f"{name} can't be sent by name: the link takes it for itself")
        return args, kwargs


def form_for(offer: Any) -> Form:
    """Make a form for an attribute of a Service.

    Args:
        offer: What the Service's identity says of it: a signature, or a value.

    Returns:
        A form with a field for each parameter, none at all for a value, or one box for arguments
        if the signature can't be read, or is very long.
    """
    signature = parse_signature(offer)
    if signature is not None and len(signature.parameters) <= FIELDS:
        return SignatureForm(signature)
    if isinstance(offer, str) and offer.startswith("("):
        return ArgumentsForm()
    return SignatureForm(inspect.Signature())

"""A method's signature as widgets: a field for each parameter."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

import ipywidgets

from ..client.signature import parse_signature
from .fields import VARIADIC, FormError, ParameterField
from .results import source
from .typed import read_arguments

__all__ = ["ArgumentsForm", "Form", "FormError", "SignatureForm", "form_for"]

RESERVED: Final = ("timeout", "asynchronous", "safe_to_repeat", "on_progress")
"""Keywords that a link takes for itself, so that they can't be sent by name."""

ARGUMENTS: Final = "arguments"
"""The name of the field in which all arguments are typed."""

FIELDS: Final = 100
"""Most fields of a form; a method that says it has more parameters gets one box for them."""

_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


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

    def take_over(self, other: "Form") -> None:
        """Show what another form shows, in the fields that both have."""
        for name, field in self.fields.items():
            if name in other.fields:
                field.take_over(other.fields[name])

    def fill(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Put arguments into the form, as if they had been typed; on the loop of the network.

        Raises:
            FormError: The form can't have them.
        """
        raise NotImplementedError

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

    def fill(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """See `Form.fill`."""
        left, named = list(args), dict(kwargs)
        for name, field in self.fields.items():
            kind = field.parameter.kind
            if kind is inspect.Parameter.VAR_POSITIONAL and left:
                field.fill(left)
                left = []
            elif kind in _POSITIONAL and left:
                field.fill(left.pop(0))
            elif kind not in VARIADIC and name in named:
                field.fill(named.pop(name))
            elif kind is inspect.Parameter.VAR_KEYWORD and named:
                field.fill(named)
                named = {}
            else:
                field.clear()
        if left or named:
            raise FormError(ARGUMENTS, f"the method has no place for {_arguments(left, named)}")

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

    def fill(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """See `Form.fill`."""
        field = self.fields[ARGUMENTS]
        field.widget.value = _arguments(args, kwargs)
        field.complain("")


def _arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    words = [source(value) for value in args]
    return ", ".join(words + [f"{name}={source(value)}" for name, value in kwargs.items()])


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

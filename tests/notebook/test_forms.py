"""A method's signature as widgets: what is sent is what is shown."""

import math

import ipywidgets
import pytest

from msl_network.notebook.forms import ArgumentsForm, FormError, form_for


def fill(form, **texts):
    """Type or choose in some of the fields, each taken from its default."""
    for name, value in texts.items():
        field = form.fields[name]
        if field.default is not None:
            field.default.value = False
        field.widget.value = value
    return form


def values(signature, **texts):
    return fill(form_for(signature), **texts).values()


def test_each_simple_type_has_its_widget():
    form = form_for('(on: bool, n: int, x: float, s: str, m: Literal["fast", 2], o: Optional[int])')
    kinds = [type(field.widget) for field in form.fields.values()]
    assert kinds == [
        ipywidgets.Checkbox,
        ipywidgets.Text,
        ipywidgets.Text,
        ipywidgets.Text,
        ipywidgets.Dropdown,
        ipywidgets.Text,
    ]
    fill(form, on=True, n="1", x="2", s=" 1, ", m=1, o="None")
    assert form.values() == ([True, 1, 2, " 1, ", 2, None], {})


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        ("int", "100000000000000000000", 10**20),
        ("int", " -0x1F ", -31),
        ("'int'", "7", 7),
        ("float", "1e-30", 1e-30),
        ("float", "123456789012345678901", 123456789012345678901),
        ("float", "-inf", -math.inf),
        ("Union[int, float]", "inf", math.inf),
        ("typing.Optional[list]", "[1, 'a', {'b': None}]", [1, "a", {"b": None}]),
        ("str", "None", "None"),
        ("str | None", "'None'", "None"),
    ],
)
def test_what_is_typed_arrives_unchanged(annotation, text, value):
    args, kwargs = values(f"(x: {annotation})", x=text)
    assert (args, kwargs) == ([value], {})
    assert type(args[0]) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        ("int", "1.5", "1.5 is no integer"),
        ("int", "True", "True is no integer"),
        ("int", "", "type an integer"),
        ("float", "1,5", "1,5 is no number"),
        ("float", "1e999", "out of the range of a float"),
        ("float", "1e-999", "out of the range of a float"),
        ("list", "volts", 'quote it: "volts"'),
        ("Any", "true", "did you mean True?"),
        ("Any", "", "type a Python value"),
        ("Any", "__import__('os').getcwd()", "is no Python value"),
    ],
)
def test_what_is_no_value_is_refused_at_its_field(annotation, text, message):
    form = fill(form_for(f"(first: int, x: {annotation})"), first="1", x=text)
    with pytest.raises(FormError) as error:
        form.values()
    assert error.value.field == "x"
    assert message in str(error.value)
    field = form.fields["x"]
    shown = field.children[-1]
    assert shown.layout.display == ""
    assert "role=" in shown.value
    fill(form, x="1")
    form.values()
    assert shown.layout.display == "none"


def test_a_default_is_shown_and_not_sent():
    form = form_for("(a, n=2, s: str = 'x y', *, scale: float = 1e-30, t=os.sep)")
    assert [form.fields[name].widget.value for name in form.fields] == [
        "",
        "2",
        "x y",
        "1e-30",
        "",
    ]
    assert "os.sep" in form.fields["t"].widget.placeholder
    fill(form, a="1")
    assert form.values() == ([1], {})
    # what stands behind one that is left out is sent by name
    fill(form, s="z")
    assert form.values() == ([1], {"s": "z"})
    fill(form, n="3", scale="2")
    assert form.values() == ([1, 3, "z"], {"scale": 2})


def test_optional_without_a_value_stays_none():
    assert values("(n: Optional[int] = None)") == ([], {})
    assert values("(n: int = None)", n="None") == ([None], {})


def test_any_number_of_arguments():
    signature = "(a, *args, key=1, **kwargs)"
    assert values(signature, a="0") == ([0], {})
    assert values(signature, a="0", args="[1, [2]]", kwargs="{'x y': 3}") == (
        [0, 1, [2]],
        {"x y": 3},
    )
    for name, text in (("args", "1"), ("kwargs", "{1: 2}"), ("kwargs", "{'key': 2}")):
        with pytest.raises(FormError, match=f"^{name}: "):
            values(signature, a="0", **{name: text})


def test_what_comes_before_must_be_given():
    for signature in ("(a=1, b=2, /)", "(a=1, *b)"):
        with pytest.raises(FormError, match=r"^b: .* a$"):
            values(signature, b="[3]")


def test_a_keyword_of_the_link_is_not_sent_as_one():
    assert values("(timeout)", timeout="3") == ([3], {})
    for signature, name, text in (
        ("(*, timeout)", "timeout", "3"),
        ("(**kw)", "kw", "{'asynchronous': 1}"),
        ("(*, on_progress)", "on_progress", "1"),
    ):
        with pytest.raises(FormError, match="the link takes it"):
            values(signature, **{name: text})


def test_each_kind_of_parameter_is_sent_as_what_it_is():
    signature = "(a: Int 32, /, mode=<Mode.FAST: 1>, *rest, key: Array of DBL, **more)"
    form = form_for(signature)
    assert form.fields["mode"].default.value  # what can't be typed can be left as it is
    assert "Mode.FAST" in form.fields["mode"].widget.placeholder
    fill(form, a="1", key="[2.5]")
    assert form.values() == ([1], {"key": [2.5]})
    fill(form, mode="'SLOW'", rest="[3]", more="{'x': 4}")
    assert form.values() == ([1, "SLOW", 3], {"key": [2.5], "x": 4})


LONG = ", ".join(f"x{i}" for i in range(1000))


@pytest.mark.parametrize("signature", ["(Numeric X, Numeric Y)", "(x=<it)", f"({LONG})"])
def test_a_signature_that_cannot_be_read_gets_one_box(signature):
    form = form_for(signature)
    assert isinstance(form, ArgumentsForm)
    assert form.values() == ([], {})
    fill(form, arguments="1, 'a', x=[3]")
    assert form.values() == ([1, "a"], {"x": [3]})
    for text in ("1)(2", "1) or (2", "1, x=", "f(1)", "volts", "**{}", "timeout=1", "*[1]"):
        fill(form, arguments=text)
        with pytest.raises(FormError, match=r"^arguments: "):
            form.values()


def test_a_value_takes_no_arguments():
    assert form_for(2.5).fields == {}
    assert form_for("a text").values() == ([], {})


def test_nothing_of_a_signature_is_markup():
    form = form_for("(x: '<b>int</b>' = '<img>')")
    assert form.fields["x"].widget.description_allow_html is False
    form.fields["x"].complain("<b>")
    assert "<b>" not in form.fields["x"].children[-1].value

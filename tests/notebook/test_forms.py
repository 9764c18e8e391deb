"""A method's signature as widgets: what is sent is what is shown."""

import math

import ipywidgets
import pytest

from msl_network import loop_thread
from msl_network.notebook.forms import ArgumentsForm, FormError, form_for


async def nothing():
    pass


def click(box, value):
    """Click a checkbox, and wait until the form has followed."""
    box.value = value
    loop_thread.submit(nothing()).result(10)


def fill(form, **texts):
    """Type or choose in some of the fields, each taken from its default."""
    for name, value in texts.items():
        field = form.fields[name]
        if field.default is not None:
            click(field.default, False)
        field.widget.value = value
    return form


def looks(field):
    """What a field shows: its text, whether it is enabled, None and default where it has them."""
    boxes = [None if box is None else box.value for box in (field.none, field.default)]
    return field.widget.value, not field.widget.disabled, *boxes


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
        ("str | None", "None", "None"),
        ("Optional[int]", "None", None),
        ("Optional['float']", "-inf", -math.inf),
        ("Union[None, List[int], str]", "[1]", [1]),
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


def test_none_is_shown_and_sent():
    form = form_for("(a: Optional[int], b: str | None = None, c: int | None = 3, d: int = 4)")
    assert [looks(field) for field in form.fields.values()] == [
        ("", True, False, None),
        ("", False, True, True),
        ("3", False, False, True),
        ("4", False, None, True),
    ]
    a, b, c, _ = form.fields.values()
    click(a.none, True)
    assert looks(a) == ("", False, True, None)
    assert form.values() == ([None], {})
    # whoever leaves the default wants to give another value
    click(b.default, False)
    assert looks(b) == ("", True, False, False)
    click(c.default, False)
    click(c.none, True)
    assert form.values() == ([None, "", None], {})
    # what is shown then is the default again
    c.widget.value = "5"
    click(c.default, True)
    assert looks(c) == ("3", False, False, True)
    click(b.default, True)
    assert looks(b) == ("", False, True, True)
    assert form.values() == ([None], {})


@pytest.mark.parametrize(
    "signature",
    [
        "(a, b: Optional[str] = None, *c, d: Literal[1, True, '1'] = 1, e: bool = True, **f)",
        "(a: float, b: str, *c, d, e, **f)",
        "(Numeric a, Numeric b)",
    ],
)
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([1e-30, "x y", 3, [4]], {"d": True, "e": False, "g": 1}),
        ([2.5, "'"], {"d": 1, "e": True}),
    ],
)
def test_arguments_are_filled_in_again(signature, args, kwargs):
    form = form_for(signature)
    form.fill(args, kwargs)
    assert form.values() == (args, kwargs)
    assert repr(form.values()) == repr((args, kwargs))  # True is not 1


def test_what_has_no_place_is_not_filled_in():
    for signature in ("()", "(a: Literal['b'])", "(a: str)"):
        with pytest.raises(FormError):
            form_for(signature).fill([1], {})
    with pytest.raises(FormError):
        form_for("(a=1)").fill([], {"b": 2})
    form = fill(form_for("(a=1, b=2)"), a="3")
    form.fill([], {"b": 4})
    assert form.values() == ([], {"b": 4})


def test_what_is_typed_is_taken_over_by_a_new_form():
    old = fill(form_for("(a: int, b=2, c: bool = False, d: Literal['x', 'y'] = 'x')"), a="1,", d=1)
    click(old.fields["c"].default, False)
    old.fields["c"].widget.value = True
    new = form_for("(d: Literal['z', 'y'] = 'z', c: bool = False, b=3, a: int = 0)")
    new.take_over(old)
    assert looks(new.fields["a"]) == ("1,", True, None, False)
    assert looks(new.fields["b"]) == ("3", False, None, True)
    assert looks(new.fields["c"]) == (True, True, None, False)
    assert looks(new.fields["d"]) == (1, True, None, False)
    other = form_for("(a: bool, d: str = '')")
    other.take_over(old)
    assert looks(other.fields["d"]) == ("", False, None, True)


DEEP = " | ".join(["int"] * 500)


@pytest.mark.parametrize(
    ("signature", "names"),
    [
        ("(self, x)", ["self", "x"]),
        ("(x: 'np.ndarray' = array([1., 2.]), *, f=<function g at 0x7f>)", ["x", "f"]),
        ("(größe: float = nan) -> None", ["größe"]),
        ("(class)", ["arguments"]),
        ("(a, a)", ["arguments"]),
        ("(x: Optional[Optional[Union[int, None]]] = None)", ["x"]),
        (f"(x: {DEEP})", ["arguments"]),
        ("(x: Array of DBL, y: Int 32)", ["x", "y"]),
        ("() -> <class 'int'>", []),
        ("(", ["arguments"]),
    ],
)
def test_odd_signatures(signature, names):
    assert list(form_for(signature).fields) == names


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


@pytest.mark.parametrize(
    ("default", "shown"),
    [
        (r"'a\nb'", r"'a\nb'"),
        (r"'\u202egnp.exe'", r"'\u202egnp.exe'"),
        (r"'\ud800'", r"'\ud800'"),
        ("'a b'", "a b"),
    ],
)
def test_a_text_that_a_line_can_not_show_is_typed_in_quotes(default, shown):
    form = form_for(f"(text: str = {default})")
    click(form.fields["text"].default, False)
    assert looks(form.fields["text"])[0] == shown
    assert repr(form.values()[0][0]) == default


def test_a_default_that_can_not_be_shown_is_not_shown_as_another_value():
    form = form_for("(on: bool = <Switch.ON: 1>, mode: Literal['a', 'b'] = <Mode.B: 'b'>)")
    assert [looks(field)[0] for field in form.fields.values()] == ["", ""]
    assert form.fields["on"].widget.placeholder == "default: <Switch.ON: 1>"
    assert form.values() == ([], {})
    fill(form, on="True", mode="'b'")
    assert form.values() == ([True, "b"], {})


def test_what_a_field_can_not_show_is_not_filled_in():
    form = form_for("(on: bool, text: str)")
    for args in ([None, "a"], [1, "a"], [True, "a\nb"]):
        with pytest.raises(FormError, match="can't be filled in"):
            form.fill(args, {})

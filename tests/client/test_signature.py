"""The signature of a method, which arrives as text."""

import inspect

import pytest

from msl_network.client.signature import parse_signature


@pytest.mark.parametrize(
    "text",
    [
        "()",
        "() -> float",
        "(x: Union[int, float], n: int = 2) -> float",
        "(a, /, b, *args, c, d=None, **kwargs)",
        "(text: str = 'a, b', values=[1, 2.5], flag=True, *, size=-1)",
        "(when: datetime.datetime = datetime.now)",
        "(mode=<Mode.FAST: 1>, f=<function f at 0x7f>, *, g=<it's>)",
        "(x: <class 'int'>, /, y: Array of DBL = 1, *z: Int 32, k, **kw: U 8) -> Numeric {1, 2}",
    ],
)
def test_signature_looks_as_it_did(text):
    assert str(parse_signature(text)) == text


def test_signature_can_be_bound():
    signature = parse_signature("(x, y=2)")
    assert signature.bind(1).arguments == {"x": 1}
    assert signature.parameters["y"].default == 2
    with pytest.raises(TypeError):
        signature.bind(1, 2, 3)


def test_kinds_where_something_is_no_python():
    parameters = parse_signature("(a, b: I 32, /, c=<C.D: 1>, *, e, f='x, y=z', **g)").parameters
    kinds = [p.kind.name for p in parameters.values()]
    assert kinds == [
        *["POSITIONAL_ONLY"] * 2,
        "POSITIONAL_OR_KEYWORD",
        *["KEYWORD_ONLY"] * 2,
        "VAR_KEYWORD",
    ]
    assert parameters["e"].default is inspect.Parameter.empty
    assert parameters["f"].default == "x, y=z"


@pytest.mark.parametrize(
    "text",
    [
        21.5,
        None,
        "text",
        "(Numeric X, Numeric Y)",
        "(double a, *double data) -> *double",
        "(x, x)",
        "(): pass\nimport os\ndef g()",
        "(" * 1000,
        "(x=1, y)",
        "(x=<a>, y)",
        "(x=<a>, x=<b>)",
        "(x=<a>, class)",
        "(: <a>)",
        "(x=<a>) or more",
        "(x: <" * 10_000,
        "(x=<a>" + "'\\" * 20_000 + ")",
        "(x=0x" + "1" * 6000 + ")",
    ],
)
def test_no_signature_of_python(text):
    assert parse_signature(text) is None


def test_nothing_is_run():
    signature = parse_signature("(x=print('run'), y: __import__('os') = 1)")
    assert repr(signature.parameters["x"].default) == "print('run')"
    assert signature.parameters["y"].default == 1
    assert isinstance(signature, inspect.Signature)
    loose = parse_signature("(x=print('run'), y: <\x1b> = __import__('os'))")
    assert str(loose) == r"(x=print('run'), y: <\x1b> = __import__('os'))"

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


@pytest.mark.parametrize(
    "text",
    [
        21.5,
        None,
        "text",
        "(x=<object object at 0x7f>)",
        "(double a, *double data) -> *double",
        "(x, x)",
        "(): pass\nimport os\ndef g()",
        "(" * 1000,
        "(x=1, y)",
    ],
)
def test_no_signature_of_python(text):
    assert parse_signature(text) is None


def test_nothing_is_run():
    signature = parse_signature("(x=print('run'), y: __import__('os') = 1)")
    assert repr(signature.parameters["x"].default) == "print('run')"
    assert signature.parameters["y"].default == 1
    assert isinstance(signature, inspect.Signature)

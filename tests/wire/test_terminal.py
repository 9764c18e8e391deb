"""Lines that a person types."""

import pytest

from msl_network.wire.terminal import parse_client, parse_typed


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("client", "Client"),
        ("CLIENT Some Name", "Some Name"),
        ('client "Quoted Name"', "Quoted Name"),
        ("clients", None),
        ("", None),
        ("hello", None),
    ],
)
def test_identity(line, name):
    identity = parse_client(line)
    assert (identity["name"] if identity else None) == name


@pytest.mark.parametrize(
    ("line", "service", "attribute", "args", "kwargs"),
    [
        ("identity", "Manager", "identity", [], {}),
        (" Identity ", "Manager", "identity", [], {}),
        ("link Some Service", "Manager", "link", ["Some Service"], {}),
        ('link "Some Service"', "Manager", "link", ["Some Service"], {}),
        ("exit", "self", "__disconnect__", [], {}),
        ("Disconnect", "self", "__disconnect__", [], {}),
        (
            "Manager users_table.is_user_registered n.bohr",
            "Manager",
            "users_table.is_user_registered",
            ["n.bohr"],
            {},
        ),
        ("BasicMath add 4 10", "BasicMath", "add", [4, 10], {}),
        ("BasicMath add x=4 y=10", "BasicMath", "add", [], {"x": 4, "y": 10}),
        ("BasicMath add x = 4 y= 10", "BasicMath", "add", [], {"x": 4, "y": 10}),
        ("BasicMath add 4 y=10.5", "BasicMath", "add", [4], {"y": 10.5}),
        (
            '"String Editor" concat s1="first string" s2="b"',
            "String Editor",
            "concat",
            [],
            {"s1": "first string", "s2": "b"},
        ),
        ("S a 'it is' \"x = y\"", "S", "a", ["it is", "x = y"], {}),
        (
            "S a true FALSE null None [1,2] 1e3 -5 0x10 text",
            "S",
            "a",
            [True, False, None, None, [1, 2], 1000.0, -5, 16, "text"],
            {},
        ),
        ("S a {b'x':1} {None:2} null", "S", "a", [{"eA==": 1}, {"null": 2}, None], {}),
        # in a time that does not grow with the square of the length
        ("S a" + " " * 1_000_000 + "b", "S", "a", ["b"], {}),
        ("S a {1,2} __import__('os') 1j", "S", "a", [[1, 2], "__import__('os')", "1j"], {}),
    ],
)
def test_request(line, service, attribute, args, kwargs):
    message = parse_typed(line)
    assert (message.service, message.attribute, message.uid) == (service, attribute, "")
    assert message.positional() == args
    assert message.keywords() == kwargs


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "hello",
        '"only this"',
        '{"service": "S", oops}',
        '\ufeff{"service": "S", "attribute": "a"}',
    ],
)
def test_no_request(line):
    assert parse_typed(line) is None


def test_what_a_compiler_would_warn_of(recwarn):
    assert parse_typed("S a 1or '\\d'").positional() == ["1or", "\\d"]
    assert not recwarn.list

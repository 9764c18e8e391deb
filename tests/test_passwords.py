"""What passwords are checked against."""

import hashlib

import pytest

from msl_network import passwords


def test_key_says_how_it_was_derived():
    key, salt = passwords.protect("Ångström")
    assert key == b"$scrypt$ln=14,r=8,p=5$" + hashlib.scrypt(
        "Ångström".encode(), salt=salt, n=2**14, r=8, p=5, maxmem=2**26, dklen=32
    )
    assert passwords.protect("Ångström") != (key, salt)
    assert passwords.matches("Ångström", key, salt, [])
    assert not passwords.matches("Angstrom", key, salt, [])


def test_key_of_other_parameters_goes_on_working():
    """Those of a release to come, or of one that has been."""
    kind, salt = b"$scrypt$ln=10,r=4,p=2$", b"s" * 16
    key = kind + hashlib.scrypt(b"x", salt=salt, n=2**10, r=4, p=2, dklen=32)
    assert passwords.kind_of(key) == kind != passwords.CURRENT
    assert passwords.matches("x", key, salt, [kind])
    assert not passwords.matches("y", key, salt, [kind])


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"x" * 31,
        passwords.CURRENT,
        passwords.CURRENT + b"x" * 31,
        b"$scrypt$ln=0,r=8,p=5$" + b"x" * 32,
        b"$scrypt$ln=14,r=0,p=5$" + b"x" * 32,
        b"$scrypt$ln=40,r=8,p=1$" + b"x" * 32,
        b"$argon2id$v=19$m=65536,t=2,p=1$" + b"x" * 32,
    ],
)
def test_damaged_key_is_nobodys_password(key):
    assert passwords.kind_of(key) is None
    assert not passwords.matches("x", key, b"s" * 16, [])


def test_key_of_one_kind_is_not_taken_for_one_of_another():
    key = hashlib.pbkdf2_hmac("sha256", b"x", b"s" * 16, 100_000, 32)
    assert passwords.matches("x", key, b"s" * 16, [passwords.OF_1X])
    assert not passwords.matches("x", passwords.CURRENT + key, b"s" * 16, [passwords.OF_1X])

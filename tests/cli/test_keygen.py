"""msl-network keygen."""

import os
import stat
import sys

import pytest

from msl_network import cryptography


def test_default_key(run, home):
    path = str(home / "keys" / "localhost.key")
    assert run("keygen") == (0, f"Created private RSA key {path!r}\n")
    assert cryptography.load_key(path).key_size == 2048


@pytest.mark.parametrize(
    ("words", "name", "size"),
    [("ecc --curve secp256r1", "ECC", 256), ("dsa --size 1024", "DSA", 1024)],
)
def test_kind_of_key(run, words, name, size):
    assert run("keygen", *words.split(), "--out", "k") == (0, f"Created private {name} key 'k'\n")
    assert cryptography.load_key("k").key_size == size


def test_encrypted_key(run, tmp_path):
    (tmp_path / "secret.txt").write_text("top secret\n")
    assert run("keygen", "ecc", "-o", "k", "-p", "secret.txt") == (
        0,
        "Reading the key password from the file\nCreated private ECC key 'k'\n",
    )
    run("keygen", "ecc", "-o", "l", "-p", "top", "secret")
    for key in ("k", "l"):
        assert cryptography.load_key(key, password="top secret")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize("words", [[], ["--out", "new/k"]], ids=["default", "of one's own"])
def test_nobody_else_can_read_the_key(run, home, tmp_path, words):
    before = os.umask(0)
    try:
        assert run("keygen", "ecc", *words)[0] == 0
    finally:
        os.umask(before)
    path = tmp_path / words[1] if words else home / "keys" / "localhost.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("size", ["x", "0", "-1"])
def test_size_that_cannot_be(run, size):
    assert run("keygen", f"--size={size}") == (
        1,
        "ValueError: The --size value must be a positive integer\n",
    )


def test_curve_that_does_not_exist(run):
    status, out = run("keygen", "ecc", "-c", "nope")
    assert status == 1
    assert out.startswith("ValueError: Invalid curve name 'NOPE'. Allowed curves are\nBRAINPOOL")

"""msl-network certdump."""

from pathlib import Path

import pytest

from msl_network import cryptography


@pytest.fixture
def certificate(home):
    key = cryptography.generate_key(path="k", algorithm="ECC")
    return cryptography.generate_certificate(path="c.crt", key_path=key)


def test_print(run, certificate):
    details = cryptography.get_metadata_as_string(cryptography.load_certificate(certificate))
    assert run("certdump", "c.crt") == (0, f"{details}\n")


def test_write(run, certificate):
    assert run("certdump", "c.crt", "--out", "sub/out.txt") == (
        0,
        "Dumped the certificate details to sub/out.txt\n",
    )
    details = cryptography.get_metadata_as_string(cryptography.load_certificate(certificate))
    text = Path("sub/out.txt").read_text(encoding="utf-8")
    assert text == f"Certificate details for c.crt\n{details}"


def test_file_that_does_not_exist(run):
    assert run("certdump", "none.crt") == (1, "Cannot find none.crt\n")


def test_file_that_is_not_a_certificate(run, tmp_path):
    (tmp_path / "notes.txt").write_text("no certificate")
    status, out = run("certdump", "notes.txt")
    assert status == 1
    assert out.startswith("ValueError: ")

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


def test_certificate_of_this_computer(run):
    assert run("certdump")[0] == 1  # there is none yet
    run("certgen")
    path = cryptography.get_default_cert_path()
    assert run("certdump") == run("certdump", path)
    fingerprint = cryptography.get_fingerprint(cryptography.load_certificate(path))
    assert run("certdump")[1].endswith(f"{fingerprint}\n")


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

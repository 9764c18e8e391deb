"""msl-network certgen."""

import pytest

from msl_network import cryptography


def test_default_certificate(run, home):
    path = str(home / "certs" / "localhost.crt")
    status, out = run("certgen", "--show")
    details = cryptography.get_metadata_as_string(cryptography.load_certificate(path))
    assert status == 0
    assert out == f"Created the self-signed certificate {path!r}\n\n{details}\n"


def test_key_of_ones_own(run, tmp_path):
    (tmp_path / "secret.txt").write_text("top secret\n")
    run("keygen", "ecc", "-o", "k", "-p", "secret.txt")
    words = ["certgen", "-k", "k", "-p", "secret.txt", "-y", "0.5", "-a", "sha512", "c"]
    assert run(*words) == (
        0,
        "Reading the key password from the file\nCreated the self-signed certificate 'c'\n",
    )
    meta = cryptography.get_metadata(cryptography.load_certificate("c"))
    assert meta["algorithm"]["name"] == "ecdsa-with-SHA512"
    assert (meta["valid_to"] - meta["valid_from"]).days == 182


@pytest.mark.parametrize("years", ["x", "0", "-1", "nan", "inf"])
def test_years_that_cannot_be(run, years):
    assert run("certgen", f"--years-valid={years}") == (
        1,
        "ValueError: The --years-valid value must be a positive number\n",
    )


def test_key_that_does_not_exist(run, home):
    assert run("certgen", "-k", "none.key") == (
        1,
        "FileNotFoundError: [Errno 2] No such file or directory: 'none.key'\n",
    )
    assert not (home / "certs").exists()


def test_algorithm_that_does_not_exist(run):
    status, out = run("certgen", "--algorithm", "crc")
    assert status == 1
    assert out.startswith("ValueError: Invalid hash algorithm 'CRC'. Allowed algorithms are\nBLAKE")

"""Keys, certificates and the TLS contexts that use them."""

import contextlib
import datetime as dt
import os
import socket
import socketserver
import ssl
import stat
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from msl_network import LocalManager, connect, constants, cryptography
from msl_network.device import UntrustedCertificateError

# 1.x made this certificate, for a computer that is called vm.
CERTIFICATE_OF_1X = b"""\
-----BEGIN CERTIFICATE-----
MIICgzCCAiigAwIBAgIUQVQycQHU6wNeaK/ZJkd08LFtHPEwCgYIKoZIzj0EAwIw
gacxCzAJBgNVBAYTAk5aMRMwEQYDVQQIDApXZWxsaW5ndG9uMRMwEQYDVQQHDApM
b3dlciBIdXR0MTgwNgYDVQQKDC9NZWFzdXJlbWVudCBTdGFuZGFyZHMgTGFib3Jh
dG9yeSBvZiBOZXcgWmVhbGFuZDELMAkGA1UEAwwCdm0xJzAlBgkqhkiG9w0BCQEW
GGluZm9AbWVhc3VyZW1lbnQuZ292dC5uejAgFw0yNjExMjQwODMzMTNaGA8yMTI2
MTEyNDA4MzMxM1owgacxCzAJBgNVBAYTAk5aMRMwEQYDVQQIDApXZWxsaW5ndG9u
MRMwEQYDVQQHDApMb3dlciBIdXR0MTgwNgYDVQQKDC9NZWFzdXJlbWVudCBTdGFu
ZGFyZHMgTGFib3JhdG9yeSBvZiBOZXcgWmVhbGFuZDELMAkGA1UEAwwCdm0xJzAl
BgkqhkiG9w0BCQEWGGluZm9AbWVhc3VyZW1lbnQuZ292dC5uejBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABAxpGT5myHWM4Dsz1nHIpUXUmwfyv1LNBQ++BpHU4qtm
xr3eFz+AH/47cKn/P60wWNGHjJMsa3xaef5EQpRJ3RWjLjAsMCoGA1UdEQQjMCGC
AnZtgglsb2NhbGhvc3SHBH8AAAGHBH8AAAGHBMAAAgIwCgYIKoZIzj0EAwIDSQAw
RgIhANJGwOZPdE1X8I/2bAyjtXoy+2aQFOKMCuM/Me2zc+/UAiEAyuJzxIwTgPXX
p2yFM+ORQDWANzu68fN6jtbF85Xv4B4=
-----END CERTIFICATE-----
"""

# What 1.x's certdump prints of it.
DUMP_OF_1X = """\
Version: v3
Serial Number: 41:54:32:71:01:d4:eb:03:5e:68:af:d9:26:47:74:f0:b1:6d:1c:f1
Issuer:
  Common Name: vm
  Country Name: NZ
  Locality Name: Lower Hutt
  State or Province Name: Wellington
  Organization Name: Measurement Standards Laboratory of New Zealand
  Email Address: info@measurement.govt.nz
Validity:
  Not Before: 24 November 2026 08:33:13 GMT
  Not After : 24 November 2126 08:33:13 GMT
Subject:
  Common Name: vm
  Country Name: NZ
  Locality Name: Lower Hutt
  State or Province Name: Wellington
  Organization Name: Measurement Standards Laboratory of New Zealand
  Email Address: info@measurement.govt.nz
Subject Public Key Info:
  Encryption: Elliptic Curve
  Curve: secp256r1
  Size: 256
  Key:
    04:0c:69:19:3e:66:c8:75:8c:e0:3b:33:d6:71:c8:a5:45:d4:9b:07:f2:bf:52:cd:05:   \x20
    0f:be:06:91:d4:e2:ab:66:c6:bd:de:17:3f:80:1f:fe:3b:70:a9:ff:3f:ad:30:58:d1:   \x20
    87:8c:93:2c:6b:7c:5a:79:fe:44:42:94:49:dd:15
Extensions:
  SubjectAlternativeName(GeneralNames([DNSName(value='vm'), DNSName(value='localhost'), \
IPAddress(value=127.0.0.1), IPAddress(value=127.0.0.1), IPAddress(value=192.0.2.2)])):
    oid: 2.5.29.17
    name: subjectAltName
    critical: False
Signature Algorithm:
  oid: 1.2.840.10045.4.3.2
  name: ecdsa-with-SHA256
  value:
    30:46:02:21:00:d2:46:c0:e6:4f:74:4d:57:f0:8f:f6:6c:0c:a3:b5:7a:32:fb:66:90:   \x20
    14:e2:8c:0a:e3:3f:31:ed:b3:73:ef:d4:02:21:00:ca:e2:73:c4:8c:13:80:f5:d7:a7:   \x20
    6c:85:33:e3:91:40:35:80:37:3b:ba:f1:f3:7a:8e:d6:c5:f3:95:ef:e0:1e
Fingerprint (SHA1):
6c:e8:6f:7a:b9:83:9e:d4:ff:01:6d:62:8b:01:18:31:ab:8c:83:0d"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "KEY_DIR", str(tmp_path / "home" / "keys"))
    monkeypatch.setattr(constants, "CERT_DIR", str(tmp_path / "home" / "certs"))
    return tmp_path / "home"


class TLSServer(socketserver.ThreadingTCPServer):
    """Says hello to each client that trusts its certificate."""

    daemon_threads = False
    allow_reuse_address = True

    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), None)
        self.context = context

    def finish_request(self, request, client_address):
        request.settimeout(10)
        with contextlib.suppress(OSError), self.context.wrap_socket(request, True) as tls:
            tls.sendall(b"hello")
            tls.recv(1)


@contextlib.contextmanager
def serve(context):
    with TLSServer(context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def say_hello(context, port, name="localhost"):
    with (
        socket.create_connection(("127.0.0.1", port), 10) as raw,
        context.wrap_socket(raw, server_hostname=name) as tls,
    ):
        return tls.recv(5)


def make(folder, *, algorithm="ECC", **kwargs):
    """Make a key and its certificate in a folder."""
    key = cryptography.generate_key(path=folder / "a.key", algorithm=algorithm)
    return cryptography.generate_certificate(path=folder / "a.crt", key_path=key, **kwargs), key


def make_as_1x_did(folder):
    """Make a certificate that has no extension but the names, as those of 1.x."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vm")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return path


# --- keys --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, rsa.RSAPrivateKey),
        ({"algorithm": "dsa", "size": 1024}, dsa.DSAPrivateKey),
        ({"algorithm": "ecc"}, ec.EllipticCurvePrivateKey),
    ],
)
def test_default_key(home, options, kind):
    path = cryptography.generate_key(**options)
    assert path == cryptography.get_default_key_path() == str(home / "keys" / "localhost.key")
    assert isinstance(cryptography.load_key(path), kind)
    assert os.listdir(home / "keys") == ["localhost.key"]


def test_curve_is_the_one_that_was_asked_for(tmp_path):
    key = cryptography.load_key(
        cryptography.generate_key(path=tmp_path / "k", algorithm="ECC", curve="prime256v1")
    )
    assert key.curve.name == "secp256r1"
    with pytest.raises(ValueError, match=r"Invalid curve name 'NOPE'\. Allowed .*\nBRAINPOOL"):
        cryptography.generate_key(algorithm="ECC", curve="nope")


def test_algorithm_that_does_not_exist():
    with pytest.raises(ValueError) as error:
        cryptography.generate_key(algorithm="rot13")
    assert str(error.value) == "The encryption algorithm must be RSA, DSA or ECC. Got ROT13"


def test_encrypted_key(tmp_path):
    path = cryptography.generate_key(path=tmp_path / "k", algorithm="ECC", password="Å secret")
    assert isinstance(cryptography.load_key(path, password="Å secret"), ec.EllipticCurvePrivateKey)
    with pytest.raises(ValueError):
        cryptography.load_key(path, password="wrong")
    with pytest.raises(TypeError):
        cryptography.load_key(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_can_read_a_key(home):
    path = cryptography.generate_key(algorithm="ECC")
    os.chmod(path, 0o644)  # as 1.x left it
    os.chmod(home / "keys", 0o755)
    cryptography.generate_key(algorithm="ECC")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_can_read_a_key_for_a_moment(tmp_path, monkeypatch):
    modes = []
    sync = os.fsync

    def watched(descriptor):
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    before = os.umask(0)
    try:
        path = cryptography.generate_key(algorithm="ECC", path=tmp_path / "mine" / "k")
        # the folder of somebody's choice is left as it is, one that is made is nobody else's
        assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700
        os.chmod(tmp_path / "mine", 0o755)
        cryptography.generate_key(algorithm="ECC", path=path)
        assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o755
    finally:
        os.umask(before)
    assert modes == [0o600, 0o600]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_says_which_certificates_are_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "CERT_DIR", str(tmp_path / "a" / "network" / "certs"))
    before = os.umask(0)
    try:
        path = Path(cryptography.save_certificate(b"", "labpc"))
    finally:
        os.umask(before)
    places = (path, path.parent, path.parent.parent, path.parent.parent.parent)
    assert [stat.S_IMODE(place.stat().st_mode) & 0o022 for place in places] == [0, 0, 0, 0]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = cryptography.generate_key(path=tmp_path / "k", algorithm="ECC")
    before = (tmp_path / "k").read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cryptography.generate_key(path=path, algorithm="ECC")
    assert (tmp_path / "k").read_bytes() == before
    assert os.listdir(tmp_path) == ["k"]


# --- certificates ------------------------------------------------------------------------


def test_default_certificate(home):
    path = cryptography.generate_certificate()
    assert path == cryptography.get_default_cert_path() == str(home / "certs" / "localhost.crt")
    assert (home / "keys" / "localhost.key").is_file()
    cert = cryptography.load_certificate(path)
    meta = cryptography.get_metadata(cert)
    assert meta["subject"] == {
        "common_name": constants.HOSTNAME,
        "country_name": "NZ",
        "locality_name": "Lower Hutt",
        "state_or_province_name": "Wellington",
        "organization_name": "Measurement Standards Laboratory of New Zealand",
        "email_address": "info@measurement.govt.nz",
    }
    assert meta["issuer"] == meta["subject"]
    assert meta["algorithm"]["name"] == "sha256WithRSAEncryption"
    assert meta["extensions"]["name"] == "subjectAltName"
    assert meta["valid_to"].year - meta["valid_from"].year == constants.DEFAULT_YEARS_VALID
    assert meta["valid_from"].tzinfo is None
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {constants.HOSTNAME, "localhost"} == set(names.get_values_for_type(x509.DNSName))
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "::1", *constants.IPV4_ADDRESSES}


def test_default_key_is_kept(home):
    cryptography.generate_certificate()
    key = (home / "keys" / "localhost.key").read_bytes()
    cryptography.generate_certificate()
    assert (home / "keys" / "localhost.key").read_bytes() == key


def test_certificate_of_ones_own(tmp_path):
    path, _ = make(
        tmp_path,
        algorithm="ECC",
        name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Faraday's lab")]),
        extensions=[x509.SubjectAlternativeName([x509.DNSName("lab.example")])],
        years_valid=0.25,
    )
    meta = cryptography.get_metadata(cryptography.load_certificate(path))
    assert meta["subject"] == {"common_name": "Faraday's lab"}
    assert "lab.example" in meta["extensions"]["value"]
    assert dt.timedelta(91) < meta["valid_to"] - meta["valid_from"] < dt.timedelta(92)


@pytest.mark.parametrize(
    ("start", "years", "end"),
    [
        (dt.datetime(2024, 2, 29), 1, dt.datetime(2025, 2, 28)),
        (dt.datetime(2024, 2, 29), 4, dt.datetime(2028, 2, 29)),
        (dt.datetime(2024, 2, 29), 76, dt.datetime(2100, 2, 28)),
        (dt.datetime(2024, 2, 28), 100, dt.datetime(2124, 2, 28)),
    ],
)
def test_certificate_made_on_29_february(start, years, end):
    assert cryptography._years_after(start, years) == end


@pytest.mark.parametrize("years", [0, -1, float("nan"), float("inf")])
def test_years_that_cannot_be(tmp_path, years):
    with pytest.raises(ValueError, match="positive number of years"):
        make(tmp_path, years_valid=years)


def test_hash_algorithm_that_cannot_sign(tmp_path):
    key = cryptography.generate_key(path=tmp_path / "k", algorithm="ECC")
    with pytest.raises(ValueError, match='"md5" not supported'):
        cryptography.generate_certificate(path=tmp_path / "c", key_path=key, algorithm="MD5")


@pytest.mark.parametrize(
    ("begins", "text"), [(400, None), (-400, "has expired, or the clock of this computer is wrong")]
)
def test_clock_that_is_wrong(tmp_path, monkeypatch, caplog, begins, text):
    # what a computer that is behind by 400 days sees; and one that is ahead, or comes too late
    monkeypatch.setattr(cryptography, "CLOCK_SKEW", dt.timedelta(days=-begins))
    key = cryptography.generate_key(path=tmp_path / "k", algorithm="ECC")
    cert = cryptography.generate_certificate(path=tmp_path / "c", key_path=key, years_valid=1)
    with LocalManager(cert_file=cert, key_file=key) as manager:
        if text is None:
            connect(**manager.kwargs).disconnect()
            assert "the clock of this computer is wrong" in caplog.text
        else:
            assert "has expired on" in caplog.text
            with pytest.raises(UntrustedCertificateError, match=text):
                connect(**manager.kwargs)


def test_hash_algorithms(tmp_path):
    path, key = make(tmp_path)
    cert = cryptography.load_certificate(path)
    assert cryptography.get_fingerprint(cert) == cert.fingerprint(hashes.SHA256()).hex(":")
    for algorithm in ("sha1", hashes.SHA1()):
        assert len(cryptography.get_fingerprint(cert, algorithm=algorithm)) == 59
    shake = cryptography.get_fingerprint(cert, algorithm="SHAKE128", digest_size=4)
    assert len(shake) == 11
    with pytest.raises(ValueError, match="'SHAKE128' needs a digest_size"):
        cryptography.get_fingerprint(cert, algorithm="SHAKE128")
    with pytest.raises(ValueError, match=r"Invalid hash algorithm 'CRC'\. Allowed .*\nBLAKE2B, "):
        cryptography.generate_certificate(key_path=key, algorithm="crc")
    with pytest.raises(TypeError, match="must be a string or HashAlgorithm instance"):
        cryptography.get_fingerprint(cert, algorithm=5)


def test_key_of_another_kind(tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "ed.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(ValueError, match="must be an RSA, DSA or ECC key"):
        cryptography.generate_certificate(key_path=path, path=tmp_path / "c")


def test_what_is_not_a_certificate(tmp_path):
    with pytest.raises(TypeError) as error:
        cryptography.load_certificate(5)
    assert str(error.value) == 'The "cert" parameter must be a string or bytes'
    with pytest.raises(ValueError):
        cryptography.load_certificate(b"no certificate")


def test_certificate_of_1x_as_text():
    cert = cryptography.load_certificate(CERTIFICATE_OF_1X)
    sha256 = cryptography.get_fingerprint(cert)
    text = cryptography.get_metadata_as_string(cert)
    assert text == f"{DUMP_OF_1X}\nFingerprint (SHA256):\n{sha256}"


def test_all_extensions_are_in_the_text(tmp_path):
    text = cryptography.get_metadata_as_string(
        cryptography.load_certificate(make(tmp_path, algorithm="RSA")[0])
    )
    for name in ("basicConstraints", "extendedKeyUsage", "subjectKeyIdentifier", "subjectAltName"):
        assert f"    name: {name}\n" in text
    assert "  Encryption: RSA\n  Exponent: 65537\n  Size: 2048\n  Modulus:\n" in text


# --- trust -------------------------------------------------------------------------------


def test_what_a_person_is_shown(tmp_path):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "\x1b[2Jtrust\nme")])
    cert = cryptography.load_certificate(make(tmp_path, name=name)[0])
    facts = cryptography.describe(cert)
    assert list(facts) == ["SHA-256", "subject", "valid from", "valid to"]
    assert facts["subject"] == r"CN=\x1b[2Jtrust\nme"
    text = cryptography.trust_text("pi.example", cert)
    assert "pi.example" in text
    assert "\x1b" not in text
    fingerprint = cert.fingerprint(hashes.SHA256()).hex(":")
    assert fingerprint in "".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("host", ["../x", "a/b", "a\\b", "", "a\0b", "a\nb"])
def test_host_cannot_leave_the_folder(home, host):
    with pytest.raises(ValueError, match="neither a hostname nor an IP address"):
        cryptography.save_certificate(CERTIFICATE_OF_1X, host)
    assert not home.exists()


@pytest.mark.parametrize("host", ["pi", "192.0.2.1", "::1", "fe80::1%eth0", "..", "lab.example"])
def test_certificate_is_kept_for_its_host(home, host):
    path = cryptography.save_certificate(CERTIFICATE_OF_1X, host)
    assert path == cryptography.certificate_path(host)
    assert os.path.dirname(os.path.realpath(path)) == os.path.realpath(home / "certs")
    assert cryptography.load_certificate(path) == cryptography.load_certificate(CERTIFICATE_OF_1X)


# --- TLS ---------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RSA", "ECC"])
def test_certificate_satisfies_a_strict_client(tmp_path, algorithm):
    cert, key = make(tmp_path, algorithm=algorithm)
    # the context that Python 3.13 makes by default
    strict = ssl.create_default_context(cafile=cert)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    # that of 1.x on an older one
    plain = ssl.create_default_context(cafile=cert)
    with serve(cryptography.server_context(cert, key)) as port:
        for context in (strict, plain, cryptography.client_context(cert)):
            for name in ("localhost", "127.0.0.1", constants.HOSTNAME):
                assert say_hello(context, port, name) == b"hello"


def test_certificate_of_1x_goes_on_working(tmp_path):
    path = make_as_1x_did(tmp_path)
    with serve(cryptography.server_context(path)) as port:
        assert say_hello(cryptography.client_context(path), port) == b"hello"


def test_only_the_pinned_certificate_is_trusted(tmp_path):
    (tmp_path / "other").mkdir()
    other, _ = make(tmp_path / "other")
    cert, key = make(tmp_path)
    context = cryptography.client_context(other)
    assert context.cert_store_stats()["x509"] == 1
    with (
        serve(cryptography.server_context(cert, key)) as port,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        say_hello(context, port)


def test_name_that_is_not_in_the_certificate(tmp_path):
    cert, key = make(tmp_path)
    context = cryptography.client_context(cert)
    with serve(cryptography.server_context(cert, key)) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match=r"pi\.example"):
            say_hello(context, port, "pi.example")
        context.check_hostname = False
        assert say_hello(context, port, "pi.example") == b"hello"


def test_old_tls_is_refused(tmp_path):
    cert, key = make(tmp_path)
    server = cryptography.server_context(cert, key)
    assert server.minimum_version == ssl.TLSVersion.TLSv1_2
    client = cryptography.client_context(cert)
    assert client.minimum_version == ssl.TLSVersion.TLSv1_2


def test_server_key_with_a_password(tmp_path, monkeypatch):
    key = cryptography.generate_key(path=tmp_path / "k", algorithm="ECC", password="secret")
    cert = cryptography.generate_certificate(
        path=tmp_path / "c", key_path=key, key_password="secret"
    )
    with serve(cryptography.server_context(cert, key, "secret")) as port:
        assert say_hello(cryptography.client_context(cert), port) == b"hello"
    with pytest.raises(ssl.SSLError, match=r"Cannot use the certificate .* with the private key"):
        cryptography.server_context(cert, key, "hushhush")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match=r"is encrypted\. Specify the key_file_password"):
        cryptography.server_context(cert, key)


def test_server_files_that_do_not_fit(tmp_path):
    cert, _ = make(tmp_path)
    other = cryptography.generate_key(path=tmp_path / "other.key", algorithm="ECC")
    with pytest.raises(ssl.SSLError) as error:
        cryptography.server_context(cert, other)
    assert cert in str(error.value)
    assert other in str(error.value)
    with pytest.raises(FileNotFoundError):
        cryptography.server_context(tmp_path / "none.crt", other)


def test_client_file_that_is_not_a_certificate(tmp_path):
    path = tmp_path / "c.crt"
    path.write_text("nothing")
    with pytest.raises(ssl.SSLError, match=r"There is no certificate in PEM format in '.*c\.crt'"):
        cryptography.client_context(path)
    with pytest.raises(FileNotFoundError, match=r"none\.crt"):
        cryptography.client_context(tmp_path / "none.crt")


def test_fetch_from_a_server_that_says_nothing():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(TimeoutError),
    ):
        cryptography.fetch_certificate("127.0.0.1", silent.getsockname()[1], 0.1)


# --- get_ssl_context ---------------------------------------------------------------------


def test_person_trusts_a_certificate_once(tmp_path, monkeypatch, capsys):
    cert, key = make(tmp_path)
    answers = ["what?", "Yes"]
    prompts = []

    def answer(prompt):
        prompts.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    with serve(cryptography.server_context(cert, key)) as port:
        path, context = cryptography.get_ssl_context(host="localhost", port=port, timeout=10)
        assert path == cryptography.certificate_path("localhost")
        assert say_hello(context, port) == b"hello"
        again = cryptography.get_ssl_context(host="localhost", port=port)
        assert say_hello(again[1], port) == b"hello"
    assert prompts == ["Continue? y/n: "] * 2
    fingerprint = cryptography.get_fingerprint(cryptography.load_certificate(cert))
    assert fingerprint in "".join(capsys.readouterr().out.split())


def test_person_does_not_trust_a_certificate(home, tmp_path, monkeypatch):
    cert, key = make(tmp_path)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with serve(cryptography.server_context(cert, key)) as port:
        assert cryptography.get_ssl_context(host="localhost", port=port) == ("", None)
    assert not (home / "certs").exists()


def test_certificate_is_saved_without_asking(tmp_path, monkeypatch):
    cert, key = make(tmp_path)
    monkeypatch.delattr("builtins.input")
    with serve(cryptography.server_context(cert, key)) as port:
        path, context = cryptography.get_ssl_context(host="127.0.0.1", port=port, auto_save=True)
        assert say_hello(context, port) == b"hello"
    with open(path, "rb") as saved, open(cert, "rb") as original:
        assert saved.read().split() == original.read().split()


def test_context_of_a_file(tmp_path):
    cert, _ = make(tmp_path)
    assert cryptography.get_ssl_context(cert_file=cert)[0] == cert
    with pytest.raises(FileNotFoundError):
        cryptography.get_ssl_context(cert_file=str(tmp_path / "none.crt"), host="localhost")


@pytest.mark.parametrize("where", [{}, {"host": "localhost"}, {"port": 1875}])
def test_context_of_nothing(where):
    with pytest.raises(ValueError) as error:
        cryptography.get_ssl_context(**where)
    assert str(error.value) == "Must specify the host and port or the cert_file"

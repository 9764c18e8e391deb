"""Private keys, self-signed certificates, and the TLS contexts that use them.

A Manager has a self-signed certificate. The other side pins it: it keeps a copy, trusts that
one and nothing else, and a person decides once, from its fingerprint, whether it is the right
one.
"""

import calendar
import contextlib
import datetime as dt
import getpass
import ipaddress
import logging
import os
import secrets
import ssl
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import constants
from .certificate import (
    concrete_classes,
    describe,
    get_fingerprint,
    get_metadata,
    get_metadata_as_string,
    hash_algorithm,
    trust_text,
)

__all__ = [
    "generate_key",
    "load_key",
    "generate_certificate",
    "load_certificate",
    "get_default_cert_path",
    "get_default_key_path",
    "get_fingerprint",
    "get_metadata",
    "get_metadata_as_string",
    "describe",
    "trust_text",
    "certificate_path",
    "fetch_certificate",
    "save_certificate",
    "client_context",
    "server_context",
    "get_ssl_context",
]

_LOGGER = logging.getLogger(__package__)

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME

CLOCK_SKEW = dt.timedelta(days=1)
"""How long before it is made a certificate begins to be valid."""


# --- keys --------------------------------------------------------------------------------


def generate_key(
    *,
    path: str | os.PathLike[str] | None = None,
    algorithm: str = "RSA",
    password: str | None = None,
    size: int = 2048,
    curve: str = "SECP384R1",
) -> str:
    """Make a private key. Nobody but the owner may read the file.

    Args:
        path: Where to save the key; by default where `get_default_key_path` says.
        algorithm: `"RSA"`, `"DSA"` or `"ECC"`, in any case.
        password: Encrypts the key; None leaves it unencrypted.
        size: The size of an RSA or a DSA key, in bits.
        curve: The name of the elliptic curve of an ECC key.

    Returns:
        The path of the key.

    Raises:
        ValueError: The algorithm, the size, the curve or the password can't be used.
        OSError: The file can't be written.
    """
    key: PrivateKeyTypes
    match algorithm.upper():
        case "RSA":
            key = rsa.generate_private_key(65537, size)
        case "DSA":
            key = dsa.generate_private_key(size)
        case "ECC":
            with _what_is_supported():
                key = ec.generate_private_key(_curve(curve))
        case other:
            raise ValueError(f"The encryption algorithm must be RSA, DSA or ECC. Got {other}")
    encryption = (
        serialization.NoEncryption()
        if password is None
        else serialization.BestAvailableEncryption(password.encode())
    )
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    saved = _write(get_default_key_path() if path is None else path, data, private=True)
    _LOGGER.debug("created private %s key %s", algorithm.upper(), saved)
    return saved


def load_key(path: str | os.PathLike[str], *, password: str | None = None) -> PrivateKeyTypes:
    """Load a private key from a PEM file.

    Args:
        path: The path of the key.
        password: Decrypts the key.

    Raises:
        OSError: The file can't be read.
        TypeError: The key is encrypted and there is no password, or the other way round.
        ValueError: The password is wrong, or the file is not a private key.
    """
    with open(path, "rb") as file:
        data = file.read()
    return serialization.load_pem_private_key(data, None if password is None else password.encode())


def get_default_key_path() -> str:
    """Where the private key of this computer is kept."""
    return os.path.join(constants.KEY_DIR, "localhost.key")


# --- certificates ------------------------------------------------------------------------


def generate_certificate(
    *,
    path: str | os.PathLike[str] | None = None,
    key_path: str | os.PathLike[str] | None = None,
    key_password: str | None = None,
    algorithm: str | hashes.HashAlgorithm = "SHA256",
    years_valid: float | None = None,
    digest_size: int | None = None,
    name: x509.Name | None = None,
    extensions: Iterable[x509.ExtensionType] | None = None,
) -> str:
    """Make a self-signed certificate.

    Args:
        path: Where to save it; by default where `get_default_cert_path` says.
        key_path: The private key to sign with; by default that of this computer, which is
            made when it does not exist.
        key_password: Decrypts the private key.
        algorithm: The hash algorithm of the signature.
        years_valid: For how many years the certificate is valid, from now; a quarter of a
            year is 0.25.
        digest_size: The size of the digest in bytes, for an algorithm that needs one.
        name: The subject and issuer; by default one with the hostname as common name.
        extensions: Extensions to have in the certificate. When there are none and the common
            name is this computer's hostname, its names and addresses are added.

    Returns:
        The path of the certificate.

    Raises:
        OSError: A file can't be read or written.
        TypeError: The key is encrypted and there is no password, or the other way round.
        ValueError: An argument can't be used, or the password is wrong.
    """
    hashing: Any = hash_algorithm(algorithm, digest_size)
    years = constants.DEFAULT_YEARS_VALID if years_valid is None else years_valid
    if not 0 < years < dt.MAXYEAR:
        raise ValueError(f"A certificate must be valid for a positive number of years, not {years}")
    if key_path is None:
        key_path = get_default_key_path()
        if not os.path.isfile(key_path):
            generate_key(path=key_path, password=key_password)
    key = load_key(key_path, password=key_password)
    if not isinstance(key, (rsa.RSAPrivateKey, dsa.DSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise ValueError(f"The key {os.fspath(key_path)!r} must be an RSA, DSA or ECC key")

    name = _default_name() if name is None else name
    # a Raspberry Pi has no clock of its own: whoever connects may be behind it by hours
    start = dt.datetime.now(dt.UTC) - CLOCK_SKEW
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(_years_after(start, years))
    )
    wanted = list(extensions or ())
    for default, critical in _leaf_extensions(key.public_key()):
        if not any(isinstance(extension, type(default)) for extension in wanted):
            builder = builder.add_extension(default, critical)
    if not wanted and any(
        attribute.value == constants.HOSTNAME
        for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)
    ):
        wanted.append(_names_of_this_computer())
    for extension in wanted:
        builder = builder.add_extension(extension, critical=False)
    with _what_is_supported():
        data = builder.sign(key, hashing).public_bytes(serialization.Encoding.PEM)
    saved = _write(get_default_cert_path() if path is None else path, data)
    _LOGGER.debug("created self-signed certificate %s", saved)
    return saved


def load_certificate(cert: str | os.PathLike[str] | bytes) -> x509.Certificate:
    """Load a certificate.

    Args:
        cert: The path of a PEM file, or the content of one.

    Raises:
        OSError: The file can't be read.
        TypeError: `cert` is neither a path nor bytes.
        ValueError: It is not a certificate in PEM format.
    """
    if isinstance(cert, (str, os.PathLike)):
        with open(cert, "rb") as file:
            cert = file.read()
    elif not isinstance(cert, bytes):
        raise TypeError('The "cert" parameter must be a string or bytes')
    return x509.load_pem_x509_certificate(cert)


def get_default_cert_path() -> str:
    """Where the certificate of this computer is kept."""
    return certificate_path("localhost")


# --- trust -------------------------------------------------------------------------------


def certificate_path(host: str) -> str:
    """Where the certificate that is trusted for a host is kept.

    Args:
        host: A hostname or an IP address.

    Raises:
        ValueError: `host` could not be a host and would name another file.
    """
    if not host or not host.isprintable() or any(separator in host for separator in "/\\"):
        raise ValueError(f"{host!r} is neither a hostname nor an IP address")
    if constants.IS_WINDOWS:
        host = host.replace(":", "-")  # not allowed in the name of a file
    return os.path.join(constants.CERT_DIR, f"{host}.crt")


def fetch_certificate(
    host: str, port: int, timeout: float | None = constants.CONNECT_TIMEOUT, **kwargs: Any
) -> bytes:
    """Ask a server for its certificate, which is not verified in any way.

    Args:
        host: The hostname or IP address of the server.
        port: The port of the server.
        timeout: Seconds to wait for the server; None to wait for as long as it takes.
        kwargs: Passed to `ssl.get_server_certificate`.

    Returns:
        The certificate in PEM format.

    Raises:
        OSError: The server can't be reached, does not answer in time, or does not use TLS.
    """
    kwargs["timeout"] = timeout
    return ssl.get_server_certificate((host, port), **kwargs).encode()


def save_certificate(pem: bytes, host: str) -> str:
    """Trust a certificate for a host from now on.

    Args:
        pem: The certificate in PEM format.
        host: The hostname or IP address that it is trusted for.

    Returns:
        The path of the file.

    Raises:
        OSError: The file can't be written.
        ValueError: `host` could not be a host.
    """
    return _write(certificate_path(host), pem)


# --- TLS ---------------------------------------------------------------------------------


def client_context(cert_file: str | os.PathLike[str]) -> ssl.SSLContext:
    """Make the context of a client that trusts one certificate and nothing else.

    When it is trusted has been decided before, so a clock that is behind is no reason to refuse it.
    One that has expired is refused.

    Args:
        cert_file: The path of the certificate, in PEM format.

    Raises:
        OSError: The file can't be read; `ssl.SSLError` when it is not a certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A pinned certificate is trusted whoever has signed it. The strict rules are for
    # certificates of authorities: those that 1.x makes do not keep them.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cafile=cert_file)
    except ssl.SSLError as error:
        raise ssl.SSLError(
            error.errno, f"There is no certificate in PEM format in {os.fspath(cert_file)!r}"
        ) from error
    except OSError as error:
        error.filename = os.fspath(cert_file)  # which Python leaves out
        raise
    if _begins(cert_file) > dt.datetime.now(dt.UTC):
        # what was trusted in the past can't begin in the future: it is a computer without a clock
        # of its own, as a Raspberry Pi is, that has not been told the time yet
        context.verify_flags |= _NO_CHECK_TIME
        _LOGGER.warning(
            "the clock of this computer is wrong: it is %s, before the certificate %s is valid",
            f"{dt.datetime.now():%Y-%m-%d %H:%M}",
            os.fspath(cert_file),
        )
    return context


def server_context(
    cert_file: str | os.PathLike[str],
    key_file: str | os.PathLike[str] | None = None,
    password: str | None = None,
) -> ssl.SSLContext:
    """Make the context of a server.

    Args:
        cert_file: The path of the certificate, in PEM format.
        key_file: The path of the private key; None when it is in `cert_file` too.
        password: Decrypts the private key. When it is needed and missing, a person at a
            terminal is asked for it.

    Raises:
        OSError: A file can't be read; `ssl.SSLError` when it is not what it should be, the
            password is wrong, or the key is not that of the certificate.
        ValueError: The key is encrypted, and there is neither a password nor a terminal.
    """
    key_name = os.fspath(key_file or cert_file)

    def get_password() -> str:
        if password is not None:
            return password
        if sys.stdin is None or not sys.stdin.isatty():
            raise ValueError(
                f"The private key {key_name!r} is encrypted. Specify the key_file_password"
            )
        return getpass.getpass(f"Password of the private key {key_name}: ")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert_file, key_file, get_password)
    except ssl.SSLError as error:
        raise ssl.SSLError(
            error.errno,
            f"Cannot use the certificate {os.fspath(cert_file)!r} with the private key "
            f"{key_name!r} ({error.reason or 'wrong password, or not in PEM format'})",
        ) from error
    return context


def get_ssl_context(
    *,
    cert_file: str | os.PathLike[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    auto_save: bool = False,
    **kwargs: Any,
) -> tuple[str, ssl.SSLContext | None]:
    """Make the context of a client, asking a person whether to trust an unknown server.

    Args:
        cert_file: The path of the certificate to trust. The other arguments are ignored then.
        host: The hostname or IP address of the server.
        port: The port of the server.
        auto_save: Whether to trust an unknown certificate without asking.
        kwargs: Passed to `fetch_certificate`.

    Returns:
        The path of the trusted certificate and the context; `("", None)` when the person does
        not trust it.

    Raises:
        OSError: A file can't be read or written, or the server can't be reached.
        ValueError: There is neither a certificate nor a server to get one from.
    """
    if cert_file is not None:
        return os.fspath(cert_file), client_context(cert_file)
    if host is None:
        raise ValueError("Must specify the host and port or the cert_file")
    path = certificate_path(host)
    if os.path.isfile(path):
        return path, client_context(path)
    if port is None:
        raise ValueError("Must specify the host and port or the cert_file")
    pem = fetch_certificate(host, port, **kwargs)
    if not auto_save:
        from .asking import Question, ask_in_terminal

        cert = load_certificate(pem)
        question = Question(
            "certificate",
            "Continue? y/n: ",
            text=trust_text(host, cert),
            choice=True,
            details=describe(cert),
        )
        if ask_in_terminal(question) == "n":
            return "", None
    path = save_certificate(pem, host)
    return path, client_context(path)


# --- details -----------------------------------------------------------------------------


def _write(path: str | os.PathLike[str], data: bytes, *, private: bool = False) -> str:
    """Write a file as a whole or not at all, and return its path."""
    folder = constants.ensure_parent(path, private=private).parent
    if private and os.path.realpath(folder) == os.path.realpath(constants.KEY_DIR):
        with contextlib.suppress(PermissionError):  # it is somebody else's
            os.chmod(folder, 0o700)  # 1.x has left it open
    path = os.path.expanduser(path)
    target = os.path.realpath(path)
    temporary = f"{target}.{secrets.token_hex(4)}.tmp"
    mode = 0o600 if private else 0o644
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise
    return path


def _begins(cert_file: str | os.PathLike[str]) -> dt.datetime:
    """From when on all certificates in a file are valid."""
    with open(cert_file, "rb") as file, contextlib.suppress(ValueError):
        found = x509.load_pem_x509_certificates(file.read())
        return max(certificate.not_valid_before_utc for certificate in found)
    return dt.datetime.min.replace(tzinfo=dt.UTC)  # in a format that OpenSSL alone can read


@contextlib.contextmanager
def _what_is_supported() -> Iterator[None]:
    try:
        yield
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None


def _default_name() -> x509.Name:
    # The same as in 1.x, so that its certificates and ours are recognised by the same names.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NZ"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Wellington"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "Lower Hutt"),
            x509.NameAttribute(
                NameOID.ORGANIZATION_NAME, "Measurement Standards Laboratory of New Zealand"
            ),
            x509.NameAttribute(NameOID.COMMON_NAME, constants.HOSTNAME),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "info@measurement.govt.nz"),
        ]
    )


def _names_of_this_computer() -> x509.SubjectAlternativeName:
    addresses = dict.fromkeys(["127.0.0.1", "::1", *constants.IPV4_ADDRESSES])
    return x509.SubjectAlternativeName(
        [
            *(x509.DNSName(name) for name in dict.fromkeys([constants.HOSTNAME, "localhost"])),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
        ]
    )


def _leaf_extensions(
    public_key: rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey,
) -> list[tuple[x509.ExtensionType, bool]]:
    """What a strict verifier (Python 3.13) wants, each with whether it is critical.

    There is no key usage: OpenSSL before 3.0 does not take a certificate as self-signed unless
    that usage allows to sign certificates, which the strict rules forbid for a server's.
    """
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (identifier, False),
        (x509.AuthorityKeyIdentifier(identifier.digest, None, None), False),
    ]


def _years_after(when: dt.datetime, years: float) -> dt.datetime:
    year = when.year + int(years)
    leap_day = (when.month, when.day) == (2, 29) and not calendar.isleap(year)
    later = when.replace(year=year, day=28 if leap_day else when.day)
    return later + dt.timedelta(days=365 * (years - int(years)))


def _curve(name: str) -> ec.EllipticCurve:
    curves = concrete_classes(ec, ec.EllipticCurve)  # type: ignore[type-abstract]
    curves |= {"PRIME192V1": ec.SECP192R1, "PRIME256V1": ec.SECP256R1}
    try:
        return curves[name.upper()]()
    except KeyError:
        raise ValueError(
            f"Invalid curve name {name.upper()!r}. Allowed curves are\n{', '.join(sorted(curves))}"
        ) from None

"""What is written in a certificate, for programs and for the person who is to trust it."""

import inspect
import textwrap
from types import ModuleType
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import NameOID

__all__ = ["get_fingerprint", "get_metadata", "get_metadata_as_string", "describe", "trust_text"]

T = TypeVar("T")

_TEXT_WIDTH = 60
"""Characters in a line of what a person reads before trusting a certificate, as in 1.x."""

_HEX_WIDTH = 75
"""Characters in a line of colon-separated bytes, as in 1.x: 25 bytes."""


def get_fingerprint(
    cert: x509.Certificate,
    *,
    algorithm: str | hashes.HashAlgorithm = "SHA256",
    digest_size: int | None = None,
) -> str:
    """The fingerprint of a certificate, as colon-separated bytes in hexadecimal.

    Args:
        cert: The certificate.
        algorithm: The hash algorithm.
        digest_size: The size of the digest in bytes, for an algorithm that needs one.

    Raises:
        TypeError: `algorithm` is neither a name nor a hash algorithm.
        ValueError: There is no hash algorithm of that name, or not of that digest size.
    """
    return cert.fingerprint(hash_algorithm(algorithm, digest_size)).hex(":")


def get_metadata(cert: x509.Certificate) -> dict[str, Any]:
    """What is written in a certificate.

    Returns:
        `version`, `serial_number`, `valid_from` and `valid_to` (naive, in UTC),
        `fingerprint` (SHA-256), `issuer`, `subject`, `key`, `algorithm`, `all_extensions` (the
        oid, name, value and criticality of each) and `extensions` (the same of the last one).

    Raises:
        NotImplementedError: The public key is not an RSA, DSA or ECC key.
    """
    all_extensions = [
        {
            "oid": extension.oid.dotted_string,
            "name": extension.oid._name,
            "value": str(extension.value),
            "critical": extension.critical,
        }
        for extension in cert.extensions
    ]
    return {
        "version": cert.version.name,
        "serial_number": _hex(cert.serial_number),
        "valid_from": cert.not_valid_before_utc.replace(tzinfo=None),
        "valid_to": cert.not_valid_after_utc.replace(tzinfo=None),
        "fingerprint": get_fingerprint(cert),
        "issuer": _name_to_dict(cert.issuer),
        "subject": _name_to_dict(cert.subject),
        "key": _public_key_to_dict(cert),
        "algorithm": {
            "oid": cert.signature_algorithm_oid.dotted_string,
            "name": cert.signature_algorithm_oid._name,
            "signature": cert.signature.hex(":"),
        },
        "extensions": dict(all_extensions[-1]) if all_extensions else {},
        "all_extensions": all_extensions,
    }


def get_metadata_as_string(cert: x509.Certificate) -> str:
    """What is written in a certificate, as text for a person.

    Raises:
        NotImplementedError: The public key is not an RSA, DSA or ECC key.
    """
    meta = get_metadata(cert)
    when = "%d %B %Y %H:%M:%S GMT"
    lines = [
        f"Version: {meta['version']}",
        f"Serial Number: {meta['serial_number']}",
        "Issuer:",
        *(f"  {_title(key)}: {value}" for key, value in meta["issuer"].items()),
        "Validity:",
        f"  Not Before: {meta['valid_from'].strftime(when)}",
        f"  Not After : {meta['valid_to'].strftime(when)}",
        "Subject:",
        *(f"  {_title(key)}: {value}" for key, value in meta["subject"].items()),
        "Subject Public Key Info:",
    ]
    for key, value in meta["key"].items():
        if key in ("key", "modulus", "y", "p", "q", "g"):
            lines += [f"  {key.title()}:", _block(value)]
        else:
            lines.append(f"  {_title(key)}: {value}")
    if meta["all_extensions"]:
        lines.append("Extensions:")
    for extension in meta["all_extensions"]:
        value = extension.pop("value").replace("<", "").replace(">", "")
        lines.append(f"  {value}:")
        lines += [f"    {key}: {item}" for key, item in extension.items()]
    lines += [
        "Signature Algorithm:",
        f"  oid: {meta['algorithm']['oid']}",
        f"  name: {meta['algorithm']['name']}",
        "  value:",
        _block(meta["algorithm"]["signature"]),
        "Fingerprint (SHA1):",
        get_fingerprint(cert, algorithm="SHA1"),
        "Fingerprint (SHA256):",
        meta["fingerprint"],
    ]
    return "\n".join(lines)


def describe(cert: x509.Certificate) -> dict[str, str]:
    """The facts from which a person judges a certificate.

    Returns:
        `SHA-256` (the fingerprint), `subject`, `valid from` and `valid to`, safe to print.
    """
    subject = cert.subject.rfc4514_string({NameOID.EMAIL_ADDRESS: "E"})
    return {
        "SHA-256": get_fingerprint(cert),
        # Whoever made the certificate chose this text: it must not steer the terminal.
        "subject": "".join(c if c.isprintable() else ascii(c)[1:-1] for c in subject),
        "valid from": f"{cert.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC",
        "valid to": f"{cert.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC",
    }


def trust_text(host: str, cert: x509.Certificate) -> str:
    """What a person reads in a terminal before deciding whether to trust a certificate."""
    facts = describe(cert)
    fingerprint = facts.pop("SHA-256")
    half = len(fingerprint) // 2 + 1
    return "\n".join(
        [
            textwrap.fill(
                f"This is the first connection to {host} from here, so there is no certificate "
                "yet to recognise it by. Another computer could be answering in its place.",
                _TEXT_WIDTH,
            ),
            "",
            "The SHA-256 fingerprint of the certificate that it sent is",
            f"  {fingerprint[:half]}",
            f"  {fingerprint[half:]}",
            *(f"{label}: {value}" for label, value in facts.items()),
            "",
            textwrap.fill(
                "Compare it with the one that `msl-network certdump` prints on the computer of "
                "the Manager. If you continue, the certificate is saved and only this one is "
                f"accepted from {host} from now on.",
                _TEXT_WIDTH,
            ),
            "",
        ]
    )


def concrete_classes(module: ModuleType, base: type[T]) -> dict[str, type[T]]:
    """The concrete subclasses of `base` in a module, by their names in capitals."""
    return {
        name.upper(): item
        for name, item in sorted(vars(module).items())
        if isinstance(item, type) and issubclass(item, base) and not inspect.isabstract(item)
    }


def hash_algorithm(
    algorithm: str | hashes.HashAlgorithm, digest_size: int | None
) -> hashes.HashAlgorithm:
    """A hash algorithm from its name, or itself.

    Args:
        algorithm: The name, in any case, or a hash algorithm.
        digest_size: The size of the digest in bytes, for an algorithm that needs one.

    Raises:
        TypeError: `algorithm` is neither a name nor a hash algorithm.
        ValueError: There is no hash algorithm of that name, or not of that digest size.
    """
    if isinstance(algorithm, hashes.HashAlgorithm):
        return algorithm
    if not isinstance(algorithm, str):
        raise TypeError("The hash algorithm must be a string or HashAlgorithm instance")
    algorithms = concrete_classes(hashes, hashes.HashAlgorithm)  # type: ignore[type-abstract]
    try:
        found: Any = algorithms[algorithm.upper()]
    except KeyError:
        raise ValueError(
            f"Invalid hash algorithm {algorithm.upper()!r}. "
            f"Allowed algorithms are\n{', '.join(algorithms)}"
        ) from None
    if "digest_size" not in inspect.signature(found).parameters:
        return found()  # type: ignore[no-any-return]
    if digest_size is None:
        raise ValueError(f"The hash algorithm {algorithm.upper()!r} needs a digest_size")
    return found(digest_size)  # type: ignore[no-any-return]


def _hex(number: int) -> str:
    return number.to_bytes((number.bit_length() + 7) // 8 or 1).hex(":")


def _name_to_dict(name: x509.Name) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for label, oid in vars(NameOID).items():
        attributes = [] if label.startswith("_") else name.get_attributes_for_oid(oid)
        if attributes:
            names[label.lower()] = attributes[0].value
    return names


def _public_key_to_dict(cert: x509.Certificate) -> dict[str, Any]:
    key = cert.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return {
            "encryption": "Elliptic Curve",
            "curve": key.curve.name,
            "size": key.curve.key_size,
            "key": point.hex(":"),
        }
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {
            "encryption": "RSA",
            "exponent": numbers.e,
            "size": key.key_size,
            "modulus": _hex(numbers.n),
        }
    if isinstance(key, dsa.DSAPublicKey):
        public = key.public_numbers()
        parameters = public.parameter_numbers
        return {
            "encryption": "DSA",
            "size": key.key_size,
            "y": _hex(public.y),
            "p": _hex(parameters.p),
            "q": _hex(parameters.q),
            "g": _hex(parameters.g),
        }
    raise NotImplementedError(f"Unsupported public key {type(key).__name__}")


def _title(label: str) -> str:
    return label.replace("_", " ").title().replace(" Or ", " or ")


def _block(text: str) -> str:
    """Break colon-separated bytes into lines, with the spaces at their ends that 1.x has."""
    lines = (text[i : i + _HEX_WIDTH] for i in range(0, len(text), _HEX_WIDTH))
    return "    " + "    \n    ".join(lines)

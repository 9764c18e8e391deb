"""The command `certgen`: make a self-signed certificate."""

import argparse
import math
from typing import Any

from .. import constants
from ..secret import read_secret
from .secret import add_password

__all__ = ["add_parser", "execute"]

_HELP = "Make a self-signed certificate."

_DESCRIPTION = f"""\
{_HELP}

Its common name is the hostname of this computer. OpenSSL does it with:
  openssl req -key private.key -new -x509 -days 365 -out certificate.crt"""

_EPILOG = """\
examples:
  # the certificate that a Manager on this computer uses by default
  msl-network certgen

  # a certificate for a key of your own
  msl-network certgen --key-file key.pem cert.pem

see also: msl-network keygen, msl-network certdump"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "certgen", help=_HELP, description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument(
        "out",
        nargs="?",
        help="The path to save the certificate to. By default it is saved\n"
        "where a Manager looks for it.",
    )
    parser.add_argument(
        "-a",
        "--algorithm",
        default="SHA256",
        help="The hash algorithm of the signature (default: %(default)s).",
    )
    parser.add_argument(
        "-k",
        "--key-file",
        help="The path of the private key to sign with. By default it is the\n"
        "key of this computer, which is made when there is none.",
    )
    add_password(parser, "-p", "--key-file-password", "The password of an encrypted private key.")
    parser.add_argument(
        "-y",
        "--years-valid",
        default=constants.DEFAULT_YEARS_VALID,
        help="For how many years the certificate is valid; 0.25 is three\n"
        "months (default: %(default)s).",
    )
    parser.add_argument(
        "--show", action="store_true", help="Print what is written in the new certificate."
    )
    parser.set_defaults(func=execute)
    return parser


def execute(args: argparse.Namespace) -> int:
    """Run the command."""
    from .. import cryptography

    try:
        years = float(args.years_valid)
    except ValueError:
        years = math.nan
    if not 0 < years < math.inf:
        raise ValueError("The --years-valid value must be a positive number")
    path = cryptography.generate_certificate(
        path=args.out,
        key_path=args.key_file,
        key_password=read_secret(args.key_file_password, "key password", print),
        algorithm=args.algorithm,
        years_valid=years,
    )
    print(f"Created the self-signed certificate {path!r}")
    if args.show:
        print()
        print(cryptography.get_metadata_as_string(cryptography.load_certificate(path)))
    return 0

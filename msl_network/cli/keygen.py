"""The command `keygen`: make a private key."""

import argparse
from typing import Any

from ..secret import read_secret
from .secret import add_password

__all__ = ["add_parser", "execute"]

_HELP = "Make a private key to sign a certificate with."

_EPILOG = """\
examples:
  # the key of this computer: RSA, 2048 bits, not encrypted
  msl-network keygen

  # a key of 3072 bits, encrypted with the first line of a file
  msl-network keygen rsa --size 3072 --password secret.txt --out key.pem

see also: msl-network certgen"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "keygen",
        help=_HELP,
        description=f"{_HELP}\n\nOpenSSL does it with: openssl genrsa -out key.pem 2048",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "algorithm",
        nargs="?",
        default="rsa",
        choices=["rsa", "dsa", "ecc"],
        help="The kind of key (default: %(default)s).",
    )
    parser.add_argument(
        "-c",
        "--curve",
        default="SECP384R1",
        help="The elliptic curve of an ECC key (default: %(default)s).",
    )
    add_password(
        parser, "-p", "--password", "The password to encrypt the key with. By default it is not."
    )
    parser.add_argument(
        "-o",
        "--out",
        help="The path to save the key to. By default it is saved where a\nManager looks for it.",
    )
    parser.add_argument(
        "-s",
        "--size",
        default=2048,
        help="The size of an RSA or a DSA key, in bits (default: %(default)s).",
    )
    parser.set_defaults(func=execute)
    return parser


def execute(args: argparse.Namespace) -> int:
    """Run the command."""
    from ..cryptography import generate_key

    try:
        size = int(args.size)
    except ValueError:
        size = 0
    if size <= 0:
        raise ValueError("The --size value must be a positive integer")
    path = generate_key(
        path=args.out,
        algorithm=args.algorithm,
        password=read_secret(args.password, "key password", print),
        size=size,
        curve=args.curve,
    )
    print(f"Created private {args.algorithm.upper()} key {path!r}")
    return 0

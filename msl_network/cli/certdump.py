"""The command `certdump`: show what is written in a certificate."""

import argparse
import os
import sys
from typing import Any

from .. import constants

__all__ = ["add_parser", "execute"]

_HELP = "Show what is written in a certificate."

_EPILOG = """\
examples:
  msl-network certdump
  msl-network certdump cert.pem
  msl-network certdump cert.pem --out details.txt

see also: msl-network certgen"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "certdump",
        help=_HELP,
        description=f"{_HELP}\n\nOpenSSL does it with: openssl x509 -in cert.pem -text -noout",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "certfile",
        nargs="?",
        help="The path of a certificate in PEM format (default: that of this\n"
        "computer, which a Manager shows).",
    )
    parser.add_argument("-o", "--out", help="The path of a file to write to, rather than print.")
    parser.set_defaults(func=execute)
    return parser


def execute(args: argparse.Namespace) -> int:
    """Run the command."""
    from ..cryptography import get_default_cert_path, get_metadata_as_string, load_certificate

    path = args.certfile or get_default_cert_path()
    if not os.path.isfile(path):
        print(f"Cannot find {path}", file=sys.stderr)
        return 1
    details = get_metadata_as_string(load_certificate(path))
    if args.out is None:
        print(details)
    else:
        text = f"Certificate details for {path}\n{details}"
        constants.ensure_parent(args.out).write_text(text, encoding="utf-8")
        print(f"Dumped the certificate details to {args.out}")
    return 0

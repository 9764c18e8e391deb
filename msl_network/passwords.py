"""What passwords are checked against: keys that are derived from them, slowly.

A key says itself how it was derived, so that the next release can ask for more while the keys of
this one go on working. Two kinds are known: scrypt, and PBKDF2 as in 1.x.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Iterable

__all__ = ["CURRENT", "OF_1X", "Kind", "kind_of", "matches", "protect"]

Kind = bytes
"""How a key was derived, which is how a key of scrypt begins."""

CURRENT: Kind = b"$scrypt$ln=14,r=8,p=5$"
"""How keys are derived now: scrypt with N = 2**14, r = 8 and p = 5. It is one of the settings of
equal strength in OWASP's Password Storage Cheat Sheet, the one of 16 MiB: several at a time fit in
the 512 MB of a small Raspberry Pi, where the 128 MiB of N = 2**17 do not."""

OF_1X: Kind = b""
"""How 1.x derives keys: PBKDF2-SHA256 with 100,000 iterations. They have no beginning of their own
and are known by their size."""

SALT_SIZE = 16
KEY_SIZE = 32
ITERATIONS_OF_1X = 100_000

MEMORY_LIMIT = 256 * 1024 * 1024
"""Most bytes that a key may ask scrypt for. One that asks for more is damaged, or a trap."""

_SCRYPT = re.compile(
    rb"(\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$).{%d}" % KEY_SIZE, re.DOTALL
)


def kind_of(key: bytes) -> Kind | None:
    """How a key was derived; None if it is no key, and no password matches it."""
    if len(key) == KEY_SIZE:
        return OF_1X
    match = _SCRYPT.fullmatch(key)
    if match is None:
        return None
    log_n, r, p = map(int, match.groups()[1:])
    usable = log_n > 0 and r > 0 and p > 0 and _memory(log_n, r, p) <= MEMORY_LIMIT
    return match[1] if usable else None


def protect(password: str) -> tuple[bytes, bytes]:
    """Derive what a password is checked against from now on.

    Returns:
        The key, and the salt, which is new.
    """
    salt = os.urandom(SALT_SIZE)
    return _derive(CURRENT, password, salt), salt


def matches(password: str, key: bytes | None, salt: bytes, kinds: Iterable[Kind]) -> bool:
    """Whether a key was derived from a password.

    Each kind is derived once, whatever the kind of the key is and whether there is one: how long
    it takes tells nothing about a user, nor that there is such a user.

    Args:
        password: The password in plain text.
        key: The key; None without a user.
        salt: Its salt.
        kinds: The kinds of the keys of all users.
    """
    own = None if key is None else kind_of(key)
    right = False
    for kind in sorted({CURRENT, *kinds}):
        derived = _derive(kind, password, salt if kind == own else bytes(SALT_SIZE))
        equal = hmac.compare_digest(derived, key or b"")
        right = right or (equal and kind == own)
    return right


def _derive(kind: Kind, password: str, salt: bytes) -> bytes:
    # A peer can send half a surrogate pair, which plain UTF-8 refuses to encode.
    data = password.encode(errors="surrogatepass")
    if kind == OF_1X:
        return hashlib.pbkdf2_hmac("sha256", data, salt, ITERATIONS_OF_1X, KEY_SIZE)
    log_n, r, p = (int(number) for number in re.findall(rb"=(\d+)", kind))
    memory = 2 * _memory(log_n, r, p)  # OpenSSL counts some more than the algorithm needs
    return kind + hashlib.scrypt(
        data, salt=salt, n=2**log_n, r=r, p=p, maxmem=memory, dklen=KEY_SIZE
    )


def _memory(log_n: int, r: int, p: int) -> int:
    return 128 * r * ((1 << log_n) + p)

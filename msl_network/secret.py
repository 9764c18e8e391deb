"""A password as a person gives it: as words, or as the path of a file that has it."""

import codecs
import os
from collections.abc import Callable, Sequence

__all__ = ["read_secret"]

LIMIT = 64 * 1024
"""Most bytes of a file that are looked at: a password is its first line."""


def read_secret(
    words: str | Sequence[str] | None, name: str, say: Callable[[str], object]
) -> str | None:
    """Get a password from what was given for it.

    Args:
        words: The words of the password, or of the path of a file with it in its first line.
        name: What the password is called in what is said.
        say: Called with what a person should know, in which the password itself never is.

    Returns:
        The password; None when there is none.

    Raises:
        OSError: The file can't be read.
        ValueError: The file is no text, or has nothing in its first line.
    """
    if words is None:
        return None
    text = words if isinstance(words, str) else " ".join(words)
    path = os.path.expanduser(text)
    if os.path.isfile(path):
        say(f"Reading the {name} from the file")
        return _first_line(path)
    if text.endswith(".txt") or os.path.isdir(os.path.dirname(path)):
        say(f"There is no such file: what was given for the {name} is itself taken as it")
    return text


def _first_line(path: str) -> str:
    with open(path, "rb") as file:
        data = file.read(LIMIT)
    # `echo secret > secret.txt` in the PowerShell of Windows writes UTF-16
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        # the error itself would have in it what is in the file
        raise ValueError(f"The file {path!r} with a password is not text in UTF-8") from None
    line = text.partition("\n")[0].strip()
    if not line:
        raise ValueError(f"There is no password in the first line of the file {path!r}")
    return line

r"""Text from the network made harmless for a terminal, a log and a table.

What can move a cursor, begin a line or turn the direction of reading becomes visible, as Python
writes it: `\n`, `\x1b`, `\u202e`.
"""

import re

__all__ = ["escaped", "has_controls"]

# C0 and C1 controls, marks and overrides of the direction of reading, the separators of lines
# and paragraphs, and halves of surrogate pairs, which no file in UTF-8 can have
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def has_controls(text: str) -> bool:
    """Whether there is a character in a text that `escaped` would write differently."""
    return _CONTROLS.search(text) is not None


def escaped(text: str, *, keep: str = "") -> str:
    r"""Write a text in one line, without any character that acts rather than shows.

    Args:
        text: The text.
        keep: What stays as it is: `"\n\t"` where a text may have several lines.
    """
    return _CONTROLS.sub(lambda m: m[0] if m[0] in keep else ascii(m[0])[1:-1], text)

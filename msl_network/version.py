"""The version of this package."""

from typing import NamedTuple

__all__ = ["VersionInfo", "__version__", "version_info"]

__version__ = "0.1.0"


class VersionInfo(NamedTuple):
    """The version as numbers, `(major, minor, micro, releaselevel)`."""

    major: int
    minor: int
    micro: int
    releaselevel: str


_major, _minor, _micro = __version__.split(".")

version_info = VersionInfo(int(_major), int(_minor), int(_micro), "final")

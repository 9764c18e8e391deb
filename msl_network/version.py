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


version_info = VersionInfo(*(int(part) for part in __version__.split(".")[:3]), "final")

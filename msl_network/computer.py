"""This computer, as others on the network are told of it."""

import platform

__all__ = ["software"]


def software() -> dict[str, str]:
    """What a Manager and its devices say of what they run on: the language and the system."""
    return {
        "language": f"Python {platform.python_version()}",
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
    }

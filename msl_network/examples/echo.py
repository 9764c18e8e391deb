"""A Service that returns what it is given."""

from typing import Any

from msl_network import Service

__all__ = ["Echo"]


class Echo(Service):
    """Returns what it is given."""

    @staticmethod
    def echo(*args: Any, **kwargs: Any) -> Any:
        """Return the positional and the keyword arguments."""
        return args, kwargs


if __name__ == "__main__":
    Echo().start()

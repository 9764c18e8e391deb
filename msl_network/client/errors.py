"""What goes wrong on the other side of a request."""

from ..escaping import escaped

__all__ = ["RemoteError", "UnknownAttributeError"]


class RemoteError(RuntimeError):
    """A Service or the Manager answered a request with an error.

    Its text is the one that 1.x shows, without what could act on a terminal.

    Attributes:
        type: The name of the exception's class on the other side.
        message: The text of that exception.
        traceback: The traceback of that exception as text; empty where there is none.
        service: The Service that was asked, or `"Manager"`.
        attribute: What it was asked for.
    """

    def __init__(
        self, manager: str, text: str, *, traceback: str, service: str, attribute: str
    ) -> None:
        shown = escaped(text, keep="\n\t")
        super().__init__(f"Manager[{manager}] returned the following exception:\n\n{shown}")
        name, colon, message = text.partition(": ")
        self.type = name if colon else ""
        self.message = message if colon else text
        self.traceback = traceback
        self.service = service
        self.attribute = attribute


class UnknownAttributeError(AttributeError, RuntimeError):
    """A Service does not have the attribute.

    It is an AttributeError, so that `hasattr(link, name)` tells the truth, and a RuntimeError,
    which 1.x raises when a Service is asked for what it does not have.
    """

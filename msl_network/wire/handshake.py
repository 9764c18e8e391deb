"""The states of connecting, as one table.

The Manager asks, the device answers, until the Manager knows who it is. Each way of
authentication is a row: what is asked, in this order.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .codec import decode

__all__ = ["QUESTIONS", "Authentication", "ManagerHandshake", "is_manager_name", "read_answer"]


class Authentication(Enum):
    """How a Manager finds out whether a device may connect. The ways exclude each other."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105
    LOGIN = "login"
    HOSTNAME = "hostname"


QUESTIONS: dict[Authentication, tuple[str, ...]] = {
    Authentication.NONE: ("identity",),
    Authentication.PASSWORD: ("password", "identity"),
    Authentication.LOGIN: ("username", "password", "identity"),
    Authentication.HOSTNAME: ("identity",),
}

_MANAGER_NAME = re.compile(r"Manager\[\S+:\d+\]")


def is_manager_name(name: str) -> bool:
    """Whether a password is asked for in the name of a Manager, not of a user."""
    return _MANAGER_NAME.fullmatch(name) is not None


@dataclass(slots=True)
class ManagerHandshake:
    """Where a Manager is with a device that connects.

    Attributes:
        authentication: The row of the table.
        manager: The network name of the Manager.
        step: How many questions have been answered.
        username: What the device answered to the question for its user name.
    """

    authentication: Authentication
    manager: str
    step: int = 0
    username: str = ""

    @property
    def question(self) -> str | None:
        """What is asked now; None when all has been answered."""
        questions = QUESTIONS[self.authentication]
        return questions[self.step] if self.step < len(questions) else None

    @property
    def args(self) -> list[str]:
        """The arguments of that question: in whose name it is asked."""
        if self.question == "identity":
            return []
        if self.question == "password" and self.authentication is Authentication.LOGIN:
            return [self.username]
        return [self.manager]

    def accept(self, answer: Any) -> None:
        """Go on to the next question."""
        if self.question == "username":
            self.username = answer if isinstance(answer, str) else ""
        self.step += 1


def read_answer(line: bytes) -> Any:
    """Read the answer of a device to a question: a reply in JSON, or what a person typed.

    Raises:
        UnicodeDecodeError: A line that is not JSON is not text either.
    """
    try:
        value = decode(line)
    except ValueError:
        return line.decode().strip()
    if isinstance(value, dict) and "result" in value:
        return value["result"]
    # a password of digits, typed by hand, is JSON too
    return line.decode().strip()

"""Telling a page that the message of a widget has been handled.

A page sends the next change of a widget when it has been told that the one before has been
handled. ipykernel 7.4 handles those that come while a cell awaits, but does not tell: what is
typed in a field after that would never be sent, not even when the cell has ended.
"""

import functools
import inspect
from typing import Any

__all__ = ["tell_when_handled"]


def tell_when_handled(kernel: Any) -> None:
    """Have a kernel tell that it has handled a widget's message, also while a cell awaits.

    Nothing happens if it is no kernel that leaves that out.

    Args:
        kernel: The kernel of this process.
    """
    dispatch = kernel.dispatch_shell
    parameters = inspect.signature(dispatch).parameters
    if "concurrent" not in parameters or hasattr(dispatch, "__wrapped__"):
        return

    @functools.wraps(dispatch)
    async def dispatch_and_tell(*args: Any, concurrent: bool = False, **kwargs: Any) -> None:
        cell = kernel.get_parent("shell")
        await dispatch(*args, concurrent=concurrent, **kwargs)
        if concurrent:
            # and then that the cell still runs, for who shows what the kernel does
            for parent, state in ((kernel.get_parent("shell"), "idle"), (cell, "busy")):
                kernel.session.send(
                    kernel.iopub_socket,
                    "status",
                    {"execution_state": state},
                    parent=parent,
                    ident=b"status",
                )

    kernel.dispatch_shell = dispatch_and_tell

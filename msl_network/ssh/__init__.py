"""Connect to another computer over SSH, run a command there, start a Manager there.

`start_manager` and `parse_console_script_kwargs` belong together: the first runs a console
script on another computer, the second is what that script calls to get its keyword arguments.
The far side has a POSIX shell (Linux, macOS, BSD; Windows is no far side here).

Keys (`client_keys=`, else those in `~/.ssh`) and the agent are tried first; a password is asked
for only when the server wants one. `~/.ssh/config` is not read: what is not an argument here has
no effect.
"""

from typing import TYPE_CHECKING, Any

from .console import parse_console_script_kwargs

if TYPE_CHECKING:
    from .commands import exec_command, run_command
    from .connecting import SSHClient, close_connection, connect, open_connection
    from .launching import RemoteManager, run_manager, start_manager

__all__ = [
    "connect",
    "exec_command",
    "start_manager",
    "parse_console_script_kwargs",
    "SSHClient",
    "RemoteManager",
    "open_connection",
    "close_connection",
    "run_command",
    "run_manager",
]

_MODULES = {
    "connect": "connecting",
    "open_connection": "connecting",
    "close_connection": "connecting",
    "SSHClient": "connecting",
    "exec_command": "commands",
    "run_command": "commands",
    "start_manager": "launching",
    "run_manager": "launching",
    "RemoteManager": "launching",
}


# A console script on a Pi imports this module for its keyword arguments only, and asyncssh
# takes seconds to import there.
def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

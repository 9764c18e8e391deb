"""The Manager of this computer: one that answers, or else one that this process starts."""

import os
import threading
from typing import Any, Final

from .. import constants, cryptography
from ..asking import wait_and_answer
from ..manager import LocalManager
from .opening import answers

__all__ = ["manager_kwargs"]

HOST: Final = "localhost"

_own: LocalManager | None = None
# a kernel runs other code while it waits, which may come here, too
_lock = threading.RLock()


def manager_kwargs() -> tuple[dict[str, Any], bool]:
    """What `connect` and `Service.start` need to reach the Manager of this computer.

    If none answers on the usual port, one is started that ends with this process. It has this
    computer's certificate, so that who trusts that reaches it with a plain `connect()`.

    Returns:
        The keyword arguments, and whether the Manager is this process's.

    Raises:
        OSError: The port is in use, by something that does not answer.
    """
    global _own
    with _lock:
        if wait_and_answer(lambda _: answers(HOST, constants.PORT)):
            if _own is not None and _own.port == constants.PORT:
                return _own.kwargs, True
            return {"host": HOST, "port": constants.PORT}, False
        if _own is not None:
            _own.stop()  # it has been shut down
        _own = LocalManager(port=constants.PORT, **_certificate()).start()
        return _own.kwargs, True


def _certificate() -> dict[str, Any]:
    """The certificate of this computer and its key, made where there is none."""
    key, certificate = cryptography.get_default_key_path(), cryptography.get_default_cert_path()
    try:
        if not os.path.isfile(certificate):
            if not os.path.isfile(key):
                cryptography.generate_key(path=key, algorithm="ECC")
            cryptography.generate_certificate(path=certificate, key_path=key)
        cryptography.server_context(certificate, key, "")
    except (OSError, ValueError, TypeError):
        # that of another Manager, which is trusted here, or the key has a password: it will have
        # a certificate of its own
        return {}
    return {"cert_file": certificate, "key_file": key}

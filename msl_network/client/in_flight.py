"""The requests of a Client that have no reply yet."""

import asyncio
import contextlib
import math
from collections.abc import Callable
from concurrent.futures import InvalidStateError
from typing import Any

from .. import loop_thread
from ..constants import CANCEL, DISCONNECT_REQUEST, MANAGER, SHUTDOWN_MANAGER
from ..wire.messages import Message, MessageError, request_line
from .errors import ReplyTimeoutError, remote_error
from .reply import Cancellation, Reply

__all__ = ["InFlight", "is_away", "settle"]

DECODE_ON_LOOP = 256 * 1024
"""Largest reply in bytes that is decoded on the loop; decoding more would hold up the others."""

# 1.x leaves the uid out of its replies to anything else that the Manager itself is asked for
_REPLIES_WITH_UID = ("identity", "link", "unlink", "acquire_lock", "release_lock", "watch")

# the end of the connection is the answer
_ENDS_WITH_IT = (DISCONNECT_REQUEST, SHUTDOWN_MANAGER)


class InFlight:
    """The requests of a Client that have no reply yet; on the loop, unless it says otherwise.

    Args:
        address: `host:port` of the Manager.
        loop: The loop of the network.
        can: Whether the Service of a name knows a feature.
        complain: Called with an error that is the reply to none of them.

    Attributes:
        limit: Most bytes of a request; a Manager of 1.x has none.
    """

    def __init__(
        self,
        address: str,
        loop: asyncio.AbstractEventLoop,
        can: Callable[[str, str], bool],
        complain: Callable[[Message], None],
    ) -> None:
        self.limit = math.inf
        self._address = address
        self._loop = loop
        self._can = can
        self._complain = complain
        self._replies: dict[str, Reply[Any]] = {}
        # of these, those that are sent when their Service can be reached again
        self._held: dict[str, Reply[Any]] = {}
        self._given_up: dict[str, Cancellation] = {}

    def __len__(self) -> int:
        return len(self._replies)

    @property
    def ends_the_connection(self) -> bool:
        """Whether it is one of them that ends the connection."""
        return any(reply.attribute in _ENDS_WITH_IT for reply in list(self._replies.values()))

    @property
    def held_for(self) -> set[str]:
        """The Services that requests wait for."""
        return {reply.service for reply in list(self._held.values())}

    def add(self, reply: Reply[Any], size: int) -> None:
        """Note a request, from any thread.

        Args:
            reply: Its reply.
            size: Bytes of its line.

        Raises:
            ValueError: It is more than a message can have: the Manager would close the connection.
        """
        if size > self.limit:
            raise ValueError(
                f"What {reply.attribute!r} is asked with has {size} bytes, more than a message can "
                f"have ({self.limit}). Send it in parts"
            )
        self._replies[reply.uid] = reply

    def expire(self, reply: Reply[Any], timeout: float) -> None:
        """Have a request given up after so many seconds, from any thread."""
        self._loop.call_soon_threadsafe(self._set_timeout, reply, timeout)

    def get(self, uid: str | None) -> Reply[Any] | None:
        """The reply with a uid that has not come."""
        return self._replies.get(uid or "")

    # --- replies that come ---------------------------------------------------------------

    def received(self, message: Message, line: bytes, *, hold: bool) -> Reply[Any] | None:
        """Settle the reply that a message is.

        Args:
            message: The message.
            line: Its line.
            hold: Whether a request can wait for its Service to come back, or need not.

        Returns:
            It, unsettled, if the request is safe to repeat and the Service is not there, or was not
            any more.
        """
        reply = self._replies.pop(message.uid, None) if message.uid else self._oldest(message)
        if reply is None or reply.done():
            cancellation = self._given_up.pop(message.uid or "", None)
            if cancellation is not None:
                how = message.cancelled
                cancellation.settle(how if how in ("not begun", "stopped") else "ended")
            return None
        if not message.error:
            if len(line) > DECODE_ON_LOOP:
                decoding = self._loop.create_task(loop_thread.in_thread(_decode, message))
                decoding.add_done_callback(lambda d: settle(reply, d.result()))
            else:
                settle(reply, _decode(message))
            return None
        if hold and reply.line is not None and is_away(reply.service, message.message or ""):
            return reply
        error = remote_error(
            self._address,
            message.message or message.error_text(),
            types=message.types,
            traceback="\n".join(message.traceback),
            service=reply.service,
            attribute=reply.attribute,
        )
        settle(reply, error)
        return None

    def invalid(self, error: MessageError) -> None:
        """Settle the reply that a line was meant to be."""
        reply = self._replies.pop(error.uid, None)
        if reply is not None:
            settle(reply, ValueError(f"Invalid reply: {error}"))
        elif (cancellation := self._given_up.pop(error.uid, None)) is not None:
            cancellation.settle("ended")

    def came(self, reply: Reply[Any], items: list[Any], size: int) -> None:
        """Note items of a stream; one whose Service does not wait for who takes them fails.

        Args:
            reply: The end of the stream.
            items: The items.
            size: The bytes of their line.
        """
        if reply.items is not None and not reply.items.add(items, size):
            reply.is_late()
            error = f"{reply.request} yields, but does not wait until what it yields is taken"
            settle(reply, ConnectionError(error))

    def _oldest(self, message: Message) -> Reply[Any] | None:
        """The request that a reply without a uid is for: 1.x answers such ones in their order."""
        for uid, reply in self._replies.items():
            if (reply.service == MANAGER and reply.attribute not in _REPLIES_WITH_UID) or (
                message.error and f"{reply.service!r} Service is not" in (message.message or "")
            ):
                return self._replies.pop(uid)
        if message.error:
            self._complain(message)
        return None

    # --- replies that nobody waits for any more ------------------------------------------

    def give_up(self, reply: Reply[Any]) -> None:
        """Wait for a reply no more, and tell the Service; from any thread, once for each."""
        cancellation = reply.cancellation
        if cancellation is None:
            return
        held = self._held.pop(reply.uid, None) is not None
        unsent = not reply.sent or (reply.room is not None and reply.room.cancel())
        if unsent:
            cancellation.settle("not begun")
        elif held or not self._can(reply.service, "cancel"):
            cancellation.settle("unknown")
        else:
            self._given_up[reply.uid] = cancellation
            if not self.send_cancel(reply):
                self._given_up.pop(reply.uid, None)
                cancellation.settle("unknown")
        # what a 1.x Manager answers without a uid keeps its place in the line
        if not unsent and reply.service == MANAGER and reply.attribute not in _REPLIES_WITH_UID:
            return
        if self._replies.pop(reply.uid, None) is None:
            # the reply has just come, while another thread was here
            self._given_up.pop(reply.uid, None)
            cancellation.settle("ended")

    def send_cancel(self, reply: Reply[Any]) -> bool:
        """Tell the Service of a request that it is given up; False if the connection is lost."""
        line = request_line(CANCEL, service=reply.service, uid=reply.uid)
        # not on the next connection, where the uid could be that of another request
        return reply.connection is not None and reply.connection.send(line)

    def _set_timeout(self, reply: Reply[Any], timeout: float) -> None:
        if not reply.done():
            timer = self._loop.call_later(timeout, self._expired, reply, timeout)
            reply.add_done_callback(lambda _: self._loop.call_soon_threadsafe(timer.cancel))

    def _expired(self, reply: Reply[Any], timeout: float) -> None:
        text = f"{reply.request} did not reply within {timeout:g} seconds"
        settle(reply, ReplyTimeoutError(text, reply.is_late()))

    # --- a connection that is lost -------------------------------------------------------

    def lost(self, connection: object, error: Exception, *, comes_back: bool) -> None:
        """Fail what was sent on a connection, but for what is safe to repeat.

        Args:
            connection: The connection that is lost.
            error: Why.
            comes_back: Whether there will be another one.
        """
        for uid in list(self._given_up):
            if (cancellation := self._given_up.pop(uid, None)) is not None:
                cancellation.settle("unknown")
        # of a copy: a thread may just be adding one
        for reply in list(self._replies.values()):
            if reply.connection is connection:
                self.not_answered(reply, error, comes_back=comes_back)

    def not_answered(self, reply: Reply[Any], error: Exception, *, comes_back: bool) -> None:
        """Fail a request whose connection is lost, or hold it if it is safe to repeat."""
        if reply.done():
            return
        if reply.line is not None and comes_back:
            self.hold(reply)
            return
        self._replies.pop(reply.uid, None)
        settle(reply, None if reply.attribute in _ENDS_WITH_IT else error)

    def hold(self, reply: Reply[Any]) -> None:
        """Keep a request until its Service can be reached again."""
        self._replies[reply.uid] = self._held[reply.uid] = reply
        if reply.done():  # another thread has just given it up
            self._held.pop(reply.uid, None)
            self._replies.pop(reply.uid, None)

    def take_held(self, service: str) -> list[Reply[Any]]:
        """The requests that have been held for a Service, which is there again."""
        held = [reply for reply in list(self._held.values()) if reply.service == service]
        # one may just be given up by another thread
        return [reply for reply in held if self._held.pop(reply.uid, None) is not None]

    def forget(self, reply: Reply[Any]) -> None:
        """Take a request off the books."""
        self._replies.pop(reply.uid, None)

    def end(self, reason: Exception) -> None:
        """Fail all that is left."""
        for reply in list(self._replies.values()):
            settle(reply, reason)
        self._replies.clear()
        self._held.clear()


def settle(reply: Reply[Any], outcome: Any) -> None:
    """Set the result or the exception of a reply that somebody may just be giving up."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(outcome, BaseException):
            reply.set_exception(outcome)
        else:
            reply.set_result(outcome)


def _decode(message: Message) -> Any:
    try:
        return message.value()
    except Exception as error:
        # too large for the memory, or what another JSON library raises: somebody waits for it
        return ValueError(f"Invalid reply: {error}")


def is_away(service: str, text: str) -> bool:
    """Whether the text of an error says that a Service is not there, or was not any more."""
    return text.startswith(
        (
            f"ConnectionAbortedError: The {service!r} service disconnected before",
            f"ConnectionAbortedError: {service!r} service is shutting down",
            f'KeyError: "the {service!r} Service is not connected to',
        )
    )

"""What the lines between a Manager and a device mean.

A line is read as one `Message`, whose arguments and result stay the bytes that came: a Manager
passes them on without building the values, a device decodes them for the one call they are for.
"""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..constants import ERROR_TEXT, MANAGER, NAME_LIMIT, NEWS, NOTIFICATION_UID
from ..escaping import escaped, has_controls
from .codec import assemble, decode, encode
from .framing import END

__all__ = [
    "ClientIdentity",
    "Message",
    "MessageError",
    "ServiceIdentity",
    "TooManyError",
    "TooMuchAtOnceError",
    "builtin_bases",
    "describe_error",
    "error_line",
    "error_lines",
    "items_line",
    "list_line",
    "message_line",
    "message_parts",
    "news_line",
    "notification_line",
    "parse",
    "parse_identity",
    "request_line",
    "result_line",
    "shortened",
    "written_line",
]

EMPTY_ARGS = Raw(b"[]")
EMPTY_KWARGS = Raw(b"{}")
NULL = Raw(b"null")


class MessageError(ValueError):
    """A line is not a message.

    Attributes:
        uid: The uid of the message if that much of it could be read, so that the sender can
            be told which one was wrong.
        is_json: Whether the line is JSON at all; what a person typed is not.
        is_reply: Whether it was meant as an answer; answering an answer would never end.
    """

    def __init__(
        self, text: str, *, uid: str = "", is_json: bool = True, is_reply: bool = False
    ) -> None:
        super().__init__(text)
        self.uid = uid
        self.is_json = is_json
        self.is_reply = is_reply


class TooManyError(RuntimeError):
    """There is no room for a request, or for a device."""


class TooMuchAtOnceError(Exception):
    """Reading a line would take too long for somebody who has others to attend to."""


class Message(msgspec.Struct, gc=False):
    """A line from a peer: a request, a reply, an error or a notification.

    Attributes:
        attribute: What a request asks for; None in a reply.
        service: The Service that a request is for or that a notification comes from.
        uid: The name of the request, its sender's choice; `"notification"` marks a notification.
        args: JSON array of the positional arguments of a request.
        kwargs: JSON object of its keyword arguments.
        result: JSON of the result; UNSET in a request.
        error: Whether a reply tells of an error.
        message: The text of that error, `"Type: text"`.
        requester: The network name of the Client that a request comes from or a reply goes to.
        heartbeat: Seconds between two signs of life, where it can `ping`.
        identity_limit: Most bytes of an identity; 0 where that is not told.
        message_limit: Most bytes of a message; 0 where that is not told.
        stream: Whether the items of a method that yields are wanted one by one.
        cancelled: How a request ended that was given up: `"not begun"` or `"stopped"`.
        replicas: In the error of a request whose Service has gone, how many of its name are left.
    """

    attribute: str | None = None
    service: str | None = None
    uid: str | None = ""
    args: Raw = EMPTY_ARGS
    kwargs: Raw = EMPTY_KWARGS
    result: Raw | UnsetType = UNSET
    error: bool = False
    message: str | None = ""
    requester: str | None = None
    heartbeat: float = 0.0
    identity_limit: int = 0
    message_limit: int = 0
    cancelled: str | None = None
    replicas: int = 0
    stream: bool = False
    # read when they are asked for, which a Manager does not do: they may have a million items
    _traceback: Raw = msgspec.field(default=NULL, name="traceback")
    _features: Raw = msgspec.field(default=NULL, name="features")
    _types: Raw = msgspec.field(default=NULL, name="types")

    @property
    def is_reply(self) -> bool:
        """Whether this answers something (1.x tells a reply by its `result`, too)."""
        return self.result is not UNSET

    @property
    def is_notification(self) -> bool:
        """Whether this is a notification."""
        return self.result is not UNSET and self.uid == NOTIFICATION_UID

    def positional(self) -> list[Any]:
        """The positional arguments, as values."""
        value = decode(memoryview(self.args))
        return value if isinstance(value, list) else []

    def keywords(self) -> dict[str, Any]:
        """The keyword arguments, as values."""
        value = decode(memoryview(self.kwargs))
        return value if isinstance(value, dict) else {}

    def value(self) -> Any:
        """The result, as a value; None where there is none."""
        return None if self.result is UNSET else decode(memoryview(self.result))

    @property
    def size(self) -> int:
        """The bytes of the result."""
        return 0 if self.result is UNSET else len(memoryview(self.result))

    def reason(self) -> str:
        """Why a Manager says goodbye, fit to be shown."""
        return escaped(", ".join(_texts(_read(self.args))))

    @property
    def traceback(self) -> list[str]:
        """The lines of the traceback of an error."""
        value = _read(self._traceback)
        return value.splitlines() if isinstance(value, str) else _texts(value)

    @property
    def features(self) -> list[str]:
        """What a Manager can do beyond 1.x; in its request for the identity."""
        return _texts(_read(self._features))

    @property
    def types(self) -> list[str] | None:
        """The built-in bases of an exception that is none itself; None where it is not told."""
        value = _read(self._types)
        return None if value is None else _texts(value)

    def error_text(self) -> str:
        """The text of an error as 1.x shows it: the traceback and, if not its end, the message."""
        lines = self.traceback
        message = self.message or "UnknownError: No error message has been provided"
        if lines and lines[-1] == message:
            return "\n".join(lines)
        return "\n".join([*lines, message])


def _read(text: Raw) -> Any:
    try:
        return decode(memoryview(text))
    except ValueError:
        return None  # an integer of thousands of digits: who waits for the rest has it all the same


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


IDENTITY_DEPTH = 50
"""Most levels of arrays and objects in an identity."""


class ClientIdentity(msgspec.Struct, kw_only=True):
    """Who a Client is."""

    name: str
    language: str = "unknown"
    os: str = "unknown"
    features: list[str] = []


class ServiceIdentity(ClientIdentity, kw_only=True):
    """Who a Service is and what it offers.

    Attributes:
        attributes: The signatures or values of what it offers, by name.
        streams: Those of them that yield.
        doc: The docstring of the Service.
        docs: The docstrings of its attributes, by name.
        max_clients: Most Clients that can be linked; None, 0 or less for no limit.
        replica: Whether it shares its name with others that say so.
    """

    attributes: dict[str, Any]
    streams: list[str] = []
    doc: str = ""
    docs: dict[str, str] = {}
    max_clients: int | None = -1
    replica: bool = False

    @property
    def limit(self) -> int:
        """Most Clients that can be linked; -1 for no limit."""
        return self.max_clients if self.max_clients is not None and self.max_clients > 0 else -1

    @property
    def is_replica(self) -> bool:
        """Whether it shares its name with others."""
        return self.replica and "replicas" in self.features


_decoder = msgspec.json.Decoder(Message)


def parse(line: bytes, *, at_once: float = math.inf) -> Message:
    """Read a line.

    Args:
        line: The line.
        at_once: Most bytes of what only Python's `json` can read, which is slow.

    Raises:
        TooMuchAtOnceError: It has more of them; a `scanning.Scan` reads it.
        MessageError: It is not JSON, not UTF-8, no object, or a field has a wrong type.
    """
    try:
        message = _decoder.decode(line)
    except RecursionError:
        raise MessageError("The JSON text is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise MessageError(f"The message is not UTF-8: {error}", is_json=False) from None
    except msgspec.DecodeError:
        if len(line) > at_once:
            raise TooMuchAtOnceError from None
        message = _parse_with_json(line)
    if not line.isascii():
        # what stays bytes here has not been looked at, and nobody is sent bad UTF-8
        try:
            str(line, "utf-8")
        except UnicodeDecodeError as error:
            raise MessageError(
                f"The message is not UTF-8: {error}",
                uid=message.uid or "",
                is_reply=message.is_reply,
            ) from None
    if memoryview(message.args)[0] != ord("[") or memoryview(message.kwargs)[0] != ord("{"):
        raise MessageError(
            "`args` must be an array and `kwargs` an object",
            uid=message.uid or "",
            is_reply=message.is_reply,
        )
    return message


def _parse_with_json(line: bytes) -> Message:
    # NaN and infinities, which msgspec does not read; fields of a wrong type; what is not JSON at
    # all, of which msgspec may only see that it begins like a text, as `"A Service" method` does
    try:
        value = decode(line)
    except ValueError as error:
        raise MessageError(f"The message is not JSON: {error}", is_json=False) from None
    if not isinstance(value, dict):
        raise MessageError(f"The message must be a JSON object, not {type(value).__name__}")
    try:
        for name in ("args", "kwargs", "result", "traceback", "features", "types"):
            if name in value:
                value[name] = Raw(encode(value[name]))  # nothing that is nested to the very limit
        message = msgspec.convert(value, Message)
        for text in (message.attribute, message.service, message.uid, message.requester):
            (text or "").encode()
        return message
    except ValueError as error:
        uid = value.get("uid", "")
        raise MessageError(
            str(error), uid=uid if isinstance(uid, str) else "", is_reply="result" in value
        ) from None


def parse_identity(value: Any) -> ClientIdentity:
    """Read the identity that a device sent.

    Args:
        value: What it answered, as a value.

    Returns:
        A `ServiceIdentity` if it is a Service's.

    Raises:
        TypeError: It is no identity, a field has a wrong type, or the type is unknown.
        KeyError: The name, type or attributes are missing.
    """
    if not isinstance(value, dict):
        raise TypeError(f"The identity must be a JSON object, not {type(value).__name__}")
    kind = value["type"]
    name = value["name"]
    if not isinstance(kind, str) or not isinstance(name, str):
        raise TypeError("The type and the name in an identity must be text")
    if len(name) > NAME_LIMIT:
        raise TypeError(f"Invalid identity: the name has more than {NAME_LIMIT} characters")
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise TypeError(f"Invalid identity: {error}") from None
    if has_controls(name):
        # it is shown to people, in terminals and in logs
        raise TypeError(f"Invalid identity: there are control characters in the name {name!r}")
    if _is_deeper(value, IDENTITY_DEPTH):
        # whoever asks for the identities gets it within those of all others
        raise TypeError("Invalid identity: the attributes are nested too deeply")
    known: type[ClientIdentity]
    if kind.lower() == "client":
        known = ClientIdentity
    elif kind.lower() == "service":
        value["attributes"]  # a KeyError tells which one is missing
        known = ServiceIdentity
    else:
        shown = f"{kind.lower()!r:.50}"
        raise TypeError(f'Unknown connection type {shown}. Must be "client" or "service"')
    fields = {key: value[key] for key in known.__struct_fields__ if value.get(key) is not None}
    try:
        return msgspec.convert(fields, known)
    except msgspec.ValidationError as error:
        raise TypeError(f"Invalid identity: {error}") from None


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def request_line(
    attribute: str,
    args: Any = (),
    kwargs: dict[str, Any] | None = None,
    *,
    service: str | None = None,
    requester: str | None = None,
    uid: str = "",
    **more: Any,
) -> bytes:
    """Write a request: a Client's to a Service or the Manager, or a Manager's to a device.

    Raises:
        TypeError: An argument can't be written as JSON.
    """
    fields: dict[str, Any] = {
        "args": args,
        "attribute": attribute,
        "error": False,
        "kwargs": {} if kwargs is None else kwargs,
    }
    if service is not None:
        fields["service"] = service
    if requester is not None:
        fields["requester"] = requester
    fields["uid"] = uid
    return encode({**fields, **more} if more else fields) + END


class _Passed(msgspec.Struct):
    args: Raw
    attribute: str
    kwargs: Raw
    requester: str
    service: str
    uid: str
    error: bool = False
    features: Raw | UnsetType = UNSET
    stream: bool | UnsetType = UNSET


_passed_encoder = msgspec.json.Encoder()


def message_line(request: Message, requester: str, features: Raw | UnsetType = UNSET) -> bytes:
    """Write a Client's request as the Manager passes it on, its values as they came.

    Args:
        request: The request.
        requester: The network name of the Client.
        features: JSON array of what the Client knows beyond 1.x, for a Service that does, too.
    """
    return (
        _passed_encoder.encode(
            _Passed(
                args=request.args,
                attribute=request.attribute or "",
                kwargs=request.kwargs,
                requester=requester,
                service=request.service or "",
                uid=request.uid or "",
                features=features,
                stream=request.stream or UNSET,
            )
        )
        + END
    )


def message_parts(
    request: Message, requester: str, features: Raw | UnsetType = UNSET
) -> list[bytes | memoryview]:
    """What `message_line` writes, in parts: copying a very large request would hold others up."""
    rest = Message(
        attribute=request.attribute,
        service=request.service,
        uid=request.uid,
        requester=requester,
        stream=request.stream,
    )
    envelope = (
        message_line(rest, requester, features).removeprefix(b'{"args":[],').removesuffix(END)
    )
    head, _, tail = envelope.partition(b'"kwargs":{}')
    return [
        b'{"args":',
        memoryview(request.args),
        b"," + head + b'"kwargs":',
        memoryview(request.kwargs),
        tail + END,
    ]


def items_line(attribute: str, items: list[bytes], *, requester: str, uid: str) -> bytes:
    """Write items that have been written as JSON already."""
    head = encode({"attribute": attribute, "requester": requester, "uid": uid})[:-1]
    return b"".join((head, b',"args":[', b",".join(items), b"]}", END))


def list_line(items: bytes | bytearray, *, requester: str, uid: str) -> bytes:
    """Write a reply whose result is a list of what has been written as JSON already.

    Args:
        items: The items, with commas between them.
        requester: The network name of the Client.
        uid: The uid of the request.
    """
    head = encode({"error": False, "requester": requester, "uid": uid})[:-1]
    return b"".join((head, b',"result":[', items, b"]}", END))


def news_line(
    services: dict[str, bytes] | None = None,
    clients: dict[str, bytes] | None = None,
    number: int = 0,
) -> bytes:
    """Write what has changed on a Manager, each entry written as JSON already.

    Args:
        services: The entries of Services by name, `null` for one that has gone.
        clients: The same of Clients, by network name.
        number: Up to which change it tells; 0 if not all that has changed is known any more.
    """
    parts = [encode({"attribute": NEWS, "service": MANAGER})[:-1], b',"args":[']
    if number:
        parts += [b'{"number":%d,"services":' % number, _object(services or {})]
        parts += [b',"clients":', _object(clients or {}), b"}"]
    return b"".join((*parts, b"]}", END))


def _object(items: dict[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(b"%b:%b" % (encode(name), text) for name, text in items.items())


def result_line(result: Any, *, requester: str | None = None, uid: str = "") -> bytes:
    """Write a reply.

    Raises:
        TypeError: The result can't be written as JSON.
    """
    to_json = getattr(result, "to_json", None)
    if callable(to_json):
        result = to_json()
    return encode({"error": False, "requester": requester, "result": result, "uid": uid}) + END


def error_line(
    error: BaseException | str,
    *,
    requester: str | None = None,
    uid: str = "",
    traceback: list[str] | None = None,
    **more: Any,
) -> bytes:
    """Write an error reply, `"Type: text"`."""
    text = error if isinstance(error, str) else describe_error(error)
    return (
        encode(
            {
                "error": True,
                "message": text,
                "requester": requester,
                "result": None,
                "traceback": traceback or [],
                "uid": uid,
                **more,
            }
        )
        + END
    )


def error_lines(error: BaseException, uids: Iterable[str], *, requester: str, **more: Any) -> bytes:
    """Write the same error as the reply to each of several requests of one Client."""
    line = error_line(error, requester=requester, **more)
    # a quotation mark within a text has a backslash before it
    head, _, tail = line.rpartition(b'"uid":""')
    return b"".join([b'%b"uid":%b%b' % (head, assemble(uid), tail) for uid in uids])


def written_line(**fields: Any) -> bytes:
    """Write a message of a Manager, see `assemble`."""
    return assemble(fields) + END


def describe_error(error: BaseException) -> str:
    """The name of an exception's class and its text, as an error reply has them."""
    try:
        text = shortened(str(error))
    except BaseException:
        # the exception of a driver may itself be at fault; whoever asked is told all the same
        text = "<an error whose text can't be made>"
    return f"{type(error).__name__}: {text}"


def shortened(text: str) -> str:
    """The beginning and the end of a text that is too long to be read."""
    half = ERROR_TEXT // 2
    return (
        text if len(text) <= ERROR_TEXT else f"{text[:half]}\N{HORIZONTAL ELLIPSIS}{text[-half:]}"
    )


def builtin_bases(error: BaseException) -> list[str]:
    """The names of the built-in exceptions that an exception is one of, the nearest first."""
    return [
        kind.__name__
        for kind in type(error).__mro__
        if kind.__module__ == "builtins" and kind not in (Exception, BaseException, object)
    ]


def notification_line(service: str, args: Any, kwargs: dict[str, Any]) -> bytes:
    """Write a notification of a Service to whoever is linked with it.

    Raises:
        TypeError: An argument can't be written as JSON.
    """
    fields = {
        "error": False,
        "result": [args, kwargs],
        "service": service,
        "uid": NOTIFICATION_UID,
    }
    return encode(fields) + END

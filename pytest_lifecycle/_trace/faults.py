"""What an app does wrong in speaking to its server. A fault is a fact about the app, not a crash of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

Header = tuple[bytes, bytes]

BODILESS = frozenset({204, 304})
"""Statuses whose responses have no body (RFC 9110, section 6.4.1)."""


class Fault(StrEnum):
    """A way to break the protocol; the text is what `Trace.warnings` says."""

    AFTER_CLOSE = "the app sent {detail} over a WebSocket that it had closed"
    BEFORE_ACCEPT = "the app sent {detail} before it accepted the WebSocket"
    BODY_AFTER_END = "the app sent {detail} after the response was complete"
    BODY_BEFORE_START = "the app sent {detail} before http.response.start"
    BODY_NOT_ALLOWED = "the app sent a body with a {detail} response, which has none"
    BODY_TYPE = "the app sent a body of type {detail} instead of bytes"
    CLOSE_CODE = "the app closed the WebSocket with the code {detail}, which is none that may be sent (RFC 6455, 7.4)"
    CLOSE_REASON = "the app closed the WebSocket with a reason of type {detail} instead of str"
    DOUBLE_ACCEPT = "the app sent {detail} over a WebSocket that was accepted"
    DOUBLE_START = "the app started the response twice"
    EMPTY_MESSAGE = "the app sent a WebSocket message with neither text nor bytes"
    HEADERS_LIST = "the app sent headers of type {detail} instead of a list"
    HEADERS_TYPE = "the app sent headers of type {detail}, which cannot be iterated over"
    HEADER_BYTES = "the app sent the header {detail} instead of bytes"
    HEADER_NAME = "the app sent the header {detail}, whose name is no token (RFC 9110, section 5.6.2)"
    HEADER_NATIVE = "the app sent the header {detail} instead of str"
    HEADER_TYPE = "the app sent {detail}, which is no pair of a header's name and value"
    HEADER_UNENCODABLE = "the app sent the header {detail}, which holds characters outside latin-1"
    HEADER_UNSAFE = "the app sent the header {detail}, which holds a line break or a NUL"
    HOP_BY_HOP = "the app sent the header {detail}, which only its server may send (PEP 3333, Other HTTP Features)"
    LEFT_RUNNING = "the app did not end after its client had left, and was cancelled"
    LIFESPAN_ENDED = "the app's lifespan ended before its shutdown"
    LIFESPAN_FAILED = "the app reported that its {detail}"
    LIFESPAN_LATE = "the app's {detail} did not end in time"
    LIFESPAN_ORDER = "the app sent {detail} where none was due"
    LENGTH = "the app announced a content-length of {detail}"
    NO_END = "the app started the response and never ended it"
    NO_CLOSE = "the app returned without closing the WebSocket: its client is told of an abnormal end (1006)"
    NO_MESSAGE = "the app sent {detail}, which is no message"
    NO_HANDSHAKE = "the app returned without accepting or closing the WebSocket"
    NO_RESPONSE = "the app returned without a response"
    NOT_AWAITABLE = "the app returned a value of type {detail}, which cannot be awaited: it is no async function"
    NOT_STARTED = "the app sent a body without having called start_response"
    RETURN_BODY = "the app returned a value of type {detail} instead of an iterable of bytes"
    RETURN_TYPE = "the app returned {detail}, which cannot be iterated over"
    RETURN_VALUE = "the app returned a value of type {detail}; an ASGI app returns None"
    STATUS = "the app sent the status {detail}, which is no number from 100 to 599"
    STATUS_NATIVE = "the app sent the status {detail} instead of str"
    STATUS_REASON = "the app sent the status {detail} without a reason, as in '200 OK'"
    STATUS_UNSAFE = "the app sent the status {detail}, which holds a control character"
    SUBPROTOCOL = "the app accepted the subprotocol {detail}, which was not offered"
    UNKNOWN_MESSAGE = "the app sent a message of the unknown type {detail}"

    def say(self, detail: object = "") -> str:
        """Write the fault as a sentence about the app."""
        return self.value.format(detail=detail)


UNSAFE = re.compile(rb"[\r\n\x00]")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110, section 5.1)."""
HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
        *(b"te", b"trailers", b"transfer-encoding", b"upgrade"),
    }
)
"""The headers that PEP 3333 keeps from apps (RFC 2616, section 13.5.1)."""
READY = (list, tuple, dict, str, bytes)
"""Iterables that give the same however often they are asked."""
SHOWN = 80
"""How many characters of a value a sentence shows."""
DIGITS = 18
"""How many digits of a number are worth reading: what has more is larger than any response."""


def shown(value: object) -> str:
    """Give the beginning of `repr()` of a value of the app's, also of one whose `__repr__` raises."""
    try:
        return beginning(repr(value))
    except Exception:
        return f"<{type(value).__qualname__}>"


def beginning(text: str) -> str:
    """Shorten text of the app's; the ellipsis tells those who take secrets out that this may be a part of one."""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "\N{HORIZONTAL ELLIPSIS}"


def checked_status(status: Any, faults: list[str]) -> int | None:
    """Give the status where it is one; note it where it is not."""
    if issubclass(type(status), int) and 100 <= status <= 599:
        return int(status)
    faults.append(Fault.STATUS.say(shown(status)))
    return None


def checked_headers(headers: Any, faults: list[str], *, as_bytes: bool, may_use_up: bool = True) -> list[Header]:
    """Give a copy of the header lines as bytes, and note what is wrong with them.

    ASGI asks for names in lower case; Django's do not keep to it and no server minds, so that is passed over.

    Args:
        headers: What the app sent.
        faults: Where to note it.
        as_bytes: Whether the interface asks for bytes (ASGI) or for text (PEP 3333).
        may_use_up: Whether lines that are made as they are asked for may be taken: they may come only once.
    """
    lines: list[Header] = []
    if not as_bytes and type(headers) is not list:
        faults.append(Fault.HEADERS_LIST.say(type(headers).__name__))
    if not may_use_up and issubclass(type(headers), Iterable) and not issubclass(type(headers), READY):
        return lines
    try:
        iterator = iter(headers)
    except Exception:  # whatever the app's own object raises
        faults.append(Fault.HEADERS_TYPE.say(type(headers).__name__))
        return lines
    for line in iterator:
        checked = _checked_line(line, faults, as_bytes=as_bytes)
        if checked is not None:
            lines.append(checked)
    return lines


def _checked_line(line: Any, faults: list[str], *, as_bytes: bool) -> Header | None:
    if as_bytes and type(line) is tuple and len(line) == 2 and _is_sound(*line):
        return line
    wanted, fault = (bytes, Fault.HEADER_BYTES) if as_bytes else (str, Fault.HEADER_NATIVE)
    try:
        if issubclass(type(line), str | bytes):
            raise TypeError(line)
        name, value = line
    except Exception:  # whatever the app's own object raises
        faults.append(Fault.HEADER_TYPE.say(shown(line)))
        return None
    if not (issubclass(type(name), wanted) and issubclass(type(value), wanted)):
        wrong = name if not issubclass(type(name), wanted) else value
        faults.append(fault.say(f"{shown(name)} as {type(wrong).__name__}"))
    try:
        header = (_as_bytes(name), _as_bytes(value))
    except UnicodeEncodeError:
        faults.append(Fault.HEADER_UNENCODABLE.say(shown(name)))
        header = (_as_bytes(name, "replace"), _as_bytes(value, "replace"))
    if UNSAFE.search(header[0]) or UNSAFE.search(header[1]):
        faults.append(Fault.HEADER_UNSAFE.say(shown(name)))
    elif not TOKEN.fullmatch(header[0]):
        faults.append(Fault.HEADER_NAME.say(shown(name)))
    elif not as_bytes and header[0].lower() in HOP_BY_HOP:
        faults.append(Fault.HOP_BY_HOP.say(shown(name)))
    return header


def _is_sound(name: object, value: object) -> bool:
    """Whether a header line is what ASGI asks for: nearly all of them are."""
    return (
        type(name) is bytes and type(value) is bytes and not UNSAFE.search(value) and TOKEN.fullmatch(name) is not None
    )


def checked_wsgi_status(status: Any, faults: list[str]) -> int | None:
    """Give the number in a WSGI status such as ``"200 OK"``; note what is wrong with it."""
    if not issubclass(type(status), str):
        faults.append(Fault.STATUS_NATIVE.say(f"{shown(status)} as {type(status).__name__}"))
    elif CONTROL.search(status):
        faults.append(Fault.STATUS_UNSAFE.say(shown(status)))
    text = (status if issubclass(type(status), str) else shown(status)).split(" ", 1)[0]
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS):
        return checked_status(status, faults)
    if text == status:
        faults.append(Fault.STATUS_REASON.say(shown(status)))
    return checked_status(int(text), faults)


def check_length(headers: list[Header], sent: int, faults: list[str]) -> None:
    """Note a content-length that is no number, stands there twice, or is not what was sent (RFC 9110, section 8.6)."""
    announced = announced_length(headers, faults)
    if announced is not None and announced != sent:
        faults.append(Fault.LENGTH.say(f"{announced} and sent {sent} bytes"))


def announced_length(headers: list[Header], faults: list[str]) -> int | None:
    """Give the content-length; None where there is none, and where what stands there is none is noted."""
    found = [value for name, value in headers if name.lower() == b"content-length"]
    if not found:
        return None
    text = found[0].decode("latin-1")
    if len(found) > 1:
        faults.append(Fault.LENGTH.say(f"{beginning(text)} and {len(found) - 1} more"))
    elif not text.isdecimal() or len(text) > DIGITS:
        faults.append(Fault.LENGTH.say(shown(text)))
    else:
        return int(text)
    return None


def as_piece(value: Any, faults: list[str]) -> bytes:
    """Give a piece of a body as bytes; what is none is noted, and text counts as its UTF-8 bytes."""
    if issubclass(type(value), bytes | bytearray | memoryview):
        return value if type(value) is bytes else bytes(value)
    faults.append(Fault.BODY_TYPE.say(type(value).__name__))
    return value.encode("utf-8", "replace") if issubclass(type(value), str) else b""


def _as_bytes(value: Any, errors: str = "strict") -> bytes:
    if type(value) is bytes:
        return value
    if issubclass(type(value), bytes | bytearray | memoryview):
        return bytes(value)
    try:
        text = str(value)
    except Exception:
        text = ""  # its type was noted
    return text.encode("latin-1", errors)

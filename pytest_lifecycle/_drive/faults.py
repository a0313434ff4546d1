"""What an app does wrong in speaking to its server. A fault is a fact about the app, not a crash of ours."""

from __future__ import annotations

import re
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
    DOUBLE_ACCEPT = "the app sent {detail} over a WebSocket that was accepted"
    DOUBLE_START = "the app started the response twice"
    EMPTY_MESSAGE = "the app sent a WebSocket message with neither text nor bytes"
    HEADERS_TYPE = "the app sent headers of type {detail}, which cannot be iterated over"
    HEADER_BYTES = "the app sent the header {detail} instead of bytes"
    HEADER_NATIVE = "the app sent the header {detail} instead of str"
    HEADER_TYPE = "the app sent {detail}, which is no pair of a header's name and value"
    HEADER_UNENCODABLE = "the app sent the header {detail}, which holds characters outside latin-1"
    HEADER_UNSAFE = "the app sent the header {detail}, which holds a line break or a NUL"
    LEFT_RUNNING = "the app did not end after its client had left, and was cancelled"
    LENGTH = "the app announced a content-length of {detail}"
    NO_END = "the app started the response and never ended it"
    NO_CLOSE = "the app returned without closing the WebSocket: its client is told of an abnormal end (1006)"
    NO_HANDSHAKE = "the app returned without accepting or closing the WebSocket"
    NO_RESPONSE = "the app returned without a response"
    NOT_STARTED = "the app sent a body without having called start_response"
    RETURN_TYPE = "the app returned {detail}, which cannot be iterated over"
    STATUS = "the app sent the status {detail}, which is no number from 100 to 599"
    STATUS_NATIVE = "the app sent the status {detail} instead of str"
    STATUS_UNSAFE = "the app sent the status {detail}, which holds a control character"
    SUBPROTOCOL = "the app accepted the subprotocol {detail}, which was not offered"
    UNKNOWN_MESSAGE = "the app sent a message of the unknown type {detail}"

    def say(self, detail: object = "") -> str:
        """Write the fault as a sentence about the app."""
        return self.value.format(detail=detail)


UNSAFE = re.compile(rb"[\r\n\x00]")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def checked_status(status: Any, faults: list[str]) -> int | None:
    """Give the status where it is one; note it where it is not."""
    if isinstance(status, int) and 100 <= status <= 599:
        return int(status)
    faults.append(Fault.STATUS.say(repr(status)[:80]))
    return None


def checked_headers(headers: Any, faults: list[str], *, as_bytes: bool) -> list[Header]:
    """Give a copy of the header lines as bytes, and note what is wrong with them.

    ASGI asks for names in lower case; Django's do not keep to it and no server minds, so that is passed over.

    Args:
        headers: What the app sent.
        faults: Where to note it.
        as_bytes: Whether the interface asks for bytes (ASGI) or for text (PEP 3333).
    """
    lines: list[Header] = []
    try:
        iterator = iter(headers)
    except TypeError:
        faults.append(Fault.HEADERS_TYPE.say(type(headers).__name__))
        return lines
    wanted, fault = (bytes, Fault.HEADER_BYTES) if as_bytes else (str, Fault.HEADER_NATIVE)
    for line in iterator:
        try:
            name, value = line
        except (TypeError, ValueError):
            faults.append(Fault.HEADER_TYPE.say(repr(line)[:80]))
            continue
        if not (isinstance(name, wanted) and isinstance(value, wanted)):
            wrong = name if not isinstance(name, wanted) else value
            faults.append(fault.say(f"{name!r:.80} as {type(wrong).__name__}"))
        try:
            line = (_as_bytes(name), _as_bytes(value))
        except UnicodeEncodeError:
            faults.append(Fault.HEADER_UNENCODABLE.say(repr(name)[:80]))
            line = (_as_bytes(name, "replace"), _as_bytes(value, "replace"))
        if UNSAFE.search(line[0]) or UNSAFE.search(line[1]):
            faults.append(Fault.HEADER_UNSAFE.say(repr(name)[:80]))
        lines.append(line)
    return lines


def check_length(headers: list[Header], sent: int, faults: list[str]) -> None:
    """Note a content-length that is no number, stands there twice, or is not what was sent (RFC 9110, section 8.6)."""
    announced = [value for name, value in headers if name.lower() == b"content-length"]
    if not announced:
        return
    text = announced[0].decode("latin-1")
    if len(announced) > 1:
        faults.append(Fault.LENGTH.say(f"{text} and {len(announced) - 1} more"))
    elif not text.isdecimal():
        faults.append(Fault.LENGTH.say(repr(text)))
    elif int(text) != sent:
        faults.append(Fault.LENGTH.say(f"{text} and sent {sent} bytes"))


def as_piece(value: Any, faults: list[str]) -> bytes:
    """Give a piece of a body as bytes; what is none is noted, and text counts as its UTF-8 bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    faults.append(Fault.BODY_TYPE.say(type(value).__name__))
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""


def _as_bytes(value: Any, errors: str = "strict") -> bytes:
    if type(value) is bytes:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return str(value).encode("latin-1", errors)

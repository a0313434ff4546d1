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

    BODY_AFTER_END = "the app sent {detail} after the response was complete"
    BODY_BEFORE_START = "the app sent {detail} before http.response.start"
    BODY_NOT_ALLOWED = "the app sent a body with a {detail} response, which has none"
    BODY_TYPE = "the app sent a body of type {detail} instead of bytes"
    DOUBLE_START = "the app started the response twice"
    HEADER_TEXT = "the app sent the header {detail} as str instead of bytes"
    HEADER_TYPE = "the app sent {detail}, which is no pair of a header's name and value"
    HEADER_UNSAFE = "the app sent the header {detail}, which holds a line break or a NUL"
    LENGTH = "the app announced a content-length of {detail}"
    NO_END = "the app started the response and never ended it"
    NO_RESPONSE = "the app returned without a response"
    NOT_STARTED = "the app sent a body without having called start_response"
    RETURN_TYPE = "the app returned {detail}, which cannot be iterated over"
    STATUS = "the app sent the status {detail}, which is no number from 100 to 599"
    UNKNOWN_MESSAGE = "the app sent a message of the unknown type {detail}"

    def say(self, detail: object = "") -> str:
        """Write the fault as a sentence about the app."""
        return self.value.format(detail=detail)


UNSAFE = re.compile(rb"[\r\n\x00]")


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
    for line in headers:
        try:
            name, value = line
        except (TypeError, ValueError):
            faults.append(Fault.HEADER_TYPE.say(repr(line)[:80]))
            continue
        if as_bytes and (isinstance(name, str) or isinstance(value, str)):
            faults.append(Fault.HEADER_TEXT.say(repr(name)[:80]))
        name, value = _as_bytes(name), _as_bytes(value)
        if UNSAFE.search(name) or UNSAFE.search(value):
            faults.append(Fault.HEADER_UNSAFE.say(repr(name)[:80]))
        lines.append((name, value))
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


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("latin-1", errors="replace")
    return bytes(value)

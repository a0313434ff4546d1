"""What the messages of a WebSocket say: opened or refused, how much went which way, who closed it.

Source of the rules: the ASGI specification, WebSocket Connection Scope, version 2.5; RFC 6455, section 7.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .changes import Head
from .faults import shown

if TYPE_CHECKING:
    from .exchange import Exchange
    from .span import Span

OPENED = 101
"""The status of the response that opens a WebSocket (RFC 6455, section 4.2.2)."""
REFUSED = 403
"""The status that a server sends for an app that closes before it accepts (ASGI, "Close - send event")."""
NO_CLOSE = 1006
"""The code that stands for a connection that ended without a close (RFC 6455, section 7.4.1)."""

NORMAL = 1000
"""The code of a close that names none (ASGI, "Close - send event")."""


class Closing(NamedTuple):
    """How a WebSocket was closed.

    Attributes:
        code: The close code.
        by: ``"app"`` or ``"client"``.
        reason: The reason given, or nothing.
    """

    code: int
    by: str
    reason: str


def head_of(message: Mapping[str, Any]) -> Head:
    """Give the head of the handshake's response, as a message of the app's makes it."""
    match message.get("type"):
        case "websocket.accept":
            return Head(OPENED, message.get("headers"))
        case "websocket.close":
            return Head(REFUSED, ())
    return Head(message.get("status"), message.get("headers"))


def size_of(message: Mapping[str, Any]) -> int:
    """Give how many bytes a message carries."""
    return len(content_of(message))


def content_of(message: Mapping[str, Any]) -> bytes:
    """Give what a message carries; nothing where it is of no type that can be sent."""
    text, data = message.get("text"), message.get("bytes")
    data = message.get("body") if data is None else data
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    return bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b""


def received(exchange: Exchange, message: Mapping[str, Any], step: Span | None) -> None:
    """Note a message that the app received at its edge."""
    kind = str(message.get("type"))
    exchange.log("in", kind, size_of(message), step)
    exchange.hear(content_of(message))
    if kind == "websocket.disconnect" and exchange.closing is None:
        code = message.get("code")
        exchange.closing = Closing(
            code if isinstance(code, int) else NORMAL, "client", str(message.get("reason") or "")
        )


def sent(exchange: Exchange, message: Mapping[str, Any], step: Span | None) -> None:
    """Note a message that the app sent at its edge."""
    kind = str(message.get("type"))[:80]
    exchange.log("out", kind, size_of(message), step)
    if kind == "websocket.close":
        close(exchange, message, "app")
    if kind == "websocket.http.response.body":
        exchange.receive_body(content_of(message))
    elif exchange.status is None and kind != "websocket.send":
        head = head_of(message)
        exchange.respond(head.status, head.lines)


def concluded(exchange: Exchange) -> None:
    """Note how a WebSocket ended that was opened and that nobody closed."""
    if exchange.closing is None and exchange.status == OPENED:
        exchange.closing = Closing(NO_CLOSE, "app", "")


def close(exchange: Exchange, message: Mapping[str, Any], by: str) -> None:
    """Note the first close: the other side's answer to it is none of its own."""
    if exchange.closing is None:
        code, reason = message.get("code"), message.get("reason")
        exchange.closing = Closing(code if isinstance(code, int) else NORMAL, by, _text_of(reason))


def _text_of(reason: object) -> str:
    """Give the reason of a close; FastAPI gives a list for a handshake that is not valid."""
    return reason if isinstance(reason, str) else "" if reason is None else shown(reason)


def is_code(code: object) -> bool:
    """Whether an endpoint may close with this code: those that stand for what was never sent are none."""
    return isinstance(code, int) and 1000 <= code <= 4999 and code not in (1004, 1005, NO_CLOSE, 1015)

"""What crosses an ASGI app's `send`: the layers that a response leaves on its way out, and the messages at the edge.

Source of the rules: the ASGI specification, HTTP & WebSocket message format, version 2.5.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, final

from .._compat import clock
from .._trace import websocket
from .._trace.changes import Head
from .._trace.exchange import Exchange
from .._trace.lifespan import started
from .._trace.span import Kind, Span
from .._trace.websocket import head_of
from ._shape import is_call_of

NOTHING = object()
"""Stands for a message that was handed over in an unknown way."""
HEADS = frozenset({"http.response.start", "websocket.accept", "websocket.close", "websocket.http.response.start"})
"""The messages that begin a response; a WebSocket is closed before it is accepted, or is no start any more."""


@final
class Sender:
    """Sees the messages that cross a `send`.

    Args:
        code: The code of it.
        index: How many of its arguments come before the message.
    """

    __slots__ = ("code", "index", "name")

    def __init__(self, code: types.CodeType, index: int) -> None:
        self.code = code  # keeps it alive: ids are keys
        self.index = index
        names = code.co_varnames
        at = index if code.co_argcount > index else code.co_argcount + code.co_kwonlyargcount
        self.name = names[at] if at < len(names) else ""

    def passed(self, frame: types.FrameType, span: Span) -> None:
        """A message crosses it: it leaves each running layer that was given this very callable."""
        exchange = span.exchange
        if exchange is None:
            return
        if exchange.responded_at is not None and not exchange.captures:
            return  # the head is through, and the driver takes the body itself
        edge = exchange.edge
        may_be_edge = len(edge) == 4 and edge[3] is self.code
        if exchange.responded_at is not None and not may_be_edge:
            return
        values = frame.f_locals
        message: Any = self._message(values)
        is_edge = may_be_edge and is_call_of(edge[2], self.code, values)
        if type(message) is not dict and not issubclass(type(message), Mapping):
            if is_edge and exchange.answer is not None and message is not NOTHING:
                exchange.answer.take(message, span)
            return
        if exchange.responded_at is None and message.get("type") in HEADS:
            self._leave_layers(exchange, span, values, head_of(message))
            if is_edge:
                exchange.responded_at = clock()
        if is_edge and exchange.captures:
            _capture(exchange, span, message)

    def _leave_layers(self, exchange: Exchange, span: Span, values: Mapping[str, Any], head: Head) -> None:
        """Note that the response leaves the running layers that were given this `send`, innermost first.

        A message goes outwards, so the search goes on where the last one ended.
        """
        key = id(self.code)
        layer: Span | None = exchange.left[1] if exchange.left[0] is span else span
        other: object = None
        while layer is not None:
            if layer._send_code == key and not layer._crossed and layer._send is not other:
                if is_call_of(layer._send, self.code, values):
                    break
                other = layer._send
            layer = layer.parent
        if layer is None:
            return
        send = layer._send
        inside: Head | None = layer.head_inside()
        while layer is not None and layer._send is send:
            exchange.cross(layer, head, inside)
            if layer.kind is not Kind.INTERNAL:
                inside = head
            layer = layer.parent
        exchange.left = (span, layer)

    def _message(self, values: Mapping[str, Any]) -> object:
        if self.code.co_argcount > self.index:
            return values[self.name]
        rest = values.get(self.name, ())
        return rest[self.index - self.code.co_argcount] if isinstance(rest, tuple) and rest else NOTHING


def _capture(exchange: Exchange, span: Span, message: Mapping[str, Any]) -> None:
    """Take what crosses the app's edge, where another client's driver is behind it."""
    if exchange.protocol == "websocket":
        websocket.sent(exchange, message, span)
        return
    if exchange.protocol == "http":
        _take(exchange, span, message)
        return
    kind = str(message.get("type"))[:80]
    exchange.log("out", kind, 0, span)
    if kind in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
        exchange.has_failed = True
    elif kind == "lifespan.startup.complete":
        scope: Any = exchange.edge[0]
        started(exchange, scope.get("state"))


def _take(exchange: Exchange, span: Span, message: Mapping[str, Any]) -> None:
    """Take a message of an HTTP response."""
    answer = exchange.answer
    if answer is None:
        return
    exchange.receive_body(answer.take(message, span))
    if answer.is_started and exchange.status is None:
        exchange.status, exchange.raw_headers = answer.status, answer.headers

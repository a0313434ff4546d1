"""Any ASGI app: what is called with ``(scope, receive, send)``, and what crosses the layers' `send`.

Source of the rules: the ASGI specification, HTTP & WebSocket message format, version 2.5.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Callback, Probe, bound_arguments, code_of
from .._observe.recorder import OPAQUE
from .._trace.exchange import Exchange
from .._trace.span import Kind, Span
from ._shape import Shape, close_layer, is_call_of

SHAPE = Shape("scope", "receive", "send")
SCOPE_TYPES = frozenset({"http", "websocket", "lifespan"})


@final
class AsgiAdapter(Adapter):
    """Finds the layers of any ASGI app as they run, with no knowledge of a framework."""

    name = "asgi"
    distribution = "asgiref"
    supports = "ASGI 3.0"

    def __init__(self) -> None:
        self._senders: dict[int, _Sender] = {}

    def forget(self) -> None:
        self._senders.clear()
        SHAPE.forget()

    def discover(self, code: types.CodeType, frame: types.FrameType) -> Probe | None:
        if not SHAPE.fits(code) and not _looks_like_asgi(code, frame):
            return None
        return Probe(
            code,
            describe=SHAPE.step,
            opens=self._opens,
            entering=self._entering,
            closing=close_layer,
            carries=True,
        )

    def layer(
        self,
        function: object,
        kind: Kind,
        *,
        name: str | Callable[[Call], str],
        builtin: bool = False,
        applies: Callable[[Call], bool] | None = None,
        entering: Callback | None = None,
        leaving: Callback | None = None,
    ) -> Probe:
        """Give the probe for a function of a framework that is called as an ASGI app.

        Args:
            function: The function, with `scope`, `receive` and `send` as its last parameters.
            kind: What its calls are.
            name: The span's name, or a function of the call.
            builtin: Whether it is a part of the framework that no user configured.
            applies: Says whether a call counts.
            entering: Called as it starts.
            leaving: Called as it ends.
        """

        def begin(call: Call) -> None:
            self._entering(call)
            if entering is not None:
                entering(call)

        return Probe(
            function,
            kind,
            name=name,
            builtin=builtin,
            applies=applies,
            opens=self._opens,
            entering=begin if entering is not None else self._entering,
            leaving=leaving,
            closing=close_layer,
            carries=True,
        )

    def _opens(self, call: Call) -> Exchange | None:
        """Open an exchange where this call is the start of a request."""
        scope = call.values[SHAPE.names_of(call.frame.f_code)[-3]]
        parent = call.parent
        exchange = parent.exchange if parent is not None else None
        edge = exchange.edge if exchange is not None else ()
        if edge and scope is edge[0]:
            return None  # handed on as it came, as most layers do
        if scope["type"] != "http":
            call.is_step = False
            return None
        if parent is not None and parent.exchange is not None:
            receive = SHAPE.argument(call, 1)
            if not edge:
                parent.exchange.edge = _edge(scope, receive, SHAPE.argument(call, 2))
                return None
            if not _is_another_request(scope, receive, parent.exchange, parent):
                return None
        opened = Exchange("asgi", scope["method"], _url_of(scope), parent=parent)
        opened.edge = _edge(scope, SHAPE.argument(call, 1), SHAPE.argument(call, 2))
        return opened

    def _entering(self, call: Call) -> None:
        """See what crosses the `send` that this layer was given."""
        span, send = call.span, call.values[SHAPE.names_of(call.frame.f_code)[-1]]
        if span is None:
            return
        code = send.__code__ if type(send) is types.FunctionType else code_of(send)
        if code is None:
            return
        span._send = send
        span._send_code = key = id(code)
        if key not in self._senders:
            self._senders[key] = _Sender(code, bound_arguments(send))
            self.watcher.watch(Probe(code, span=False, entering=self._sent))

    def _sent(self, call: Call) -> None:
        """A message crosses a `send`: it leaves each running layer that was given this very callable."""
        span = call.parent
        if span is None or span.exchange is None:
            return
        exchange = span.exchange
        code = call.frame.f_code
        edge = exchange.edge
        may_be_edge = len(edge) == 4 and edge[3] is code
        if exchange.responded_at is not None and not (may_be_edge and exchange.captures):
            return  # the head is through: only the app's edge sees a body that its driver does not take itself
        message = self._senders[id(code)].message(call)
        if not isinstance(message, (dict, Mapping)):
            return
        kind = message.get("type")
        if kind == "http.response.start":
            self._leave_layers(exchange, span, call)
            if exchange.responded_at is None and may_be_edge and is_call_of(edge[2], call):
                exchange.responded_at = perf_counter()
                if exchange.captures:
                    exchange.respond(message.get("status"), list(message.get("headers", ())))  # type: ignore[arg-type]
        elif kind == "http.response.body" and exchange.captures and may_be_edge and is_call_of(edge[2], call):
            exchange.receive_body(bytes(message.get("body", b"")))

    @staticmethod
    def _leave_layers(exchange: Exchange, span: Span, call: Call) -> None:
        """Note that the response leaves the running layers that were given this `send`, innermost first.

        A message goes outwards, so the search goes on where the last one ended.
        """
        key = id(call.frame.f_code)
        layer: Span | None = exchange.left[1] if exchange.left[0] is span else span
        other: object = None
        while layer is not None:
            if layer._send_code == key and not layer._crossed and layer._send is not other:
                if is_call_of(layer._send, call):
                    break
                other = layer._send
            layer = layer.parent
        if layer is None:
            return
        send = layer._send
        while layer is not None and layer._send is send:
            exchange.cross(layer)
            layer = layer.parent
        exchange.left = (span, layer)


@final
class _Sender:
    """Where the calls of a `send` hold the message."""

    __slots__ = ("code", "index", "name")

    def __init__(self, code: types.CodeType, index: int) -> None:
        self.code = code  # keeps it alive: ids are keys
        self.index = index
        names = code.co_varnames
        at = index if code.co_argcount > index else code.co_argcount + code.co_kwonlyargcount
        self.name = names[at] if at < len(names) else ""

    def message(self, call: Call) -> object:
        """Give the message that is sent."""
        if self.code.co_argcount > self.index:
            return call.values[self.name]
        rest = call.values.get(self.name, ())
        return rest[self.index - self.code.co_argcount] if isinstance(rest, tuple) and rest else None


def _edge(scope: Any, receive: Any, send: Any) -> tuple[object, ...]:
    return scope, receive, send, code_of(send)


def _looks_like_asgi(code: types.CodeType, frame: types.FrameType) -> bool:
    """Whether a coroutine function whose parameters have other names is called as an ASGI app."""
    if code.co_argcount not in (3, 4) or not code.co_flags & inspect.CO_COROUTINE:
        return False
    values = frame.f_locals
    scope, receive, send = (values.get(name) for name in code.co_varnames[code.co_argcount - 3 : code.co_argcount])
    return isinstance(scope, dict) and scope.get("type") in SCOPE_TYPES and callable(receive) and callable(send)


def _is_another_request(scope: Any, receive: object, exchange: Exchange, parent: Span) -> bool:
    """Whether the app is called anew from inside a request, not handed on by a layer that changed the scope."""
    if exchange.interface != "asgi":
        return any(span.kind in OPAQUE for span in (parent, *parent.ancestors()))
    outer: Any = exchange.edge[0]
    if receive is exchange.edge[1]:
        return False
    shared = ("asgi", "headers", "state", "app", "extensions")
    return not any(scope.get(key) is outer.get(key) for key in shared if isinstance(outer.get(key), dict | list))


def _url_of(scope: Mapping[str, Any]) -> str:
    headers = dict(scope.get("headers", ()))
    host = headers.get(b"host", b"").decode("latin-1")
    if not host:
        server = scope.get("server") or ("localhost", None)
        host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else scope.get("path", "/")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{scope.get('scheme', 'http')}://{host}{path}" + (f"?{query}" if query else "")

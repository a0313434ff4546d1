"""Any ASGI app: what is called with ``(scope, receive, send)``.

Source of the rules: the ASGI specification, HTTP & WebSocket message format, version 2.5.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, cast, final

from .._observe.contract import Adapter, Inside
from .._observe.probe import Call, Callback, Probe, bound_arguments, code_of
from .._observe.recorder import INNER, OPAQUE
from .._observe.watching import Once
from .._trace import websocket
from .._trace.answer import Answer
from .._trace.declared import Declared
from .._trace.exchange import Exchange
from .._trace.span import Kind, Span
from ._asgi_messages import Sender
from ._shape import Shape, answered_itself, declared_around, is_call_of

SHAPE = Shape("scope", "receive", "send")
SCOPE_TYPES = frozenset({"http", "websocket", "lifespan"})


@final
class AsgiAdapter(Adapter):
    """Finds the layers of any ASGI app as they run, with no knowledge of a framework."""

    name = "asgi"
    distribution = "asgiref"
    supports = "ASGI 3.0"

    def __init__(self) -> None:
        self._senders, self._receivers = Once(), Once()

    def forget(self) -> None:
        SHAPE.forget()

    def detach(self) -> None:
        super().detach()
        self._senders.forget()
        self._receivers.forget()

    def discover(self, code: types.CodeType, frame: types.FrameType) -> Probe | None:
        takes_any = SHAPE.takes_any(code)
        if not (SHAPE.is_asked(frame, _is_asgi) if takes_any else SHAPE.fits(code) or _looks_like_asgi(code, frame)):
            return None
        return Probe(
            code,
            applies=SHAPE.unpacking(code, _is_asgi) if takes_any else None,
            describe=SHAPE.describer(code),
            opens=self._opener(code),
            entering=self._edges_reader(code),
            answering=answered_itself,
            leaving=None if code.co_flags & inspect.CO_COROUTINE else _was_no_app,
            carries=types.CoroutineType,
        )

    def declared(self, app: object, inside: Inside) -> Declared | None:
        return declared_around(SHAPE, app, inside)

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
        code = code_of(function)
        assert code is not None, function
        see_edges = self._edges_reader(code)

        def enter(call: Call) -> None:
            see_edges(call)
            if entering is not None:
                entering(call)

        return Probe(
            function,
            kind,
            name=name,
            builtin=builtin,
            applies=applies,
            opens=self._opener(code),
            entering=enter if entering is not None else see_edges,
            leaving=leaving,
            answering=answered_itself,
            carries=types.CoroutineType,
        )

    def _opener(self, code: types.CodeType) -> Callable[[Call], Exchange | None]:
        """Give what opens an exchange where a call of this code is the start of a request."""
        scope_name, receive_name, send_name = SHAPE.names_in(code)

        def opens(call: Call) -> Exchange | None:
            values = call.values
            scope = values[scope_name]
            if (parent := call.parent) is not None:
                exchange = parent.exchange
                if exchange is not None and exchange.edge and scope is exchange.edge[0]:
                    return None  # handed on as it came, as most layers do
            return self._open(call, scope, values[receive_name], values[send_name])

        return opens

    def _open(self, call: Call, scope: Any, receive: object, send: object) -> Exchange | None:
        protocol = scope["type"]
        if protocol not in SCOPE_TYPES:
            call.is_step = False
            return None
        parent = call.parent
        if parent is not None and parent.exchange is not None and parent.exchange.protocol == protocol:
            if not parent.exchange.edge:
                self._watch_edge(parent.exchange, scope, receive, send)
                return None
            if not _is_another_request(scope, receive, parent.exchange, parent):
                return None
        url = "" if protocol == "lifespan" else _url_of(scope)
        opened = Exchange("asgi", scope.get("method", protocol.upper()), url, parent=parent, protocol=protocol)
        if protocol == "http" and code_of(send) is not None:
            opened.answer = Answer(opened, scope.get("extensions") or (), may_use_up=False)
        self._watch_edge(opened, scope, receive, send)
        return opened

    def _watch_edge(self, exchange: Exchange, scope: Any, receive: object, send: object) -> None:
        code = code_of(send)
        exchange.edge = (scope, receive, send, code)
        if code is not None:
            self.watch_send(code, send)
        if exchange.captures or exchange.protocol != "http":
            exchange.request_headers = headers_of(scope)
        if not exchange.captures:
            return  # its driver knows what the app receives
        receiving = code_of(receive)
        if receiving is not None and receiving not in self._receivers:
            self._receivers(receiving, self._watch_receive)

    def _watch_receive(self, code: types.CodeType) -> None:
        self.watcher.watch(Probe(code, span=False, leaving=_received), lasting=True)

    def watch_send(self, code: types.CodeType, send: object) -> None:
        """See the messages that cross a `send` which a step was given, by its code."""
        if code in self._senders:
            return

        def watch(code: types.CodeType) -> None:
            sender = Sender(code, bound_arguments(send))
            self.watcher.watch(Probe(code, span=False, passing=sender.passed), lasting=True)

        self._senders(code, watch)

    def _edges_reader(self, code: types.CodeType) -> Callback:
        """Give what looks at the scope and the `send` that a call of this code was given.

        Messages are seen as they cross that `send`, where it lies between layers that the user configured: the
        framework's own pass messages on.
        """
        scope_name, _, send_name = SHAPE.names_in(code)

        def see_edges(call: Call) -> None:
            span, parent, values = call.span, call.parent, call.values
            if span is None or parent is None:
                return
            scope = values[scope_name]
            if scope is parent._scope and _size_of(scope) == parent._scope_size:
                span._scope, span._scope_size = scope, parent._scope_size  # the layer around has put nothing into it
            else:
                see_scope(span, parent, scope)
            span._send = send = values[send_name]
            if send is parent._send and parent._send_code:
                span._send_code = parent._send_code
            elif _is_configured(span) or _is_configured(parent):
                code = code_of(send)
                if code is not None:
                    self.watch_send(code, send)
                    span._send_code = id(code)

        return see_edges


def _is_configured(span: Span | None) -> bool:
    """Whether this is a layer that the user configured, or a helper that such a layer made for itself."""
    while span is not None and span.kind is Kind.INTERNAL:
        span = span.parent
    return span is not None and span.kind is Kind.MIDDLEWARE and not span.builtin


def see_scope(span: Span, parent: Span, scope: Any) -> None:
    """Note what the layer around put into the scope, and into its state, since that layer began.

    A key that was put there stands behind those that were there before.
    """
    state, size = _state_in(scope), _size_of(scope)
    around: Span | None = parent
    while around is not None and around._scope is None:
        around = around.parent
    if around is not None and around._scope is not None and not around.builtin and around.kind is not Kind.ROUTING:
        before, (keys, state_keys) = around._scope, around._scope_size
        if "wsgi.input" in before:
            added = []  # a bridge made the scope of an environ
        elif scope is not before:
            added = [key for key in scope if key not in before]
            added += [f"state.{key}" for key in state if key not in _state_in(before)]
        elif size != around._scope_size:
            added = [*scope][keys:] + [f"state.{key}" for key in [*state][state_keys:]]
        else:
            added = []
        if added:
            known = around.attributes.setdefault("scope_added", [])
            known += [key for key in added if key not in known and key != "state"]
    span._scope, span._scope_size = scope, size


def _size_of(scope: Any) -> tuple[int, int]:
    """Say how many keys a scope has, and how many its state."""
    return (len(scope), len(_state_in(scope)))


def _state_in(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    state = scope.get("state")
    return cast("Mapping[str, Any]", state) if issubclass(type(state), dict) else {}


def _received(call: Call) -> None:
    """The app received a message at its edge."""
    span, message = call.parent, call.result
    exchange = span.exchange if span is not None else None
    if exchange is None or not exchange.captures or not isinstance(message, dict) or len(exchange.edge) != 4:
        return
    if is_call_of(exchange.edge[1], call.frame.f_code, call.values):
        websocket.received(exchange, message, span)


def _was_no_app(call: Call) -> None:
    """A function with an app's parameters has returned what cannot be awaited: it was a helper of the step around."""
    span = call.span
    if span is None or span.was_suspended or call.error is not None or call.parent is call.exchange.root:
        return  # it goes on in the coroutine that it returned, or is all that there is
    if inspect.isawaitable(call.result):
        return
    span.kind, span.builtin, span.short_circuited = Kind.INTERNAL, True, False
    for around in span.ancestors():
        around.reached_inner = any(inner.kind in INNER or inner.reached_inner for inner in around.children)


def _looks_like_asgi(code: types.CodeType, frame: types.FrameType) -> bool:
    """Whether a coroutine function whose parameters have other names is called as an ASGI app."""
    if code.co_argcount not in (3, 4) or not code.co_flags & inspect.CO_COROUTINE:
        return False
    values = frame.f_locals
    return _is_asgi(*(values.get(name) for name in code.co_varnames[code.co_argcount - 3 : code.co_argcount]))


def _is_asgi(scope: object, receive: object, send: object) -> bool:
    """Whether these are what an ASGI app is called with."""
    kind = cast("dict[str, Any]", scope).get("type") if issubclass(type(scope), dict) else None
    return type(kind) is str and kind in SCOPE_TYPES and callable(receive) and callable(send)


def _is_another_request(scope: Any, receive: object, exchange: Exchange, parent: Span) -> bool:
    """Whether the app is called anew from inside a request, not handed on by a layer that changed the scope."""
    if exchange.interface != "asgi":
        return any(span.kind in OPAQUE for span in (parent, *parent.ancestors()))
    outer: Any = exchange.edge[0]
    if receive is exchange.edge[1]:
        return False
    shared = ("asgi", "headers", "state", "app", "extensions")
    return not any(scope.get(key) is outer.get(key) for key in shared if isinstance(outer.get(key), dict | list))


def headers_of(scope: Mapping[str, Any]) -> list[tuple[object, object]]:
    """Give a copy of a request's header lines; lines that are no pairs are left out."""
    headers = scope.get("headers")
    lines = headers if isinstance(headers, list | tuple) else ()
    return [(line[0], line[1]) for line in lines if isinstance(line, list | tuple) and len(line) == 2]


def host_of(scope: Mapping[str, Any]) -> str:
    """Give the request's host header; an empty string where it has none."""
    hosts = (value for name, value in headers_of(scope) if name == b"host" and isinstance(value, bytes))
    return next(hosts, b"").decode("latin-1")


def _url_of(scope: Mapping[str, Any]) -> str:
    """Give the URL that was asked for. Some clients' scopes hold what no server's does: nothing of them is used up."""
    server = scope.get("server")
    name, port = server if isinstance(server, list | tuple) and len(server) == 2 else ("localhost", None)
    host = host_of(scope) or (name if port is None else f"{name}:{port}")
    path = _text(scope.get("raw_path")) or scope.get("path", "/")
    query = _text(scope.get("query_string"))
    return f"{scope.get('scheme', 'http')}://{host}{path}" + (f"?{query}" if query else "")


def _text(sent: object) -> str:
    return sent.decode("latin-1") if isinstance(sent, bytes) else sent if isinstance(sent, str) else ""

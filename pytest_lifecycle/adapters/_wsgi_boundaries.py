"""What crosses the boundaries between WSGI layers: the environ on the way in, `start_response` on the way out.

Source of the rules: PEP 3333, "The start_response() Callable".
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, final

from .._compat import clock
from .._observe.contract import Watcher
from .._observe.probe import Call, Callback, Probe, bound_arguments, code_of
from .._observe.watching import Once
from .._trace.changes import Head
from .._trace.exchange import Exchange
from .._trace.faults import checked_wsgi_status
from .._trace.span import Span
from .._trace.wsgi_answer import read_head, second_start
from ._shape import is_call_of

Late = list[tuple[Span, object, bool]]
"""Layers that returned before their response was started, each with the `start_response` that it was given, and
whether what it returned may hold a generator that has not begun."""


@final
class Boundaries:
    """Every `start_response` that a layer was given, and the head of the response as it passed it."""

    def __init__(self) -> None:
        self._starters = Once()

    def forget(self) -> None:
        """Drop what was found."""
        self._starters.forget()

    def begin(self, watcher: Watcher, exchange: Exchange, environ: Mapping[str, Any], start_response: object) -> None:
        """Take this call for the app's edge."""
        late: Late = []
        exchange.request_headers = headers_of(environ)
        exchange.edge = (environ, start_response, late, self._watch(watcher, start_response))

    def reader(self, watcher: Callable[[], Watcher], environ_name: str, start_response_name: str) -> Callback:
        """Give what looks at the environ and the `start_response` that a layer was given; no name, no look."""

        def read(call: Call) -> None:
            span, parent, values = call.span, call.parent, call.values
            if span is None or parent is None:
                return
            if environ_name:
                see_environ(span, parent, values[environ_name])
            span._send = start_response = values[start_response_name]
            if start_response is parent._send:
                span._send_code = parent._send_code
            else:
                span._send_code = self._watch(watcher(), start_response)

        return read

    def _watch(self, watcher: Watcher, start_response: object) -> int:
        """Watch its code, if nobody does; give the code's `id`, or 0 where it is compiled."""
        code = code_of(start_response)
        if code is None:
            return 0

        def watch(code: types.CodeType) -> None:
            starter = _Starter(code, bound_arguments(start_response))
            watcher.watch(Probe(code, span=False, passing=starter.passed), lasting=True)
            watcher.watch(Probe(code, span=False, leaving=starter.returned), lasting=True)

        self._starters(code, watch)
        return id(code)


@final
class _Starter:
    """Sees the calls of a `start_response`.

    Args:
        code: The code of it.
        index: How many of its arguments come before the status.
    """

    def __init__(self, code: types.CodeType, index: int) -> None:
        self.code = code  # keeps it alive: ids are keys
        self.index = index
        self._before: dict[int, tuple[int | None, list[tuple[bytes, bytes]]]] = {}  # by the frame of a call

    def passed(self, frame: types.FrameType, span: Span) -> None:
        """The response is started: its head passes each layer that was given this very callable."""
        exchange, key = span.exchange, id(self.code)
        arguments = self._arguments(frame.f_locals)
        if exchange is None or len(arguments) < 2:
            return
        head = _head(*arguments[:2])
        for layer in self._layers(exchange, span, frame):
            layer._outer_head = head
            if exchange.interface != "wsgi":
                exchange.cross(layer, head, layer.head_inside())  # those outside hand messages on before it returns
        edge: tuple[Any, ...] = exchange.edge
        if exchange.interface != "wsgi" or len(edge) != 4:
            return
        late: Late = edge[2]
        for behind, start_response, _ in late:
            if _is_seen_inside(behind) and behind not in span.ancestors():
                continue  # it is a layer around that starts the response
            if behind._send_code == key and is_call_of(start_response, frame.f_code, frame.f_locals):
                behind._outer_head, behind._inner_head = head, behind.head_inside()
        if edge[3] == key and is_call_of(edge[1], frame.f_code, frame.f_locals):
            self._before[id(frame)] = exchange.status, exchange.raw_headers
            _started(exchange, arguments, span)

    def returned(self, call: Call) -> None:
        """The server took the head, or raised: a head that comes with `exc_info` is too late after the first piece."""
        before = self._before.pop(id(call.frame), None)
        if before is not None and call.error is not None and call.exchange.captures:
            call.exchange.status, call.exchange.raw_headers = before

    def _layers(self, exchange: Exchange, span: Span, frame: types.FrameType) -> list[Span]:
        """Give the running layers that were given this callable: one handed it on to the next.

        A head goes outwards, so the search begins where the last one ended; a second head begins inside again.
        """
        key = id(self.code)
        beginnings = [exchange.left[1], span] if exchange.left[0] is span else [span]
        found: list[Span] = []
        for layer in beginnings:
            while layer is not None and not found:
                if layer._send_code == key and is_call_of(layer._send, frame.f_code, frame.f_locals):
                    found.append(layer)
                layer = layer.parent
            while layer is not None and (layer._send is None or layer._send is found[-1]._send):
                if layer._send is not None:
                    found.append(layer)
                layer = layer.parent
            if found:
                exchange.left = (span, layer)
                break
        return found

    def _arguments(self, values: Mapping[str, Any]) -> list[Any]:
        code = self.code
        found = [values[name] for name in code.co_varnames[self.index : code.co_argcount]]
        if code.co_flags & 0x04:  # `*args`
            found += values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], ())
        return found


def _started(exchange: Exchange, arguments: list[Any], step: Span) -> None:
    """The response is started at the app's edge."""
    is_second, exchange.responded_at = exchange.responded_at is not None, exchange.responded_at or clock()
    if not exchange.captures:
        return
    exchange.log("out", "wsgi.start_response", 0, step)
    if is_second and (len(arguments) == 2 or arguments[2] is None):
        exchange.warn(second_start(step))
    status, headers = arguments[:2]
    exchange.status, exchange.raw_headers, faults = read_head(status, headers, step, may_use_up=False)
    for fault in faults:
        exchange.warn(fault)


def _head(status: object, headers: object) -> Head:
    """Write down a head; what is no status and no header line is left to the server to find."""
    lines = (
        [line for line in headers if issubclass(type(line), tuple) and len(line) == 2] if type(headers) is list else []
    )
    return Head(checked_wsgi_status(status, []), lines)


def left(exchange: Exchange, span: Span, body: object) -> None:
    """A layer returned: the response has left it, with the head that it gave to its `start_response`."""
    if span._crossed:
        return
    exchange.cross(span)
    if span._outer_head is not None:
        span._inner_head = span.head_inside()
    elif exchange.interface == "wsgi" and len(exchange.edge) == 4:
        late: Any = exchange.edge[2]
        late.append((span, span._send, body is not None and not issubclass(type(body), list | tuple)))


def _is_seen_inside(behind: Span) -> bool:
    """Whether a step of its own goes on, or began, after this layer returned."""
    return any(step._end is None or behind._end is None or step._end > behind._end for step in behind.children)


def handed_on_by(parent: Span | None) -> Span | None:
    """Give the layer that handed the request on to a generator which begins now, and so after that layer returned."""
    exchange = parent.exchange if parent is not None else None
    if parent is None or exchange is None or exchange.interface != "wsgi" or len(exchange.edge) != 4:
        return parent
    late: Any = exchange.edge[2]
    for span, _, may_hold_it in reversed(late):
        if may_hold_it and not span.reached_inner and parent in span.ancestors():
            span.short_circuited = False
            found: Span = span
            return found
    return parent


def see_environ(span: Span, parent: Span, environ: Mapping[str, Any]) -> None:
    """Note what the layer around put into the environ since it began, and the part of the path that it took off.

    A key that was put there stands behind those that were there before.
    """
    path = environ.get("PATH_INFO")
    size = (len(environ), len(path) if isinstance(path, str) else 0)
    around: Span | None = parent
    while around is not None and around._scope is None:
        around = around.parent
    if around is not None and around._scope is not None and "wsgi.input" in around._scope:
        count, length = around._scope_size
        if not around.builtin and (size[0] != count or environ is not around._scope):
            _note_added(around, environ, around._scope, count)
        script = environ.get("SCRIPT_NAME")
        if size[1] < length and isinstance(script, str):
            prefix = script[size[1] - length :].rstrip("/")  # some leave the slash to what they are mounted at
            if prefix.startswith("/"):
                around.attributes["prefix"] = prefix
    span._scope, span._scope_size = environ, size


def _note_added(around: Span, environ: Mapping[str, Any], before: Mapping[str, Any], count: int) -> None:
    known = {*[*before][:count]}
    noted = around.attributes.setdefault("scope_added", [])
    noted += [key for key in environ if key not in known and key not in noted]


def headers_of(environ: Mapping[str, Any]) -> list[tuple[object, object]]:
    """Give a request's header lines (PEP 3333, "environ Variables")."""
    return [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]

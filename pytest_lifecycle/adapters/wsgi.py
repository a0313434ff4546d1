"""Any WSGI app: what is called with ``(environ, start_response)``.

Source of the rules: PEP 3333.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, final
from weakref import WeakKeyDictionary

from .._observe.contract import Adapter, Inside
from .._observe.probe import Call, Callback, Probe, code_of
from .._observe.recorder import GENERATOR, OPAQUE, SUSPENDABLE
from .._trace.declared import Declared
from .._trace.exchange import Exchange
from .._trace.faults import Fault
from .._trace.span import Kind, Span
from .._trace.wsgi_answer import see_result
from ._shape import Shape, answered_itself, declared_around, owner_name
from ._wsgi_boundaries import Boundaries, handed_on_by, left

SHAPE = Shape("environ", "start_response")

DEFAULT_PORTS = {"http": "80", "https": "443"}
"""The ports that a URL does not name."""


@final
class WsgiAdapter(Adapter):
    """Finds the layers of any WSGI app as they run, with no knowledge of a framework."""

    name = "wsgi"
    supports = "PEP 3333"

    def __init__(self) -> None:
        self._boundaries = Boundaries()
        self._requests: WeakKeyDictionary[object, Exchange] = WeakKeyDictionary()

    def forget(self) -> None:
        SHAPE.forget()
        self._requests.clear()

    def detach(self) -> None:
        super().detach()
        self._boundaries.forget()

    def discover(self, code: types.CodeType, frame: types.FrameType) -> Probe | None:
        takes_any = SHAPE.takes_any(code)
        if not (SHAPE.is_asked(frame, _is_wsgi) if takes_any else SHAPE.fits(code) or _looks_like_wsgi(code, frame)):
            return _class_app(code, frame)
        return Probe(
            code,
            applies=SHAPE.unpacking(code, _is_wsgi) if takes_any else None,
            describe=SHAPE.describer(code),
            opens=self._opener(code),
            entering=self.boundary(code),
            leaving=leave,
            answering=answered_itself,
            carries=types.GeneratorType,
        )

    def boundary(self, code: types.CodeType) -> Callback:
        """Give what looks at the environ and the `start_response` that a call of this code was given."""
        return self._boundaries.reader(lambda: self.watcher, *SHAPE.names_in(code))

    def response(self, function: object, *, leaving: Callback) -> Probe:
        """Give the probe for a response object's function that is called as a WSGI app: the innermost boundary."""
        code = code_of(function)
        assert code is not None, function
        see_edge = self._boundaries.reader(lambda: self.watcher, "", SHAPE.names_in(code)[1])

        def end(call: Call) -> None:
            leaving(call)
            leave(call)

        return Probe(function, Kind.RESPONSE, name=owner_name, builtin=True, entering=see_edge, leaving=end)

    def declared(self, app: object, inside: Inside) -> Declared | None:
        return declared_around(SHAPE, app, inside)

    def layer(
        self,
        function: object,
        kind: Kind,
        *,
        name: str | Callable[[Call], str],
        builtin: bool = False,
        entering: Callback | None = None,
        leaving: Callback | None = None,
    ) -> Probe:
        """Give the probe for a function of a framework that is called as a WSGI app.

        Args:
            function: The function, with `environ` and `start_response` as its last parameters.
            kind: What its calls are.
            name: The span's name, or a function of the call.
            builtin: Whether it is a part of the framework that no user configured.
            entering: Called as it starts.
            leaving: Called as it ends.
        """
        code = code_of(function)
        assert code is not None, function
        see_edges = self.boundary(code)

        def enter(call: Call) -> None:
            see_edges(call)
            if entering is not None:
                entering(call)

        def end(call: Call) -> None:
            if leaving is not None:
                leaving(call)
            leave(call)

        return Probe(
            function,
            kind,
            name=name,
            builtin=builtin,
            opens=self._opener(code),
            entering=enter if entering is not None else see_edges,
            leaving=end if leaving is not None else leave,
            answering=answered_itself,
            carries=types.GeneratorType,
        )

    def _opener(self, code: types.CodeType) -> Callable[[Call], Exchange | None]:
        """Give what opens an exchange where a call of this code is the start of a request."""
        environ_name, start_response_name = SHAPE.names_in(code)

        def opens(call: Call) -> Exchange | None:
            environ, parent = call.values[environ_name], call.parent
            exchange = parent.exchange if parent is not None else None
            if exchange is not None and exchange.edge and environ is exchange.edge[0]:
                opened = None  # handed on as it came, as most layers do
            else:
                opened = self.open(parent, environ, call.values[start_response_name])
            if opened is None and code.co_flags & GENERATOR:
                call.parent = handed_on_by(parent)
            return opened

        return opens

    def open(self, parent: Span | None, environ: Any, start_response: object) -> Exchange | None:
        """Open an exchange for a call with these arguments, unless it is a part of the request that is under way."""
        if parent is not None and parent.exchange is not None:
            if not parent.exchange.edge:
                self._watch_edge(parent.exchange, environ, start_response)
                return None
            if not _is_another_request(environ, parent.exchange, parent):
                return None
        waiting = self._waiting(environ) if parent is None else None
        if waiting is not None:
            waiting.reopen()
            opened = waiting
        else:
            opened = Exchange("wsgi", environ.get("REQUEST_METHOD", "GET"), url_of(environ), parent=parent)
            with suppress(TypeError):  # a stream that cannot be referred to weakly
                self._requests[environ.get("wsgi.input")] = opened
        self._watch_edge(opened, environ, start_response)
        return opened

    def _waiting(self, environ: Any) -> Exchange | None:
        """Give the request whose first step returned before it started a response, if this call is a part of it.

        Its body is being made, then. The steps of one request share their ``wsgi.input``, whatever they copy.
        """
        try:
            known = self._requests.get(environ.get("wsgi.input"))
        except TypeError:
            return None
        is_waiting = known is not None and known.is_over and known.responded_at is None and not known.broke_off
        return known if is_waiting else None

    def _watch_edge(self, exchange: Exchange, environ: Any, start_response: Any) -> None:
        self._boundaries.begin(self.watcher, exchange, environ, start_response)


def leave(call: Call) -> None:
    """A layer returned: the response has left it. What the outermost one returned is the body."""
    span = call.span
    if span is None:
        return
    if call.error is None:
        left(call.exchange, span, call.result)
    elif not span._crossed:
        span._outer_head = None  # the response that it started went no further
    if call.exchange.outermost is span and call.exchange.captures:
        _keep_body(call, span)


def _keep_body(call: Call, span: Span) -> None:
    exchange = call.exchange
    if call.frame.f_code.co_flags & SUSPENDABLE or span.was_suspended:
        exchange.body = None
        if exchange.responded_at is None and call.error is None:
            exchange.warn(Fault.NO_RESPONSE.say())
    elif call.error is None and not exchange.body:
        see_result(exchange, call.result)


def _class_app(code: types.CodeType, frame: types.FrameType) -> Probe | None:
    """Give the probe for a class that is an app by its constructor, whose objects are the body (PEP 3333, `AppClass`).

    Its `__iter__` answers only once its step has ended: a request of another client's would seem to end with it.
    """
    if code.co_name != "__init__" or code.co_argcount != 3 or code.co_varnames[1:3] != SHAPE.parameters:
        return None
    owner = type(frame.f_locals[code.co_varnames[0]])
    if not hasattr(owner, "__iter__"):
        return None
    return Probe(
        code,
        Kind.APP,
        name=owner_name,
        applies=lambda call: call.parent is not None and not call.exchange.captures,
        answering=answered_itself,
    )


def _looks_like_wsgi(code: types.CodeType, frame: types.FrameType) -> bool:
    """Whether a function whose parameters have other names is called as a WSGI app."""
    if code.co_argcount not in (2, 3) or code.co_name in ("__init__", "__setitem__", "__setattr__"):
        return False
    values = frame.f_locals
    return _is_wsgi(*(values.get(name) for name in code.co_varnames[code.co_argcount - 2 : code.co_argcount]))


def _is_wsgi(environ: object, start_response: object) -> bool:
    """Whether these are what a WSGI app is called with."""
    if type(environ) is not dict or "wsgi.input" not in environ or not callable(start_response):
        return False
    return not SHAPE.is_app(start_response)  # Pyramid hands its router on with the environ


def _is_another_request(environ: Mapping[str, Any], exchange: Exchange, parent: Span) -> bool:
    """Whether the app is called anew from inside a request, not handed on by a layer that copied the environ."""
    if exchange.interface != "wsgi":
        return any(span.kind in OPAQUE for span in (parent, *parent.ancestors()))
    outer: Any = exchange.edge[0]
    return environ.get("wsgi.input") is not outer.get("wsgi.input")


def url_of(environ: Mapping[str, Any]) -> str:
    """Give the URL that was asked for (PEP 3333, "URL Reconstruction")."""
    scheme = environ.get("wsgi.url_scheme", "http")
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    return f"{scheme}://{environ.get('HTTP_HOST') or _server_of(environ, scheme)}{path}" + (
        f"?{query}" if query else ""
    )


def _server_of(environ: Mapping[str, Any], scheme: str) -> str:
    name, port = environ.get("SERVER_NAME", "localhost"), environ.get("SERVER_PORT", "")
    return str(name) if port in ("", DEFAULT_PORTS.get(scheme)) else f"{name}:{port}"

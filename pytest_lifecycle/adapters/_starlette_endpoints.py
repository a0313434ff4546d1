"""The ends of Starlette's routes: functions and classes of endpoints, and what runs around them.

Read from starlette/{routing,endpoints}.py.
"""

from __future__ import annotations

import types
from typing import Any, NamedTuple, final

from .._observe.probe import Call, Expected, Probe, code_of, handler_chain, name_of, nested_code, plain_name
from .._trace.span import Kind
from ._dispatching import dispatch_chain
from ._starlette_declared import VERBS, is_endpoint_class
from .asgi import SHAPE, AsgiAdapter, see_scope


class End(NamedTuple):
    """What is known of a route's end.

    Attributes:
        route: The route: it is kept alive, since its `id` is a key.
        endpoint: The name of its endpoint.
        expected: What runs inside of it.
    """

    route: object
    endpoint: str
    expected: Expected


@final
class Endpoints:
    """The ends of the routes that were seen.

    Args:
        asgi: The adapter for the layers.
    """

    def __init__(self, asgi: AsgiAdapter) -> None:
        self._asgi = asgi
        self._apps: dict[int, types.CodeType] = {}
        self._ends: dict[int, End] = {}

    def forget(self) -> None:
        """Drop the ends."""
        self._ends.clear()

    def apps_of(self, module: Any) -> list[types.CodeType]:
        """Give, and remember, what this module's routes make apps of their endpoints with.

        It is what the `app` of a route is that has no middleware of its own.
        """
        makers = (getattr(module, name, None) for name in ("request_response", "websocket_session"))
        codes = [code for maker in makers if maker is not None for code in nested_code(maker, "app")]
        self._apps.update((id(code), code) for code in codes)
        return codes

    def of(self, route: Any, endpoint: Any) -> End:
        """Give the end of a route."""
        known = self._ends.get(id(route))
        if known is None:
            expected = Expected([*self._endpoint(endpoint), *self._inside(route)])
            known = self._ends[id(route)] = End(route, name_of(endpoint), expected)
        return known

    def _inside(self, route: Any) -> list[Probe]:
        """Give what is a step inside of a route's own middleware: the innermost shows what it did only to a step."""
        if route.app is route.endpoint or id(code_of(route.app)) in self._apps:
            return []
        if is_endpoint_class(route.endpoint):
            function = route.endpoint.dispatch
            return [Probe(function, Kind.ROUTING, name="endpoint", builtin=True, entering=self._see_edges)]
        return [self._asgi.layer(code, Kind.ROUTING, name="endpoint", builtin=True) for code in self._apps.values()]

    def _see_edges(self, call: Call) -> None:
        """An endpoint's class keeps what it was called with."""
        span, endpoint = call.span, call.owner
        code = code_of(endpoint.send)
        if span is None or call.parent is None or code is None:
            return
        see_scope(span, call.parent, endpoint.scope)
        self._asgi.watch_send(code, endpoint.send)
        span._send, span._send_code = endpoint.send, id(code)

    def _endpoint(self, endpoint: Any) -> list[Probe]:
        from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint

        if is_endpoint_class(endpoint):
            chain = [*dispatch_chain(endpoint, "dispatch", lambda cls: cls is HTTPEndpoint)]
            for verb in VERBS:
                function = getattr(endpoint, verb, None)
                if function is not None:
                    chain += handler_chain(function, name=f"{plain_name(endpoint.__qualname__)}.{verb}")
        elif isinstance(endpoint, type) and issubclass(endpoint, WebSocketEndpoint):
            chain = handler_chain(endpoint.dispatch, name=plain_name(endpoint.__qualname__), entering=self._see_edges)
        else:
            chain = handler_chain(endpoint) if not SHAPE.is_app(endpoint) else []
        return chain

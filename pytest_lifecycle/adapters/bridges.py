"""Bridges: a WSGI app inside an ASGI one, and the other way round. Both sides are one request.

Read from starlette/middleware/wsgi.py, a2wsgi/{wsgi,asgi}.py and asgiref/wsgi.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter, Inside
from .._observe.probe import Call, Probe, location_of, name_of
from .._trace.declared import Declared, DeclaredMiddleware
from .._trace.span import Kind
from ._shape import owner_name
from .asgi import AsgiAdapter
from .wsgi import WsgiAdapter


@final
class BridgeAdapter(Adapter):
    """One bridge: a layer, and what it makes for itself.

    Args:
        layers: The adapter for the interface that the bridge is called by.
        module: The module it is in.
        bridge: The class that the user puts around an app.
        parts: The functions that it makes for itself, as ``"Class.function"``.
    """

    def __init__(self, layers: AsgiAdapter | WsgiAdapter, module: str, bridge: str, *parts: str) -> None:
        self.name: str = module.partition(".")[0]
        self.distribution: str = self.name
        self.supports = "as tested"
        self.module = module
        self._layers = layers
        self._bridge = bridge
        self._parts = parts

    def probes(self) -> Iterable[Probe]:
        module = sys.modules[self.module]
        bridge = getattr(module, self._bridge)
        yield self._layers.layer(bridge.__call__, Kind.MIDDLEWARE, name=owner_name, leaving=_left)
        for part in self._parts:
            owner, _, function = part.partition(".")
            yield Probe(getattr(getattr(module, owner), function), Kind.INTERNAL, name=owner, builtin=True)

    def declared(self, app: object, inside: Inside) -> Declared | None:
        if not isinstance(app, getattr(sys.modules[self.module], self._bridge)):
            return None
        held = vars(app)
        inner = held.get("app", held.get("wsgi_application"))
        return (inside(inner) or Declared()).within([DeclaredMiddleware(name_of(app), location_of(app))])


def _left(call: Call) -> None:
    """A bridge that nothing was seen inside: on CPython 3.11, threads that were there before us cannot be observed."""
    span = call.span
    if span is not None and not span.reached_inner and call.error is None:
        span.short_circuited = False
        call.exchange.warn(
            f"nothing was seen of the app inside {span.name}: it may run in a thread that is older than the"
            " observation, which CPython 3.11 cannot observe. Create the app inside `observe()` there."
        )


def bridge_adapters(asgi: AsgiAdapter, wsgi: WsgiAdapter) -> list[Adapter]:
    """Give the adapters of the bridges that are known."""
    parts = ("WSGIResponder.__call__", "WSGIResponder.wsgi")
    return [
        BridgeAdapter(asgi, "starlette.middleware.wsgi", "WSGIMiddleware", *parts),
        BridgeAdapter(asgi, "a2wsgi.wsgi", "WSGIMiddleware", *parts),
        BridgeAdapter(asgi, "asgiref.wsgi", "WsgiToAsgi", "WsgiToAsgiInstance.__call__"),
        BridgeAdapter(wsgi, "a2wsgi.asgi", "ASGIMiddleware", "ASGIResponder.__call__"),
    ]

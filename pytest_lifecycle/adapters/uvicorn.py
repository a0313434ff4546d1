"""uvicorn: the layer that the server itself puts around every app.

Read from uvicorn/config.py and uvicorn/middleware/proxy_headers.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe
from .._trace.span import Kind
from .asgi import AsgiAdapter


@final
class UvicornAdapter(Adapter):
    """Tells uvicorn's own layer from the same class in an app's stack.

    Args:
        asgi: The adapter for the layers.
    """

    name = "uvicorn"
    distribution = "uvicorn"
    supports = ">=0.30"
    module = "uvicorn.middleware.proxy_headers"

    def __init__(self, asgi: AsgiAdapter) -> None:
        self.asgi = asgi

    def probes(self) -> Iterable[Probe]:
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        yield self.asgi.layer(
            ProxyHeadersMiddleware.__call__, Kind.MIDDLEWARE, name="ProxyHeadersMiddleware", entering=_place
        )


def _place(call: Call) -> None:
    """The outermost one is the server's, any other one the user's."""
    span = call.span
    if span is not None and span.parent is not None:
        span.builtin = span.parent.parent is None

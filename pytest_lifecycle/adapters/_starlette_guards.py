"""Starlette's middleware that refuse: by the host, by who asks.

Read from starlette/middleware/{trustedhost,authentication}.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe
from .._trace.facts import Refusal, Verdict
from .._trace.span import Kind
from ._shape import owner_name
from .asgi import AsgiAdapter


@final
class TrustedHostAdapter(Adapter):
    """`TrustedHostMiddleware`.

    Args:
        asgi: The adapter for the layers.
    """

    name = "starlette"
    distribution = "starlette"
    supports = ">=0.40"
    module = "starlette.middleware.trustedhost"

    def __init__(self, asgi: AsgiAdapter) -> None:
        self.asgi = asgi

    def probes(self) -> Iterable[Probe]:
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        yield self.asgi.layer(TrustedHostMiddleware.__call__, Kind.MIDDLEWARE, name=owner_name, leaving=_wrong_host)


@final
class AuthenticationAdapter(Adapter):
    """`AuthenticationMiddleware`.

    Args:
        asgi: The adapter for the layers.
    """

    name = "starlette"
    distribution = "starlette"
    supports = ">=0.40"
    module = "starlette.middleware.authentication"

    def __init__(self, asgi: AsgiAdapter) -> None:
        self.asgi = asgi

    def probes(self) -> Iterable[Probe]:
        from starlette.middleware.authentication import AuthenticationMiddleware

        yield self.asgi.layer(
            AuthenticationMiddleware.__call__, Kind.MIDDLEWARE, name=owner_name, leaving=_not_authenticated
        )


def _wrong_host(call: Call) -> None:
    span = call.span
    if span is None or span.reached_inner or call.error is not None:
        return
    if any(child.name == "RedirectResponse" for child in span.children):
        span.attributes.update(verdict=Verdict.REDIRECTED, reason="www_redirect")
    else:
        span.attributes["refusal"] = Refusal.HOST


def _not_authenticated(call: Call) -> None:
    span = call.span
    if span is not None and not span.reached_inner and call.error is None:
        span.attributes["refusal"] = Refusal.AUTHENTICATION

"""Starlette's checks that refuse: by the host, by who asks, by what who asks may do.

Read from starlette/authentication.py and starlette/middleware/{trustedhost,authentication}.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, nested_code
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


@final
class RequiresAdapter(Adapter):
    """The decorator `requires`, whatever it answers: a 403, another status, a redirect to a login page."""

    name = "starlette"
    distribution = "starlette"
    supports = ">=0.40"
    module = "starlette.authentication"

    def probes(self) -> Iterable[Probe]:
        from starlette.authentication import has_required_scope, requires

        wrappers = nested_code(requires, "async_wrapper", "sync_wrapper", "websocket_wrapper")
        yield Probe(
            has_required_scope,
            span=False,
            applies=lambda call: call.frame.f_back is not None and call.frame.f_back.f_code in wrappers,
            leaving=_may_not,
        )


def _may_not(call: Call) -> None:
    """`requires` finds a scope missing; the one by the name of `authenticated` everybody has who is known."""
    if call.result is not False or call.parent is None:
        return
    held = getattr(call["conn"].scope.get("auth"), "scopes", ())
    is_known = "authenticated" in held or "authenticated" not in call["scopes"]
    call.parent.attributes["refusal"] = Refusal.PERMISSION if is_known else Refusal.AUTHENTICATION


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

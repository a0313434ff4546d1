"""Checks that come as extensions of a framework: whom they turned away, and why.

Each is a hook, a decorator or a middleware, and shows as one without this module; what it adds is what the answer
meant. Read from flask_wtf/csrf.py, flask_login/{login_manager,utils}.py, flask_limiter/errors.py,
flask_jwt_extended/exceptions.py, flask_httpauth.py, django_ratelimit/{core,decorators}.py,
starlette_csrf/middleware.py, asgi_csrf.py, slowapi/errors.py and
starlette_admin/{auth,security}.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, nested_code
from .._trace.exchange import Exchange
from .._trace.facts import Refusal
from .._trace.span import Kind, Span
from ._shape import owner_name
from .asgi import AsgiAdapter

REFUSING = (
    ("flask_wtf.csrf", "CSRFError", Refusal.CSRF),
    ("flask_jwt_extended.exceptions", "CSRFError", Refusal.CSRF),
    ("flask_jwt_extended.exceptions", "JWTExtendedException", Refusal.AUTHENTICATION),
    ("jwt.exceptions", "PyJWTError", Refusal.AUTHENTICATION),
    ("flask_limiter.errors", "RateLimitExceeded", Refusal.THROTTLE),
)
"""The exceptions that Flask's extensions refuse a request with, the narrower first."""

GUARDS = frozenset({Kind.HOOK, Kind.DECORATOR})

ASGI_CSRF = "app_wrapped_with_csrf"
"""What asgi-csrf makes of an app."""


def note_check(exchange: Exchange, error: BaseException) -> None:
    """Note which hook or decorator refused the request, where the exception that Flask answers is an extension's."""
    refusal = next((refusal for *where, refusal in REFUSING if _is_one(error, *where)), None)
    if refusal is None:
        return
    exchange.answers.add(id(error))
    passed = [span for raised, span in exchange.raised if raised is error]
    culprit = next((span for span in passed if span.kind in GUARDS or span.kind is Kind.HANDLER), None)
    if culprit is not None and culprit.kind in GUARDS and not culprit.fact("after"):
        culprit.attributes.update(rejected=True, refusal=refusal)


def _is_one(error: BaseException, module: str, name: str) -> bool:
    found = getattr(sys.modules.get(module), name, None)
    return isinstance(found, type) and isinstance(error, found)


def _turned_away(span: Span | None, refusal: Refusal | None) -> None:
    """Note that the step which this is a part of refused; a handler that says no itself is no check."""
    while span is not None and span.kind is Kind.INTERNAL:
        span = span.parent
    if span is not None and span.kind in (*GUARDS, Kind.MIDDLEWARE) and not span.reached_inner:
        span.attributes["rejected"] = True
        if refusal is not None:
            span.attributes["refusal"] = refusal


@final
class CheckAdapter(Adapter):
    """One extension.

    Args:
        distribution: Its name on PyPI.
        supports: The versions that the claims were tested against.
        module: The module that has what checks.
        make: Gives the probes on it.
    """

    def __init__(self, distribution: str, supports: str, module: str, make: Callable[[Any], Iterable[Probe]]) -> None:
        self.name: str = distribution
        self.distribution: str = distribution
        self.supports: str = supports
        self.module: str = module
        self._make = make

    def probes(self) -> Iterable[Probe]:
        return self._make(import_module(self.module))


def check_adapters(asgi: AsgiAdapter) -> list[Adapter]:
    """Give the adapters of all extensions that say no in another way than by an exception.

    Args:
        asgi: The adapter for the layers.
    """

    def csrf_layer(function: object, name: Callable[[Call], str] | str = ASGI_CSRF) -> Probe:
        return asgi.layer(function, Kind.MIDDLEWARE, name=name, leaving=_refused_unless(Refusal.CSRF))

    return [
        CheckAdapter("Flask-Login", ">=0.6.3", "flask_login.login_manager", _flask_login),
        CheckAdapter("Flask-HTTPAuth", ">=4.5", "flask_httpauth", _flask_httpauth),
        CheckAdapter("django-ratelimit", ">=4", "django_ratelimit.decorators", _django_ratelimit),
        CheckAdapter("slowapi", ">=0.1.9", "slowapi.errors", _slowapi),
        CheckAdapter(
            "starlette-csrf",
            ">=3",
            "starlette_csrf.middleware",
            lambda module: [csrf_layer(module.CSRFMiddleware.__call__, owner_name)],
        ),
        CheckAdapter(
            "asgi-csrf",
            ">=0.9",
            "asgi_csrf",
            lambda module: [csrf_layer(code) for code in nested_code(module.asgi_csrf_decorator, ASGI_CSRF)],
        ),
        CheckAdapter("starlette-admin", ">=1", "starlette_admin.auth.base", _starlette_admin),
        CheckAdapter("starlette-admin", ">=1", "starlette_admin.security.csrf", _starlette_admin_csrf),
    ]


def _flask_login(module: Any) -> Iterable[Probe]:
    for function in (module.LoginManager.unauthorized, module.LoginManager.needs_refresh):
        yield Probe(function, span=False, entering=lambda call: _turned_away(call.parent, Refusal.AUTHENTICATION))


def _flask_httpauth(module: Any) -> Iterable[Probe]:
    """What answers is made of a function of the user's own; the status that it is given says why."""
    for code in nested_code(module.HTTPAuth.error_handler, "decorated"):
        yield Probe(code, span=False, entering=lambda call: _turned_away(call.parent, None))


def _django_ratelimit(module: Any) -> Iterable[Probe]:
    wrappers = nested_code(module.ratelimit, "_wrapped")

    def counted(call: Call) -> None:
        around = call.frame.f_back
        if call.result and around is not None and around.f_code in wrappers and around.f_locals["block"]:
            _turned_away(call.parent, Refusal.THROTTLE)

    yield Probe(module.is_ratelimited, span=False, leaving=counted)


def _slowapi(module: Any) -> Iterable[Probe]:
    """It is made where it is raised, by a decorator or a middleware; an exception handler of the user's answers it."""
    yield Probe(module.RateLimitExceeded, span=False, entering=lambda call: _turned_away(call.parent, Refusal.THROTTLE))


def _starlette_admin(module: Any) -> Iterable[Probe]:
    yield Probe(module.AuthMiddleware.dispatch, span=False, leaving=_refused_unless(Refusal.AUTHENTICATION))


def _starlette_admin_csrf(module: Any) -> Iterable[Probe]:
    yield Probe(module.CSRFMiddleware.dispatch, span=False, leaving=_refused_unless(Refusal.CSRF))


def _refused_unless(refusal: Refusal) -> Callable[[Call], None]:
    """Give what notes that a layer refused, unless it handed the request on."""

    def left(call: Call) -> None:
        span = call.span or call.parent
        if span is not None and span.kind is Kind.MIDDLEWARE and not span.reached_inner and call.error is None:
            span.attributes.update(rejected=True, refusal=refusal)

    return left

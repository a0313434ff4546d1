"""Django: middleware of every style, the resolver, hooks, CSRF, redirects, crashes. WSGI, ASGI and its own test client.

Read from django/core/handlers/{base,exception,wsgi,asgi}.py, django/middleware/{common,csrf,security}.py; 4.2 to 6.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import (
    Call,
    Expected,
    Probe,
    Step,
    code_of,
    location_of,
    name_of,
    nested_code,
    plain_name,
)
from .._observe.recorder import OPAQUE
from .._trace.exchange import Exchange
from .._trace.facts import Verdict
from .._trace.span import Kind, Span
from ._django_views import view_chain
from ._shape import owner_name, prefix_of
from .asgi import AsgiAdapter
from .wsgi import WsgiAdapter, url_of


@final
class DjangoAdapter(Adapter):
    """Django projects.

    Args:
        asgi: The adapter for ASGI layers around the project.
        wsgi: The adapter for WSGI layers around it.
    """

    name = "django"
    distribution = "django"
    supports = ">=4.2"
    module = "django.core.handlers.base"

    def __init__(self, asgi: AsgiAdapter, wsgi: WsgiAdapter) -> None:
        self.asgi = asgi
        self.wsgi = wsgi
        self._views: dict[tuple[int, str], tuple[object, Expected]] = {}
        self._hooks: dict[int, tuple[object, Expected]] = {}

    def forget(self) -> None:
        self._views.clear()
        self._hooks.clear()

    def probes(self) -> Iterable[Probe]:
        yield from self._handler_probes()
        yield from self._middleware_probes()
        yield from self._exception_probes()

    # -- the handler

    def _handler_probes(self) -> Iterable[Probe]:
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.base import BaseHandler
        from django.core.handlers.wsgi import WSGIHandler

        yield self.wsgi.layer(
            WSGIHandler.__call__, Kind.APP, name=owner_name, builtin=True, entering=_recognise, leaving=_keep_body
        )
        yield self.asgi.layer(ASGIHandler.__call__, Kind.APP, name=owner_name, builtin=True, entering=_recognise)
        yield Probe(ASGIHandler.handle, span=False)
        for function in (BaseHandler.get_response, BaseHandler.get_response_async):
            yield Probe(
                function,
                Kind.INTERNAL,
                builtin=True,
                name="get_response",
                opens=_open_for_test_client,
                entering=_recognise,
                leaving=_answer_test_client,
            )
        yield Probe(
            BaseHandler.resolve_request,
            Kind.ROUTING,
            name="not_found",
            builtin=True,
            entering=_resolving,
            leaving=self._resolved,
        )

    def _resolved(self, call: Call) -> None:
        """The resolver found a view: expect it, and the hooks that Django calls before and after it."""
        match, span, around = call.result, call.span, call.parent
        if call.error is not None or match is None or span is None or around is None:
            return
        method = call["request"].method
        span.builtin = False
        span.name = f"{method} {prefix_of(span)}/{match.route.lstrip('/')}"
        span.attributes.update(
            verdict=Verdict.MATCHED,
            route_name=match.view_name if match.url_name else None,
            path_params=dict(match.kwargs),
        )
        key = (id(match.func), method)
        known = self._views.get(key)
        if known is None:
            known = self._views[key] = (match.func, Expected(view_chain(match.func, method.lower())))
        self.watcher.expect(around, self._hooks_of(call.owner))
        self.watcher.expect(around, known[1])

    def _hooks_of(self, handler: Any) -> Expected:
        known = self._hooks.get(id(handler))
        if known is None:
            before = map(_original, handler._view_middleware)
            after = map(_original, (*handler._template_response_middleware, *handler._exception_middleware))
            probes = [
                *[_hook(method, leaving=_view_hook_left) for method in before if code_of(method) is not None],
                *[
                    _hook(method, entering=_is_on_the_way_out, leaving=_exception_hook_left)
                    for method in after
                    if code_of(method) is not None
                ],
            ]
            known = self._hooks[id(handler)] = (handler, Expected(probes))
        return known[1]

    # -- middleware

    def _middleware_probes(self) -> Iterable[Probe]:
        from django.core.handlers import exception
        from django.middleware.common import CommonMiddleware
        from django.middleware.security import SecurityMiddleware

        for code in nested_code(exception.convert_exception_to_response, "inner"):
            yield Probe(code, describe=_layer, leaving=_left)
        yield Probe(
            CommonMiddleware.get_full_path_with_slash, span=False, entering=lambda call: _redirects(call.parent)
        )
        yield Probe(SecurityMiddleware.process_request, span=False, leaving=_redirects_if_it_answered)

    # -- exceptions

    def _exception_probes(self) -> Iterable[Probe]:
        from django.core.handlers import exception

        yield Probe(exception.response_for_exception, span=False, entering=_converting)
        yield Probe(exception.handle_uncaught_exception, span=False, entering=_crashed)


def _recognise(call: Call) -> None:
    if call.exchange.framework is None:
        call.exchange.framework = "django"


# -- Django's own test clients, which call no WSGI or ASGI callable


def _open_for_test_client(call: Call) -> Exchange | None:
    parent = call.parent
    if parent is not None and not any(span.kind in OPAQUE for span in (parent, *parent.ancestors())):
        return None
    request = call["request"]
    interface = "asgi" if hasattr(request, "scope") else "wsgi"
    environ = {**request.META, "wsgi.url_scheme": request.META.get("wsgi.url_scheme", "http")}
    return Exchange(interface, request.method, url_of(environ), parent=parent)


def _answer_test_client(call: Call) -> None:
    exchange = call.exchange
    if exchange.outermost is not call.span or call.error is not None:
        return
    response = call.result
    exchange.responded_at = perf_counter()
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    lines += [
        (b"Set-Cookie", morsel.output(header="").strip().encode("latin-1")) for morsel in response.cookies.values()
    ]
    exchange.respond(response.status_code, lines)
    _receive_body(exchange, response)


def _keep_body(call: Call) -> None:
    """Keep the body of a response that goes to a WSGI server of somebody else's."""
    exchange = call.exchange
    if exchange.captures and exchange.outermost is call.span and call.error is None and exchange.status is not None:
        _receive_body(exchange, call.result)
        exchange.captures = False


def _receive_body(exchange: Exchange, response: Any) -> None:
    if response.streaming:
        exchange.body = None
    elif exchange.method != "HEAD":
        exchange.receive_body(response.content)


# -- routing and hooks


def _resolving(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["verdict"] = Verdict.NOT_FOUND


def _original(method: Any) -> Any:
    """Give a `process_*` method that the handler holds adapted to sync or async."""
    from asgiref.sync import AsyncToSync, SyncToAsync

    while isinstance(method, SyncToAsync | AsyncToSync):
        method = method.func if isinstance(method, SyncToAsync) else method.awaitable
    return method


def _hook(method: Any, **callbacks: Any) -> Probe:
    """Give the probe for a middleware's method; Django calls the same code elsewhere on objects of its own."""
    return Probe(method, Kind.HOOK, name=_hook_name, applies=_belongs_to_middleware, **callbacks)


def _belongs_to_middleware(call: Call) -> bool:
    from django.conf import settings

    return type(call.owner).__name__ in {entry.rpartition(".")[2] for entry in settings.MIDDLEWARE}


def _hook_name(call: Call) -> str:
    return f"{owner_name(call)}.{call.frame.f_code.co_name}"


def _view_hook_left(call: Call) -> None:
    from django.middleware.csrf import CsrfViewMiddleware

    if call.span is not None and call.error is None and call.result is not None:
        call.span.short_circuited = True
        if isinstance(call.owner, CsrfViewMiddleware):
            call.span.attributes["rejected"] = True


def _is_on_the_way_out(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["after"] = True


def _exception_hook_left(call: Call) -> None:
    """A `process_exception` that answers is the one that caught."""
    names = call.frame.f_code.co_varnames
    error = call.values.get(names[2]) if call.frame.f_code.co_argcount > 2 else None
    if isinstance(error, BaseException) and call.error is None and call.result is not None:
        call.exchange.caught[id(error)] = _hook_name(call)


# -- layers


def _layer(call: Call) -> Step:
    """Say what `convert_exception_to_response` wraps here: a middleware, or the innermost `_get_response`."""
    from django.core.handlers.base import BaseHandler

    wrapped = call["get_response"]
    if isinstance(getattr(wrapped, "__self__", None), BaseHandler):
        return Step(Kind.INTERNAL, wrapped.__name__, location_of(wrapped), True)
    return Step(Kind.MIDDLEWARE, _middleware_name(wrapped), location_of(wrapped))


def _middleware_name(middleware: Any) -> str:
    """Name a middleware: by its class, or a function as its entry in the settings names it."""
    if not hasattr(middleware, "__qualname__"):
        return name_of(middleware)
    from django.conf import settings

    factory = middleware.__qualname__.partition(".<locals>")[0]
    for entry in settings.MIDDLEWARE:
        if entry == f"{middleware.__module__}.{factory}" or entry.rpartition(".")[2] == factory:
            return str(entry.rpartition(".")[2])
    return plain_name(middleware.__qualname__)


def _left(call: Call) -> None:
    span = call.span
    if span is None or span.kind is not Kind.MIDDLEWARE or call.error is not None:
        return
    if not span.attributes.pop("converted", False):
        call.exchange.cross(span)
        span.short_circuited = not span.reached_inner


def _redirects(span: Span | None) -> None:
    """The nearest middleware sends a redirect of the framework's own: to a slash, to HTTPS."""
    while span is not None and span.kind is not Kind.MIDDLEWARE:
        span = span.parent
    if span is not None:
        span.attributes["verdict"] = Verdict.REDIRECTED


def _redirects_if_it_answered(call: Call) -> None:
    if call.error is None and call.result is not None:
        _redirects(call.parent)


# -- exceptions


def _converting(call: Call) -> None:
    """A layer makes a response of an exception: where a middleware raised it, the response did not pass that one."""
    error, span = call["exc"], call.parent
    if span is None:
        return
    exchange = call.exchange
    exchange.caught[id(error)] = "response_for_exception"
    if span.kind is Kind.MIDDLEWARE:
        span.attributes["converted"] = True
        if all(known is not error for known, _ in exchange.raised):
            exchange.raised.append((error, span))


def _crashed(call: Call) -> None:
    error = call["exc_info"][1]
    if error is not None:
        call.exchange.errors.append(error)

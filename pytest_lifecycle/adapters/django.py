"""Django: the handler, the resolver, middleware, redirects, crashes. WSGI, ASGI and its own test clients.

Read from django/core/handlers/{base,exception,wsgi,asgi}.py and django/middleware/{common,csrf,security}.py; 4.2 to
6.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, final

from .._compat import clock
from .._observe.contract import Adapter, Inside
from .._observe.probe import Call, Callback, Expected, Probe, nested_code
from .._observe.recorder import OPAQUE
from .._trace.declared import Declared
from .._trace.exchange import Exchange
from .._trace.facts import Verdict
from .._trace.span import Kind
from ._django_declared import declared, state_of
from ._django_layers import Layers, entered, head_of, hooks_of, left, redirected
from ._django_refusals import converting, handler_found, token_refused
from ._django_routes import Resolvers
from ._django_views import view_chain
from ._shape import owner_name, prefix_of
from ._wsgi_boundaries import headers_of
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
        self._layers = Layers()
        self._resolvers = Resolvers()
        self._views: dict[tuple[int, str], _View] = {}
        self._hooks: dict[int, tuple[object, Expected]] = {}

    def forget(self) -> None:
        self._layers.forget()
        self._resolvers.forget()
        self._views.clear()
        self._hooks.clear()

    def probes(self) -> Iterable[Probe]:
        yield from self._handler_probes()
        yield from self._middleware_probes()
        yield from self._exception_probes()

    def declared(self, app: object, inside: Inside) -> Declared | None:
        return declared(app)

    def state_of(self, app: object) -> object:
        return state_of(app)

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
        match, span, around, request = call.result, call.span, call.parent, call["request"]
        if span is None or around is None:
            return
        resolver = call.values.get("resolver")
        if resolver is not None:
            self._resolvers.note(call.exchange, resolver, request, match, prefix_of(span))
        if call.error is not None or match is None:
            return
        view = self._view(match.func, request.method)
        span.builtin = False
        span.name = f"{request.method} {prefix_of(span)}/{match.route.lstrip('/')}"
        span.attributes.update(
            verdict=Verdict.MATCHED,
            route_name=match.view_name if match.url_name else None,
            path_params=dict(match.kwargs),
            endpoint=view.endpoint,
        )
        self.watcher.expect(around, self._hooks_of(call.owner))
        self.watcher.expect(around, view.chain)

    def _view(self, function: Any, method: str) -> _View:
        known = self._views.get((id(function), method))
        if known is None:
            probes = view_chain(function, method.lower())
            names = [probe.name for probe in probes if probe.kind is Kind.HANDLER]
            known = self._views[id(function), method] = _View(function, Expected(probes), str(*names[-1:]))
        return known

    def _hooks_of(self, handler: Any) -> Expected:
        known = self._hooks.get(id(handler))
        if known is None:
            known = self._hooks[id(handler)] = (handler, hooks_of(handler))
        return known[1]

    # -- middleware

    def _middleware_probes(self) -> Iterable[Probe]:
        from django.core.handlers import exception
        from django.middleware.common import CommonMiddleware
        from django.middleware.csrf import CsrfViewMiddleware
        from django.middleware.locale import LocaleMiddleware
        from django.middleware.security import SecurityMiddleware

        for code in nested_code(exception.convert_exception_to_response, "inner"):
            yield Probe(code, describe=self._layers.step, entering=entered, leaving=left)
        for function, reason in (
            (CommonMiddleware.get_full_path_with_slash, "APPEND_SLASH"),
            (CommonMiddleware.process_request, "PREPEND_WWW"),
            (SecurityMiddleware.process_request, "SECURE_SSL_REDIRECT"),
        ):
            yield Probe(function, span=False, leaving=_redirecting(reason))
        yield Probe(LocaleMiddleware.process_response, span=False, leaving=_sent_to_language)
        yield Probe(CsrfViewMiddleware._reject, span=False, leaving=token_refused)

    # -- exceptions

    def _exception_probes(self) -> Iterable[Probe]:
        from django.core.handlers import exception
        from django.urls import URLResolver

        yield Probe(exception.response_for_exception, span=False, entering=converting)
        yield Probe(exception.handle_uncaught_exception, span=False, entering=_crashed)
        yield Probe(URLResolver.resolve_error_handler, span=False, leaving=handler_found)


class _View(NamedTuple):
    """A view as the resolver holds it: kept alive, since its `id` is a key."""

    function: object
    chain: Expected
    endpoint: str


def _recognise(call: Call) -> None:
    call.exchange.belong_to(call.owner)
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
    exchange = Exchange(interface, request.method, url_of(environ), parent=parent)
    exchange.request_headers = headers_of(environ)
    return exchange


def _answer_test_client(call: Call) -> None:
    exchange = call.exchange
    if exchange.outermost is not call.span or call.error is not None:
        return
    response = call.result
    exchange.responded_at = clock()
    head = head_of(response)
    lines = [] if head is None else [(_bytes(name), _bytes(value)) for name, value in head.lines]
    exchange.respond(response.status_code, lines)
    _receive_body(exchange, response)


def _bytes(text: object) -> bytes:
    return str(text).encode("latin-1", "replace")


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


# -- routing and redirects


def _resolving(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["verdict"] = Verdict.NOT_FOUND


def _redirecting(reason: str) -> Callback:
    def decided(call: Call) -> None:
        if call.error is None and call.result is not None:
            redirected(call.parent, reason)

    return decided


def _sent_to_language(call: Call) -> None:
    """Where `i18n_patterns` has the path with a language in front of it, the client is sent there."""
    if call.error is None and call.result is not call["response"]:
        redirected(call.parent, "i18n_patterns")


def _crashed(call: Call) -> None:
    error = call["exc_info"][1]
    if error is not None:
        call.exchange.errors.append(error)

"""Starlette: its routing, its builtin layers, `BaseHTTPMiddleware`, exception handlers, background tasks.

Read from starlette/{applications,routing,endpoints,responses,background,_exception_handler}.py and middleware/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, final

from .._observe.contract import Adapter, Inside
from .._observe.probe import (
    Call,
    Expected,
    Probe,
    Step,
    attribute_of,
    code_of,
    location_of,
    name_of,
    nested_code,
)
from .._trace.declared import Declared
from .._trace.facts import Verdict
from .._trace.span import Kind
from ._shape import owner_name, prefix_of
from ._starlette_declared import Reader
from ._starlette_endpoints import Endpoints
from ._starlette_routes import Routes
from .asgi import SHAPE, AsgiAdapter


@final
class StarletteAdapter(Adapter):
    """Starlette, and what is built on it.

    Args:
        asgi: The adapter for the layers, which knows what crosses them.
    """

    name = "starlette"
    distribution = "starlette"
    supports = ">=0.40"
    module = "starlette.routing"

    def __init__(self, asgi: AsgiAdapter) -> None:
        self.asgi: AsgiAdapter = asgi
        self.routes: Routes = Routes()
        self.endpoints: Endpoints = Endpoints(asgi)
        self._handlers: dict[int, tuple[object, Expected]] = {}

    def forget(self) -> None:
        self.routes.forget()
        self._handlers.clear()
        self.endpoints.forget()

    def probes(self) -> Iterable[Probe]:
        yield from self._app_probes()
        yield from self._layer_probes()
        yield from self._routing_probes()
        yield from self._response_probes()

    def declared(self, app: object, inside: Inside) -> Declared | None:
        return Reader(inside).read(app)

    def state_of(self, app: object) -> object:
        from starlette.applications import Starlette

        if not isinstance(app, Starlette):
            return None
        return len(app.routes), len(app.user_middleware), app.middleware_stack is None

    # -- the app and its builtin layers

    def _app_probes(self) -> Iterable[Probe]:
        from starlette.applications import Starlette

        SHAPE.claim(Starlette.__call__, Step(Kind.APP, "Starlette", location_of(Starlette), True))
        yield self.asgi.layer(
            Starlette.__call__,
            Kind.APP,
            name=owner_name,
            builtin=True,
            applies=lambda call: type(call.owner).__call__ is Starlette.__call__,
            entering=self._recognise,
        )

    @staticmethod
    def _recognise(call: Call) -> None:
        call.exchange.belong_to(call.owner)
        if call.exchange.framework is None:
            call.exchange.framework = "starlette"

    def _layer_probes(self) -> Iterable[Probe]:
        from starlette.middleware.base import BaseHTTPMiddleware
        from starlette.middleware.errors import ServerErrorMiddleware
        from starlette.middleware.exceptions import ExceptionMiddleware
        from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware

        yield self.builtin_layer(ServerErrorMiddleware, entering=self._expect_error_handler)
        yield self.builtin_layer(ExceptionMiddleware, entering=self._expect_exception_handlers)
        yield self.asgi.layer(BaseHTTPMiddleware.__call__, Kind.MIDDLEWARE, name=_dispatch_name)
        yield self.asgi.layer(
            HTTPSRedirectMiddleware.__call__, Kind.MIDDLEWARE, name=owner_name, leaving=_redirected_if_it_answered
        )
        try:
            from starlette.middleware.body_limit import RequestBodyLimitMiddleware
        except ImportError:  # before Starlette 1.8
            return
        yield self.builtin_layer(RequestBodyLimitMiddleware)

    def builtin_layer(self, cls: Any, **callbacks: Any) -> Probe:
        """Give the probe for a layer that the framework itself puts into every app."""
        step = Step(Kind.MIDDLEWARE, cls.__name__, location_of(cls), True)
        SHAPE.claim(cls.__call__, step)
        return self.asgi.layer(cls.__call__, Kind.MIDDLEWARE, name=cls.__name__, builtin=True, **callbacks)

    def _expect_exception_handlers(self, call: Call) -> None:
        self._expect_handlers(call, _exception_handlers)

    def _expect_error_handler(self, call: Call) -> None:
        if call.owner.handler is not None:
            self._expect_handlers(call, _error_handler)

    def _expect_handlers(self, call: Call, probes_on: Callable[[Any], Iterable[Probe]]) -> None:
        layer = call.owner
        known = self._handlers.get(id(layer))
        if known is None:
            known = self._handlers[id(layer)] = (layer, Expected(probes_on(layer)))
        if call.span is not None:
            self.watcher.expect(call.span, known[1])

    # -- routing

    def _routing_probes(self) -> Iterable[Probe]:
        from starlette import routing
        from starlette._exception_handler import wrap_app_handling_exceptions
        from starlette.endpoints import HTTPEndpoint

        for function in (
            routing.Router.__call__,
            routing.BaseRoute.__call__,
            routing.Router.lifespan,
            *self.endpoints.apps_of(routing),
            *nested_code(wrap_app_handling_exceptions, "wrapped_app"),
        ):
            yield Probe(function, span=False)
        yield self.router(routing.Router.app)
        yield self.asgi.layer(
            routing.Router.not_found, Kind.ROUTING, name="not_found", builtin=True, entering=_not_found
        )
        yield self.asgi.layer(
            routing.Route.handle,
            Kind.ROUTING,
            name="route",
            applies=_is_first_handle,
            entering=lambda call: self.chosen(call, call.owner),
        )
        yield self.asgi.layer(
            routing.WebSocketRoute.handle,
            Kind.ROUTING,
            name="route",
            entering=lambda call: self.chosen(call, call.owner),
        )
        for mount in (routing.Mount, routing.Host):
            yield self.asgi.layer(
                mount.handle, Kind.ROUTING, name="mount", builtin=True, entering=self._mounted, leaving=_close_mount
            )
        yield Probe(
            HTTPEndpoint.method_not_allowed,
            Kind.ROUTING,
            name="method_not_allowed",
            builtin=True,
            entering=self._refused_method,
        )

    def _refused_method(self, call: Call) -> None:
        """An endpoint's class has no such method: its route matched, and is not the one after all."""
        _decide(call, Verdict.METHOD_NOT_ALLOWED)
        self.routes.refuse(call.exchange)

    def router(self, function: object) -> Probe:
        """Give the probe for a router's main function: it tells a redirect to the other slash from a match."""
        return self.asgi.layer(
            function, Kind.INTERNAL, name=owner_name, builtin=True, entering=self._looking, leaving=_close_router
        )

    def _looking(self, call: Call) -> None:
        self.routes.begin(call, call["scope"])

    def chosen(self, call: Call, route: Any) -> None:
        """Note the route that the router chose, and expect its endpoint.

        Args:
            call: The call of the route's `handle`.
            route: What holds `path`, `methods`, `name` and `endpoint`: the route, or FastAPI's context of it.
        """
        span = call.span
        if span is None:
            return
        scope = call["scope"]
        method = scope.get("method", "WEBSOCKET")
        methods = getattr(route, "methods", None)
        if methods and method not in methods:
            span.name, span.builtin = "method_not_allowed", True
            _decide(call, Verdict.METHOD_NOT_ALLOWED)
            return
        span.name = f"{method} {prefix_of(span)}{route.path}"
        self.routes.choose(call.exchange, call.owner, route.path)
        known = self.endpoints.of(call.owner, route.endpoint)
        span.attributes.update(
            verdict=Verdict.MATCHED,
            route_name=route.name,
            path_params=dict(scope.get("path_params", {})),
            endpoint=known.endpoint,
        )
        self.watcher.expect(span, known.expected)

    def _mounted(self, call: Call) -> None:
        if call.span is None:
            return
        mount = call.owner
        path = getattr(mount, "path", "")  # a `Host` has none
        self.routes.choose(call.exchange, mount, path)
        call.span.attributes.update(
            prefix=path,
            route_name=mount.name,
            path_params=dict(call["scope"].get("path_params", {})),
            method=call["scope"].get("method", "WEBSOCKET"),
        )

    # -- responses

    def _response_probes(self) -> Iterable[Probe]:
        from starlette import background, responses, websockets
        from starlette.middleware import base

        for cls in (
            *(responses.Response, responses.StreamingResponse, responses.FileResponse),
            *(base._StreamingResponse, websockets.WebSocketClose),
        ):
            if "__call__" in cls.__dict__:
                SHAPE.claim(cls.__call__, Step(Kind.RESPONSE, cls.__name__, location_of(cls), True))
                yield Probe(cls.__call__, Kind.RESPONSE, name=owner_name, builtin=True)
        yield Probe(background.BackgroundTask.__call__, Kind.BACKGROUND, name=lambda call: name_of(call.owner.func))


def _dispatch_name(call: Call) -> str:
    """Name a `BaseHTTPMiddleware` by its class, or by the function that `@app.middleware("http")` was given."""
    from starlette.middleware.base import BaseHTTPMiddleware

    if type(call.owner) is BaseHTTPMiddleware:
        return name_of(call.owner.dispatch_func)
    return owner_name(call)


def _error_handler(layer: Any) -> Iterable[Probe]:
    if code_of(layer.handler) is not None:
        yield Probe(layer.handler, Kind.INTERNAL)


def _exception_handlers(layer: Any) -> Iterable[Probe]:
    for function in (*layer._exception_handlers.values(), *layer._status_handlers.values()):
        if code_of(function) is not None:
            yield _exception_handler(function)


def _exception_handler(function: Any) -> Probe:
    module = getattr(function, "__module__", "") or ""
    builtin = module.partition(".")[0] in ("starlette", "fastapi")
    return Probe(function, Kind.INTERNAL, builtin=builtin, entering=_caught)


def _caught(call: Call) -> None:
    """An exception handler runs: it is the one that caught its second argument, which may be meant as an answer."""
    from starlette.exceptions import HTTPException, WebSocketException

    arguments = call.frame.f_code.co_varnames[: call.frame.f_code.co_argcount]
    for name in arguments:
        error = call[name]
        if isinstance(error, BaseException) and call.span is not None:
            call.exchange.caught[id(error)] = call.span.name
            if isinstance(error, HTTPException | WebSocketException):
                call.exchange.answers.add(id(error))
            return


def _decide(call: Call, verdict: Verdict) -> None:
    if call.span is not None:
        call.span.attributes["verdict"] = verdict


def _not_found(call: Call) -> None:
    _decide(call, Verdict.NOT_FOUND)


def _is_first_handle(call: Call) -> bool:
    """Whether no subclass's `handle` has announced this route already and then called `super().handle`."""
    parent = call.parent
    frame = parent._frame if parent is not None and parent.kind is Kind.ROUTING else None
    return frame is None or frame.f_locals.get("self") is not call.owner


def _close_mount(call: Call) -> None:
    """A mount that leads to an app without a router of its own is the route.

    One that leads to routes is none, whoever answered before any of them was tried.
    """
    span = call.span
    if span is None:
        return
    method = span.attributes.pop("method")
    if attribute_of(call.owner, "routes"):
        return
    if not any(inner.fact("verdict") or inner.kind is Kind.ROUTING for inner in span.walk() if inner is not span):
        span.name = f"{method} {prefix_of(span)}{span.attributes['prefix'] or '/'}"
        span.builtin = False
        _decide(call, Verdict.MATCHED)


def _close_router(call: Call) -> None:
    """A router that chose no route and answered itself sent a redirect to the other slash."""
    span = call.span
    if span is None or span.reached_inner:
        return
    if any(child.name == "RedirectResponse" for child in span.children):
        _redirected(call, "redirect_slashes")


def _redirected_if_it_answered(call: Call) -> None:
    span = call.span
    if span is not None and not span.reached_inner and call.error is None:
        _redirected(call, "https")


def _redirected(call: Call, reason: str) -> None:
    if call.span is not None:
        call.span.attributes.update(verdict=Verdict.REDIRECTED, reason=reason)

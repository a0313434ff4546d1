"""What a Starlette app declares: its routes, through mounts, hosts and routers, and its middleware.

Read from starlette/{applications,routing,endpoints}.py and middleware/. Nothing is called, and nothing is built: the
middleware of an app that has not been asked yet is a list of classes, which is read as it is.
"""

from __future__ import annotations

import sys
import types
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from .._observe.contract import Inside
from .._observe.probe import code_of, handler_chain, location_of, name_of, plain_name, unwrapped
from .._trace.declared import ANY, WEBSOCKET, Declared, DeclaredMiddleware, DeclaredRoute
from ._shape import source_of
from .asgi import SHAPE

VERBS = ("get", "head", "post", "put", "patch", "delete", "options", "query")
"""The methods that an `HTTPEndpoint` may have."""

NEVER_BUILT = "it was added after the app had been asked"

BUILTIN = (
    ("starlette.middleware.errors", "ServerErrorMiddleware"),
    ("starlette.middleware.exceptions", "ExceptionMiddleware"),
    ("starlette.middleware.body_limit", "RequestBodyLimitMiddleware"),
    ("fastapi._body_limit", "AppBodyLimitMiddleware"),
    ("fastapi._body_limit", "_BodyLimitExceptionMiddleware"),
)
"""Layers that a framework itself puts around an app, a mount or a route."""


class Reader:
    """Reads what an app declares.

    Args:
        inside: Asks all adapters about an app inside of another one.
    """

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    def read(self, app: Any) -> Declared | None:
        """Give what an app of Starlette's declares; None for any other app."""
        from starlette.applications import Starlette
        from starlette.middleware.base import BaseHTTPMiddleware
        from starlette.routing import Router

        if isinstance(app, Starlette):
            layers = list(_user_middleware(app))
            return self._router(app.router).within(layers)
        if isinstance(app, Router):
            return self._router(app)
        if isinstance(app, types.MethodType) and isinstance(app.__self__, Router):
            return Declared.joined(self.parts(app.__self__.routes))
        if type(app) is BaseHTTPMiddleware:
            return (self.inside(app.app) or Declared()).within([_named(app.dispatch_func)])
        if isinstance(app, _builtin_layers()):
            return self.inside(getattr(app, "app", None))
        return None

    def _router(self, router: Any) -> Declared:
        """Look through the middleware that a router was given: it is built already."""
        stack = router.middleware_stack
        if isinstance(stack, types.MethodType):
            return Declared.joined(self.parts(router.routes))
        return self.inside(stack) or Declared()

    def parts(self, routes: Iterable[Any], prefix: str = "", around: tuple[Any, ...] = ()) -> Iterator[Declared]:
        """Give what each route of a router declares.

        Args:
            routes: The routes.
            prefix: What an included router adds to their patterns.
            around: The dependencies that an included router adds.
        """
        from starlette.routing import Host, Mount, Route, WebSocketRoute

        for route in routes:
            if isinstance(route, Route | WebSocketRoute):
                yield self._route(route, prefix + route.path, self.dependencies(route, around))
            elif isinstance(route, Mount):
                yield self._mount(route, prefix + route.path)
            elif isinstance(route, Host):
                yield (self.inside(route.app) or Declared()).within(prefix=prefix, where=f"host {route.host}")
            else:
                yield from self.included(route, prefix, around)

    def included(self, route: Any, prefix: str, around: tuple[Any, ...]) -> Iterable[Declared]:
        """Give what a route of another kind declares: nothing that Starlette knows of."""
        return ()

    def dependencies(self, route: Any, around: tuple[Any, ...]) -> tuple[str, ...]:
        """Name the dependencies of a route: Starlette has none."""
        return ()

    def _mount(self, mount: Any, path: str) -> Declared:
        """A mount that leads to an app without routes of its own is the route."""
        found = self.inside(mount.app) or Declared((DeclaredRoute(ANY, ""),))
        routes = tuple(
            replace(route, name=mount.name, pattern="" if mount.path else "/") if not route.pattern else route
            for route in found.routes
        )
        return Declared(routes, found.middleware).within(prefix=path, where=f"mount {path or '/'}")

    def _route(self, route: Any, pattern: str, dependencies: tuple[str, ...]) -> Declared:
        found = Declared() if route.app is route.endpoint else self.inside(route.app) or Declared()
        common = DeclaredRoute("", pattern, route.name, dependencies=dependencies, builtin=_is_builtin(route.endpoint))
        routes = tuple(
            replace(common, method=method, handler=handler, source=source)
            for method, handler, source in handlers_of(route)
        )
        own = Declared((), found.middleware).within(where=f"route {pattern}")
        names = tuple(layer.name for layer in found.middleware)
        return Declared(tuple(replace(route, middleware=names) for route in routes), own.middleware)


Handler = tuple[str, str | None, tuple[str, int] | None]
"""A method, with the name of what it runs and where that is."""


def is_endpoint_class(endpoint: Any) -> bool:
    """Whether an endpoint is a class that has a method for each of HTTP's."""
    from starlette.endpoints import HTTPEndpoint

    return isinstance(endpoint, type) and issubclass(endpoint, HTTPEndpoint)


def handlers_of(route: Any) -> Iterator[Handler]:
    """Give what a route runs for each of its methods."""
    from starlette.endpoints import WebSocketEndpoint
    from starlette.routing import Route

    endpoint = route.endpoint
    if not isinstance(route, Route):
        is_class = isinstance(endpoint, type) and issubclass(endpoint, WebSocketEndpoint)
        function = endpoint.dispatch if is_class else endpoint
        yield WEBSOCKET, name_of(endpoint), _source(function)
    elif is_endpoint_class(endpoint):
        for verb in VERBS:
            function = getattr(endpoint, verb, None)
            if function is not None and (not route.methods or verb.upper() in route.methods):
                yield verb.upper(), f"{plain_name(endpoint.__qualname__)}.{verb}", _source(function)
    else:
        for method in _methods(route.methods):
            yield method, _name(endpoint), _source(endpoint)


def _methods(methods: set[str] | None) -> list[str]:
    if not methods:
        return [ANY]
    return sorted(methods - {"HEAD"} if "GET" in methods else methods)


def _name(endpoint: Any) -> str | None:
    """Name the handler as `handler_chain` does: what the decorators are around."""
    if SHAPE.is_app(endpoint):
        return name_of(endpoint)
    chain = handler_chain(endpoint)
    return str(chain[-1].name) if chain else None


def _source(endpoint: Any) -> tuple[str, int] | None:
    chain = [] if SHAPE.is_app(endpoint) else handler_chain(endpoint)
    return source_of(chain[-1].code if chain else endpoint)


def _is_builtin(endpoint: Any) -> bool:
    """Whether the framework declared the route itself: FastAPI its schema and its pages of documentation."""
    return str(getattr(unwrapped(endpoint), "__module__", "")).partition(".")[0] in ("starlette", "fastapi")


def _builtin_layers() -> tuple[type, ...]:
    found = (getattr(sys.modules.get(module), name, None) for module, name in BUILTIN)
    return tuple(layer for layer in found if isinstance(layer, type))


# -- middleware of the whole app


def _user_middleware(app: Any) -> Iterator[DeclaredMiddleware]:
    """Give the middleware that an app was given, and say which of it was left out as the app was built."""
    built = None if app.middleware_stack is None else Counter(_built(app))
    for entry in app.user_middleware:
        cls, args, kwargs = entry
        if cls in _builtin_layers():
            continue
        layer = _predicted(cls, args, kwargs)
        if built is not None and isinstance(cls, type):
            built[cls] -= 1
            if built[cls] < 0:
                layer = replace(layer, active=False, reason=NEVER_BUILT)
        yield layer


def _built(app: Any) -> Iterator[type]:
    """Give the classes of the layers that were built; every one where not all can be seen."""
    layer: Any = app.middleware_stack
    found = []
    while layer is not app.router:
        found.append(type(layer))
        layer = next(iter(SHAPE.opened(layer)), None)
        if layer is None or len(found) > 1000:
            return iter([entry.cls for entry in app.user_middleware])
    return iter(found)


def _predicted(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> DeclaredMiddleware:
    """Name a middleware that need not have been made yet."""
    from starlette.middleware.base import BaseHTTPMiddleware

    if cls is BaseHTTPMiddleware:
        return _named(kwargs.get("dispatch", args[0] if args else cls))
    code = None if isinstance(cls, type) else code_of(cls)
    made = [const for const in code.co_consts if isinstance(const, types.CodeType)] if code is not None else []
    apps = [inner for inner in made if SHAPE.fits(inner)]
    if len(apps) == 1:  # a function that makes the layer
        return DeclaredMiddleware(name_of(apps[0]), f"{unwrapped(cls).__module__}:{apps[0].co_qualname}")
    return _named(cls)


def _named(function: Any) -> DeclaredMiddleware:
    return DeclaredMiddleware(name_of(function), location_of(function))

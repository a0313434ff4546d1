"""The routes of Starlette's and FastAPI's routers, in the order they are tried.

Read from starlette/routing.py (`Route`, `Mount`, `Host`, `compile_path`) and, for FastAPI 0.137 and newer, whose
routers form a tree, from `_IncludedRouter` in fastapi/routing.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final

from .._observe.probe import Call
from .._trace.exchange import Exchange
from .._trace.routing import RoutePattern, RouteTable, Routing
from ._shape import prefix_of
from ._starlette_declared import VERBS, is_endpoint_class
from ._tables import Lists, Tables
from .asgi import host_of

Key = tuple[int, str]
"""A route by its `id` and its path: one route may be included twice."""


@final
class Routes:
    """The routes of the routers that were seen."""

    def __init__(self) -> None:
        self._tables = Tables(lambda router: list(_lists(router)), relist=_relisted)

    def forget(self) -> None:
        """Keep no app alive."""
        self._tables.forget()

    def begin(self, call: Call, scope: Mapping[str, Any]) -> None:
        """Note that a router looks for a route."""
        if scope["type"] not in ("http", "websocket") or call.span is None:
            return
        table = self._table(call.owner, scope["type"])
        routing = Routing(
            table,
            None,
            scope.get("method", "WEBSOCKET"),
            route_path(scope),
            _host(scope) if table.has_hosts else "",
            prefix_of(call.span),
        )
        call.exchange.routing.append(routing)

    def choose(self, exchange: Exchange, route: Any, path: str | None) -> None:
        """Note which route the last router chose."""
        for decision in reversed(exchange.routing):
            place = decision.routes.places.get((id(route), path or ""))
            if place is None and hasattr(route, "path"):  # FastAPI includes a copy of what is no `APIRoute`
                place = next((at for at, pattern in enumerate(decision.routes) if pattern.pattern == path), None)
            if place is not None:
                decision.chosen = place
                return

    def refuse(self, exchange: Exchange) -> None:
        """Note that the route which the last router chose does not take the method."""
        if exchange.routing:
            exchange.routing[-1].is_refused = True

    def _table(self, router: Any, scope_type: str) -> RouteTable:
        return self._tables.of(router, scope_type, lambda: _table_of(router, scope_type))


def _table_of(router: Any, scope_type: str) -> RouteTable:
    found = [(key, pattern) for key, kind, pattern in _flat(router, "") if kind in (scope_type, "")]
    places = {key: at for at, (key, _) in reversed(list(enumerate(found)))}
    return RouteTable((pattern for _, pattern in found), places)


def _lists(router: Any) -> Iterator[list[Any]]:
    yield router.routes
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _lists(inner)


def _relisted(router: Any, lists: Lists) -> Lists:
    return lists if router.routes is lists[0] else list(_lists(router))


def _host(scope: Mapping[str, Any]) -> str:
    host = host_of(scope)
    return host.rpartition(":")[0] if re.search(r":\d+$", host) else host


def route_path(scope: Mapping[str, Any]) -> str:
    """Give the path as a router sees it: without what it is mounted under (starlette/_utils.py, `get_route_path`)."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root) else path


def _flat(router: Any, prefix: str) -> Iterator[tuple[Key, str, RoutePattern]]:
    """Give each route with its key and the type of scope it is for; one for all has an empty type."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _flat(inner, prefix + route.include_context.prefix)
            continue
        path = prefix + getattr(route, "path", "")
        key = (id(route), path)
        if hasattr(route, "host"):
            yield key, "", RoutePattern("/", frozenset(), "^", name=route.name or "", host=route.host, is_mount=True)
        elif hasattr(route, "routes"):
            yield key, "", _pattern(route, prefix, path or "/", is_mount=True)
        elif hasattr(route, "path_regex"):
            yield key, "http" if hasattr(route, "methods") else "websocket", _pattern(route, prefix, path)


def _pattern(route: Any, prefix: str, path: str, *, is_mount: bool = False) -> RoutePattern:
    converters = {name: _converter(converter) for name, converter in route.param_convertors.items()}
    regex = route.path_regex.pattern
    return RoutePattern(
        path,
        frozenset(_methods(route)),
        f"^{_prefix_regex(prefix)}{regex.removeprefix('^')}" if prefix else regex,
        {name: converter for name, converter in converters.items() if converter not in ("str", "path")},
        route.name or "",
        literal="" if is_mount or "{" in path else path,
        is_mount=is_mount,
        takes_head=False,  # Starlette's name it, FastAPI's do not take it
    )


def _methods(route: Any) -> Iterable[str]:
    """Give the methods that a route takes; a class of Starlette's takes those that it has, and HEAD for GET."""
    methods: Iterable[str] = getattr(route, "methods", None) or ()
    if methods:
        return methods
    endpoint = getattr(route, "endpoint", None)
    if not is_endpoint_class(endpoint):
        return ()
    verbs = [verb.upper() for verb in VERBS if getattr(endpoint, verb, None) is not None]
    return [*verbs, "HEAD"] if "GET" in verbs else verbs


def _prefix_regex(prefix: str) -> str:
    """Write the prefix of an included router as a regular expression; it may have parameters."""
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(prefix))


def _converter(converter: Any) -> str:
    """Name a converter as patterns do: ``int`` for Starlette's `IntegerConvertor`."""
    from starlette.convertors import CONVERTOR_TYPES

    names = (name for name, known in CONVERTOR_TYPES.items() if type(known) is type(converter))
    return next(names, type(converter).__name__)

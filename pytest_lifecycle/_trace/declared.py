"""What an app declares, without a request: its routes, and its middleware. Named exactly as traces name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self, final

ANY: Final = "ANY"
"""The method of a route that takes every method."""

WEBSOCKET: Final = "WEBSOCKET"
"""The method of a WebSocket's route, as in `Trace.method`."""


@final
@dataclass(frozen=True, slots=True)
class DeclaredRoute:
    """One route for one method. The HEAD and OPTIONS that a framework adds by itself are no routes of their own.

    Attributes:
        method: The HTTP method; ``"WEBSOCKET"``, or ``"ANY"`` where the route takes every method.
        pattern: The pattern as in `Trace.route`: as the framework writes it, with mounts and prefixes.
        name: The route's name, as `Trace.route_name`; None where it has none.
        handler: What would run, as `Trace.handler`; None where that cannot be told.
        dependencies: What would be resolved, as `Trace.dependencies`: without overrides.
        middleware: The middleware around it, outermost first, as `Trace.middleware`.
        source: The file and the first line of the handler; None where it is compiled.
        builtin: Whether the framework added it by itself: FastAPI's docs, Flask's static files, the routes of REST
            framework for a format's suffix.
    """

    method: str
    pattern: str
    name: str | None = None
    handler: str | None = None
    dependencies: tuple[str, ...] = ()
    middleware: tuple[str, ...] = ()
    source: tuple[str, int] | None = None
    builtin: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"

    @property
    def order(self) -> tuple[str, ...]:
        """What routes are sorted by: the pattern first."""
        return (self.pattern, self.method, *map(str, (self.name, self.handler, self.dependencies, self.middleware)))


@final
@dataclass(frozen=True, slots=True)
class DeclaredMiddleware:
    """One middleware that an app declares.

    Attributes:
        name: As in `Trace.middleware`.
        target: Where it is, as ``"module:qualname"``.
        where: What it is around: ``"app"``, ``"mount /admin"``, ``"route GET /orders"``.
        active: Whether requests go through it.
        reason: Why they do not; an empty string where they do.
    """

    name: str
    target: str = ""
    where: str = "app"
    active: bool = True
    reason: str = ""


@final
@dataclass(frozen=True, slots=True)
class Declared:
    """All that an app declares.

    Attributes:
        routes: The routes, in the order declared.
        middleware: The middleware: that of the whole app first, outermost first.
    """

    routes: tuple[DeclaredRoute, ...] = ()
    middleware: tuple[DeclaredMiddleware, ...] = ()

    def within(self, layers: Iterable[DeclaredMiddleware] = (), *, prefix: str = "", where: str = "") -> Declared:
        """Give the same as it is inside of something else.

        Args:
            layers: The middleware around it.
            prefix: What stands before its patterns.
            where: What its own middleware is around from then on: ``"mount /admin"``.
        """
        layers = tuple(layers)
        names = tuple(layer.name for layer in layers if layer.active)
        routes = tuple(
            replace(route, pattern=prefix + route.pattern, middleware=names + route.middleware) for route in self.routes
        )
        inner = (
            replace(layer, where=where if layer.where == "app" else _deeper(layer.where, prefix)) if where else layer
            for layer in self.middleware
        )
        return Declared(routes, (*layers, *inner))

    @classmethod
    def joined(cls, parts: Iterable[Declared]) -> Declared:
        """Give the parts of one app as one, in order."""
        kept = tuple(parts)
        return cls(
            tuple(route for part in kept for route in part.routes),
            tuple(layer for part in kept for layer in part.middleware),
        )

    @classmethod
    def union(cls, parts: Iterable[Declared]) -> Declared:
        """Give what several apps declare together: the same for the same apps, in whatever order they come.

        Routes are sorted, and equal ones are one. Middleware stays in the order of its app.
        """
        distinct = sorted(set(parts), key=repr)
        routes = sorted({route for part in distinct for route in part.routes}, key=lambda route: route.order)
        if len(distinct) == 1:
            return cls(tuple(routes), distinct[0].middleware)
        return cls(tuple(routes), tuple(dict.fromkeys(layer for part in distinct for layer in part.middleware)))

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON and execnet can hold it; what is as by default is left out."""
        return {"routes": list(map(_plain, self.routes)), "middleware": list(map(_plain, self.middleware))}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(
            tuple(DeclaredRoute(**_tuples(route)) for route in values["routes"]),
            tuple(DeclaredMiddleware(**_tuples(layer)) for layer in values["middleware"]),
        )


def _deeper(where: str, prefix: str) -> str:
    """Write what a middleware inside is around, seen from outside: ``"mount /b"`` under ``/a`` is ``"mount /a/b"``."""
    *words, pattern = where.split(" ")
    return " ".join([*words, prefix + pattern])


def _plain(part: DeclaredRoute | DeclaredMiddleware) -> dict[str, Any]:
    default = type(part).__dataclass_fields__
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(part).items()
        if value != default[name].default
    }


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

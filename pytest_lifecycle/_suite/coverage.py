"""Which routes a run reached, and how: what its requests made of each route that its apps declare.

A route counts as reached once a router chose it for one request, whatever came of that request.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, final

from .._trace.declared import ANY, Declared, DeclaredMiddleware, DeclaredRoute
from .._trace.facts import Outcome, Refusal
from .._trace.routing import PARAMETER
from .record import Record

OUTCOMES: Final = (
    *("handled", "invalid", "rejected", "not_found", "redirected", "short_circuited", "method_not_allowed"),
    *("error", "no_response"),
)
"""What can become of a request, in the order they are shown."""

GONE: Final = (404, 410)
"""The statuses by which a handler says that what was asked for is not there."""

WHO: Final = (Refusal.AUTHENTICATION, Refusal.PERMISSION)
"""The refusals that have to do with who asks."""


@final
class Anonymous(StrEnum):
    """What a route said to requests without credentials."""

    REFUSED = "refused"
    ALLOWED = "allowed"
    NEVER_ASKED = "never asked"


@final
@dataclass(slots=True)
class RouteCoverage:
    """What a run made of one route.

    Attributes:
        route: The route.
        is_declared: Whether an app declares it; otherwise it is known by its requests alone.
        outcomes: How often which outcome; ``"not_found"`` where the handler itself answered 404 or 410.
        refusals: How often which kind of refusal.
        anonymous: What requests without credentials were told. One refusal is enough, or one redirect by what is
            around the handler.
    """

    route: DeclaredRoute
    is_declared: bool = True
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    anonymous: Anonymous = Anonymous.NEVER_ASKED

    @property
    def requests(self) -> int:
        """How many requests the router chose it for."""
        return self.outcomes.total()

    @property
    def counts(self) -> bool:
        """Whether it is one of the routes that are to be reached: not the framework's own."""
        return self.is_declared and not self.route.builtin

    def add(self, record: Record) -> None:
        """Take a request that was routed here."""
        is_gone = record.outcome == Outcome.HANDLED and record.status in GONE
        self.outcomes["not_found" if is_gone else record.outcome] += 1
        if record.refusal is not None:
            self.refusals[record.refusal] += 1
        self.tell(record)

    def tell(self, record: Record) -> None:
        """Take what a request without credentials was told."""
        if not record.is_anonymous:
            return
        if record.refusal in WHO or _is_sent_to_log_in(record):
            self.anonymous = Anonymous.REFUSED
        elif self.anonymous is Anonymous.NEVER_ASKED and (record.handler or record.outcome == Outcome.INVALID):
            self.anonymous = Anonymous.ALLOWED


@final
@dataclass(slots=True)
class MiddlewareCoverage:
    """What a run made of the middleware of one name.

    Attributes:
        name: Its name.
        declared: Where apps declare it, if they do.
        requests: How many requests went through it.
        answered: How many of them it answered itself.
    """

    name: str
    declared: list[DeclaredMiddleware] = field(default_factory=list)
    requests: int = 0
    answered: int = 0

    @property
    def why_unseen(self) -> str:
        """Say why no request went through it; an empty string where one did."""
        if self.requests:
            return ""
        reasons = sorted({layer.reason for layer in self.declared if not layer.active})
        return ", ".join(reasons) or f"around {', '.join(sorted({layer.where for layer in self.declared}))}"


@final
@dataclass(frozen=True, slots=True)
class Coverage:
    """What a run made of its apps.

    Attributes:
        routes: The routes, sorted by their patterns: those declared, and those that requests showed.
        middleware: The middleware, sorted by name.
        unrouted: How often which outcome of requests for which no route was chosen.
        lost: How many tests are missing, since the process that ran them died.
    """

    routes: list[RouteCoverage]
    middleware: list[MiddlewareCoverage]
    unrouted: Counter[str]
    lost: int = 0

    @property
    def counted(self) -> list[RouteCoverage]:
        """The routes that are to be reached."""
        return [row for row in self.routes if row.counts]

    @property
    def reached(self) -> int:
        """How many of them were."""
        return sum(1 for row in self.counted if row.requests)

    @property
    def percent(self) -> float:
        """How many of them were, in percent; 0 where none is known."""
        return 100 * self.reached / len(self.counted) if self.counted else 0.0


def coverage_of(records: Iterable[Record], declared: Declared, *, omit: Iterable[str] = (), lost: int = 0) -> Coverage:
    """Work out what the requests of a run made of the apps.

    Args:
        records: The requests.
        declared: What the apps declare together.
        omit: The patterns of routes to leave out; ``*`` stands for anything.
        lost: How many tests are missing.
    """
    omitted = tuple(omit)
    rows = _Rows(route for route in declared.routes if not _is_omitted(route, omitted))
    middleware: dict[str, MiddlewareCoverage] = {}
    for layer in declared.middleware:
        middleware.setdefault(layer.name, MiddlewareCoverage(layer.name)).declared.append(layer)
    unrouted: Counter[str] = Counter()
    for record in records:
        _pass(record, middleware)
        if record.route is None or rows.is_mount(_route_of(record)):
            unrouted[record.outcome] += 1
            rows.refused_early(record)
        elif not _is_omitted(_route_of(record), omitted):
            rows.add(record)
    return Coverage(rows.sorted(), [middleware[name] for name in sorted(middleware)], unrouted, lost)


def _is_sent_to_log_in(record: Record) -> bool:
    """Whether something around the handler sent the client elsewhere, as a decorator does with who is not logged in."""
    return record.outcome == Outcome.SHORT_CIRCUITED and record.redirect is not None


def _pass(record: Record, middleware: dict[str, MiddlewareCoverage]) -> None:
    for name in set(record.middleware):
        middleware.setdefault(name, MiddlewareCoverage(name)).requests += 1
    for name in set(record.stopped_by):
        middleware.setdefault(name, MiddlewareCoverage(name)).answered += 1


def _route_of(record: Record) -> DeclaredRoute:
    method, _, pattern = (record.route or "").partition(" ")
    return DeclaredRoute(method, pattern, handler=record.handler)


def _is_omitted(route: DeclaredRoute, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(route.pattern, pattern) or fnmatchcase(str(route), pattern) for pattern in patterns)


@final
class _Rows:
    """The routes of a run by their method and pattern."""

    def __init__(self, declared: Iterable[DeclaredRoute]) -> None:
        self._rows: dict[tuple[str, str], RouteCoverage] = {}
        for route in declared:
            self._rows.setdefault((route.method, route.pattern), RouteCoverage(route))
        self._patterns = {pattern for _, pattern in self._rows}
        self._mounts = {
            pattern[:at] for pattern in self._patterns for at in range(1, len(pattern)) if pattern[at] == "/"
        }
        self._fitting: dict[tuple[str, str], list[RouteCoverage]] = {}

    def is_mount(self, route: DeclaredRoute) -> bool:
        """Whether it only leads to routes: what stands around those answered, before a router in it saw the request."""
        return route.handler is None and route.pattern in self._mounts - self._patterns

    def sorted(self) -> list[RouteCoverage]:
        """Give them by their patterns."""
        return sorted(self._rows.values(), key=lambda row: (row.route.pattern, row.route.method))

    def add(self, record: Record) -> None:
        """Take a request that was routed. The OPTIONS that a framework answers by itself are no route's."""
        route = _route_of(record)
        row = self._row(route)
        if row is None:
            if route.method == "OPTIONS" and route.pattern in self._patterns:
                return
            row = self._rows[route.method, route.pattern] = RouteCoverage(route, is_declared=False)
        row.add(record)

    def _row(self, route: DeclaredRoute) -> RouteCoverage | None:
        methods = (route.method, "GET", ANY) if route.method == "HEAD" else (route.method, ANY)
        found = (self._rows.get((method, route.pattern)) for method in methods)
        return next((row for row in found if row is not None), None)

    def refused_early(self, record: Record) -> None:
        """Take a request that was refused before a router saw it: it speaks for the routes that its path fits."""
        if record.refusal not in WHO or not record.is_anonymous:
            return
        key = (record.method, record.path)
        if key not in self._fitting:
            self._fitting[key] = list(self._fits(*key))
        for row in self._fitting[key]:
            row.tell(record)

    def _fits(self, method: str, path: str) -> Iterator[RouteCoverage]:
        """Give the routes that fit, and of those the ones with the fewest parameters."""
        fits = [
            (len(PARAMETER.findall(row.route.pattern)), row)
            for row in self._rows.values()
            if row.route.method in (method, ANY) or (method == "HEAD" and row.route.method == "GET")
            if _matches(row.route.pattern, path)
        ]
        fewest = min((count for count, _ in fits), default=0)
        return (row for count, row in fits if count == fewest)


def _matches(pattern: str, path: str) -> bool:
    """Whether a path fits a pattern, whatever is asked of its parameters."""
    if "(?P<" in pattern:
        written = pattern.replace("/^", "/")
    else:
        written, at = "", 0
        for found in PARAMETER.finditer(pattern):
            takes_slashes = ":path}" in found[0] or found[0].startswith("<path:")
            written += re.escape(pattern[at : found.start()]) + (".+" if takes_slashes else "[^/]+")
            at = found.end()
        written += re.escape(pattern[at:])
    try:
        return re.fullmatch(written, path) is not None
    except re.error:
        return False

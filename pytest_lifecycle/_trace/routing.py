"""Why a route did not match: the routes that were tried, the nearest to what was asked for, what one took from another.

An adapter notes a `RouteTable` and the route that was chosen as the router decides (`Exchange.routing`). All else is
worked out when somebody reads it, from the patterns alone: nothing of the app is called, and nothing of it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, Self, final

from .told import ToldValue

ALL_METHODS: frozenset[str] = frozenset()
"""The methods of a route that takes every method."""


class RoutePattern(NamedTuple):
    """One route as its router holds it.

    Attributes:
        pattern: The path's pattern as the framework writes it, prefixes included, starting with one ``/``.
        methods: The methods it takes; empty where it takes all.
        regex: What the path has to match, or for a mount its beginning, as its router sees it: a regular expression.
        converters: What each parameter must be, by its name: ``"int"``, ``"uuid"``, a regular expression.
        name: The route's name, or an empty string.
        host: The host it is for, or an empty string.
        literal: The one path that it matches, as its router sees it; empty where it has parameters.
        is_mount: Whether it hands on to other routes or to an app.
        takes_head: Whether it takes HEAD where it takes GET, without naming it.
    """

    pattern: str
    methods: frozenset[str]
    regex: str
    converters: Mapping[str, str] = MappingProxyType({})
    name: str = ""
    host: str = ""
    literal: str = ""
    is_mount: bool = False
    takes_head: bool = True

    def fits(self, path: str) -> bool:
        """Whether a path is one of its paths, whatever the method."""
        return _compiled(self.regex).match(path) is not None

    def takes(self, method: str) -> bool:
        """Whether it takes a method."""
        asked = "GET" if method == "HEAD" and self.takes_head and "HEAD" not in self.methods else method
        return not self.methods or asked in self.methods


@final
@dataclass(frozen=True, slots=True, repr=False)
class RouteCandidate(ToldValue):
    """A route that was tried.

    Attributes:
        pattern: The path's pattern as the framework writes it, with prefixes, starting with one ``/``.
        methods: The methods that it takes, in alphabetical order; empty where it takes all.
        verdict: ``"matched"``, or why it did not match: ``"path"``, ``"method"``, ``"host"``, ``"converter"``,
            ``"slash"``, ``"scheme"``, ``"other"``.
        reason: The same in words, such as ``'"x" is no int'``; empty where it matched.
        name: The route's name, or an empty string.
    """

    pattern: str
    methods: tuple[str, ...]
    verdict: str
    reason: str = ""
    name: str = ""


@final
class RouteTable(tuple[RoutePattern, ...]):
    """The routes of one router, in the order it tries them. Made once for each router."""

    literals: dict[str, int]
    """Where the first route stands that matches one path only, by that path."""

    places: Mapping[Any, int]
    """Where each route stands, by what its adapter knows it by."""

    has_hosts: bool
    """Whether one of them is for a host."""

    is_translated: bool
    """Whether some of them depend on the language that is active."""

    def __new__(
        cls,
        routes: Iterable[RoutePattern],
        places: Mapping[Any, int] = MappingProxyType({}),
        *,
        is_translated: bool = False,
    ) -> Self:
        """Keep the routes, and find those without parameters."""
        table = super().__new__(cls, routes)
        table.literals = {route.literal: at for at, route in reversed(tuple(enumerate(table))) if route.literal}
        table.places = places
        table.has_hosts = any(route.host for route in table)
        table.is_translated = is_translated
        return table


@final
@dataclass(slots=True)
class Routing:
    """One decision of one router.

    Attributes:
        routes: The routes, in the order it tries them.
        chosen: The index of the one that it chose; None where it chose none.
        method: The method asked for.
        path: The path as this router saw it.
        host: The host asked for.
        prefix: What the mounts around the router add to its patterns.
        is_refused: Whether what it chose refused the method.
    """

    routes: RouteTable
    chosen: int | None
    method: str
    path: str
    host: str = ""
    prefix: str = ""
    is_refused: bool = False


def candidates_of(decisions: Iterable[Routing]) -> list[RouteCandidate]:
    """Give every route that was tried, in order, with why it did not match."""
    found = []
    for decision in decisions:
        end = len(decision.routes) if decision.chosen is None else decision.chosen + 1
        for index, route in enumerate(decision.routes[:end]):
            if index == decision.chosen and not decision.is_refused:
                verdict, reason = "matched", ""
            else:
                verdict, reason = why_not(route, decision)
            found.append(
                RouteCandidate(
                    decision.prefix + route.pattern, tuple(sorted(route.methods)), verdict, reason, route.name
                )
            )
    return found


def why_not(route: RoutePattern, asked: Routing) -> tuple[str, str]:
    """Say why a route is not the one: its verdict and the same in words."""
    if _is_for_another_host(route, asked.host):
        return "host", f"{asked.host!r} is not {route.host!r}"
    if route.fits(asked.path):
        if not route.takes(asked.method):
            return "method", f"{asked.method} is not one of {', '.join(sorted(route.methods))}"
        return "other", "the route has conditions of its own, or another one was taken first"
    if route.fits(_other_slash(asked.path)):
        return "slash", "it has no trailing slash" if asked.path.endswith("/") else "it ends in a slash"
    wrong = _unconverted(route, asked.path)
    if wrong is not None:
        return "converter", wrong
    return "path", f"{asked.path!r} is not {route.pattern!r}"


def _is_for_another_host(route: RoutePattern, host: str) -> bool:
    wanted = _relaxed(route.host) if route.host and host else None
    return wanted is not None and wanted.match(host) is None


def _other_slash(path: str) -> str:
    return path[:-1] if path.endswith("/") and path != "/" else path + "/"


PARAMETER = re.compile(r"\{(\w+)(?::[^{}]*)?\}|<(?:[^<>:]*:)?(\w+)>")
"""A parameter in a pattern: ``{name}``, ``{name:int}`` (Starlette), ``<name>``, ``<int:name>`` (Werkzeug, Django)."""


def parameters_of(pattern: str) -> list[str]:
    """Give the names of a pattern's parameters."""
    return [first or second for first, second in PARAMETER.findall(pattern)]


@lru_cache(maxsize=4096)
def _compiled(regex: str) -> re.Pattern[str]:
    for written in (regex, re.sub(r"\(\?P<\w+>", "(?:", regex)):  # two groups may have one name
        try:
            return re.compile(written)
        except re.error:  # its router compiles it with flags, or in another way
            continue
    return re.compile(r"(?!)")


@lru_cache(maxsize=4096)
def _relaxed(pattern: str) -> re.Pattern[str] | None:
    """Make a matcher that takes anything but a slash for each parameter; None for a pattern that is a regex itself."""
    if pattern.startswith("/^") or "(?P<" in pattern:
        return None
    written, at = "", 0
    for found in PARAMETER.finditer(pattern):
        written += re.escape(pattern[at : found.start()]) + rf"(?P<{found[1] or found[2]}>[^/]+)"
        at = found.end()
    try:
        return re.compile(f"^{written}{re.escape(pattern[at:])}$")
    except re.error:  # a parameter stands twice
        return None


def _unconverted(route: RoutePattern, path: str) -> str | None:
    """Say which part of the path is not what its converter takes, where all else fits."""
    relaxed = _relaxed(route.pattern)
    fits = relaxed.match(path) if relaxed is not None and route.converters else None
    if fits is None:
        return None
    wrong = [
        f'"{value}" is no {route.converters[name]}'
        for name, value in fits.groupdict().items()
        if name in route.converters and not _might_be(value, route.converters[name])
    ]
    return ", ".join(wrong) or None


CONVERTERS = {
    "int": r"[0-9]+",
    "float": r"[0-9]+(\.[0-9]+)?",
    "uuid": r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}",
    "slug": r"[-a-zA-Z0-9_]+",
    "str": r"[^/]+",
    "path": r".+",
}


def _might_be(value: str, converter: str) -> bool:
    known = CONVERTERS.get(converter)
    return known is not None and re.fullmatch(known, value) is not None


def nearest(decisions: Iterable[Routing], count: int = 3) -> list[tuple[str, str]]:
    """Give the patterns that come nearest to what was asked for, the nearest first, and what is different.

    A route that differs in its slash, its method, a converter or its case comes before one that is merely alike.
    """
    found: list[tuple[float, int, str, str]] = []
    for decision in decisions:
        for route in decision.routes:
            if route.is_mount:
                continue
            rank, difference = _nearness(route, decision)
            if rank > 0:
                found.append((-rank, len(found), decision.prefix + route.pattern, difference))
    return [(pattern, difference) for _, _, pattern, difference in sorted(found, key=lambda item: item[:2])[:count]]


ALIKE = 0.6
"""How much of two paths has to be alike for one to be offered for the other (as `difflib.get_close_matches`)."""


def _nearness(route: RoutePattern, asked: Routing) -> tuple[float, str]:
    verdict, reason = why_not(route, asked)
    if verdict == "slash":
        return 4.0, "differs: trailing slash"
    if verdict == "method":
        return 3.0, f"takes {', '.join(sorted(route.methods))}"
    if verdict == "converter":
        return 2.5, reason
    if route.fits(asked.path):
        return 2.0, f"is for the host {route.host}" if verdict == "host" else reason
    if route.fits(asked.path.lower()):
        return 2.0, "differs: upper and lower case"
    whole = _relaxed(asked.prefix + route.pattern) if asked.prefix else None
    if whole is not None and whole.match(asked.path) is not None:
        return 2.0, (
            f"its router saw {asked.path!r}, with {asked.prefix!r} still on it: a prefix twice, or a URL without the"
            " root_path"
        )
    alike = SequenceMatcher(None, *_spelled(route.pattern.lower(), asked.path.lower())).ratio()
    return (alike, "is spelled differently") if alike >= ALIKE else (0.0, "")


def _spelled(pattern: str, path: str) -> tuple[str, str]:
    """Give what is to be alike of both: without the parts that are a pattern's parameters, where both have as many."""
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return PARAMETER.sub("", pattern), path
    pairs = [(ours, theirs) for ours, theirs in zip(wanted, given, strict=True) if not PARAMETER.search(ours)]
    ours = "".join(part for part, _ in pairs)
    return ours, "".join(part for _, part in pairs) if ours else path


def shadowed(decision: Routing) -> RoutePattern | None:
    """Give the later route that would have matched this very request by its exact path, where a pattern took it."""
    if decision.chosen is None:
        return None
    at = decision.routes.literals.get(decision.path, -1)
    if at <= decision.chosen:
        return None
    taken, later = decision.routes[decision.chosen], decision.routes[at]
    fits = later.takes(decision.method) and (not later.host or later.host == taken.host)
    return later if fits and not taken.is_mount else None

"""The URL patterns of a Django project, one by one with what they are included under, in the order they are tried.

Read from django/urls/{resolvers,converters}.py and django/views/generic/base.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, final

from .._observe.probe import unwrapped
from .._trace.exchange import Exchange
from .._trace.routing import RoutePattern, RouteTable, Routing
from ._django_refusals import held_in
from ._ninja_views import methods_taken, path_view
from ._tables import Tables

UNCHECKED = frozenset({"str", "path"})
"""Converters that take any text: none of them is a reason not to match."""

NOTHING = r"(?!)"
"""A regular expression that nothing matches."""

Key = tuple[int, ...]
"""A pattern by its `id` and those of the resolvers around it: one may be included twice."""


@final
class Resolvers:
    """The patterns of the resolvers that were seen."""

    def __init__(self) -> None:
        self._tables = Tables(lambda resolver: list(_lists(resolver, ())))

    def forget(self) -> None:
        """Keep no app alive."""
        self._tables.forget()

    def note(self, exchange: Exchange, resolver: Any, request: Any, match: Any, prefix: str) -> None:
        """Note what a resolver decided.

        Args:
            exchange: The request.
            resolver: The resolver of the whole project, or the one that the request asked for.
            request: Django's request.
            match: The `ResolverMatch`, or None.
            prefix: What the mounts around the project add to its patterns.
        """
        table = self._table(resolver)
        place = None if match is None else _place(table, match)
        exchange.routing.append(Routing(table, place, str(request.method), str(request.path_info), prefix=prefix))

    def _table(self, resolver: Any) -> RouteTable:
        table = self._tables.of(resolver, None, lambda: _table_of(resolver))
        return self._tables.of(resolver, _language(), lambda: _table_of(resolver)) if table.is_translated else table


def _language() -> str | None:
    from django.utils.translation import get_language

    language: str | None = get_language()
    return language


def _table_of(resolver: Any) -> RouteTable:
    found = list(_flat(resolver, _Around()))
    return RouteTable(
        (pattern for _, pattern, _ in found),
        {key: at for at, (key, _, _) in enumerate(found)},
        is_translated=any(is_translated for _, _, is_translated in found),
    )


def _lists(resolver: Any, around: tuple[int, ...]) -> Iterator[list[Any]]:
    """Give each list of patterns. One that includes itself is followed once."""
    from django.urls import URLResolver

    patterns = resolver.url_patterns
    if id(patterns) in around:
        return
    yield patterns if isinstance(patterns, list) else [*patterns]
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _lists(pattern, (*around, id(patterns)))


def _place(table: RouteTable, match: Any) -> int | None:
    tried = match.tried
    if tried:  # the last one that was tried is the one that matched
        return table.places.get(tuple(map(id, tried[-1])))
    written = _written(match.route)
    return next((at for at, pattern in enumerate(table) if pattern.pattern == written), None)


def refuse_method(exchange: Exchange) -> None:
    """Take back what the resolver chose: its view does not take the method. Nothing else was tried after it."""
    if exchange.routing:
        last = exchange.routing[-1]
        if last.chosen is not None:
            last.routes, last.chosen = RouteTable(last.routes[: last.chosen + 1]), None


class _Around(NamedTuple):
    """What the resolvers around a pattern add to it."""

    route: str = ""
    regex: str = "^/"
    key: Key = ()
    namespaces: tuple[str, ...] = ()
    converters: tuple[tuple[str, str], ...] = ()
    is_literal: bool = True
    is_translated: bool = False
    lists: tuple[int, ...] = ()

    def within(self, pattern: Any) -> _Around:
        """Give the same for what is inside a resolver, or for a pattern itself."""
        from django.urls.resolvers import RoutePattern as Path

        inner, text = pattern.pattern, str(pattern.pattern)
        return self._replace(
            route=self.route + text.removeprefix("^") if self.route else text,
            regex=self.regex + _regex(inner),
            key=(*self.key, id(pattern)),
            converters=(*self.converters, *_converters(inner)),
            is_literal=self.is_literal and isinstance(inner, Path) and not inner.converters,
            is_translated=self.is_translated
            or not isinstance(getattr(inner, "_route", getattr(inner, "_regex", None)), str),
        )


def _flat(resolver: Any, around: _Around) -> Iterator[tuple[Key, RoutePattern, bool]]:
    """Give each pattern with its key, and whether it is translated. A list that includes itself is followed once."""
    from django.urls import URLResolver

    patterns = resolver.url_patterns
    if id(patterns) in around.lists:
        return
    inside = around._replace(lists=(*around.lists, id(patterns)))
    for pattern in patterns:
        here = inside.within(pattern)
        if isinstance(pattern, URLResolver):
            named = (*here.namespaces, pattern.namespace) if pattern.namespace else here.namespaces
            yield from _flat(pattern, here._replace(namespaces=named))
        else:
            yield here.key, _pattern(pattern, here), here.is_translated


def _pattern(pattern: Any, here: _Around) -> RoutePattern:
    return RoutePattern(
        _written(here.route),
        methods_of(pattern.callback),
        here.regex,
        dict(here.converters),
        ":".join((*here.namespaces, pattern.name)) if pattern.name else "",
        literal=f"/{here.route}" if here.is_literal else "",
    )


def _written(route: str) -> str:
    return f"/{route.lstrip('/')}"


def _regex(pattern: Any) -> str:
    """Write a pattern as a regular expression that goes on where the one around it ended."""
    from django.urls.resolvers import RegexPattern

    written = str(pattern.regex.pattern) if hasattr(pattern, "regex") else NOTHING
    is_searched = isinstance(pattern, RegexPattern) and not written.startswith("^")
    return f"{'.*?' if is_searched else ''}(?:{written.removeprefix('^')})"


def _converters(pattern: Any) -> Iterator[tuple[str, str]]:
    """Name what each parameter must be."""
    from django.urls.converters import get_converters

    names = {id(converter): name for name, converter in get_converters().items()}
    for parameter, converter in pattern.converters.items():
        name = names.get(id(converter), type(converter).__name__)
        if name not in UNCHECKED:
            yield parameter, name


def methods_of(view: Any) -> frozenset[str]:
    """Give the methods that a view says it takes; none where it does not say."""
    view_class, actions = getattr(view, "view_class", None), getattr(view, "actions", None)
    owner = path_view(view)
    if owner is not None:
        names = methods_taken(owner)
    elif isinstance(actions, dict):
        names = {str(name) for name in actions}
    elif view_class is not None:
        given = getattr(view, "view_initkwargs", {}).get("http_method_names", view_class.http_method_names)
        names = {name for name in given if hasattr(view_class, name)}
    else:
        names = _required_methods(view)
    methods = {name.upper() for name in names}
    return frozenset(methods - {"OPTIONS"} - ({"HEAD"} if "GET" in methods else set()))


def _required_methods(view: Any) -> set[str]:
    """Give what `require_http_methods` was given, if it is one of a view's decorators."""
    while view is not None:
        function = unwrapped(view)
        code = getattr(function, "__code__", None)
        if code is not None and "request_method_list" in code.co_freevars:
            return set(held_in(function)["request_method_list"])
        view = getattr(function, "__wrapped__", None)
    return set()

"""The rules of Werkzeug's URL maps, in the order they are tried, and why a map redirects.

Read from werkzeug/routing/{map,matcher,rules,converters}.py, 2.3 to 3.1: at each slash fixed text comes first, then
what has parameters, by weight; the order of declaration decides between equals only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, final
from urllib.parse import unquote, urlsplit

from .._trace.exchange import Exchange
from .._trace.routing import RoutePattern, RouteTable, Routing
from ._tables import Lists, Tables

VARIABLE = re.compile(r"<(?:(?P<converter>[^\W\d]\w*)(?:\((?P<arguments>.*?)\))?:)?(?P<name>[^\W\d]\w*)>")
UNCHECKED = frozenset({"default", "string", "path"})
"""Converters that take any text: none of them is a reason not to match."""

TABLES_KEPT = 100
"""How many tables are kept: a map has one for each server name."""


@final
class Maps:
    """The rules of the URL maps that were seen."""

    def __init__(self) -> None:
        self._tables = Tables(_lists, relist=lambda url_map, _: _lists(url_map), limit=TABLES_KEPT)

    def forget(self) -> None:
        """Keep no app alive."""
        self._tables.forget()

    def note(self, exchange: Exchange, adapter: Any, method: str, chosen: Any, prefix: str) -> None:
        """Note what a map decided.

        Args:
            exchange: The request.
            adapter: The map as it is bound to the request.
            method: The method asked for.
            chosen: The rule that it chose, or None.
            prefix: What the mounts around the app add to its rules.
        """
        table = self._table(adapter)
        host = ""
        if table.has_hosts:
            host = adapter.server_name if adapter.map.host_matching else _host(adapter.subdomain, adapter.server_name)
        place = table.places.get(id(chosen))
        exchange.routing.append(Routing(table, place, method, path_of(adapter), host, prefix))

    def why_redirected(self, adapter: Any, url: str) -> str:
        """Say why a map sent the client elsewhere: the name of the setting or of the rule's argument that did it."""
        path = path_of(adapter)
        if "//" in path:
            return "merge_slashes"
        if unquote(urlsplit(url).path) == f"{adapter.script_name.rstrip('/')}{path}/":
            return "strict_slashes"
        table = self._table(adapter)
        known = {table.places[id(rule)]: rule for rule in _rules(adapter)}
        for at, pattern in enumerate(table):
            if pattern.fits(path) and known[at].redirect_to is not None:
                return "redirect_to"
            if pattern.fits(path) and known[at].alias:
                return "alias"
        return "redirect_defaults"

    def _table(self, adapter: Any) -> RouteTable:
        return self._tables.of(adapter.map, (adapter.server_name, adapter.websocket), lambda: _table_of(adapter))


def _lists(url_map: Any) -> Lists:
    return [list(url_map.iter_rules())]


def _rules(adapter: Any) -> list[Any]:
    return [rule for rule in adapter.map.iter_rules() if not rule.build_only and rule.websocket == adapter.websocket]


def _table_of(adapter: Any) -> RouteTable:
    rules = _rules(adapter)
    hosts = adapter.map.host_matching or any(rule.subdomain for rule in rules)
    ordered = list(_in_order(rules, adapter.map.host_matching))
    return RouteTable(
        (_pattern(rule, adapter, hosts) for rule in ordered), {id(rule): at for at, rule in enumerate(ordered)}
    )


def path_of(adapter: Any) -> str:
    """Give the path as the map saw it."""
    return f"/{adapter.path_info.lstrip('/')}" if adapter.path_info else "/"


def _host(subdomain: str | None, server_name: str) -> str:
    return f"{subdomain}.{server_name}" if subdomain else server_name


def _pattern(rule: Any, adapter: Any, hosts: bool) -> RoutePattern:
    methods = set(rule.methods or ())
    if "GET" in methods:
        methods.discard("HEAD")
    if getattr(rule, "provide_automatic_options", False):
        methods.discard("OPTIONS")
    host = ""
    if hosts:
        host = rule.host or "" if adapter.map.host_matching else _host(rule.subdomain, adapter.server_name)
    return RoutePattern(
        rule.rule,
        frozenset(methods),
        _regex(rule),
        _converters(rule),
        str(rule.endpoint),
        VARIABLE.sub(r"{\g<name>}", host),
        literal="" if rule.arguments else rule.rule,
    )


def _converters(rule: Any) -> dict[str, str]:
    found = {}
    for variable in VARIABLE.finditer(rule.rule):
        converter, arguments, name = variable.group("converter", "arguments", "name")
        if arguments:
            found[name] = f"{converter}({arguments})"
        elif (converter or "default") not in UNCHECKED:
            found[name] = converter
    return found


def _regex(rule: Any) -> str:
    """Write a rule's path as a regular expression; one that is not strict about slashes takes the other one, too."""
    written = "".join(
        re.escape(text) if name is None else f"(?:{rule._converters[name].regex})"
        for text, name in _pieces(_merged(rule))
    )
    if not rule.strict_slashes:
        written = written.removesuffix("/") + "/?"
    return rf"^{written}\Z"


def _merged(rule: Any) -> str:
    return re.sub("/{2,}", "/", rule.rule) if rule.merge_slashes else rule.rule


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Give the pieces of a rule: fixed text, or a variable with its name."""
    at = 0
    for variable in VARIABLE.finditer(text):
        if variable.start() > at:
            yield text[at : variable.start()], None
        yield variable[0], variable["name"]
        at = variable.end()
    if at < len(text):
        yield text[at:], None


# -- the order


Weight = tuple[int, list[tuple[int, int]], int, list[int]]
Part = tuple[str, Weight | None]
"""What stands between two slashes, and its weight; None for fixed text."""


@dataclass
class _State:
    """Where a map is after some parts of a path."""

    rules: list[Any] = field(default_factory=list)
    fixed: dict[str, _State] = field(default_factory=dict)
    dynamic: dict[str, tuple[Weight, _State]] = field(default_factory=dict)

    def walk(self) -> Iterator[Any]:
        """Give the rules beneath, in the order they are tried."""
        yield from self.rules
        for state in self.fixed.values():
            yield from state.walk()
        for _, state in sorted(self.dynamic.values(), key=lambda entry: entry[0]):
            yield from state.walk()


def _in_order(rules: list[Any], host_matching: bool) -> Iterator[Any]:
    root = _State()
    for rule in rules:
        state = root
        domain = (rule.host if host_matching else rule.subdomain) or ""
        for text, weight in [*_parts(domain, rule), *_parts(_merged(rule), rule)]:
            if weight is None:
                state = state.fixed.setdefault(text, _State())
            else:
                state = state.dynamic.setdefault(text, (weight, _State()))[1]
        state.rules.append(rule)
    return root.walk()


def _parts(text: str, rule: Any) -> Iterator[Part]:
    """Give the parts of a rule. A converter that takes slashes takes all that follows into its part."""
    content, texts, weights, takes_slashes = "", list[int](), list[int](), False
    for piece, name in _pieces(text):
        if name is not None:
            converter = rule._converters[name]
            content += f"<{converter.regex}>"
            weights.append(converter.weight)
            takes_slashes = takes_slashes or not converter.part_isolating
            continue
        *closed, rest = [piece] if takes_slashes else piece.split("/")
        for fixed in closed:
            yield _part(content + fixed, [*texts, len(fixed)] if fixed else texts, weights)
            content, texts, weights = "", [], []
        content += rest
        texts = [*texts, len(rest)] if rest else texts
    yield _part(content, texts, weights)


def _part(content: str, texts: list[int], weights: list[int]) -> Part:
    if not weights:
        return content, None
    return content, (-len(texts), [(at, -length) for at, length in enumerate(texts)], -len(weights), weights)

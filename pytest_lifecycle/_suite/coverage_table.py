"""Coverage and maps as text: for a terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import floor
from typing import Any, Final

from .._show.escape import escape
from .._show.markdown import plain, table
from .._trace.declared import Declared, DeclaredMiddleware
from .coverage import OUTCOMES, Anonymous, Coverage, RouteCoverage

SCHEMA: Final = 1
"""The version of the JSON; it grows when a key changes its meaning or goes."""

WIDEST: Final = 44
"""How wide the column of routes gets; what is longer pushes its own line to the right."""

HEADER: Final = ("route", "asked", "anonymous", "outcomes")


def lines_of(coverage: Coverage) -> list[str]:
    """Write it for a terminal."""
    rows = list(_rows(coverage))
    widths = [min(max(map(len, column)), WIDEST) for column in zip(HEADER, *rows, strict=True)] if rows else []
    table = [_aligned(cells, widths) for cells in (HEADER, *rows)] if rows else []
    return [*table, *([""] if table else []), *_findings(coverage)]


def summary_of(coverage: Coverage) -> str:
    """Say in one line how many routes were reached."""
    if not coverage.counted:
        return "no route is known: no app was asked whose declared routes can be read"
    return f"{coverage.reached} of {len(coverage.counted)} routes reached ({percent_text(coverage.percent)} %)"


def too_few(coverage: Coverage, option: str, wanted: float) -> str:
    """Say that fewer routes were reached than an option asks for."""
    return f"{summary_of(coverage)}, which is less than {option}={wanted:g} asks for"


def percent_text(percent: float) -> str:
    """Write a percentage so that it is never more than it is."""
    return f"{floor(percent * 10) / 10:.1f}".removesuffix(".0")


def _rows(coverage: Coverage) -> Iterator[tuple[str, str, str, str]]:
    """Give the rows; what the framework declares itself, and nobody asked for, says nothing."""
    return (_cells(row) for row in coverage.routes if row.requests or row.counts)


def _cells(row: RouteCoverage) -> tuple[str, str, str, str]:
    mark = "" if row.is_declared else " (not declared)"
    said = [counted(row.outcomes, OUTCOMES)]
    if row.refusals:
        said.append(f"refused by {counted(row.refusals)}")
    return escape(str(row.route)) + mark, str(row.requests), row.anonymous.value, "; ".join(filter(None, said))


def counted(counts: Counter[str], order: Sequence[str] = ()) -> str:
    """Say how often what was seen: ``"handled 3, invalid 1"``; those in `order` first."""
    names = [*(name for name in order if name in counts), *sorted(set(counts) - set(order))]
    return ", ".join(f"{name} {counts[name]}" for name in names)


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    route, asked, anonymous, outcomes = cells
    return f"{route:<{widths[0]}}  {asked:>{widths[1]}}  {anonymous:<{widths[2]}}  {outcomes}".rstrip()


def _findings(coverage: Coverage) -> Iterator[str]:
    yield summary_of(coverage)
    yield from _listed("never reached", (str(row.route) for row in coverage.counted if not row.requests))
    unguarded = [row for row in coverage.counted if row.requests and row.anonymous is not Anonymous.REFUSED]
    yield from _listed(
        "reached, and never refused to an anonymous request",
        (f"{row.route} ({row.anonymous.value})" for row in unguarded),
    )
    if coverage.unrouted:
        yield f"no route was chosen: {counted(coverage.unrouted, OUTCOMES)}"
    silent = [layer.name for layer in coverage.middleware if layer.requests and not layer.answered]
    if silent:
        yield f"middleware that never answered itself: {', '.join(map(escape, silent))}"
    yield from _listed(
        "middleware that no request went through",
        (f"{layer.name} ({layer.why_unseen})" for layer in coverage.middleware if not layer.requests),
    )
    if coverage.lost:
        yield f"incomplete: {coverage.lost} test{'s' if coverage.lost > 1 else ''} took their process with them"


def _listed(title: str, entries: Iterable[str]) -> Iterator[str]:
    found = list(entries)
    if found:
        yield f"{title} ({len(found)}):"
        yield from (f"  {escape(entry)}" for entry in found)


# -- Markdown


def markdown_of(coverage: Coverage) -> str:
    """Write it as Markdown."""
    return "\n".join(["# Route coverage", "", *markdown_lines(coverage)]) + "\n"


def markdown_lines(coverage: Coverage) -> list[str]:
    """Write it as Markdown without a heading."""
    findings = list(_findings(coverage))
    rows = table(HEADER, _rows(coverage))
    written = [f"- {plain(line)}" if not line.startswith("  ") else f"  - {plain(line[2:])}" for line in findings]
    return [*rows, "", *written]


def map_markdown(declared: Declared) -> str:
    """Write what apps declare as Markdown."""
    routes = (
        (
            escape(str(route)),
            escape(route.handler or ""),
            escape(", ".join(route.dependencies)),
            escape(", ".join(route.middleware)),
        )
        for route in declared.routes
    )
    layers = [f"- {plain(_layer(layer))}" for layer in declared.middleware]
    header = ("route", "handler", "dependencies", "middleware, outermost first")
    middleware = ["", "# Middleware", "", *layers] if layers else []
    return "\n".join(["# Routes", "", *table(header, routes), *middleware]) + "\n"


def _layer(layer: DeclaredMiddleware) -> str:
    said = f"{escape(layer.name)}, around {escape(layer.where)}"
    return said if layer.active else f"{said}: declared, and not active: {escape(layer.reason)}"


# -- JSON


def json_of(coverage: Coverage) -> str:
    """Write it as JSON."""
    data = {
        "schema": SCHEMA,
        "summary": {
            "routes": len(coverage.counted),
            "reached": coverage.reached,
            "percent": round(coverage.percent, 2),
            "unrouted": dict(sorted(coverage.unrouted.items())),
            "lost": coverage.lost,
        },
        "routes": [_row(row) for row in coverage.routes],
        "middleware": [
            {
                "name": layer.name,
                "declared": bool(layer.declared),
                "active": not layer.declared or any(found.active for found in layer.declared),
                "requests": layer.requests,
                "answered": layer.answered,
            }
            for layer in coverage.middleware
        ],
    }
    return json.dumps(data, indent=1) + "\n"


def map_json(declared: Declared) -> str:
    """Write what apps declare as JSON."""
    return json.dumps({"schema": SCHEMA, **declared.to_json()}, indent=1) + "\n"


def _row(row: RouteCoverage) -> dict[str, Any]:
    return {
        "method": row.route.method,
        "pattern": row.route.pattern,
        "handler": row.route.handler,
        "source": None if row.route.source is None else ":".join(map(str, row.route.source)),
        "declared": row.is_declared,
        "builtin": row.route.builtin,
        "requests": row.requests,
        "outcomes": dict(sorted(row.outcomes.items())),
        "refusals": dict(sorted(row.refusals.items())),
        "anonymous": row.anonymous.value,
    }

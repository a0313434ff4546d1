"""A rule that a request did not keep, and how a test is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, final
from urllib.parse import urlsplit

from ..._show.escape import shown
from ..._show.redact import ACTIVE

if TYPE_CHECKING:
    from ..._trace.trace import Trace

TEXT_LIMIT: Final = 600
"""How many characters of what was seen are told."""


@final
@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a request did not keep.

    Attributes:
        rule: The rule.
        request: The request: its method, its path without secrets, its route, its answer.
        seen: What was seen instead.
        page: The page of the documentation about it; empty for rules of the user's own.
    """

    rule: str
    request: str
    seen: str
    page: str = ""

    def to_json(self) -> dict[str, str]:
        """Give it as JSON and execnet can hold it."""
        return asdict(self)


def violation_of(rule: str, trace: Trace, seen: str, page: str = "") -> Violation:
    """Make one, harmless for a terminal."""
    return Violation(rule, request_of(trace), shown(ACTIVE.get().text(seen), TEXT_LIMIT), page)


def request_of(trace: Trace) -> str:
    """Name a request in a message."""
    if trace.protocol == "lifespan":
        return "the startup"
    path = urlsplit(ACTIVE.get().url(trace.url, trace.path_params)).path or "/"
    route = "no route" if trace.route is None else f"route {trace.route.partition(' ')[2]}"
    return shown(f"{trace.method} {path} ({route}) -> {trace.status or 'no response'}", TEXT_LIMIT)


def told(violations: Iterable[Violation]) -> list[str]:
    """Tell of violations: each rule once, with the first request that broke it."""
    lines = []
    for rule, found in _by_rule(violations).items():
        first, others = found[0], len(found) - 1
        lines += [f"rule broken: {rule}", f"  {first.request}", f"  {first.seen}"]
        if others:
            lines.append(f"  and {others} more {'requests' if others > 1 else 'request'}")
        if first.page:
            lines.append(f"  docs: {first.page}")
    return lines


def _by_rule(violations: Iterable[Violation]) -> dict[str, Sequence[Violation]]:
    found: dict[str, list[Violation]] = {}
    for violation in violations:
        found.setdefault(violation.rule, []).append(violation)
    return {**found}

"""A rule that a request did not keep, and how a test is told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, final

from ..._show.escape import shown
from ..._show.secrets import redactor_of
from ..record import path_of, source_of

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
        route: As `Trace.route`.
        source: The file and the first line of the handler, as on `Record`.
    """

    rule: str
    request: str
    seen: str
    page: str = ""
    route: str | None = None
    source: str | None = None


def violation_of(rule: str, trace: Trace, seen: str, page: str = "") -> Violation:
    """Make one, harmless for a terminal."""
    said = shown(redactor_of(trace).text(seen), TEXT_LIMIT)
    return Violation(rule, request_of(trace), said, page, trace.route, source_of(trace))


def request_of(trace: Trace) -> str:
    """Name a request in a message."""
    if trace.protocol == "lifespan":
        return "the startup"
    path = path_of(trace)
    route = "no route" if trace.route is None else f"route {trace.route.partition(' ')[2]}"
    return shown(f"{trace.method} {path} ({route}) -> {trace.status or 'no response'}", TEXT_LIMIT)


@final
class Violations:
    """Violations, of each rule the first, and how many there were."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Violation, int]] = {}

    def add(self, violation: Violation) -> None:
        """Add one."""
        first, known = self._found.get(violation.rule, (violation, 0))
        self._found[violation.rule] = (first, known + 1)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._found)

    def __iter__(self) -> Iterator[Violation]:
        """Give each rule's first one."""
        return (violation for violation, _ in self._found.values())

    def to_json(self) -> list[dict[str, Any]]:
        """Give each rule's first one as JSON and execnet can hold it."""
        return [asdict(violation) for violation in self]

    def lines(self) -> list[str]:
        """Tell of them."""
        return [line for violation, count in self._found.values() for line in told(violation, count)]


def told(first: Violation, count: int = 1) -> list[str]:
    """Tell of the violations of one rule, by the first of them."""
    lines = [f"rule broken: {first.rule}", f"  {first.request}", f"  {first.seen}"]
    if count > 1:
        lines.append(f"  and {count - 1} more like it")
    return [*lines, f"  docs: {first.page}"] if first.page else lines


@final
@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a run did not keep.

    Attributes:
        first: The violation to tell of, the same in whatever order tests ran.
        makers: Who made requests that broke it: tests by their node ids, fixtures by their names; sorted.
    """

    first: Violation
    makers: tuple[str, ...]

    @property
    def extent(self) -> str:
        """Who made the requests: ``"test_shop.py::test_order and 2 more"``."""
        first, *others = self.makers
        return f"{first} and {len(others)} more" if others else first


def broken_of(found: Mapping[str, Violations]) -> list[Broken]:
    """Put violations of one rule together, by who made the requests; rules are sorted.

    How many requests there were is not told: each of xdist's workers sets a fixture up anew.
    """
    makers: dict[str, list[str]] = {}
    first: dict[str, Violation] = {}
    for name, violations in sorted(found.items()):
        for violation in violations:
            makers.setdefault(violation.rule, []).append(name)
            first.setdefault(violation.rule, violation)
    return [Broken(first[rule], tuple(makers[rule])) for rule in sorted(first)]

"""Dependencies as a run sheet: which ran, which came from the cache, which was put in another's place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, final

from .._compat import clock
from .span import Span
from .told import ToldValue


@final
class Resolution:
    """A dependency that was looked for, as its adapter saw it.

    Args:
        name: Its name.
        code: The `id` of its code; 0 where it is compiled.
        stands_for: The name of the dependency that it overrides; None for most.
        scope: How long what it yields is kept, in the framework's own word; None where it does not yield.
        mode: ``"async"``, or ``"thread"`` where the framework runs it in a worker thread.

    Attributes:
        at: When it was looked for, in seconds of `time.perf_counter`.
        span: The step that was its run; None as long as it has not run.
    """

    __slots__ = ("at", "code", "mode", "name", "scope", "span", "stands_for")

    def __init__(
        self, name: str, code: int, stands_for: str | None, scope: str | None, mode: Literal["async", "thread"]
    ) -> None:
        self.name = name
        self.code = code
        self.stands_for = stands_for
        self.scope = scope
        self.mode: Literal["async", "thread"] = mode
        self.span: Span | None = None
        self.at = clock()

    @property
    def resolved_at(self) -> float:
        """When its value was to be had: as it ran, or as it was found in the cache."""
        return self.at if self.span is None else self.span.start


@final
@dataclass(frozen=True, slots=True, repr=False)
class DependencyRun(ToldValue):
    """What became of one dependency.

    Attributes:
        name: Its name.
        run: ``"ran"``, ``"cached"`` where an earlier result was used, ``"skipped"`` where what it takes from the
            request or from other dependencies was not to be had.
        stands_for: The name of the dependency that it overrides; None for most.
        scope: How long what it yields is kept, in the framework's own word; None where it does not yield.
        mode: ``"async"``, or ``"thread"`` where the framework runs it in a worker thread.
        exit: When the part after its ``yield`` began: ``"before response"`` or ``"after response"`` (the start of it);
            None where there is none, or it did not run.
        exception: The name of the exception that left it; None for most.
        swallowed: The name of the exception that was thrown in at its ``yield`` and that it kept to itself; on CPython
            3.11 always None.
    """

    name: str
    run: Literal["ran", "cached", "skipped"]
    stands_for: str | None = None
    scope: str | None = None
    mode: Literal["async", "thread"] = "async"
    exit: Literal["before response", "after response"] | None = None
    exception: str | None = None
    swallowed: str | None = None


def runs_of(resolutions: Iterable[Resolution], responded_at: float | None) -> list[DependencyRun]:
    """Say what became of each dependency that was looked for.

    Args:
        resolutions: The dependencies; they are given in the order resolved.
        responded_at: When the response was started; None where it was not.
    """
    ran: set[tuple[str, int]] = set()
    found = []
    for looked_for in sorted(resolutions, key=lambda resolution: resolution.resolved_at):
        span = looked_for.span
        key = (looked_for.name, looked_for.code)
        run: Literal["ran", "cached", "skipped"] = "ran" if span is not None else "cached" if key in ran else "skipped"
        if span is not None:
            ran.add(key)
        found.append(
            DependencyRun(
                looked_for.name,
                run,
                looked_for.stands_for,
                looked_for.scope,
                looked_for.mode,
                _exit_of(span, responded_at),
                type(span.exception).__qualname__ if span is not None and span.exception is not None else None,
                span.fact("swallowed") if span is not None else None,
            )
        )
    return found


def unused(overrides: Mapping[str, str], runs: Iterable[DependencyRun]) -> list[str]:
    """Name the dependencies that are overridden without any request having looked for them.

    Args:
        overrides: What stands in for each dependency: name by name.
        runs: The dependencies that requests looked for.
    """
    used = {(run.stands_for, run.name) for run in runs}
    return [name for name, replacement in overrides.items() if (name, replacement) not in used]


def _exit_of(span: Span | None, responded_at: float | None) -> Literal["before response", "after response"] | None:
    if span is None:
        return None
    edges = span.active_intervals()
    if len(edges) < 2:
        return None
    return "after response" if responded_at is not None and edges[1][0] >= responded_at else "before response"

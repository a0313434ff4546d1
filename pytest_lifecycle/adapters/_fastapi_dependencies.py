"""FastAPI's dependencies: which are looked for, which run, which stand in for another.

Read from `solve_dependencies` in fastapi/dependencies/utils.py. It calls itself for each dependency before it looks
into the cache: the call says what is looked for, and only the dependency's own code running says that it ran.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, Literal, NamedTuple, final

from .._observe.contract import Watcher
from .._observe.probe import Call, Expected, Probe, Step, code_of, name_of
from .._observe.recorder import GENERATOR, UnseenError
from .._trace.dependencies import Resolution
from .._trace.facts import Refusal
from .._trace.span import Kind, Span

ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
SOLVING = "solve_dependencies"
SOLVING_STEP = Step(Kind.INTERNAL, SOLVING, "fastapi.dependencies.utils:solve_dependencies", True)


class Known(NamedTuple):
    """What is known of the function of a dependency; it is kept alive, since its `id` is a key."""

    function: object
    name: str
    code: int
    flags: int
    expected: Expected


@final
class Dependencies:
    """The dependencies that were seen, and what to expect of each."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}

    def forget(self) -> None:
        """Drop them."""
        self._known.clear()

    def solving(self, call: Call, watcher: Watcher) -> Step | None:
        """Say what a call of `solve_dependencies` is: the outermost is a step, an inner one looks for a dependency."""
        parent = call.parent
        if parent is None or parent.name != SOLVING or parent.kind is not Kind.INTERNAL:
            return SOLVING_STEP
        dependant = call["dependant"]
        function = dependant.call
        if function is not None:
            known = self._known.get(id(function)) or self._learn(function)
            watcher.expect(parent, known.expected)
            call.exchange.resolutions.append(_resolution(call, known, dependant))
        return None

    def _learn(self, function: Any) -> Known:
        code = code_of(function)
        known = Known(
            function,
            name_of(function),
            0 if code is None else id(code),
            0 if code is None else code.co_flags,
            Expected([] if code is None else [_dependency(function)]),
        )
        self._known[id(function)] = known
        return known


def _resolution(call: Call, known: Known, dependant: Any) -> Resolution:
    scope = getattr(dependant, "scope", None) or ("request" if known.flags & GENERATOR else None)
    mode: Literal["async", "thread"] = "async" if known.flags & ASYNC else "thread"
    return Resolution(known.name, known.code, _overridden(call, known.function), scope, mode)


def _overridden(call: Call, function: object) -> str | None:
    """Name the dependency that this one stands in for: what the call around was looking for in the first place."""
    if not getattr(call.values.get("dependency_overrides_provider"), "dependency_overrides", None):
        return None
    around = call.frame.f_back
    looked_for = getattr(around.f_locals.get("sub_dependant"), "call", None) if around is not None else None
    return name_of(looked_for) if looked_for is not None and looked_for is not function else None


def _dependency(function: Any) -> Probe:
    return Probe(
        function,
        Kind.DEPENDENCY,
        name=name_of(function),
        entering=_runs,
        leaving=_ended,
        raising=_not_authenticated if _is_security(function) else None,
    )


def _runs(call: Call) -> None:
    """A dependency runs: the last one that was looked for and is not known to have run."""
    key = id(call.frame.f_code)
    for looked_for in reversed(call.exchange.resolutions):
        if looked_for.code == key and looked_for.span is None:
            looked_for.span = call.span
            return


def _ended(call: Call) -> None:
    """A dependency ends: what was thrown in at its `yield`, and does not leave it, it has caught."""
    span = call.span
    if span is None or span._thrown is None or call.error is span._thrown or isinstance(call.error, UnseenError):
        return
    call.exchange.caught[id(span._thrown)] = span.name
    if call.error is None:
        span.attributes["swallowed"] = type(span._thrown).__qualname__


def _is_security(function: object) -> bool:
    base = getattr(sys.modules.get("fastapi.security.base"), "SecurityBase", None)
    return isinstance(base, type) and isinstance(function, base)


def _not_authenticated(span: Span, error: BaseException) -> None:
    span.attributes["refusal"] = Refusal.AUTHENTICATION

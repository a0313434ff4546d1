"""Why a request is not what it was: its main cause first, then what followed from it, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, final

from .layers import listed, moved, without
from .lines import Line
from .patterns import are_similar
from .record import Record

ASPECTS: Final = {
    "status": ("status",),
    "route": ("route",),
    "outcome": ("outcome",),
    "middleware": ("middleware",),
    "refusal": ("refusal", "refused_by", "answered_by"),
    "handler": ("handler",),
    "dependencies": ("dependencies",),
    "invalid": ("invalid",),
    "redirect": ("redirect",),
    "exception": ("exception",),
}
"""What can be compared, by the attributes of a `Line` that it is about."""

COMPARED: Final = ("status", "route", "outcome", "middleware", "refusal")
"""What is compared unless the configuration says otherwise."""

EARLY: Final = frozenset({"short_circuited", "not_found", "method_not_allowed", "redirected", "error", "no_response"})
"""The outcomes of requests that may not have got as far as the innermost middleware."""

LOST: Final = {
    "not_found": "no route matches any more",
    "method_not_allowed": "no route takes the method any more",
}
"""What the router said instead of choosing a route."""

ROUTED: Final = frozenset({"redirected", "method_not_allowed"})
"""What the router said of a request that was near a route."""

IMPLIED: Final = frozenset({"validation", "not_found", "method"})
"""The refusals that another cause tells already."""


@final
@dataclass(frozen=True, slots=True)
class Nearby:
    """What a router had instead of a route for a request.

    Attributes:
        nearest: The route that nearly took it, with what differs.
        named: The routes for its method by their names, of which each stands once: most are a handler's, too.
    """

    nearest: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)


VERBS: Final = frozenset({"get", "head", "post", "put", "patch", "delete", "options", "trace"})
"""The methods of a class that answers each method of HTTP by one of its own."""


def aspects_of(before: Line, after: Line) -> tuple[str, ...]:
    """Say in what two lines differ; empty where only the path does."""
    return tuple(
        aspect
        for aspect, names in ASPECTS.items()
        if any(getattr(before, name) != getattr(after, name) for name in names)
    )


def causes_of(before: Line, after: Line, record: Record, nearby: Nearby | None = None) -> list[str]:
    """Say what has changed from one line to another.

    Args:
        before: What was expected.
        after: What was seen.
        record: A request that it was seen of.
        nearby: What the router had instead, where it chose no route.
    """
    answered = list(_answered(before, after))
    crashed = after.outcome == "error"  # which may be why it is no longer answered as it was
    told = [
        *_middleware(before, after, *_gates(before, record)),
        *_route(before, after),
        *_nearby(before, after, nearby),
        *_not_reached(before, after),
        *([] if crashed else answered),
        *_invalid(before, after),
        *_exception(before, after, record),
        *(answered if crashed else []),
        *_dependencies(before, after),
        *_refusal(before, after),
        *_redirect(before, after),
        *_handler(before, after),
    ]
    ended = _ended(before, after)
    return [*told, ended] if ended else told or ["the path that it took has changed"]


def cause_otherwise(before: Line, after: Line, record: Record) -> str:
    """Say how a main cause is told of requests that no middleware stopped; empty where it is not about middleware.

    Of one that a middleware stopped it is not known whether what is missing is gone, or inside of it now.
    """
    is_main = any(_middleware(before, after, *_gates(before, record)))
    return next(_middleware(before, after, None, None), "") if is_main else ""


def _ended(before: Line, after: Line) -> str:
    status, outcome = before.status != after.status, before.outcome != after.outcome
    outcomes = f"{before.outcome} to {after.outcome}"
    if status:
        return f"status {_status(before)} to {_status(after)}" + (f" ({outcomes})" if outcome else "")
    return f"outcome {outcomes}" if outcome else ""


def _status(line: Line) -> str:
    return "none" if line.status is None else str(line.status)


# -- one kind of change each


def _middleware(before: Line, after: Line, former_gate: str | None, gate: str | None) -> Iterator[str]:
    removed, added = without(before.middleware, after.middleware), without(after.middleware, before.middleware)
    if added and not _is_short_of(before, after):
        place = f"now {_run(added)} before {former_gate}" if former_gate in after.middleware else "added"
        yield f"middleware {listed(added)} {place}"
    if gate in before.middleware:  # what stood inside of it may be there: it was not reached
        outside = without(before.middleware[: before.middleware.index(gate)], after.middleware)
        if outside:
            yield f"middleware {listed(outside)} no longer {_run(outside)} before {gate}"
    elif removed and gate not in added and not _is_short_of(after, before):
        yield f"middleware {listed(removed)} removed"
    order = moved(before.middleware, after.middleware, "middleware")
    if order:
        yield order


def _gates(before: Line, record: Record) -> tuple[str | None, str | None]:
    """Give the middleware that stopped a request as it was recorded, and the one that stopped it now."""
    was_stopped = before.outcome == "short_circuited"
    return (before.refused_by or before.answered_by) if was_stopped else None, next(reversed(record.stopped_by), None)


def _not_reached(before: Line, after: Line) -> Iterator[str]:
    if len(before.middleware) > len(after.middleware) and _is_short_of(after, before):
        names = before.middleware[len(after.middleware) :]
        yield f"middleware {listed(names)} {'is' if len(names) == 1 else 'are'} not reached"


def _is_short_of(short: Line, long: Line) -> bool:
    """Whether a request just did not get as far as another one: the middleware that is missing may be there."""
    return (
        short.middleware == long.middleware[: len(short.middleware)]
        and short.outcome in EARLY
        and (short.outcome != long.outcome or short.refused_by != long.refused_by)
        and long.outcome != "short_circuited"
    )


def _route(before: Line, after: Line) -> Iterator[str]:
    if before.route == after.route:
        if before.outcome in ROUTED and after.outcome in LOST and before.outcome != after.outcome:
            yield LOST[after.outcome]
    elif after.route is None:
        if after.outcome == "redirected":
            yield f"the router redirects it to {after.redirect} now"
        elif after.outcome in LOST:
            yield LOST[after.outcome]
        elif after.outcome == "handled":
            yield "its route is not known any more"
    elif before.route is None:
        if before.outcome == "redirected" or before.outcome in LOST:
            yield f"the route {after.request} takes it now"
    elif before.handler == after.handler:
        yield f"its route is {after.request} now"
    else:
        yield f"the route {after.request} takes it now"


def _nearby(before: Line, after: Line, nearby: Nearby | None) -> Iterator[str]:
    if nearby is None or after.outcome not in LOST or before.outcome == after.outcome:
        return
    nearest, asked = nearby.nearest, before.route or before.path or ""
    if nearest is not None and are_similar(nearest.partition(" ")[0], asked):
        yield f"the nearest is {nearest}"
    elif before.handler is not None and (name := _route_name(before.handler)) in nearby.named:
        yield f"its handler {before.handler} is at {nearby.named[name]} now"


def _route_name(handler: str) -> str:
    """Give what a framework names a handler's route: a method goes by its own name, a class's `get` by the class's."""
    owner, _, name = handler.rpartition(".")
    return owner if owner and name in VERBS else name


def _answered(before: Line, after: Line) -> Iterator[str]:
    if before.answered_by == after.answered_by:
        return
    if after.answered_by is not None:
        yield f"answered by {after.answered_by} now"
    elif after.outcome not in LOST and before.answered_by not in without(before.middleware, after.middleware):
        yield f"no longer answered by {before.answered_by}"


def _redirect(before: Line, after: Line) -> Iterator[str]:
    is_routing = before.route != after.route and "redirected" in (before.outcome, after.outcome)
    if before.redirect == after.redirect or is_routing or after.outcome in LOST:
        return
    if before.redirect is None:
        yield f"redirects to {after.redirect} now"
    elif after.redirect is None:
        yield f"no longer redirects to {before.redirect}"
    else:
        yield f"redirects to {after.redirect}, was to {before.redirect}"


def _invalid(before: Line, after: Line) -> Iterator[str]:
    if before.invalid == after.invalid or after.outcome in LOST:
        return
    if not before.invalid:
        yield f"newly invalid: {listed(after.invalid)}"
    elif not after.invalid:
        yield f"no longer invalid: {listed(before.invalid)}"
    else:
        yield f"invalid is now {listed(after.invalid)}, was {listed(before.invalid)}"


def _exception(before: Line, after: Line, record: Record) -> Iterator[str]:
    if before.exception == after.exception:
        if after.exception is not None and after.outcome == "error" != before.outcome:
            yield f"{after.exception} is no longer handled"
        return
    if after.exception is None:
        if after.outcome in ("handled", "error") or before.outcome == "error":
            yield f"{before.exception} no longer raised"
        return
    if after.outcome in LOST or after.invalid or (after.refusal is not None and after.outcome != "error"):
        return  # the framework's own way to say what is told anyway
    where = f" in {record.raised_in}" if record.raised_in is not None else ""
    instead = f", was {before.exception}" if before.exception is not None else ""
    yield f"{after.exception} raised{where}{instead}"


def _dependencies(before: Line, after: Line) -> Iterator[str]:
    gone, added = without(before.dependencies, after.dependencies), without(after.dependencies, before.dependencies)
    is_same = before.outcome == after.outcome and before.route == after.route
    if after.outcome in LOST and not is_same:
        return
    if gone and (is_same or after.outcome == "handled" or before.refused_by in gone):
        yield f"{_quoted(gone)} no longer {_run(gone)}"
    if added and (is_same or before.outcome == "handled" or after.refused_by in added):
        yield f"{_quoted(added)} now {_run(added)}"
    order = moved(before.dependencies, after.dependencies, "dependencies")
    if order and not gone and not added:
        yield f"dependencies in another order: {', '.join(after.dependencies)}"


def _quoted(names: list[str]) -> str:
    return listed([f"`{name}`" for name in names])


def _run(names: list[str]) -> str:
    return "runs" if len(names) == 1 else "run"


def _refusal(before: Line, after: Line) -> Iterator[str]:
    if (before.refusal, before.refused_by) == (after.refusal, after.refused_by):
        return
    is_told, was_told = after.refusal in IMPLIED, before.refusal in IMPLIED
    if after.refusal is None or is_told:
        is_routed = after.outcome not in (*LOST, "redirected")
        if before.refusal is not None and not was_told and is_routed and before.refused_by not in _gone(before, after):
            yield f"no longer refused by {_refused(before)}"
    elif before.refusal is None or was_told:
        yield f"now refused by {_refused(after)}"
    else:
        yield f"refused by {_refused(after)}, was by {_refused(before)}"


def _gone(before: Line, after: Line) -> list[str]:
    """Give what does not run any more, which is told as such."""
    return without(before.middleware, after.middleware) + without(before.dependencies, after.dependencies)


def _refused(line: Line) -> str:
    return f"{line.refused_by} ({line.refusal})" if line.refused_by is not None else f"somebody ({line.refusal})"


def _handler(before: Line, after: Line) -> Iterator[str]:
    if before.handler == after.handler:
        return
    if before.handler is not None and after.handler is not None:
        yield f"handler {after.handler}, was {before.handler}"
    elif before.outcome == after.outcome and before.route == after.route:
        yield f"handler {before.handler} no longer runs" if after.handler is None else f"handler {after.handler} runs"

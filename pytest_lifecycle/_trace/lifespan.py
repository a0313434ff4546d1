"""Lifespans: what an app puts into its state, and the two phases of a lifespan function, before and after `yield`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .span import Kind, Span

if TYPE_CHECKING:
    from .exchange import Exchange


def started(exchange: Exchange, state: object) -> None:
    """Note what the app has put into its state by the time its startup is complete."""
    if isinstance(state, dict) and state:
        exchange.root.attributes["scope_added"] = [f"state.{key}" for key in state]


def part_phases(root: Span) -> None:
    """Make a shutdown of what each startup did after its `yield`; steps inside it go with their phase."""
    for span in list(root.walk()):
        if span.kind is Kind.STARTUP and span._pauses and not _is_inside_startup(span) and span.parent is not None:
            twin = _shutdown_of(span)
            if twin is not None:
                span.parent.children.append(twin)
                span.parent.children.sort(key=lambda child: child.start)


def _is_inside_startup(span: Span) -> bool:
    return any(around.kind is Kind.STARTUP for around in span.ancestors())


def _shutdown_of(span: Span) -> Span | None:
    """Take a startup's second part out of it; None where it has none."""
    pauses = span._pauses
    if not pauses or len(pauses) < 2:  # it was never resumed
        return None
    left, resumed = pauses[0], pauses[1]
    twin = Span(Kind.SHUTDOWN, span.name, span.target, span.builtin, span.parent, span.thread, span.exchange)
    twin.start, twin._end, twin._pauses = resumed, span._end, pauses[2:]
    span._end, span._pauses = left, None
    span.exception, twin.exception = None, span.exception
    inner = [child for child in span.children if child.start >= resumed]
    span.children = [child for child in span.children if child.start < resumed]
    inner += [later for child in span.children if child.kind is Kind.STARTUP and (later := _shutdown_of(child))]
    twin.children = sorted(inner, key=lambda child: child.start)
    for child in twin.children:
        child.parent = twin
    return twin

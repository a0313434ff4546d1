"""Which layer it was that broke the protocol, where that can be told."""

from __future__ import annotations

from collections.abc import Callable

from .changes import Head
from .faults import checked_headers, checked_status
from .span import Kind, Span

OWN = frozenset({Kind.APP, Kind.MIDDLEWARE, Kind.DECORATOR, Kind.HOOK, Kind.DEPENDENCY, Kind.HANDLER, Kind.BACKGROUND})
"""Steps that may answer by themselves."""


def sender_of(step: Span | None) -> str:
    """Name the step that sends a message; nothing where a layer around it may have made another one of it."""
    if step is None or _is_rewritten(step):
        return ""
    return _answering(step)


def holder_of(step: Span | None) -> str:
    """Name the layer that keeps the response's start to itself, which was sent inside it; else who sends."""
    crossed = [span for span in _with_ancestors(step) if span._crossed]
    holder = _configured(crossed[-1].parent) if crossed else None
    return holder.name if holder is not None else sender_of(step)


def maker_of(step: Span | None, is_wrong: Callable[[Head], bool]) -> str:
    """Name the layer that the response's head left wrong, and did not reach so; else who sends."""
    inner: Head | None = None
    exchange = step.exchange if step is not None else None
    crossed = exchange.crossed if exchange is not None else []  # of WSGI it is known only later
    for layer in crossed or _with_ancestors(step):
        if layer._outer_head is None:
            continue
        if not is_wrong(layer._outer_head):
            inner = layer._outer_head
            continue
        inner = layer._inner_head or inner
        if inner is None:
            return _answering(step) if step is not None else ""
        return "" if is_wrong(inner) or layer.builtin else layer.name
    return sender_of(step)


def told(fault: str, layer: str) -> str:
    """Say which layer a fault is from, where that can be told."""
    return f"{fault}, from {layer}" if layer else fault


def heads_from(faults: list[str], step: Span | None, *, as_bytes: bool) -> list[str]:
    """Say of each fault in a response's head which layer it is from.

    Args:
        faults: What is wrong with the head.
        step: The step that sends it.
        as_bytes: As for `checked_headers`.
    """

    def has(fault: str) -> Callable[[Head], bool]:
        def is_in(head: Head) -> bool:
            found: list[str] = []
            checked_status(head.status, found)
            checked_headers(head.lines, found, as_bytes=as_bytes)
            return fault in found

        return is_in

    return [told(fault, maker_of(step, has(fault))) for fault in faults]


def _with_ancestors(step: Span | None) -> list[Span]:
    return [] if step is None else [step, *step.ancestors()]


def _configured(span: Span | None) -> Span | None:
    """Give the middleware that this layer is, or is a part of; None where it is the framework's own."""
    while span is not None and span.kind is Kind.INTERNAL:
        span = span.parent
    return span if span is not None and span.kind is Kind.MIDDLEWARE and not span.builtin else None


def _is_rewritten(step: Span) -> bool:
    """Whether a middleware around the step gave a `send` or `start_response` of its own to those inside it."""
    given: object = None
    for span in _with_ancestors(step):
        if span._send is None:
            continue
        if given is not None and given is not span._send and _configured(span) is not None:
            return True
        given = span._send
    return False


def _answering(step: Span) -> str:
    """Name who answers: a response is sent by the step that made it, and an app of one step has no other name."""
    span: Span | None = step
    while span is not None and span.kind in (Kind.RESPONSE, Kind.INTERNAL):
        span = span.parent
    if span is None or span.parent is None:
        return ""
    if span.kind is Kind.MIDDLEWARE and span.reached_inner and span is not step:
        return ""  # it hands on what came from inside
    if span.kind in OWN and not span.builtin:
        is_whole_app = span.kind in (Kind.APP, Kind.HANDLER) and span.parent.parent is None
        return "" if is_whole_app else span.name
    handlers = [inner for inner in span.walk() if inner.kind is Kind.HANDLER]
    return handlers[-1].name if handlers and handlers[-1].exception is None else ""

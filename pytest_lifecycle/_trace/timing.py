"""Where the time went: each instant belongs to the innermost step that was running."""

from __future__ import annotations

from .span import Span


def self_times(root: Span) -> dict[int, float]:
    """Give each span's own time in seconds, by the span's `id`; the values sum to the root's duration.

    Where steps overlap (tasks, threads), an instant belongs to the one that began last.
    What ran after the root had ended does not count.
    """
    opening, closing = root.active_intervals()[0][0], root.active_intervals()[-1][1]
    edges: list[tuple[float, int, int, Span]] = []
    for order, span in enumerate(root.walk()):
        for begin, end in span.active_intervals():
            begin, end = max(begin, opening), min(end, closing)
            if begin < end:
                edges += [(begin, 1, order, span), (end, 0, order, span)]
    edges.sort(key=lambda edge: edge[:3])
    times: dict[int, float] = {}
    running: dict[int, Span] = {}
    previous = opening
    for moment, begins, order, span in edges:
        if running and moment > previous:
            innermost = running[max(running)]
            times[id(innermost)] = times.get(id(innermost), 0.0) + moment - previous
        previous = moment
        if begins:
            running[order] = span
        else:
            running.pop(order, None)
    return times


def layer_times(root: Span) -> dict[str, float]:
    """Give the own time in seconds of each layer: ``"handler read_order"``, ``"framework"`` for the builtin parts."""
    times = self_times(root)
    layers: dict[str, float] = {}
    for span in root.walk():
        if span.builtin or span.parent is None:
            layer = "framework"
        elif span.kind == "routing":
            layer = "routing"
        else:
            layer = f"{span.kind} {span.name}"
        layers[layer] = layers.get(layer, 0.0) + times.get(id(span), 0.0)
    return layers

"""Where the time went: each instant belongs to the innermost step that was running."""

from __future__ import annotations

from bisect import bisect_left, insort

from .span import Span


def self_times(root: Span) -> dict[int, float]:
    """Give each span's own time in seconds, by the span's `id`; the values sum to the root's duration.

    Where steps overlap (tasks, threads), an instant belongs to the one that began last.
    What ran after the root had ended does not count.
    """
    opening, closing = root.active_intervals()[0][0], root.active_intervals()[-1][1]
    edges: list[tuple[float, int, int]] = []
    spans = list(root.walk())
    for order, span in enumerate(spans):
        for begin, end in span.active_intervals():
            begin, end = max(begin, opening), min(end, closing)
            if begin < end:
                edges += [(begin, 1, order), (end, 0, order)]
    edges.sort()
    times: dict[int, float] = {}
    running: list[int] = []  # in the order begun
    previous = opening
    for moment, begins, order in edges:
        if running and moment > previous:
            innermost = spans[running[-1]]
            times[id(innermost)] = times.get(id(innermost), 0.0) + moment - previous
        previous = moment
        if begins:
            insort(running, order)
        else:
            del running[bisect_left(running, order)]
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

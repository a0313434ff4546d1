"""What one more layer costs, and what a kept trace weighs."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import pairwise

from pytest_lifecycle import Client, Trace

from .apps import fastapi_app, layered
from .measure import in_turns
from .requests import traced


def per_layer(*, rounds: int, repeats: int) -> dict[str, float]:
    """Give the seconds that a pass-through layer adds, between 0, 5, 50 and 200 of them."""
    counts = [0, 5, 50, 200]
    contestants = [traced(layered(count), "/")._replace(name=str(count)) for count in counts]
    times = in_turns(contestants, rounds=rounds, repeats=repeats)
    return {f"{few} to {many}": (times[str(many)] - times[str(few)]) / (many - few) for few, many in pairwise(counts)}


def kept_trace(count: int = 200) -> float:
    """Give the bytes that a kept trace of the FastAPI app takes."""
    with Client(fastapi_app()) as client:
        client.get("/orders/1")
        kept: list[Trace] = []
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            kept.append(client.get("/orders/1"))
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return (after - before) / count

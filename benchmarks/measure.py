"""Measuring in turns: each round times every contestant once, so that a slow moment of the machine hits all alike."""

from __future__ import annotations

import gc
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import NamedTuple


class Contestant(NamedTuple):
    """One way to do a thing: how to get ready for a round, do it so many times, and clean up."""

    name: str
    prepare: Callable[[], Callable[[int], None]]
    finish: Callable[[], None] = lambda: None


def in_turns(contestants: list[Contestant], *, rounds: int, repeats: int) -> dict[str, float]:
    """Give each contestant's median time for one repetition, in seconds."""
    times: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for turn in range(rounds + 1):
        for contestant in contestants:
            run = contestant.prepare()
            run(max(3, repeats // 10))
            gc.collect()
            began = perf_counter()
            run(repeats)
            took = perf_counter() - began
            contestant.finish()
            if turn:  # the first round warms up
                times[contestant.name].append(took / repeats)
    return {name: median(values) for name, values in times.items()}

"""Several runs as one: the shards of a suite."""

from __future__ import annotations

from collections.abc import Iterable

from .._errors import LifecycleError
from .suite import Suite


class Overlap(LifecycleError):
    """A test is in two of the runs; the message says which one, and what to do."""


def combined(runs: Iterable[tuple[str, Suite]], *, overlapping: bool = False) -> Suite:
    """Put runs together.

    Args:
        runs: The runs, each with a name for messages.
        overlapping: Whether a test may be in several of them; it then counts as in the last one.

    Raises:
        Overlap: A test is in two of them.
    """
    whole = Suite()
    came_from: dict[str, str] = {}
    for name, suite in runs:
        for nodeid, records in suite.tests.items():
            if nodeid in came_from and not overlapping:
                raise Overlap(
                    f"The test {nodeid} is in {came_from[nodeid]} and in {name}: is one of them given twice? Give each"
                    " shard once, or --overlapping to count each test as in the last of them.",
                    slug="reports-overlap",
                )
            came_from[nodeid] = name
            whole.add_test(nodeid, records)
        for fixture, made in suite.fixtures.items():
            whole.add_fixture(fixture, made)
        whole.lost.extend(suite.lost)
        whole.add_declared(suite.declared)
    return whole

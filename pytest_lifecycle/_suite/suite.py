"""All requests of one run, by who made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import final

from .._trace.declared import Declared
from .record import Record


@final
class Suite:
    """The requests of a run.

    Attributes:
        tests: The requests of each test that has ended, by its node id.
        fixtures: The requests that each fixture of a wider scope than a test made as it was set up or torn down, once
            each: which test needed it first is chance.
        unread: Why some app's declared parts are unknown, in words.
        unfinished: The tests that failed or were skipped: they may have asked for less than they do otherwise.
        lost: The tests whose requests are unknown, since the process that ran them died.
    """

    def __init__(self) -> None:
        self.tests: dict[str, list[Record]] = {}
        self.fixtures: dict[str, dict[Record, None]] = {}
        self._apps: set[Declared] = set()
        self.unread: dict[str, None] = {}
        self.unfinished: set[str] = set()
        self.lost: list[str] = []

    def add_test(self, nodeid: str, records: Iterable[Record], *, is_finished: bool = True) -> None:
        """Add what a test asked for; a test that was run again counts as it ended last."""
        self.tests[nodeid] = list(records)
        if is_finished:
            self.unfinished.discard(nodeid)
        else:
            self.unfinished.add(nodeid)

    def add_fixture(self, name: str, records: Iterable[Record]) -> None:
        """Add what a fixture asked for; each worker sets it up anew."""
        self.fixtures.setdefault(name, {}).update(dict.fromkeys(records))

    def add_declared(self, declared: Declared) -> None:
        """Add what an app declares."""
        self._apps.add(declared)

    @property
    def declared(self) -> Declared:
        """What the apps that were asked declare together."""
        return Declared.union(self._apps)

    def records(self) -> Iterator[Record]:
        """Give every request of the run."""
        for records in (*self.tests.values(), *self.fixtures.values()):
            yield from records

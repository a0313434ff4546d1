"""``--lifecycle-update``: what the baseline expects of the tests that ran is what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Self, final

import pytest

from .._suite.baseline import Baseline, read, text_of
from .._suite.files import FileProblem, short, write_whole
from .._suite.lines import lines_of
from .._suite.locking import locked
from .collected import Collected
from .collecting import Collecting
from .saying import say


@final
class Recording:
    """Writes the baseline as the run ends.

    Args:
        path: The baseline's file.
        collecting: Has the requests.
        collected: Knows which tests there are.
        is_worker: Whether this process only runs tests, for another one that sums up.
    """

    def __init__(self, path: Path, collecting: Collecting, collected: Collected, *, is_worker: bool) -> None:
        self._path = path
        self._collecting = collecting
        self._collected = collected
        self._is_worker = is_worker
        self._said = ""

    @classmethod
    def configured(cls, path: Path, collecting: Collecting, collected: Collected, *, is_worker: bool) -> Self:
        """Make it, and see that what is there is a baseline.

        Raises:
            pytest.UsageError: It is none.
        """
        try:
            _known(path)
        except FileProblem as problem:
            raise pytest.UsageError(str(problem)) from None
        return cls(path, collecting, collected, is_worker=is_worker)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it."""
        if not self._is_worker and not session.config.getoption("collectonly"):
            try:
                self._said = self._write(session.config)
            except FileProblem as problem:
                self._said = str(problem)
                session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _write(self, config: pytest.Config) -> str:
        suite = self._collecting.suite
        seen = Baseline(
            {nodeid: lines_of(found) for nodeid, found in suite.tests.items() if nodeid not in suite.unfinished},
            {name: lines_of(records) for name, records in suite.fixtures.items()},
        )
        with locked(self._path):
            old = _known(self._path)  # once more: another run may have written in the meantime
            gone = {nodeid for nodeid in old.tests if self._collected.lacks(nodeid, config)}
            new = old.merged(seen, gone)
            if text_of(new) != text_of(old) or not self._path.exists():
                write_whole(self._path, text_of(new))
        kept = suite.unfinished & old.tests.keys()
        left_out = {nodeid for nodeid in suite.unfinished - kept if suite.tests[nodeid]}
        return _told(self._path, old, new) + _counted_of(kept, left_out)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was written."""
        say(terminalreporter, filter(None, [self._said]))


def _known(path: Path) -> Baseline:
    return read(path) if path.exists() else Baseline()


def _told(path: Path, old: Baseline, new: Baseline) -> str:
    before, after = old.entries(), new.entries()
    added, removed = (
        Counter((maker, line.request) for maker, line in lines) for lines in (after - before, before - after)
    )
    changed = (added & removed).total()
    counts = f"{added.total() - changed} added, {changed} changed, {removed.total() - changed} removed"
    return f"the baseline {short(path)} has {len(after)} lines: {counts}"


def _counted_of(kept: Collection[str], left_out: Collection[str]) -> str:
    """Say how many tests keep the lines that they had, and how many have none, since they failed or were skipped."""
    told = f"; tests that failed or were skipped keep their lines: {len(kept)}" if kept else ""
    return told + (f"; tests that failed or were skipped have no lines yet: {len(left_out)}" if left_out else "")

"""``--lifecycle-update``: what the baseline expects of the tests that ran is what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, final

import pytest

from .._suite.baseline import Baseline, read, text_of
from .._suite.files import FileProblem, short, write_whole
from .._suite.lines import lines_of
from .._suite.locking import locked
from .collecting import Collecting
from .saying import say

OUTPUT: Final = "lifecycle_collected"
"""Under which name a worker sends what it has collected."""


@final
@dataclass
class Collected:
    """What pytest has found, run or not.

    Attributes:
        tests: The node ids of all tests, deselected ones, too.
        files: The files that were read to their end.
        broken: The files of which not all can be known: they could not be read, or were left out as they were.
    """

    tests: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def add(self, report: pytest.CollectReport) -> None:
        """Note a file."""
        file = _file_of(report.nodeid)
        if not report.passed:
            self.broken.add(file)
        elif file == report.nodeid:
            self.files.add(file)

    def to_json(self) -> dict[str, list[str]]:
        """Give it as execnet can hold it."""
        return {name: sorted(values) for name, values in vars(self).items()}

    def merge(self, values: dict[str, list[str]]) -> None:
        """Add what `to_json` gave elsewhere."""
        for name, found in values.items():
            getattr(self, name).update(found)

    def lacks(self, nodeid: str, config: pytest.Config) -> bool:
        """Whether a test is gone: its file was collected as a whole, or is gone, and the test is not there."""
        if nodeid in self.tests or _is_partial(config):
            return False
        file = _file_of(nodeid)
        if file in self.files:
            return file not in self.broken and not _is_named(file, config)
        path = config.rootpath / file
        return not path.exists() and any(path.is_relative_to(_folder(given, config)) for given in config.args)


def _file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _is_partial(config: pytest.Config) -> bool:
    """Whether tests are left out before they are collected."""
    return bool(config.getoption("lf", False))


def _is_named(file: str, config: pytest.Config) -> bool:
    """Whether the command line names tests of a file instead of all of it."""
    path = config.rootpath / file
    return any("::" in given and _folder(given, config) == path for given in config.args)


def _folder(given: str, config: pytest.Config) -> Path:
    return config.invocation_params.dir / _file_of(given)


@final
class Recording:
    """Writes the baseline as the run ends.

    Args:
        path: The baseline's file.
        collecting: Has the requests.
        is_worker: Whether this process only runs tests, for another one that sums up.
    """

    def __init__(self, path: Path, collecting: Collecting, *, is_worker: bool) -> None:
        self._path = path
        self._collecting = collecting
        self._is_worker = is_worker
        self._collected = Collected()
        self._said = ""

    @classmethod
    def configured(cls, config: pytest.Config, collecting: Collecting, path: Path, *, is_worker: bool) -> Self:
        """Make it, and see that what is there is a baseline.

        Raises:
            pytest.UsageError: It is none.
        """
        try:
            _known(path)
        except FileProblem as problem:
            raise pytest.UsageError(str(problem)) from None
        return cls(path, collecting, is_worker=is_worker)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note a test, whether or not it is run."""
        self._collected.tests.add(item.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file."""
        self._collected.add(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker has collected (pytest-xdist); one that died sends nothing."""
        self._collected.merge(getattr(node, "workeroutput", {}).get(OUTPUT, {}))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it, or in a worker send what was collected."""
        if self._is_worker:
            session.config.workeroutput[OUTPUT] = self._collected.to_json()  # type: ignore[attr-defined]
        elif not session.config.getoption("collectonly"):
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

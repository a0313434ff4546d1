"""Which tests there are, so that it is known which ones of a baseline are gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import pytest

from .options import is_worker

OUTPUT: Final = "lifecycle_collected"
"""Under which name a worker sends what it has collected."""


@final
@dataclass(eq=False)
class Collected:
    """What pytest has found, run or not: as a plugin it is told, also of what xdist's workers have found.

    Attributes:
        tests: The node ids of all tests, deselected ones, too.
        files: The files that were read to their end.
        broken: The files of which not all can be known: they could not be read, or were left out as they were.
    """

    tests: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note a test, whether or not it is run."""
        self.tests.add(item.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file."""
        file = _file_of(report.nodeid)
        if not report.passed:
            self.broken.add(file)
        elif file == report.nodeid:
            self.files.add(file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker has collected (pytest-xdist); one that died sends nothing."""
        for name, found in getattr(node, "workeroutput", {}).get(OUTPUT, {}).items():
            getattr(self, name).update(found)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send it, in a worker."""
        if is_worker(session.config):
            sent = {name: sorted(values) for name, values in vars(self).items()}
            session.config.workeroutput[OUTPUT] = sent  # type: ignore[attr-defined]

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

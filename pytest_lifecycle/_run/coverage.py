"""``--lifecycle-cov``: which routes the run reached, and what became of the requests."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Self, final

import pytest

from .._suite.coverage import Coverage, coverage_of
from .._suite.coverage_table import json_of, lines_of, markdown_of, too_few
from .._suite.files import FileProblem, write_whole
from .._suite.suite import Suite
from .saying import say

WRITERS = {"json": json_of, "md": markdown_of}


@final
class RouteCoverage:
    """Shows the table as the run ends, writes it, and fails the run where too few routes were reached.

    Args:
        suite: The run.
        omit: The patterns of routes to leave out.
        paths: Where to write what kind of report.
        fail_under: How many percent of the routes have to be reached; None: as many as were.
        is_shown: Whether the table is shown.

    Attributes:
        coverage: What it has worked out; None until the session finishes.
    """

    def __init__(
        self,
        suite: Suite,
        *,
        omit: list[str],
        paths: list[tuple[str, Path]],
        fail_under: float | None,
        is_shown: bool,
    ) -> None:
        self._suite = suite
        self._omit = omit
        self._paths = paths
        self._fail_under = fail_under
        self._is_shown = is_shown
        self.coverage: Coverage | None = None
        self._said: list[str] = []

    @classmethod
    def configured(cls, config: pytest.Config, suite: Suite) -> Self:
        """Make it as the command line says.

        Raises:
            pytest.UsageError: A format is unknown, or a percentage is none.
        """
        folder = config.invocation_params.dir
        return cls(
            suite,
            omit=config.getini("lifecycle_cov_omit"),
            paths=[_kind_and_path(given, folder) for given in config.getoption("lifecycle_cov_report") or ()],
            fail_under=_percent(config.getoption("lifecycle_cov_fail_under")),
            is_shown=bool(config.getoption("lifecycle_cov")),
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Work it out and write it."""
        suite = self._suite
        coverage = coverage_of(suite.records(), suite.declared, omit=self._omit, lost=len(suite.lost))
        self.coverage = coverage
        for kind, path in self._paths:
            try:
                write_whole(path, WRITERS[kind](coverage))
            except FileProblem as problem:
                self._said.append(str(problem))
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
            else:
                self._said.append(f"wrote {path}")
        if self._fail_under is not None and coverage.percent < self._fail_under:
            self._said.append(too_few(coverage, "--lifecycle-cov-fail-under", self._fail_under))
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show it."""
        if self._is_shown and self.coverage is not None:
            terminalreporter.section("lifecycle: route coverage")
            for line in lines_of(self.coverage):
                terminalreporter.line(line)
        say(terminalreporter, [*self._suite.unread, *self._said])


def _kind_and_path(given: str, folder: Path) -> tuple[str, Path]:
    kind, colon, path = given.partition(":")
    if kind not in WRITERS or not colon or not path:
        raise pytest.UsageError(
            f"--lifecycle-cov-report={given}: expected json:PATH or md:PATH, as in json:build/routes.json."
        )
    return kind, folder / path


def _percent(given: float | None) -> float | None:
    if given is not None and not (isfinite(given) and 0 <= given <= 100):
        raise pytest.UsageError(f"--lifecycle-cov-fail-under={given}: expected a percentage from 0 to 100.")
    return given

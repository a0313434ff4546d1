"""``--lifecycle-report``: every request of the run in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Self, final

import pytest

from .._suite.files import FileProblem
from .._suite.report import write
from .._suite.suite import Suite
from .saying import say


@final
class Reporting:
    """Writes the reports as the run ends.

    Args:
        suite: What to report on.
        paths: Where to.
    """

    def __init__(self, suite: Suite, paths: list[Path]) -> None:
        self._suite = suite
        self._paths = paths
        self._said: list[str] = []

    @classmethod
    def configured(cls, config: pytest.Config, suite: Suite) -> Self:
        """Make it as the command line says.

        Raises:
            pytest.UsageError: A format is unknown.
        """
        return cls(
            suite,
            [_path_of(given, config.invocation_params.dir) for given in config.getoption("lifecycle_report") or ()],
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write them."""
        for path in self._paths:
            try:
                write(self._suite, path)
            except FileProblem as problem:
                self._said.append(str(problem))
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
            else:
                self._said.append(f"wrote {path}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where they are."""
        say(terminalreporter, self._said)


def _path_of(given: str, folder: Path) -> Path:
    kind, colon, path = given.partition(":")
    if kind != "json" or not colon or not path:
        raise pytest.UsageError(f"--lifecycle-report={given}: expected json:PATH, as in json:build/requests.json.")
    return folder / path

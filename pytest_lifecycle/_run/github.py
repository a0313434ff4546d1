"""``--lifecycle-github``: what a run has found in the summary of its step, and beside the code that it is about."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import pytest

from .._suite.annotations import commands_of
from .._suite.files import FileProblem, append, short, size_of
from .._suite.rules.violation import broken_of
from .._suite.run import Run
from .._suite.step_summary import LIMIT, markdown_of
from .._suite.suite import Suite
from .saying import say

if TYPE_CHECKING:
    from .baseline import Baselining
    from .coverage import RouteCoverage
    from .rules import RuleChecking

SUMMARY: Final = "GITHUB_STEP_SUMMARY"
"""The environment variable that names the file of the step's summary."""


@final
class StepSummary:
    """Appends to the summary of the step as the run ends.

    Args:
        suite: The run.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._said: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it, after all others have come to an end; it is registered after them."""
        if session.config.getoption("collectonly"):
            return
        named = os.environ.get(SUMMARY, "")
        if not named:
            self._said.append(f"no step summary is written: {SUMMARY} is not set, as GitHub Actions does for a step")
            return
        path = Path(named)
        try:
            self._said.append(_write(path, run_of(session.config, self._suite)))
        except FileProblem as problem:
            self._said.append(str(problem))
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say so."""
        say(terminalreporter, self._said)


def _write(path: Path, run: Run) -> str:
    text = markdown_of(run, LIMIT - size_of(path))
    if not text:
        return f"no step summary is written: {short(path)} is as large as GitHub lets it be"
    append(path, text, f"Let {SUMMARY} name a file that can be, or leave out --lifecycle-github.")
    return f"added to the step summary {short(path)}"


@final
class Annotating:
    """Writes annotations below all else that pytest writes, with or without a terminal reporter.

    Args:
        suite: The run.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write them, each on a line of its own, without colours: GitHub reads no others."""
        result = yield
        config = session.config
        folder = Path(os.environ.get("GITHUB_WORKSPACE") or config.rootpath)
        commands = commands_of(run_of(config, self._suite), folder)
        reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for command in commands:
                reporter.write_line(command)
        elif commands:
            _print(commands)
        return result


def _print(lines: list[str]) -> None:
    """Print lines, the first of them on a fresh one; what the output cannot encode is escaped, as pytest does it."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(["", *lines, ""])
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def run_of(config: pytest.Config, suite: Suite) -> Run:
    """Take what the plugins that were asked for have found."""
    plugins = config.pluginmanager
    baselining: Baselining | None = plugins.get_plugin("lifecycle-baselining")
    rules: RuleChecking | None = plugins.get_plugin("lifecycle-rulechecking")
    coverage: RouteCoverage | None = plugins.get_plugin("lifecycle-routecoverage")
    return Run(
        suite,
        findings=None if baselining is None else baselining.findings,
        broken=() if rules is None else broken_of(rules.broken),
        missing=() if rules is None else rules.missing,
        is_whole=rules is None or rules.is_whole,
        coverage=None if coverage is None else coverage.coverage,
    )

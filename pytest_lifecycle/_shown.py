"""The requests of a test in pytest's reports and in its terminal summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import pytest

if TYPE_CHECKING:
    from ._collect import ItemTraces
    from ._settings import Settings

ATTRIBUTE: Final = "lifecycle"
"""Where a report carries the requests of a test that did not fail; such attributes come through xdist."""


def add_requests(report: pytest.TestReport, traces: ItemTraces, settings: Settings) -> None:
    """Add the requests that no report of this test has shown yet: to a failed one, or to the last one if asked for."""
    asked = settings.shows_passed and report.when == "teardown"
    if not (report.failed or asked):
        return
    requests, missed = traces.unreported()
    if not requests:
        return
    from ._show.report import section

    text = section(requests, redactor=settings.redactor(), missed=missed)
    if report.failed:
        report.sections.append(("lifecycle", text))
    else:
        vars(report)[ATTRIBUTE] = text


def show_interrupted(reporter: pytest.TerminalReporter, traces: ItemTraces, settings: Settings) -> None:
    """Print the requests of the test that was interrupted: there is no report of it."""
    requests, missed = traces.unreported()
    if not requests:
        return
    from ._show.report import section

    reporter.section("lifecycle: requests of the interrupted test", cyan=True)
    for line in section(requests, redactor=settings.redactor(), missed=missed).split("\n"):
        reporter.line(line)


@final
class ShownRequests:
    """Prints the requests of the tests that did not fail, for `--lifecycle-show`."""

    def __init__(self) -> None:
        self._shown: list[tuple[str, str]] = []
        self._failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what is to be printed."""
        text = vars(report).get(ATTRIBUTE)
        self._failed = self._failed or any(title == "lifecycle" for title, _ in report.sections)
        if text is not None:
            self._shown.append((report.nodeid, text))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print it, a test at a time."""
        if not self._shown and self._failed:
            return
        from ._show.escape import escape

        terminalreporter.section("lifecycle", cyan=True)
        for nodeid, text in self._shown:
            terminalreporter.line("")
            terminalreporter.line(escape(nodeid), bold=True)
            for line in text.split("\n"):  # a terminal that cannot write one line still gets the others
                terminalreporter.line(line)
        if not self._shown:
            terminalreporter.line("no request was seen; --lifecycle observes tests that use no lifecycle fixture too")

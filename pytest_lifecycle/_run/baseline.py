"""``--lifecycle-baseline``: the requests of every test are what they were.

A test is compared as its function ends, where it runs, so that it is the test that fails. What comes later (requests
as fixtures are torn down, those of fixtures of a wider scope, those that were not made) goes to where the run is summed
up.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import pytest

from .._show.escape import escape, shown
from .._suite.baseline import Baseline, read
from .._suite.causes import ASPECTS, COMPARED, LOST, Nearby
from .._suite.changes import CHANGED, NEW, VANISHED, Comparison, Finding, Group, titled
from .._suite.files import FileProblem, short
from .._suite.lines import Line, line_of
from .._suite.record import TEARDOWN, path_of, record_of
from .collected import Collected
from .collecting import Collecting
from .options import named_baseline
from .saying import say

if TYPE_CHECKING:
    from .._trace.trace import Trace

ATTRIBUTE: Final = "lifecycle_baseline"
"""Where a test's last report carries what was found; such attributes come through xdist."""

SECTION: Final = "lifecycle baseline"

FOUND: Final = pytest.StashKey[list[Finding]]()
"""What was found of a test until its function ended."""

FINISHED: Final = pytest.StashKey[bool]()
"""Whether a test's function ran to its end, so that what it did not ask for has vanished."""

NEARBY: Final = pytest.StashKey[dict[str, Nearby]]()
"""The routes that nearly took a test's requests, by method and path."""

LENGTH: Final = 1000
"""How many characters a line of a report has at most."""

LIMIT: Final = 20
"""How many lines of a kind the summary has at most."""


def configured(config: pytest.Config, collecting: Collecting, *, is_worker: bool) -> object:
    """Make the plugin that compares, or the one that writes.

    Raises:
        pytest.UsageError: Options do not go together, or the file is not there or no baseline.
    """
    is_strict, updates = config.getoption("lifecycle_strict"), config.getoption("lifecycle_update")
    path = baseline_path(config)
    if path is None:
        option = "--lifecycle-update" if updates else "--lifecycle-strict"
        raise pytest.UsageError(
            f"{option} needs a baseline. Name its file with --lifecycle-baseline=PATH or in the ini file with"
            " lifecycle_baseline."
        )
    if is_strict and updates:
        raise pytest.UsageError(
            "--lifecycle-strict compares with the baseline, and --lifecycle-update writes it. Give one of them."
        )
    compared = _compared(config)
    collected = Collected()
    config.pluginmanager.register(collected, "lifecycle-collected")
    if updates:
        from .recording import Recording

        return Recording.configured(path, collecting, collected, is_worker=is_worker)
    try:
        comparison = Comparison(compared, bool(is_strict))
        return Baselining(path, read(path), comparison, collecting, collected, is_worker=is_worker)
    except FileProblem as problem:
        raise pytest.UsageError(str(problem)) from None


def baseline_path(config: pytest.Config) -> Path | None:
    """Give the baseline's file: the command line's is relative to where pytest was started, the ini file's to it."""
    named = named_baseline(config)
    if not named:
        return None
    from_command_line = config.getoption("lifecycle_baseline") is not None
    return (config.invocation_params.dir if from_command_line else config.rootpath) / named


def _compared(config: pytest.Config) -> frozenset[str]:
    where = f"{config.inipath or 'command line'}: config option 'lifecycle_baseline_compare'"
    names = f"a list of names out of {', '.join(ASPECTS)}"
    try:
        given: list[str] = config.getini("lifecycle_baseline_compare")
    except (ValueError, TypeError, pytest.UsageError) as error:  # which one depends on pytest's version
        raise pytest.UsageError(f"{where} expects {names}: {error}.") from error
    unknown = [name for name in given if name not in ASPECTS]
    if unknown:
        raise pytest.UsageError(f"{where} expects {names}, got {unknown[0]!r}.")
    return frozenset(given or COMPARED)


@final
class Baselining:
    """Compares the requests of every test with those recorded.

    Args:
        path: The baseline's file, for messages.
        baseline: What is expected.
        comparison: What is compared.
        collecting: Has the requests.
        collected: Knows which tests there are.
        is_worker: Whether this process only runs tests, for another one that sums up.

    Attributes:
        findings: All that was found, sorted; complete once the session finishes, and empty in a worker.
    """

    def __init__(
        self,
        path: Path,
        baseline: Baseline,
        comparison: Comparison,
        collecting: Collecting,
        collected: Collected,
        *,
        is_worker: bool,
    ) -> None:
        self.findings: list[Finding] = []
        self._shown = escape(short(path))
        self._baseline = baseline
        self._comparison = comparison
        self._collecting = collecting
        self._collected = collected
        self._is_worker = is_worker
        self._raised: BaseException | None = None
        self._found: dict[str, list[Finding]] = {}

    # -- in the process that runs the test

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a test that passed, and whose requests have changed."""
        result = yield
        item.stash[FOUND] = self._compare(item, [line for line in self._expected(item) if line.when == TEARDOWN])
        failing = [finding for finding in item.stash[FOUND] if finding.fails]
        if failing:
            self._raised = pytest.fail.Exception(self._told(failing), pytrace=False)
            raise self._raised
        return result

    def _compare(self, item: pytest.Item, awaited: Collection[Line]) -> list[Finding]:
        """Compare what a test has asked for so far; what it may yet ask for has not vanished."""
        return [finding for finding in self._compare_all(item, awaited) if finding.kind != VANISHED]

    def _compare_all(self, item: pytest.Item, awaited: Collection[Line]) -> list[Finding]:
        return self._comparison.findings(
            self._collecting.nodeid_of(item),
            self._expected(item),
            self._collecting.of(item),
            nearby=_nearby_of(item),
            awaited=awaited,
        )

    def _expected(self, item: pytest.Item) -> tuple[Line, ...]:
        return self._baseline.tests.get(self._collecting.nodeid_of(item), ())

    def pytest_lifecycle_trace(self, item: pytest.Item, trace: Trace) -> None:
        """Keep what the router had instead for a request which no route took, where one was expected to."""
        if trace.outcome in LOST and line_of(record_of(trace)) not in self._expected(item):
            _nearby_of(item)[f"{trace.method} {path_of(trace)}"] = Nearby(
                next(iter(trace.nearest), None), _named(trace)
            )

    def _told(self, findings: Iterable[Finding]) -> str:
        lines = [shown(f"lifecycle: {_WORDS[finding.kind]}{finding}", LENGTH) for finding in findings]
        return "\n".join([*lines, f"The baseline is {self._shown}."])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell of changes on the report of a test that failed anyway; send all that was found at its end."""
        report = yield
        is_ours = self._raised is not None and call.excinfo is not None and call.excinfo.value is self._raised
        if report.when == "call":
            item.stash[FINISHED] = report.passed or is_ours or hasattr(report, "wasxfail")
        if report.failed and not is_ours and report.when != "teardown":
            item.stash[FOUND] = self._compare(item, self._expected(item))
            changed = [finding for finding in item.stash[FOUND] if finding.fails]
            if changed:
                report.sections.append((SECTION, self._told(changed)))
        self._raised = None
        if report.when == "teardown":
            vars(report)[ATTRIBUTE] = [finding.to_json() for finding in self._found_of(item)]
        return report

    def _found_of(self, item: pytest.Item) -> Iterator[Finding]:
        """Give all that was found of a test, that of its function as it was told then."""
        told = item.stash.get(FOUND, [])
        lines = {finding.seen for finding in told}
        is_finished = item.stash.get(FINISHED, False)
        yield from told
        for finding in self._compare_all(item, () if is_finished else self._expected(item)):
            if is_finished if finding.kind == VANISHED else finding.seen not in lines:
                yield finding
        item.stash[FOUND], item.stash[FINISHED] = [], False  # the test may be run again

    # -- in the process that sums up

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what was found of a test off its last report."""
        if not self._is_worker and ATTRIBUTE in vars(report):
            self._found[report.nodeid] = [Finding.from_json(values) for values in vars(report).pop(ATTRIBUTE)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare the fixtures of a wider scope; fail a run that has changed outside of tests' functions, too."""
        if self._is_worker:
            return
        found = [finding for findings in self._found.values() for finding in findings]
        found += self._found_of_fixtures()
        found += self._found_of_gone(session.config)
        self.findings = sorted(found, key=lambda finding: (finding.kind, finding.request, finding.cause, finding.maker))
        if self._fails and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _found_of_fixtures(self) -> Iterator[Finding]:
        """Compare the fixtures of a wider scope; what they did not ask for has vanished where every test was run."""
        suite, expected = self._collecting.suite, self._baseline.fixtures
        is_whole = self._baseline.tests.keys() <= suite.tests.keys() - suite.unfinished
        for name in {**expected, **suite.fixtures} if is_whole else suite.fixtures:
            records = suite.fixtures.get(name, {})
            lines = expected.get(name, ())
            awaited = () if is_whole else lines
            for finding in self._comparison.findings(name, lines, records, is_fixture=True, awaited=awaited):
                if is_whole or finding.kind != VANISHED:
                    yield finding

    def _found_of_gone(self, config: pytest.Config) -> Iterator[Finding]:
        """Give what tests asked for that are gone from their files."""
        for nodeid, lines in self._baseline.tests.items():
            if self._collected.lacks(nodeid, config):
                yield from self._comparison.findings(nodeid, lines, ())

    @property
    def _fails(self) -> bool:
        return any(finding.fails for finding in self.findings)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what has changed, each cause once."""
        if not self.findings:
            count = sum(1 for _ in self._collecting.suite.records())
            say(terminalreporter, [f"{count} requests are as in the baseline {self._shown}"])
            return
        terminalreporter.section(SECTION, red=self._fails, yellow=not self._fails)
        for title, groups in titled(self.findings):
            for line in _listed(title, groups):
                terminalreporter.line(line)
        terminalreporter.line("Where this is as it should be, write it with --lifecycle-update.")


def _nearby_of(item: pytest.Item) -> dict[str, Nearby]:
    return item.stash.setdefault(NEARBY, {})


def _named(trace: Trace) -> dict[str, str]:
    """Give the routes that take a request's method by the last part of their names, where that tells one."""
    found: dict[str, set[str]] = {}
    for route in trace.candidates:
        if route.name and (not route.methods or trace.method in route.methods):
            found.setdefault(route.name.rpartition(".")[2], set()).add(route.pattern)
    return {name: patterns.pop() for name, patterns in found.items() if len(patterns) == 1}


_WORDS: Final = {CHANGED: "", NEW: "new: ", VANISHED: "vanished: "}


def _listed(title: str, groups: list[Group]) -> Iterator[str]:
    yield title
    for group in groups[:LIMIT]:
        yield shown(f"  {group}", LENGTH)
        yield from (shown(f"    of these: {part}", LENGTH) for part in group.parts[:LIMIT])
    if len(groups) > LIMIT:
        yield f"  and {len(groups) - LIMIT} more"

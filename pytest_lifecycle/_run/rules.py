"""``lifecycle_rules``: what holds for every request, looked at as tests make them.

A violation fails the test as its function ends. What it is too late for then, or what belongs to no single test, goes
to where the run is summed up, on the test's last report; so do the names that requests have shown.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, final

import pytest

from .._errors import LifecycleError
from .._show.escape import escape
from .._suite.rules.ruleset import Rule, Ruleset
from .._suite.rules.steps import Sightings
from .._suite.rules.violation import Violation, Violations, broken_of, told
from .collecting import Collecting
from .options import rules_in_ini
from .selection import is_whole_suite

if TYPE_CHECKING:
    from .._trace.trace import Trace

ATTRIBUTE: Final = "lifecycle_rules"
"""Where a test's last report carries what the summary needs; such attributes come through xdist."""

SECTION: Final = "lifecycle rules"

UNTOLD: Final = pytest.StashKey[Violations]()
"""The violations of a test that nobody was told of yet."""

BROKEN: Final = pytest.StashKey[dict[str, Violations]]()
"""All violations while a test ran, by who made the requests."""


@final
class RuleChecking:
    """Looks at every request of every test.

    Args:
        rules: The rules.
        collecting: Knows which fixture of a wider scope makes a request.
        is_worker: Whether this process only runs tests, for another one that sums up.

    Attributes:
        broken: All violations of the run, by who made the requests; empty in a worker.
        missing: What rules name and no request showed, as sentences; complete once the session finishes.
        is_whole: Whether all tests were run, so that what is missing is a failure.
    """

    def __init__(self, rules: Ruleset, collecting: Collecting, *, is_worker: bool) -> None:
        self.broken: dict[str, Violations] = {}
        self.missing: list[str] = []
        self.is_whole = True
        self._rules = rules
        self._collecting = collecting
        self._is_worker = is_worker
        self._sightings = Sightings(mention for _, mentions in rules.mentions() for mention in mentions)
        self._late: dict[str, Violations] = {}
        self._raised: BaseException | None = None
        self._lifespans: list[Trace] = []
        self._untold: dict[str, Violations] = {}
        self._is_part = False
        self._fails = False

    @classmethod
    def configured(cls, config: pytest.Config, collecting: Collecting, *, is_worker: bool) -> Self:
        """Make it as the configuration says.

        Raises:
            pytest.UsageError: A rule cannot be understood.
        """
        return cls(read_rules(config), collecting, is_worker=is_worker)

    # -- in the process that runs the test

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note that not all tests are run: by an option, or by a plugin that parts the suite."""
        self._is_part = self._is_part or bool(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Listen to lifespans, of which hooks are not told."""
        from .._session import subscribe, unsubscribe

        subscribe(self._keep_lifespan)
        try:
            return (yield)
        finally:
            unsubscribe(self._keep_lifespan)

    def _keep_lifespan(self, trace: Trace) -> None:
        if trace.protocol == "lifespan" and trace.warnings:
            self._lifespans.append(trace)

    def pytest_lifecycle_trace(self, item: pytest.Item, trace: Trace) -> None:
        """Look at a request."""
        self._sightings.look_at(trace)
        self._keep(item, self._rules.violations(trace))

    def _keep(self, item: pytest.Item, violations: Iterable[Violation]) -> None:
        fixture = self._collecting.fixture
        known = self._late.setdefault(fixture, Violations()) if fixture else _untold_of(item)
        maker = fixture or self._collecting.nodeid_of(item)
        for violation in violations:
            known.add(violation)
            item.stash.setdefault(BROKEN, {}).setdefault(maker, Violations()).add(violation)

    def _look_at_lifespans(self, item: pytest.Item) -> None:
        while self._lifespans:
            self._keep(item, self._rules.lifespan_violations(self._lifespans.pop(0)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a test that passed, and whose requests did not keep a rule."""
        result = yield
        self._look_at_lifespans(item)
        untold = _untold_of(item)
        if untold:
            self._raised = pytest.fail.Exception(_told(untold), pytrace=False)
            raise self._raised
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell of violations on the report of a test that failed anyway; send on what is left at its end."""
        report = yield
        self._look_at_lifespans(item)
        untold = _untold_of(item)
        is_told = self._raised is not None and call.excinfo is not None and call.excinfo.value is self._raised
        if untold and report.failed and not is_told:
            report.sections.append((SECTION, _told(untold)))
        if report.failed or is_told:
            del item.stash[UNTOLD]
        self._raised = None
        if report.when == "teardown":
            vars(report)[ATTRIBUTE] = self._left_of(item)
        return report

    def _left_of(self, item: pytest.Item) -> dict[str, Any]:
        """Give what a test leaves to the summary, and forget it."""
        late, self._late = {**self._late, item.nodeid: _untold_of(item)}, {}
        broken = item.stash.get(BROKEN, {})
        item.stash[BROKEN] = {}
        del item.stash[UNTOLD]
        return {
            "is_part": self._is_part,
            "seen": self._sightings.take_fresh(),
            "late": {name: found.to_json() for name, found in late.items() if found},
            "broken": {name: found.to_json() for name, found in broken.items()},
        }

    # -- in the process that sums up

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test's last report brings."""
        if self._is_worker or ATTRIBUTE not in vars(report):
            return
        brought: dict[str, Any] = vars(report).pop(ATTRIBUTE)
        self._is_part = self._is_part or brought["is_part"]
        self._sightings.add((noun, name) for noun, name in brought["seen"])
        for kept, sent in ((self._untold, brought["late"]), (self.broken, brought["broken"])):
            for name, found in sent.items():
                known = kept.setdefault(name, Violations())
                for violation in found:
                    known.add(Violation(**violation))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that broke a rule outside of a test's function, or that names what no request showed."""
        if self._is_worker:
            return
        if self._sightings.has_requests:
            self.missing = [
                f"rule '{rule}': {said}"
                for rule, mentions in self._rules.mentions()
                for said in self._sightings.missing(mentions)
            ]
        self.is_whole = is_whole_suite(session) and not self._is_part
        self._fails = bool(self._untold) or (bool(self.missing) and self.is_whole)
        if self._fails and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say so."""
        part = ["Only part of the suite was run: that is no failure."] if self.missing and not self.is_whole else []
        lines = [*self.missing, *part, *_told_late(self._untold)]
        if lines:
            terminalreporter.section(SECTION, red=self._fails, yellow=not self._fails)
        for line in lines:
            terminalreporter.line(escape(line))


def _untold_of(item: pytest.Item) -> Violations:
    return item.stash.setdefault(UNTOLD, Violations())


def _told(untold: Violations) -> str:
    return "\n".join(map(escape, untold.lines()))


def _told_late(untold: dict[str, Violations]) -> Iterator[str]:
    """Tell of violations outside of tests' functions, each rule once, and who made the requests."""
    for broken in broken_of(untold):
        yield from told(broken.first)
        yield f"  outside of a test's function, by {broken.extent}"


def read_rules(config: pytest.Config) -> Ruleset:
    """Read the rules of the configuration and of conftest.

    Raises:
        pytest.UsageError: One of them cannot be understood.
    """
    given: list[str | Rule] = [line for line in rules_in_ini(config) if not line.startswith("#")]
    for rules in config.hook.pytest_lifecycle_rules(config=config):
        if isinstance(rules, str | Rule) or not isinstance(rules, Iterable):
            raise pytest.UsageError(f"pytest_lifecycle_rules: expected a list of rules, got {rules!r}.")
        given += rules
    try:
        return Ruleset.read(given)
    except LifecycleError as problem:
        raise pytest.UsageError(f"lifecycle: {problem}") from problem

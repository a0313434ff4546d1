"""The requests of every test, brought to where the run is summed up.

A test's requests travel with its last report: so it makes no difference whether tests run here or in xdist's workers,
and what a worker saw until it died is there.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, final

import pytest

from .._collect import deliver
from .._suite.record import TEARDOWN, Record, record_of
from .._suite.suite import Suite

if TYPE_CHECKING:
    from .._trace.trace import Trace

ATTRIBUTE: Final = "lifecycle_requests"
"""Where a test's last report carries its requests; such attributes come through xdist."""

Requests = dict[str, list[Record]]
"""Requests by who made them: an empty string for the test itself, or the name of a fixture of a wider scope."""

REQUESTS: Final = pytest.StashKey[Requests]()

NODEID: Final = pytest.StashKey[str]()
"""A test's node id as it was collected: pytest-xdist adds the name of a group to it."""

UNFINISHED: Final = pytest.StashKey[bool]()
"""Set on a test that failed or was skipped."""


@final
class Collecting:
    """Keeps a record of every observed request.

    Args:
        is_worker: Whether this process only runs tests, for another one that sums up.

    Attributes:
        suite: All of the run; empty in a worker.
    """

    NAME: Final = "lifecycle-collecting"

    def __init__(self, *, is_worker: bool) -> None:
        self.suite = Suite()
        self._is_worker = is_worker
        self._item: pytest.Item | None = None
        self._fixture = ""
        self._when: str | None = None

    @property
    def fixture(self) -> str:
        """The fixture of a wider scope that made the requests that hooks are told of; empty for the test itself."""
        return self._fixture

    @staticmethod
    def of(item: pytest.Item) -> list[Record]:
        """Give the requests that this test itself has made so far, oldest first."""
        return item.stash.get(REQUESTS, {}).get("", [])

    @staticmethod
    def nodeid_of(item: pytest.Item) -> str:
        """Give a test's node id, the same however tests are spread over processes."""
        return item.stash.get(NODEID, item.nodeid)

    # -- in the process that runs the test

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Keep a test's node id."""
        item.stash[NODEID] = item.nodeid

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Begin a test."""
        self._item = item
        item.stash[REQUESTS] = {}
        item.stash[UNFINISHED] = False
        try:
            return (yield)
        finally:
            self._item = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Note that a test begins, or begins again."""
        self._when = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        """Note that a test's function has ended."""
        self._when = TEARDOWN

    def pytest_lifecycle_trace(self, item: pytest.Item, trace: Trace) -> None:
        """Keep what is to be kept of a request."""
        record = record_of(trace, None if self._fixture else self._when)
        item.stash.setdefault(REQUESTS, {}).setdefault(self._fixture, []).append(record)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Tell what a fixture of a wider scope asks for from what the test does that needs it first."""
        if self._item is None or fixturedef.scope == "function":
            return (yield)
        deliver(self._item)
        try:
            return (yield)
        finally:
            self._deliver_for(fixturedef)

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Tell what a fixture's end asks for."""
        if self._item is not None:
            self._deliver_for(fixturedef)

    def _deliver_for(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        assert self._item is not None
        self._fixture = "" if fixturedef.scope == "function" else f"{fixturedef.baseid}::{fixturedef.argname}"
        try:
            deliver(self._item)
        finally:
            self._fixture = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send a test's requests with its last report."""
        report = yield
        if report.failed or (report.skipped and not hasattr(report, "wasxfail")):
            item.stash[UNFINISHED] = True
        if report.when == "teardown":
            requests = item.stash.get(REQUESTS, {})
            vars(report)[ATTRIBUTE] = {
                "nodeid": self.nodeid_of(item),
                "is_finished": not item.stash.get(UNFINISHED, False),
                "requests": {maker: [record.to_json() for record in records] for maker, records in requests.items()},
            }
        return report

    # -- in the process that sums up

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test's requests off its report, which others keep to the end of the run."""
        if self._is_worker or ATTRIBUTE not in vars(report):
            return
        brought: dict[str, Any] = vars(report).pop(ATTRIBUTE)
        requests: dict[str, list[dict[str, Any]]] = brought["requests"]
        own = map(Record.from_json, requests.get("", ()))
        self.suite.add_test(brought["nodeid"], own, is_finished=brought["is_finished"])
        for maker, records in requests.items():
            if maker:
                self.suite.add_fixture(maker, map(Record.from_json, records))

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """Note a test that took its worker with it (pytest-xdist)."""
        self.suite.lost.append(crashitem)

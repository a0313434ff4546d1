"""What the apps of a run declare, brought to where the run is summed up.

An app is read as the first request to it ends: whatever built it, and whatever settings were in effect.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, final

import pytest

from .. import _session as observer
from .._suite.suite import Suite
from .._trace.declared import Declared

if TYPE_CHECKING:
    from .._trace.trace import Trace

ATTRIBUTE: Final = "lifecycle_declared"
"""Where a test's last report carries what apps declare; such attributes come through xdist."""


@final
class Declaring:
    """Reads each app that requests go to. Nothing keeps it alive.

    Args:
        suite: What to add to; complete only in the process that the user started.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._apps: dict[int, tuple[weakref.ref[object], object]] = {}
        self._sent: set[Declared] = set()
        self._unsent: list[Declared] = []
        self._failed: dict[str, None] = {}

    # -- in the process that runs the tests

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Look at every trace."""
        observer.subscribe(self._look)
        try:
            return (yield)
        finally:
            observer.unsubscribe(self._look)

    def _look(self, trace: Trace) -> None:
        """Read the app of a trace, unless that was done. Called in whatever thread the request ended."""
        reference = trace._exchange.app
        app = None if reference is None else reference()
        if reference is None or app is None:
            return
        known = self._apps.get(id(app))
        try:
            state = observer.declared_state(app)
            if known is not None and known[0]() is app and known[1] == state:
                return
            declared = observer.declared(app)
        except Exception as fault:  # an adapter's: it may not fail a request
            said = f"what {type(app).__qualname__} declares cannot be told: {type(fault).__name__}: {fault}"
            self._failed[said] = None
            state, declared = None, None
        if known is None:
            weakref.finalize(app, self._apps.pop, id(app), None).atexit = False
        self._apps[id(app)] = (reference, state)
        if declared is not None and declared not in self._sent:
            self._sent.add(declared)
            self._unsent.append(declared)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what is new with a test's last report."""
        report = yield
        if report.when == "teardown" and (self._unsent or self._failed):
            unsent, self._unsent = self._unsent, []
            failed, self._failed = self._failed, {}
            vars(report)[ATTRIBUTE] = {"apps": [declared.to_json() for declared in unsent], "failed": list(failed)}
        return report

    # -- in the process that sums up

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take it."""
        sent: dict[str, Any] = vars(report).get(ATTRIBUTE, {})
        for declared in sent.get("apps", ()):
            self._suite.add_declared(Declared.from_json(declared))
        for failed in sent.get("failed", ()):
            self._suite.unread[failed] = None

"""pytest's hooks: each takes, lets another module work, and gives. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from . import _settings
from ._collect import ITEM, RUNNING, deliver, is_observed, observe, prepare
from ._fixtures import (
    _lifecycle_item,
    async_lifecycle,
    lifecycle,
    lifecycle_app,
    lifecycle_client,
    lifecycle_traces,
    lifecycle_unused_overrides,
)
from ._run import options
from ._settings import SETTINGS

if TYPE_CHECKING:
    from ._show.redact import Redactor

__tracebackhide__ = True  # a fixture's or a test's error is shown without the hooks around it

__all__ = [
    "_lifecycle_item",
    "async_lifecycle",
    "lifecycle",
    "lifecycle_app",
    "lifecycle_client",
    "lifecycle_traces",
    "lifecycle_unused_overrides",
]

REDACTOR: pytest.StashKey[Redactor] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    _settings.declare(parser)
    options.declare(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the plugin's own hooks."""
    from . import _hookspecs

    pluginmanager.add_hookspecs(_hookspecs)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Say so where what a `conftest.py` asks for comes too late."""
    options.check_is_in_time(plugin, manager.get_plugin("pytestconfig"))


def pytest_configure(config: pytest.Config) -> None:
    """Read and check the settings."""
    settings = _settings.read(config)
    if options.watches_suite(config):
        settings = replace(settings, observes_all=True)
    config.stash[SETTINGS] = settings
    if settings.redact or settings.redact_allow:
        from ._show.redact import ACTIVE

        config.stash[REDACTOR] = ACTIVE.set(settings.redactor())
    if settings.shows_passed and not hasattr(config, "workerinput"):
        from ._shown import ShownRequests

        config.pluginmanager.register(ShownRequests(), "lifecycle-shown")
    options.register(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put back what redacted before this run."""
    before = config.stash.get(REDACTOR, None)
    if before is not None:
        from ._show.redact import ACTIVE

        ACTIVE.set(before)
        del config.stash[REDACTOR]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say so when every test is observed."""
    return "lifecycle: observes every request of every test" if config.stash[SETTINGS].observes_all else None


# -- a test's three phases


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Start afresh; observe from the first fixture on: what it starts (threads, servers) is to be seen, too."""
    if ITEM in item.stash:  # the test was run before, by a plugin that runs it again
        del item.stash[ITEM]
    fault = _observe_if_asked(item)
    try:
        result = yield
    finally:
        deliver(item)
    if fault is not None:
        raise fault  # only now: other plugins tear down what they set up, so their setup has to run
    return result


def _observe_if_asked(item: pytest.Item) -> Exception | None:
    if is_observed(item):
        try:
            observe(item)
        except Exception as fault:
            return fault
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Where every test is observed, do not begin anew with each."""
    if not session.config.stash[SETTINGS].observes_all:
        return (yield)
    from . import _session
    from ._errors import LifecycleError

    prepare(session.config)
    with ExitStack() as stack:
        with suppress(LifecycleError):  # each test says so, too
            stack.enter_context(_session.whole_run())
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Close what the test's fixtures opened for it inside its own coroutine."""
    traces = item.stash.get(ITEM, None)
    if traces is None:
        return (yield)
    from ._around import around_test

    try:
        with around_test(item, traces):
            return (yield)
    finally:
        deliver(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Stop observing after the last fixture is closed."""
    try:
        return (yield)
    finally:
        traces = item.stash.get(ITEM, None)
        if traces is not None and traces.is_held:  # every fixture of ours has let go by now
            traces.release()
        deliver(item)
        driving = sys.modules.get("pytest_lifecycle._drive.loop")
        if driving is not None:
            driving.close_abandoned()


# -- reports


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the requests of a failed test to its report."""
    report = yield
    traces = item.stash.get(ITEM, None)
    if traces is not None:
        from ._shown import add_requests

        add_requests(report, traces, item.config.stash[SETTINGS])
        if report.when == "teardown":
            del item.stash[ITEM], item.config.stash[RUNNING]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the requests of a test that was interrupted: where one hung is what the user wants to know."""
    interrupted = config.stash.get(RUNNING, None)
    if interrupted is not None:
        from ._shown import show_interrupted

        show_interrupted(terminalreporter, interrupted, config.stash[SETTINGS])


@pytest.hookimpl(wrapper=True)
def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> Generator[None, list[Iterable[str]], list[Iterable[str]]]:
    """Explain how two paths differ, and why the request ended as it did."""
    explained = yield
    if "pytest_lifecycle._trace.trace" not in sys.modules:
        return explained
    from ._compared import explanation

    running = config.stash.get(RUNNING, None)
    given = next((list(lines) for lines in explained if lines), [])
    ours = explanation(op, left, right, given, running.traces if running is not None else [])
    return [ours, *explained] if ours else [given, *explained]

"""The options of what looks at a whole run, and which of its plugins they ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from .collecting import Collecting

COVERAGE: Final = ("lifecycle_cov", "lifecycle_cov_report", "lifecycle_cov_fail_under")
ASKING: Final = ("lifecycle_report", "lifecycle_junit", *COVERAGE, "lifecycle_map", "lifecycle_github")
"""The command line options each of which has every request of every test observed."""

RULES_READ: Final = pytest.StashKey[bool]()
"""Set once all rules were read."""


def declare(parser: pytest.Parser) -> None:
    """Declare the options of the command line and of the ini file."""
    group = parser.getgroup("lifecycle")
    group.addoption(
        "--lifecycle-report",
        action="append",
        default=[],
        metavar="json:PATH",
        help="write every request of every test to a file",
    )
    group.addoption(
        "--lifecycle-junit",
        action="store_true",
        help="add every request of every test to the properties of its case in JUnit XML",
    )
    group.addoption(
        "--lifecycle-github",
        action="store_true",
        help="add to the summary of a step of GitHub Actions, and annotate what fails",
    )
    parser.addini("lifecycle_rules", "what holds for every request, a rule a line", "linelist", [])
    _declare_baseline(parser, group)
    _declare_coverage(parser, group)


def _declare_baseline(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--lifecycle-baseline",
        metavar="PATH",
        help="compare the requests of every test with those recorded in a file",
    )
    group.addoption(
        "--lifecycle-update",
        action="store_true",
        help="write what the baseline expects of the tests that run, instead of comparing",
    )
    group.addoption(
        "--lifecycle-strict",
        action="store_true",
        help="fail on requests that the baseline does not hold, and on those that are no longer made",
    )
    parser.addini("lifecycle_baseline", "the file of --lifecycle-baseline, relative to the root folder", "string", "")
    parser.addini("lifecycle_baseline_compare", "what fails a test when it differs from the baseline", "args", [])


def _declare_coverage(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption("--lifecycle-cov", action="store_true", help="show which routes the tests reached, and how")
    group.addoption(
        "--lifecycle-cov-report",
        action="append",
        default=[],
        metavar="KIND:PATH",
        help="write the same to a file: json:PATH or md:PATH",
    )
    group.addoption(
        "--lifecycle-cov-fail-under",
        type=float,
        metavar="N",
        help="fail if less than so many percent of the routes were reached",
    )
    group.addoption(
        "--lifecycle-map",
        metavar="PATH",
        help="write the routes and the middleware that the app declares to a .json or .md file; - to the terminal",
    )
    parser.addini("lifecycle_cov_omit", "patterns of routes that coverage leaves out; '*' is a wildcard", "args", [])


def watches_suite(config: pytest.Config) -> bool:
    """Whether something is asked for that needs every request of every test."""
    return any(_is_given(config, name) for name in ASKING) or has_rules(config) or asks_for_baseline(config)


def _is_given(config: pytest.Config, name: str) -> bool:
    return config.getoption(name) not in (None, False, [])


def has_rules(config: pytest.Config) -> bool:
    """Whether there are rules that every request has to keep."""
    return bool(rules_in_ini(config) or config.hook.pytest_lifecycle_rules.get_hookimpls())


def rules_in_ini(config: pytest.Config) -> list[str]:
    """Read `lifecycle_rules`.

    Raises:
        pytest.UsageError: It is no list of strings.
    """
    try:
        found: list[str] = config.getini("lifecycle_rules")
    except (ValueError, TypeError, pytest.UsageError) as error:  # which one depends on pytest's version
        where = config.inipath or "command line"
        raise pytest.UsageError(
            f"{where}: config option 'lifecycle_rules' expects a list of rules: {error}."
        ) from error
    return found


def check_is_in_time(plugin: object, config: pytest.Config | None) -> None:
    """See that a plugin has no rules that come too late: pytest reads most `conftest.py` only as it collects tests.

    Raises:
        pytest.Collector.CollectError: It has.
    """
    if config is not None and RULES_READ in config.stash and hasattr(plugin, "pytest_lifecycle_rules"):
        raise pytest.Collector.CollectError(
            f"lifecycle: pytest has read {getattr(plugin, '__file__', plugin)} only as it collected tests, too late for"
            " its pytest_lifecycle_rules. Move them to the conftest.py of the folder where pytest is started."
        )


def asks_for_baseline(config: pytest.Config) -> bool:
    """Whether requests are compared with a baseline, or one is written."""
    return any(map(config.getoption, ("lifecycle_update", "lifecycle_strict"))) or named_baseline(config) != ""


def named_baseline(config: pytest.Config) -> str:
    """Give the baseline's file as the command line names it, or else the ini file; empty where none does.

    Raises:
        pytest.UsageError: The ini file's is no string.
    """
    given: str | None = config.getoption("lifecycle_baseline")
    if given is not None:
        return given
    try:
        found: str = config.getini("lifecycle_baseline")
    except (ValueError, TypeError, pytest.UsageError) as error:  # which one depends on pytest's version
        where = config.inipath or "command line"
        raise pytest.UsageError(f"{where}: config option 'lifecycle_baseline' expects a path: {error}.") from error
    return found


def register(config: pytest.Config) -> None:
    """Register the plugins that the options ask for, and what collects for them.

    Raises:
        pytest.UsageError: An option has a value it cannot have, or does not go with another.
    """
    config.stash[RULES_READ] = True
    if not watches_suite(config):
        return
    from .collecting import Collecting
    from .declaring import Declaring

    collecting = Collecting(is_worker=is_worker(config))
    config.pluginmanager.register(collecting, Collecting.NAME)
    config.pluginmanager.register(Declaring(collecting.suite), "lifecycle-declaring")
    for plugin in _asked_for(config, collecting):
        config.pluginmanager.register(plugin, f"lifecycle-{type(plugin).__name__.lower()}")


def _asked_for(config: pytest.Config, collecting: Collecting) -> Iterator[object]:
    """Make the plugins that the options ask for, each in a file of its own."""
    if config.getoption("lifecycle_report") and not is_worker(config):
        from .report import Reporting

        yield Reporting.configured(config, collecting.suite)
    if any(_is_given(config, name) for name in COVERAGE) and not is_worker(config):
        from .coverage import RouteCoverage

        yield RouteCoverage.configured(config, collecting.suite)
    if _is_given(config, "lifecycle_map") and not is_worker(config):
        from .app_map import AppMap

        yield AppMap.configured(config, collecting.suite)
    if config.getoption("lifecycle_junit"):
        from .junit import JUnitProperties

        yield JUnitProperties()
    if has_rules(config):
        from .rules import RuleChecking

        yield RuleChecking.configured(config, collecting, is_worker=is_worker(config))
    if asks_for_baseline(config):
        from .baseline import configured

        yield configured(config, collecting, is_worker=is_worker(config))
    if config.getoption("lifecycle_github") and not is_worker(config):
        from .github import Annotating, StepSummary

        yield StepSummary(collecting.suite)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            yield Annotating(collecting.suite)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process only runs tests, for another one that sums up (pytest-xdist)."""
    return hasattr(config, "workerinput")

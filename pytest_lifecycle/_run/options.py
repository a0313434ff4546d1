"""The options of what looks at a whole run, and which of its plugins they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from .collecting import Collecting

COVERAGE: Final = ("lifecycle_cov", "lifecycle_cov_report", "lifecycle_cov_fail_under")
ASKING: Final = ("lifecycle_report", *COVERAGE, "lifecycle_map")
"""The command line options each of which has every request of every test observed."""


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
    _declare_coverage(parser, group)


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
    return any(_is_given(config, name) for name in ASKING)


def _is_given(config: pytest.Config, name: str) -> bool:
    return config.getoption(name) not in (None, False, [])


def register(config: pytest.Config) -> None:
    """Register the plugins that the options ask for, and what collects for them.

    Raises:
        pytest.UsageError: An option has a value it cannot have, or does not go with another.
    """
    if not watches_suite(config):
        return
    from .collecting import Collecting
    from .declaring import Declaring

    collecting = Collecting()
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


def is_worker(config: pytest.Config) -> bool:
    """Whether this process only runs tests, for another one that sums up (pytest-xdist)."""
    return hasattr(config, "workerinput")

"""The plugin's own hooks. Implement them in a `conftest.py` or in a plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from ._observe.contract import Adapter
    from ._suite.rules.ruleset import Rule
    from ._trace.trace import Trace


def pytest_lifecycle_adapters(config: pytest.Config) -> Iterable[Adapter]:  # type: ignore[empty-body]  # a spec
    """Give adapters for libraries that pytest-lifecycle does not know.

    Called once per run, before anything is observed for the first time.

    Args:
        config: pytest's configuration; leave it out where it is not needed.
    """


def pytest_lifecycle_rules(config: pytest.Config) -> Iterable[str | Rule]:  # type: ignore[empty-body]  # a spec
    """Give rules that every observed request has to keep, beside those of `lifecycle_rules`.

    Called once as pytest starts, so it has to stand in a plugin or in a `conftest.py` that pytest reads then: that of
    the folder where it is started, or of one of its `testpaths`. To have rules is to have every test observed.

    Args:
        config: pytest's configuration; leave it out where it is not needed.
    """


def pytest_lifecycle_trace(item: pytest.Item, trace: Trace) -> None:
    """Look at a finished trace of a test.

    Called on the test's thread for every request and every WebSocket of the test that was observed, whatever client
    made it, in the order in which they finished: after the test's setup, after its call and after its teardown. What an
    implementation raises fails the test.

    Args:
        item: The test.
        trace: One request's trace, or one WebSocket's.
    """

"""``--lifecycle-map``: what the app declares, without a request where that can be."""

from __future__ import annotations

from pathlib import Path
from typing import Self, final

import pytest

from .. import _session as observer
from .._collect import prepare
from .._errors import LifecycleError
from .._suite.coverage_table import map_json, map_markdown
from .._suite.files import FileProblem, write_whole
from .._suite.suite import Suite
from .._trace.declared import Declared
from .saying import say

WRITERS = {".json": map_json, ".md": map_markdown}
TERMINAL = "-"


@final
class AppMap:
    """Writes the map as the run ends.

    Args:
        suite: The run, for the apps that requests went to.
        path: Where to; None: to the terminal.
    """

    def __init__(self, suite: Suite, path: Path | None) -> None:
        self._suite = suite
        self._path = path
        self._said: list[str] = []
        self._shown = ""

    @classmethod
    def configured(cls, config: pytest.Config, suite: Suite) -> Self:
        """Make it as the command line says.

        Raises:
            pytest.UsageError: The format cannot be told from the path.
        """
        given = str(config.getoption("lifecycle_map"))
        if given == TERMINAL:
            return cls(suite, None)
        path = config.invocation_params.dir / given
        if path.suffix not in WRITERS:
            raise pytest.UsageError(f"--lifecycle-map={given}: expected a path that ends in .json or .md, or -.")
        return cls(suite, path)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it."""
        try:
            found = _declared(session.config)
            declared = self._suite.declared if found is None else Declared.union([found])
            if self._path is None:
                self._shown = map_markdown(declared)
            else:
                write_whole(self._path, WRITERS[self._path.suffix](declared))
                self._said.append(f"wrote {self._path}")
        except (LifecycleError, FileProblem, pytest.UsageError) as problem:
            self._said.append(str(problem))
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        if not declared.routes:
            self._said.append(
                "the map has no routes: name the app by the ini option lifecycle_app, or ask it something"
            )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show it, or say where it is."""
        if self._shown:
            terminalreporter.section("lifecycle: map")
            for line in self._shown.splitlines():
                terminalreporter.line(line)
        say(terminalreporter, self._said)


def _declared(config: pytest.Config) -> Declared | None:
    """Read the app that the settings name, ours or Django's; None where they name none."""
    from .._fixtures import configured_app

    app = configured_app(config)
    if app is None:
        return None
    prepare(config)
    return observer.declared(app)

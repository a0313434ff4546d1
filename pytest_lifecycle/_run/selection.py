"""Whether a run was of the whole suite."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

NARROWING: Final = ("keyword", "markexpr", "lf", "stepwise", "deselect", "ignore", "ignore_glob")
"""pytest's own options that leave tests out."""


def is_whole_suite(session: pytest.Session) -> bool:
    """Whether the run was asked for all tests, and came to its end."""
    config = session.config
    if any(config.getoption(name, None) for name in NARROWING):
        return False
    if session.shouldstop or session.shouldfail or session.exitstatus not in (pytest.ExitCode.OK, 1):
        return False
    return config.args_source is not config.ArgsSource.ARGS or _covers(config)


def _covers(config: pytest.Config) -> bool:
    """Whether what the command line names holds all that is run without: the `testpaths`, or else the root folder."""
    if any("::" in argument for argument in config.args):
        return False
    given = [_resolved(config.invocation_params.dir, argument) for argument in config.args]
    wanted = [_resolved(config.rootpath, path) for path in config.getini("testpaths") or ["."]]
    return all(any(path == folder or folder in path.parents for folder in given) for path in wanted)


def _resolved(folder: Path, path: str) -> Path:
    return (folder / path).resolve()

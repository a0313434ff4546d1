"""What plugins say in the summary that is about themselves: which file they wrote, or why they could not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from .._show.escape import escape


def say(terminalreporter: pytest.TerminalReporter, said: Iterable[str]) -> None:
    """Write each, with our name before it; nothing in it steers a terminal or a CI service."""
    for text in said:
        for line in f"lifecycle: {text}".split("\n"):
            terminalreporter.line(escape(line))

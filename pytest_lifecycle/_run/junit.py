"""``--lifecycle-junit``: the requests of each test as properties of its case in JUnit XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import pytest

from .._show.escape import shown
from .._suite.record import path_of

if TYPE_CHECKING:
    from .._trace.trace import Trace

PROPERTY: Final = "lifecycle"
LENGTH: Final = 1000
"""How many characters a property has at most."""


@final
class JUnitProperties:
    """Adds a property for each request; pytest's own plugin writes the file, and escapes what XML asks for."""

    def pytest_lifecycle_trace(self, item: pytest.Item, trace: Trace) -> None:
        """Add a request's line: what was asked for, how it ended, the way in."""
        line = f"{trace.method} {path_of(trace)} -> {trace.status} {trace.outcome}: {' > '.join(trace.path)}"
        item.user_properties.append((PROPERTY, shown(line, LENGTH)))

"""Which event source serves, and why not the other."""

from __future__ import annotations

import os

from .._compat import HAS_MONITORING
from .._errors import LifecycleError
from .monitoring import MonitoringSource, free_tool_ids, tool_holders
from .profiling import ProfilingSource
from .recorder import Recorder

ENGINE_VARIABLE = "PYTEST_LIFECYCLE_ENGINE"
"""Set to ``profiling`` or ``monitoring`` to choose the event source yourself."""


def engine_name() -> str:
    """Say which event source is to serve: ``"monitoring"`` or ``"profiling"``.

    Raises:
        LifecycleError: The environment asks for one that is not there.
    """
    asked = os.environ.get(ENGINE_VARIABLE, "")
    if asked not in ("", "monitoring", "profiling"):
        raise LifecycleError(
            f"{ENGINE_VARIABLE} is {asked!r}. Set it to 'monitoring' or 'profiling', or leave it out.",
            slug="unknown-engine",
        )
    if asked == "monitoring" and not HAS_MONITORING:
        raise LifecycleError(
            f"{ENGINE_VARIABLE} is 'monitoring', which needs CPython 3.12. Leave it out here.", slug="unknown-engine"
        )
    return asked or ("monitoring" if HAS_MONITORING else "profiling")


def make_source(recorder: Recorder) -> MonitoringSource | ProfilingSource:
    """Give the event source for this interpreter: monitoring where it exists, else profiling.

    Raises:
        LifecycleError: All tool ids of `sys.monitoring` are taken, or the environment asks for an engine
            that is not there.
    """
    if engine_name() == "profiling":
        return ProfilingSource(recorder)
    if not free_tool_ids():
        raise LifecycleError(
            f"All tool ids of sys.monitoring are taken ({tool_holders()}). Stop one of these tools,"
            f" or set {ENGINE_VARIABLE}=profiling.",
            slug="no-tool-id",
        )
    return MonitoringSource(recorder)

"""Facts about interpreters, in one place."""

from __future__ import annotations

import functools
import sys
import time

HAS_MONITORING = sys.version_info >= (3, 12)
"""Whether `sys.monitoring` is there (PEP 669)."""

clock = functools.partial(time.perf_counter)
"""`time.perf_counter`. Tools that freeze the time for a test, such as freezegun, look through all modules for the
function itself."""
loop_clock = functools.partial(time.monotonic)
"""`time.monotonic`, as asyncio's loops ask for it, in the same way."""

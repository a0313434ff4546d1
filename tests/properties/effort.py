"""How many examples are tried: the same ones each time, and few enough for every run of the tests.

PYTEST_LIFECYCLE_EXAMPLES tries as many as it says, and other ones each time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_MANY = int(os.environ.get("PYTEST_LIFECYCLE_EXAMPLES", "0"))


def _settings(examples: int) -> settings:
    return settings(
        max_examples=_MANY or examples,
        derandomize=not _MANY,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],
    )


thorough = _settings(120)
brief = _settings(30)

"""Which event source the tests run on: what only one of them can see is claimed of that one."""

from __future__ import annotations

import os
import sys

IS_PROFILING = sys.version_info < (3, 12) or os.environ.get("PYTEST_LIFECYCLE_ENGINE") == "profiling"

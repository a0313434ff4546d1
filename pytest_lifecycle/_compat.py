"""Facts about interpreters, in one place."""

from __future__ import annotations

import sys

HAS_MONITORING = sys.version_info >= (3, 12)
"""Whether `sys.monitoring` is there (PEP 669)."""

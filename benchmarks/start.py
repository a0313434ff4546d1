"""What an installed but unused plugin adds to the start of pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median

PROGRAM = """
import sys, time
import pytest
before = set(sys.modules)
began = time.process_time()
import pytest_lifecycle.plugin
took = time.process_time() - began
import json
print(json.dumps([took, sorted(set(sys.modules) - before)]))
"""


def start_cost(rounds: int) -> tuple[float, list[str]]:
    """Give the median processor time of importing the plugin, in seconds, and the modules that it imports."""
    times: list[float] = []
    modules: list[str] = []
    for _ in range(rounds):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
        took, modules = json.loads(done.stdout)
        times.append(took)
    return median(times), modules

"""What an installed but unused plugin adds to the start of pytest."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
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


WHOLE_RUN = """
import sys, time
import pytest
pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
print(time.process_time())
"""


def run_cost(rounds: int) -> tuple[float, float]:
    """Give the median processor time of a pytest run without tests, in seconds: without the plugin, and with it."""
    times: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as empty:
        for turn in range(rounds + 1):
            for is_installed in times:
                options = [] if is_installed else ["-p", "no:lifecycle"]
                command = [sys.executable, "-c", WHOLE_RUN, *options]
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=empty)
                if turn:  # the first round warms up
                    times[is_installed].append(float(done.stdout.split()[-1]))
    return median(times[False]), median(times[True])

"""How much memory a run takes that observes every request."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = """
import json, os, resource
from pathlib import Path

import pytest

from benchmarks.apps import trivial
from pytest_lifecycle import Client

PAGES = []


def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.parametrize("number", range({tests}))
def test_requests(number):
    with Client(trivial) as client:
        for page in range({requests}):
            client.get(f"/pages/{{page}}")
    PAGES.append(pages())


def test_the_end():
    Path("pages.json").write_text(json.dumps(PAGES))
"""


def growth(tests: int, requests: int, *options: str) -> float:
    """Give the resident memory after the last test, relative to that after a tenth of them.

    Args:
        tests: How many tests there are.
        requests: How many requests each of them makes.
        options: Options of the pytest run.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_memory.py").write_text(TESTS.format(tests=tests, requests=requests))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *options]
        root = Path(__file__).parent.parent
        subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(root)}, capture_output=True, check=True)
        pages = json.loads((Path(folder) / "pages.json").read_text())
    return float(pages[-1] / pages[max(0, len(pages) // 10 - 1)])

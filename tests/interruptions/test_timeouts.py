"""pytest-timeout: the test fails, its request says where it hung, and the next test is fine."""

from __future__ import annotations

import pytest

from .conftest import OURS, Run

TESTS = """
import shop, pytest
from pytest_lifecycle import AsyncClient, Client

shop.interrupt_soon = lambda: None

@pytest.mark.timeout(1.5)
def test_it(lifecycle_traces):
    with Client({app}, timeout=None) as client:
        client.get({path!r})

def test_after(lifecycle_traces):
    with Client({app}) as client:
        assert client.get("/missing").status == 404
    assert len(lifecycle_traces) == 1
"""
HANGING = {
    "a Flask view": ("shop.web", "/sleep", "flask_sleep"),
    "an async handler that waits": ("shop.api", "/hang", "api_hang"),
    "an async handler that sleeps": ("shop.api", "/sleep", "api_sleep"),
    "a streamed body": ("shop.api", "/stream", "api_stream"),
}


@pytest.mark.parametrize("name", HANGING)
def test_a_signal_fails_the_test_and_the_trace_says_where_it_hung(run: Run, name: str) -> None:
    app, path, handler = HANGING[name]
    result = run(TESTS.format(app=app, path=path), "-p", "pytest_timeout", "-o", "timeout_method=signal")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E * Failed: Timeout (>1.5s) from pytest-timeout.", f"GET {path} -> * error *", f"*handler {handler} *"]
    )
    assert not OURS.search(result.stdout.str())


def test_the_thread_method_ends_the_process_and_shows_where_each_thread_was(run: Run) -> None:
    tests = TESTS.format(app="shop.api", path="/sleep")
    result = run(tests, "-p", "pytest_timeout", "-o", "timeout_method=thread")
    assert result.ret == 1
    assert any("in api_sleep" in line for line in result.outlines + result.errlines)
    (result.stdout if "Timeout" in result.stdout.str() else result.stderr).fnmatch_lines(["*Timeout*"])

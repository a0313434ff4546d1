"""Tests that replace what the plugin stands on: the clocks, the profile function, the events of `sys.monitoring`."""

from __future__ import annotations

import cProfile
import sys
import time

import pytest
from fastapi import FastAPI

from pytest_lifecycle import Client, observe
from tests.engine import IS_PROFILING

needs_monitoring = pytest.mark.skipif(IS_PROFILING, reason="sys.monitoring is not in use")


def make_api() -> FastAPI:
    api = FastAPI()

    @api.get("/")
    async def read_root() -> str:
        return "root"

    return api


def check_seen() -> None:
    """Check that a request is observed as ever."""
    with Client(make_api()) as client:
        trace = client.get("/")
    assert (trace.path, trace.warnings) == (["route GET /", "handler read_root", "response 200"], [])


@pytest.mark.parametrize("clock", ["perf_counter", "time", "monotonic"])
def test_a_clock_that_runs_backwards_changes_no_trace(monkeypatch: pytest.MonkeyPatch, clock: str) -> None:
    now = iter(range(10**6, 0, -1))
    with Client(make_api()) as client:
        monkeypatch.setattr(time, clock, lambda: float(next(now)))
        trace = client.get("/")
        monkeypatch.undo()
    assert trace.path == ["route GET /", "handler read_root", "response 200"]
    assert all(0 <= span.duration < 60 for span in trace.spans())


@pytest.mark.parametrize("clock", ["perf_counter", "time"])
def test_a_clock_that_is_gone_changes_no_trace(monkeypatch: pytest.MonkeyPatch, clock: str) -> None:
    monkeypatch.delattr(time, clock)
    check_seen()


@needs_monitoring
def test_a_test_s_own_profiler_sees_its_code_and_the_request_is_observed() -> None:
    with cProfile.Profile() as profile:
        check_seen()
    profile.create_stats()
    assert any(name == "read_root" for _, _, name in profile.stats)  # type: ignore[attr-defined]


def test_a_profile_function_that_is_set_and_removed_leaves_the_next_request_as_ever() -> None:
    with observe():
        sys.setprofile(lambda frame, event, argument: None)
        sys.setprofile(None)
    check_seen()


def test_a_trace_function_does_no_harm() -> None:
    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: None)
    try:
        check_seen()
    finally:
        sys.settrace(before)


# -- sys.monitoring


def our_tools() -> list[int]:
    return [tool for tool in range(6) if sys.monitoring.get_tool(tool) == "pytest-lifecycle"]


@needs_monitoring
def test_events_that_are_restarted_change_nothing() -> None:
    with observe():
        sys.monitoring.restart_events()
        check_seen()


@needs_monitoring
def test_events_of_ours_that_a_test_switches_off_are_named_and_are_back_for_the_next() -> None:
    with Client(make_api()) as client:
        for tool in our_tools():
            sys.monitoring.set_events(tool, 0)
        trace = client.get("/")
    assert trace.status == 200
    assert [warning for warning in trace.warnings if "sys.monitoring" in warning] == trace.warnings != []
    check_seen()


@needs_monitoring
def test_tool_ids_of_ours_that_a_test_gives_to_another_tool_stay_with_it() -> None:
    with Client(make_api()) as client:
        taken = our_tools()
        for tool in taken:
            sys.monitoring.free_tool_id(tool)
            sys.monitoring.use_tool_id(tool, "greedy")
        trace = client.get("/")
    assert "took sys.monitoring's tool ids" in trace.warnings[0]
    assert [sys.monitoring.get_tool(tool) for tool in taken] == ["greedy"] * len(taken)
    for tool in taken:
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.free_tool_id(tool)
    check_seen()


WHOLE_RUN = """
import sys, shop
from pytest_lifecycle import Client

def ask():
    with Client(shop.app) as client:
        return client.get("/")

def test_one():
    for tool in range(6):
        if sys.monitoring.get_tool(tool) == "pytest-lifecycle":
            sys.monitoring.set_events(tool, 0)
    assert len(ask().warnings) == 1

def test_two():
    trace = ask()
    assert (trace.warnings, trace.handler) == ([], "app")
"""


@needs_monitoring
def test_in_an_observed_run_the_next_test_is_observed_anew(shop: pytest.Pytester) -> None:
    shop.makepyfile(WHOLE_RUN)
    shop.runpytest_subprocess("--lifecycle", timeout=30).assert_outcomes(passed=2)

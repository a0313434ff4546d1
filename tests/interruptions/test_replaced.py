"""Tests that replace what the plugin stands on: the clocks, the profile function, the events of `sys.monitoring`."""

from __future__ import annotations

import asyncio
import cProfile
import re
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import freezegun
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, Trace, observe
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


def test_a_deadline_holds_where_freezegun_has_stopped_the_clocks() -> None:
    api = make_api()

    @api.get("/hang")
    async def hang() -> None:
        await asyncio.Event().wait()

    with freezegun.freeze_time("2026-01-01"), Client(api, timeout=0.3) as client:
        trace = client.get("/")
        with pytest.raises(DeadlineExceeded, match="the app waits in 'handler hang'"):
            client.get("/hang")
    assert trace.path == ["route GET /", "handler read_root", "response 200"]
    assert 0 < trace.span("read_root").duration <= trace.duration


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


# -- sys.setprofile

needs_profiling = pytest.mark.skipif(not IS_PROFILING, reason="sys.setprofile is not in use")
TAKEN = re.compile("something in this process called sys.setprofile, .* this trace may lack steps.")


def take() -> None:
    """Do as a profiler does that has ended."""
    sys.setprofile(None)


def make_taking() -> FastAPI:
    api = make_api()

    @api.get("/taking")
    async def read_taken() -> None:
        take()

    return api


def make_wsgi_taking() -> Flask:
    app = Flask("taking")

    @app.get("/")
    def read_root() -> str:
        return "root"

    @app.get("/taking")
    def read_taken() -> str:
        take()
        return "taken"

    return app


def is_told(trace: Trace) -> bool:
    return len(trace.warnings) == 1 and TAKEN.match(trace.warnings[0]) is not None


@needs_profiling
@pytest.mark.parametrize("make", [make_taking, make_wsgi_taking])
def test_an_app_that_removes_the_profile_function_is_told_and_the_next_request_is_observed(
    make: Callable[[], Any],
) -> None:
    with Client(make()) as client:
        assert is_told(client.get("/taking"))
        trace = client.get("/")
    assert (trace.path, trace.warnings) == (["route GET /", "handler read_root", "response 200"], [])


@needs_profiling
@pytest.mark.parametrize("make", [make_taking, make_wsgi_taking])
def test_so_it_is_in_an_async_test(make: Callable[[], Any]) -> None:
    async def main() -> tuple[Trace, Trace]:
        async with AsyncClient(make()) as client:
            return await client.get("/taking"), await client.get("/")

    taken, trace = asyncio.run(main())
    assert is_told(taken)
    assert (trace.path, trace.warnings) == (["route GET /", "handler read_root", "response 200"], [])


@needs_profiling
def test_so_it_is_with_a_streamed_response() -> None:
    with Client(make_taking()) as client:
        with client.stream("GET", "/taking") as taken:
            taken.read()
        with client.stream("GET", "/") as stream:
            stream.read()
    assert is_told(taken.trace)
    assert (stream.trace.path[-2:], stream.trace.warnings) == (["handler read_root", "response 200"], [])


def through_test_client() -> None:
    with TestClient(make_taking()) as client:
        client.get("/taking")


def through_flask() -> None:
    make_wsgi_taking().test_client().get("/taking")


@needs_profiling
@pytest.mark.parametrize("ask", [through_test_client, through_flask])
def test_a_request_of_another_client_whose_end_is_not_seen_is_told_all_the_same(ask: Callable[[], None]) -> None:
    with observe() as traces:
        ask()
    assert [trace.path for trace in traces] == [["route GET /taking", "handler read_taken", "no response"]]
    assert is_told(traces[0])
    check_seen()


def test_a_request_that_still_waits_in_a_thread_that_is_gone_is_none_that_was_lost() -> None:
    class Waiting:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def app(scope: dict[str, Any], receive: object, send: object) -> None:
        await Waiting()

    calling = app({"type": "http", "method": "GET", "path": "/", "headers": []}, None, None)
    thread = threading.Thread(target=calling.send, args=(None,))
    with observe() as traces:
        thread.start()
        thread.join()
    calling.close()
    assert traces == []


@needs_profiling
def test_threads_that_start_without_a_profile_function_are_told() -> None:
    with Client(make_api()) as client:
        threading.setprofile(None)
        assert is_told(client.get("/"))
    check_seen()


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

"""Ctrl-C, wherever it comes: pytest ends as it does without the plugin, and says what the request was at."""

from __future__ import annotations

import json

import pytest

from .conftest import OURS, Run

HEAD = """
import shop, pytest
from pytest_lifecycle import AsyncClient, Client
"""
AFTER = "\ndef test_after(): pass\n"

SYNC = {
    "a Flask view": ("shop.web", "/now", "handler flask_now"),
    "a Flask view that sleeps": ("shop.web", "/sleep", "handler flask_sleep"),
    "an async handler": ("shop.api", "/now", "handler api_now"),
    "an async handler that waits": ("shop.api", "/hang", "handler api_hang"),
    "an async handler that sleeps": ("shop.api", "/sleep", "handler api_sleep"),
    "a sync handler in a thread": ("shop.api", "/thread", "handler api_thread"),
    "a streamed body": ("shop.api", "/stream", "handler api_stream"),
}


def check(result: pytest.RunResult) -> None:
    """Check that the run was interrupted, and that nothing else is said of it."""
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["!!* KeyboardInterrupt !!*", "* KeyboardInterrupt"])
    said = result.stdout.str() + result.stderr.str()
    for noise in ("Traceback", "never retrieved", "never awaited", "was destroyed"):
        assert noise not in said
    assert not OURS.search(said)


@pytest.mark.parametrize("name", SYNC)
def test_in_a_request_of_ours(run: Run, name: str) -> None:
    app, path, step = SYNC[name]
    result = run(f"{HEAD}\ndef test_it(lifecycle_traces): Client({app}).get({path!r})\n{AFTER}", "-p", "asyncio")
    check(result)
    result.stdout.fnmatch_lines(["*= lifecycle: requests of the interrupted test =*", f"GET {path} -> *", f"*{step} *"])


PHASES = {
    "startup": "with Client(shop.make_api(shop.starting)): pass",
    "shutdown": "with Client(shop.make_api(shop.stopping)) as client: client.get('/')",
}


@pytest.mark.parametrize("phase", PHASES)
def test_in_a_lifespan(run: Run, phase: str) -> None:
    check(run(f"{HEAD}\ndef test_it(lifecycle_traces):\n    {PHASES[phase]}\n{AFTER}"))


ASYNC = {
    "AsyncClient": "async with AsyncClient(shop.api) as client: await client.get('/hang')",
    "httpx": """
    import httpx
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.api), base_url="http://shop") as client:
        await client.get("/hang")""",
}


@pytest.mark.parametrize("name", ASYNC)
def test_in_an_async_test(run: Run, name: str) -> None:
    test = f"@pytest.mark.asyncio\nasync def test_it(lifecycle_traces):\n    {ASYNC[name]}\n"
    plugin = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")
    result = run(f"{HEAD}\n{test}{AFTER}", *plugin)
    check(result)
    result.stdout.fnmatch_lines(["GET */hang -> no response error *", "*handler api_hang *"])


def test_in_a_request_of_another_client_whose_app_runs_in_a_thread(run: Run) -> None:
    client = "from starlette.testclient import TestClient"
    result = run(f"{HEAD}\n{client}\ndef test_it():\n    TestClient(shop.api).get('/thread')\n{AFTER}", "--lifecycle")
    check(result)
    result.stdout.fnmatch_lines(["*handler api_thread *"])


TWO = f"""{HEAD}
def test_one(lifecycle): assert Client(shop.api).get("/").status == 200
def test_two(lifecycle): Client(shop.api).get("/hang")
def test_three(lifecycle): assert Client(shop.api).get("/").status == 200
"""


def test_what_was_seen_until_then_is_in_the_report(run: Run, interrupted: pytest.Pytester) -> None:
    check(run(TWO, "--lifecycle-report=json:report.json", "-o", "lifecycle_app=shop:api"))
    report = json.loads((interrupted.path / "report.json").read_text())
    assert list(report["tests"]) == ["test_shop.py::test_one"]


def test_no_line_of_the_baseline_is_lost(run: Run, interrupted: pytest.Pytester) -> None:
    baseline = interrupted.path / "baseline.json"
    options = ("--lifecycle-baseline=baseline.json", "-o", "lifecycle_app=shop:api")
    calm = TWO.replace("/hang", "/")
    assert run(calm, *options, "--lifecycle-update").ret == 0
    before = baseline.read_text()
    check(run(TWO, *options, "--lifecycle-update"))
    assert baseline.read_text() == before

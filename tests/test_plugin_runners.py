"""Sync and async tests, whoever runs them: one client per test, started in its loop and closed there."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Runner:
    """One way to run async tests: plugins and options, a line to mark each test with, the line for a module."""

    name: str
    arguments: tuple[str, ...]
    mark: str = ""
    module: str = ""

    def source(self, text: str) -> str:
        """Give a test module for this runner; ``@mark`` stands where its tests are marked."""
        return f"import pytest, shop\n{self.module}\n" + text.replace("@mark\n", f"{self.mark}\n")


ASYNCIO = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")
ANYIO = ("-p", "anyio.pytest_plugin")
TRIO = ("-p", "pytest_trio.plugin")
BACKEND = "@pytest.fixture(params=[{!r}])\ndef anyio_backend(request): return request.param"

RUNNERS = [
    Runner("asyncio-strict", (*ASYNCIO, "-o", "asyncio_mode=strict"), "@pytest.mark.asyncio"),
    Runner("asyncio-module-loop", (*ASYNCIO, "-o", "asyncio_mode=strict"), "@pytest.mark.asyncio(loop_scope='module')"),
    Runner("asyncio-auto", (*ASYNCIO, "-o", "asyncio_mode=auto")),
    Runner("anyio-asyncio", ANYIO, "@pytest.mark.anyio", BACKEND.format("asyncio")),
    Runner("anyio-trio", ANYIO, "@pytest.mark.anyio", BACKEND.format("trio")),
    Runner("anyio-auto", (*ANYIO, "-o", "anyio_mode=auto"), "", BACKEND.format("asyncio")),
    Runner("pytest-trio", TRIO, "@pytest.mark.trio"),
    Runner("pytest-trio-mode", (*TRIO, "-o", "trio_mode=true")),
]


@pytest.fixture(params=RUNNERS, ids=lambda runner: runner.name)
def runner(request: pytest.FixtureRequest) -> Runner:
    """Each way to run async tests."""
    chosen: Runner = request.param
    return chosen


AROUND = """
@mark
async def test_one(async_lifecycle, lifecycle_traces):
    assert shop.log == []
    trace = await async_lifecycle.get("/a")
    assert shop.log == ["lifespan.startup"]
    assert trace.path == ["handler app", "response 200"]
    assert [trace.url for trace in lifecycle_traces] == ["http://testserver/a"]

@mark
async def test_closed():
    assert shop.log == ["lifespan.startup", "lifespan.shutdown"]
"""


def test_the_client_starts_with_its_first_request_and_closes_inside_the_test(
    named: pytest.Pytester, runner: Runner
) -> None:
    named.makepyfile(runner.source(AROUND))
    named.runpytest("-W", "error", *runner.arguments).assert_outcomes(passed=2)


ASYNC_FIXTURES = """
@async_fixture
async def app(): yield shop.app

@async_fixture
async def lifecycle_app(app): return app

@mark
async def test_one(async_lifecycle):
    assert (await async_lifecycle.get("/a")).handler == "app"
"""


def test_the_app_may_come_from_async_fixtures(shop: pytest.Pytester, runner: Runner) -> None:
    kind = "pytest_asyncio.fixture" if runner.arguments[:2] == ASYNCIO[:2] else "pytest.fixture"
    shop.makepyfile("import pytest_asyncio\n" + runner.source(ASYNC_FIXTURES).replace("async_fixture", kind))
    shop.runpytest("-W", "error", *runner.arguments).assert_outcomes(passed=1)


KINDS = """
class TestShop:
    @mark
    @pytest.mark.parametrize("path", ["/a", "/b"])
    async def test_method(self, async_lifecycle, path):
        assert (await async_lifecycle.get(path)).url.endswith(path)

@mark
async def test_skipped(async_lifecycle):
    await async_lifecycle.get("/")
    pytest.skip("later")

@mark
@pytest.mark.xfail(strict=True)
async def test_xfailed(async_lifecycle):
    assert (await async_lifecycle.get("/")).status == 404

@mark
async def test_unused(async_lifecycle):
    pass

@mark
async def test_failing(async_lifecycle):
    assert (await async_lifecycle.get("/failing")).status == 404

def test_sync(lifecycle):
    assert lifecycle.get("/").status == 200

@mark
async def test_all_are_closed():
    assert shop.log.count("lifespan.startup") == shop.log.count("lifespan.shutdown") == 6
"""


def test_methods_parameters_skips_and_expected_failures_are_as_ever(named: pytest.Pytester, runner: Runner) -> None:
    named.makepyfile(runner.source(KINDS))
    result = named.runpytest("-W", "error", *runner.arguments)
    result.assert_outcomes(passed=5, failed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*- lifecycle -*", "GET /failing -> 200 *"])


EXAMPLES = """
from hypothesis import HealthCheck, given, settings, strategies as st

@mark
@settings(suppress_health_check=list(HealthCheck), database=None, max_examples=5, deadline=None)
@given(number=st.integers(0, 3))
async def test_one(async_lifecycle, lifecycle_traces, number):
    await async_lifecycle.get(f"/{number}")
    assert [trace.url for trace in lifecycle_traces] == [f"http://testserver/{number}"]

@mark
async def test_each_example_had_a_lifespan_of_its_own():
    assert set(zip(shop.log[::2], shop.log[1::2])) == {("lifespan.startup", "lifespan.shutdown")}
"""


def test_each_hypothesis_example_has_a_lifespan_of_its_own(named: pytest.Pytester, runner: Runner) -> None:
    named.makepyfile(runner.source(EXAMPLES))
    result = named.runpytest("-p", "_hypothesis_pytestplugin", *runner.arguments)
    result.assert_outcomes(passed=2)


def test_unittest_s_own_async_tests_close_their_client_too(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import unittest
        import pytest, shop

        class TestShop(unittest.IsolatedAsyncioTestCase):
            @pytest.fixture(autouse=True)
            def _inject(self, async_lifecycle):
                self.lifecycle = async_lifecycle

            async def test_home(self):
                self.assertEqual((await self.lifecycle.get("/")).text, "hello")

            async def test_one_that_was_closed(self):
                self.assertEqual(shop.log, ["lifespan.startup", "lifespan.shutdown"])
        """
    )
    named.runpytest("-W", "error").assert_outcomes(passed=2)


def test_the_test_s_function_is_put_back(named: pytest.Pytester) -> None:
    named.makepyfile(RUNNERS[0].source("@mark\nasync def test_one(async_lifecycle): await async_lifecycle.get('/')"))
    named.makeconftest(
        """
        import pytest
        from shop import app

        @pytest.fixture
        def lifecycle_app():
            return app

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(item):
            before = item.obj
            result = yield
            assert item.obj is before
            return result
        """
    )
    named.runpytest(*RUNNERS[0].arguments).assert_outcomes(passed=1)


def test_an_async_test_closes_its_client_under_xdist(named: pytest.Pytester) -> None:
    named.makepyfile(RUNNERS[0].source("@mark\nasync def test_one(async_lifecycle): await async_lifecycle.get('/')"))
    result = named.runpytest_subprocess("-p", "xdist.plugin", "-n", "2", "-W", "error", *RUNNERS[0].arguments)
    result.assert_outcomes(passed=1)


def test_sync_requests_in_an_async_test_name_the_async_twin(named: pytest.Pytester) -> None:
    named.makepyfile(RUNNERS[0].source("@mark\nasync def test_one(lifecycle): lifecycle.get('/')"))
    result = named.runpytest(*RUNNERS[0].arguments)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*async_lifecycle*"])


def test_a_client_left_open_by_a_sync_test_is_an_error_that_says_what_to_do(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import asyncio

        def test_one(async_lifecycle):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(async_lifecycle.get("/"))
            loop.close()
        """
    )
    result = named.runpytest("-W", "ignore")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*UsageError: `async_lifecycle` was used in test_one, which is no async test.*"])


OBSERVED_RUN = """
import gc
import sys
import weakref

import pytest
from pytest_lifecycle import _session as session
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

REFS = []

class Named:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)

def make():
    async def read(request):
        return PlainTextResponse("hello")

    return Starlette(routes=[Route("/", read)])

@pytest.mark.parametrize("turn", range(3))
def test_each_time_anew(turn, lifecycle_traces):
    app = make()
    app.add_middleware(Named)
    TestClient(app).get("/")
    assert [trace.path for trace in lifecycle_traces] == [
        ["middleware Named", "route GET /", "handler read", "response 200"]
    ]
    REFS.append(weakref.ref(app))

def test_nothing_is_kept_of_the_apps():
    gc.collect()
    assert [ref() for ref in REFS] == [None] * 3

def test_observation_is_not_switched_off_between_tests_where_that_costs_nothing():
    assert (session._session._holders == 2) is (sys.version_info >= (3, 12))
"""


def test_an_observed_run_begins_once_and_keeps_nothing_of_a_test(project: pytest.Pytester) -> None:
    project.makepyfile(OBSERVED_RUN)
    project.runpytest_subprocess("--lifecycle").assert_outcomes(passed=5)


def test_the_adapters_of_the_project_serve_an_observed_run(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import textwrap

        from pytest_lifecycle.adapters import Adapter, Kind, Probe

        class Wrapping(Adapter):
            name = "textwrap"
            module = "textwrap"

            def probes(self):
                yield Probe(textwrap.dedent, Kind.QUERY)

        def pytest_lifecycle_adapters(config):
            return [Wrapping()]
        """
    )
    project.makepyfile(
        """
        import textwrap

        from pytest_lifecycle import Client

        async def app(scope, receive, send):
            textwrap.dedent(" text")
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        def test_one():
            with Client(app, lifespan=False) as client:
                assert [span.name for span in client.get("/").spans("query")] == ["dedent"]
        """
    )
    project.runpytest_subprocess("--lifecycle").assert_outcomes(passed=1)


AFTER_FAILURES = """
import gc
import weakref

import pytest
from pytest_lifecycle import Client, DeadlineExceeded
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
import asyncio

REFS = []

class Local:
    pass

def make():
    async def read(request):
        local = Local()
        REFS.extend([weakref.ref(request), weakref.ref(local)])
        return PlainTextResponse("hello")

    async def crash(request):
        local = Local()
        REFS.append(weakref.ref(local))
        raise ValueError("broken")

    async def hang(request):
        local = Local()
        REFS.append(weakref.ref(local))
        await asyncio.Event().wait()

    app = Starlette(routes=[Route("/", read), Route("/crash", crash), Route("/hang", hang)])
    REFS.append(weakref.ref(app))
    return app

@pytest.mark.xfail(strict=True)
def test_an_assertion_on_a_trace_fails(lifecycle_traces):
    with Client(make()) as client:
        trace = client.get("/")
        assert trace.path == ["no"]

@pytest.mark.xfail(strict=True)
def test_an_exception_goes_through_another_client():
    TestClient(make()).get("/crash")

def test_an_exception_stays_in_the_trace(lifecycle_traces):
    with Client(make()) as client:
        assert client.get("/crash").exceptions

@pytest.mark.xfail(strict=True)
def test_a_deadline(lifecycle_traces):
    with Client(make()) as client:
        client.get("/hang", timeout=0.05)

def test_nothing_is_kept():
    gc.collect()
    assert len(REFS) == 9
    assert [ref() for ref in REFS] == [None] * len(REFS)
"""


@pytest.mark.parametrize("options", [(), ("--lifecycle",)], ids=["fixtures", "all"])
def test_nothing_of_a_failed_test_s_app_is_kept(project: pytest.Pytester, options: tuple[str, ...]) -> None:
    project.makepyfile(AFTER_FAILURES)
    result = project.runpytest_subprocess("-p", "no:logging", "-p", "no:randomly", *options)
    result.assert_outcomes(passed=2, xfailed=3)

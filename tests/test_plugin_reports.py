"""What pytest prints of a test's requests."""

from __future__ import annotations

import pytest

TWO_REQUESTS = """
def test_one(lifecycle):
    lifecycle.get("/first")
    assert lifecycle.get("/second").status == 404
"""


def sections(result: pytest.RunResult) -> list[str]:
    """Give the lines of requests in the report of failed tests, without their times."""
    return [line.rpartition(" -> ")[0] for line in result.outlines if " -> " in line]


def test_a_failed_test_shows_the_tree_of_each_request(named: pytest.Pytester) -> None:
    named.makepyfile(TWO_REQUESTS)
    result = named.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- lifecycle -*",
            "GET /first -> 200 handled * ms",
            "└─ handler app * ms",
            "",
            "GET /second -> 200 handled * ms",
            "└─ handler app * ms",
        ]
    )


def test_a_passed_test_shows_nothing(named: pytest.Pytester) -> None:
    named.makepyfile("def test_one(lifecycle): lifecycle.get('/')")
    result = named.runpytest("-rA")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*GET /*")


def test_secrets_stay_out_of_the_report_also_those_that_the_project_names(named: pytest.Pytester) -> None:
    named.makeini("[pytest]\nlifecycle_redact = code\nlifecycle_redact_allow = token\n")
    named.makepyfile(
        """
        def test_one(lifecycle):
            trace = lifecycle.get("/?code=s3cret&token=shown&password=s3cret2")
            print(str(trace).splitlines()[0])
            assert trace.status == 404
        """
    )
    text = named.runpytest().stdout.str()
    assert "s3cret" not in text.replace("lifecycle.get(", "").replace("code=s3cret&token=shown&password=s3cret2", "")
    assert text.count("GET /?code=[redacted]&token=shown&password=[redacted] -> 200") == 2


def test_what_the_project_names_ends_with_its_run(named: pytest.Pytester) -> None:
    from pytest_lifecycle._show.redact import ACTIVE, DEFAULT

    named.makeini("[pytest]\nlifecycle_redact = code\n")
    named.makepyfile("def test_one(): ...")
    named.runpytest_inprocess().assert_outcomes(passed=1)
    assert ACTIVE.get() is DEFAULT


def test_requests_of_the_setup_are_shown_when_the_setup_fails(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import pytest

        @pytest.fixture
        def order(lifecycle):
            lifecycle.post("/orders")
            raise LookupError("no order")

        def test_one(order): ...
        """
    )
    result = named.runpytest()
    result.assert_outcomes(errors=1)
    assert sections(result) == ["POST /orders"]


def test_a_startup_that_fails_is_shown_where_it_failed(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from contextlib import asynccontextmanager
        from starlette.applications import Starlette

        @asynccontextmanager
        async def lifespan(app):
            raise ConnectionError("no database")
            yield

        @pytest.fixture
        def lifecycle_app():
            return Starlette(lifespan=lifespan)

        def test_one(lifecycle):
            lifecycle.get("/")

        def test_that_it_is_in_no_list(lifecycle_app, lifecycle_client, lifecycle_traces):
            with pytest.raises(ConnectionError):
                lifecycle_client(lifecycle_app)
            assert lifecycle_traces == []
        """
    )
    result = project.runpytest()
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "E*ConnectionError: no database",
            "*- lifecycle -*",
            "LIFESPAN -> failed * ms",
            "└─ startup lifespan * ms  raised ConnectionError(no database)",
        ]
    )


def test_no_request_is_shown_twice_when_call_and_teardown_fail(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import pytest

        @pytest.fixture
        def order(lifecycle):
            yield
            lifecycle.delete("/orders/1")
            raise LookupError("no order")

        def test_one(order, lifecycle):
            assert lifecycle.get("/orders/1") is None
        """
    )
    result = named.runpytest()
    result.assert_outcomes(failed=1, errors=1)
    assert sorted(sections(result)) == ["DELETE /orders/1", "GET /orders/1"]


def test_show_prints_the_requests_of_passed_tests_too(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        def test_one(lifecycle):
            lifecycle.get("/a")

        def test_two(lifecycle):
            assert lifecycle.get("/b") is None
        """
    )
    result = named.runpytest("--lifecycle-show")
    result.assert_outcomes(passed=1, failed=1)
    assert sections(result) == ["GET /b", "GET /a"]
    result.stdout.fnmatch_lines(
        [
            "*= lifecycle =*",
            "",
            "test_show_prints_the_requests_of_passed_tests_too.py::test_one",
            "GET /a -> 200 handled * ms",
            "└─ handler app * ms",
        ]
    )


def test_show_says_so_when_nothing_was_seen(named: pytest.Pytester) -> None:
    named.makepyfile("def test_one(): ...")
    named.runpytest("--lifecycle-show").stdout.fnmatch_lines(
        ["no request was seen; --lifecycle observes tests that use no lifecycle fixture too"]
    )


ANY_CLIENT = """
import asyncio, httpx, shop

async def get(path):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.app), base_url="http://testserver") as client:
        return await client.get(path)

def test_failing():
    assert asyncio.run(get("/a")).status_code == 404

def test_passing():
    assert asyncio.run(get("/b")).status_code == 200

def test_none():
    pass
"""


@pytest.mark.parametrize("how", ["option", "ini"])
def test_every_test_is_observed_when_asked_for_whatever_its_client(shop: pytest.Pytester, how: str) -> None:
    shop.makepyfile(ANY_CLIENT)
    if how == "ini":
        shop.makeini("[pytest]\nlifecycle_observe = all\n")
    result = shop.runpytest("--lifecycle-show", *(["--lifecycle"] if how == "option" else []))
    result.assert_outcomes(passed=2, failed=1)
    assert sections(result) == ["GET /a", "GET /b"]


def test_without_being_asked_tests_that_use_no_fixture_are_not_observed(shop: pytest.Pytester) -> None:
    shop.makepyfile(ANY_CLIENT)
    result = shop.runpytest()
    result.assert_outcomes(passed=2, failed=1)
    assert sections(result) == []


@pytest.mark.parametrize("arguments", [(), ("--lifecycle-show",)], ids=repr)
def test_reports_come_through_xdist(named: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    named.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_one(lifecycle, number):
            trace = lifecycle.get(f"/{number}")
            assert number % 2
        """
    )
    result = named.runpytest_subprocess("-p", "xdist.plugin", "-n", "2", *arguments)
    result.assert_outcomes(passed=3, failed=3)
    shown = ["GET /0", "GET /1", "GET /2", "GET /3", "GET /4", "GET /5"]
    assert sorted(sections(result)) == (shown if arguments else shown[::2])


def test_a_failed_subtest_shows_the_requests_that_led_to_it(named: pytest.Pytester) -> None:
    pytest.importorskip("_pytest.subtests", reason="built-in subtests came with pytest 9")
    named.makepyfile(
        """
        def test_one(lifecycle, subtests):
            for path, status in [("/a", 200), ("/b", 404), ("/c", 200), ("/d", 404)]:
                with subtests.test(path):
                    assert lifecycle.get(path).status == status
        """
    )
    result = named.runpytest()
    result.stdout.fnmatch_lines(
        ["*[[]/b[]]*", "*- lifecycle -*", "GET /a -> *", "GET /b -> *", "*[[]/d[]]*", "GET /c -> *"]
    )
    assert sections(result) == ["GET /a", "GET /b", "GET /c", "GET /d"]


def test_hypothesis_tests_show_the_requests_of_the_last_example_alone(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import pytest
        from hypothesis import HealthCheck, given, settings, strategies as st

        @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
        @given(number=st.integers(0, 50))
        def test_one(lifecycle, lifecycle_traces, number):
            assert lifecycle_traces == []
            lifecycle.get(f"/{number}")
            assert number < 20
        """
    )
    result = named.runpytest("-p", "_hypothesis_pytestplugin")
    result.assert_outcomes(failed=1)
    assert sections(result) == ["GET /20"]


def test_a_path_that_differs_is_explained(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        def test_one(lifecycle):
            assert lifecycle.get("/").path == ["middleware Auth", "handler app", "response 404"]
        """
    )
    result = named.runpytest("-vv")
    result.stdout.fnmatch_lines(
        [
            "E       AssertionError: assert trace path == expected path (1 step missing, 1 different)",
            "E         step 2 differs: it is 'response 200', expected 'response 404'",
            "E         missing: 'middleware Auth' (expected as step 1, at the start)",
            "E         the path differs from the expected one:",
            "E         - middleware Auth",
            "E           handler app",
            "E         - response 404",
            "E         + response 200",
        ],
        consecutive=False,
    )
    result.stdout.fnmatch_lines(["FAILED *assert trace path == expected path (1 step missing, 1 different)"])


def test_other_lists_are_compared_by_pytest(named: pytest.Pytester) -> None:
    named.makepyfile("def test_one(lifecycle): assert lifecycle.get('/').middleware == ['Auth']")
    named.runpytest().stdout.fnmatch_lines(["E*Right contains one more item: 'Auth'"])


# -- hooks


def test_the_hook_is_called_with_every_trace_on_the_test_s_thread(named: pytest.Pytester) -> None:
    named.makeconftest(
        """
        import threading
        import pytest
        from shop import app

        seen = []

        @pytest.fixture
        def lifecycle_app():
            return app

        def pytest_lifecycle_trace(item, trace):
            assert threading.current_thread() is threading.main_thread()
            seen.append((item.name, trace.url))
        """
    )
    named.makepyfile(
        """
        import threading
        import conftest, pytest, shop

        @pytest.fixture
        def order(lifecycle):
            lifecycle.get("/setup")
            yield
            lifecycle.get("/teardown")

        def test_one(order, lifecycle, lifecycle_client):
            assert [url for _, url in conftest.seen] == ["http://testserver/setup"]
            lifecycle.get("/call")
            client = lifecycle_client(shop.app)

        def test_two():
            assert conftest.seen == [
                ("test_one", "http://testserver/setup"),
                ("test_one", "http://testserver/call"),
                ("test_one", "http://testserver/teardown"),
            ]
        """
    )
    named.runpytest("-p", "no:randomly").assert_outcomes(passed=2)


def test_a_hook_that_raises_fails_the_test(named: pytest.Pytester) -> None:
    named.makeconftest(
        """
        import pytest
        from shop import app

        @pytest.fixture
        def lifecycle_app():
            return app

        def pytest_lifecycle_trace(trace):
            assert trace.status < 200, f"{trace.url} is too good"
        """
    )
    named.makepyfile("def test_one(lifecycle): lifecycle.get('/')\ndef test_two(): ...")
    result = named.runpytest()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E*AssertionError: http://testserver/ is too good"])


def test_the_hook_adds_adapters_before_the_first_request(named: pytest.Pytester) -> None:
    named.makeconftest(
        """
        import pytest
        from pytest_lifecycle.adapters import Adapter
        from shop import app

        asked = []

        class Own(Adapter):
            name = "own"
            def probes(self):
                asked.append(self)
                return ()

        @pytest.fixture
        def lifecycle_app():
            return app

        def pytest_lifecycle_adapters():
            return [Own()]
        """
    )
    named.makepyfile(
        """
        import conftest

        def test_one(lifecycle):
            lifecycle.get("/")
            assert len(conftest.asked) == 1
        """
    )
    named.runpytest_subprocess().assert_outcomes(passed=1)


def test_observation_that_cannot_be_switched_on_is_an_error_of_the_test(
    shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_LIFECYCLE_ENGINE", "magic")
    shop.makepyfile("def test_one(): ...")
    result = shop.runpytest("--lifecycle")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*LifecycleError: PYTEST_LIFECYCLE_ENGINE is 'magic'.*"])

"""The fixtures: which app they find, what they open and close."""

from __future__ import annotations

import pytest

# -- which app


@pytest.mark.parametrize("spec", ["shop:app", "shop:make_app()"])
def test_the_ini_option_names_the_app(shop: pytest.Pytester, spec: str) -> None:
    shop.makeini(f"[pytest]\nlifecycle_app = {spec}\n")
    shop.makepyfile("def test_one(lifecycle): assert lifecycle.get('/').text == 'hello'")
    shop.runpytest().assert_outcomes(passed=1)


def test_an_overridden_fixture_names_the_app(named: pytest.Pytester) -> None:
    named.makepyfile("def test_one(lifecycle): assert lifecycle.get('/').text == 'hello'")
    named.runpytest().assert_outcomes(passed=1)


def test_the_project_s_own_app_fixture_is_found(shop: pytest.Pytester) -> None:
    shop.makeconftest("import pytest, shop\n@pytest.fixture\ndef app(): return shop.app")
    shop.makepyfile("def test_one(lifecycle): assert lifecycle.get('/').text == 'hello'")
    shop.runpytest().assert_outcomes(passed=1)


def test_the_ini_option_goes_before_the_app_fixture(shop: pytest.Pytester) -> None:
    shop.makeini("[pytest]\nlifecycle_app = shop:app\n")
    shop.makeconftest("import pytest\n@pytest.fixture\ndef app(): raise AssertionError")
    shop.makepyfile("def test_one(lifecycle): assert lifecycle.get('/').text == 'hello'")
    shop.runpytest().assert_outcomes(passed=1)


def test_an_app_fixture_that_gives_something_else_can_be_gone_round(shop: pytest.Pytester) -> None:
    shop.makeconftest("import pytest\n@pytest.fixture\ndef app(): return 'a window'")
    shop.makepyfile("def test_one(lifecycle): ...")
    shop.runpytest().stdout.fnmatch_lines(
        [
            "E*the fixture `app` gave 'a window', which is no WSGI or ASGI callable. *"
            " Where `app` is something else, override the fixture `lifecycle_app`."
        ]
    )


def test_a_fault_in_the_app_fixture_is_not_taken_for_no_fixture(shop: pytest.Pytester) -> None:
    shop.makeconftest("import pytest\n@pytest.fixture\ndef app(no_such_fixture): ...")
    shop.makepyfile("def test_one(lifecycle): ...")
    result = shop.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*fixture 'no_such_fixture' not found"])


DJANGO = """
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

def home(request):
    return HttpResponse("hello")

urlpatterns = [path("", home)]

SECRET_KEY = "x"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = __name__
"""


def test_django_s_handler_is_found_where_its_settings_module_is_named(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(shop_settings=DJANGO)
    monkeypatch.setenv("PYTHONPATH", str(project.path), prepend=":")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_settings")
    project.makepyfile(
        """
        def test_one(lifecycle):
            trace = lifecycle.get("/")
            assert (trace.interface, trace.text) == ("wsgi", "hello")
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_django_s_handler_is_found_where_its_settings_were_configured(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        from django.conf import settings
        settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF="conftest")
        urlpatterns = []
        """
    )
    project.makepyfile("def test_one(lifecycle): assert lifecycle.get('/').status == 404")
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_an_error_is_shown_without_the_plugin_s_own_code(shop: pytest.Pytester) -> None:
    shop.makeini("[pytest]\nlifecycle_app = shop:ap\n")
    shop.makeconftest("import pytest\n@pytest.fixture\ndef database(): raise RuntimeError('no database')")
    shop.makepyfile("def test_one(lifecycle): ...\ndef test_two(database): ...")
    result = shop.runpytest()
    result.assert_outcomes(errors=2)
    result.stdout.no_fnmatch_line("*pytest_lifecycle/*")


def test_without_any_app_the_three_ways_are_shown(project: pytest.Pytester) -> None:
    project.makepyfile("def test_one(lifecycle): ...")
    result = project.runpytest_subprocess()  # in this process Django may be configured by another test
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "E*pytest-lifecycle does not know which app to test. Name it in one of three ways:",
            " *1. in pyproject.toml:*[[]tool.pytest.ini_options[]]",  # also before pytest 9
            " *2. *",
            " *3. *",
        ]
    )


def test_an_app_that_cannot_be_imported_says_what_there_is(shop: pytest.Pytester) -> None:
    shop.makeini("[pytest]\nlifecycle_app = shop:ap\n")
    shop.makepyfile("def test_one(lifecycle): ...")
    result = shop.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "E*UsageError: lifecycle_app is 'shop:ap', but the module 'shop' has no 'ap'. Did you mean 'app'?"
            " Its callables are: app, make_app."
        ]
    )


def test_the_exception_of_an_app_that_fails_to_import_is_shown_too(shop: pytest.Pytester) -> None:
    shop.makeini("[pytest]\nlifecycle_app = broken:app\n")
    shop.makepyfile(broken="1 / 0", test_broken="def test_one(lifecycle): ...")
    result = shop.runpytest()
    result.stdout.fnmatch_lines(
        ["E*ZeroDivisionError: division by zero", "E*UsageError: lifecycle_app is 'broken:app'*"]
    )


@pytest.mark.parametrize("value", ["None", "'shop:app'", "42"])
def test_what_is_no_app_is_refused(shop: pytest.Pytester, value: str) -> None:
    shop.makeconftest(f"import pytest\n@pytest.fixture\ndef lifecycle_app(): return {value}")
    shop.makepyfile("def test_one(lifecycle): ...")
    result = shop.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E*the fixture `lifecycle_app` gave {value}, which is no WSGI or ASGI callable.*"])


# -- what is opened and closed


def test_the_lifespan_runs_around_the_test(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import shop

        def test_one(lifecycle):
            lifecycle.get("/")
            assert shop.log == ["lifespan.startup"]

        def test_after():
            assert shop.log == ["lifespan.startup", "lifespan.shutdown"]
        """
    )
    named.runpytest("-W", "error").assert_outcomes(passed=2)


def test_the_factory_opens_clients_and_closes_them_after_the_test(shop: pytest.Pytester) -> None:
    shop.makepyfile(
        """
        import shop

        def test_one(lifecycle_client):
            first = lifecycle_client(shop.app, base_url="http://first.test")
            second = lifecycle_client(shop.make_app(), raise_app_exceptions=True)
            assert first.get("/").url == "http://first.test/"
            assert second.get("/").text == "hello"
            assert shop.log == ["lifespan.startup"] * 2

        def test_after():
            assert shop.log == ["lifespan.startup"] * 2 + ["lifespan.shutdown"] * 2
        """
    )
    shop.runpytest("-W", "error").assert_outcomes(passed=2)


def test_the_factory_refuses_what_is_no_app(shop: pytest.Pytester) -> None:
    shop.makepyfile("def test_one(lifecycle_client): lifecycle_client('shop:app')")
    result = shop.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*what was given to `lifecycle_client` gave 'shop:app', which is no*"])


def test_the_settings_are_those_of_the_clients(named: pytest.Pytester) -> None:
    named.makeini("[pytest]\nlifecycle_raise_app_exceptions = true\n")
    named.makepyfile(
        """
        import pytest

        def test_one(lifecycle, lifecycle_client, lifecycle_app):
            for client in (lifecycle, lifecycle_client(lifecycle_app)):
                with pytest.raises(RuntimeError, match="the app crashed"):
                    client.get("/crash")
            assert lifecycle_client(lifecycle_app, raise_app_exceptions=False).get("/crash").outcome == "error"
        """
    )
    named.runpytest().assert_outcomes(passed=1)


def test_every_trace_of_the_test_is_collected_whatever_client_made_it(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import asyncio, httpx, shop

        async def other():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.app), base_url="http://other") as client:
                await client.get("/b")

        def test_one(lifecycle_traces, lifecycle, lifecycle_client):
            lifecycle.get("/a")
            asyncio.run(other())
            lifecycle_client(shop.app).get("/c")
            assert [trace.url for trace in lifecycle_traces] == [
                "http://testserver/a", "http://other/b", "http://testserver/c",
            ]

        def test_two(lifecycle_traces):
            assert lifecycle_traces == []
        """
    )
    named.runpytest().assert_outcomes(passed=2)


def test_nothing_is_switched_on_after_a_test(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import sys, threading

        def test_one(lifecycle, lifecycle_traces, lifecycle_client):
            lifecycle.get("/")

        def test_failing(lifecycle):
            assert lifecycle.get("/") is None

        def test_after():
            from pytest_lifecycle import _session as session
            assert session._session.engine is None and not session._session._subscribers
            assert sys.getprofile() is None and threading.getprofile() is None
            if sys.version_info >= (3, 12):
                assert {sys.monitoring.get_tool(number) for number in range(6)} == {None}
            assert threading.active_count() == 1
        """
    )
    named.runpytest_subprocess().assert_outcomes(passed=2, failed=1)


def test_a_lifespan_that_fails_fails_the_test_with_the_app_s_own_exception(shop: pytest.Pytester) -> None:
    shop.makeconftest(
        """
        import pytest

        async def failing(scope, receive, send):
            await receive()
            raise RuntimeError("no database")

        @pytest.fixture
        def lifecycle_app():
            return failing
        """
    )
    shop.makepyfile("def test_one(lifecycle): ...\ndef test_two(): ...")
    result = shop.runpytest("-W", "error")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*RuntimeError: no database"])


def test_the_traces_of_a_test_are_capped_and_the_report_says_so(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        def test_one(lifecycle, lifecycle_traces):
            for number in range(1005):
                lifecycle.get(f"/{number}")
            assert len(lifecycle_traces) == 1000
            assert lifecycle_traces[0].url.endswith("/5")
            assert lifecycle_traces[-1].url.endswith("/1004")
            raise AssertionError("shown")
        """
    )
    result = named.runpytest()
    result.stdout.fnmatch_lines(["E*AssertionError: shown", "... 985 earlier requests are not shown", "GET /985 -> *"])


def test_unittest_classes_take_the_fixtures_by_an_autouse_fixture(named: pytest.Pytester) -> None:
    named.makepyfile(
        """
        import unittest
        import pytest

        class TestShop(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _inject(self, lifecycle):
                self.lifecycle = lifecycle

            def test_home(self):
                self.assertEqual(self.lifecycle.get("/").text, "hello")

            def test_failing(self):
                self.assertEqual(self.lifecycle.get("/a").status, 404)
        """
    )
    result = named.runpytest()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*- lifecycle -*", "GET /a -> 200 *"])

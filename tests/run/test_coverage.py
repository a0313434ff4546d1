"""Coverage of routes and the map of an app, from the command line, however tests are run."""

from __future__ import annotations

import json
from typing import Any

import pytest

SHOP = """
from fastapi import Depends, FastAPI, Header, HTTPException
from starlette.middleware.gzip import GZipMiddleware

def current_user(authorization: str | None = Header(None)):
    if authorization is None:
        raise HTTPException(401)

def make_app():
    app = FastAPI(openapi_url=None)
    app.add_middleware(GZipMiddleware)

    @app.get("/orders/{number}")
    def read_order(number: int):
        if number == 404:
            raise HTTPException(404)
        return number

    @app.post("/orders", dependencies=[Depends(current_user)])
    def create_order():
        return 1

    @app.delete("/orders/{number}")
    def delete_order(number: int): ...

    @app.websocket("/events")
    async def events(websocket): ...

    return app

app = make_app()
"""

TESTS = """
import pytest
from pytest_lifecycle import Client
from shop import app, make_app

@pytest.fixture(scope="session")
def shared():
    with Client(app) as client:
        client.get("/orders/1")

@pytest.mark.parametrize("number", [1, 404, "x"])
def test_order(number, shared):
    with Client(make_app()) as client:
        client.get(f"/orders/{number}")

@pytest.mark.parametrize("headers", [{}, {"authorization": "me"}])
def test_create(headers):
    with Client(app) as client:
        client.post("/orders", headers=headers)

def test_nowhere():
    with Client(app) as client:
        client.get("/nowhere")
        client.put("/orders")
"""

TABLE = [
    "route                    asked  anonymous    outcomes",
    "WEBSOCKET /events            0  never asked",
    "POST /orders                 2  refused      handled 1, rejected 1; refused by authentication 1",
    "DELETE /orders/{number}      0  never asked",
    "GET /orders/{number}         4  allowed      handled 2, invalid 1, not_found 1; refused by validation 1",
    "",
    "2 of 4 routes reached (50 %)",
    "never reached (2):",
    "  WEBSOCKET /events",
    "  DELETE /orders/{number}",
    "reached, and never refused to an anonymous request (1):",
    "  GET /orders/{number} (allowed)",
    "no route was chosen: not_found 1, method_not_allowed 1",
    "middleware that never answered itself: GZipMiddleware",
]


@pytest.fixture
def orders(project: pytest.Pytester) -> pytest.Pytester:
    """A project with a FastAPI app and tests of some of its routes."""
    project.makepyfile(shop=SHOP, test_orders=TESTS)
    project.syspathinsert()
    return project


@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", "no:randomly"),
        ("-p", "randomly"),
        ("-p", "xdist", "-n2", "--dist=loadgroup", "-p", "randomly"),
    ],
    ids=" ".join,
)
def test_the_table_is_the_same_however_the_tests_are_run(orders: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    result = orders.runpytest("--lifecycle-cov", *arguments)
    result.assert_outcomes(passed=6)
    at = result.outlines.index(next(line for line in result.outlines if "lifecycle: route coverage" in line))
    table = result.outlines[at + 1 : at + 1 + len(TABLE)]
    assert table == TABLE


@pytest.mark.parametrize(("percent", "status"), [("50", pytest.ExitCode.OK), ("50.1", pytest.ExitCode.TESTS_FAILED)])
def test_too_few_routes_fail_the_run(orders: pytest.Pytester, percent: str, status: pytest.ExitCode) -> None:
    result = orders.runpytest(f"--lifecycle-cov-fail-under={percent}")
    assert result.ret == status
    said = [line for line in result.outlines if line.startswith("lifecycle: 2 of 4")]
    assert said == (
        []
        if status == pytest.ExitCode.OK
        else ["lifecycle: 2 of 4 routes reached (50 %), which is less than --lifecycle-cov-fail-under=50.1 asks for"]
    )


def test_the_exit_status_of_a_run_that_fails_by_itself_stays(orders: pytest.Pytester) -> None:
    result = orders.runpytest("--lifecycle-cov-fail-under=100", "-k", "nothing")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("percent", ["-1", "101", "nan"])
def test_a_percentage_that_is_none_is_refused(orders: pytest.Pytester, percent: str) -> None:
    result = orders.runpytest(f"--lifecycle-cov-fail-under={percent}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--lifecycle-cov-fail-under=*: expected a percentage from 0 to 100.*"])


def test_omitted_routes_need_not_be_reached(orders: pytest.Pytester) -> None:
    orders.makeini("[pytest]\nlifecycle_cov_omit = /events DELETE*")
    assert orders.runpytest("--lifecycle-cov-fail-under=100").ret == pytest.ExitCode.OK


def test_the_table_is_written_as_json_and_as_markdown(orders: pytest.Pytester) -> None:
    orders.runpytest("--lifecycle-cov-report=json:build/routes.json", "--lifecycle-cov-report=md:build/routes.md")
    data = json.loads((orders.path / "build/routes.json").read_text())
    assert data["summary"] | {"unrouted": None} == {
        "routes": 4,
        "reached": 2,
        "percent": 50.0,
        "unrouted": None,
        "lost": 0,
    }
    assert "| POST /orders | 2 | refused |" in (orders.path / "build/routes.md").read_text()


def test_an_unknown_format_is_refused_before_a_test_runs(orders: pytest.Pytester) -> None:
    for option in ("--lifecycle-cov-report=xml:x", "--lifecycle-cov-report=json:", "--lifecycle-map=map.xml"):
        result = orders.runpytest(option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{option}: expected *"])
    assert "lifecycle_cov" not in result.stdout.str()


def test_a_report_that_cannot_be_written_is_a_usage_error(orders: pytest.Pytester) -> None:
    (orders.path / "taken").write_text("a file")
    result = orders.runpytest("--lifecycle-cov-report=json:taken/routes.json", "--lifecycle-map=taken/map.md")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines_random(
        ["lifecycle: *taken/routes.json cannot be written: *", "lifecycle: *taken/map.md cannot be written: *"]
    )


def test_without_an_app_that_can_be_read_there_is_nothing_to_reach(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        from pytest_lifecycle import Client
        from shop import app

        def test_bare():
            with Client(app) as client:
                client.get("/")
    """)
    result = shop.runpytest("--lifecycle-cov", "--lifecycle-cov-fail-under=1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["no route is known: no app was asked *"])


def test_a_suite_of_apps_under_settings_that_change_counts_the_routes_of_all(project: pytest.Pytester) -> None:
    project.makepyfile(
        conftest="""
            from django.conf import settings
            settings.configure(ROOT_URLCONF="one", MIDDLEWARE=[], ALLOWED_HOSTS=["*"])
        """,
        one="""
            from django.http import HttpResponse
            from django.urls import path
            urlpatterns = [path("one/", lambda request: HttpResponse()), path("other/", lambda request: HttpResponse())]
        """,
        two="""
            from django.http import HttpResponse
            from django.urls import path
            urlpatterns = [path("two/", lambda request: HttpResponse())]
        """,
        test_both="""
            from django.test import Client, override_settings

            def test_one():
                Client().get("/one/")

            @override_settings(ROOT_URLCONF="two")
            def test_two():
                Client().get("/two/")
        """,
    )
    project.syspathinsert()
    result = project.runpytest_subprocess("--lifecycle-cov")
    result.stdout.fnmatch_lines(
        ["ANY /one/ *1  allowed*", "ANY /other/ *0  never asked", "ANY /two/ *1  allowed*", "2 of 3 routes reached*"]
    )


def test_an_adapter_that_fails_is_named_and_no_test_fails(orders: pytest.Pytester) -> None:
    orders.makeconftest("""
        from pytest_lifecycle.adapters import Adapter

        class Broken(Adapter):
            def declared(self, app, inside):
                raise LookupError("no such thing")

        def pytest_lifecycle_adapters():
            return [Broken()]
    """)
    result = orders.runpytest_subprocess("--lifecycle-cov")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["lifecycle: what FastAPI declares cannot be told: LookupError: no such thing"])


def test_apps_that_were_read_are_not_kept_alive(orders: pytest.Pytester) -> None:
    orders.makepyfile(
        test_orders="""
        import gc, weakref
        from pytest_lifecycle import Client
        from shop import make_app

        LEFT = []

        def test_first():
            app = make_app()
            LEFT.append(weakref.ref(app))
            with Client(app) as client:
                client.get("/orders/1")

        def test_then():
            gc.collect()
            assert LEFT[0]() is None
    """
    )
    orders.runpytest("--lifecycle-cov", "-p", "no:randomly").assert_outcomes(passed=2)


# -- the map


def routes_of(path: Any) -> list[str]:
    return [f"{route['method']} {route['pattern']}" for route in json.loads(path.read_text())["routes"]]


ROUTES = ["WEBSOCKET /events", "POST /orders", "DELETE /orders/{number}", "GET /orders/{number}"]


def test_the_map_of_a_named_app_needs_no_test(orders: pytest.Pytester) -> None:
    orders.makeini("[pytest]\nlifecycle_app = shop:make_app()")
    result = orders.runpytest("--lifecycle-map=build/map.json", "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    assert routes_of(orders.path / "build/map.json") == ROUTES
    data = json.loads((orders.path / "build/map.json").read_text())
    assert data["middleware"] == [{"name": "GZipMiddleware", "target": "starlette.middleware.gzip:GZipMiddleware"}]
    assert data["routes"][1]["dependencies"] == ["current_user"]


def test_the_map_of_an_app_that_only_tests_know_is_that_of_the_apps_they_asked(orders: pytest.Pytester) -> None:
    result = orders.runpytest_subprocess("--lifecycle-map=map.json")  # Django is configured here
    assert result.ret == pytest.ExitCode.OK
    assert routes_of(orders.path / "map.json") == ROUTES


def test_the_map_is_shown_as_markdown(orders: pytest.Pytester) -> None:
    orders.makeini("[pytest]\nlifecycle_app = shop:app")
    result = orders.runpytest("--lifecycle-map=-", "--collect-only")
    result.stdout.fnmatch_lines(
        [
            "*lifecycle: map*",
            "| POST /orders | create\\_order | current\\_user | GZipMiddleware |",
            "- GZipMiddleware, around app",
        ]
    )


def test_a_map_of_an_app_that_cannot_be_had_is_a_usage_error(orders: pytest.Pytester) -> None:
    orders.makeini("[pytest]\nlifecycle_app = shop:nothing")
    result = orders.runpytest("--lifecycle-map=map.md", "--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["lifecycle: lifecycle_app is 'shop:nothing', but *"])
    assert not (orders.path / "map.md").exists()


def test_a_map_without_routes_says_what_to_do(orders: pytest.Pytester) -> None:
    result = orders.runpytest_subprocess("--lifecycle-map=map.md", "--collect-only")
    result.stdout.fnmatch_lines(["lifecycle: the map has no routes: *"])

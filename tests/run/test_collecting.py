"""Every request of every test is in the run's report, whoever runs the tests and in whatever order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TESTS = """
    import pytest
    from pytest_lifecycle import Client
    from shop import app

    def ask(path, **headers):
        with Client(app, raise_app_exceptions=False) as client:
            return client.get(path, headers=headers)

    @pytest.fixture(scope="session")
    def token():
        ask("/token")

    @pytest.fixture
    def login():
        ask("/login")
        yield
        ask("/logout")

    def test_hello(token):
        ask("/hello?page=2&token=secret")

    @pytest.mark.parametrize("number", [1, 2])
    def test_numbers(token, login, number):
        ask(f"/numbers/{number}", authorization="Bearer t")

    def test_crash():
        ask("/crash")
        assert False

    def test_nothing():
        pass
"""


def report_of(project: pytest.Pytester, *arguments: str) -> dict[str, Any]:
    project.makepyfile(test_shop=TESTS)
    project.runpytest("--lifecycle-report=json:build/requests.json", "-p", "no:randomly", *arguments)
    found: dict[str, Any] = json.loads((project.path / "build" / "requests.json").read_text())
    return found


def paths(records: list[dict[str, Any]]) -> list[str]:
    return [record["path"] for record in records]


def test_each_test_has_its_requests_and_a_wider_fixture_its_own(shop: pytest.Pytester) -> None:
    report = report_of(shop)
    assert {nodeid: paths(records) for nodeid, records in report["tests"].items()} == {
        "test_shop.py::test_crash": ["/crash"],
        "test_shop.py::test_hello": ["/hello"],
        "test_shop.py::test_nothing": [],
        "test_shop.py::test_numbers[1]": ["/login", "/numbers/1", "/logout"],
        "test_shop.py::test_numbers[2]": ["/login", "/numbers/2", "/logout"],
    }
    assert {name: paths(records) for name, records in report["fixtures"].items()} == {"test_shop.py::token": ["/token"]}
    assert report["lost"] == []


def test_a_request_is_kept_as_plain_data(shop: pytest.Pytester) -> None:
    report = report_of(shop)
    assert report["tests"]["test_shop.py::test_crash"] == [
        {
            "protocol": "http",
            "method": "GET",
            "path": "/crash",
            "status": None,
            "outcome": "error",
            "handler": "app",
            "exception": "RuntimeError",
            "raised_in": "app",
            "is_anonymous": True,
            "source": f"{shop.path / 'shop.py'}:1",
        }
    ]
    assert report["tests"]["test_shop.py::test_numbers[1]"][1]["is_anonymous"] is False


@pytest.mark.parametrize("arguments", [("-n2",), ("-n2", "--dist=loadgroup"), ("-p", "randomly")])
def test_the_report_is_the_same_however_the_tests_are_run(shop: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    plain = report_of(shop)
    plugins = ("-p", "xdist", "-p", "xdist.looponfail") if "-n2" in arguments else ("-p", "randomly")
    assert report_of(shop, *plugins[:2], *arguments) == plain


def test_a_worker_that_dies_loses_one_test_and_the_report_names_it(shop: pytest.Pytester) -> None:
    shop.makepyfile(
        test_shop="""
        import os
        from pytest_lifecycle import Client
        from shop import app

        def test_before():
            with Client(app) as client:
                client.get("/before")

        def test_dies():
            os._exit(3)

        def test_after():
            with Client(app) as client:
                client.get("/after")
        """
    )
    shop.runpytest("--lifecycle-report=json:requests.json", "-p", "xdist", "-n1", "-p", "no:randomly")
    report = json.loads((shop.path / "requests.json").read_text())
    assert {nodeid: paths(records) for nodeid, records in report["tests"].items()} == {
        "test_shop.py::test_before": ["/before"],
        "test_shop.py::test_after": ["/after"],
    }
    assert report["lost"] == ["test_shop.py::test_dies"]


def test_a_report_that_cannot_be_written_is_a_usage_error(shop: pytest.Pytester) -> None:
    Path("taken").write_text("a file")
    result = shop.runpytest("--lifecycle-report=json:taken/requests.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["lifecycle: *taken/requests.json cannot be written: *"])


def test_an_unknown_format_is_refused_before_a_test_runs(shop: pytest.Pytester) -> None:
    result = shop.runpytest("--lifecycle-report=yaml:requests.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--lifecycle-report=yaml:requests.yaml: expected json:PATH*"])

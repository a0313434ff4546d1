"""A baseline is written and compared with, by a suite that is run as suites are."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import starlette.testclient  # noqa: F401  what an inner run imports first is imported anew by the next one

APP = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def order(request):
    return PlainTextResponse("an order")

def login(request):
    return PlainTextResponse("welcome")

def logout(request):
    return PlainTextResponse("good bye")

app = Starlette(routes=[
    Route("/orders/{order_id:int}", order), Route("/login", login), Route("/logout", logout)
])
"""

TESTS = """
import pytest
from starlette.testclient import TestClient
from shop import app

client = TestClient(app, raise_server_exceptions=False)

@pytest.fixture(scope="session")
def token():
    client.get("/login")

@pytest.fixture
def leaving():
    yield
    client.get("/logout")

def test_order(token):
    client.get("/orders/42")

@pytest.mark.parametrize("number", [1, 2])
def test_orders(leaving, number):
    client.get(f"/orders/{number}")

def test_nothing():
    pass
"""

ORDER = {"route": "GET /orders/{order_id:int}", "status": 200, "outcome": "handled", "handler": "order"}
LOGIN = {"route": "GET /login", "status": 200, "outcome": "handled", "handler": "login"}
LOGOUT = {"route": "GET /logout", "status": 200, "outcome": "handled", "handler": "logout", "when": "teardown"}

BASELINE = f"""{{
"schema": 1,
"stacks": {{}},
"tests": {{
 "test_shop.py::test_order": [
  {json.dumps(ORDER)}
 ],
 "test_shop.py::test_orders[1]": [
  {json.dumps(LOGOUT)},
  {json.dumps(ORDER)}
 ],
 "test_shop.py::test_orders[2]": [
  {json.dumps(LOGOUT)},
  {json.dumps(ORDER)}
 ]
}},
"fixtures": {{
 "test_shop.py::token": [
  {json.dumps(LOGIN)}
 ]
}}
}}
"""
"""What recording the suite gives."""


@pytest.fixture
def suite(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with a shop, a suite and a recorded baseline."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit may leave a file's time and size as they are
    project.makepyfile(shop=APP, test_shop=TESTS)
    project.syspathinsert()
    (project.path / "baseline.json").write_text(BASELINE)
    return project


def update(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return run(project, "--lifecycle-update", *arguments)


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest("--lifecycle-baseline=baseline.json", "-p", "no:randomly", *arguments)


def edit(project: pytest.Pytester, file: str, old: str, new: str) -> None:
    path = project.path / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def written(project: pytest.Pytester) -> Any:
    return json.loads((project.path / "baseline.json").read_text())


def told(result: pytest.RunResult) -> list[str]:
    """Give what stands in the section of the summary."""
    lines = result.outlines
    heads = [at for at, line in enumerate(lines) if line.startswith("=") and " lifecycle baseline " in line]
    found = []
    for line in lines[heads[-1] + 1 :]:
        if line.startswith(("Where this is", "=")):
            break
        found.append(line)
    return found


# -- the file


def test_a_baseline_holds_one_line_for_each_different_request_of_a_test(suite: pytest.Pytester) -> None:
    (suite.path / "baseline.json").unlink()
    update(suite)
    assert (suite.path / "baseline.json").read_text() == BASELINE


GROUPED = "import pytest\npytestmark = pytest.mark.xdist_group('shop')\n"


@pytest.mark.parametrize("arguments", [("-p", "xdist", "-n2", "--dist=loadgroup"), ("-p", "randomly")], ids=" ".join)
def test_the_file_is_the_same_however_the_tests_are_run(suite: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    (suite.path / "test_shop.py").write_text(GROUPED + (suite.path / "test_shop.py").read_text())
    (suite.path / "baseline.json").unlink()
    result = update(suite, *arguments)
    result.stdout.fnmatch_lines(["lifecycle: the baseline baseline.json has 6 lines: 6 added, 0 changed, 0 removed"])
    assert (suite.path / "baseline.json").read_text() == BASELINE
    result = run(suite, *arguments)
    result.stdout.fnmatch_lines(["lifecycle: * requests are as in the baseline baseline.json"])
    assert result.ret == 0


# -- comparing


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n2")], ids=["here", "in workers"])
def test_what_changed_as_a_fixture_was_closed_or_in_one_of_a_wider_scope_fails_the_run(
    suite: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    edit(suite, "shop.py", 'Route("/login", login), Route("/logout", logout)', "")
    result = run(suite, *arguments)
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert told(result) == [
        "changed:",
        "  no route matches any more: 3 requests of 2 tests and 1 fixture: GET /login and GET /logout",
    ]


def test_a_test_that_fails_anyway_says_what_has_changed_in_a_section(suite: pytest.Pytester) -> None:
    edit(suite, "shop.py", "/orders/", "/order/")
    edit(suite, "test_shop.py", 'client.get("/orders/42")', 'assert client.get("/orders/42").status_code == 200')
    result = run(suite, "-k", "test_order and not test_orders")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "E *assert 404 == 200",
            "*- lifecycle baseline -*",
            "lifecycle: GET /orders/{order_id:int}: no route matches any more; *, status 200 to 404 *",
        ]
    )
    assert told(result) == ["changed:", "  GET /orders/{order_id:int}: no route matches any more: 1 request of 1 test"]


def test_a_setup_that_fails_says_what_has_changed_in_a_section(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_setup="""
        import pytest
        from test_shop import client

        @pytest.fixture
        def order():
            assert client.get("/orders/42").status_code == 200

        def test_it(order):
            pass
        """
    )
    update(suite, "test_setup.py")
    edit(suite, "shop.py", "/orders/", "/order/")
    result = run(suite, "test_setup.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*- lifecycle baseline -*", "lifecycle: GET /orders/{order_id:int}: no route *"])


def test_new_requests_and_vanished_ones_are_told_and_fail_a_strict_run_only(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", 'client.get("/orders/42")', 'client.get("/login")')
    lines = [
        "new, nothing is recorded of them:",
        "  GET /login: 200 handled: 1 request of 1 test",
        "vanished, recorded and not seen:",
        "  GET /orders/{order_id:int}: 200 handled: 1 request of 1 test",
    ]
    result = run(suite)
    assert (result.ret, told(result)) == (0, lines)
    result = run(suite, "--lifecycle-strict")
    assert (result.ret, told(result)) == (pytest.ExitCode.TESTS_FAILED, lines)
    result.assert_outcomes(failed=1, passed=3)
    result.stdout.fnmatch_lines(["lifecycle: new: GET /login: 200 handled"])


def test_a_request_that_is_no_longer_made_fails_a_strict_run(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", 'client.get("/orders/42")', "pass")
    result = run(suite, "--lifecycle-strict")
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_what_a_fixture_no_longer_asks_for_has_vanished_where_every_test_was_run(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", 'client.get("/login")', "pass")
    result = run(suite, "--lifecycle-strict")
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert told(result) == ["vanished, recorded and not seen:", "  GET /login: 200 handled: 1 request of 1 fixture"]
    assert run(suite, "--lifecycle-strict", "-k", "test_orders").ret == 0


def test_a_test_that_did_not_come_to_its_end_has_no_vanished_requests(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", 'client.get("/orders/42")', "pytest.skip()")
    edit(suite, "test_shop.py", 'client.get(f"/orders/{number}")', "assert False")
    result = run(suite, "--lifecycle-strict")
    result.assert_outcomes(failed=2, passed=1, skipped=1)
    result.stdout.fnmatch_lines(["lifecycle: * requests are as in the baseline baseline.json"])


def test_what_is_not_compared_is_told_and_fails_nothing(suite: pytest.Pytester) -> None:
    edit(suite, "shop.py", "def order(", "def read_order(")
    edit(suite, "shop.py", "order)", "read_order)")
    result = run(suite)
    assert result.ret == 0
    assert told(result) == [
        "also changed (not compared):",
        "  GET /orders/{order_id:int}: handler read_order, was order: 3 requests of 3 tests",
    ]


def test_a_test_that_is_expected_to_fail_does_not_hide_a_change(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", "def test_order(", "@pytest.mark.xfail\ndef test_order(")
    edit(suite, "shop.py", "/orders/", "/order/")
    result = run(suite, "-k", "test_order and not test_orders")
    result.assert_outcomes(xfailed=1, deselected=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_unittest_case_and_an_async_test_fail_alike(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_kinds="""
        import unittest
        import pytest
        from pytest_lifecycle import AsyncClient
        from test_shop import app, client

        class TestShop(unittest.TestCase):
            def test_order(self):
                client.get("/orders/42")

        @pytest.mark.anyio
        async def test_async_order():
            async with AsyncClient(app) as client:
                await client.get("/orders/42")

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """
    )
    update(suite, "test_kinds.py", "-p", "anyio")
    edit(suite, "shop.py", "/orders/", "/order/")
    result = run(suite, "test_kinds.py", "-p", "anyio")
    result.assert_outcomes(failed=2)
    assert told(result) == [
        "changed:",
        "  GET /orders/{order_id:int}: no route matches any more: 2 requests of 2 tests",
    ]


def test_the_ini_file_names_the_baseline_and_what_is_compared(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyprojecttoml(
        """
        [tool.pytest.ini_options]
        lifecycle_baseline = "baseline.json"
        lifecycle_baseline_compare = ["handler"]
        """
    )
    edit(suite, "shop.py", "def order(", "def read_order(")
    edit(suite, "shop.py", "order)", "read_order)")
    monkeypatch.chdir(suite.mkdir("elsewhere"))
    suite.runpytest("-c", "../pyproject.toml", "..").assert_outcomes(failed=3, passed=1)
    suite.runpytest("-c", "../pyproject.toml", "..", "--lifecycle-baseline=").assert_outcomes(passed=4)  # without it


# -- writing


ADDED = """
def test_added():
    client.get("/login")
"""


def entries(project: pytest.Pytester) -> list[str]:
    return [nodeid.removeprefix("test_shop.py::") for nodeid in written(project)["tests"]]


ALL = ["test_order", "test_orders[1]", "test_orders[2]"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-k", "nothing"),
        ("test_shop.py::test_nothing",),
        ("--deselect=test_shop.py::test_order",),
        ("-p", "xdist", "-n2", "-k", "nothing"),
    ],
    ids=" ".join,
)
def test_tests_that_do_not_run_keep_their_lines(suite: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    update(suite, *arguments)
    assert (suite.path / "baseline.json").read_text() == BASELINE


def test_tests_that_did_not_fail_the_last_time_keep_their_lines(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p lifecycle")
    edit(suite, "test_shop.py", "def test_nothing():\n    pass", "def test_nothing():\n    assert not client")
    update(suite).assert_outcomes(failed=1, passed=3)
    update(suite, "--lf").assert_outcomes(failed=1)
    assert entries(suite) == ALL


def test_tests_after_the_one_that_ends_the_run_keep_their_lines(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", 'client.get("/orders/42")', "assert False")
    result = update(suite, "-x")
    assert entries(suite) == ALL
    result.stdout.fnmatch_lines(["lifecycle: * removed; tests that failed or were skipped keep their lines: 1"])


def test_a_first_recording_says_how_many_tests_have_no_lines_since_they_failed(suite: pytest.Pytester) -> None:
    (suite.path / "baseline.json").unlink()
    edit(suite, "test_shop.py", 'client.get("/orders/42")', 'assert client.get("/orders/42") is None')
    result = update(suite)
    assert entries(suite) == ALL[1:]
    result.stdout.fnmatch_lines(["lifecycle: * 0 removed; tests that failed or were skipped have no lines yet: 1"])


def test_a_worker_that_dies_takes_no_lines_along(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", 'client.get("/orders/42")', "__import__('os')._exit(3)")
    update(suite, "-p", "xdist", "-n1")
    assert entries(suite) == ALL


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n1"), ("-k", "nothing"), ("test_shop.py",)], ids=" ".join)
def test_tests_that_are_gone_lose_their_lines(suite: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    edit(suite, "test_shop.py", "[1, 2]", "[1]")
    update(suite, *arguments)
    assert entries(suite) == ALL[:2]


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n1")], ids=" ".join)
def test_what_tests_asked_for_that_are_gone_has_vanished(suite: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    edit(suite, "test_shop.py", "[1, 2]", "[1]")
    result = run(suite, *arguments)
    assert result.ret == 0
    assert told(result) == [
        "vanished, recorded and not seen:",
        "  GET /logout: 200 handled: 1 request of 1 test",
        "  GET /orders/{order_id:int}: 200 handled: 1 request of 1 test",
    ]
    assert run(suite, "--lifecycle-strict", *arguments).ret == pytest.ExitCode.TESTS_FAILED
    assert run(suite, "--lifecycle-strict", "test_shop.py::test_order").ret == 0
    update(suite)
    assert run(suite, "--lifecycle-strict", *arguments).ret == 0


def test_files_that_are_gone_lose_their_lines_where_their_folder_is_run(suite: pytest.Pytester) -> None:
    (suite.path / "test_shop.py").rename(suite.path / "test_new.py")
    update(suite, "test_new.py")
    assert len(written(suite)["tests"]) == 6
    update(suite)
    assert {nodeid.partition("::")[0] for nodeid in written(suite)["tests"]} == {"test_new.py"}


def test_a_file_that_cannot_be_read_keeps_its_lines(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", "import pytest", "import pytest, nothing_like_that")
    update(suite, "--continue-on-collection-errors")
    assert entries(suite) == ALL


def test_what_was_written_is_counted(suite: pytest.Pytester) -> None:
    edit(suite, "shop.py", 'PlainTextResponse("welcome")', 'PlainTextResponse("welcome", 201)')
    edit(suite, "test_shop.py", "[1, 2]", "[1]")
    (suite.path / "test_shop.py").write_text((suite.path / "test_shop.py").read_text() + ADDED)
    result = update(suite)
    result.stdout.fnmatch_lines(["lifecycle: the baseline baseline.json has 5 lines: 1 added, 1 changed, 2 removed"])


def test_nothing_is_written_where_tests_are_only_collected(suite: pytest.Pytester) -> None:
    (suite.path / "baseline.json").unlink()
    update(suite, "--collect-only")
    assert not (suite.path / "baseline.json").exists()


# -- bad input


def refused(project: pytest.Pytester, *arguments: str) -> str:
    """Run, and give the message; nothing may be run or written."""
    before = {path: path.read_bytes() for path in project.path.iterdir() if path.is_file()}
    result = project.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert {path: path.read_bytes() for path in project.path.iterdir() if path.is_file()} == before
    return next(line for line in result.errlines if line.startswith("ERROR: ")).removeprefix("ERROR: ")


def test_a_baseline_that_is_not_there_is_refused(suite: pytest.Pytester) -> None:
    assert refused(suite, "--lifecycle-baseline=other.json") == (
        f"There is no baseline {suite.path / 'other.json'}. Write it with --lifecycle-update."
    )


REPAIR = "Put it right, or remove the file and write it anew with --lifecycle-update."
"""Writing alone would be refused, too."""

EDITED = {
    "truncated": (lambda text: text[:-20], f"is no JSON: *. {REPAIR}"),
    "newer": (lambda text: text.replace('"schema": 1', '"schema": 2'), "has the schema 2; *reads 1. Use the version *"),
    "conflict": (
        lambda text: f"<<<<<<< HEAD\n{text}>>>>>>> other\n",
        "holds marks of a merge conflict. Resolve it first. Write *",
    ),
    "twice": (
        lambda text: text.replace("test_orders[1]", "test_order"),
        "*the key 'test_shop.py::test_order' stands twice*",
    ),
    "unknown fact": (
        lambda text: text.replace('"status": 200, "outcome": "handled", "handler": "login"', '"stauts": 200'),
        "has a request that cannot be read, number 1 of test_shop.py::token: 'stauts' is none of *",
    ),
    "wrong type": (
        lambda text: text.replace('"status": 200, "outcome": "handled", "handler": "login"', '"status": "200"'),
        "has a request that cannot be read, number 1 of test_shop.py::token: 'status' has to be a number, not \"200\"*",
    ),
    "unknown stack": (
        lambda text: text.replace('"handler": "login"', '"stack": "3f"'),
        "has a request that cannot be read, number 1 of test_shop.py::token: its stack '3f' is none of *",
    ),
    "other part": (lambda text: text.replace('"fixtures"', '"fixture"'), "has a part 'fixture', which is none of *"),
    "no list": (lambda text: '{"schema": 1, "tests": {"test_a": {}}}', "has no list of requests for test_a*"),
    "no object": (lambda text: "[]", f"holds no JSON object. {REPAIR}"),
}


@pytest.mark.parametrize("arguments", [(), ("--lifecycle-update",)], ids=["comparing", "writing"])
@pytest.mark.parametrize("name", EDITED)
def test_a_baseline_that_somebody_broke_is_refused_and_left_alone(
    suite: pytest.Pytester, name: str, arguments: tuple[str, ...]
) -> None:
    change, message = EDITED[name]
    path = suite.path / "baseline.json"
    path.write_text(change(path.read_text()))
    pytest.LineMatcher([refused(suite, "--lifecycle-baseline=baseline.json", *arguments)]).fnmatch_lines(
        [f"The baseline {path} {message}".replace("[", "[[]")]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--lifecycle-update",),
            "--lifecycle-update needs a baseline. Name its file with --lifecycle-baseline=PATH *",
        ),
        (
            ("--lifecycle-strict",),
            "--lifecycle-strict needs a baseline. Name its file with --lifecycle-baseline=PATH *",
        ),
        (
            ("--lifecycle-baseline=baseline.json", "--lifecycle-strict", "--lifecycle-update"),
            "--lifecycle-strict compares with the baseline, and --lifecycle-update writes it. Give one of them.",
        ),
        (
            ("--lifecycle-baseline=baseline.json", "-o", "lifecycle_baseline_compare=status rout"),
            "*: config option 'lifecycle_baseline_compare' expects a list of names out of status, route, outcome,"
            " middleware, refusal, handler, dependencies, invalid, redirect, exception, got 'rout'.",
        ),
    ],
    ids=["update alone", "strict alone", "strict and update", "unknown aspect"],
)
def test_options_that_do_not_go_together_are_refused(
    suite: pytest.Pytester, arguments: tuple[str, ...], message: str
) -> None:
    pytest.LineMatcher([refused(suite, *arguments)]).fnmatch_lines([message])


def test_a_baseline_that_cannot_be_written_fails_the_run_as_bad_usage(suite: pytest.Pytester) -> None:
    result = suite.runpytest("--lifecycle-baseline=shop.py/baseline.json", "--lifecycle-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["lifecycle: *shop.py/baseline.json cannot be written: *"])


def test_what_another_run_wrote_in_the_meantime_is_kept(suite: pytest.Pytester) -> None:
    suite.makepyfile(another="")  # a file that this run does not collect
    suite.makeconftest(
        """
        import json
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish():
            with open("baseline.json") as file:
                found = json.load(file)
            found["tests"]["another.py::test_order"] = found["tests"].pop("test_shop.py::test_order")
            with open("baseline.json", "w") as file:
                json.dump(found, file)
        """
    )
    result = update(suite)
    result.stdout.fnmatch_lines(["lifecycle: the baseline baseline.json has 7 lines: 1 added, 0 changed, 0 removed"])
    assert sorted(written(suite)["tests"]) == ["another.py::test_order", *(f"test_shop.py::{name}" for name in ALL)]


def test_a_baseline_that_broke_in_the_meantime_is_left_alone(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish():
            with open("baseline.json", "w") as file:
                file.write("mine")
        """
    )
    result = update(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["lifecycle: The baseline *baseline.json is no JSON: *"])
    assert (suite.path / "baseline.json").read_text() == "mine"


BLOG = """
import functools
from flask import Flask, redirect, request

app = Flask(__name__)

def login_required(view):
    @functools.wraps(view)
    def wrapped(**arguments):
        return view(**arguments) if "authorization" in request.headers else redirect("/login", 303)
    return wrapped

@app.post("/<int:number>/update")
@login_required
def update(number):
    return "updated"
"""

READERS = """
from blog import app

def test_author():
    app.test_client().post("/1/update", headers={"authorization": "Bearer ada"})

def test_stranger():
    app.test_client().post("/1/update")
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "/update",
            "/edit",
            [
                "no route matches any more; its handler update is at /<int:number>/edit now,"
                " status 200 to 404 (handled to not_found)",
                "no route matches any more; status 303 to 404 (short_circuited to not_found)",
            ],
        ),
        (
            "@login_required\n",
            "",
            [
                "no longer answered by login_required; no longer redirects to /login,"
                " status 303 to 200 (short_circuited to handled)"
            ],
        ),
    ],
    ids=["moved", "guard dropped"],
)
def test_where_a_handler_went_and_which_guard_no_longer_answers(
    project: pytest.Pytester, old: str, new: str, told: list[str]
) -> None:
    project.syspathinsert()
    project.makepyfile(blog=BLOG, test_blog=READERS)
    update(project)
    project.makepyfile(blog=BLOG.replace(old, new))
    lines = run(project).outlines
    assert [line for line in lines if line.startswith("lifecycle: POST")] == [
        f"lifecycle: POST /<int:number>/update: {said}" for said in told
    ]


TWICE = """
import pytest
from blog import app

USER = {"authorization": "Bearer ada"}

@pytest.fixture
def leaving():
    yield
    app.test_client().post("/1/update")

def ask(*headers):
    for each in headers:
        app.test_client().post("/1/update", headers=each)

def test_both():
    ask(USER, {})

def test_at_the_end(leaving):
    ask(USER, USER)

def test_broken(leaving):
    ask(USER, USER)
    assert app is None
    ask({})
"""


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n2")], ids=["here", "in workers"])
def test_a_guard_that_is_gone_fails_the_test_that_asked_with_a_user_and_without(
    project: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """Both requests end now as one is recorded; what is recorded of a fixture's end may yet come."""
    project.syspathinsert()
    project.makepyfile(blog=BLOG, test_blog=TWICE.replace("assert app is None", "pass"))
    update(project)
    (project.path / "test_blog.py").write_text(TWICE)
    result = run(project, *arguments)
    result.assert_outcomes(passed=2, failed=1)
    assert not [line for line in result.outlines if line.startswith("lifecycle: POST")]
    project.makepyfile(blog=BLOG.replace("@login_required\n", ""))
    result = run(project, *arguments)
    result.assert_outcomes(passed=1, failed=2)
    assert [line for line in result.outlines if line.startswith("lifecycle: POST")] == [
        "lifecycle: POST /<int:number>/update: no longer answered by login_required; no longer redirects to /login,"
        " status 303 to 200 (short_circuited to handled)"
    ]
    assert told(result)[1] == "  POST /<int:number>/update: no longer answered by login_required: 2 requests of 2 tests"


def test_a_subtest_ends_no_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_sub="""
        from unittest import TestCase
        from test_shop import client

        class TestOrders(TestCase):
            def test_them(self):
                for path in ("/orders/1", "/login"):
                    with self.subTest(path):
                        client.get(path)
        """
    )
    update(suite, "test_sub.py")
    lines = written(suite)["tests"]["test_sub.py::TestOrders::test_them"]
    assert [(line["route"], line.get("when")) for line in lines] == [
        ("GET /login", None),
        ("GET /orders/{order_id:int}", None),
    ]


def test_what_comes_earlier_now_than_it_was_recorded_is_written(suite: pytest.Pytester) -> None:
    edit(suite, "test_shop.py", '    yield\n    client.get("/logout")', '    client.get("/logout")')
    update(suite).stdout.fnmatch_lines(["*: 0 added, 0 changed, 0 removed"])
    assert "teardown" not in (suite.path / "baseline.json").read_text()


LAYER = """class Layer:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)

app = Layer(Starlette("""


def test_each_of_several_regressions_is_told_beside_one_that_all_requests_show(suite: pytest.Pytester) -> None:
    edit(suite, "shop.py", 'Route("/orders/{order_id:int}"', 'Route("/goods/{order_id:int}"')
    edit(suite, "shop.py", "app = Starlette(", LAYER)
    edit(suite, "shop.py", "\n])", "\n]))")
    assert told(run(suite)) == [
        "changed:",
        "  middleware Layer added: 6 requests of 3 tests and 1 fixture:"
        " GET /login, GET /logout and GET /orders/{order_id:int}",
        "    of these: GET /orders/{order_id:int}: no route matches any more: 3 requests of 3 tests",
    ]

"""Regressions in the example shops: the baseline catches every one, names its cause, and only then."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import django.test  # noqa: F401  what an inner run imports first is imported anew by the next one
import fastapi  # noqa: F401
import flask  # noqa: F401
import pytest
import starlette.testclient  # noqa: F401

from examples.regressions.catalogue import REGRESSIONS
from examples.regressions.saying import said_by_parts
from examples.regressions.shop import COMPARING, RECORDING, Shop, comparing


@dataclass
class Copy:
    """A copy of a shop, in a project of its own."""

    project: pytest.Pytester
    name: str

    def __post_init__(self) -> None:
        self.shop = Shop(self.project.path, self.name)

    def run(self, *arguments: str) -> pytest.RunResult:
        run: Callable[..., pytest.RunResult] = self.project.runpytest
        if self.name == "django":  # it has one configuration for a process
            run = self.project.runpytest_subprocess
        return run(*arguments)


@pytest.fixture
def copy(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Copy]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit may leave a file's time and size as they are
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    project.syspathinsert()
    monkeypatch.setenv("PYTHONPATH", str(project.path), prepend=":")
    return lambda name: Copy(project, name)


@dataclass
class Expected:
    """What the failing tests say, and what the summary does: what is compared, and what is not."""

    told: dict[str, list[str]]
    summary: list[str]
    also: list[str] = field(default_factory=list)


MOVED = "middleware CORSMiddleware moved inside MaintenanceMiddleware"
LOST = "no route matches any more"
GONE = "status 200 to 404 (handled to not_found)"

EXPECTED = {
    "shadowed-route": Expected(
        told={
            "test_export": [
                "GET /orders/export: the route GET /orders/{order_id} takes it now;"
                " newly invalid: path.order_id, status 200 to 422 (handled to invalid)"
            ]
        },
        summary=["GET /orders/export: the route GET /orders/{order_id} takes it now: 1 request of 1 test"],
    ),
    "changed-prefix": Expected(
        told={
            "test_read": [
                f"GET /orders/<int:order_id>: {LOST};"
                f" the nearest is /order/<int:order_id> (is spelled differently), {GONE}"
            ],
            "test_price": [
                f"GET /orders/<int:order_id>/unit-price: {LOST};"
                f" the nearest is /order/<int:order_id>/unit-price (is spelled differently), {GONE}"
            ],
        },
        summary=[
            f"{LOST}: 3 requests of 2 tests: GET /orders/<int:order_id> and GET /orders/<int:order_id>/unit-price"
        ],
    ),
    "swapped-middleware": Expected(
        told={
            "test_read": ["GET /orders/{int}: middleware GzipMiddleware no longer runs before AuthMiddleware"],
            "test_stranger": ["GET /orders/{int}: middleware GzipMiddleware no longer runs before AuthMiddleware"],
        },
        summary=[
            "GET /orders/{int}: middleware GzipMiddleware no longer runs before AuthMiddleware: 2 requests of 2 tests"
        ],
    ),
    "dropped-dependency": Expected(
        told={
            "test_strangers": [
                "DELETE /orders/{order_id}: `bearer` no longer runs; status 401 to 204 (rejected to handled)"
            ]
        },
        summary=["DELETE /orders/{order_id}: `bearer` no longer runs: 1 request of 1 test"],
        also=[
            "DELETE /orders/{order_id}: `bearer`, `current_user` and `admin_only` no longer run: 1 request of 1 test"
        ],
    ),
    "required-field": Expected(
        told={"test_order": ["POST /orders: newly invalid: body.note; status 201 to 422 (handled to invalid)"]},
        summary=["POST /orders: newly invalid: body.note: 1 request of 1 test"],
    ),
    "lost-slash": Expected(
        told={
            "test_me": [f"GET /users/me/: {LOST}; the nearest is /users/me (differs: trailing slash), {GONE}"],
            "test_stranger": [
                f"GET /users/me/: {LOST}; the nearest is /users/me (differs: trailing slash),"
                " status 401 to 404 (short_circuited to not_found)"
            ],
        },
        summary=[f"GET /users/me/: {LOST}: 2 requests of 2 tests"],
    ),
    "added-slash": Expected(
        told={
            "test_me": [
                "GET /users/me: the router redirects it to /users/me/ now; status 200 to 308 (handled to redirected)"
            ],
            "test_stranger": [
                "GET /users/me: the router redirects it to /users/me/ now;"
                " status 401 to 308 (short_circuited to redirected)"
            ],
        },
        summary=["GET /users/me: the router redirects it to /users/me/ now: 2 requests of 2 tests"],
    ),
    "renamed-handler": Expected(
        told={"test_me": ["GET /users/me: handler read_user, was read_me"]},
        summary=["GET /users/me: handler read_user, was read_me: 1 request of 1 test"],
    ),
    "moved-cors": Expected(
        told={
            "test_read[41]": [f"GET /orders/{{order_id}}: {MOVED}"],
            "test_read[42]": [f"GET /orders/{{order_id}}: {MOVED}"],
            "test_export": [f"GET /orders/export: {MOVED}"],
            "test_order": [f"POST /orders: {MOVED}", f"GET /orders/{{order_id}}: {MOVED}"],
            "test_list": [f"GET /orders: {MOVED}"],
            "test_strangers": [f"DELETE /orders/{{order_id}}: {MOVED}", f"GET /users/me: {MOVED}"],
            "test_delete": [f"DELETE /orders/{{order_id}}: {MOVED}"],
            "test_stats": [f"GET /admin/stats: {MOVED}", f"GET /admin/stats: {MOVED}"],
        },
        summary=[
            f"{MOVED}: 11 requests of 8 tests:"
            " DELETE /orders/{order_id}, GET /admin/stats, GET /orders, GET /orders/export and 3 more"
        ],
    ),
    "renamed-column": Expected(
        told={
            "test_price": [
                "GET /orders/<int:order_id>/unit-price: AttributeError raised in read_unit_price;"
                " status 200 to 500 (handled to error)"
            ]
        },
        summary=[
            "GET /orders/<int:order_id>/unit-price: AttributeError raised in read_unit_price: 1 request of 1 test"
        ],
    ),
    "lost-mount": Expected(
        told={
            "test_stats": [
                f"GET /admin/stats: {LOST}; middleware NoStoreMiddleware is not reached, {GONE}"
            ]  # the 200 and the 403 are the same 404 now: told once, counted below
        },
        summary=[f"GET /admin/stats: {LOST}: 2 requests of 1 test"],
    ),
}


def failures(result: pytest.RunResult) -> dict[str, list[str]]:
    """Give what each failing test says of its requests."""
    found: dict[str, list[str]] = {}
    test = ""
    for line in result.outlines:
        if re.fullmatch(r"=+ .+ =+", line):  # the short summary, which tells whole messages in CI
            test = ""
        named = re.fullmatch(r"_{3,} (\S+) _{3,}", line)
        test = named[1] if named else test
        if line.startswith("lifecycle: ") and test:
            found.setdefault(test, []).append(line.removeprefix("lifecycle: "))
    return found


def summary(result: pytest.RunResult) -> dict[str, list[str]]:
    """Give what the summary says, by title."""
    found: dict[str, list[str]] = {}
    lines = iter(result.outlines)
    for line in lines:
        if re.fullmatch(r"=+ lifecycle baseline =+", line):
            break
    title = ""
    for line in lines:
        if line.startswith("Where this is as it should be"):
            break
        if line.startswith("  "):
            found[title].append(line.strip())
        else:
            title = line.rstrip(":")
            found[title] = []
    return found


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_is_caught_once_and_its_cause_is_named(copy: Callable[[str], Copy], name: str) -> None:
    regression, expected = REGRESSIONS[name], EXPECTED[name]
    here = copy(regression.shop)
    before = here.run(*RECORDING)
    assert before.ret == 0
    assert here.shop.suffer(regression)
    after = here.run(*comparing(regression), "-p", "no:randomly")
    assert after.ret == pytest.ExitCode.TESTS_FAILED
    assert failures(after) == expected.told
    titles = {"changed": expected.summary, "also changed (not compared)": expected.also}
    assert summary(after) == {title: lines for title, lines in titles.items() if lines}
    assert said_by_parts(before.outlines, after.outlines).keys() == regression.told_by


@pytest.mark.parametrize(
    ("name", "seeds", "workers"), [("fastapi", 6, 2), ("flask", 5, 0), ("asgi", 6, 0), ("django", 1, 0)]
)
def test_an_unchanged_suite_is_as_recorded_in_each_of_twenty_runs(
    copy: Callable[[str], Copy], name: str, seeds: int, workers: int
) -> None:
    here = copy(name)
    here.run(*RECORDING)
    shuffled = [("-p", "randomly", f"--randomly-seed={seed}") for seed in range(seeds)]
    parallel = [("-p", "xdist", f"-n{number}", "-p", "randomly") for number in range(1, workers + 1)]
    for arguments in (*shuffled, *parallel):
        result = here.run(*COMPARING, *arguments)
        result.stdout.fnmatch_lines(["lifecycle: * requests are as in the baseline baseline.json"])
        assert result.ret == 0

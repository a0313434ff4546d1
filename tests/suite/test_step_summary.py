"""The summary of a step stays within GitHub's limit, and says what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_lifecycle._suite.changes import CHANGED, Finding
from pytest_lifecycle._suite.coverage import coverage_of
from pytest_lifecycle._suite.record import Record
from pytest_lifecycle._suite.run import Run
from pytest_lifecycle._suite.step_summary import markdown_of
from pytest_lifecycle._suite.suite import Suite
from pytest_lifecycle._trace.declared import Declared, DeclaredRoute


def run(findings: int = 0, routes: int = 0, lost: int = 0) -> Run:
    suite = Suite()
    suite.add_test("test_0", [Record("http", "GET", "/", 200, "handled")])
    suite.lost = [f"test_lost_{number}" for number in range(lost)]
    declared = Declared(tuple(DeclaredRoute("GET", f"/{number}") for number in range(routes)))
    return Run(suite, [finding(number) for number in range(findings)], coverage=coverage_of([], declared))


def finding(number: int) -> Finding:
    return Finding(CHANGED, f"test_{number}", f"GET /{number}", f"cause {number:04} ☃", fails=True)


def headings(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith("#")]


def test_all_is_told_where_it_fits() -> None:
    text = markdown_of(run(findings=3, routes=2, lost=1))
    assert headings(text) == ["## pytest-lifecycle", "### Lost tests", "### Baseline", "### Route coverage"]
    assert text.startswith("## pytest-lifecycle\n\n1 test, 1 request: handled 1.\n\n### Lost tests\n")
    assert "Cut" not in text


@pytest.mark.parametrize("room", [1_000, 5_001, 20_000])
def test_what_does_not_fit_is_cut_and_named(room: int) -> None:
    whole = markdown_of(run(findings=1000, routes=500)).split("\n")
    text = markdown_of(run(findings=1000, routes=500), room)
    *kept, empty, notice, end = text.split("\n")
    assert room - 600 < len(text.encode()) <= room
    assert (kept, empty, end) == (whole[: len(kept)], "", "")
    changes, routes = (len(lines) for lines in (whole[3:1010], whole[1010:-1]))
    left = changes - (len(kept) - 3)
    assert notice == (
        "**Cut: GitHub shows no summary that is larger than 1 MiB."
        f" Left out are {left} lines of Baseline, {routes} lines of Route coverage.**"
    )


def test_a_run_of_any_size_stays_within_what_github_takes() -> None:
    text = markdown_of(run(findings=20_000, routes=10_000))
    assert 999_000 < len(text.encode()) <= 1_000_000
    assert headings(text) == ["## pytest-lifecycle", "### Baseline", "### Route coverage"]
    assert text.endswith("lines of Route coverage.**\n")


def test_without_room_there_is_none() -> None:
    assert markdown_of(run(), 300) == markdown_of(run(), -1) == ""


def test_what_only_some_requests_show_is_told_below_its_cause() -> None:
    parts = [replace(finding(1), maker="test_2", consequences=("status 201 to 200",)), finding(1)]
    text = markdown_of(Run(Suite(), parts))
    cause = "- GET /1: cause 0001 ☃: 2 requests of 2 tests"
    assert f"{cause}\n  - of these: GET /1: status 201 to 200: 1 request of 1 test\n" in text

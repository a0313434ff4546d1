"""What GitHub shows of a run: the summary of its step, and annotations where the handlers stand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import starlette.testclient  # noqa: F401  what an inner run imports first is imported anew by the next one

from tests.properties.test_hostile_text import COMMANDS, SEQUENCES

from .commands import Command, commands_in

APP = """\
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def order(request):
    return PlainTextResponse("short and stout", 418)


def person(request):
    return PlainTextResponse("ada")


def ping(request):
    return PlainTextResponse("pong")


app = Starlette(routes=[
    Route("/orders/{number:int}", order), Route("/people/{name}", person), Route("/ping", ping)
])
"""

TESTS = """\
import pytest
from starlette.testclient import TestClient
from shop import app

client = TestClient(app)

@pytest.mark.parametrize("number", [1, 2, 3])
def test_order(number):
    client.get(f"/orders/{number}")

def test_person():
    client.get("/staff/ada")

def test_ping():
    client.get("/ping")
"""


def recorded(route: str, handler: str) -> list[dict[str, Any]]:
    return [{"route": route, "status": 200, "outcome": "handled", "handler": handler}]


BASELINE = {
    "schema": 1,
    "stacks": {},
    "tests": {
        **{
            f"test_shop.py::test_order[{number}]": recorded("GET /orders/{number:int}", "order") for number in (1, 2, 3)
        },
        "test_shop.py::test_person": recorded("GET /staff/{name}", "person"),
        "test_shop.py::test_ping": recorded("GET /ping", "old_ping"),
    },
    "fixtures": {},
}

ANNOTATED = [
    (
        "error",
        "shop.py:6",
        "GET /orders/{number:int}: status 200 to 418: 3 requests of 3 tests\nfirst in test_shop.py::test_order[1]",
    ),
    (
        "error",
        "shop.py:10",
        "GET /staff/{name}: no route matches any more: 1 request of 1 test\n"
        "its handler person is at /people/{name} now, status 200 to 404 (handled to not_found)\n"
        "first in test_shop.py::test_person",
    ),
    (
        "warning",
        "shop.py:14",
        "GET /ping: handler ping, was old_ping: 1 request of 1 test\nfirst in test_shop.py::test_ping",
    ),
]

SUMMARY = """\
## pytest-lifecycle

5 tests, 5 requests: handled 4, not\\_found 1.

### Baseline

changed:

- GET /orders/{number:int}: status 200 to 418: 3 requests of 3 tests
- GET /staff/{name}: no route matches any more: 1 request of 1 test

also changed (not compared):

- GET /ping: handler ping, was old\\_ping: 1 request of 1 test

Where this is as it should be, write it with `--lifecycle-update`.
"""

COVERAGE = """
### Route coverage

| route | asked | anonymous | outcomes |
| --- | --- | --- | --- |
| GET /orders/{number:int} | 3 | allowed | handled 3 |
| GET /people/{name} | 0 | never asked |  |
| GET /ping | 1 | allowed | handled 1 |

- 2 of 3 routes reached (66.6 %)
- never reached (1):
  - GET /people/{name}
- reached, and never refused to an anonymous request (2):
  - GET /orders/{number:int} (allowed)
  - GET /ping (allowed)
- no route was chosen: not\\_found 1
"""

XDIST = ("-p", "xdist", "-n2")


@pytest.fixture
def step(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with a shop that has changed, run in a step of a workflow of GitHub Actions."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "step.md"))
    monkeypatch.delenv("PYTEST_RUN_PATH", raising=False)
    project.makepyfile(shop=APP, test_shop=TESTS)
    project.syspathinsert()
    (project.path / "baseline.json").write_text(json.dumps(BASELINE))
    return project


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest("--lifecycle-baseline=baseline.json", "-p", "no:randomly", *arguments)


def summary(project: pytest.Pytester) -> str:
    return (project.path / "step.md").read_text(encoding="utf-8")


def told(commands: list[Command]) -> list[tuple[str, str, str]]:
    return [(command.name, command.place, command.message) for command in commands]


# -- annotations


@pytest.mark.parametrize(
    "arguments", [(), ("-q",), ("-qq", "--no-summary"), ("--color=yes",), ("-p", "no:terminal"), XDIST], ids=" ".join
)
def test_each_cause_is_annotated_once_where_its_handler_stands(
    step: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    result = run(step, "--lifecycle-github", *arguments)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    commands = commands_in(result.outlines)
    assert told(commands) == ANNOTATED
    assert {command.properties["title"] for command in commands} == {"lifecycle baseline"}
    last = [line for line in result.outlines if line.strip()][-len(ANNOTATED) :]
    assert commands_in(last) == commands


def test_output_that_ends_within_a_line_does_not_hide_an_annotation(step: pytest.Pytester) -> None:
    step.makeconftest("""
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_sessionfinish():
            print("no line break", end="")
    """)
    result = run(step, "--lifecycle-github", "-s", "-p", "no:terminal")
    assert told(commands_in(result.outlines)) == ANNOTATED


@pytest.mark.parametrize("arguments", [(), ("-p", "no:terminal")], ids=" ".join)
def test_an_output_that_cannot_hold_all_characters_has_annotations(
    step: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    for name in ("shop.py", "test_shop.py", "baseline.json"):
        path = step.path / name
        path.write_text(path.read_text("utf-8").replace("/orders/", "/größen/"), "utf-8")
    result = step.runpytest_subprocess("--lifecycle-baseline=baseline.json", "--lifecycle-github", *arguments)
    first, *_ = commands_in(result.outlines)
    assert first.place == "shop.py:6"
    assert first.message.startswith("GET /gr\\xf6\\xdfen/{number:int}: status 200 to 418: 3 requests of 3 tests\n")


def test_nothing_is_annotated_elsewhere_than_in_github_actions(
    step: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert commands_in(run(step, "--lifecycle-github").outlines) == []
    assert summary(step) == SUMMARY


def test_github_gets_nothing_unasked(step: pytest.Pytester) -> None:
    assert commands_in(run(step).outlines) == []
    assert not (step.path / "step.md").exists()


def test_files_are_named_from_the_workspace_on(step: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(step.path.parent))
    places = [command.place for command in commands_in(run(step, "--lifecycle-github").outlines)]
    assert places == [f"{step.path.name}/shop.py:{line}" for line in (6, 10, 14)]


def test_a_file_outside_of_the_workspace_is_not_named(step: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    step.mkdir("repository")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(step.path / "repository"))
    assert [command.place for command in commands_in(run(step, "--lifecycle-github").outlines)] == ["", "", ""]


@pytest.mark.parametrize("arguments", [(), XDIST], ids=["here", "in workers"])
def test_a_rule_is_annotated_once_and_so_is_a_name_that_no_request_showed(
    step: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    step.makeini("[pytest]\nlifecycle_rules =\n    no 418\n    order before Gate\n")
    result = step.runpytest("--lifecycle-github", "-p", "no:randomly", *arguments)
    result.assert_outcomes(passed=2, failed=3)
    commands = commands_in(result.outlines)
    assert told(commands) == [
        (
            "error",
            "shop.py:6",
            "rule broken: no 418\nGET /orders/1 (route /orders/{number:int}) -> 418\n418: the handler order answered\n"
            "by test_shop.py::test_order[1] and 2 more",
        ),
        ("error", "", commands[1].message),
    ]
    assert commands[1].message.startswith("rule 'order before Gate': ")
    assert {command.properties["title"] for command in commands} == {"lifecycle rule"}
    text = summary(step)
    assert "- **no 418**\n  - GET /orders/1 (route /orders/{number:int}) -\\> 418\n" in text
    assert "  - by test\\_shop.py::test\\_order\\[1\\] and 2 more\n- rule 'order before Gate': " in text


def test_a_name_that_a_part_of_the_suite_did_not_show_is_no_error(step: pytest.Pytester) -> None:
    step.makeini("[pytest]\nlifecycle_rules = order before Gate")
    result = step.runpytest("--lifecycle-github", "-k", "ping")
    assert (result.ret, commands_in(result.outlines)) == (pytest.ExitCode.OK, [])
    assert "Only part of the suite was run" in summary(step)


def test_new_and_vanished_requests_are_annotated_where_they_fail(step: pytest.Pytester) -> None:
    (step.path / "baseline.json").write_text(json.dumps(BASELINE | {"tests": {}}))
    assert commands_in(run(step, "--lifecycle-github").outlines) == []
    commands = commands_in(run(step, "--lifecycle-github", "--lifecycle-strict", "-k", "ping").outlines)
    assert told(commands) == [
        ("error", "shop.py:14", "new: GET /ping: 200 handled: 1 request of 1 test\nfirst in test_shop.py::test_ping")
    ]


def test_of_many_causes_as_many_are_annotated_as_github_shows(step: pytest.Pytester) -> None:
    step.makepyfile(
        test_shop="""
        import pytest
        from starlette.testclient import TestClient
        from shop import app

        @pytest.mark.parametrize("name", "abcdefghijklmn")
        def test_name(name):
            TestClient(app).get(f"/{name}")
        """
    )
    (step.path / "baseline.json").write_text(json.dumps(BASELINE | {"tests": {}}))
    commands = commands_in(run(step, "--lifecycle-github", "--lifecycle-strict").outlines)
    assert [command.message.partition(":")[0] for command in commands[:-1]] == ["new"] * 9
    assert commands[-1].message == "5 more: GitHub shows 10 of a step. The step's summary has all of them."
    assert summary(step).count("not\\_found: 1 request of 1 test") == 14


NEIGHBOUR = "pytest_github_actions_annotate_failures"


@pytest.mark.parametrize("arguments", [(), XDIST], ids=["here", "in workers"])
def test_a_neighbour_annotates_the_tests_and_we_the_handlers(step: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytest.importorskip(NEIGHBOUR)
    arguments = (*arguments, "-p", f"{NEIGHBOUR}.plugin", "-p", "no:randomly")
    result = step.runpytest_subprocess("--lifecycle-baseline=baseline.json", "--lifecycle-github", *arguments)
    ours, theirs = commands_in(result.outlines), commands_in(result.errlines)
    assert told(ours) == ANNOTATED
    assert sorted((command.name, command.place) for command in theirs) == [
        ("error", "test_shop.py:11"),
        *[("error", "test_shop.py:7")] * 3,
    ]
    assert "test_person\n\nFailed: lifecycle: GET /staff/{name}: no route matches any more" in "".join(
        command.message for command in theirs
    )
    assert [line for line in (*result.outlines, *result.errlines) if "::error" in line[1:]] == []


# -- the summary


@pytest.mark.parametrize("arguments", [(), ("-p", "no:terminal"), XDIST], ids=" ".join)
def test_the_summary_is_the_same_however_the_tests_are_run(step: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    run(step, "--lifecycle-github", "--lifecycle-cov", *arguments)
    assert summary(step) == SUMMARY + COVERAGE


def test_it_is_added_below_what_others_wrote(step: pytest.Pytester) -> None:
    (step.path / "step.md").write_text("# Others")
    result = run(step, "--lifecycle-github")
    assert summary(step) == "# Others\n\n" + SUMMARY
    result.stdout.fnmatch_lines(["lifecycle: added to the step summary step.md"])


def test_a_run_that_is_as_recorded_says_so(step: pytest.Pytester) -> None:
    run(step, "--lifecycle-update")
    assert run(step, "--lifecycle-github").ret == pytest.ExitCode.OK
    assert summary(step) == (
        "## pytest-lifecycle\n\n5 tests, 5 requests: handled 4, not\\_found 1.\n\n"
        "All requests are as in the baseline.\n"
    )


@pytest.mark.parametrize("is_set", [False, True], ids=["not set", "empty"])
def test_without_a_step_the_same_command_works(
    step: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, is_set: bool
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "") if is_set else monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    result = step.runpytest("--lifecycle-github")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["lifecycle: no step summary is written: GITHUB_STEP_SUMMARY is not set*"])


@pytest.mark.parametrize("place", [".", "shop.py/step.md", "nowhere/step.md"])
def test_a_summary_that_cannot_be_written_is_a_usage_error(
    step: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step.path / place))
    result = run(step, "--lifecycle-github")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines([f"lifecycle: {step.path / place} cannot be written: *"])
    assert told(commands_in(result.outlines)) == ANNOTATED
    assert (step.path / "shop.py").read_text() == APP.strip()


def test_a_summary_that_is_full_is_left_as_it_is(step: pytest.Pytester) -> None:
    (step.path / "step.md").write_text("x" * 1_000_000)
    result = run(step, "--lifecycle-github")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert summary(step) == "x" * 1_000_000
    result.stdout.fnmatch_lines(["lifecycle: no step summary is written: step.md is as large as GitHub lets it be"])


def test_tests_that_took_their_worker_with_them_are_named(step: pytest.Pytester) -> None:
    step.makepyfile(test_crash="import os\n\ndef test_crash():\n    os._exit(1)\n")
    run(step, "--lifecycle-github", *XDIST)
    assert (
        "### Lost tests\n\nThe process that ran them died; what they asked for is not known:\n\n"
        "- test\\_crash.py::test\\_crash\n"
    ) in summary(step)


def test_no_summary_is_written_where_no_test_is_run(step: pytest.Pytester) -> None:
    run(step, "--lifecycle-github", "--collect-only")
    assert not (step.path / "step.md").exists()


def test_secrets_are_in_neither(step: pytest.Pytester) -> None:
    step.makepyfile(
        test_shop="""
        import pytest
        from starlette.testclient import TestClient
        from shop import app

        @pytest.mark.parametrize("url", ["/orders/1?token=hunter2", "/reset/x?password=hunter2"])
        def test_url(url):
            TestClient(app).get(url)
        """
    )
    step.makeini("[pytest]\nlifecycle_rules =\n    no 418\n    no 404\n")
    commands = commands_in(step.runpytest("--lifecycle-github").outlines)
    assert len(commands) == 2
    assert "hunter2" not in summary(step) + "".join(command.message for command in commands)


# -- text that others wrote

HOSTILE_TESTS = """
import pytest
from pytest_lifecycle import Client, Rule
from tests.properties.test_hostile_text import COMMANDS, SEQUENCES, app_of

TEXTS = [*COMMANDS, *SEQUENCES, "%0A::error::x", "a,b:c=d::e%25", "::error file=x::y", "- [ ] # x"]

@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_one(number):
    text = TEXTS[number]
    with Client(app_of(text, text, text, text, text)) as client:
        client.get("/fail", headers={b"x-name": text.encode("utf-8", "replace")})
        client.get("/nowhere")
        client.get("/own")
"""

HOSTILE_RULES = """
from pytest_lifecycle import Rule
from tests.properties.test_hostile_text import COMMANDS, SEQUENCES

def pytest_lifecycle_rules():
    for number, text in enumerate([*COMMANDS, *SEQUENCES]):
        yield Rule(f"{text}{number}", lambda trace, text=text: text if trace.status == 500 else None)
"""


def test_hostile_text_is_no_command_and_no_markup(step: pytest.Pytester) -> None:
    step.makepyfile(test_shop=HOSTILE_TESTS)
    step.makeconftest(HOSTILE_RULES)
    (step.path / "baseline.json").write_text(json.dumps(BASELINE | {"tests": {}}))
    result = run(step, "--lifecycle-github", "--lifecycle-strict", "--lifecycle-cov", "--tb=line")
    commands = commands_in(result.outlines)
    assert [command.name for command in commands] == ["error"] * 10
    assert all(command.properties.keys() <= {"file", "line", "title"} for command in commands)
    assert commands_in(line for command in commands for line in command.message.split("\n")) == []
    assert [line for line in result.outlines if not line.isprintable()] == []
    assert [line for line in result.outlines if "##[" in line or "##vso[" in line] == []
    lines = summary(step).split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    openings = (
        "#",
        "- ",
        "  - ",
        "| ",
        "changed",
        "new,",
        "vanished",
        "Where this",
        "All requests",
        "1",
        "2",
        "3",
        "4",
    )
    assert [line for line in lines if line and not line.startswith(openings)] == []
    assert [line for line in lines if "<script" in line.replace("\\<", "") or "[a](" in line] == []
    assert len(COMMANDS) + len(SEQUENCES) == sum(line.startswith("- **") for line in lines)


def test_a_baseline_cannot_hold_a_command(step: pytest.Pytester) -> None:
    (step.path / "baseline.json").write_text(json.dumps(BASELINE | {"tests": {"x\n::error::y": 1}}))
    result = run(step, "--lifecycle-github")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert commands_in([*result.outlines, *result.errlines]) == []


def test_an_adapter_that_fails_cannot_give_a_command(step: pytest.Pytester) -> None:
    step.makeconftest("""
        from pytest_lifecycle.adapters import Adapter

        class Broken(Adapter):
            def declared(self, app, inside):
                raise LookupError("no\\n::error::such thing")

        def pytest_lifecycle_adapters():
            return [Broken()]
    """)
    result = step.runpytest_subprocess("--lifecycle-github", "--lifecycle-cov")
    result.stdout.fnmatch_lines(["lifecycle: what Starlette declares cannot be told: LookupError: no*"])
    assert commands_in(result.outlines) == []


def test_the_file_of_a_summary_may_have_any_name(step: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(step.path / "a\n::error::b")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    result = step.runpytest("--lifecycle-github")
    assert commands_in(result.outlines) == []
    assert path.exists()

"""What a run has found becomes workflow commands: one for each cause, where its handler stands."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_lifecycle._suite.annotations import ERROR, LIMIT, WARNING, Annotation, annotations_of, commands_of
from pytest_lifecycle._suite.changes import CHANGED, NEW, VANISHED, Finding
from pytest_lifecycle._suite.rules.violation import Broken, Violation
from pytest_lifecycle._suite.run import Run
from pytest_lifecycle._suite.suite import Suite
from pytest_lifecycle._trace.declared import ANY, Declared, DeclaredRoute
from tests.properties.test_hostile_text import COMMANDS, SEQUENCES
from tests.run.commands import commands_in

HOSTILE = [*COMMANDS, *SEQUENCES, "%0A::error::x", "%", "a,b:c=d::e", "::error file=x::y", "%250A", "%3A%3A", ""]


def finding(kind: str = CHANGED, cause: str = "cause", *, fails: bool = True, **more: str | None) -> Finding:
    values = {"maker": "test_one", "request": "GET /", **more}
    return Finding(kind=kind, cause=cause, fails=fails, **values)  # type: ignore[arg-type]


def run(*findings: Finding, declared: Declared | None = None) -> Run:
    suite = Suite()
    if declared is not None:
        suite.add_declared(declared)
    return Run(suite, findings)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_comes_out_of_a_command_as_it_went_in_and_in_one_line(text: str, tmp_path: Path) -> None:
    source = tmp_path / f"{text.replace('/', '')[:100]}.py"
    with contextlib.suppress(OSError, ValueError):  # no such file can be: it is not named
        source.touch()
    found = run(finding(cause=text, maker=text, source=f"{source}:3"))
    (annotation,) = annotations_of(found)
    (line,) = commands_of(found, tmp_path)
    assert line.isprintable()
    (command,) = commands_in([line])
    assert (command.name, command.properties["title"]) == (ERROR, "lifecycle baseline")
    assert command.message == "\n".join(annotation.lines)
    assert command.properties.keys() <= {"file", "line", "title"}
    assert len(command.place) == 0 or command.properties["line"] == "3"
    assert commands_in(annotation.lines) == []


@pytest.mark.parametrize(("count", "more"), [(LIMIT, None), (LIMIT + 1, 2), (300, 291)])
def test_of_each_level_there_are_as_many_as_github_shows(count: int, more: int | None) -> None:
    found = [finding(cause=f"{level} {at}", fails=level == ERROR) for level in (ERROR, WARNING) for at in range(count)]
    commands = commands_in(commands_of(run(*found), Path.cwd()))
    assert [command.name for command in commands] == [ERROR] * LIMIT + [WARNING] * LIMIT
    for last in (commands[LIMIT - 1], commands[-1]):
        assert last.message.startswith(f"{more} more: " if more else "GET /: ")


def test_findings_of_one_cause_are_one_annotation_at_the_first_place_that_is_known() -> None:
    found = [finding(maker=f"test_{number}", source=None if number == 1 else f"/shop.py:{number}") for number in (1, 2)]
    assert list(annotations_of(run(*found))) == [
        Annotation(
            ERROR, "lifecycle baseline", ("GET /: cause: 2 requests of 2 tests", "first in test_1"), "/shop.py:2"
        )
    ]


def test_an_annotation_says_what_only_some_requests_show_besides_its_cause() -> None:
    other = replace(finding(), maker="test_2", consequences=("status 201 to 200", "handler b, was a"))
    (annotation,) = annotations_of(run(finding(), other))
    assert annotation.lines == (
        "GET /: cause: 2 requests of 2 tests",
        "of these: GET /: status 201 to 200: 1 request of 1 test",
        "first in test_one",
    )


@pytest.mark.parametrize(
    ("kind", "fails", "level"),
    [
        *((CHANGED, True, ERROR), (CHANGED, False, WARNING)),
        *((NEW, True, ERROR), (NEW, False, None), (VANISHED, True, ERROR), (VANISHED, False, None)),
    ],
)
def test_what_fails_is_an_error_and_a_change_that_is_only_told_a_warning(
    kind: str, fails: bool, level: str | None
) -> None:
    assert [found.level for found in annotations_of(run(finding(kind, fails=fails)))] == ([level] if level else [])


DECLARED = Declared(
    (
        DeclaredRoute("GET", "/orders", handler="orders", source=("/shop.py", 1)),
        DeclaredRoute(ANY, "/people", handler="people", source=("/shop.py", 2)),
        DeclaredRoute("GET", "/two", handler="twice", source=("/shop.py", 3)),
        DeclaredRoute("GET", "/three", handler="twice", source=("/shop.py", 4)),
        DeclaredRoute("GET", "/compiled", handler=None),
    )
)


@pytest.mark.parametrize(
    ("request_line", "handler", "source"),
    [
        ("GET /orders", None, "/shop.py:1"),
        ("POST /people", None, "/shop.py:2"),
        ("GET /old-orders", "orders", "/shop.py:1"),
        ("GET /old-two", "twice", None),
        ("GET /compiled", None, None),
        ("GET /nowhere", None, None),
    ],
)
def test_where_no_handler_ran_the_app_says_where_it_is(
    request_line: str, handler: str | None, source: str | None
) -> None:
    (found,) = annotations_of(run(finding(request=request_line, handler=handler), declared=DECLARED))
    assert found.source == source
    broken = Broken(Violation("no 401", "GET", "401", route=request_line), ("test_one",))
    (found,) = annotations_of(Run(run(declared=DECLARED).suite, broken=[broken]))
    assert found.source == (None if handler else source)


def test_a_file_is_named_as_git_names_it(tmp_path: Path) -> None:
    (tmp_path / "real" / "shop").mkdir(parents=True)
    (tmp_path / "real" / "shop" / "a b.py").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for folder in ("real", "link"):
        for file in ("real", "link"):
            found = run(finding(source=f"{tmp_path / file / 'shop' / 'a b.py'}:12"))
            (command,) = commands_in(commands_of(found, tmp_path / folder))
            assert command.place == "shop/a b.py:12"


@pytest.mark.parametrize("file", ["<string>", "nowhere.py", "", "\0", "\ud800"])
def test_what_is_no_file_is_not_named(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (command,) = commands_in(commands_of(run(finding(source=f"{file}:1")), tmp_path))
    assert command.place == ""

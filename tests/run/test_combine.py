"""``pytest-lifecycle combine``: the reports of shards as one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_lifecycle._cli import main
from pytest_lifecycle._suite.record import Record
from pytest_lifecycle._suite.report import write
from pytest_lifecycle._suite.suite import Suite
from pytest_lifecycle._trace.declared import Declared, DeclaredRoute

DECLARED = Declared((DeclaredRoute("GET", "/a"), DeclaredRoute("GET", "/b"), DeclaredRoute("GET", "/c")))


def shard(path: Path, **tests: str) -> str:
    suite = Suite()
    for name, route in tests.items():
        suite.add_test(f"test_shop.py::{name}", [Record("http", "GET", route, 200, "handled", route=f"GET {route}")])
    suite.add_declared(DECLARED)
    write(suite, path)
    return str(path)


@pytest.fixture
def shards(tmp_path: Path) -> list[str]:
    return [shard(tmp_path / "one.json", first="/a"), shard(tmp_path / "two.json", second="/b", third="/a")]


def test_the_table_of_all_shards(shards: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["combine", *shards, "--cov"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "route   asked  anonymous    outcomes",
        "GET /a      2  never asked  handled 2",
        "GET /b      1  never asked  handled 1",
        "GET /c      0  never asked",
        "",
        "2 of 3 routes reached (66.6 %)",
        "never reached (1):",
        "  GET /c",
        "reached, and never refused to an anonymous request (2):",
        "  GET /a (never asked)",
        "  GET /b (never asked)",
    ]


def test_the_order_of_the_shards_makes_no_difference(shards: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(["combine", *shards, "--cov"])
    first = capsys.readouterr().out
    main(["combine", *reversed(shards), "--cov"])
    assert capsys.readouterr().out == first


def test_one_report_is_written_that_can_be_combined_again(shards: list[str], tmp_path: Path) -> None:
    whole = tmp_path / "build" / "whole.json"
    assert main(["combine", *shards, "--report", f"json:{whole}"]) == 0
    data = json.loads(whole.read_text())
    assert [*data["tests"]] == [f"test_shop.py::{name}" for name in ("first", "second", "third")]
    assert [route["pattern"] for route in data["declared"]["routes"]] == ["/a", "/b", "/c"]
    routes = tmp_path / "routes.json"
    more = shard(tmp_path / "more.json", fourth="/c")
    assert main(["combine", str(whole), more, "--cov-report", f"json:{routes}", "--cov-report", f"md:{routes}.md"]) == 0
    assert json.loads(routes.read_text())["summary"]["percent"] == 100.0
    assert Path(f"{routes}.md").read_text().startswith("# Route coverage")


@pytest.mark.parametrize(("arguments", "code"), [(["66"], 0), (["67"], 1), (["100", "--omit", "/c"], 0)])
def test_too_few_routes_are_exit_code_1(
    shards: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert main(["combine", *shards, "--fail-under", *arguments]) == code
    said = capsys.readouterr().err
    expected = "pytest-lifecycle: 2 of 3 routes reached (66.6 %), which is less than --fail-under=67 asks for\n"
    assert said == (expected if code else "")


def test_a_test_in_two_shards_is_exit_code_2_and_nothing_is_written(
    shards: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole.json"
    whole.write_text("kept")
    assert main(["combine", shards[0], *shards, "--report", f"json:{whole}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"pytest-lifecycle: The test test_shop.py::first is in {shards[0]} and in {shards[0]}: ")
    assert whole.read_text() == "kept"


def test_overlapping_shards_count_a_test_as_in_the_last_one(
    shards: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = shard(tmp_path / "again.json", first="/c")
    assert main(["combine", *shards, again, "--overlapping", "--cov"]) == 0
    assert capsys.readouterr().out.splitlines()[1:4] == [
        "GET /a      1  never asked  handled 1",
        "GET /b      1  never asked  handled 1",
        "GET /c      1  never asked  handled 1",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no report "),
        ("{", "is no JSON"),
        ("[]", "holds no JSON object"),
        ('{"schema": 99}', "has the schema 99; this version of the plugin reads 1"),
        ('{"schema": 1, "tests": 3}', "is none that the plugin wrote"),
        ('{"schema": 1, "tests": {}, "fixtures": {}, "lost": [], "declared": {"routes": [{"x": 1}]}}', "is none that"),
        ("<<<<<<< HEAD\n", "marks of a merge conflict"),
    ],
)
def test_a_file_that_is_no_report_is_exit_code_4_and_nothing_is_written(
    shards: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    broken, whole = tmp_path / "broken.json", tmp_path / "whole.json"
    if text is not None:
        broken.write_text(text)
    assert main(["combine", *shards, str(broken), "--report", f"json:{whole}"]) == 4
    assert said in capsys.readouterr().err
    assert not whole.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["combine"],
        ["unknown"],
        ["combine", "one.json", "--report", "whole.json"],
        ["combine", "one.json", "--cov-report", "xml:x"],
        ["combine", "one.json", "--fail-under", "many"],
        ["combine", "one.json", "--fail-under", "101"],
    ],
)
def test_wrong_arguments_are_exit_code_4(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 4
    assert capsys.readouterr().err.startswith("usage: pytest-lifecycle")


def test_a_report_that_cannot_be_written_is_exit_code_4(
    shards: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file")
    assert main(["combine", *shards, "--report", f"json:{tmp_path}/taken/whole.json"]) == 4
    assert "cannot be written" in capsys.readouterr().err


def test_it_is_run_as_a_module_too(shards: list[str]) -> None:
    command = [sys.executable, "-m", "pytest_lifecycle", "combine", *shards, "--fail-under", "99"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pytest-lifecycle: 2 of 3 routes reached")

"""Others that watch the interpreter, too: coverage, a debugger, cProfile, other holders of tool ids."""

from __future__ import annotations

import cProfile
import pstats
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_lifecycle import Client, LifecycleError, observe
from tests.apps import flask_app

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in CPython 3.12")


def path_of_an_order() -> list[str]:
    with Client(flask_app.build()) as client:
        return client.get("/orders/7").path


EXPECTED = path_of_an_order()


@contextmanager
def held(*tools: int) -> Iterator[None]:
    """Take tool ids as other tools would."""
    taken = [tool for tool in tools if sys.monitoring.get_tool(tool) is None]
    for tool in taken:
        sys.monitoring.use_tool_id(tool, f"neighbour {tool}")
    try:
        yield
    finally:
        for tool in taken:
            sys.monitoring.free_tool_id(tool)


@needs_monitoring
def test_one_free_tool_id_is_enough() -> None:
    with held(0, 1, 2, 3, 5):
        assert path_of_an_order() == path_of_an_order() == EXPECTED


@needs_monitoring
def test_without_a_free_tool_id_the_holders_are_named() -> None:
    with held(*range(6)), pytest.raises(LifecycleError) as raised, observe():
        pass
    assert raised.value.slug == "no-tool-id"
    assert "neighbour 4" in str(raised.value)
    assert path_of_an_order() == EXPECTED


def test_a_tracing_debugger_sees_its_lines_and_we_see_ours() -> None:
    lines: list[int] = []
    before = sys.gettrace()

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        if event == "line" and frame.f_code.co_name == "read_order":
            lines.append(frame.f_lineno)
        return trace

    app = flask_app.build()
    sys.settrace(trace)
    try:
        with Client(app) as client:
            seen = client.get("/orders/7").path
    finally:
        sys.settrace(before)
    assert seen == EXPECTED
    assert len(lines) > 1


def test_cprofile_is_given_back_its_place() -> None:
    if sys.version_info >= (3, 12) and sys.getprofile() is not None:
        pytest.skip("somebody profiles this run already")
    profile = cProfile.Profile()
    profile.enable()
    try:
        assert path_of_an_order() == EXPECTED
        marked_by_the_test()
    finally:
        profile.disable()
    assert any(name == "marked_by_the_test" for _, _, name in pstats.Stats(profile).stats)  # type: ignore[attr-defined]
    assert sys.getprofile() is None


def marked_by_the_test() -> None:
    """Be seen by the profiler."""


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_coverage_measures_the_app_as_ever(core: str, tmp_path: Path) -> None:
    if core == "sysmon" and sys.version_info < (3, 12):
        pytest.skip("coverage's sysmon core needs CPython 3.12")
    program = tmp_path / "program.py"
    program.write_text(
        "from pytest_lifecycle import Client\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'measured']\n"
        "with Client(app) as client:\n"
        "    assert client.get('/').path == ['handler app', 'response 200']\n"
    )
    run = [sys.executable, "-W", "ignore", "-m", "coverage"]
    environment = {"COVERAGE_CORE": core, "COVERAGE_FILE": str(tmp_path / "data"), "PATH": ""}
    for command in ([*run, "run", "--rcfile=", str(program)], [*run, "report", "--rcfile=", "--include", str(program)]):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "100%" in done.stdout

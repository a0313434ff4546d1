"""Installed and unused, the plugin costs nothing; its settings are checked as pytest starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LIGHT = {
    "__future__",
    "dataclasses",
    "math",
    "pytest_lifecycle",
    "pytest_lifecycle._around",
    "pytest_lifecycle._collect",
    "pytest_lifecycle._fixtures",
    "pytest_lifecycle._hookspecs",
    "pytest_lifecycle._run",
    "pytest_lifecycle._run.options",
    "pytest_lifecycle._settings",
    "pytest_lifecycle._shown",
    "pytest_lifecycle.plugin",
}
"""All that the plugin may import before it is used."""


def imported_by(code: str) -> set[str]:
    """Run code in a fresh interpreter in which pytest was imported; give the modules that it added."""
    program = f"""
import sys, pytest
before = set(sys.modules)
{code}
added = sorted(set(sys.modules) - before)
import json
print(json.dumps(added))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    assert imported_by("import pytest_lifecycle.plugin") <= LIGHT


def test_what_is_known_of_a_framework_is_loaded_with_it() -> None:
    of_flask, of_django = "pytest_lifecycle.adapters.flask", "pytest_lifecycle.adapters.django"
    watching = "from pytest_lifecycle import observe\nwith observe():\n    "
    assert not {of_flask, of_django} & imported_by(f"{watching}import json")
    assert {of_flask, of_django} & imported_by(f"import flask\n{watching}import json") == {of_flask}
    making = "import flask\n    flask.Flask('shop').test_client().get('/')"
    assert {of_flask, of_django} & imported_by(f"{watching}{making}") == {of_flask}


def test_a_run_that_does_not_use_the_plugin_imports_nothing_more_and_switches_nothing_on(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import sys, threading

        def test_nothing_is_on():
            loaded = {name for name in sys.modules if name.startswith("pytest_lifecycle")}
            assert not loaded & {"pytest_lifecycle._observe", "pytest_lifecycle._client", "pytest_lifecycle._show"}
            assert sys.getprofile() is None and threading.getprofile() is None
            if sys.version_info >= (3, 12):
                assert {sys.monitoring.get_tool(number) for number in range(6)} == {None}

        def test_a_failure_is_reported():
            assert ["handler a", "response 200"] != ["handler a", "response 200"]
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1, failed=1)


FAILING = """
import sys

LOADED = []

def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]

def test_failing():
    LOADED.append(set(sys.modules))
    app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda status, headers: None)
    assert ["a"] == ["b"]

def test_its_report_imported_nothing():
    late = sys.modules.keys() - LOADED[0]
    assert [name for name in sorted(late) if name.startswith("pytest_lifecycle")] == []
"""


def test_nothing_is_imported_during_a_test_which_may_have_patched_how_files_are_read(project: pytest.Pytester) -> None:
    project.makepyfile(FAILING)
    project.runpytest_subprocess("--lifecycle").assert_outcomes(passed=1, failed=1)


def test_a_run_without_the_plugin_has_no_trace_of_it(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:lifecycle")
    result = project.runpytest_subprocess("--help")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*--lifecycle*")


CHECKS = """
def test_settings(request):
    from pytest_lifecycle._settings import SETTINGS
    settings = request.config.stash[SETTINGS]
    assert settings.app == "shop.main:app"
    assert settings.timeout == 2.5
    assert settings.raise_app_exceptions is True
    assert settings.observes_all is True
    assert settings.redact == ("order code", "pin")
    assert settings.redact_allow == ("session",)
"""

INI = """
[pytest]
lifecycle_app = shop.main:app
lifecycle_timeout = 2.5
lifecycle_raise_app_exceptions = true
lifecycle_observe = all
lifecycle_redact = "order code" pin
lifecycle_redact_allow = session
"""

TOML = """
lifecycle_app = "shop.main:app"
lifecycle_timeout = 2.5
lifecycle_raise_app_exceptions = true
lifecycle_observe = "all"
lifecycle_redact = ["order code", "pin"]
lifecycle_redact_allow = ["session"]
"""

native = pytest.mark.skipif(pytest.version_tuple < (9,), reason="native TOML came with pytest 9")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", INI),
        ("pyproject.toml", f"[tool.pytest.ini_options]\n{TOML}"),
        pytest.param("pyproject.toml", f"[tool.pytest]\nstrict = true\n{TOML}", marks=native),
        pytest.param("pytest.toml", f"[pytest]\n{TOML}", marks=native),
    ],
    ids=["ini", "ini_options", "native", "pytest.toml"],
)
def test_every_option_can_be_set_in_every_kind_of_file(project: pytest.Pytester, file: str, text: str) -> None:
    Path(file).write_text(text)
    project.makepyfile(CHECKS)
    result = project.runpytest("-W", "error::pytest.PytestConfigWarning")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["lifecycle: observes every request of every test"])


def test_the_command_line_switches_observation_on(project: pytest.Pytester) -> None:
    project.makepyfile("def test_one(): pass")
    project.runpytest("--lifecycle").stdout.fnmatch_lines(["lifecycle: observes every request of every test"])


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        (
            "lifecycle_timeout",
            "soon",
            "a number of seconds above 0, as in 2.5: could not convert string to float: 'soon'.",
        ),
        ("lifecycle_timeout", "0", "a number of seconds above 0, as in 2.5, got 0.0."),
        ("lifecycle_timeout", "nan", "a number of seconds above 0, as in 2.5, got nan."),
        ("lifecycle_raise_app_exceptions", "perhaps", "true or false: invalid truth value 'perhaps'."),
        ("lifecycle_observe", "some", "'fixtures' or 'all', got 'some'."),
    ],
)
def test_a_wrong_value_in_the_file_is_named(project: pytest.Pytester, option: str, value: str, expected: str) -> None:
    path = project.makeini(f"[pytest]\n{option} = {value}\n")
    result = project.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {path}: config option '{option}' expects {expected}"])


def test_a_list_for_the_app_is_named(project: pytest.Pytester) -> None:
    path = project.makepyprojecttoml('[tool.pytest.ini_options]\nlifecycle_app = ["shop:app"]\n')
    result = project.runpytest_subprocess()  # pytest warns of it in this process, too
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: {path}: config option 'lifecycle_app' expects a string such as 'shop.main:app'*"]
    )


def test_a_wrong_value_on_the_command_line_is_named(project: pytest.Pytester) -> None:
    result = project.runpytest("-o", "lifecycle_timeout=soon")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*config option 'lifecycle_timeout' expects a number of seconds*: *'soon'."])


@native
def test_a_value_of_the_wrong_type_in_native_toml_is_named(project: pytest.Pytester) -> None:
    Path("pytest.toml").write_text("[pytest]\nlifecycle_timeout = 'soon'\n")
    result = project.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *pytest.toml: config option 'lifecycle_timeout' expects *: *'soon'."])


def test_every_option_is_prefixed_and_explained(project: pytest.Pytester) -> None:
    text = project.runpytest("--help").stdout.str()
    for option in ("--lifecycle ", "--lifecycle-show", "lifecycle_app (string)", "lifecycle_timeout (float)"):
        assert option in text


def test_every_fixture_is_prefixed_and_explained(project: pytest.Pytester) -> None:
    lines = project.runpytest("--fixtures").stdout.str().splitlines()
    ours = {line.split(" ")[0]: lines[number + 1] for number, line in enumerate(lines) if "_fixtures.py:" in line}
    assert sorted(ours) == [
        "async_lifecycle",
        "lifecycle",
        "lifecycle_app",
        "lifecycle_client",
        "lifecycle_traces",
        "lifecycle_unused_overrides",
    ]
    assert all(line.strip() for line in ours.values())


# -- the package


def test_importing_the_package_imports_nothing_else() -> None:
    assert imported_by("import pytest_lifecycle") == {"pytest_lifecycle"}


def test_every_public_name_is_there_and_listed() -> None:
    import pytest_lifecycle

    assert set(pytest_lifecycle.__all__) == set(pytest_lifecycle._HOMES) <= set(dir(pytest_lifecycle))
    for name in pytest_lifecycle.__all__:
        value = getattr(pytest_lifecycle, name)
        assert value.__doc__, name
        assert value.__module__.partition(".")[0] == "pytest_lifecycle", name


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    import pytest_lifecycle

    with pytest.raises(AttributeError, match="module 'pytest_lifecycle' has no attribute 'Cleint'"):
        _ = pytest_lifecycle.Cleint

"""Every supported version of every framework, one session each: `nox`. A few of them: `nox -t reduced`.

Sessions are computed from `MATRIX`; the table in docs/reference/adapters.md names the same lines.
"""

from __future__ import annotations

import os

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["frameworks"]

# An old framework may warn of what a newer Python or library deprecates, or leave a stream open.
IGNORED = [
    part
    for warning in ("DeprecationWarning", "PendingDeprecationWarning", "ResourceWarning")
    for part in ("-W", f"ignore::{warning}")
]
PYTHONS = ("3.11", "3.12", "3.13")

DECLARED = "tests/adapters/test_declared.py"
CLAIMS = {
    "starlette": [DECLARED, "tests/adapters/test_starlette.py", "tests/adapters/test_starlette_trip.py"],
    "fastapi": [
        DECLARED,
        "tests/adapters/test_fastapi.py",
        "tests/adapters/test_fastapi_trip.py",
        "tests/client/test_websocket.py",
        "tests/test_lifespan_traces.py",
    ],
    "flask": [
        DECLARED,
        "tests/adapters/test_flask.py",
        "tests/adapters/test_flask_errors.py",
        "tests/adapters/test_flask_routing.py",
        "tests/adapters/test_flask_trip.py",
        "tests/adapters/test_restful.py",
        "tests/adapters/test_werkzeug.py",
    ],
    "django": [
        DECLARED,
        "tests/adapters/test_django.py",
        "tests/adapters/test_django_contrib.py",
        "tests/adapters/test_django_inside.py",
        "tests/adapters/test_django_office.py",
        "tests/adapters/test_django_trip.py",
        "tests/adapters/test_ninja.py",
    ],
    "drf": [DECLARED, "tests/adapters/test_drf.py", "tests/adapters/test_drf_inside.py"],
}
"""The tests that make claims about a framework, whatever its version."""

# What to install, whose claims to test, and whether it is in the reduced matrix.
MATRIX = {
    "starlette-0.40": (["starlette==0.40.0"], ["starlette"], True),
    "starlette-0.47": (["starlette==0.47.3"], ["starlette"], False),
    "starlette-1.0": (["starlette~=1.0.0"], ["starlette"], False),
    "starlette-newest": (["starlette"], ["starlette"], False),
    "fastapi-0.115": (["fastapi==0.115.14", "starlette<0.47"], ["fastapi", "starlette"], True),
    "fastapi-0.128": (["fastapi==0.128.*"], ["fastapi", "starlette"], False),
    "fastapi-0.136": (["fastapi==0.136.*"], ["fastapi", "starlette"], False),
    "fastapi-0.137": (["fastapi==0.137.*"], ["fastapi", "starlette"], False),
    "fastapi-newest": (["fastapi"], ["fastapi", "starlette"], False),
    "flask-2.3": (["flask[async]==2.3.3", "werkzeug<3"], ["flask"], True),
    "flask-3.0": (["flask[async]==3.0.*"], ["flask"], False),
    "flask-newest": (["flask[async]"], ["flask"], False),
    "django-4.2": (["django==4.2.*"], ["django"], True),
    "django-5.2": (["django==5.2.*"], ["django"], False),
    "django-newest": (["django"], ["django"], False),
    "drf-3.15": (["djangorestframework==3.15.*", "django==4.2.*"], ["drf"], True),
    "drf-newest": (["djangorestframework"], ["drf"], False),
}


@nox.session(python=PYTHONS)
@nox.parametrize("versions", [nox.param(name, id=name, tags=["reduced"] if m[2] else []) for name, m in MATRIX.items()])
def frameworks(session: nox.Session, versions: str) -> None:
    """Run a framework's claims against one of its versions."""
    requirements, subjects, _ = MATRIX[versions]
    if versions == "django-newest" and session.python == "3.11":
        session.log("the newest Django needs CPython 3.12: pip takes the newest that runs here")
    session.install("-e", ".[dev]", *requirements)
    claims = [path for subject in subjects for path in CLAIMS[subject]]
    session.run("pytest", "-p", "no:cacheprovider", *IGNORED, *claims)


DEV_MODE = ("python", "-X", "dev", "-W", "error", "-m", "pytest")
COVERAGE = ("coverage", "run", "--source=pytest_lifecycle", "-m", "pytest")
# How the suite is run, in which environment, and from which CPython on.
MODES = {
    "debug": (("pytest", "-n2"), {"PYTHONASYNCIODEBUG": "1"}, "3.11"),
    "dev-mode": (DEV_MODE, {}, "3.11"),
    "in-order": (("pytest", "-n2", "-p", "no:randomly"), {}, "3.11"),  # it is random everywhere else
    "one-process": (("pytest", "-n0"), {}, "3.11"),
    "coverage-ctrace": (COVERAGE, {"COVERAGE_CORE": "ctrace"}, "3.11"),
    "coverage-sysmon": (COVERAGE, {"COVERAGE_CORE": "sysmon"}, "3.12"),
}
BRIEF = ["tests/client/test_async_client.py", "tests/observe/test_guarantees.py", "tests/test_left_behind.py"]
"""What `nox -s isolation -- --brief` runs in each mode instead of the whole suite."""


@nox.session(python=PYTHONS)
@nox.parametrize("mode", [nox.param(name, id=name) for name in MODES])
def isolation(session: nox.Session, mode: str) -> None:
    """Run the suite in a way that shows what one test leaves for the next, or takes from a neighbour."""
    command, environment, oldest = MODES[mode]
    if isinstance(session.python, str) and session.python.split(".") < oldest.split("."):
        session.skip(f"{mode} needs CPython {oldest}")
    if session.virtualenv.is_sandboxed:
        session.install("-e", ".[dev]")
    arguments = [argument for argument in session.posargs if argument != "--brief"]
    tests = BRIEF if "--brief" in session.posargs else []
    measured = {"COVERAGE_FILE": os.path.join(session.create_tmp(), "coverage")}
    session.run(*command, "-q", "-p", "no:cacheprovider", *arguments, *tests, env=measured | environment)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the whole suite."""
    session.install("-e", ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.13")
def engines(session: nox.Session) -> None:
    """Run the suite on the event source that CPython 3.11 uses."""
    session.install("-e", ".[dev]")
    session.run("pytest", "tests/adapters", env={"PYTEST_LIFECYCLE_ENGINE": "profiling"})


@nox.session(python=PYTHONS)
def agreement(session: nox.Session) -> None:
    """Compare traces with what New Relic, Sentry, Datadog and OpenTelemetry say of the same requests."""
    session.install("-e", ".[dev,oracles]")
    session.run("pytest", "tests/agreement")


@nox.session(python="3.13")
def checks(session: nox.Session) -> None:
    """Run the linters and type checkers."""
    session.install("-e", ".[dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("pyright", "--pythonpath", f"{session.bin}/python")
    session.run("pyright", "--verifytypes", "pytest_lifecycle", "--ignoreexternal")
    session.run("lint-imports")


@nox.session(python="3.13")
def docs(session: nox.Session) -> None:
    """Build the docs."""
    session.install("-e", ".[docs]")
    session.run("zensical", "build", "--clean")

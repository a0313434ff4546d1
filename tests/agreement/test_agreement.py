"""What New Relic, Sentry, Datadog and OpenTelemetry say of the same requests, and is true, is in our trace.

Each of them patches or wraps what it instruments, so each runs in a process of its own (`oracles/`), and so do we.
Nothing is sent anywhere. Where they and we differ, `differences.py` says who is right and why.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.agreement.differences import DIFFERENCES, WHO_ELSE, Difference
from tests.agreement.reports import Report

MODULES = {
    "opentelemetry": "opentelemetry.instrumentation",
    "sentry": "sentry_sdk",
    "datadog": "ddtrace",
    "newrelic": "newrelic",
}
ROOT = Path(__file__).parents[2]


def missing(module: str) -> bool:
    try:
        return find_spec(module) is None
    except ModuleNotFoundError:
        return True


pytestmark = pytest.mark.skipif(
    any(missing(module) for module in MODULES.values()),
    reason="the oracles are not installed: pip install -e '.[dev,oracles]', or nox -s agreement",
)


@cache
def reports(observer: str, site: str) -> dict[str, Report]:
    """Give what one observer says of each request to a site."""
    command = [sys.executable, "-m", f"tests.agreement.oracles.{observer}", site]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    return {request: Report(**said) for request, said in json.loads(ended.stdout).items()}


def entries(oracle: str, site: str, request: str, fact: str) -> list[Difference]:
    """Give what the table says of a fact that only an oracle reports."""
    return [
        entry
        for entry in DIFFERENCES[oracle, site]
        if fnmatchcase(request, entry.requests) and fnmatchcase(fact, entry.theirs)
    ]


def excused(oracle: str, site: str, request: str, fact: str) -> bool:
    """Whether the table has an entry for the fact, and our trace says what the entry says of it."""
    ours = reports("ours", site)[request].facts()
    return any(any(fnmatchcase(known, entry.ours) for known in ours) for entry in entries(oracle, site, request, fact))


def differing(oracle: str, site: str) -> list[tuple[str, str]]:
    """Give each fact that the oracle reports of a request and our trace does not."""
    ours, theirs = reports("ours", site), reports(oracle, site)
    return [
        (request, fact)
        for request, said in theirs.items()
        for fact in said.facts()
        if fact not in ours[request].facts()
    ]


@pytest.mark.parametrize(("oracle", "site"), DIFFERENCES)
def test_what_an_oracle_says_and_is_true_is_in_our_trace(oracle: str, site: str) -> None:
    assert [found for found in differing(oracle, site) if not excused(oracle, site, *found)] == []


@pytest.mark.parametrize(("oracle", "site"), DIFFERENCES)
def test_the_steps_that_both_saw_are_in_the_same_order(oracle: str, site: str) -> None:
    for request, said in reports(oracle, site).items():
        theirs = [fact for fact in said.facts() if fact.startswith(("step ", "out ", "message "))]
        ours = reports("ours", site)[request].facts()
        assert [fact for fact in theirs if fact in ours] == [fact for fact in ours if fact in theirs], request


@pytest.mark.parametrize(("oracle", "site"), DIFFERENCES)
def test_no_difference_is_listed_that_is_none(oracle: str, site: str) -> None:
    used = [entry for found in differing(oracle, site) for entry in entries(oracle, site, *found)]
    assert [entry for entry in DIFFERENCES[oracle, site] if entry not in used] == []


@pytest.mark.parametrize("site", WHO_ELSE)
def test_who_else_shows_a_step_of_ours(site: str) -> None:
    assert [step for step in WHO_ELSE[site] if not shows("ours", site, step)] == []
    shown = {step: " ".join(oracle for oracle in MODULES if shows(oracle, site, step)) for step in WHO_ELSE[site]}
    assert shown == WHO_ELSE[site]


def shows(observer: str, site: str, step: str) -> bool:
    """Whether an observer shows a step in any request."""
    return any(f"step {step}" in said.facts() for said in reports(observer, site).values())

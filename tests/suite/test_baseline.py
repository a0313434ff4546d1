"""A baseline's properties: what is written is read, order does not matter, any change of one aspect is found."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_lifecycle._suite.baseline import Baseline, read, stack_name, text_of
from pytest_lifecycle._suite.causes import ASPECTS
from pytest_lifecycle._suite.changes import CHANGED, Comparison
from pytest_lifecycle._suite.files import FileProblem
from pytest_lifecycle._suite.lines import lines_of
from pytest_lifecycle._suite.locking import locked
from pytest_lifecycle._suite.record import Record

NAMES = st.sampled_from(["Auth", "Cors", "Gzip", "Sessions", 'A "quoted" one', "Naïve\u202e"])
TUPLES = st.lists(NAMES, max_size=4).map(tuple)
TEXTS = st.none() | NAMES
PATHS = st.sampled_from(["/", "/orders", "/orders/42", "/orders/7/lines", "/users/ada", "/files/a%20b.txt"])
ROUTES = st.none() | st.sampled_from(["/", "/orders", "/orders/{order_id}", "/files", "/users/<name>"])
METHODS = st.sampled_from(["GET", "POST", "WEBSOCKET"])
ENDS = st.sampled_from(
    [(200, "handled"), (404, "not_found"), (401, "short_circuited"), (500, "error"), (None, "error")]
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    method, route, (status, outcome) = draw(METHODS), draw(ROUTES), draw(ENDS)
    return Record(
        protocol="http",
        method=method,
        path=draw(PATHS),
        status=status,
        outcome=outcome,
        route=None if route is None else f"{method} {route}",
        handler=draw(TEXTS),
        middleware=draw(TUPLES),
        dependencies=draw(TUPLES),
        refusal=draw(TEXTS),
        refused_by=draw(TEXTS),
        invalid=tuple(sorted(set(draw(TUPLES)))),
        redirect=draw(st.none() | PATHS),
        exception=draw(TEXTS),
    )


SUITES = st.dictionaries(
    st.sampled_from(["test_a.py::test_it", "test_a.py::test_it[é]", "test_b.py::T::test"]),
    st.lists(records(), max_size=6),
)
quick = settings(deadline=None, max_examples=60, derandomize=True)
ALL = Comparison(frozenset(ASPECTS), is_strict=True)


def baseline_of(suite: dict[str, list[Record]]) -> Baseline:
    return Baseline().merged(Baseline({test: lines_of(found) for test, found in suite.items()}, {}), set())


@quick
@given(SUITES)
def test_what_is_written_is_read(suite: dict[str, list[Record]]) -> None:
    baseline = replace(baseline_of(suite), fixtures=baseline_of(suite).tests)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.json"
        path.write_text(text_of(baseline), encoding="ascii")
        assert read(path) == baseline


@quick
@given(SUITES, st.randoms(use_true_random=False))
def test_the_file_is_the_same_in_whatever_order_and_however_often_requests_are_made(
    suite: dict[str, list[Record]], random: Any
) -> None:
    shuffled = {}
    for test in random.sample(sorted(suite), len(suite)):
        shuffled[test] = random.sample(suite[test], len(suite[test])) + suite[test][:1]
    assert text_of(baseline_of(shuffled)) == text_of(baseline_of(suite))


@quick
@given(SUITES)
def test_a_run_is_as_in_its_own_baseline(suite: dict[str, list[Record]]) -> None:
    expected = baseline_of(suite).tests
    assert [found for test in suite for found in ALL.findings(test, expected.get(test, ()), suite[test])] == []


OTHER: dict[str, dict[str, Any]] = {
    "status": {"status": 418},
    "route": {"route": "GET /elsewhere/{x}"},
    "outcome": {"outcome": "invalid"},
    "middleware": {"middleware": ("Other",)},
    "refusal": {"refusal": "throttle", "refused_by": "Limiter"},
    "handler": {"handler": "other"},
    "dependencies": {"dependencies": ("other",)},
    "invalid": {"invalid": ("body.other",)},
    "redirect": {"redirect": "/other"},
    "exception": {"exception": "OtherError"},
}


@pytest.mark.parametrize("aspect", ASPECTS)
@quick
@given(record=records(), others=st.lists(records(), max_size=3))
def test_a_change_of_one_aspect_is_found_once_with_its_kind(aspect: str, record: Record, others: list[Record]) -> None:
    others = [other for other in others if other.method != record.method]
    changed = replace(record, **OTHER[aspect])
    if aspect == "route":  # what it was is known by its path or its handler
        record = replace(record, route=f"{record.method} {record.path}", method=record.method)
        changed = replace(record, route=f"{record.method} /elsewhere/{{x}}")
    found = ALL.findings("test", lines_of([record, *others]), [changed, *others])
    assert [(finding.kind, finding.aspects) for finding in found] == [(CHANGED, (aspect,))]
    assert found[0].cause
    others_compared = Comparison(frozenset(ASPECTS) - {aspect}, is_strict=True)
    assert not others_compared.findings("test", lines_of([record, *others]), [changed, *others])[0].fails


# -- the file


def request(path: str = "/orders", **facts: Any) -> Record:
    return Record(
        "http", facts.pop("method", "GET"), path, facts.pop("status", 200), facts.pop("outcome", "handled"), **facts
    )


def test_a_line_is_one_line_and_middleware_is_written_once() -> None:
    read_order = request("/orders/42", route="GET /orders/{order_id}", middleware=("Auth", "Gzip"), handler="read")
    stack = stack_name(("Auth", "Gzip"))
    line = (
        '{"route": "GET /orders/{order_id}", "status": 200, "outcome": "handled", "handler": "read",'
        f' "stack": "{stack}"}}'
    )
    assert text_of(Baseline({"b": lines_of([read_order]), "a": lines_of([request("/x/7"), read_order])}, {})) == (
        f"""{{
"schema": 1,
"stacks": {{
 "{stack}": ["Auth", "Gzip"]
}},
"tests": {{
 "a": [
  {line},
  {{"path": "GET /x/{{int}}", "status": 200, "outcome": "handled"}}
 ],
 "b": [
  {line}
 ]
}},
"fixtures": {{}}
}}
"""
    )


def test_a_mount_s_line_says_what_was_asked_for_in_it() -> None:
    (line,) = lines_of([request("/static/shop.css", route="GET /static")])
    assert line.to_json(None) == {
        "route": "GET /static",
        "path": "GET /static/shop.css",
        "status": 200,
        "outcome": "handled",
    }


def test_merging_keeps_who_was_not_run_and_drops_who_is_gone_or_asks_no_more() -> None:
    old = Baseline({name: lines_of([request(f"/{name}")]) for name in ("kept", "gone", "quiet", "changed")}, {})
    seen = Baseline({"quiet": (), "changed": lines_of([request("/new")])}, {"token": lines_of([request("/login")])})
    assert old.merged(seen, {"gone"}) == Baseline(
        {"kept": lines_of([request("/kept")]), "changed": lines_of([request("/new")])},
        {"token": lines_of([request("/login")])},
    )


def test_fixtures_lose_lines_only_where_every_test_was_run() -> None:
    old = Baseline(
        {name: lines_of([request(f"/{name}")]) for name in ("a", "b")},
        {"token": lines_of([request("/old"), request("/login")]), "other": lines_of([request("/old")])},
    )
    seen = Baseline({"a": ()}, {"token": lines_of([request("/login"), request("/new")])})
    assert old.merged(seen, ()).fixtures == {
        "token": lines_of([request("/old"), request("/login"), request("/new")]),
        "other": lines_of([request("/old")]),
    }
    assert old.merged(seen, {"b"}).fixtures == seen.fixtures


def test_one_run_at_a_time_writes(tmp_path: Path) -> None:
    path = tmp_path / "baselines" / "baseline.json"
    lock = path.with_name(".baseline.json.lock")
    with locked(path):
        with pytest.raises(FileProblem) as raised, locked(path, wait=0):
            pytest.fail("two runs hold the lock")
        assert str(raised.value) == (
            f"{path} was not written: another run is writing it. Run again, or remove {lock} if there is none."
        )
        assert lock.exists()
    assert list(path.parent.iterdir()) == []

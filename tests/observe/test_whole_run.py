"""A run whose every test is observed: events stay on between its tests, and nothing of one test's app is kept."""

from __future__ import annotations

import gc
import importlib
import sys
import types
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pytest_lifecycle import Client
from pytest_lifecycle import _session as session
from pytest_lifecycle.adapters import Adapter, Call, Kind, Probe
from tests.apps import fastapi_app
from tests.drive.bare import Environ, StartResponse
from tests.engine import IS_PROFILING

needs_monitoring = pytest.mark.skipif(IS_PROFILING, reason="with sys.setprofile nothing is kept on between tests")


def engine() -> str | None:
    return session._session.engine


@needs_monitoring
def test_events_stay_on_between_tests_and_end_with_the_run() -> None:
    assert engine() is None
    with session.whole_run():
        for _ in range(2):
            with Client(fastapi_app.build()) as client:
                assert client.get("/health").handler == "health"
            assert engine() == "monitoring"
    assert engine() is None


def test_the_app_of_one_test_is_freed_before_the_next() -> None:
    with session.whole_run():
        app = fastapi_app.build()
        with Client(app) as client:
            assert client.get("/health").status == 200
        gone = weakref.ref(app)
        del app, client
        gc.collect()
        assert gone() is None


def answer() -> bytes:
    return b"answer"


def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [answer()]


class Layer:
    """Hands on what it is given."""

    def __init__(self, app: object) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        return self.app(environ, start_response)  # type: ignore[operator, no-any-return]


class Looking(Adapter):
    """Finds nothing, and knows where it looked."""

    name = "looking"

    def __init__(self) -> None:
        self.looked_at: list[str] = []

    def discover(self, code: types.CodeType, frame: types.FrameType) -> Probe | None:
        self.looked_at.append(code.co_qualname)
        return None


def ask_a_layer_of_a_class_of_its_own(name: str) -> weakref.ref[type]:
    cls = type(name, (Layer,), {})
    with Client(cls(app)) as client:
        assert client.get("/").path == [f"middleware {name}", "handler app", "response 200"]
    return weakref.ref(cls)


@needs_monitoring
def test_code_that_was_found_is_not_looked_for_in_the_next_test_and_holds_no_class_of_the_one_before() -> None:
    adapter = Looking()
    session.add_adapters([adapter])
    session._session._adapters.insert(0, session._session._adapters.pop())
    try:
        with session.whole_run():
            gone = [ask_a_layer_of_a_class_of_its_own(name) for name in ("First", "Second")]
            gc.collect()
            assert [cls() for cls in gone] == [None, None]
    finally:
        session.remove_adapters([adapter])
    assert adapter.looked_at.count("Layer.__call__") == 1


class Faulty(Adapter):
    """Its probe always fails."""

    name = "faulty"
    distribution = "none"
    supports = "1"

    def probes(self) -> Iterable[Probe]:
        def fail(call: Call) -> None:
            raise ZeroDivisionError

        yield Probe(answer, Kind.HOOK, entering=fail)


def test_a_probe_that_fails_is_named_in_each_test() -> None:
    adapter = Faulty()
    session.add_adapters([adapter])
    try:
        with session.whole_run():
            for _ in range(2):
                with Client(app) as client:
                    first, second = client.get("/"), client.get("/")
                assert [len(first.warnings), len(second.warnings)] == [1, 0]
    finally:
        session.remove_adapters([adapter])


class Library(Adapter):
    """Of a module that tests import anew."""

    name = "library"
    distribution = "none"
    supports = "1"
    module = "imported_anew"

    def probes(self) -> Iterable[Probe]:
        yield Probe(sys.modules["imported_anew"].work, Kind.HOOK)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    (tmp_path / "imported_anew.py").write_text("def work():\n    return b'worked'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    adapter = Library()
    session.add_adapters([adapter])
    yield adapter
    session.remove_adapters([adapter])
    sys.modules.pop("imported_anew", None)


@pytest.mark.usefixtures("library")
def test_a_library_that_a_test_imports_anew_is_observed_in_the_next() -> None:
    def working(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [sys.modules["imported_anew"].work()]

    with session.whole_run():
        for _ in range(3):
            sys.modules.pop("imported_anew", None)
            importlib.import_module("imported_anew")
            with Client(app) as client:  # what was imported outside any test is known from the next one on
                client.get("/")
            with Client(working) as client:
                assert [span.name for span in client.get("/").spans(Kind.HOOK)] == ["work"]


class Late(Adapter):
    """Of a module that calls a function of its own while it is being imported."""

    name = "late"
    module = "imported_late"

    def probes(self) -> Iterable[Probe]:
        yield Probe(sys.modules["imported_late"].work, Kind.HOOK)


def test_a_library_that_runs_code_as_it_is_imported_is_observed_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "def set_up():\n    return 1\n\nSIZE = set_up()\n\ndef work():\n    return b'worked'\n"
    (tmp_path / "imported_late.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    adapter = Late()
    session.add_adapters([adapter])

    def working(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [sys.modules["imported_late"].work()]

    try:
        with Client(working) as client:
            importlib.import_module("imported_late")
            trace = client.get("/")
    finally:
        sys.modules.pop("imported_late", None)
        session.remove_adapters([adapter])
    assert [span.name for span in trace.spans(Kind.HOOK)] == ["work"]

"""Whatever reader of whatever adapter raises: the app answers as ever, the trace names the adapter, and goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest

from pytest_lifecycle import Client, Span, Trace
from pytest_lifecycle._observe.probe import Expected, Probe
from pytest_lifecycle._observe.recorder import Recorder
from pytest_lifecycle._session import _session as session
from pytest_lifecycle.adapters import builtin_adapters
from tests.adapters import (
    django_claims,
    test_drf,
    test_fastapi_trip,
    test_flask_trip,
    test_starlette_trip,
    test_validation,
)
from tests.apps import chat_app, django_shop, drf_app, flask_shop, gallery_app, library_app, validating_app

READERS = (
    *("name", "applies", "describe", "opens", "entering", "leaving", "raising", "answering", "passing", "inherits"),
)
"""What of a probe is called while a request is under way."""

Answer = tuple[int | None, bytes | None]
Ask = Callable[[Client], Trace]


class Unspeakable(Exception):
    """Cannot even be written out."""

    def __str__(self) -> str:
        raise ValueError("no words")


FAULTS: tuple[Callable[[], Exception], ...] = (
    lambda: RuntimeError("out of order"),
    lambda: RecursionError("maximum recursion depth exceeded"),
    Unspeakable,
)


@dataclass(frozen=True)
class Scene:
    """Requests that have the readers of some adapters called.

    Attributes:
        app: Gives the app, for as long as it is needed.
        asked: The requests.
    """

    app: Callable[[], AbstractContextManager[Any]]
    asked: list[Ask]

    def play(self) -> tuple[list[Answer], list[Trace]]:
        """Make every request of a fresh app; the last trace is its lifespan's, if it has one."""
        with self.app() as app, Client(app) as client:
            traces = [ask(client) for ask in self.asked]
        answers = [(trace.status, body_of(trace)) for trace in traces]
        return answers, traces if client.lifespan is None else [*traces, client.lifespan]


def body_of(trace: Trace) -> bytes | None:
    """Give the body without what Django makes anew for each answer: the mask of a token."""
    return None if trace.status is None else re.sub(rb"[A-Za-z0-9]{64}", b"", trace.content)


def request(method: str, url: str, **arguments: Any) -> Ask:
    return lambda client: client.request(method, url, **arguments)


def talk(client: Client) -> Trace:
    with client.websocket("/rooms/7", headers={"authorization": "ann"}) as ws:
        if ws.is_accepted:
            ws.close()
    assert ws.trace is not None
    return ws.trace


@contextmanager
def just(app: Any) -> Iterator[Any]:
    yield app


@contextmanager
def django(build: Callable[[], Any]) -> Iterator[Any]:
    with django_shop.shop_settings():
        yield build()


def drf() -> Any:
    return drf_app.api_settings()


def of_django(row: django_claims.Row) -> Ask:
    headers = {**row.headers, **(django_claims.TOKEN if row.token else {})}
    files = None if row.file is None else {"photo": ("photo.jpg", row.file)}
    return request(row.method, row.url, headers=headers, data=row.data, files=files)


def of_flask(row: test_flask_trip.Row) -> Ask:
    files = None if row.file is None else {"photo": ("photo.jpg", row.file)}
    given = {"headers": row.headers, "json": row.json, "data": row.data, "content": row.content, "files": files}
    return request(row.method, row.url, **{name: value for name, value in given.items() if value is not None})


SCENES = {
    "fastapi": Scene(
        lambda: just(library_app.build()),
        [request(claim.method, claim.url, **claim.request) for claim in test_fastapi_trip.CLAIMS],
    ),
    "websocket": Scene(lambda: just(chat_app.build()), [talk]),
    "starlette": Scene(
        lambda: just(gallery_app.build(Path(__file__).parent)),
        [request(claim.method, claim.url, **claim.request) for claim in test_starlette_trip.CLAIMS],
    ),
    "flask": Scene(lambda: just(flask_shop.build()), [of_flask(row) for row in test_flask_trip.ROWS]),
    "django over WSGI": Scene(lambda: django(django_shop.build_wsgi), [of_django(row) for row in django_claims.ROWS]),
    "django over ASGI": Scene(lambda: django(django_shop.build_asgi), [of_django(row) for row in django_claims.ROWS]),
    "drf": Scene(
        drf,
        [request(*claim.asked.partition(" ")[::2], **claim.request) for claim in test_drf.CLAIMS],
    ),
    "validation": Scene(
        lambda: just(validating_app.build()),
        [
            *[request("POST", url, **given) for url, given in test_validation.PASSED.items()],
            *[request("POST", url, **given) for url, given, _, _ in test_validation.FAILED],
        ],
    ),
}


# -- every reader of every probe


@dataclass(frozen=True)
class Reader:
    """One callable of one probe: by its adapter's name, the probe's place among that adapter's, what it looks at."""

    adapter: str
    place: int
    target: str
    name: str

    def __str__(self) -> str:
        return f"{self.adapter} {self.target.rpartition(':')[2]} {self.name}".strip()

    @property
    def probe(self) -> Probe:
        """The probe as the observer uses it; there from the first observation on."""
        return probes_of(self.adapter)[self.place]


def probes_of(adapter: str) -> list[Probe]:
    return [probe for known, (_, probes) in session._probes.items() if known.name == adapter for probe in probes]


def all_readers() -> list[Reader]:
    places: dict[str, int] = {}
    found = []
    for adapter in builtin_adapters():
        if adapter.module:
            with catch_warnings():
                simplefilter("ignore")  # a bridge that its framework has given up
                import_module(adapter.module)
        for probe in adapter.probes():
            place = places[adapter.name] = places.get(adapter.name, -1) + 1
            found += [
                Reader(adapter.name, place, probe.target, name) for name in READERS if callable(getattr(probe, name))
            ]
    return found


ALL = all_readers()


@contextmanager
def replaced(reader: Reader, function: Callable[..., Any]) -> Iterator[None]:
    probe, original = reader.probe, getattr(reader.probe, reader.name)
    setattr(probe, reader.name, function)
    try:
        yield
    finally:
        setattr(probe, reader.name, original)


@pytest.fixture(scope="module", autouse=True)
def _each_adapter_has_its_probes() -> None:
    session.acquire()
    session.release()


@pytest.fixture(scope="module")
def heard() -> dict[Reader, tuple[str, int]]:
    """Where each reader is called for the first time: the scene, and which of its requests."""
    found: dict[Reader, tuple[str, int]] = {}
    at = ("", 0)

    def listening(reader: Reader) -> Callable[..., Any]:
        original = getattr(reader.probe, reader.name)

        def call(*arguments: Any) -> Any:
            found.setdefault(reader, at)
            return original(*arguments)

        return call

    with ExitStack() as stack:
        for reader in ALL:
            stack.enter_context(replaced(reader, listening(reader)))
        for name, scene in SCENES.items():
            at = (name, 0)
            with scene.app() as app, Client(app) as client:
                for place, ask in enumerate(scene.asked):
                    at = (name, place)
                    ask(client)
    return found


@pytest.mark.parametrize(("number", "reader"), list(enumerate(ALL)), ids=map(str, ALL))
def test_a_reader_that_raises_harms_nothing_and_is_named(
    number: int, reader: Reader, heard: dict[Reader, tuple[str, int]]
) -> None:
    if reader not in heard:
        pytest.skip("no request of the scenes has it called")
    name, place = heard[reader]
    part = Scene(SCENES[name].app, SCENES[name].asked[place : place + 2])
    expected, before = part.play()

    called = []

    def fail(*arguments: Any) -> Any:
        called.append(reader)
        raise FAULTS[number % len(FAULTS)]()

    with replaced(reader, fail):
        answers, traces = part.play()
    assert answers == expected
    if not called:
        pytest.skip("a thread that was there already ran it this time")
    said = {warning for trace in traces for warning in trace.warnings if "adapter failed" in warning}
    assert [name.partition(" adapter failed in its probe on ")[0] for name in said] == [f"the {reader.adapter}"]
    for trace in traces:
        assert str(trace)
        assert trace.to_dict()["schema"] == 1
    assert [trace.path for trace in part.play()[1]] == [trace.path for trace in before]


def test_most_readers_are_called_by_the_scenes(heard: dict[Reader, tuple[str, int]]) -> None:
    assert len(heard) > 0.6 * len(ALL)


# -- probes that are made as apps run: of layers, endpoints, dependencies, views


@pytest.mark.parametrize("name", [name for name in READERS if name not in ("describe", "inherits")])
@pytest.mark.parametrize("scene", SCENES)
def test_a_reader_of_what_was_found_that_raises_harms_nothing(
    scene: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {id(probe) for _, probes in session._probes.values() for probe in probes}
    part = Scene(SCENES[scene].app, SCENES[scene].asked[::3])
    expected, _ = part.play()
    called = []

    def fail(*arguments: Any) -> Any:
        called.append(name)
        raise RuntimeError("out of order")

    def sabotage(probe: Probe) -> None:
        if id(probe) not in known and callable(getattr(probe, name)):
            setattr(probe, name, fail)

    watch, expect = Recorder.watch, Recorder.expect

    def watch_broken(self: Recorder, probe: Probe, *, discovered: bool = False) -> None:
        sabotage(probe)
        watch(self, probe, discovered=discovered)

    def expect_broken(self: Recorder, span: Span, given: Expected) -> None:
        for probe in given.values():
            sabotage(probe)
        expect(self, span, given)

    monkeypatch.setattr(Recorder, "watch", watch_broken)
    monkeypatch.setattr(Recorder, "expect", expect_broken)
    answers, traces = part.play()
    assert answers == expected
    if not called:
        pytest.skip("nothing that the scene finds has such a reader, or none is called")
    assert any("RuntimeError: out of order" in warning for trace in traces for warning in trace.warnings)

"""Whatever a WSGI app does wrong is a sentence on a finished trace, whoever asks, and the next request is fine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import trio
from werkzeug.test import Client as WerkzeugClient

from pytest_lifecycle import AsyncClient, Client, LifecycleError, Trace, observe
from tests.drive.bare import Environ, StartResponse, WsgiApp, wsgi_hello
from tests.faults.test_asgi import LOOPS, Runner, is_fine
from tests.faults.wsgi import FAULTS, HEADERS, LENGTHS, RAISING, RETURNS, STARTS, STATUSES, Row
from tests.test_left_behind import census

ROWS = pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS)
INPUT: dict[str, dict[str, Any]] = {"POST": {"content": b"input"}}


def check(trace: Trace, row: Row) -> None:
    """Compare a trace with its row; and everything that can be asked of a trace can be asked of this one."""
    error = trace.root.exception
    said = (trace.status, trace.content, tuple(trace.warnings), trace.outcome, type(error) if error else None)
    assert said == (row.status, row.content, row.warnings, row.outcome, row.error)
    assert [raised.exception for raised in trace.exceptions if raised.handled_by is None] == [error] * bool(error)
    read_all_of(trace)


def read_all_of(trace: Trace) -> None:
    assert trace.to_dict(timings=False)["status"] == trace.status
    assert str(trace)
    assert not trace.root.is_open
    assert trace.path[-1] == ("no response" if trace.status is None else f"response {trace.status}")
    assert (trace.cookies, len(trace.headers)) is not None


def test_no_two_tables_name_the_same_fault() -> None:
    assert len(FAULTS) == sum(map(len, (STARTS, RAISING, STATUSES, HEADERS, RETURNS, LENGTHS)))


@ROWS
def test_a_fault_is_a_sentence_on_the_trace_and_the_next_request_is_fine(row: Row) -> None:
    with Client(row.app, interface="wsgi") as client:
        check(client.request(row.method, "/", **INPUT.get(row.method, {})), row)
        assert is_fine(client.get("/fine"))


@pytest.mark.parametrize("run", [LOOPS.args[1][0]])
@ROWS
def test_the_async_client_tells_the_same(row: Row, run: Runner) -> None:
    async def main() -> None:
        async with AsyncClient(row.app, interface="wsgi") as client:
            check(await client.request(row.method, "/", **INPUT.get(row.method, {})), row)
            assert is_fine(await client.get("/fine"))

    run(main)


@ROWS
def test_a_stream_tells_the_same(row: Row) -> None:
    with Client(row.app, interface="wsgi") as client:
        with client.stream(row.method, "/", **INPUT.get(row.method, {})) as stream:
            assert b"".join(stream.iter_bytes()) == row.content
        check(stream.trace, row)
        assert is_fine(client.get("/fine"))


def test_on_trio_a_worker_thread_tells_the_same() -> None:
    async def main() -> None:
        for row in STARTS.values():
            async with AsyncClient(row.app, interface="wsgi") as client:
                check(await client.request(row.method, "/"), row)

    trio.run(main)


# -- another client: what it makes of a fault is its business, what the trace says is ours

NOT_KEPT = "the iterable's pieces go to the client alone"
OTHERS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "start_response twice": ("it takes the second", (500, b"body", STARTS["start_response twice"].warnings)),
    "start_response after a piece": (NOT_KEPT, (200, None, ())),
    "start_response at the generator's first step": (NOT_KEPT, (202, None, ())),
    "exc_info before output (legal)": ("it refuses the second head", (200, b"", ())),
    "exc_info after output": (NOT_KEPT, (200, None, ())),
    "exc_info after write()": ("it refuses the second head", (200, b"", ())),
    "write() (legal)": ("what is written goes to the client alone", (200, b"yield", ())),
    "write() of text": ("the same", (200, b"", ())),
    "write() after the end": (NOT_KEPT, (200, None, ())),
    "an iterable whose close() raises": (NOT_KEPT, (200, None, ())),
    "an iterable that raises, and its close() too": (NOT_KEPT, (200, None, ())),
    "an iterable whose __iter__ raises": (NOT_KEPT, (200, None, ())),
    "an iterator without a length (legal)": (NOT_KEPT, (200, None, ())),
    "a generator that raises midway": (NOT_KEPT, (200, None, ())),
    "returns a dict": (NOT_KEPT, (200, None, ())),
    "returns str": ("it is no list", (200, b"", RETURNS["returns str"].warnings)),
    "returns bytes": ("it is no list", (200, b"", RETURNS["returns bytes"].warnings)),
    "a content-length too large": ("the rest may have been written", (200, b"four", ())),
    "a body with a 204": ("it keeps the body", (204, b"x", LENGTHS["a body with a 204"].warnings)),
    "a body with a 304": ("it keeps the body", (304, b"x", LENGTHS["a body with a 304"].warnings)),
    "a body for HEAD": ("it keeps the body", (200, b"four", ())),
}
"""Rows whose trace is another one where another client asks: why, and what it says."""


def content_of(trace: Trace) -> bytes | None:
    try:
        return trace.content
    except LifecycleError:
        return None


@pytest.mark.filterwarnings("ignore:coroutine 'is_async' was never awaited:RuntimeWarning")
@pytest.mark.parametrize("name", FAULTS)
def test_another_client_s_trace_tells_the_same(name: str) -> None:
    row = FAULTS[name]
    client = WerkzeugClient(row.app)
    with observe() as traces:
        try:
            client.open("/", method=row.method, data=INPUT.get(row.method, {}).get("content")).get_data()
        except Exception:  # what it makes of the fault
            assert row.warnings or row.error or "exc_info" in name
        assert client.get("/fine").text == "hello"
    trace, fine = traces
    assert is_fine(fine)
    read_all_of(trace)
    expected = OTHERS[name][1] if name in OTHERS else (row.status, row.content, row.warnings)
    assert (trace.status, content_of(trace), tuple(trace.warnings)) == expected


def test_header_lines_from_a_generator_are_left_to_the_other_client() -> None:
    with observe():
        response = WerkzeugClient(FAULTS["headers from a generator"].app).get("/")
    assert response.headers["x-a"] == "1"


# -- nothing is left


def test_after_all_faults_nothing_is_left() -> None:
    known = set(threading.enumerate())
    before = census(known)
    for row in FAULTS.values():
        with Client(row.app, interface="wsgi") as client:
            client.request(row.method, "/")

    async def main() -> None:
        for row in STARTS.values():
            async with AsyncClient(row.app, interface="wsgi") as client:
                await client.request(row.method, "/")

    asyncio.run(main())
    assert census(known) == before


# -- what is closed


class Closing:
    """An iterable without a length, that says when it is closed."""

    def __init__(self, fails: bool = False) -> None:
        self.closed = 0
        self.fails = fails

    def __iter__(self) -> Iterator[bytes]:
        yield b"one"
        if self.fails:
            raise ValueError("midway")
        yield b"two"

    def close(self) -> None:
        self.closed += 1


def returning(result: Iterable[bytes]) -> WsgiApp:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return result

    return app


@pytest.mark.parametrize("fails", [False, True])
def test_an_iterable_is_closed_once_whatever_becomes_of_it(fails: bool) -> None:
    result = Closing(fails)
    with Client(returning(result)) as client:
        trace = client.get("/")
    assert (trace.content, result.closed) == (b"one" if fails else b"onetwo", 1)


def test_an_iterable_is_closed_by_a_client_that_leaves() -> None:
    result = Closing()
    with Client(returning(result)) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes()) == b"one"
    assert result.closed == 1
    assert (stream.trace.content, stream.trace.warnings, stream.trace.exceptions) == (b"one", [], [])


def test_a_generator_that_its_client_leaves_is_closed() -> None:
    closed: list[str] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "100")])
        try:
            yield b"part"
            yield b"never"
        finally:
            closed.append("closed")

    with Client(app) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes()) == b"part"
    assert (closed, stream.trace.warnings, stream.trace.exceptions) == (["closed"], [], [])


def test_both_errors_are_told_where_an_iterable_and_its_close_raise() -> None:
    with Client(FAULTS["an iterable that raises, and its close() too"].app) as client:
        error = client.get("/").root.exception
    assert isinstance(error, OSError)
    assert isinstance(error.__context__, ValueError)


def test_an_async_function_as_a_wsgi_app_leaves_no_coroutine_behind() -> None:
    async def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        return wsgi_hello(environ, start_response)

    with Client(app, interface="wsgi") as client:  # else Python warns, and a warning is an error here
        assert client.get("/").outcome == "no_response"

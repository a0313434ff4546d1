"""Whatever an ASGI app does wrong is a sentence on a finished trace, whoever asks, and the next request is fine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, Trace, observe
from tests.drive.bare import AsgiApp, Message, Receive, Scope, Send, hello, piece, respond, start
from tests.faults.asgi import BODIES, FAULTS, HANGING, HEADERS, LENGTHS, MESSAGES, STATUSES, Row
from tests.test_left_behind import census

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")

ROWS = pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS)
Runner = Callable[[Callable[[], Awaitable[None]]], object]


def on_asyncio(main: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await main()

    asyncio.run(run())


def on_trio(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main)


LOOPS = pytest.mark.parametrize("run", [on_asyncio, on_trio])


def check(trace: Trace, row: Row) -> None:
    """Compare a trace with its row; and everything that can be asked of a trace can be asked of this one."""
    said = (trace.status, trace.content, tuple(trace.warnings), trace.outcome, trace.exceptions)
    assert said == (row.status, row.content, row.warnings, row.outcome, [])
    read_all_of(trace)


def read_all_of(trace: Trace) -> None:
    assert trace.to_dict(timings=False)["status"] == trace.status
    assert str(trace)
    assert not trace.root.is_open
    assert trace.path[-1] == ("no response" if trace.status is None else f"response {trace.status}")
    assert (trace.text, trace.cookies, len(trace.headers)) is not None
    if trace.status is not None:
        assert trace.response.status_code == trace.status


def is_fine(trace: Trace) -> bool:
    return (trace.status, trace.text, trace.warnings, trace.exceptions) == (200, "hello", [], [])


def test_no_two_tables_name_the_same_fault() -> None:
    assert len(FAULTS) == sum(map(len, (MESSAGES, STATUSES, HEADERS, LENGTHS, BODIES)))


@ROWS
def test_a_fault_is_a_sentence_on_the_trace_and_the_next_request_is_fine(row: Row) -> None:
    with Client(row.app, lifespan=False) as client:
        check(client.request(row.method, "/"), row)
        assert is_fine(client.get("/fine"))


@LOOPS
@ROWS
def test_the_async_client_tells_the_same(row: Row, run: Runner) -> None:
    async def main() -> None:
        async with AsyncClient(row.app, lifespan=False) as client:
            check(await client.request(row.method, "/"), row)
            assert is_fine(await client.get("/fine"))

    run(main)


@ROWS
def test_a_stream_tells_the_same(row: Row) -> None:
    with Client(row.app, lifespan=False) as client:
        with client.stream(row.method, "/") as stream:
            assert b"".join(stream.iter_bytes()) == row.content
        check(stream.trace, row)
        assert is_fine(client.get("/fine"))


# -- another client: what it makes of a fault is its business, what the trace says is ours

ITS_OWN = {
    "a returned value": "nobody but the caller of an app has what it returns",
    "a coroutine returned, not awaited": "the same",
    "a function that is not async": "the same",
    "a list instead of a coroutine": "the same",
    "an async generator": "the same",
    "a generator": "the same",
}
"""Rows of which only our own clients can tell all."""


@pytest.mark.parametrize("name", FAULTS)
def test_another_client_s_trace_tells_the_same(name: str) -> None:
    row = FAULTS[name]

    async def main() -> None:
        transport = httpx.ASGITransport(row.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            try:
                await client.request(row.method, "/")
            except Exception as error:
                raised.append(error)
            assert (await client.get("/fine")).text == "hello"

    raised: list[Exception] = []
    with observe() as traces:
        asyncio.run(main())
    trace, fine = traces
    assert is_fine(fine)
    read_all_of(trace)
    if name in ITS_OWN:
        assert set(trace.warnings) <= set(row.warnings)
    elif trace.exceptions:  # the client broke the app off, by an exception from its `send` or `receive`
        assert [error.exception for error in trace.exceptions] == raised
        assert trace.status in (row.status, None)
        assert tuple(trace.warnings) == row.warnings[: len(trace.warnings)]
        assert trace.warnings or row.warnings == ()
    else:
        said = (trace.status, trace.content, tuple(trace.warnings), trace.outcome)
        assert said == (row.status, row.content, row.warnings, row.outcome)


def test_header_lines_from_a_generator_are_left_to_the_other_client() -> None:
    async def main() -> list[tuple[str, str]]:
        transport = httpx.ASGITransport(FAULTS["headers from a generator"].app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return (await client.get("/")).headers.multi_items()

    with observe():
        assert asyncio.run(main()) == [("x-a", "1"), ("x-b", "2")]


def test_what_a_server_offers_is_no_fault() -> None:
    """Extensions of the ASGI specification: the server says in the scope which messages it takes besides."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await start(send, 200, [(b"content-length", b"9")])
        await send({"type": "http.response.pathsend", "path": "/etc/hostname"})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    offered: dict[str, Any] = {"http.response.pathsend": {}, "http.response.early_hint": {}}
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "extensions": offered}
    with observe() as traces:
        asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    assert [message["type"].rpartition(".")[2] for message in sent] == ["early_hint", "start", "pathsend"]
    assert [(trace.status, trace.warnings) for trace in traces] == [(200, [])]


def test_an_app_whose_other_client_has_left_is_not_blamed_for_the_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while (await receive())["type"] != "http.disconnect":
            await piece(send, b"part", more=True)

    async def main() -> None:
        incoming = iter([{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}])

        async def receive() -> Message:
            return next(incoming)

        async def send(message: Message) -> None:
            """Take it."""

        await app({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)

    with observe() as traces:
        asyncio.run(main())
    assert [(trace.status, trace.content, trace.warnings) for trace in traces] == [(200, b"part", [])]


# -- apps that do not end

ENDLESS = pytest.mark.parametrize(("app", "status"), HANGING.values(), ids=HANGING)


@ENDLESS
def test_an_app_that_does_not_end_is_cut_off_where_it_stands(app: AsgiApp, status: int | None) -> None:
    with Client(app, lifespan=False) as client, observe() as traces:
        with pytest.raises(DeadlineExceeded, match="the app waits in 'handler app'") as caught:
            client.get("/", timeout=0.1)
        assert is_fine(client.get("/fine"))
    assert caught.value.slug == "deadline"
    assert (traces[0].status, traces[0].outcome, traces[0].warnings) == (status, "no_response", [])
    read_all_of(traces[0])


@LOOPS
@ENDLESS
def test_the_async_client_cuts_it_off_too(app: AsgiApp, status: int | None, run: Runner) -> None:
    traces: list[Trace] = []

    async def main() -> None:
        async with AsyncClient(app, lifespan=False) as client:
            with observe() as seen, pytest.raises(DeadlineExceeded, match="'handler app'"):
                await client.get("/", timeout=0.1)
            traces.extend(seen)
            assert is_fine(await client.get("/fine"))

    run(main)
    assert [(trace.status, trace.outcome, trace.warnings) for trace in traces] == [(status, "no_response", [])]


def test_another_client_s_own_deadline_leaves_a_finished_trace() -> None:
    async def main() -> None:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(HANGING["hangs in its body"][0]), base_url="http://testserver"
        ) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.get("/"), 0.02)
            assert (await client.get("/fine")).text == "hello"

    with observe() as traces:
        asyncio.run(main())
    assert [(trace.status, trace.content, trace.warnings) for trace in traces] == [
        (200, b"part", []),
        (200, b"hello", []),
    ]
    assert [error.type for error in traces[0].exceptions] == ["CancelledError"]


# -- nothing is left


def test_after_all_faults_nothing_is_left() -> None:
    known = set(threading.enumerate())
    before = census(known)
    for row in FAULTS.values():
        with Client(row.app, lifespan=False) as client:
            client.request(row.method, "/")
    for app, _ in HANGING.values():
        with Client(app, lifespan=False) as client, pytest.raises(DeadlineExceeded):
            client.get("/", timeout=0.01)
    assert census(known) == before


# -- the client leaves


def test_a_client_that_leaves_before_the_response_is_told_to_the_app() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fine":
            return await hello(scope, receive, send)
        seen.append((await receive())["type"])
        await start(send)
        await piece(send, b"part", more=True)
        seen.append((await receive())["type"])
        await piece(send, b"to nobody")
        seen.append((await receive())["type"])

    with Client(app, lifespan=False) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes()) == b"part"
        assert is_fine(client.get("/fine"))
    assert seen == ["http.request", "http.disconnect", "http.disconnect"]
    assert (stream.trace.content, stream.trace.warnings) == (b"part", [])


def test_an_app_that_ends_as_its_client_leaves_is_not_blamed() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await piece(send, b"part", more=True)
        while (await receive())["type"] != "http.disconnect":
            pass

    with Client(app, lifespan=False) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes()) == b"part"
    assert (stream.trace.outcome, stream.trace.warnings) == ("handled", [])


def test_what_is_sent_once_the_app_has_returned_is_nobody_s() -> None:
    """A task that the app started sends the response only then: the request is over without one."""
    tasks: list[asyncio.Task[None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fine":
            await asyncio.gather(*tasks)
            return await hello(scope, receive, send)
        tasks.append(asyncio.create_task(respond(send, body=b"late")))

    with Client(app, lifespan=False) as client:
        trace = client.get("/")
        assert is_fine(client.get("/fine"))
    assert (trace.status, trace.content, trace.warnings) == (None, b"", ["the app returned without a response"])


def test_an_app_that_is_a_plain_function_hands_its_request_on() -> None:
    """Such an app gives the awaitable of another one, as decorators that are no coroutine functions do."""

    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return hello(scope, receive, send)

    with Client(app, lifespan=False) as client:
        assert is_fine(client.get("/"))

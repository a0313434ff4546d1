"""A streamed response is read while the app runs; leaving it hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest
import trio
from flask import Flask
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, LifecycleError, Trace, UsageProblem, observe
from tests.client.django_app import django
from tests.drive.bare import (
    AsgiApp,
    Environ,
    Receive,
    Scope,
    Send,
    StartResponse,
    forever,
    piece,
    respond,
    start,
)

Main = Callable[[], Awaitable[None]]


def on_asyncio(main: Main) -> None:
    async def run() -> None:
        await main()

    asyncio.run(run())


def on_trio(main: Main) -> None:
    trio.run(main)


LOOPS = pytest.mark.parametrize("run", [on_asyncio, on_trio])


class Clock:
    """Sends a tick after the other until its client leaves, and says what happened."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fine":
            return await respond(send, body=b"fine")
        await receive()
        await start(send, 200, [(b"content-type", b"text/event-stream")])
        async with anyio.create_task_group() as group:

            async def listen() -> None:
                self.log.append((await receive())["type"])
                group.cancel_scope.cancel()

            group.start_soon(listen)
            number = 0
            while True:
                self.log.append(f"send {number}")
                await piece(send, f"data: {number}\n\n".encode(), more=True)
                number += 1


def test_an_endless_response_is_read_piece_by_piece_and_left() -> None:
    app = Clock()
    with Client(app, lifespan=False) as client:
        with client.stream("GET", "/") as stream:
            assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
            pieces = stream.iter_bytes()
            assert [next(pieces), next(pieces)] == [b"data: 0\n\n", b"data: 1\n\n"]
            assert app.log == ["send 0", "send 1"]  # the app is not ahead of its reader
        assert client.get("/fine").text == "fine"
    assert "http.disconnect" in app.log
    assert (stream.trace.content, stream.trace.status) == (b"data: 0\n\ndata: 1\n\n", 200)
    assert (stream.trace.warnings, stream.trace.exceptions) == ([], [])
    assert stream.trace.path == ["handler Clock", "response 200"]


@LOOPS
def test_an_endless_response_is_read_and_left_in_async_tests(run: Callable[[Main], None]) -> None:
    app = Clock()

    async def main() -> None:
        async with AsyncClient(app, lifespan=False) as client:
            async with client.stream("GET", "/") as stream:
                assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
                pieces = stream.aiter_bytes()
                assert [await anext(pieces), await anext(pieces)] == [b"data: 0\n\n", b"data: 1\n\n"]
                assert app.log == ["send 0", "send 1"]
            assert (await client.get("/fine")).text == "fine"
        assert "http.disconnect" in app.log
        assert stream.trace.content == b"data: 0\n\ndata: 1\n\n"
        assert (stream.trace.warnings, stream.trace.exceptions) == ([], [])

    run(main)


def streaming(log: list[str]) -> Starlette:
    async def events(request: Request) -> StreamingResponse:
        async def ticks() -> AsyncIterator[bytes]:
            try:
                yield b"tick"
                await forever()
            finally:
                log.append("generator closed")

        return StreamingResponse(ticks(), media_type="text/event-stream")

    return Starlette(routes=[Route("/", events)])


def test_starlette_s_stream_that_waits_for_its_next_event_ends_as_its_client_leaves() -> None:
    log: list[str] = []
    with Client(streaming(log)) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes()) == b"tick"
            assert log == []
        assert log == ["generator closed"]
    assert (stream.trace.handler, stream.trace.route, stream.trace.exceptions) == ("events", "GET /", [])


@LOOPS
def test_starlette_s_stream_ends_as_its_client_leaves_in_async_tests(run: Callable[[Main], None]) -> None:
    log: list[str] = []

    async def main() -> None:
        async with AsyncClient(streaming(log)) as client:
            async with client.stream("GET", "/") as stream:
                assert await anext(stream.aiter_bytes()) == b"tick"
            assert log == ["generator closed"]
        assert (stream.trace.handler, stream.trace.exceptions) == ("events", [])

    run(main)


def test_an_app_that_does_not_listen_is_cancelled() -> None:
    log: list[str] = []

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await start(send)
            while True:
                await piece(send, b"more", more=True)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    with Client(deaf, lifespan=False) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes()) == b"more"
        assert log == ["cancelled"]
    assert stream.trace.content == b"more"


# -- to the end


async def three(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, 200, [(b"set-cookie", b"id=1")])
    await piece(send, b"", more=True)
    for part in (b"one", b"two"):
        await piece(send, part, more=True)
    await piece(send, b"three")


def test_a_response_is_read_to_its_end() -> None:
    with Client(three, lifespan=False) as client:
        with client.stream("GET", "/") as stream:
            assert list(stream.iter_bytes()) == [b"one", b"two", b"three"]
            assert list(stream.iter_bytes()) == []
        with client.stream("GET", "/") as rest:
            assert next(rest.iter_bytes()) == b"one"
            assert rest.read() == b"twothree"
    assert stream.trace.content == rest.trace.content == b"onetwothree"
    assert stream.trace.response.content == b"onetwothree"


@LOOPS
def test_a_response_is_read_to_its_end_in_async_tests(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with AsyncClient(three, lifespan=False) as client:
            async with client.stream("GET", "/") as stream:
                assert [part async for part in stream.aiter_bytes()] == [b"one", b"two", b"three"]
            async with client.stream("GET", "/") as rest:
                assert await rest.aread() == b"onetwothree"
        assert stream.trace.content == rest.trace.content == b"onetwothree"

    run(main)


@LOOPS
def test_the_trace_is_there_once_the_block_is_left(run: Callable[[Main], None]) -> None:
    with Client(three, lifespan=False) as client, observe() as traces, client.stream("GET", "/") as stream:
        with pytest.raises(LifecycleError) as caught:
            _ = stream.trace
        assert traces == []
    assert caught.value.slug == "stream-unread"
    assert traces == [stream.trace]
    assert stream.trace.content == b""


def test_another_request_can_be_made_while_a_response_is_read() -> None:
    app = Clock()
    with Client(app, lifespan=False) as client, client.stream("GET", "/") as stream:
        pieces = stream.iter_bytes()
        assert next(pieces) == b"data: 0\n\n"
        assert client.get("/fine").text == "fine"
        assert next(pieces) == b"data: 1\n\n"
        assert client.get("/fine").path == ["handler Clock", "response 200"]


def test_a_response_that_ended_meanwhile_is_not_cut_short() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/other":
            return await respond(send)
        await start(send)
        await piece(send, b"one", more=True)
        await piece(send, b"two")

    with Client(app, lifespan=False) as client, client.stream("GET", "/") as stream:
        pieces = stream.iter_bytes()
        assert next(pieces) == b"one"
        client.get("/other")
        assert list(pieces) == [b"two"]


def test_background_tasks_run_to_their_end() -> None:
    log: list[str] = []

    async def later() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        log.append("done")

    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("answer", background=BackgroundTask(later))

    with Client(Starlette(routes=[Route("/", endpoint)])) as client, client.stream("GET", "/") as stream:
        assert stream.read() == b"answer"
    assert log == ["done"]


# -- uploads


async def one_for_one(scope: Scope, receive: Receive, send: Send) -> None:
    """Send each piece back as it comes."""
    await start(send)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        await piece(send, message["body"], more=message["more_body"])
        if not message["more_body"]:
            return


def endless(pulled: list[int]) -> Iterator[bytes]:
    number = 0
    while True:
        pulled.append(number)
        yield f"{number};".encode()
        number += 1


def test_an_upload_is_pulled_as_the_app_reads_it_and_stops_as_the_client_leaves() -> None:
    pulled: list[int] = []
    with Client(one_for_one, lifespan=False) as client:
        with client.stream("POST", "/", content=endless(pulled)) as stream:
            pieces = stream.iter_bytes()
            assert next(pieces) == b"0;"
            assert pulled == [0]
            assert next(pieces) == b"1;"
            assert pulled == [0, 1]
    assert len(pulled) == 2
    assert stream.trace.content == b"0;1;"


@LOOPS
def test_an_upload_is_pulled_lazily_in_async_tests(run: Callable[[Main], None]) -> None:
    pulled: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for part in endless(pulled):
            await anyio.lowlevel.checkpoint()
            yield part

    async def main() -> None:
        upload = pieces()
        async with AsyncClient(one_for_one, lifespan=False) as client:
            async with client.stream("POST", "/", content=upload) as stream:
                echo = stream.aiter_bytes()
                assert [await anext(echo), await anext(echo)] == [b"0;", b"1;"]
                assert pulled == [0, 1]
        await upload.aclose()  # type: ignore[attr-defined]

    run(main)
    assert len(pulled) == 2


# -- WSGI


class Counting:
    """An iterable that says how far it was read, and when it was closed."""

    def __init__(self) -> None:
        self.sent = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.sent += 1
        return f"{self.sent};".encode()

    def close(self) -> None:
        self.closed += 1


def test_a_wsgi_app_s_iterable_is_taken_step_by_step_and_closed_once() -> None:
    body = Counting()

    def app(environ: Environ, start_response: StartResponse) -> Any:
        start_response("201 Created", [("X-A", "1")])
        return body

    with Client(app) as client:
        with client.stream("GET", "/") as stream:
            assert (stream.status, stream.headers["x-a"]) == (201, "1")
            pieces = stream.iter_bytes()
            assert [next(pieces), next(pieces)] == [b"1;", b"2;"]
            assert (body.sent, body.closed) == (2, 0)
        assert (body.sent, body.closed) == (2, 1)
    assert (stream.trace.content, stream.trace.warnings, stream.trace.exceptions) == (b"1;2;", [], [])


def test_a_flask_generator_is_closed_as_its_client_leaves() -> None:
    log: list[str] = []
    app = Flask(__name__)

    @app.get("/")
    def ticks() -> Any:
        def generate() -> Iterator[str]:
            try:
                while True:
                    yield "tick"
            finally:
                log.append("closed")

        return generate(), {"X-A": "1"}

    with Client(app) as client, client.stream("GET", "/") as stream:
        assert next(stream.iter_bytes()) == b"tick"
    assert log == ["closed"]
    assert stream.trace.handler == "ticks"


def test_a_wsgi_response_is_read_to_its_end() -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from (b"one", b"two")

    with Client(app) as client, client.stream("GET", "/") as stream:
        assert stream.read() == b"onetwo"
    assert stream.trace.content == b"onetwo"


# -- failures


def failing(error: BaseException) -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fine":
            return await respond(send, body=b"fine")
        if scope["path"] == "/later":
            await start(send)
            await piece(send, b"part", more=True)
        raise error

    return app


@pytest.mark.parametrize(("path", "status", "content"), [("/", None, b""), ("/later", 200, b"part")])
@LOOPS
def test_an_app_that_raises_ends_the_stream(
    run: Callable[[Main], None], path: str, status: int | None, content: bytes
) -> None:
    error = ValueError("broken")
    traces: list[Trace] = []
    with Client(failing(error), lifespan=False) as client:
        with client.stream("GET", path) as stream:
            assert (stream.status, stream.read()) == (status, content)
        assert client.get("/fine").text == "fine"
    traces.append(stream.trace)

    async def main() -> None:
        async with AsyncClient(failing(error), lifespan=False) as client:
            async with client.stream("GET", path) as stream:
                assert (stream.status, await stream.aread()) == (status, content)
            assert (await client.get("/fine")).text == "fine"
        traces.append(stream.trace)

    run(main)
    for trace in traces:
        assert (trace.root.exception, trace.content, trace.warnings) == (error, content, [])


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)])
@LOOPS
def test_the_exception_is_raised_where_that_is_asked_for_or_it_is_an_exit(
    run: Callable[[Main], None], error: BaseException
) -> None:
    with Client(failing(error), lifespan=False, raise_app_exceptions=True) as client:
        with pytest.raises(type(error)) as caught, client.stream("GET", "/later") as stream:
            stream.read()
        assert caught.value is error
        assert client.get("/fine").text == "fine"

    async def main() -> None:
        async with AsyncClient(failing(error), lifespan=False, raise_app_exceptions=True) as client:
            with pytest.raises(type(error)) as caught:
                async with client.stream("GET", "/later") as stream:
                    await stream.aread()
            assert caught.value is error
            assert (await client.get("/fine")).text == "fine"

    run(main)


def test_a_wsgi_app_that_raises_mid_body_ends_the_stream() -> None:
    error = ValueError("broken")

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"part"
        raise error

    with Client(app) as client, client.stream("GET", "/") as stream:
        assert stream.read() == b"part"
    assert stream.trace.root.exception is error


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/fine":
        return await respond(send, body=b"fine")
    if scope["path"] == "/later":
        await start(send)
        await piece(send, b"part", more=True)
    await forever()


@pytest.mark.parametrize("path", ["/", "/later"])
@LOOPS
def test_each_step_has_the_deadline_and_the_app_is_gone_after_it(run: Callable[[Main], None], path: str) -> None:
    tasks: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await slow(scope, receive, send)
        finally:
            tasks.append(scope["path"])

    with Client(app, lifespan=False) as client:
        with observe() as traces, pytest.raises(DeadlineExceeded, match="'handler slow'"):
            with client.stream("GET", path, timeout=0.05) as stream:
                stream.read()
        assert tasks == [path]
        assert client.get("/fine").text == "fine"
        assert [trace.status for trace in traces] == [200 if path == "/later" else None]

    async def main() -> None:
        async with AsyncClient(app, lifespan=False) as client:
            with pytest.raises(DeadlineExceeded, match="'handler slow'"):
                async with client.stream("GET", path, timeout=0.05) as stream:
                    await stream.aread()
            assert tasks == [path, "/fine", path]
            assert (await client.get("/fine")).text == "fine"

    run(main)


@LOOPS
def test_an_error_in_the_block_is_the_test_s_and_the_app_ends(run: Callable[[Main], None]) -> None:
    app = Clock()
    with Client(app, lifespan=False) as client, pytest.raises(ZeroDivisionError):
        with client.stream("GET", "/") as stream:
            next(stream.iter_bytes())
            raise ZeroDivisionError
    assert "http.disconnect" in app.log

    async def main() -> None:
        async with AsyncClient(app, lifespan=False) as client:
            with pytest.raises(ZeroDivisionError):
                async with client.stream("GET", "/") as stream:
                    await anext(stream.aiter_bytes())
                    raise ZeroDivisionError
            assert stream.trace.status == 200

    run(main)


@LOOPS
def test_a_test_that_is_cancelled_in_the_block_leaves_no_app_running(run: Callable[[Main], None]) -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await slow(scope, receive, send)
        finally:
            ended.append("ended")

    async def main() -> None:
        async with AsyncClient(app, lifespan=False) as client:
            with observe() as traces, anyio.CancelScope() as scope:
                async with client.stream("GET", "/later") as stream:
                    await anext(stream.aiter_bytes())
                    scope.cancel()
                    await stream.aread()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            assert ended == ["ended"]
            assert [trace.status for trace in traces] == [200]

    run(main)


# -- what cannot be streamed


def test_django_s_asgi_handler_is_streamed_in_async_tests_only() -> None:
    async def main(app: Any) -> bytes:
        async with AsyncClient(app) as client, client.stream("GET", "/stream") as stream:
            return await stream.aread()

    with django("asgi") as app:
        with Client(app) as client, pytest.raises(UsageProblem) as caught, client.stream("GET", "/stream"):
            pass
        assert (caught.value.slug, str(caught.value)) == (
            "stream-unread",
            "Django's ASGI handler cannot be streamed from a sync test. Use AsyncClient, or the WSGI handler.",
        )
        assert asyncio.run(main(app)) == b"onetwo"


def test_a_wsgi_app_is_streamed_in_sync_tests_only() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return []

    async def main() -> UsageProblem:
        async with AsyncClient(app) as client:
            with pytest.raises(UsageProblem) as caught:
                async with client.stream("GET", "/"):
                    pass
            return caught.value

    problem = asyncio.run(main())
    assert (problem.slug, str(problem)) == (
        "stream-unread",
        "A WSGI app's response cannot be streamed in an async test. Use Client.stream in a sync one.",
    )

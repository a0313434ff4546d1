"""Exceptions: where they were raised, what they flew past, who caught them, groups, and those after the response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, StreamingResponse
from flask import Flask

from pytest_lifecycle import Client, Trace
from tests.drive.bare import Environ, Receive, Scope, Send, StartResponse


class Grouping:
    """Calls the app in a task group, as libraries on top of anyio do."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.app(scope, receive, send))


async def database() -> AsyncIterator[str]:
    yield "connection"
    raise ConnectionResetError("rollback failed")


async def forgiving() -> AsyncIterator[str]:
    try:
        yield "connection"
    finally:
        await asyncio.sleep(0)


def build() -> FastAPI:
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
    app.add_middleware(Grouping)

    @app.get("/crash")
    async def crash() -> None:
        try:
            {}["stock"]
        except KeyError as error:
            raise ValueError("no stock") from error

    @app.get("/answer")
    async def answer() -> None:
        raise HTTPException(404, "none of these")

    @app.get("/late")
    async def late() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            yield b"1"
            raise OSError("the file is gone")

        return StreamingResponse(pieces())

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        def send_mail() -> None:
            raise TimeoutError("no answer")

        tasks.add_task(send_mail)
        return "sent"

    @app.get("/exit")
    async def leave(connection: str = Depends(database)) -> str:
        return connection

    @app.get("/kept")
    async def kept(connection: str = Depends(forgiving)) -> str:
        raise ZeroDivisionError(connection)

    @app.get("/turned")
    async def turned() -> None:
        raise PermissionError("not yours")

    @app.exception_handler(PermissionError)
    async def forbidden(request: object, error: PermissionError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 403)

    @app.get("/two")
    async def two() -> None:
        async def fail(error: Exception) -> None:
            raise error

        async with asyncio.TaskGroup() as group:
            group.create_task(fail(LookupError("one")))
            group.create_task(fail(LookupError("two")))

    return app


Flight = tuple[str, str, tuple[str, ...], str | None, tuple[str, ...], bool]
ALL = ("CORSMiddleware", "Grouping")
CLAIMS: dict[str, tuple[int, str, list[str], list[Flight]]] = {
    "/crash": (
        500,
        "error",
        [],
        [("ValueError", "crash", ALL, None, ("KeyError: 'stock'",), False)],
    ),
    "/answer": (
        404,
        "handled",
        ["CORSMiddleware", "Grouping"],
        [("HTTPException", "answer", (), "http_exception_handler", (), True)],
    ),
    "/late": (
        200,
        "error",
        ["CORSMiddleware", "Grouping"],
        [("OSError", "StreamingResponse", ALL, None, (), False)],
    ),
    "/background": (
        200,
        "error",
        ["CORSMiddleware", "Grouping"],
        [("TimeoutError", "send_mail", ALL, None, (), False)],
    ),
    "/exit": (
        200,
        "error",
        ["CORSMiddleware", "Grouping"],
        [("ConnectionResetError", "database", ALL, None, (), False)],
    ),
    "/kept": (500, "error", [], [("ZeroDivisionError", "kept", ALL, None, (), False)]),
    "/turned": (
        403,
        "handled",
        ["CORSMiddleware", "Grouping"],
        [("PermissionError", "turned", (), "forbidden", (), False)],
    ),
    "/two": (500, "error", [], [("ExceptionGroup", "two", ALL, None, (), False)]),
}


def flights(trace: Trace) -> list[Flight]:
    return [
        (raised.type, raised.raised_in, raised.crossed, raised.handled_by, raised.causes, raised.is_answer)
        for raised in trace.exceptions
    ]


@pytest.mark.parametrize("url", CLAIMS)
def test_each_exception_s_flight(url: str) -> None:
    status, outcome, out, expected = CLAIMS[url]
    with Client(build()) as client:
        trace = client.get(url)
    assert (trace.status, trace.outcome, trace.middleware_out) == (status, outcome, out)
    assert flights(trace) == expected


def test_the_group_around_one_exception_is_read_as_that_one_and_kept() -> None:
    with Client(build()) as client:
        trace = client.get("/crash")
    kept = trace.exceptions[0].exception
    assert isinstance(kept, ExceptionGroup)
    assert isinstance(kept.exceptions[0], ValueError)
    assert "middleware Grouping" in str(trace)
    assert "exception: ValueError(no stock) raised in crash, past CORSMiddleware, Grouping" in str(trace)
    assert str(trace).count("raised ValueError(no stock)") == 1


def test_the_500_that_skips_cors_is_visible() -> None:
    with Client(build(), headers={"origin": "https://shop.example"}) as client:
        crashed, fine = client.get("/crash"), client.get("/turned")
    assert "CORSMiddleware" not in crashed.middleware_out
    assert "access-control-allow-origin" not in crashed.headers
    assert "CORSMiddleware" in fine.middleware_out
    assert "access-control-allow-origin" in fine.headers


def test_a_teardown_of_flask_s_that_raises_is_told_after_the_response() -> None:
    app = Flask("shop")

    @app.get("/")
    def index() -> str:
        return "fine"

    @app.teardown_request
    def close_session(error: BaseException | None) -> None:
        raise ConnectionError("already closed")

    with Client(app) as client:
        trace = client.get("/")
    assert (trace.outcome, trace.handler) == ("error", "index")
    assert [(raised.type, raised.raised_in) for raised in trace.exceptions] == [("ConnectionError", "close_session")]


@pytest.mark.parametrize("where", ["midway", "close"])
def test_a_wsgi_body_that_raises_is_told_with_what_was_sent(where: str) -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"1"
            if where == "midway":
                raise OSError(where)

        def close(self) -> None:
            if where == "close":
                raise OSError(where)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body()

    with Client(app) as client:
        trace = client.get("/")
    assert (trace.status, trace.content, trace.outcome) == (200, b"1", "error")
    assert [(raised.type, raised.message) for raised in trace.exceptions] == [("OSError", where)]


def test_a_group_that_an_exception_was_taken_out_of_is_no_cause_of_it() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        try:
            try:
                raise KeyError("a")
            except KeyError:
                raise ExceptionGroup("all", [OSError("gone")])  # noqa: B904
        except ExceptionGroup as group:
            raise group.exceptions[0]  # noqa: B904

    with Client(app) as client:
        assert client.get("/").exceptions[0].causes == ("KeyError: 'a'",)

"""The protocol's messages at the app's edge, and who read the request's body."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from flask import Flask, request
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response
from werkzeug.test import Client as WerkzeugClient

from pytest_lifecycle import Client, observe
from tests.drive.bare import Environ, Receive, Scope, Send, StartResponse, WsgiApp, read, respond

Told = list[tuple[str, str, int, str]]


def told(trace: Any) -> Told:
    return [(message.direction, message.type, message.size, message.step) for message in trace.messages]


class Peeking:
    """Reads the body before the app does, and does not put it back: the classic mistake."""

    def __init__(self, app: WsgiApp) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return self.app(environ, start_response)


def shop() -> Flask:
    app = Flask("shop")

    @app.post("/orders")
    def order() -> str:
        return str(len(request.get_data()))

    @app.post("/ignored")
    def ignored() -> str:
        return "done"

    @app.post("/lines")
    def lines() -> str:
        return str(len(request.stream.readlines()))

    return app


def test_a_wsgi_app_s_reading_and_answering_are_told() -> None:
    with Client(shop()) as client:
        trace = client.post("/orders", content=b"12345")
    assert told(trace) == [
        ("in", "wsgi.input", 5, "order"),
        ("out", "wsgi.start_response", 0, "Response"),
        ("out", "wsgi.body", 1, ""),
    ]
    assert (trace.body_read_by, trace.body_read) == (["order"], 5)
    assert trace.time_to_first_byte is not None


def test_a_body_that_nobody_reads_has_no_reader() -> None:
    with Client(shop()) as client:
        trace = client.post("/ignored", content=b"12345")
    assert (trace.text, trace.body_read_by, trace.body_read) == ("done", [], 0)


def test_a_body_that_was_read_before_is_read_twice_and_the_second_gets_nothing() -> None:
    with Client(Peeking(shop())) as client:
        trace = client.post("/orders", content=b"12345")
    assert trace.text == "0"
    assert (trace.body_read_by, trace.body_read) == (["Peeking", "order"], 5)


@pytest.mark.parametrize("body", [b"one\ntwo\n", [b"one\nt", b"wo\n"]])
def test_what_is_read_in_a_row_is_one_message(body: Any) -> None:
    with Client(shop()) as client:
        trace = client.post("/lines", content=body, headers={"content-length": "8"})
    assert trace.text == "2"
    assert [line[2:] for line in told(trace) if line[0] == "in"] == [(8, "lines")]


READERS = {
    "read": lambda stream: stream.read(),
    "read some": lambda stream: b"".join(iter(lambda: stream.read(3), b"")),
    "read1": lambda stream: stream.read1(100),
    "readline": lambda stream: stream.readline() + stream.readline(),
    "readlines": lambda stream: b"".join(stream.readlines()),
    "iteration": b"".join,
    "readinto": lambda stream: _filled(stream),
}


def _filled(stream: io.BytesIO) -> bytes:
    buffer = bytearray(8)
    assert stream.readinto(buffer) == 8
    return bytes(buffer)


@pytest.mark.parametrize("how", READERS)
def test_every_way_to_read_is_counted(how: str) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield READERS[how](environ["wsgi.input"])

    with Client(app) as client:
        trace = client.post("/", content=b"one\ntwo\n")
    assert (trace.content, trace.body_read) == (b"one\ntwo\n", 8)


def test_another_wsgi_client_s_answers_are_told() -> None:
    with observe() as traces:
        WerkzeugClient(shop()).post("/orders", data=b"12345")
    assert ("out", "wsgi.start_response") in [line[:2] for line in told(traces[0])]


class Audit(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        await request.body()
        return await call_next(request)


def notes(*layers: type[BaseHTTPMiddleware]) -> FastAPI:
    app = FastAPI()
    for layer in layers:
        app.add_middleware(layer)

    @app.post("/orders")
    async def order(request: Request) -> int:
        return len(await request.body())

    @app.post("/ignored")
    async def ignored() -> None:
        """Read nothing."""

    return app


def test_who_reads_an_asgi_body_first_is_the_reader() -> None:
    with Client(notes()) as client:
        plain, unread = client.post("/orders", content=b"12345"), client.post("/ignored", content=b"12345")
    with Client(notes(Audit)) as client:
        audited = client.post("/orders", content=b"12345")
    assert (plain.body_read_by, plain.body_read) == (["order"], 5)
    assert (unread.body_read_by, unread.body_read) == ([], 0)
    assert (audited.body_read_by, audited.text) == (["Audit"], "5")


def test_a_body_in_pieces_is_counted_as_it_is_read() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, body=await read(receive))

    with Client(app, lifespan=False) as client:
        trace = client.post("/", content=[b"12", b"345"])
    assert [line[2] for line in told(trace) if line[1] == "http.request"] == [2, 3, 0]
    assert trace.body_read == 5

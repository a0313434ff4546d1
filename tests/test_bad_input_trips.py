"""Broken requests and clients that leave: the trace is complete and says what was wrong, and nothing hangs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import StreamingResponse
from flask import Flask, request
from pydantic import BaseModel

from pytest_lifecycle import Client, DeadlineExceeded
from tests.drive.bare import Receive, Scope, Send

HALF = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhalf'
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
JSON = {"content-type": "application/json"}


class Order(BaseModel):
    price: int


def fastapi_shop() -> FastAPI:
    app = FastAPI()

    @app.post("/orders")
    async def order(order: Order) -> int:
        return order.price

    @app.post("/files")
    async def upload(file: UploadFile) -> int:
        return len(await file.read())

    @app.get("/name")
    async def name(request: Request) -> str:
        return request.headers["x-name"]

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0)

        return StreamingResponse(pieces())

    return app


def flask_shop() -> Flask:
    app = Flask("shop")

    @app.post("/orders")
    def order() -> Any:
        return request.get_json()

    @app.post("/files")
    def upload() -> str:
        return str(len(request.files["file"].read()))

    @app.get("/name")
    def name() -> str:
        return request.headers["x-name"]

    return app


BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "no text": ("/orders", {"content": b"\xff\xfe", "headers": JSON}),
    "half a document": ("/orders", {"content": b'{"price":', "headers": JSON}),
    "another type": ("/orders", {"content": b'{"price": 1}', "headers": {"content-type": "text/plain"}}),
    "half an upload": ("/files", {"content": HALF, "headers": MULTIPART}),
    "no boundary": ("/files", {"content": HALF, "headers": {"content-type": "multipart/form-data"}}),
    "less than announced": ("/files", {"content": HALF, "headers": {**MULTIPART, "content-length": "500"}}),
}
FASTAPI = {
    "no text": (422, ("body", 0), "json_invalid", 2),
    "half a document": (422, ("body", 9), "json_invalid", 9),
    "another type": (422, ("body",), "model_attributes_type", 12),
    "half an upload": (422, ("body", "file"), "missing", len(HALF)),
    "no boundary": (400, ("body",), "MultiPartException", 0),
    "less than announced": (422, ("body", "file"), "missing", len(HALF)),
}
FLASK = {
    "no text": (400, ("body",), "BadRequest", 2),
    "half a document": (400, ("body",), "BadRequest", 9),
    "another type": (415, ("body",), "UnsupportedMediaType", 0),
    "half an upload": (400, ("files", "file"), "BadRequestKeyError", len(HALF)),
    "no boundary": (400, ("files", "file"), "BadRequestKeyError", 0),
    "less than announced": (400, ("files", "file"), "BadRequestKeyError", len(HALF)),
}


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")  # both parsers leave a cut upload's file open
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_body_that_cannot_be_read_is_invalid(framework: str, how: str) -> None:
    app, claims = (fastapi_shop(), FASTAPI) if framework == "fastapi" else (flask_shop(), FLASK)
    url, arguments = BROKEN[how]
    with Client(app) as client:
        trace = client.post(url, **arguments)
    status, loc, kind, read = claims[how]
    assert (trace.status, trace.outcome, trace.refusal) == (status, "invalid", "validation")
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == [(loc, kind)]
    assert trace.body_read == read
    assert trace.warnings == []
    gc.collect()  # while the warning is ignored


@pytest.mark.parametrize("make", [fastapi_shop, flask_shop])
def test_a_header_s_bytes_beyond_latin_text_are_handed_on(make: Any) -> None:
    with Client(make()) as client:
        trace = client.get("/name", headers=[(b"x-name", b"\xff\xfe")])
    assert (trace.outcome, trace.handler) == ("handled", "name")
    assert "ÿþ" in trace.text


def test_a_client_that_leaves_during_a_stream_ends_it() -> None:
    with Client(fastapi_shop()) as client:
        with client.stream("GET", "/endless") as stream:
            assert next(stream.iter_bytes()) == b"x"
        trace = stream.trace
    assert (trace.outcome, trace.exceptions, trace.warnings) == ("handled", [], [])
    assert trace.path == ["route GET /endless", "handler endless", "response 200"]
    assert trace.messages[-1].type == "http.disconnect"


def test_a_wsgi_client_that_leaves_closes_the_body() -> None:
    closed: list[bool] = []
    app = Flask("shop")

    @app.get("/")
    def pieces() -> Any:
        def body() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x"
            finally:
                closed.append(True)

        return body()

    with Client(app) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes()) == b"x"
        assert closed == [True]
    assert (stream.trace.outcome, stream.trace.warnings) == ("handled", [])


@pytest.mark.parametrize("stage", ["before the answer", "once accepted", "after a message", "after the app closed"])
def test_a_websocket_s_client_that_leaves_at_any_stage_ends_it(stage: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        if stage == "before the answer":
            assert (await receive())["type"] == "websocket.disconnect"
            return
        await send({"type": "websocket.accept"})
        if stage == "after the app closed":
            await send({"type": "websocket.close", "code": 4000})
        while (await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": "heard"})

    with Client(app, lifespan=False, timeout=0.1) as client:
        if stage == "before the answer":
            with pytest.raises(DeadlineExceeded), client.websocket("/"):
                pass
            return
        with client.websocket("/") as websocket:
            if stage == "after a message":
                websocket.send("hello")
                assert websocket.receive() == "heard"
    trace = websocket.trace
    expected = ("app", 4000) if stage == "after the app closed" else ("client", 1000)
    assert (trace.closed_by, trace.close_code) == expected
    assert (trace.outcome, trace.warnings) == ("handled", [])
    assert trace.messages[-1].type == "websocket.disconnect"

"""A fault is from the layer that commits it, where that can be told; a layer that passes it on is not named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from flask import Flask
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from werkzeug.test import Client as WerkzeugClient

from pytest_lifecycle import Client, observe
from tests.client.django_app import django
from tests.drive.bare import (
    AsgiApp,
    Environ,
    Message,
    Receive,
    Scope,
    Send,
    StartResponse,
    WsgiApp,
    piece,
    respond,
    start,
)

EARLY = "the app sent http.response.body before http.response.start"
LATE = "the app sent http.response.body after the response was complete"
NO_END = "the app started the response and never ended it"
TWICE = "the app started the response twice"
STR = "the app sent the header 'x-layer' as str instead of bytes"
UNSAFE = "the app sent the header b'x-layer', which holds a line break or a NUL"


class Layer:
    def __init__(self, app: AsgiApp) -> None:
        self.app = app


class Passing(Layer):
    """Hands all on, through a `send` of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def passing(message: Message) -> None:
            await send(message)

        await self.app(scope, receive, passing)


class Tagging(Layer):
    """Adds a header line that is no line of bytes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], ("x-layer", "1")]
            await send(message)

        await self.app(scope, receive, tagged)


class Renumbering(Layer):
    """Makes a status of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def renumbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "status": "201 Created"}
            await send(message)

        await self.app(scope, receive, renumbered)


class Holding(Layer):
    """Keeps the start to itself until it has sent the body: the wrong way round."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
            else:
                await send(message)
                await send(held[0])

        await self.app(scope, receive, hold)


class Catching(Layer):
    """Answers for an app that raised, whether that has answered or not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except ValueError:
            await respond(send, 500)


class Refusing(Layer):
    """Answers itself, and twice."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 403)
        await respond(send, 403)


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, body=b"body")


async def tags(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, headers=[("x-layer", "1")])


async def begins_with_the_body(scope: Scope, receive: Receive, send: Send) -> None:
    await piece(send, b"early")
    await respond(send)


async def goes_on(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send)
    await piece(send, b"late")


async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    raise ValueError


ASGI: dict[str, tuple[AsgiApp, list[str]]] = {
    "an app of one step is the app": (tags, [STR]),
    "the app beneath a layer": (Catching(tags), [f"{STR}, from tags"]),
    "what layers pass on is not theirs": (Passing(Passing(tags)), [f"{STR}, from tags"]),
    "a layer that adds a header": (Tagging(fine), [f"{STR}, from Tagging"]),
    "a layer that adds a header, between others": (Passing(Tagging(Passing(fine))), [f"{STR}, from Tagging"]),
    "a layer beneath one of the framework's": (GZipMiddleware(Tagging(fine)), [f"{STR}, from Tagging"]),
    "a layer that changes the status": (
        Passing(Renumbering(fine)),
        ["the app sent the status '201 Created', which is no number from 100 to 599, from Renumbering"],
    ),
    "a layer that holds the start back": (
        Holding(fine),
        [f"{EARLY}, from Holding", NO_END],
    ),
    "the app sends the body first": (Catching(begins_with_the_body), [f"{EARLY}, from begins_with_the_body"]),
    "a layer that answers after the app": (Passing(Catching(breaks_off)), [TWICE]),
    "a layer that answers after the app, at the edge": (Catching(breaks_off), [f"{TWICE}, from Catching"]),
    "a layer that answers itself, twice": (Refusing(fine), [f"{TWICE}, from Refusing", f"{LATE}, from Refusing"]),
    "where a layer may have made the message, nobody is named": (Passing(goes_on), [LATE]),
}


@pytest.mark.parametrize(("app", "warnings"), ASGI.values(), ids=ASGI)
def test_an_asgi_layer_is_named(app: AsgiApp, warnings: list[str]) -> None:
    with Client(app, lifespan=False) as client:
        assert client.get("/").warnings == warnings


HEADS = [name for name, (_, warnings) in ASGI.items() if warnings[0].startswith("the app sent the")]


@pytest.mark.parametrize("name", HEADS)
def test_another_client_s_trace_names_the_same_asgi_layer(name: str) -> None:
    app, warnings = ASGI[name]

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            await client.get("/")

    with observe() as traces:
        asyncio.run(main())
    assert [trace.warnings for trace in traces] == [warnings]


# -- frameworks

Dispatch = Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]


async def tag(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["x-layer"] = "a\r\nb"
    return response


async def passing(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    return await call_next(request)


async def refuse(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    return Response(headers={"x-layer": "a\r\nb"})


def shop(*dispatches: Dispatch) -> FastAPI:
    app = FastAPI()
    for dispatch in dispatches:
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)

    @app.get("/fine")
    async def fine() -> int:
        return 1

    @app.get("/unsafe")
    async def unsafe() -> Response:
        return Response(headers={"x-layer": "a\r\nb"})

    @app.get("/raises")
    async def raises() -> None:
        raise KeyError("shop")

    @app.exception_handler(KeyError)
    async def sorry(request: Request, error: Exception) -> Response:
        return Response(status_code=500, headers={"x-layer": "a\r\nb"})

    return app


FASTAPI: dict[str, tuple[tuple[Dispatch, ...], str, list[str]]] = {
    "the handler": ((), "/unsafe", [f"{UNSAFE}, from unsafe"]),
    "the handler beneath a function": ((passing,), "/unsafe", [UNSAFE]),
    "a function": ((tag,), "/fine", [f"{UNSAFE}, from tag"]),
    "a function beneath another": ((tag, passing), "/fine", [f"{UNSAFE}, from tag"]),
    "a function that refuses": ((refuse,), "/fine", [f"{UNSAFE}, from refuse"]),
    "an exception handler is not the handler": ((), "/raises", [UNSAFE]),
}


@pytest.mark.parametrize(("dispatches", "url", "warnings"), FASTAPI.values(), ids=FASTAPI)
def test_in_fastapi_the_handler_or_the_function_is_named(
    dispatches: tuple[Dispatch, ...], url: str, warnings: list[str]
) -> None:
    with Client(shop(*dispatches)) as client:
        assert client.get(url).warnings == warnings


HOP = "the app sent the header 'Connection', which only its server may send (PEP 3333, Other HTTP Features)"


def test_in_flask_the_view_is_named() -> None:
    app = Flask("shop")

    @app.get("/")
    def view() -> tuple[str, dict[str, str]]:
        return "", {"Connection": "close"}

    with Client(app) as client:
        assert client.get("/").warnings == [f"{HOP}, from view"]


class WsgiLayer:
    def __init__(self, app: WsgiApp) -> None:
        self.app = app


class WsgiPassing(WsgiLayer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def passing(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, headers, exc_info)

        return self.app(environ, passing)


class WsgiTagging(WsgiLayer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def tagged(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("Connection", "close")], exc_info)

        return self.app(environ, tagged)


class WsgiRestarting(WsgiLayer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = self.app(environ, start_response)
        start_response("500 No", [])
        return body


def wsgi_fine(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [b"body"]


def wsgi_tags(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Connection", "close")])
    return [b"body"]


WSGI: dict[str, tuple[WsgiApp, list[str]]] = {
    "an app of one step is the app": (wsgi_tags, [HOP]),
    "what layers pass on is not theirs": (WsgiPassing(WsgiPassing(wsgi_tags)), [f"{HOP}, from wsgi_tags"]),
    "a layer that adds a header": (WsgiTagging(wsgi_fine), [f"{HOP}, from WsgiTagging"]),
    "a layer that adds a header, between others": (
        WsgiPassing(WsgiTagging(WsgiPassing(wsgi_fine))),
        [f"{HOP}, from WsgiTagging"],
    ),
    "a layer that starts again": (WsgiRestarting(wsgi_fine), [f"{TWICE}, from WsgiRestarting"]),
    "where a layer may have made the call, nobody is named": (WsgiPassing(WsgiRestarting(wsgi_fine)), [TWICE]),
}


@pytest.mark.parametrize(("app", "warnings"), WSGI.values(), ids=WSGI)
def test_a_wsgi_layer_is_named(app: WsgiApp, warnings: list[str]) -> None:
    with Client(app) as client:
        assert client.get("/").warnings == warnings
    with observe() as traces:
        WerkzeugClient(app).get("/")
    assert [trace.warnings for trace in traces] == [warnings]


def test_django_s_own_responses_have_no_faults() -> None:
    for interface in ("asgi", "wsgi"):
        with django(interface) as app, Client(app) as client:
            assert client.get("/hello").warnings == []

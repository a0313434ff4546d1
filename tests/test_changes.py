"""Who changed what: response changes and scope additions, told of each layer of an ASGI app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.routing import APIRoute
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from pytest_lifecycle import Client, Kind, ResponseChanges, Trace, observe

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Lines = list[tuple[bytes, bytes]]
NOTHING = ResponseChanges()


class Changing:
    """Does one thing to the head of each response, in place or in a message of its own."""

    def __init__(self, app: Any, act: str, name: str, *, in_place: bool) -> None:
        self.app, self.act, self.name, self.in_place = app, act, name.encode(), in_place

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                lines = message["headers"] if self.in_place else list(message["headers"])
                self.change(lines)
                if not self.in_place:
                    message = {**message, "headers": lines}
                if self.act == "status":
                    message["status"] = 202
            await send(message)

        await self.app(scope, receive, sending if self.act != "pass" else send)

    def change(self, lines: Lines) -> None:
        if self.act == "add":
            lines.append((self.name, b"new"))
        elif self.act == "remove":
            lines[:] = [line for line in lines if line[0] != self.name]
        elif self.act == "replace":
            lines[:] = [(name, b"other" if name == self.name else value) for name, value in lines]


def expected(act: str, name: str, before: list[tuple[str, str]], status: int) -> ResponseChanges:
    """Say what a layer that does one thing changes, given what came from inside it."""
    values = [value for known, value in before if known == name]
    if act == "add":
        return ResponseChanges(added={name: "new"})
    if act == "remove" and values:
        return ResponseChanges(removed=[name])
    if act == "status" and status != 202:
        return ResponseChanges(status=(status, 202))
    replaced = [value for value in values if value != "other"]
    if act == "replace" and replaced:
        return ResponseChanges(changed={name: (", ".join(replaced), ", ".join(["other"] * len(replaced)))})
    return NOTHING


LAYERS = st.lists(
    st.tuples(
        st.sampled_from(["pass", "add", "remove", "replace", "status"]), st.sampled_from(["x-a", "x-b"]), st.booleans()
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=80)
@given(layers=LAYERS)
def test_each_layer_of_one_class_is_told_its_own_changes(layers: list[tuple[str, str, bool]]) -> None:
    async def app(scope: Message, receive: Any, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"old")]})
            await send({"type": "http.response.body", "body": b""})

    stack: Any = app
    for act, name, in_place in layers:
        stack = Changing(stack, act, name, in_place=in_place)
    with Client(stack, lifespan=False) as client:
        trace = client.get("/")
    model, status = [("x-a", "old")], 200
    claims = []
    for act, name, _ in layers:
        claims.append(expected(act, name, model, status))
        lines = [(known.encode(), value.encode()) for known, value in model]
        Changing(None, act, name, in_place=True).change(lines)
        model = [(known.decode(), value.decode()) for known, value in lines]
        status = 202 if act == "status" else status
    assert [span.response_changes for span in reversed(trace.spans(Kind.MIDDLEWARE))] == claims
    assert (trace.headers.multi_items(), trace.status) == (model, status)


def test_the_innermost_layer_s_changes_are_seen_where_a_helper_of_its_own_stands_inside() -> None:
    app = FastAPI()
    app.add_middleware(GZipMiddleware, minimum_size=10)

    @app.get("/")
    async def read() -> Response:
        return PlainTextResponse("much text " * 20)

    with Client(app) as client:
        changes = client.get("/").span("GZipMiddleware").response_changes
    assert (changes.body, changes.added["content-encoding"]) == ("compressed", "gzip")
    assert changes.changed["content-length"][0] == "200"


async def read_one(request: Request) -> Response:
    return PlainTextResponse("one")


class ReadOne(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("one")


@pytest.mark.parametrize(("read", "handler"), [(read_one, "read_one"), (ReadOne, "ReadOne.get")])
def test_the_innermost_layer_of_a_route_s_own_is_told_its_changes(read: Any, handler: str) -> None:
    changing, counting = Middleware(Changing, act="add", name="x-b", in_place=False), Middleware(Counting, key="inner")
    app = Starlette(
        routes=[Route("/", read, middleware=[counting, changing]), Route("/scope", read, middleware=[counting])]
    )
    with Client(app) as client:
        trace, other = client.get("/"), client.get("/scope")
    assert trace.path == [
        *("route GET /", "middleware Counting", "middleware Changing", f"handler {handler}", "response 200")
    ]
    assert trace.span("Changing").response_changes == expected("add", "x-b", [], 200)
    assert other.span("Counting").scope_added == ["inner", "state.inner_state"]


def test_the_innermost_layer_around_a_websocket_s_class_is_told_its_changes() -> None:
    class Talk(WebSocketEndpoint):
        encoding = "text"

    def answering(app: Any) -> Any:
        async def answered(scope: Message, receive: Any, send: Send) -> None:
            async def sending(message: Message) -> None:
                await send(
                    {**message, "headers": [(b"x-b", b"set")]} if message["type"] == "websocket.accept" else message
                )

            await app({**scope, "seen": True}, receive, sending)

        return answered

    app = Starlette(routes=[WebSocketRoute("/", Talk, middleware=[Middleware(answering)])])
    with Client(app) as client, client.websocket("/") as websocket:
        pass
    assert websocket.trace.path == ["route WEBSOCKET /", "middleware answered", "handler Talk", "response 101"]
    layer = websocket.trace.span("answered")
    assert (layer.response_changes.added, layer.scope_added) == ({"x-b": "set"}, ["seen"])


def test_the_innermost_layer_that_a_route_class_puts_around_itself_is_told_its_changes() -> None:
    class OneRoute(APIRoute):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.app = Changing(self.app, "add", "x-b", in_place=False)

    app = FastAPI()
    app.router.route_class = OneRoute

    @app.get("/")
    async def read() -> None: ...

    with Client(app) as client:
        trace = client.get("/")
    assert trace.path == ["route GET /", "middleware Changing", "handler read", "response 200"]
    assert trace.span("Changing").response_changes == expected("add", "x-b", [], 200)


class Counting:
    """Puts things into the scope and its state."""

    def __init__(self, app: Any, key: str, *, copies: bool = False) -> None:
        self.app, self.key, self.copies = app, key, copies

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        if self.copies:
            scope = {**scope, "state": {**scope.get("state", {})}}
        scope[self.key] = 1
        scope.setdefault("state", {})[f"{self.key}_state"] = 1
        await self.app(scope, receive, send)


class Dispatching(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        request.state.user = "x"
        response: Response = await call_next(request)
        response.set_cookie("seen", "1")
        response.headers["x-by"] = "dispatch"
        return response


def shop() -> FastAPI:
    app = FastAPI()
    app.add_middleware(Counting, key="first")
    app.add_middleware(Counting, key="second", copies=True)
    app.add_middleware(Dispatching)
    app.add_middleware(GZipMiddleware, minimum_size=10)
    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
    app.add_middleware(SessionMiddleware, secret_key="k")

    @app.get("/")
    async def read(request: Request) -> Response:
        request.session["id"] = 1
        return PlainTextResponse("much text " * 20, headers={"x-own": "1"})

    @app.get("/small")
    async def read_small() -> Response:
        return PlainTextResponse("small")

    @app.get("/crash")
    async def crash() -> None:
        raise ValueError

    return app


def ours(url: str, headers: dict[str, str]) -> Trace:
    with Client(shop(), headers=headers) as client:
        return client.get(url)


def theirs(url: str, headers: dict[str, str]) -> Trace:
    import asyncio

    import httpx

    async def ask() -> None:
        transport = httpx.ASGITransport(shop(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
            await client.get(url)

    with observe() as traces:
        asyncio.run(ask())
    return traces[0]


@pytest.mark.parametrize("ask", [ours, theirs])
class TestRealMiddleware:
    def test_headers_cookies_and_compression(self, ask: Callable[..., Trace]) -> None:
        trace = ask("/", {"origin": "https://shop.example"})
        changes = {span.name: span.response_changes for span in trace.spans(Kind.MIDDLEWARE) if not span.builtin}
        assert changes["Counting"] == NOTHING
        assert changes["Dispatching"].added == {
            "set-cookie": "seen=1; Path=/; SameSite=lax",
            "x-by": "dispatch",
        }
        assert changes["Dispatching"].cookies == ["seen"]
        assert changes["GZipMiddleware"].body == "compressed"
        assert changes["GZipMiddleware"].added["content-encoding"] == "gzip"
        assert changes["GZipMiddleware"].removed == ["content-length"]  # what it compresses comes in pieces
        assert changes["CORSMiddleware"].added["access-control-allow-origin"] == "https://shop.example"
        assert changes["CORSMiddleware"].changed["vary"] == ("Accept-Encoding", "Accept-Encoding, Origin")
        assert changes["SessionMiddleware"].cookies == ["session"]

    def test_who_set_a_header(self, ask: Callable[..., Trace]) -> None:
        trace = ask("/", {"origin": "https://shop.example"})

        def setter(name: str) -> str | None:
            span = trace.header_set_by(name)
            return span.name if span is not None else None

        assert setter("Content-Encoding") == "GZipMiddleware"
        assert setter("access-control-allow-origin") == "CORSMiddleware"
        has_cookie = "Cookie" in trace.headers["vary"]  # older SessionMiddleware adds nothing to it
        assert setter("vary") == ("SessionMiddleware" if has_cookie else "CORSMiddleware")  # the last that adds to it
        assert setter("x-by") == "Dispatching"
        assert setter("x-own") is None  # it came with the handler's response
        assert setter("x-nobody") is None

    def test_what_is_put_into_the_scope(self, ask: Callable[..., Trace]) -> None:
        trace = ask("/small", {})
        added = [(span.name, span.scope_added) for span in trace.spans(Kind.MIDDLEWARE) if not span.builtin]
        assert added == [
            ("SessionMiddleware", ["session"]),
            ("CORSMiddleware", []),
            ("GZipMiddleware", []),
            ("Dispatching", ["state.user"]),
            ("Counting", ["second", "state.second_state"]),
            ("Counting", ["first", "state.first_state"]),
        ]

    def test_an_answer_to_a_crash_shows_no_changes_of_the_layers_it_did_not_pass(
        self, ask: Callable[..., Trace]
    ) -> None:
        trace = ask("/crash", {"origin": "https://shop.example"})
        assert trace.status == 500
        assert "CORSMiddleware" not in trace.middleware_out
        assert trace.header_set_by("access-control-allow-origin") is None
        assert trace.span("CORSMiddleware").response_changes == NOTHING

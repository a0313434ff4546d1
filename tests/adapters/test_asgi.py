"""Bare ASGI apps: layers are found by their shape alone, with no framework."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Host, Route, Router

from pytest_lifecycle import Client, observe

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def respond(send: Send, status: int = 200, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, body=b"hello")


async def boom(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("broken")


class Wrapping:
    """Gives the inner app a `send` of its own."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def wrapped(message: Message) -> None:
            await send(message)

        await self.app(scope, receive, wrapped)


class Passing:
    """Hands everything on as it is."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Slotted:
    """Holds the inner app in a slot, and sends through a method of its own."""

    __slots__ = ("app", "send")

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, functools.partial(self.forward, send))

    async def forward(self, send: Send, message: Message) -> None:
        await send(message)


class Sync:
    """Is no coroutine function: it returns the inner app's coroutine."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self.app(scope, receive, send)


class Catching:
    """Answers 500 for an exception."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except ValueError:
            await respond(send, 500)


class Gate:
    """Answers 401 without asking the inner app, through a method of its own."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/closed":
            await self.refuse(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 401)


class Spawning:
    """Runs the inner app in a task of its own."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.app(scope, receive, send))  # type: ignore[arg-type]


class Copying:
    """Hands on a copy of the scope with other headers, and another `receive`."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def other() -> Message:
            return await receive()

        await self.app({**scope, "headers": [(b"x-copied", b"1")]}, other, send)


class Retrying:
    """Asks the inner app again when it answers 503."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        for _ in range(2):
            messages.clear()
            await self.app(scope, receive, keep)
        for message in messages:
            await send(message)


def timing(app: App) -> App:
    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return timed


async def stamped(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def short(s: Scope, r: Receive, w: Send) -> None:
    await respond(w)


async def dispatcher(scope: Scope, receive: Receive, send: Send) -> None:
    table = {"/": hello, "/boom": boom}
    await table[scope["path"]](scope, receive, send)


def test_a_single_callable_is_the_handler() -> None:
    with Client(hello) as client:
        trace = client.get("/")
    assert (trace.path, trace.handler, trace.framework, trace.route) == (
        ["handler hello", "response 200"],
        "hello",
        None,
        None,
    )


def test_every_kind_of_layer_is_found_in_order_and_named() -> None:
    app = Wrapping(Passing(Slotted(Sync(timing(functools.partial(stamped, Spawning(Copying(Wrapping(hello)))))))))
    with Client(app) as client:
        first, second = client.get("/"), client.get("/")
    names = ["Wrapping", "Passing", "Slotted", "Sync", "timed", "stamped", "Spawning", "Copying", "Wrapping"]
    assert first.middleware == names
    assert first.middleware_out == names[::-1]
    assert first.path == [*[f"middleware {name}" for name in names], "handler hello", "response 200"]
    assert first.to_dict(timings=False) == second.to_dict(timings=False)


def test_a_dispatcher_is_no_middleware_and_not_in_the_path() -> None:
    with Client(Passing(dispatcher)) as client:
        trace = client.get("/")
    assert trace.path == ["middleware Passing", "handler hello", "response 200"]
    assert [span.name for span in trace.spans("app") if not span.builtin] == ["dispatcher"]


def test_a_layer_that_an_exception_flew_past_is_not_on_the_way_out() -> None:
    with Client(Wrapping(Catching(Wrapping(Passing(dispatcher))))) as client:
        trace = client.get("/boom")
    assert trace.middleware == ["Wrapping", "Catching", "Wrapping", "Passing"]
    assert trace.middleware_out == ["Catching", "Wrapping"]
    (error,) = trace.exceptions
    assert (error.type, error.message, error.raised_in, error.handled_by) == (
        "ValueError",
        "broken",
        "boom",
        "Catching",
    )
    assert error.crossed == ("Passing", "Wrapping")
    assert trace.outcome == "error"


def test_an_exception_that_nobody_catches_escapes_and_is_kept() -> None:
    with Client(Passing(boom)) as client:
        trace = client.get("/")
    assert (trace.status, trace.outcome, trace.path[-1]) == (None, "error", "no response")
    (error,) = trace.exceptions
    assert (error.raised_in, error.handled_by, error.crossed) == ("boom", None, ("Passing",))
    assert isinstance(error.exception, ValueError)


def test_a_layer_that_answers_itself_hides_the_inner_ones() -> None:
    with Client(Passing(Gate(Wrapping(hello)))) as client:
        trace = client.get("/closed")
    assert (trace.path, trace.outcome) == (["middleware Passing", "middleware Gate", "response 401"], "short_circuited")
    assert (trace.stopped_at, trace.handler) == ("middleware Gate", None)
    assert trace.span("Gate").short_circuited
    assert not trace.span("Passing").short_circuited


def make_request(scope: Scope, receive: Receive, send: Send) -> Request:
    return Request(scope, receive, send)


class Keyed:
    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "x-key" in make_request(scope, receive, send).headers:
            await self.app(scope, receive, send)
        else:
            await Response("no", 401)(scope, receive, send)


def test_a_helper_with_an_app_s_parameters_that_gives_nothing_to_await_is_no_handler() -> None:
    with Client(Keyed(hello), lifespan=False) as client:
        refused, let_in = client.get("/"), client.get("/", headers={"x-key": "1"})
    assert (refused.path, refused.outcome) == (["middleware Keyed", "response 401"], "short_circuited")
    assert (refused.refusal, refused.refused_by) == ("authentication", "Keyed")
    assert let_in.path == ["middleware Keyed", "handler hello", "response 200"]


class Page(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["page.rendered"] = True
        await super().__call__(scope, receive, send)


def test_a_response_class_of_its_own_has_its_name_and_its_route_put_nothing_into_the_scope() -> None:
    async def page(request: Request) -> Page:
        request.scope["looked.at"] = True
        return Page("x")

    with Client(Starlette(routes=[Route("/", page)])) as client:
        trace = client.get("/")
    assert [span.name for span in trace.spans("response")] == ["Page", "Page"]
    assert trace.span("GET /").scope_added == []


def test_a_layer_that_asks_twice_shows_both_tries() -> None:
    with Client(Retrying(Wrapping(hello))) as client:
        trace = client.get("/")
    assert trace.path == [
        "middleware Retrying",
        "middleware Wrapping",
        "handler hello",
        "middleware Wrapping",
        "handler hello",
        "response 200",
    ]
    assert trace.middleware_out == ["Wrapping", "Wrapping", "Retrying"]


def test_parameters_of_other_names_are_recognised_by_what_they_hold() -> None:
    with Client(Passing(short)) as client:
        assert client.get("/").path == ["middleware Passing", "handler short", "response 200"]


def test_two_hundred_layers_of_one_class_keep_their_order() -> None:
    app: App = hello
    for _ in range(200):
        app = Wrapping(app)
    with Client(app) as client:
        trace = client.get("/")
    assert trace.middleware == trace.middleware_out == ["Wrapping"] * 200


def test_concurrent_requests_never_mix_their_steps() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await respond(send, body=scope["path"].encode())

    app = Wrapping(Spawning(slow))

    async def ask(number: int) -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            await asyncio.sleep(0)

        scope = {"type": "http", "method": "GET", "path": f"/{number}", "headers": [], "asgi": {}}
        await app(scope, receive, send)

    async def ask_all() -> None:
        await asyncio.gather(*[ask(number) for number in range(50)])

    with observe() as traces:
        asyncio.run(ask_all())
    assert sorted(trace.text for trace in traces) == sorted(f"/{number}" for number in range(50))
    assert {tuple(trace.path) for trace in traces} == {
        ("middleware Wrapping", "middleware Spawning", "handler slow", "response 200")
    }


def test_a_lifespan_is_no_request_and_a_websocket_is_one() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        """Take no part."""

    async def nothing(*args: Any) -> Message:
        return {}

    with observe() as traces:
        for kind in ("websocket", "lifespan"):
            asyncio.run(Passing(silent)({"type": kind, "path": "/", "headers": []}, nothing, nothing))  # type: ignore[arg-type]
    assert [(trace.protocol, trace.path) for trace in traces] == [
        ("websocket", ["middleware Passing", "handler silent", "no response"])
    ]


@pytest.mark.parametrize("error", [RuntimeError("x"), asyncio.CancelledError(), ExceptionGroup("g", [ValueError()])])
def test_the_exception_of_the_app_keeps_its_identity(error: BaseException) -> None:
    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with Client(Wrapping(raising), lifespan=False) as client:
        trace = client.get("/")
    assert trace.exceptions[0].exception is error


@pytest.mark.parametrize("framework", ["bare", "starlette"])
def test_header_lines_that_can_be_read_once_are_left_to_the_app(framework: str) -> None:
    """The ASGI specification asks for an iterable of header lines, not for a list."""
    read: list[bytes] = []

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        read.extend(name for name, _ in scope["headers"])
        await respond(send)

    async def endpoint(request: Request) -> Response:
        read.extend(name for name, _ in request.headers.raw)
        return Response()

    async def nothing() -> Message:
        return {"type": "http.request"}

    async def ignored(message: Message) -> None:
        pass

    app = (
        bare
        if framework == "bare"
        else Starlette(routes=[Host("shop", Router([Route("/", endpoint)])), Route("/", endpoint)])
    )
    lines = iter([(b"host", b"shop"), (b"authorization", b"Bearer t")])
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": lines}
    with observe() as traces:
        asyncio.run(app(scope, nothing, ignored))
    assert read == [b"host", b"authorization"]
    assert traces[0].status == 200

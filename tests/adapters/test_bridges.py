"""WSGI inside ASGI and ASGI inside WSGI, through the real bridges: one request, one trace."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import a2wsgi
import pytest
from asgiref.wsgi import WsgiToAsgi
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from pytest_lifecycle import Client, Trace, observe
from tests.apps import flask_app
from tests.engine import IS_PROFILING

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette means to drop it
    from starlette.middleware.wsgi import WSGIMiddleware

INTO_ASGI = [WSGIMiddleware, a2wsgi.WSGIMiddleware, WsgiToAsgi]
IDS = ["starlette", "a2wsgi", "asgiref"]
BRIDGES = pytest.mark.parametrize("bridge", INTO_ASGI, ids=IDS)
Environ = dict[str, Any]
Start = Callable[..., Any]


class Outside:
    """ASGI middleware that adds a header and says something in the scope."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def stamping(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-outside", b"1")]
            await send(message)

        scope["tenant"] = "a"
        await self.app(scope, receive, stamping)


class Around:
    """WSGI middleware that adds a header and says something in the environ."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        def stamping(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Around", "1")], exc_info)

        environ["tenant"] = "a"
        return self.app(environ, stamping)  # type: ignore[no-any-return]


def mounted(bridge: Any) -> Starlette:
    return Starlette(routes=[Mount("/old", bridge(flask_app.build()))], middleware=[Middleware(Outside)])


def ask(app: Any, url: str, **arguments: Any) -> Trace:
    with Client(app) as client:
        return client.get(url, **arguments)


def layers(trace: Trace) -> dict[str, dict[str, Any]]:
    return {
        f"{span.name} {key}": value
        for span in trace.spans("middleware")
        for key, value in (span.response_changes.added | dict.fromkeys(span.scope_added, "scope")).items()
    }


@BRIDGES
def test_a_wsgi_app_inside_an_asgi_one_is_told_step_by_step(bridge: Any) -> None:
    trace = ask(mounted(bridge), "/old/orders/7")
    assert trace.path == [
        "middleware Outside",
        f"middleware {bridge.__name__}",
        "middleware Stamp",
        "middleware Stamp",
        "route GET /old/orders/<int:number>",
        "hook open_shop",
        "handler read_order",
        "hook once",
        "hook stamp",
        "response 200",
    ]
    assert (trace.status, trace.outcome, trace.text) == (200, "handled", "order 7")
    assert (trace.interface, trace.framework) == ("asgi", "starlette")
    assert (trace.path_params, trace.warnings) == ({"number": 7}, [])


@BRIDGES
def test_the_response_leaves_the_layers_from_the_inside_out_every_time(bridge: Any) -> None:
    app = mounted(bridge)
    for _ in range(5):
        trace = ask(app, "/old/orders/7")
        assert trace.middleware_out == ["Stamp", "Stamp", bridge.__name__, "Outside"]
        added = [span.response_changes.added for span in trace.spans("middleware", "Stamp")]
        assert added == [{"x-stamp": "outer"}, {"x-stamp": "inner"}]
        assert trace.span("Outside").response_changes.added == {"x-outside": "1"}
        assert trace.span(bridge.__name__).response_changes.added == {}
        assert trace.span("stamp").response_changes.added == {"x-shop": "1"}
        assert trace.span("Outside").scope_added == ["tenant"]
        assert trace.span(bridge.__name__).scope_added == []


@BRIDGES
@pytest.mark.parametrize(
    ("url", "status", "outcome", "refusal", "refused_by"),
    [
        ("/old/nope", 404, "not_found", "not_found", "not_found"),
        ("/old/orders/admin/stats", 403, "short_circuited", "permission", "admins_only"),
        ("/old/boom", 500, "error", None, None),
        ("/elsewhere", 404, "not_found", "not_found", "not_found"),
    ],
)
def test_how_a_bridged_request_ended(
    bridge: Any, url: str, status: int, outcome: str, refusal: str | None, refused_by: str | None
) -> None:
    trace = ask(mounted(bridge), url)
    assert (trace.status, trace.outcome, trace.handler) == (status, outcome, "boom" if status == 500 else None)
    assert (trace.refusal, trace.refused_by) == (refusal, refused_by)


@BRIDGES
def test_both_routers_say_what_they_tried(bridge: Any) -> None:
    trace = ask(mounted(bridge), "/old/orders/x")
    tried = [(candidate.pattern, candidate.verdict) for candidate in trace.candidates]
    assert tried[0] == ("/old", "matched")
    assert ("/old/orders/<int:number>", "converter") in tried
    assert trace.nearest[0] == '/old/orders/<int:number> ("x" is no int)'


@BRIDGES
def test_a_bare_wsgi_app_is_the_handler(bridge: Any) -> None:
    def hello(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("201 Created", [("Content-Type", "text/plain")])
        return [b"hello"]

    trace = ask(bridge(Around(hello)), "/")
    assert trace.path == [f"middleware {bridge.__name__}", "middleware Around", "handler hello", "response 201"]
    assert layers(trace) == {"Around x-around": "1", "Around tenant": "scope"}


def test_another_client_sees_the_same() -> None:
    import httpx

    app = mounted(a2wsgi.WSGIMiddleware)

    async def fetch() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return (await client.get("/old/orders/7")).text

    import asyncio

    with observe() as traces:
        text = asyncio.run(fetch())
    assert (traces[0].text, text) == ("order 7", "order 7")
    assert traces[0].handler == "read_order"


async def read_item(request: Request) -> Response:
    number = request.path_params["number"]
    if number == 0:
        raise HTTPException(410)
    return PlainTextResponse(f"item {number}")


def bridged() -> tuple[Any, Any]:
    """Make an ASGI app inside WSGI middleware, and the loop that its bridge runs it on."""
    inner = Starlette(routes=[Route("/items/{number:int}", read_item)], middleware=[Middleware(Outside)])
    bridge = a2wsgi.ASGIMiddleware(inner)
    return Around(bridge), bridge.loop


def stop(loop: Any) -> None:
    thread = next(thread for thread in threading.enumerate() if getattr(thread, "ident", 0) == loop._thread_id)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_an_asgi_app_inside_a_wsgi_one_is_told_step_by_step() -> None:
    with observe():  # CPython 3.11 observes only threads that start while it is watched
        app, loop = bridged()
        trace, gone, unknown = (ask(app, url) for url in ("/items/3", "/items/0", "/nope"))
    stop(loop)
    assert trace.path == [
        "middleware Around",
        "middleware ASGIMiddleware",
        "middleware Outside",
        "route GET /items/{number:int}",
        "handler read_item",
        "response 200",
    ]
    assert (trace.interface, trace.framework, trace.text) == ("wsgi", "starlette", "item 3")
    assert trace.middleware_out == ["Outside", "ASGIMiddleware", "Around"]
    assert layers(trace) == {
        "Around x-around": "1",
        "Around tenant": "scope",
        "Outside x-outside": "1",
        "Outside tenant": "scope",
    }
    assert (gone.status, gone.outcome, gone.handler) == (410, "handled", "read_item")
    assert (unknown.status, unknown.outcome, unknown.nearest) == (404, "not_found", [])
    assert (trace.warnings, gone.warnings, unknown.warnings) == ([], [], [])


@pytest.mark.skipif(not IS_PROFILING, reason="sys.monitoring sees every thread")
def test_a_bridge_that_cannot_be_looked_into_says_so() -> None:
    app, loop = bridged()
    trace = ask(app, "/items/3")
    stop(loop)
    assert (trace.status, trace.handler) == (200, None)
    assert "nothing was seen of the app inside ASGIMiddleware" in trace.warnings[0]


@pytest.mark.skipif(IS_PROFILING, reason="sys.setprofile does not reach a thread that is there already")
def test_a_bridge_that_was_there_before_is_looked_into() -> None:
    app, loop = bridged()
    trace = ask(app, "/items/3")
    stop(loop)
    assert (trace.status, trace.handler, trace.warnings) == (200, "read_item", [])

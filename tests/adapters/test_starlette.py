"""Starlette: routes, mounts, endpoints, layers at every level, decorators, redirects."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser, requires
from starlette.background import BackgroundTasks
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from pytest_lifecycle import Client

Handler = Callable[[Request], Awaitable[Response]]


class Layer:
    """Passes everything on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class OnMount(Layer):
    """Stands on a mount."""


class OnRoute(Layer):
    """Stands on a route."""


class Box(HTTPEndpoint):
    """A class-based endpoint."""

    async def get(self, request: Request) -> Response:
        return PlainTextResponse("got")

    def put(self, request: Request) -> Response:
        return PlainTextResponse("put")


def logged(handler: Handler) -> Handler:
    @functools.wraps(handler)
    async def wrapper(request: Request) -> Response:
        return await handler(request)

    return wrapper


def closed(handler: Handler) -> Handler:
    @functools.wraps(handler)
    async def wrapper(request: Request) -> Response:
        return PlainTextResponse("closed", status_code=403)

    return wrapper


async def home(request: Request) -> Response:
    return PlainTextResponse("home")


async def item(request: Request) -> Response:
    return PlainTextResponse(str(request.path_params["id"] + 1))


def plain(request: Request) -> Response:
    return PlainTextResponse("sync")


@logged
async def decorated(request: Request) -> Response:
    return PlainTextResponse("decorated")


@closed
async def shut(request: Request) -> Response:
    raise AssertionError("never runs")


@requires("admin")
async def secret(request: Request) -> Response:
    raise AssertionError("never runs")


async def teapot(request: Request) -> Response:
    raise HTTPException(418)


async def streamed(request: Request) -> Response:
    async def numbers() -> Any:
        for number in range(3):
            yield str(number)

    tasks = BackgroundTasks()
    tasks.add_task(swept)
    return StreamingResponse(numbers(), background=tasks)


def swept() -> None:
    """Run after the response."""


def build() -> Starlette:
    inner = Router([Route("/leaf/{id:int}", item, middleware=[Middleware(OnRoute)]), Route("/", home)])
    return Starlette(
        routes=[
            Route("/", home),
            Route("/box", Box),
            Route("/items/{id:int}", item, name="item"),
            Route("/plain", plain),
            Route("/decorated", decorated),
            Route("/shut", shut),
            Route("/secret", secret),
            Route("/teapot", teapot),
            Route("/streamed", streamed),
            Route("/partial", functools.partial(home)),
            Route("/slash/", home),
            Mount("/mounted", inner, name="mounted", middleware=[Middleware(OnMount)]),
            Host("api.shop.example", Router([Route("/host", home)])),
        ],
        middleware=[Middleware(Layer)],
    )


@pytest.mark.parametrize(
    ("method", "url", "path", "outcome"),
    [
        ("GET", "/", ["middleware Layer", "route GET /", "handler home", "response 200"], "handled"),
        ("HEAD", "/", ["middleware Layer", "route HEAD /", "handler home", "response 200"], "handled"),
        ("GET", "/box", ["middleware Layer", "route GET /box", "handler Box.get", "response 200"], "handled"),
        ("HEAD", "/box", ["middleware Layer", "route HEAD /box", "handler Box.get", "response 200"], "handled"),
        ("PUT", "/box", ["middleware Layer", "route PUT /box", "handler Box.put", "response 200"], "handled"),
        ("POST", "/box", ["middleware Layer", "response 405"], "method_not_allowed"),
        (
            "GET",
            "/items/7",
            ["middleware Layer", "route GET /items/{id:int}", "handler item", "response 200"],
            "handled",
        ),
        ("GET", "/plain", ["middleware Layer", "route GET /plain", "handler plain", "response 200"], "handled"),
        (
            "GET",
            "/decorated",
            ["middleware Layer", "route GET /decorated", "decorator logged", "handler decorated", "response 200"],
            "handled",
        ),
        (
            "GET",
            "/shut",
            ["middleware Layer", "route GET /shut", "decorator closed", "response 403"],
            "short_circuited",
        ),
        ("GET", "/teapot", ["middleware Layer", "route GET /teapot", "handler teapot", "response 418"], "handled"),
        ("GET", "/partial", ["middleware Layer", "route GET /partial", "handler home", "response 200"], "handled"),
        ("GET", "/slash", ["middleware Layer", "response 307"], "redirected"),
        ("GET", "/nope", ["middleware Layer", "response 404"], "not_found"),
        ("POST", "/items/7", ["middleware Layer", "response 405"], "method_not_allowed"),
        (
            "GET",
            "/mounted/leaf/3",
            [
                "middleware Layer",
                "middleware OnMount",
                "route GET /mounted/leaf/{id:int}",
                "middleware OnRoute",
                "handler item",
                "response 200",
            ],
            "handled",
        ),
        (
            "GET",
            "/mounted/nope",
            ["middleware Layer", "middleware OnMount", "response 404"],
            "not_found",
        ),
    ],
)
def test_the_path_is_told_exactly(method: str, url: str, path: list[str], outcome: str) -> None:
    with Client(build()) as client:
        for _ in range(2):
            trace = client.request(method, url)
            assert (trace.path, trace.outcome) == (path, outcome)
            assert (trace.framework, trace.warnings) == ("starlette", [])


def test_path_params_are_converted_and_routes_are_named() -> None:
    with Client(build()) as client:
        trace = client.get("/items/7")
    assert (trace.route_name, trace.path_params, trace.text) == ("item", {"id": 7}, "8")


def test_a_decorator_that_answers_hides_the_handler() -> None:
    with Client(build()) as client:
        trace = client.get("/shut")
    assert (trace.handler, trace.stopped_at) == (None, "decorator closed")
    assert trace.span("closed").short_circuited


def test_a_dispatch_of_the_user_s_own_is_a_step_around_the_method() -> None:
    class Guarded(HTTPEndpoint):
        async def dispatch(self) -> None:
            if self.scope["query_string"] == b"gone":
                raise HTTPException(401)
            if self.scope["query_string"] == b"closed":
                await PlainTextResponse("closed", status_code=403)(self.scope, self.receive, self.send)
            else:
                await super().dispatch()

    class Orders(Guarded):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("orders")

    around = ["route GET /orders", "decorator Guarded.dispatch"]
    with Client(Starlette(routes=[Route("/orders", Orders)])) as client:
        for _ in range(2):
            assert client.get("/orders").path == [*around, "handler Orders.get", "response 200"]
        for query, status, refusal in (("closed", 403, "permission"), ("gone", 401, "authentication")):
            trace = client.get(f"/orders?{query}")
            assert trace.path == [*around, f"response {status}"]
            assert (trace.refused_by, trace.refusal, trace.handler) == ("Guarded.dispatch", refusal, None)
        assert client.post("/orders").outcome == "method_not_allowed"


def test_requires_is_a_decorator() -> None:
    with Client(build()) as client:
        trace = client.get("/secret")
    assert trace.stopped_at == "decorator requires"


class Known(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.headers.get("x-name")
        return None if name is None else (AuthCredentials(["authenticated"]), SimpleUser(name))


@pytest.mark.parametrize(
    ("name", "kind"), [("", "authentication"), ("ann", "permission")], ids=["a stranger", "somebody known"]
)
def test_requires_says_why_it_refuses_whatever_it_answers(name: str, kind: str) -> None:
    scopes = ["authenticated", "admin"]

    @requires(scopes)
    async def plain(request: Request) -> None: ...

    @requires(scopes, status_code=404)
    def hidden(request: Request) -> None: ...

    @requires(scopes, redirect="login")
    async def page(request: Request) -> None: ...

    @requires(scopes)
    async def talk(websocket: WebSocket) -> None: ...

    app = Starlette(
        routes=[
            *(Route("/plain", plain), Route("/hidden", hidden), Route("/page", page)),
            *(Route("/login", home, name="login"), WebSocketRoute("/talk", talk)),
        ],
        middleware=[Middleware(AuthenticationMiddleware, backend=Known())],
    )
    headers = {"x-name": name} if name else {}
    with Client(app, headers=headers) as client:
        traces = [client.get(url) for url in ("/plain", "/hidden", "/page")]
        with client.websocket("/talk") as websocket:
            pass
    assert [(trace.status, trace.refusal, trace.refused_by, trace.handler) for trace in [*traces, websocket.trace]] == [
        (status, kind, "requires", None) for status in (403, 404, 303, 403)
    ]


class Gate(Layer):
    """Lets nobody in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("closed", status_code=403)(scope, receive, send)


@pytest.mark.parametrize(
    "mount",
    [
        lambda: Mount("/in", routes=[Route("/", home)], middleware=[Middleware(Gate)]),
        lambda: Mount("/in", Starlette(routes=[Route("/", home)], middleware=[Middleware(Gate)])),
        lambda: Host("testserver", Starlette(routes=[Route("/in/", home)], middleware=[Middleware(Gate)])),
    ],
    ids=["on a mount", "in a mounted app", "on a host"],
)
def test_a_mount_with_routes_that_nobody_tried_is_no_route(mount: Callable[[], Mount | Host]) -> None:
    with Client(Starlette(routes=[mount()])) as client:
        trace = client.get("/in/")
    assert (trace.route, trace.refused_by, trace.refusal) == (None, "Gate", "permission")
    assert trace.path == ["middleware Gate", "response 403"]


def test_a_host_route_is_found() -> None:
    with Client(build(), base_url="http://api.shop.example") as client:
        trace = client.get("/host")
    assert (trace.route, trace.handler) == ("GET /host", "home")


def test_a_host_that_is_not_trusted_stops_at_the_middleware() -> None:
    app = Starlette(routes=[Route("/", home)], middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["a.test"])])
    with Client(app) as client:
        trace = client.get("/")
    assert (trace.path, trace.outcome) == (["middleware TrustedHostMiddleware", "response 400"], "short_circuited")


def test_an_https_redirect_is_a_redirect() -> None:
    app = Starlette(routes=[Route("/", home)], middleware=[Middleware(HTTPSRedirectMiddleware)])
    with Client(app) as client:
        trace = client.get("/")
    assert (trace.path, trace.outcome) == (["middleware HTTPSRedirectMiddleware", "response 307"], "redirected")


def test_a_streamed_response_and_its_background_task_belong_to_the_request() -> None:
    with Client(build()) as client:
        trace = client.get("/streamed")
    assert (trace.text, trace.middleware_out) == ("012", ["Layer"])
    assert "swept" in [span.name for span in trace.spans("background")]


def test_the_layers_times_sum_to_the_duration() -> None:
    with Client(build()) as client:
        trace = client.get("/mounted/leaf/3")
    assert sum(trace.layers().values()) == pytest.approx(trace.duration)
    assert {"middleware Layer", "middleware OnMount", "handler item", "routing", "framework"} <= set(trace.layers())


def test_the_handler_of_a_server_error_runs_and_the_exception_still_escapes() -> None:
    async def crash(request: Request) -> Response:
        raise ValueError("broken")

    async def sorry(request: Request, error: Exception) -> Response:
        return PlainTextResponse("sorry", status_code=500)

    app = Starlette(routes=[Route("/", crash)], exception_handlers={Exception: sorry})
    with Client(app) as client:
        trace = client.get("/")
    assert (trace.status, trace.text, trace.outcome) == (500, "sorry", "error")
    assert [span.name for span in trace.spans("internal") if not span.builtin] == ["sorry"]
    assert trace.exceptions[0].handled_by is None

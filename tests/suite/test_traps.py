"""Each built-in rule finds its trap in a real app that has it, and nothing in the app that was put right."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from flask import Flask
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from pytest_lifecycle import Client, DeadlineExceeded, Trace, observe
from pytest_lifecycle._suite.rules.ruleset import Ruleset
from pytest_lifecycle._suite.rules.traps import TRAPS
from tests.apps import layered_site
from tests.apps.layered_site import LONG_AGO, django

SITE = layered_site.__name__
ORIGIN = {"origin": "https://shop.example"}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "POST"}


def caught(trap: str, trace: Trace) -> list[str]:
    """Give what this trap's rule says of a request; every other one has nothing to say."""
    violations = list(Ruleset.read(["traps"]).violations(trace))
    assert {violation.rule for violation in violations} <= {trap}
    assert all(violation.page == f"rules/{trap}" for violation in violations)
    return [violation.seen for violation in violations]


def send(app: Any, method: str, path: str, **arguments: Any) -> Trace:
    with Client(app, lifespan=False) as client:
        return client.request(method, path, **arguments)


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello " * 200)


async def crash(request: Request) -> Response:
    raise RuntimeError("no stock")


ROUTES = [Route("/hello", hello, methods=["GET", "POST"]), Route("/crash", crash)]
CORS = Middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["POST"])


def starlette(*middleware: Any) -> Starlette:
    return Starlette(
        routes=ROUTES, middleware=[Middleware(layer) if isinstance(layer, type) else layer for layer in middleware]
    )


# -- cors-skipped-on-errors


def test_a_crash_that_flies_past_cors_is_caught() -> None:
    assert caught("cors-skipped-on-errors", send(starlette(CORS), "GET", "/crash", headers=ORIGIN)) == [
        "the response did not pass CORSMiddleware; 500: RuntimeError(no stock) raised in crash, crossed CORSMiddleware;"
        " answered by ServerErrorMiddleware"
    ]


def test_cors_around_the_whole_app_sees_the_crash() -> None:
    app = CORSMiddleware(starlette(), allow_origins=["https://shop.example"])
    trace = send(app, "GET", "/crash", headers=ORIGIN)
    assert (trace.status, caught("cors-skipped-on-errors", trace)) == (500, [])


def test_a_server_error_that_is_an_answer_passes_cors() -> None:
    async def busy(request: Request) -> Response:
        return PlainTextResponse("later", 503)

    app = Starlette(routes=[Route("/", busy)], middleware=[CORS])
    assert caught("cors-skipped-on-errors", send(app, "GET", "/", headers=ORIGIN)) == []


def test_django_answers_a_crash_inside_of_its_middleware() -> None:
    with django(f"{SITE}.CorsMiddleware") as app:
        trace = send(app, "GET", "/crash/", headers=ORIGIN)
    assert (trace.status, trace.middleware_out) == (500, ["CorsMiddleware"])
    assert caught("cors-skipped-on-errors", trace) == []


def test_a_websocket_needs_no_cors() -> None:
    async def talk(websocket: WebSocket) -> None:
        raise RuntimeError("no stock")

    app = Starlette(routes=[WebSocketRoute("/", talk)], middleware=[CORS])
    with observe() as traces, Client(app, lifespan=False) as client:
        with contextlib.suppress(Exception), client.websocket("/"):
            pass
    assert [(trace.protocol, trace.outcome) for trace in traces] == [("websocket", "error")]
    assert caught("cors-skipped-on-errors", traces[0]) == []


# -- preflight-answered-outside-cors


class Gate(BaseHTTPMiddleware):
    """Lets nobody in without credentials."""

    async def dispatch(self, request: Request, call_next: Callable[..., Any]) -> Response:
        if "authorization" not in request.headers:
            return PlainTextResponse("who are you?", 401)
        response: Response = await call_next(request)
        return response


def test_a_preflight_that_authentication_refuses_is_caught() -> None:
    trace = send(starlette(Gate, CORS), "OPTIONS", "/hello", headers=PREFLIGHT)
    assert trace.is_preflight
    assert caught("preflight-answered-outside-cors", trace) == [
        "the preflight was answered without access-control-allow-origin; no CORS middleware was reached;"
        " 401: Gate refused it (authentication)"
    ]


def test_a_preflight_that_is_redirected_is_caught() -> None:
    app = starlette(HTTPSRedirectMiddleware, CORS)
    assert caught("preflight-answered-outside-cors", send(app, "OPTIONS", "/hello", headers=PREFLIGHT)) == [
        "the preflight was answered without access-control-allow-origin; no CORS middleware was reached;"
        " 307: redirected by HTTPSRedirectMiddleware (https) to https://testserver/hello"
    ]


@pytest.mark.parametrize(
    ("app", "headers", "status"),
    [
        (starlette(CORS, Gate), PREFLIGHT, 200),
        (starlette(CORS, Gate), {**PREFLIGHT, "origin": "https://other.example"}, 400),
        (starlette(), PREFLIGHT, 405),
        (starlette(Gate, CORS), ORIGIN, 401),
    ],
    ids=["answered by CORS", "refused by CORS", "an app without CORS", "no preflight"],
)
def test_a_preflight_that_cors_answers_is_fine(app: ASGIApp, headers: dict[str, str], status: int) -> None:
    trace = send(app, "OPTIONS", "/hello", headers=headers)
    assert (trace.status, caught("preflight-answered-outside-cors", trace)) == (status, [])


# -- body-consumed-twice


class Drain:
    """Reads the body, and hands on what can be read no more."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.body = await Request(scope, receive).body()
        await self.app(scope, self.again(receive), send)

    def again(self, receive: Receive) -> Receive:
        return receive


class Replay(Drain):
    """Hands on what it read."""

    def again(self, receive: Receive) -> Receive:
        async def replayed() -> dict[str, Any]:
            return {"type": "http.request", "body": self.body, "more_body": False}

        return replayed


async def store(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def storing(*layers: type) -> Starlette:
    return Starlette(routes=[Route("/", store, methods=["POST"])], middleware=[Middleware(layer) for layer in layers])


def test_a_handler_that_waits_for_a_body_that_is_gone_is_caught() -> None:
    with observe() as traces, Client(storing(Drain), lifespan=False, timeout=0.2) as client:
        with pytest.raises(DeadlineExceeded):
            client.post("/", content=b"12345")
    assert caught("body-consumed-twice", traces[-1]) == [
        "the body was read by Drain, and then store waited until the deadline"
    ]


def test_a_body_that_is_handed_on_is_fine() -> None:
    trace = send(storing(Replay), "POST", "/", content=b"12345")
    assert (trace.text, caught("body-consumed-twice", trace)) == ("5", [])


def test_a_stream_that_is_read_again_on_the_same_request_is_caught() -> None:
    async def handler(request: Request) -> Response:
        async for _ in request.stream():
            pass
        return PlainTextResponse(await request.body())

    trace = send(Starlette(routes=[Route("/", handler, methods=["POST"])]), "POST", "/", content=b"12345")
    assert caught("body-consumed-twice", trace) == ["the body had been read by handler; RuntimeError in handler"]


@pytest.mark.parametrize("replays", [False, True], ids=["drained", "handed on"])
def test_a_wsgi_body_that_two_layers_read_is_caught(replays: bool) -> None:
    flask = Flask(__name__)

    @flask.post("/")
    def store() -> str:
        return str(len(flask_request.get_data()))

    def audit(environ: dict[str, Any], start_response: Any) -> Any:
        import io

        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        if replays:
            environ["wsgi.input"] = io.BytesIO(body)
        return flask.wsgi_app(environ, start_response)

    trace = send(audit, "POST", "/", content=b"12345")
    assert (trace.text, caught("body-consumed-twice", trace)) == (
        ("5", []) if replays else ("0", ["the body was read by audit, and then by store"])
    )


@pytest.mark.parametrize("path", ["/read-twice/", "/read-once/"])
def test_a_django_body_after_its_stream_is_caught(path: str) -> None:
    with django() as app:
        trace = send(app, "POST", path, content=b"12345")
    said = caught("body-consumed-twice", trace)
    assert said == (
        [] if "once" in path else ["the body had been read by read_twice; RawPostDataException in read_twice"]
    )


# -- gzip-inside-body-reader


class Stamp(BaseHTTPMiddleware):
    """Adds to every body, as if all were text."""

    async def dispatch(self, request: Request, call_next: Callable[..., Any]) -> Response:
        response = await call_next(request)
        body = b"".join([piece async for piece in response.body_iterator])
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return Response(body + b"<!-- stamped -->", response.status_code, headers)


class Parse(BaseHTTPMiddleware):
    """Looks into every body."""

    async def dispatch(self, request: Request, call_next: Callable[..., Any]) -> Response:
        response = await call_next(request)
        json.loads(b"".join([piece async for piece in response.body_iterator]))
        return PlainTextResponse("never reached")


ZIPPED = {"accept-encoding": "gzip"}


def test_a_layer_that_changes_a_compressed_body_is_caught() -> None:
    trace = send(starlette(Stamp, GZipMiddleware), "GET", "/hello", headers=ZIPPED)
    assert caught("gzip-inside-body-reader", trace) == [
        "GZipMiddleware compressed the body, and Stamp around it changed it"
    ]


def test_a_layer_that_reads_a_compressed_body_is_caught() -> None:
    trace = send(starlette(Parse, GZipMiddleware), "GET", "/hello", headers=ZIPPED)
    assert caught("gzip-inside-body-reader", trace) == [
        "GZipMiddleware compressed the body, and Parse around it raised UnicodeDecodeError"
    ]


def test_compression_around_the_layer_is_fine() -> None:
    trace = send(starlette(GZipMiddleware, Stamp), "GET", "/hello", headers=ZIPPED)
    assert trace.headers["content-encoding"] == "gzip"
    assert caught("gzip-inside-body-reader", trace) == []


@pytest.mark.parametrize("is_right", [False, True], ids=["inside", "outside"])
def test_django_s_compression_has_its_place_too(is_right: bool) -> None:
    layers = [f"{SITE}.DjangoStamp", "django.middleware.gzip.GZipMiddleware"]
    with django(*(reversed(layers) if is_right else layers)) as app:
        trace = send(app, "GET", "/hello/", headers=ZIPPED)
    assert trace.headers["content-encoding"] == "gzip"
    said = caught("gzip-inside-body-reader", trace)
    assert said == ([] if is_right else ["GZipMiddleware compressed the body, and DjangoStamp around it changed it"])


def test_an_answer_without_a_body_is_no_change_of_it() -> None:
    with django("django.middleware.http.ConditionalGetMiddleware", "django.middleware.gzip.GZipMiddleware") as app:
        with Client(app) as client:
            trace = client.get("/hello/", headers={**ZIPPED, "if-modified-since": LONG_AGO})
    assert trace.status == 304
    assert caught("gzip-inside-body-reader", trace) == []


# -- session-outside-user


class SessionBackend(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.session.get("user") if self.is_strict else conn.scope.get("session", {}).get("user")
        return (AuthCredentials(["user"]), SimpleUser(name)) if name else None

    def __init__(self, *, is_strict: bool) -> None:
        self.is_strict = is_strict


SESSION = Middleware(SessionMiddleware, secret_key="tests")


def authentication(*, is_strict: bool) -> Middleware:
    return Middleware(AuthenticationMiddleware, backend=SessionBackend(is_strict=is_strict))


def test_authentication_around_the_session_is_caught() -> None:
    trace = send(starlette(authentication(is_strict=False), SESSION), "GET", "/hello")
    assert (trace.status, caught("session-outside-user", trace)) == (
        200,
        [
            "AuthenticationMiddleware ran before SessionMiddleware had opened the session;"
            " the middleware was [AuthenticationMiddleware, SessionMiddleware]"
        ],
    )


def test_authentication_that_crashes_for_want_of_a_session_is_caught() -> None:
    trace = send(starlette(authentication(is_strict=True), SESSION), "GET", "/hello")
    assert caught("session-outside-user", trace) == [
        "AuthenticationMiddleware raised AssertionError for want of a session;"
        " the middleware was [AuthenticationMiddleware]"
    ]


def test_a_session_around_authentication_is_fine() -> None:
    trace = send(starlette(SESSION, authentication(is_strict=True)), "GET", "/hello")
    assert (trace.status, caught("session-outside-user", trace)) == (200, [])


@pytest.mark.parametrize("is_right", [False, True], ids=["inside", "outside"])
def test_django_s_order_is_known(is_right: bool) -> None:
    layers = ["django.contrib.auth.middleware.AuthenticationMiddleware", f"{SITE}.SessionMiddleware"]
    with django(*(reversed(layers) if is_right else layers)) as app:
        trace = send(app, "GET", "/hello/")
    said = caught("session-outside-user", trace)
    assert said == (
        []
        if is_right
        else [
            "AuthenticationMiddleware raised ImproperlyConfigured for want of a session;"
            " the middleware was [AuthenticationMiddleware]"
        ]
    )


# -- lifespan-never-run


@asynccontextmanager
async def stock(app: FastAPI) -> AsyncIterator[None]:
    yield


def mounting(path: str, *, is_entered: bool) -> FastAPI:
    inner = FastAPI(lifespan=stock)

    @asynccontextmanager
    async def outer(app: FastAPI) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner) if is_entered else contextlib.nullcontext():
            yield

    app = FastAPI(lifespan=outer)
    app.mount(path, inner)
    return app


@pytest.mark.parametrize(
    ("is_entered", "rules", "count"),
    [
        (False, ["traps"], 1),
        (True, ["traps"], 0),
        (False, ["no 5xx"], 0),
        (False, ["traps", "allow lifespan-never-run on /stock"], 0),
        (False, ["traps", "allow lifespan-never-run on /other"], 1),
        (False, ["lifespan-never-run except /stock"], 0),
    ],
)
def test_a_mounted_app_s_lifespan_that_nobody_enters_is_caught(is_entered: bool, rules: list[str], count: int) -> None:
    with Client(mounting("/stock", is_entered=is_entered)) as client:
        pass
    assert client.lifespan is not None
    violations = list(Ruleset.read(rules).lifespan_violations(client.lifespan))
    assert [(violation.rule, violation.request) for violation in violations] == [
        ("lifespan-never-run", "the startup")
    ] * count


# -- sync-middleware-hops-threads


SYNC, ASYNC = f"{SITE}.SyncLayer", f"{SITE}.async_layer"


@pytest.mark.parametrize(
    ("layers", "path", "culprit"),
    [
        ([ASYNC, SYNC, ASYNC], "/async/", "SyncLayer"),
        ([SYNC], "/async/", "SyncLayer"),
        ([ASYNC, SYNC], "/hello/", "SyncLayer"),
        (["django.middleware.common.CommonMiddleware", SYNC, ASYNC], "/async/", "SyncLayer"),
        ([ASYNC], "/hello/", None),
        ([ASYNC, ASYNC], "/async/", None),
        ([ASYNC, "django.middleware.common.CommonMiddleware"], "/async/", None),
    ],
)
def test_a_sync_layer_between_async_ones_is_caught(layers: list[str], path: str, culprit: str | None) -> None:
    with django(*layers, is_asgi=True) as app:
        trace = send(app, "GET", path)
    assert trace.status == 200
    said = caught("sync-middleware-hops-threads", trace)
    assert said == (
        [f"{culprit} ran in a worker thread, and what is inside of it back on the loop's"] if culprit else []
    )


def test_sync_middleware_over_wsgi_is_fine() -> None:
    with django(SYNC) as app:
        assert caught("sync-middleware-hops-threads", send(app, "GET", "/async/")) == []


def test_every_trap_has_a_page_and_every_page_a_trap() -> None:
    docs = Path(__file__).parent.parent.parent / "docs"
    assert sorted(page.stem for page in docs.glob("rules/*.md")) == sorted(TRAPS)
    assert [
        trap for trap in TRAPS if f"`{trap}`" not in (docs / "reference/rules.md").read_text(encoding="utf-8")
    ] == []


def test_every_trap_has_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [trap for trap in TRAPS if f"# -- {trap}\n" not in text] == []

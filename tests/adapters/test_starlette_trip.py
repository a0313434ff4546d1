"""A realistic Starlette app: what each request's trace must say, read off the app's source."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from pytest_lifecycle import Client, Trace, observe
from tests.apps import gallery_app

Ask = Callable[[Starlette, "Claim"], Trace]
MIDDLEWARE = ["TrustedHostMiddleware", "GZipMiddleware", "Timing", "AuthenticationMiddleware"]
OUT = MIDDLEWARE[::-1]
VISITOR = {"headers": {"authorization": "visitor"}}
CURATOR = {"headers": {"authorization": "curator"}}
HANDLED = ("handled", None, None)
NOT_FOUND = ("not_found", "not_found", "not_found")
NOBODY = [("HTTPException", "not_found", "on_not_found", True)]


@dataclass(frozen=True)
class Claim:
    """One request and what its trace must say; `said` is outcome, refusal and who refused."""

    method: str
    url: str
    status: int
    said: tuple[str, str | None, str | None]
    stopped_at: str
    route: str | None = None
    route_name: str | None = None
    path_params: dict[str, object] = field(default_factory=dict)
    handler: str | None = None
    middleware: list[str] = field(default_factory=lambda: MIDDLEWARE)
    out: list[str] = field(default_factory=lambda: OUT)
    raised: list[tuple[str, str, str | None, bool]] = field(default_factory=list)
    request: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.status} {self.said[1]}"


def handled(method: str, url: str, status: int, route: str, handler: str, **facts: Any) -> Claim:
    return Claim(method, url, status, HANDLED, f"handler {handler}", f"{method} {route}", handler=handler, **facts)


def refused_by_requires(url: str, status: int, refusal: str, route: str, **facts: Any) -> Claim:
    said = ("short_circuited", refusal, "requires")
    return Claim("GET", url, status, said, "decorator requires", f"GET {route}", route.strip("/"), **facts)


ONE = "/pictures/{number:int}"
CLAIMS = [
    handled("GET", "/", 200, "/", "home", route_name="home"),
    handled("HEAD", "/", 200, "/", "home", route_name="home"),
    handled("GET", "/pictures", 200, "/pictures", "Pictures.get", route_name="Pictures"),
    handled(
        "POST", "/pictures", 201, "/pictures", "Pictures.post", route_name="Pictures", request={"json": {}, **CURATOR}
    ),
    Claim(
        "POST",
        "/pictures",
        403,
        ("short_circuited", "permission", "requires"),
        "decorator requires",
        "POST /pictures",
        "Pictures",
        raised=[("HTTPException", "requires", "ExceptionMiddleware.http_exception", True)],
        request={"json": {}, **VISITOR},
    ),
    Claim(
        "DELETE",
        "/pictures",
        405,
        ("method_not_allowed", "method", "method_not_allowed"),
        "middleware AuthenticationMiddleware",
        raised=[("HTTPException", "method_not_allowed", "ExceptionMiddleware.http_exception", True)],
    ),
    handled("GET", "/pictures/7", 200, ONE, "picture", route_name="picture", path_params={"number": 7}),
    handled(
        "GET",
        "/pictures/404",
        404,
        ONE,
        "picture",
        route_name="picture",
        path_params={"number": 404},
        raised=[("HTTPException", "picture", "on_not_found", True)],
    ),
    handled(
        "GET",
        "/pictures/13",
        410,
        ONE,
        "picture",
        route_name="picture",
        path_params={"number": 13},
        raised=[("StolenPicture", "picture", "on_stolen", False)],
    ),
    Claim(
        "GET",
        "/pictures/500",
        500,
        ("error", None, None),
        "handler picture",
        f"GET {ONE}",
        "picture",
        {"number": 500},
        "picture",
        out=[],
        raised=[("ValueError", "picture", None, False)],
    ),
    Claim(
        "GET",
        "/pictures/501",
        500,
        ("error", None, None),
        "handler picture",
        f"GET {ONE}",
        "picture",
        {"number": 501},
        "picture",
        out=[],
        raised=[("RuntimeError", "picture", None, False)],
    ),
    Claim("GET", "/pictures/x", 404, NOT_FOUND, "middleware AuthenticationMiddleware", raised=NOBODY),
    handled("GET", "/pictures/7/scan", 200, f"{ONE}/scan", "scan", route_name="scan", path_params={"number": 7}),
    handled(
        "PUT", "/sync/a", 200, "/sync/{name}", "sync_picture", route_name="sync_picture", path_params={"name": "a"}
    ),
    Claim(
        "POST",
        "/sync/a",
        405,
        ("method_not_allowed", "method", "method_not_allowed"),
        "middleware AuthenticationMiddleware",
        raised=[("HTTPException", "method_not_allowed", "ExceptionMiddleware.http_exception", True)],
    ),
    handled(
        "POST", "/upload", 200, "/upload", "upload", route_name="upload", request={"files": {"file": ("f", b"small")}}
    ),
    handled(
        "POST",
        "/upload",
        413,
        "/upload",
        "upload",
        route_name="upload",
        request={"files": {"file": ("f", b"much too big")}},
        raised=[("TooBig", "upload", "on_too_big", False)],
    ),
    refused_by_requires("/cellar", 303, "authentication", "/cellar"),
    handled("GET", "/cellar", 200, "/cellar", "cellar", route_name="cellar", request=VISITOR),
    refused_by_requires(
        "/vault",
        404,
        "permission",
        "/vault",
        raised=[("HTTPException", "requires", "on_not_found", True)],
        request=VISITOR,
    ),
    handled("GET", "/vault", 200, "/vault", "vault", route_name="vault", request=CURATOR),
    handled("GET", "/old", 307, "/old", "to_home", route_name="to_home"),
    handled(
        "GET",
        "/office/stats",
        200,
        "/office/stats",
        "stats",
        route_name="stats",
        middleware=[*MIDDLEWARE, "Timing"],
        out=["Timing", *OUT],
    ),
    handled(
        "GET",
        "/office/stats/1999",
        200,
        "/office/stats/{year:int}",
        "stats",
        route_name="year",
        path_params={"year": 1999},
        middleware=[*MIDDLEWARE, "Timing"],
        out=["Timing", *OUT],
    ),
    Claim(
        "GET",
        "/office/nothing",
        404,
        NOT_FOUND,
        "middleware Timing",
        middleware=[*MIDDLEWARE, "Timing"],
        out=OUT,
        raised=[("HTTPException", "not_found", "on_not_found", True)],
    ),
    handled("GET", "/static/logo.txt", 200, "/static", "StaticFiles", route_name="static", path_params={}),
    Claim(
        "GET",
        "/v1",
        200,
        HANDLED,
        "handler api_root",
        "GET /v1",
        "api_root",
        handler="api_root",
        request={"headers": {"host": "api.gallery.example"}},
    ),
    Claim("GET", "/v1", 307, ("redirected", None, None), "middleware AuthenticationMiddleware"),
    Claim(
        "GET",
        "/",
        400,
        ("short_circuited", "host", "TrustedHostMiddleware"),
        "middleware TrustedHostMiddleware",
        middleware=MIDDLEWARE[:1],
        out=MIDDLEWARE[:1],
        request={"headers": {"host": "evil.example"}},
    ),
    Claim(
        "GET",
        "/",
        400,
        ("short_circuited", "authentication", "AuthenticationMiddleware"),
        "middleware AuthenticationMiddleware",
        request={"headers": {"authorization": "forged"}},
    ),
    Claim(
        "GET",
        "/teapot",
        418,
        ("short_circuited", "middleware", "Timing"),
        "middleware Timing",
        middleware=MIDDLEWARE[:3],
        out=["Timing", "GZipMiddleware", "TrustedHostMiddleware"],
    ),
    handled("GET", "/about/", 200, "/{page}/", "home", route_name="home", path_params={"page": "about"}),
]


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    (tmp_path / "logo.txt").write_text("logo")
    return gallery_app.build(tmp_path)


def ours(app: Starlette, claim: Claim) -> Trace:
    with Client(app) as client:
        return client.request(claim.method, claim.url, **claim.request)


def theirs(app: Starlette, claim: Claim) -> Trace:
    async def ask() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            await client.request(claim.method, claim.url, **claim.request)

    with observe() as traces:
        asyncio.run(ask())
    (trace,) = traces
    return trace


@pytest.mark.parametrize("ask", [ours, theirs])
@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_the_trace_says_what_the_app_does(app: Starlette, ask: Ask, claim: Claim) -> None:
    trace = ask(app, claim)
    assert (trace.outcome, trace.refusal, trace.refused_by) == claim.said
    assert trace.status == claim.status
    assert (trace.route, trace.handler, trace.stopped_at) == (claim.route, claim.handler, claim.stopped_at)
    if claim.route is not None:
        assert (trace.route_name, trace.path_params) == (claim.route_name, claim.path_params)
    raised = [(error.type, error.raised_in, error.handled_by, error.is_answer) for error in trace.exceptions]
    assert raised == claim.raised
    assert (trace.middleware, trace.middleware_out) == (claim.middleware, claim.out)
    assert trace.warnings == []


def test_what_led_to_an_exception(app: Starlette) -> None:
    (raised,) = ours(app, Claim("GET", "/pictures/501", 500, HANDLED, "")).exceptions
    assert raised.causes == ("ValueError: invalid literal for int() with base 10: 'x'",)
    assert raised.crossed == ("AuthenticationMiddleware", "Timing", "GZipMiddleware", "TrustedHostMiddleware")


def test_who_sent_a_redirect_and_why(app: Starlette) -> None:
    trace = ours(app, Claim("GET", "/v1", 307, HANDLED, ""))
    reasons = [(span.name, span.fact("reason")) for span in trace.root.walk() if span.fact("reason")]
    assert reasons == [("Router", "redirect_slashes")]

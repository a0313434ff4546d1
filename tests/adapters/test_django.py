"""Django: middleware, hooks, views and forms; over WSGI and ASGI, through our client and Django's own two."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient as DjangoAsyncClient
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path

from pytest_lifecycle import AsyncClient, Client, Trace, observe
from tests.apps import django_app

LAYERS = ["SecurityMiddleware", "timing", "Gate", "Modern", "CommonMiddleware", "CsrfViewMiddleware"]
IN = [f"middleware {name}" for name in LAYERS]
HOOKS = ["hook Gate.process_view", "hook CsrfViewMiddleware.process_view"]


@dataclass(frozen=True)
class Claim:
    """One request and what its trace must say."""

    method: str
    url: str
    status: int
    outcome: str
    path: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] | None = None
    route: str | None = None
    route_name: str | None = None
    path_params: dict[str, Any] = field(default_factory=dict)
    handler: str | None = None
    validation: str = "not reached"
    errors: list[tuple[tuple[str | int, ...], str]] = field(default_factory=list)
    middleware: list[str] = field(default_factory=lambda: LAYERS)
    middleware_out: list[str] = field(default_factory=lambda: LAYERS[::-1])
    raised: list[tuple[str, str, str | None]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.status}"


def handled(url: str, route: str, handler: str, **more: Any) -> Claim:
    """Claim that a GET was handled."""
    steps = [*IN, f"route GET {route}", *HOOKS, f"handler {handler}", "response 200"]
    return Claim("GET", url, 200, "handled", steps, route=f"GET {route}", handler=handler, validation="none", **more)


CLAIMS = [
    handled(
        "/orders/7/",
        "/orders/<int:number>/",
        "read_order",
        route_name="orders:read",
        path_params={"number": 7},
    ),
    handled("/orders/slow/", "/orders/slow/", "slow"),
    handled("/box/3/", "/box/<int:number>/", "Box.get", route_name="box", path_params={"number": 3}),
    handled("/async-box/", "/async-box/", "AsyncBox.get"),
    handled("/old/2024/", "/^old/(?P<year>[0-9]{4})/$", "<lambda>", path_params={"year": "2024"}),
    Claim(
        "GET",
        "/get/",
        200,
        "handled",
        [*IN, "route GET /get/", *HOOKS, "decorator require_http_methods", "handler only_get", "response 200"],
        route="GET /get/",
        handler="only_get",
        validation="none",
    ),
    Claim(
        "GET",
        "/decorated/",
        200,
        "handled",
        [
            *IN,
            "route GET /decorated/",
            *HOOKS,
            "decorator require_http_methods",
            "handler Decorated.get",
            "response 200",
        ],
        route="GET /decorated/",
        handler="Decorated.get",
        validation="none",
    ),
    Claim(
        "POST",
        "/orders/",
        201,
        "handled",
        [
            *IN,
            "route POST /orders/",
            *HOOKS,
            "decorator csrf_exempt",
            "handler create_order",
            "validation passed",
            "response 201",
        ],
        data={"quantity": "2"},
        route="POST /orders/",
        route_name="orders:create",
        handler="create_order",
        validation="passed",
    ),
    Claim(
        "POST",
        "/orders/",
        400,
        "invalid",
        [
            *IN,
            "route POST /orders/",
            *HOOKS,
            "decorator csrf_exempt",
            "handler create_order",
            "validation failed",
            "response 400",
        ],
        data={"quantity": "many"},
        route="POST /orders/",
        route_name="orders:create",
        handler="create_order",
        validation="failed",
        errors=[(("quantity",), "invalid")],
    ),
    Claim(
        "GET",
        "/nope/",
        404,
        "not_found",
        [*IN, "response 404"],
        raised=[("Resolver404", "not_found", "response_for_exception")],
    ),
    Claim(
        "GET",
        "/orders/7",
        301,
        "redirected",
        [*IN, "response 301"],
        raised=[("Resolver404", "not_found", "response_for_exception")],
    ),
    Claim(
        "GET",
        "/missing/",
        404,
        "handled",
        [*IN, "route GET /missing/", *HOOKS, "handler missing", "hook Gate.process_exception", "response 404"],
        route="GET /missing/",
        handler="missing",
        validation="none",
        raised=[("Http404", "missing", "response_for_exception")],
    ),
    Claim(
        "GET",
        "/forbidden/",
        403,
        "handled",
        [*IN, "route GET /forbidden/", *HOOKS, "handler forbidden", "hook Gate.process_exception", "response 403"],
        route="GET /forbidden/",
        handler="forbidden",
        validation="none",
        raised=[("PermissionDenied", "forbidden", "response_for_exception")],
    ),
    Claim(
        "GET",
        "/orders/7/",
        503,
        "short_circuited",
        [*IN[:3], "response 503"],
        headers={"X-Closed": "1"},
        middleware=LAYERS[:3],
        middleware_out=LAYERS[2::-1],
    ),
    Claim(
        "GET",
        "/orders/7/",
        403,
        "short_circuited",
        [*IN, "route GET /orders/<int:number>/", HOOKS[0], "response 403"],
        headers={"X-Stop": "1"},
        route="GET /orders/<int:number>/",
        route_name="orders:read",
        path_params={"number": 7},
    ),
    Claim(
        "GET",
        "/mended/",
        409,
        "handled",
        [*IN, "route GET /mended/", *HOOKS, "handler mended", "hook Gate.process_exception", "response 409"],
        route="GET /mended/",
        handler="mended",
        validation="none",
        raised=[("KeyError", "mended", "Gate.process_exception")],
    ),
    Claim(
        "GET",
        "/boom/",
        500,
        "error",
        [*IN, "route GET /boom/", *HOOKS, "handler boom", "hook Gate.process_exception", "response 500"],
        route="GET /boom/",
        handler="boom",
        validation="none",
        raised=[("LookupError", "boom", "response_for_exception")],
    ),
    Claim(
        "GET",
        "/orders/7/",
        500,
        "error",
        [*IN[:3], "response 500"],
        headers={"X-Broken": "1"},
        middleware=LAYERS[:3],
        middleware_out=["timing", "SecurityMiddleware"],
        raised=[("ValueError", "Gate", "response_for_exception")],
    ),
]


@contextmanager
def ours_over(app: Any) -> Iterator[Callable[[Claim], Trace]]:
    with Client(app) as client:
        yield lambda claim: client.request(claim.method, claim.url, headers=claim.headers, data=claim.data)


@contextmanager
def ours_over_wsgi() -> Iterator[Callable[[Claim], Trace]]:
    with ours_over(django_app.wsgi) as ask:
        yield ask


@contextmanager
def ours_over_asgi() -> Iterator[Callable[[Claim], Trace]]:
    with ours_over(django_app.asgi) as ask:
        yield ask


@contextmanager
def ours_in_an_async_test() -> Iterator[Callable[[Claim], Trace]]:
    async def request(claim: Claim) -> Trace:
        async with AsyncClient(django_app.asgi) as client:
            return await client.request(claim.method, claim.url, headers=claim.headers, data=claim.data)

    yield lambda claim: asyncio.run(request(claim))


def _environ(headers: dict[str, str]) -> dict[str, str]:
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


@contextmanager
def django_s_client() -> Iterator[Callable[[Claim], Trace]]:
    client = DjangoClient(raise_request_exception=False)

    def ask(claim: Claim) -> Trace:
        getattr(client, claim.method.lower())(claim.url, claim.data or {}, **_environ(claim.headers))
        return traces[-1]

    with observe() as traces:
        yield ask


@contextmanager
def django_s_async_client() -> Iterator[Callable[[Claim], Trace]]:
    client = DjangoAsyncClient(raise_request_exception=False)

    def ask(claim: Claim) -> Trace:
        headers = {name.lower(): value for name, value in claim.headers.items()}
        asyncio.run(getattr(client, claim.method.lower())(claim.url, claim.data or {}, headers=headers))
        return traces[-1]

    with observe() as traces:
        yield ask


CLIENTS = [ours_over_wsgi, ours_over_asgi, ours_in_an_async_test, django_s_client, django_s_async_client]


def check(trace: Trace, claim: Claim) -> None:
    assert trace.path == claim.path
    assert (trace.status, trace.outcome) == (claim.status, claim.outcome)
    assert (trace.middleware, trace.middleware_out) == (claim.middleware, claim.middleware_out)
    assert (trace.route, trace.route_name, trace.path_params) == (claim.route, claim.route_name, claim.path_params)
    assert (trace.handler, trace.validation) == (claim.handler, claim.validation)
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == claim.errors
    assert [(error.type, error.raised_in, error.handled_by) for error in trace.exceptions] == claim.raised
    assert (trace.framework, trace.warnings) == ("django", [])


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_each_request_is_told_the_same_through_every_client_and_each_time(client: Any, claim: Claim) -> None:
    with client() as ask:
        for _ in range(2):
            check(ask(claim), claim)


def exempt(app: Any) -> Client:
    """Give a client whose requests Django's CSRF check passes over, as its own test client's are."""
    return Client(app, headers={"cookie": "csrftoken=" + "a" * 32, "x-csrftoken": "a" * 32})


@pytest.mark.parametrize("app", [django_app.wsgi, django_app.asgi])
def test_a_view_that_refuses_the_method_is_no_route_of_it(app: Any) -> None:
    with exempt(app) as client:
        by_class, by_decorator = client.post("/box/3/"), client.post("/get/")
    assert by_class.path == [*IN, *HOOKS, "response 405"]
    assert by_decorator.path == [*IN, *HOOKS, "decorator require_http_methods", "response 405"]
    for trace in (by_class, by_decorator):
        assert (trace.outcome, trace.route, trace.handler) == ("method_not_allowed", None, None)


def test_a_post_without_its_token_is_rejected_by_the_csrf_middleware() -> None:
    with Client(django_app.wsgi) as client:
        trace = client.post("/orders/token/", data={"a": "1"})
    assert trace.path == [*IN, "route POST /orders/token/", *HOOKS, "response 403"]
    assert (trace.outcome, trace.handler) == ("rejected", None)
    assert trace.stopped_at == "hook CsrfViewMiddleware.process_view"


def test_an_https_redirect_is_a_redirect() -> None:
    from django.core.wsgi import get_wsgi_application

    with override_settings(SECURE_SSL_REDIRECT=True), Client(get_wsgi_application()) as client:
        trace = client.get("/orders/7/")
    assert (trace.path, trace.outcome) == (["middleware SecurityMiddleware", "response 301"], "redirected")


def test_sync_code_of_an_asgi_app_stays_on_the_test_s_thread() -> None:
    with Client(django_app.asgi) as client:
        trace = client.get("/orders/7/")
    assert trace.span("read_order").thread == threading.get_ident()


def test_the_interface_is_told() -> None:
    with Client(django_app.asgi) as asgi, Client(django_app.wsgi) as wsgi:
        assert (asgi.get("/orders/7/").interface, wsgi.get("/orders/7/").interface) == ("asgi", "wsgi")


@pytest.mark.parametrize("client", [django_s_client, django_s_async_client])
def test_the_response_to_django_s_own_client_is_kept(client: Any) -> None:
    with client() as ask:
        trace = ask(CLAIMS[0])
    assert (trace.text, trace.headers["content-type"]) == ("order 7", "text/html; charset=utf-8")


def reveal(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"who is {request.headers['authorization']}")


@pytest.mark.parametrize("is_async", [False, True])
def test_what_django_s_own_client_sends_along_is_known(is_async: bool) -> None:
    """Its cookies and its token say who asks, and are secrets; without any it sends an empty cookie."""
    client: Any = (DjangoAsyncClient if is_async else DjangoClient)(raise_request_exception=False)

    def ask(url: str, **headers: str) -> Trace:
        with observe() as traces:
            answer = client.get(url, headers=headers)
            asyncio.run(answer) if is_async else None
        return traces[-1]

    assert ask("/orders/7/").is_anonymous
    with override_settings(ROOT_URLCONF=(path("reveal/", reveal),)):
        trace = ask("/reveal/", authorization="Bearer tausendschoen")
    assert (trace.url, trace.status) == ("http://testserver/reveal/", 500)
    assert not trace.is_anonymous
    assert "tausendschoen" not in str(trace)
    client.cookies["sessionid"] = "abc"
    assert not ask("/orders/7/").is_anonymous


@pytest.mark.parametrize(
    ("url", "kind", "is_answer"),
    [("/missing/", "Http404", True), ("/forbidden/", "PermissionDenied", True), ("/boom/", "LookupError", False)],
)
def test_what_django_makes_an_answer_of_is_no_crash(url: str, kind: str, is_answer: bool) -> None:
    with Client(django_app.wsgi) as client:
        (raised,) = client.get(url).exceptions
    assert raised.is_answer is is_answer
    assert raised.type == kind

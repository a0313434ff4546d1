"""What is told of routes is what the router itself decided: candidates, nearest, shadowed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Match, Mount, Route

from pytest_lifecycle import Client, RouteCandidate, Trace

METHODS = ["GET", "POST", "DELETE"]
SEGMENTS = st.sampled_from(["a", "b", "{x}", "{n:int}", "{f:float}", "{u:uuid}"])
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=3).filter(lambda parts: len(set(parts)) == len(parts))
PARTS = st.sampled_from(["a", "b", "c", "3", "3.5", "-1", "6f1f7b4e-8a9b-4b93-8a48-2f0a3f2b1c11", "A"])


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def asked(app: Any, url: str, method: str = "GET", **arguments: Any) -> Trace:
    with Client(app) as client:
        return client.request(method, url, **arguments)


@settings(deadline=None, max_examples=60)
@given(
    declared=st.lists(st.tuples(PATTERNS, st.sampled_from(METHODS), st.booleans()), min_size=1, max_size=6),
    parts=st.lists(PARTS, min_size=1, max_size=3),
    ends_in_slash=st.booleans(),
    method=st.sampled_from([*METHODS, "HEAD"]),
)
def test_verdicts_agree_with_starlette_s_own(
    declared: list[tuple[list[str], str, bool]], parts: list[str], ends_in_slash: bool, method: str
) -> None:
    routes = [
        Route("/" + "/".join(segments) + "/" * slash, answer, methods=[verb]) for segments, verb, slash in declared
    ]
    path = "/" + "/".join(parts) + "/" * ends_in_slash
    trace = asked(Starlette(routes=routes), path, method)
    scope = {"type": "http", "path": path, "method": method, "headers": []}
    own = [route.matches(scope)[0] for route in routes]
    chosen = own.index(Match.FULL) if Match.FULL in own else None
    tried = own if chosen is None else own[: chosen + 1]
    assert [candidate.pattern for candidate in trace.candidates] == [route.path for route in routes[: len(tried)]]
    verdicts = [candidate.verdict for candidate in trace.candidates]
    assert [verdict == "matched" for verdict in verdicts] == [match is Match.FULL for match in tried]
    assert [verdict == "method" for verdict in verdicts] == [match is Match.PARTIAL for match in tried]


async def things(request: Request) -> PlainTextResponse:
    return PlainTextResponse("things")


NESTED = Starlette(
    routes=[
        Route("/orders/{order_id:int}", answer, name="order"),
        Route("/orders/", answer, methods=["POST"]),
        Route("/cafés", answer),
        Mount("/admin", routes=[Route("/things/{name}", things)], name="admin"),
        Host("api.example.org", Starlette(routes=[Route("/v1", answer)])),
    ]
)


def test_each_candidate_says_why_it_did_not_match() -> None:
    assert asked(NESTED, "/orders/x").candidates == [
        RouteCandidate("/orders/{order_id:int}", ("GET", "HEAD"), "converter", '"x" is no int', "order"),
        RouteCandidate("/orders/", ("POST",), "path", "'/orders/x' is not '/orders/'", "answer"),
        RouteCandidate("/cafés", ("GET", "HEAD"), "path", "'/orders/x' is not '/cafés'", "answer"),
        RouteCandidate("/admin", (), "path", "'/orders/x' is not '/admin'", "admin"),
        RouteCandidate("/", (), "host", "'testserver' is not 'api.example.org'", ""),
    ]


def test_a_fastapi_route_that_takes_get_does_not_take_head() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/file")
    async def read() -> None: ...

    trace = asked(app, "/file", "HEAD")
    assert (trace.status, trace.outcome) == (405, "method_not_allowed")
    assert trace.candidates == [RouteCandidate("/file", ("GET",), "method", "HEAD is not one of GET", "read")]
    assert trace.nearest == ["/file (takes GET)"]


def test_an_endpoint_class_takes_the_methods_that_it_has() -> None:
    class Things(HTTPEndpoint):
        async def get(self, request: Request) -> PlainTextResponse:
            return PlainTextResponse("things")

    app = Starlette(routes=[Route("/things", Things), Route("/{name}", answer)])
    trace = asked(app, "/things", "PUT")
    reason = "PUT is not one of GET, HEAD"
    assert (trace.status, trace.outcome, trace.route) == (405, "method_not_allowed", None)
    assert trace.candidates == [RouteCandidate("/things", ("GET", "HEAD"), "method", reason, "Things")]
    assert trace.nearest[0] == "/things (takes GET, HEAD)"
    matched = RouteCandidate("/things", ("GET", "HEAD"), "matched", "", "Things")
    assert asked(app, "/things", "HEAD").candidates == [matched]


def test_a_mount_s_routes_stand_behind_it_with_its_prefix() -> None:
    found = [(candidate.pattern, candidate.verdict) for candidate in asked(NESTED, "/admin/things").candidates]
    assert found[-2:] == [("/admin", "matched"), ("/admin/things/{name}", "path")]
    matched = asked(NESTED, "/admin/things/one").candidates[-1]
    assert (matched.pattern, matched.verdict, matched.reason) == ("/admin/things/{name}", "matched", "")


def test_a_host_is_a_candidate_like_any_other() -> None:
    trace = asked(NESTED, "/v1", headers={"host": "api.example.org"})
    assert trace.status == 200
    assert [(candidate.pattern, candidate.verdict) for candidate in trace.candidates][-2:] == [
        ("/", "matched"),
        ("/v1", "matched"),
    ]


@pytest.mark.parametrize(
    ("method", "url", "nearest"),
    [
        ("GET", "/orders/3/", None),  # redirected by the router: the slash is the nearest
        ("GET", "/order/3", "/orders/{order_id:int} (is spelled differently)"),
        ("GET", "/orders/x", '/orders/{order_id:int} ("x" is no int)'),
        ("GET", "/ORDERS/3", "/orders/{order_id:int} (differs: upper and lower case)"),
        ("PUT", "/orders/3", "/orders/{order_id:int} (takes GET, HEAD)"),
        ("GET", "/admin/thing/x", "/admin/things/{name} (is spelled differently)"),
    ],
)
def test_the_nearest_route_comes_first(method: str, url: str, nearest: str | None) -> None:
    trace = asked(NESTED, url, method)
    expected = nearest or "/orders/{order_id:int} (differs: trailing slash)"
    assert trace.nearest[0] == expected


@pytest.mark.parametrize(("url", "root_path"), [("/shop/a", "/v1"), ("/shop/shop/a", "")])
def test_a_prefix_that_its_router_saw_once_more_is_named(url: str, root_path: str) -> None:
    app = Starlette(routes=[Mount("/shop", routes=[Route("/a", answer), Route("/b", answer)])])
    with Client(app, root_path=root_path) as client:
        trace = client.get(url)
        assert (trace.status, client.get("/v1/shop/a").status) == (404, 200 if root_path else 404)
    assert trace.nearest[0] == (
        "/shop/a (its router saw '/shop/a', with '/shop' still on it: a prefix twice, or a URL without the root_path)"
    )


def test_a_path_that_is_like_no_route_has_no_nearest() -> None:
    assert asked(NESTED, "/qqqqqqqqqqqqqqqqqqqqqqqq").nearest == []


@pytest.mark.parametrize("pattern", ["/static/{file:path}", "/{post}-{day}/{file}"])
def test_what_a_parameter_would_take_makes_no_route_alike(pattern: str) -> None:
    assert asked(Starlette(routes=[Route(pattern, answer)]), "/one/update").nearest == []


def shadowing(*, exact_first: bool) -> FastAPI:
    router = APIRouter(prefix="/users")

    def read_user(user_id: str) -> str:
        return user_id

    def read_me() -> str:
        return "me"

    declared = [("/{user_id}", read_user), ("/me", read_me)]
    for path, function in reversed(declared) if exact_first else declared:
        router.get(path)(function)
    router.post("/new")(read_me)
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    return app


def test_a_shadowed_route_is_a_warning_only_for_the_request_that_it_would_have_matched() -> None:
    app = shadowing(exact_first=False)
    assert asked(app, "/v1/users/me").warnings == [
        "GET /v1/users/{user_id} took this request, which /v1/users/me further down would have matched exactly:"
        " declare that one first."
    ]
    assert asked(app, "/v1/users/7").warnings == []
    assert asked(app, "/v1/users/new").warnings == []  # it takes POST only
    assert asked(shadowing(exact_first=True), "/v1/users/me").warnings == []


def test_routes_added_while_observed_are_told() -> None:
    app = Starlette(routes=[Route("/a", answer)])
    with Client(app) as client:
        assert client.get("/b").status == 404
        app.router.routes.append(Route("/b", answer))
        assert [candidate.verdict for candidate in client.get("/b").candidates] == ["path", "matched"]


def test_one_router_included_twice_is_told_apart_by_its_prefix() -> None:
    router = APIRouter()
    router.get("/x")(lambda: 1)
    app = FastAPI(openapi_url=None)
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    trace = asked(app, "/v2/x")
    assert [(candidate.pattern, candidate.verdict) for candidate in trace.candidates] == [
        ("/v1/x", "path"),
        ("/v2/x", "matched"),
    ]


def test_candidates_outlive_the_app_without_keeping_it() -> None:
    import gc
    import weakref

    app = Starlette(
        routes=[Route("/a", answer), Route("/{name}", answer)]
    )  # a 404 is an exception, whose frames hold it
    trace = asked(app, "/b")
    gone = weakref.ref(app)
    del app
    asyncio.run(asyncio.sleep(0))
    gc.collect()
    assert gone() is None
    assert [candidate.pattern for candidate in trace.candidates] == ["/a", "/{name}"]

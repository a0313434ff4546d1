"""FastAPI: every way a request can end, through every client, is told the same."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from starlette.middleware.base import BaseHTTPMiddleware

from pytest_lifecycle import Client, Trace, observe
from tests.adapters.fastapi_claims import CLAIMS, Claim
from tests.apps import fastapi_app

Ask = Callable[[Claim], Trace]


@contextmanager
def our_client(app: FastAPI) -> Iterator[Ask]:
    with Client(app) as client:
        yield lambda claim: client.request(claim.method, claim.url, **claim.arguments)


@contextmanager
def starlette_test_client(app: FastAPI) -> Iterator[Ask]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient

    def ask(claim: Claim) -> Trace:
        client.request(claim.method, claim.url, follow_redirects=False, **claim.arguments)
        return traces[-1]

    with observe() as traces, TestClient(app, raise_server_exceptions=False) as client:
        yield ask


@contextmanager
def httpx_transport(app: FastAPI) -> Iterator[Ask]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def request(claim: Claim) -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            await client.request(claim.method, claim.url, **claim.arguments)

    def ask(claim: Claim) -> Trace:
        asyncio.run(request(claim))
        return traces[-1]

    with observe() as traces:
        yield ask


def shared() -> int:
    return 1


def left(value: Annotated[int, Depends(shared)]) -> int:
    return value


def right(value: Annotated[int, Depends(shared)]) -> int:
    return value


class Missing(Exception):
    """Raised by a handler, caught by an exception handler of the user's."""


def check(trace: Trace, claim: Claim) -> None:
    assert trace.path == claim.path
    assert (trace.status, trace.outcome) == (claim.status, claim.outcome)
    assert trace.middleware == claim.middleware
    assert trace.middleware_out == claim.middleware_out
    assert (trace.route, trace.route_name, trace.path_params) == (claim.route, claim.route_name, claim.path_params)
    assert (trace.handler, trace.dependencies) == (claim.handler, claim.dependencies)
    assert trace.validation == claim.validation
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == claim.errors
    assert [(error.type, error.raised_in, error.handled_by) for error in trace.exceptions] == claim.raised
    assert (trace.framework, trace.interface, trace.warnings) == ("fastapi", "asgi", [])


@pytest.mark.parametrize("client", [our_client, starlette_test_client, httpx_transport])
@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_each_request_is_told_the_same_through_every_client_and_each_time(client: Any, claim: Claim) -> None:
    with client(fastapi_app.build()) as ask:
        for _ in range(3):
            check(ask(claim), claim)


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_an_app_that_ran_unobserved_before_is_told_the_same(claim: Claim) -> None:
    app = fastapi_app.build()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def warm_up() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            await client.request(claim.method, claim.url, **claim.arguments)

    asyncio.run(warm_up())
    with our_client(app) as ask:
        check(ask(claim), claim)


def test_a_crash_flies_past_every_layer_of_the_user() -> None:
    with Client(fastapi_app.build()) as client:
        error = client.get("/boom").exceptions[0]
    assert error.crossed == ("Tag", "Gate", "GZipMiddleware", "timing", "CORSMiddleware", "Tag")
    assert isinstance(error.exception, LookupError)


def test_what_the_framework_adds_is_in_the_tree_and_nowhere_else() -> None:
    with Client(fastapi_app.build()) as client:
        trace = client.get("/health")
    builtin = {span.name for span in trace.spans("middleware") if span.builtin}
    assert {"ServerErrorMiddleware", "ExceptionMiddleware"} <= builtin
    assert builtin.isdisjoint(trace.middleware)


def test_a_background_task_runs_after_the_response_and_is_not_in_the_path() -> None:
    with Client(fastapi_app.build()) as client:
        trace = client.post("/v1/items/", json={"name": "tea", "quantity": 1}, headers={"authorization": "me"})
    assert [span.name for span in trace.spans("background")] == ["remember"]
    assert "background remember" not in trace.path


def test_an_override_runs_in_the_place_of_a_dependency() -> None:
    app = fastapi_app.build()

    def somebody() -> str:
        return "admin"

    app.dependency_overrides[fastapi_app.current_user] = somebody
    with Client(app) as client:
        trace = client.delete("/v1/items/3")
    assert (trace.status, trace.dependencies, trace.handler) == (200, ["somebody", "admin"], "delete_item")


def test_a_cached_dependency_is_resolved_once() -> None:
    app = FastAPI()

    @app.get("/")
    def index(a: Annotated[int, Depends(left)], b: Annotated[int, Depends(right)]) -> int:
        return a + b

    with Client(app) as client:
        assert client.get("/").dependencies == ["shared", "left", "right"]


def test_a_function_that_the_handler_calls_itself_is_no_dependency() -> None:
    app = FastAPI()

    @app.get("/")
    def index(value: Annotated[int, Depends(shared)]) -> int:
        return value + shared()

    with Client(app) as client:
        assert client.get("/").dependencies == ["shared"]


def test_a_security_scheme_is_a_dependency_named_by_its_class() -> None:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(APIKeyHeader(name="x-key"))])
    async def index() -> str:
        return "in"

    with Client(app) as client:
        refused = client.get("/")
        let_in = client.get("/", headers={"x-key": "k"})
    assert (refused.outcome, refused.dependencies, refused.handler) == ("rejected", ["APIKeyHeader"], None)
    assert (let_in.outcome, let_in.dependencies, let_in.handler) == ("handled", ["APIKeyHeader"], "index")


def test_a_yield_dependency_that_sees_the_error_pass_did_not_raise_it() -> None:
    app = FastAPI()

    async def session() -> Any:
        yield 1

    @app.get("/", dependencies=[Depends(session)])
    async def index() -> None:
        raise HTTPException(418, "short and stout")

    with Client(app) as client:
        trace = client.get("/")
    assert (trace.status, trace.outcome) == (418, "handled")
    assert [(error.type, error.raised_in) for error in trace.exceptions] == [("HTTPException", "index")]


def test_a_custom_exception_handler_is_the_one_that_caught() -> None:
    app = FastAPI()

    @app.exception_handler(Missing)
    async def say_missing(request: Request, error: Missing) -> JSONResponse:
        return JSONResponse({"detail": "missing"}, status_code=404)

    @app.get("/")
    async def index() -> None:
        raise Missing

    with Client(app) as client:
        trace = client.get("/")
    assert trace.path == ["route GET /", "handler index", "response 404"]
    assert trace.outcome == "handled"
    assert [(error.type, error.handled_by) for error in trace.exceptions] == [("Missing", "say_missing")]


def test_a_handler_for_a_status_is_the_one_that_caught() -> None:
    app = FastAPI()

    @app.exception_handler(404)
    async def lost(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "lost"}, status_code=404)

    with Client(app) as client:
        trace = client.get("/nowhere")
    assert (trace.outcome, trace.json()) == ("not_found", {"detail": "lost"})
    assert trace.exceptions[0].handled_by == "lost"


def test_routers_nested_four_deep_keep_every_prefix() -> None:
    app = FastAPI()
    outer = innermost = APIRouter(prefix="/d")

    @innermost.get("/{leaf}")
    async def leaf(leaf: str) -> str:
        return leaf

    for prefix in ("/c", "/b", "/a"):
        around = APIRouter(prefix=prefix)
        around.include_router(outer)
        outer = around
    app.include_router(outer)
    with Client(app) as client:
        assert client.get("/a/b/c/d/x").route == "GET /a/b/c/d/{leaf}"
        assert client.post("/a/b/c/d/x").outcome == "method_not_allowed"


def test_a_subclass_with_its_own_call_is_still_the_app() -> None:
    class Shop(FastAPI):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await super().__call__(scope, receive, send)

    app = Shop()

    @app.get("/")
    async def index() -> str:
        return "shop"

    with Client(app) as client:
        trace = client.get("/")
    assert trace.path == ["route GET /", "handler index", "response 200"]


def test_a_wrapper_put_around_the_app_by_hand_is_a_middleware() -> None:
    app = fastapi_app.build()
    with Client(fastapi_app.Tag(app, "hand")) as client:
        trace = client.get("/health")
    assert trace.middleware == ["Tag", "Tag", "CORSMiddleware", "timing", "GZipMiddleware", "Gate", "Tag"]
    assert trace.framework == "fastapi"


def test_a_request_that_the_handler_makes_to_its_own_app_is_a_trace_of_its_own() -> None:
    app = FastAPI()

    @app.get("/inner")
    async def inner() -> int:
        return 1

    @app.get("/outer")
    async def outer() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://self") as client:
            return int((await client.get("/inner")).text)

    with observe() as traces, Client(app) as client:
        trace = client.get("/outer")
    first, second = traces
    assert (first.route, second.route) == ("GET /inner", "GET /outer")
    assert second is trace
    assert first.parent is not None
    assert (first.parent.name, trace.parent) == ("outer", None)
    assert trace.path == ["route GET /outer", "handler outer", "response 200"]


def test_base_http_middleware_given_a_function_is_named_by_it() -> None:
    app = FastAPI()

    async def stamp(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=stamp)
    with Client(app) as client:
        assert client.get("/").middleware == ["stamp"]


def test_an_exception_whose_attributes_raise_is_no_fault_of_the_adapter() -> None:
    class Closed(Exception):
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(f"no {name} for you")

    app = FastAPI()

    @app.get("/")
    async def read() -> None:
        raise Closed

    with Client(app) as client:
        trace = client.get("/")
    assert ([raised.raised_in for raised in trace.exceptions], trace.warnings) == (["read"], [])

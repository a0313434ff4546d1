"""django-ninja: operations, their checks one by one, validation, errors; over WSGI, over ASGI and Django's client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.apps import django_app  # before ninja, which asks for Django's settings

# isort: split
import pytest
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpRequest
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path
from django.views.decorators.cache import never_cache
from ninja import Form, NinjaAPI, Query, Router, Schema
from ninja.decorators import decorate_view
from ninja.errors import AuthorizationError, HttpError
from ninja.pagination import paginate
from ninja.security import APIKeyCookie, APIKeyHeader, HttpBearer
from ninja.streaming import JSONL
from ninja.throttling import BaseThrottle

from pytest_lifecycle import Client, Trace, observe

assert django_app
TOKEN = {"Authorization": "Bearer right"}


class Item(Schema):
    """What is sold."""

    name: str
    price: int


class Page(Schema):
    """Which page."""

    limit: int = 10


class Token(HttpBearer):
    """Knows one token, and who is banned."""

    def authenticate(self, request: HttpRequest, token: str) -> str | None:
        if token == "banned":
            raise HttpError(403, "banned")
        return "ada" if token == "right" else None


class AsyncToken(HttpBearer):
    """The same, asynchronously."""

    async def authenticate(self, request: HttpRequest, token: str) -> str | None:
        return "ada" if token == "right" else None


class Key(APIKeyHeader):
    """Knows one key."""

    param_name = "X-Key"

    def authenticate(self, request: HttpRequest, key: str | None) -> str | None:
        return "ada" if key == "right" else None


class Cookie(APIKeyCookie):
    """Knows everybody who has got past the CSRF check."""

    def authenticate(self, request: HttpRequest, key: str | None) -> str:
        return "ada"


def by_header(request: HttpRequest) -> bool:
    return "X-Known" in request.headers


class Never(BaseThrottle):
    """Too often, unless asked nicely."""

    def allow_request(self, request: HttpRequest) -> bool:
        return "X-Please" in request.headers


class Sorry(Exception):
    """The shop's own."""


api = NinjaAPI(urls_namespace="shop")
inner = Router(auth=Token())


@api.get("/items/{int:item_id}", url_name="item")
def read_item(request: HttpRequest, item_id: int, page: Query[Page]) -> dict[str, int]:
    return {"id": item_id}


@api.post("/items", auth=Token(), throttle=[Never()], response=Item)
def create_item(request: HttpRequest, item: Item) -> Item:
    return item


@api.put("/items")
async def replace_items(request: HttpRequest, item: Item) -> dict[str, str]:
    return {"name": item.name}


@api.get("/both", auth=[Token(), Key()])
def both(request: HttpRequest) -> str:
    return "both"


@api.get("/async", auth=AsyncToken())
async def asynchronous(request: HttpRequest) -> str:
    return "async"


@api.get("/function", auth=by_header)
def function(request: HttpRequest) -> str:
    return "function"


@api.post("/cookie", auth=Cookie())
def cookie(request: HttpRequest) -> str:
    return "cookie"


@inner.post("/form")
def form(request: HttpRequest, name: Form[str], count: Form[int]) -> str:
    return name


@api.get("/plain")
def plain(request: HttpRequest) -> str:
    return "plain"


@api.get("/decorated")
@decorate_view(never_cache)
def decorated(request: HttpRequest) -> str:
    return "decorated"


@api.get("/paged", response=list[Item])
@paginate
def paged(request: HttpRequest) -> list[Item]:
    return [Item(name="tea", price=3)]


@api.get("/conflict")
def conflict(request: HttpRequest) -> None:
    raise HttpError(403, "not now")


@api.get("/forbidden")
def forbidden(request: HttpRequest) -> None:
    raise AuthorizationError


@api.get("/lost")
def lost(request: HttpRequest) -> None:
    raise Http404("lost")


@api.get("/sorry")
def sorry(request: HttpRequest) -> None:
    raise Sorry


@api.get("/crash")
def crash(request: HttpRequest) -> None:
    raise LookupError("crash")


@api.get("/wrong", response=Item)
def wrong(request: HttpRequest) -> dict[str, str]:
    return {"name": "tea"}


@api.get("/streamed", response=JSONL[Item])
def streamed(request: HttpRequest) -> Iterator[dict[str, object]]:
    yield {"name": "tea", "price": 3}


@api.get("/streamed-async", response=JSONL[Item])
async def streamed_async(request: HttpRequest) -> AsyncIterator[dict[str, object]]:
    yield {"name": "tea", "price": 3}


@api.exception_handler(Sorry)
def apologise(request: HttpRequest, error: Sorry) -> Any:
    return api.create_response(request, {"sorry": True}, status=418)


api.add_router("/inner", inner)
urlpatterns = [path("api/", api.urls)]


@contextmanager
def in_shop(make: Callable[[], Any] = get_wsgi_application) -> Iterator[Any]:
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
        yield make()


@pytest.fixture(scope="module", params=[get_wsgi_application, get_asgi_application], ids=["wsgi", "asgi"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with in_shop(request.param) as app, Client(app) as client:
        yield client


TRIPS = [
    (
        "GET",
        "/items/7",
        {},
        "handled",
        ["route GET /api/items/<int:item_id>", "validation passed", "handler read_item"],
    ),
    ("GET", "/items/7?limit=x", {}, "invalid", ["route GET /api/items/<int:item_id>", "validation failed"]),
    ("GET", "/plain", {}, "handled", ["route GET /api/plain", "handler plain"]),
    ("GET", "/async", {}, "rejected", ["route GET /api/async", "dependency AsyncToken"]),
    (
        "GET",
        "/async",
        {"headers": TOKEN},
        "handled",
        ["route GET /api/async", "dependency AsyncToken", "handler asynchronous"],
    ),
    (
        "POST",
        "/items",
        {"headers": TOKEN | {"X-Please": "1"}, "json": {"name": "tea", "price": 3}},
        "handled",
        [
            "route POST /api/items",
            "dependency Token",
            "dependency Never",
            "validation passed",
            "handler create_item",
        ],
    ),
    (
        "PUT",
        "/items",
        {"json": {"name": "tea", "price": 3}},
        "handled",
        ["route PUT /api/items", "validation passed", "handler replace_items"],
    ),
    (
        "GET",
        "/both",
        {"headers": {"X-Key": "right"}},
        "handled",
        ["route GET /api/both", "dependency Token", "dependency Key", "handler both"],
    ),
    ("GET", "/decorated", {}, "handled", ["route GET /api/decorated", "decorator never_cache", "handler decorated"]),
    ("DELETE", "/items", {}, "method_not_allowed", []),
    ("GET", "/crash", {}, "error", ["route GET /api/crash", "handler crash"]),
    ("GET", "/conflict", {}, "handled", ["route GET /api/conflict", "handler conflict"]),
]


@pytest.mark.parametrize(("method", "url", "arguments", "outcome", "steps"), TRIPS)
def test_the_path_is_told_exactly(
    client: Client, method: str, url: str, arguments: dict[str, Any], outcome: str, steps: list[str]
) -> None:
    for _ in range(2):
        trace = client.request(method, f"/api{url}", **arguments)
        assert (trace.outcome, trace.path[:-1]) == (outcome, steps)
        assert (trace.framework, trace.warnings) == ("django", [])


def refused(trace: Trace) -> tuple[int | None, str, str | None, str | None, str | None]:
    return trace.status, trace.outcome, trace.refusal, trace.refused_by, trace.handler


REFUSED: list[tuple[str, str, dict[str, str], tuple[Any, ...]]] = [
    ("POST", "/items", {}, (401, "rejected", "authentication", "Token", None)),
    ("POST", "/items", TOKEN, (429, "rejected", "throttle", "Never", None)),
    ("GET", "/both", {}, (401, "rejected", "authentication", "Key", None)),
    ("GET", "/both", {"Authorization": "Bearer banned"}, (403, "rejected", "permission", "Token", None)),
    ("GET", "/function", {}, (401, "rejected", "authentication", "by_header", None)),
    ("POST", "/cookie", {}, (403, "rejected", "csrf", "Cookie", None)),
    ("POST", "/inner/form", {}, (401, "rejected", "authentication", "Token", None)),
    ("GET", "/forbidden", {}, (403, "handled", "permission", "forbidden", "forbidden")),
    ("GET", "/conflict", {}, (403, "handled", None, None, "conflict")),
    ("GET", "/lost", {}, (404, "handled", "not_found", "lost", "lost")),
]


@pytest.mark.parametrize(("method", "url", "headers", "expected"), REFUSED)
def test_who_refused_and_of_which_kind(
    client: Client, method: str, url: str, headers: dict[str, str], expected: tuple[Any, ...]
) -> None:
    assert refused(client.request(method, f"/api{url}", headers=headers)) == expected


WRONG: list[tuple[str, dict[str, Any], int, list[tuple[Any, str]]]] = [
    (
        "/items",
        {"json": {"price": "x"}},
        422,
        [(("body", "item", "name"), "missing"), (("body", "item", "price"), "int_parsing")],
    ),
    ("/items", {"content": b"{"}, 400, [(("body",), "JSONDecodeError")]),
    ("/inner/form", {"data": {"count": "x"}}, 422, [(("form", "name"), "missing"), (("form", "count"), "int_parsing")]),
]


@pytest.mark.parametrize(("url", "sent", "status", "wrong"), WRONG)
def test_what_is_not_valid_is_told_where_it_was_sent(
    client: Client, url: str, sent: dict[str, Any], status: int, wrong: list[tuple[Any, str]]
) -> None:
    trace = client.post(f"/api{url}", headers=TOKEN | {"X-Please": "1"}, **sent)
    assert refused(trace) == (status, "invalid", "validation", "validation", None)
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == wrong
    assert trace.exceptions[0].handled_by == "NinjaAPI.on_exception"


def test_a_response_that_is_not_what_was_declared_is_an_error_of_the_app(client: Client) -> None:
    trace = client.get("/api/wrong")
    assert (trace.outcome, trace.validation, trace.handler) == ("error", "none", "wrong")
    assert [issue.loc for issue in trace.response_errors] == [("response", "price")]


def test_pagination_is_a_decorator_around_the_operation(client: Client) -> None:
    trace = client.get("/api/paged?limit=1")
    assert (trace.handler, trace.validation, trace.json()["count"]) == ("paged", "passed", 1)


@pytest.mark.parametrize(("url", "handler"), [("/api/streamed", "streamed"), ("/api/streamed-async", "streamed_async")])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
def test_an_operation_that_streams_is_the_handler_of_what_it_streams(client: Client, url: str, handler: str) -> None:
    trace = client.get(url)
    assert trace.path == [f"route GET {url}", f"handler {handler}", "response 200"]
    assert (trace.outcome, trace.text) == ("handled", '{"name": "tea", "price": 3}\n')
    assert [route.source for route in client.routes() if route.handler == handler] == [trace.span(handler).source]


def test_an_exception_handler_is_the_one_that_answered(client: Client) -> None:
    trace = client.get("/api/sorry")
    assert (trace.status, trace.outcome) == (418, "handled")
    assert [(error.type, error.handled_by) for error in trace.exceptions] == [("Sorry", "apologise")]


def test_django_s_own_client_is_told_the_same() -> None:
    with in_shop(), observe() as traces:
        DjangoClient().post("/api/items", {"name": "tea"}, content_type="application/json")
    assert refused(traces[0]) == (401, "rejected", "authentication", "Token", None)


def test_each_operation_is_declared_with_its_checks(client: Client) -> None:
    declared = {str(route): (route.handler, route.dependencies) for route in client.routes()}
    assert declared["POST /api/items"] == ("create_item", ("Token", "Never"))
    assert declared["PUT /api/items"] == ("replace_items", ())
    assert declared["GET /api/both"] == ("both", ("Token", "Key"))
    assert declared["POST /api/inner/form"] == ("form", ("Token",))


def test_a_method_without_an_operation_is_told_by_the_route_that_lacks_it(client: Client) -> None:
    trace = client.delete("/api/items")
    assert (trace.route, trace.refusal) == (None, "method")
    assert (trace.candidates[-1].verdict, trace.candidates[-1].methods) == ("method", ("POST", "PUT"))

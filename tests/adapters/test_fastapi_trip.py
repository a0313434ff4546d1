"""A realistic FastAPI app: what each request's trace must say, read off the app's source."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi.security import APIKeyHeader

from pytest_lifecycle import Client, Trace, observe
from tests.apps import library_app

MIDDLEWARE = ["RequestID", "CORSMiddleware", "TrustedHostMiddleware", "Maintenance"]
BOOKS = "/api/v1/books"
READER = {"authorization": "Bearer reader-token"}
ADMIN = {"authorization": "Bearer admin-token"}
BOOK = {"title": "Emma", "pages": 400}
NO_KEY = 401 if hasattr(APIKeyHeader, "make_not_authenticated_error") else 403  # before FastAPI 0.122
INVALID = ("invalid", "validation", "validation")


@dataclass(frozen=True)
class Claim:
    """One request and what its trace must say.

    `refused` is outcome, refusal and who refused; the rest is named as on a trace.
    """

    method: str
    url: str
    status: int | None
    refused: tuple[str, str | None, str | None]
    stopped_at: str
    route: str | None = None
    handler: str | None = None
    dependencies: list[str] = field(default_factory=list)
    errors: list[tuple[str | int, ...]] = field(default_factory=list)
    raised: list[tuple[str, str, str | None, bool]] = field(default_factory=list)
    out: list[str] = field(default_factory=lambda: MIDDLEWARE[::-1])
    middleware: list[str] = field(default_factory=lambda: MIDDLEWARE)
    warnings: int = 0
    request: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.status} {self.refused[1]}"


HANDLED = ("handled", None, None)


def handled(method: str, url: str, status: int, route: str, handler: str, **facts: Any) -> Claim:
    return Claim(method, url, status, HANDLED, f"handler {handler}", f"{method} {route}", handler, **facts)


def http(raised_in: str) -> list[tuple[str, str, str | None, bool]]:
    return [("HTTPException", raised_in, "http_exception_handler", True)]


INVALID_REQUEST = [("RequestValidationError", "validation", "request_validation_exception_handler", False)]
READ = f"GET {BOOKS}/{{book_id}}"
CREATE = f"POST {BOOKS}/"
THROTTLED = ["throttle"]
AS_USER = ["throttle", "OAuth2PasswordBearer", "current_user"]
AS_ADMIN = ["throttle", "OAuth2PasswordBearer", "current_user", "require_admin"]

CLAIMS = [
    handled("GET", f"{BOOKS}/", 200, f"{BOOKS}/", "list_books", dependencies=THROTTLED),
    handled("GET", f"{BOOKS}/?page=2", 200, f"{BOOKS}/", "list_books", dependencies=THROTTLED),
    Claim(
        "GET",
        f"{BOOKS}/?page=0",
        422,
        INVALID,
        "validation failed",
        f"GET {BOOKS}/",
        dependencies=THROTTLED,
        errors=[("query", "page")],
        raised=INVALID_REQUEST,
    ),
    Claim("GET", BOOKS, 307, ("redirected", None, None), "middleware Maintenance"),
    handled("GET", f"{BOOKS}/3", 200, f"{BOOKS}/{{book_id}}", "read_book", dependencies=["throttle", "known_book"]),
    Claim(
        "GET",
        f"{BOOKS}/x",
        422,
        INVALID,
        "validation failed",
        READ,
        dependencies=THROTTLED,
        errors=[("path", "book_id")],
        raised=INVALID_REQUEST,
    ),
    Claim(
        "GET",
        f"{BOOKS}/latest",
        422,
        INVALID,
        "validation failed",
        READ,
        dependencies=THROTTLED,
        errors=[("path", "book_id")],
        raised=INVALID_REQUEST,
        warnings=1,  # `/latest` further down is shadowed
    ),
    Claim(
        "GET",
        f"{BOOKS}/101",
        404,
        ("rejected", "other", "known_book"),
        "dependency known_book",
        READ,
        dependencies=["throttle", "known_book"],
        raised=http("known_book"),
    ),
    handled(
        "GET",
        f"{BOOKS}/99",
        410,
        f"{BOOKS}/{{book_id}}",
        "read_book",
        dependencies=["throttle", "known_book"],
        raised=http("read_book"),
    ),
    handled(
        "GET",
        f"{BOOKS}/100",
        409,
        f"{BOOKS}/{{book_id}}",
        "read_book",
        dependencies=["throttle", "known_book"],
        raised=[("OnLoan", "read_book", "on_loan", False)],
    ),
    handled("GET", f"{BOOKS}/export", 200, f"{BOOKS}/export", "export_books", dependencies=THROTTLED),
    Claim(
        "GET",
        f"{BOOKS}/",
        429,
        ("rejected", "throttle", "throttle"),
        "dependency throttle",
        f"GET {BOOKS}/",
        dependencies=THROTTLED,
        raised=http("throttle"),
        request={"headers": {"x-burst": "4"}},
    ),
    Claim(
        "GET",
        f"{BOOKS}/",
        422,
        INVALID,
        "validation failed",
        f"GET {BOOKS}/",
        errors=[("header", "x-burst")],
        raised=INVALID_REQUEST,
        request={"headers": {"x-burst": "many"}},
    ),
    handled(
        "POST",
        f"{BOOKS}/",
        201,
        f"{BOOKS}/",
        "create_book",
        dependencies=AS_USER,
        request={"json": BOOK, "headers": READER},
    ),
    Claim(
        "POST",
        f"{BOOKS}/",
        401,
        ("rejected", "authentication", "OAuth2PasswordBearer"),
        "dependency OAuth2PasswordBearer",
        CREATE,
        dependencies=["throttle", "OAuth2PasswordBearer"],
        raised=http("OAuth2PasswordBearer"),
        request={"json": BOOK},
    ),
    Claim(
        "POST",
        f"{BOOKS}/",
        401,
        ("rejected", "authentication", "current_user"),
        "dependency current_user",
        CREATE,
        dependencies=AS_USER,
        raised=http("current_user"),
        request={"json": BOOK, "headers": {"authorization": "Bearer stolen"}},
    ),
    Claim(
        "POST",
        f"{BOOKS}/",
        422,
        INVALID,
        "validation failed",
        CREATE,
        dependencies=AS_USER,
        errors=[("body", "title"), ("body", "pages"), ("body", "tags", 1)],
        raised=INVALID_REQUEST,
        request={"json": {"title": "E", "pages": 0, "tags": ["a", 1]}, "headers": READER},
    ),
    Claim(
        "POST",
        f"{BOOKS}/",
        422,
        INVALID,
        "validation failed",
        CREATE,
        errors=[("body", 1)],
        raised=INVALID_REQUEST,
        request={"content": b"{broken", "headers": {**READER, "content-type": "application/json"}},
    ),
    Claim(
        "POST",
        f"{BOOKS}/",
        422,
        INVALID,
        "validation failed",
        CREATE,
        dependencies=AS_USER,
        errors=[("body",)],
        raised=INVALID_REQUEST,
        request={"headers": READER},
    ),
    handled(
        "PUT",
        f"{BOOKS}/3/cover",
        200,
        f"{BOOKS}/{{book_id}}/cover",
        "upload_cover",
        dependencies=AS_USER,
        request={"files": {"cover": ("c.png", b"png", "image/png")}, "headers": READER},
    ),
    Claim(
        "PUT",
        f"{BOOKS}/3/cover",
        422,
        INVALID,
        "validation failed",
        f"PUT {BOOKS}/{{book_id}}/cover",
        dependencies=AS_USER,
        errors=[("body", "cover")],
        raised=INVALID_REQUEST,
        request={"data": {"other": "1"}, "headers": READER},
    ),
    handled(
        "DELETE",
        f"{BOOKS}/3",
        204,
        f"{BOOKS}/{{book_id}}",
        "delete_book",
        dependencies=AS_ADMIN,
        request={"headers": ADMIN},
    ),
    Claim(
        "DELETE",
        f"{BOOKS}/3",
        403,
        ("rejected", "permission", "require_admin"),
        "dependency require_admin",
        f"DELETE {BOOKS}/{{book_id}}",
        dependencies=AS_ADMIN,
        raised=http("require_admin"),
        request={"headers": READER},
    ),
    Claim(
        "PATCH",
        f"{BOOKS}/3",
        405,
        ("method_not_allowed", "method", "method_not_allowed"),
        "middleware Maintenance",
        raised=http("method_not_allowed"),
    ),
    Claim(
        "GET",
        "/api/v2/books",
        404,
        ("not_found", "not_found", "not_found"),
        "middleware Maintenance",
        raised=http("not_found"),
    ),
    Claim(
        "GET",
        "/api/v1/admin/stats",
        500,
        ("error", None, None),
        "handler read_stats",
        "GET /api/v1/admin/stats",
        "read_stats",
        AS_ADMIN,
        raised=[("ZeroDivisionError", "read_stats", None, False)],
        out=[],
        request={"headers": ADMIN},
    ),
    Claim(
        "GET",
        "/api/v1/admin/report",
        500,
        ("error", None, None),
        "handler read_report",
        "GET /api/v1/admin/report",
        "read_report",
        AS_ADMIN,
        raised=[("ResponseValidationError", "serialize_response", None, False)],
        out=[],
        request={"headers": ADMIN},
    ),
    Claim(
        "GET",
        "/api/v1/admin/stats",
        403,
        ("rejected", "permission", "require_admin"),
        "dependency require_admin",
        "GET /api/v1/admin/stats",
        dependencies=AS_ADMIN,
        raised=http("require_admin"),
        request={"headers": READER},
    ),
    Claim(
        "GET",
        "/moved",
        400,
        ("short_circuited", "host", "TrustedHostMiddleware"),
        "middleware TrustedHostMiddleware",
        middleware=MIDDLEWARE[:3],
        out=["TrustedHostMiddleware", "CORSMiddleware", "RequestID"],
        request={"headers": {"host": "evil.example"}},
    ),
    Claim(
        "GET",
        "/moved",
        503,
        ("short_circuited", "middleware", "Maintenance"),
        "middleware Maintenance",
        request={"headers": {"x-closed": "1"}},
    ),
    Claim(
        "OPTIONS",
        f"{BOOKS}/",
        200,
        ("short_circuited", None, None),
        "middleware CORSMiddleware",
        middleware=MIDDLEWARE[:2],
        out=["CORSMiddleware", "RequestID"],
        request={"headers": {"origin": "https://library.example", "access-control-request-method": "GET"}},
    ),
    Claim(
        "OPTIONS",
        f"{BOOKS}/",
        400,
        ("short_circuited", "middleware", "CORSMiddleware"),
        "middleware CORSMiddleware",
        middleware=MIDDLEWARE[:2],
        out=["CORSMiddleware", "RequestID"],
        request={"headers": {"origin": "https://evil.example", "access-control-request-method": "GET"}},
    ),
    handled("GET", "/moved", 307, "/moved", "moved"),
    handled(
        "GET",
        "/partner/orders/7",
        200,
        "/partner/orders/{order_id:int}",
        "read_order",
        dependencies=["APIKeyHeader"],
        request={"headers": {"x-partner-key": "k"}},
    ),
    Claim(
        "GET",
        "/partner/orders/7",
        NO_KEY,
        ("rejected", "authentication", "APIKeyHeader"),
        "dependency APIKeyHeader",
        "GET /partner/orders/{order_id:int}",
        dependencies=["APIKeyHeader"],
        raised=http("APIKeyHeader"),
    ),
    Claim(
        "GET",
        "/partner/orders/x",
        404,
        ("not_found", "not_found", "not_found"),
        "middleware Maintenance",
        raised=http("not_found"),
    ),
    Claim(
        "POST",
        "/partner/orders",
        400,
        INVALID,
        "validation failed",
        "POST /partner/orders",
        errors=[("body", "quantity")],
        raised=[("RequestValidationError", "validation", "refuse", False)],
        request={"data": {"quantity": "many"}},
    ),
    handled("GET", "/legacy/anything", 200, "/legacy", "legacy"),
]


def ours(claim: Claim) -> Trace:
    with Client(library_app.build()) as client:
        return client.request(claim.method, claim.url, **claim.request)


def theirs(claim: Claim) -> Trace:
    async def ask() -> None:
        transport = httpx.ASGITransport(library_app.build(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            await client.request(claim.method, claim.url, **claim.request)

    with observe() as traces:
        asyncio.run(ask())
    (trace,) = traces
    return trace


@pytest.mark.parametrize("ask", [ours, theirs])
@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_the_trace_says_what_the_app_does(ask: Callable[[Claim], Trace], claim: Claim) -> None:
    trace = ask(claim)
    assert (trace.outcome, trace.refusal, trace.refused_by) == claim.refused
    assert trace.status == claim.status
    assert (trace.route, trace.handler, trace.stopped_at) == (claim.route, claim.handler, claim.stopped_at)
    assert trace.dependencies == claim.dependencies
    assert [issue.loc for issue in trace.validation_errors] == claim.errors
    raised = [(error.type, error.raised_in, error.handled_by, error.is_answer) for error in trace.exceptions]
    assert raised == claim.raised
    assert (trace.middleware, trace.middleware_out) == (claim.middleware, claim.out)
    assert len(trace.warnings) == claim.warnings


@pytest.mark.parametrize("ask", [ours, theirs])
class TestTheRestOfTheTrip:
    """What comes after the answer, and what crosses the app's edge."""

    def test_a_stream_s_pieces_and_its_first_byte(self, ask: Callable[[Claim], Trace]) -> None:
        trace = ask(Claim("GET", f"{BOOKS}/export", 200, HANDLED, ""))
        sent = [(message.type, message.size) for message in trace.messages if message.direction == "out"]
        assert sent == [
            ("http.response.start", 0),
            *[("http.response.body", 7)] * 3,
            ("http.response.body", 0),
        ]
        first = next(message.at for message in trace.messages if message.size)
        assert trace.time_to_first_byte == first
        assert [message.at for message in trace.messages] == sorted(message.at for message in trace.messages)

    def test_an_error_after_the_response_started(self, ask: Callable[[Claim], Trace]) -> None:
        trace = ask(Claim("GET", f"{BOOKS}/broken-export", 200, HANDLED, ""))
        assert (trace.status, trace.outcome, trace.handler) == (200, "error", "broken_export")
        assert trace.exceptions[0].type == "OSError"
        assert trace.exceptions[0].handled_by is None
        assert trace.middleware_out == MIDDLEWARE[::-1]  # the head had left them all

    def test_background_work_runs_after_the_last_byte(self, ask: Callable[[Claim], Trace]) -> None:
        trace = ask(Claim("POST", f"{BOOKS}/", 201, HANDLED, "", request={"json": BOOK, "headers": READER}))
        (task,) = trace.spans("background")
        sent = max(message.at for message in trace.messages if message.direction == "out")
        assert (task.name, task.start - trace.root.start > sent) == ("index_book", True)
        assert "background index_book" not in trace.path

    def test_an_error_in_background_work_is_no_answer(self, ask: Callable[[Claim], Trace]) -> None:
        book = {"title": "Ulysses", "pages": 700}
        trace = ask(Claim("POST", f"{BOOKS}/", 201, HANDLED, "", request={"json": book, "headers": READER}))
        assert (trace.status, trace.outcome) == (201, "error")
        assert [(error.type, error.raised_in, error.handled_by) for error in trace.exceptions] == [
            ("RuntimeError", "fail_to_index", None)
        ]

    def test_who_read_the_body(self, ask: Callable[[Claim], Trace]) -> None:
        trace = ask(Claim("POST", f"{BOOKS}/", 201, HANDLED, "", request={"json": BOOK, "headers": READER}))
        read = [(message.size, message.step) for message in trace.messages if message.type == "http.request"]
        assert read[1:] in ([], [(0, "POST /api/v1/books/")])  # httpx ends each body with an empty piece
        assert read[:1] == [(len(b'{"title":"Emma","pages":400}'), "POST /api/v1/books/")]
        unread = ask(Claim("GET", f"{BOOKS}/3", 200, HANDLED, ""))
        assert [message for message in unread.messages if message.type == "http.request"] == []

    def test_what_the_middleware_did(self, ask: Callable[[Claim], Trace]) -> None:
        trace = ask(
            Claim("GET", f"{BOOKS}/3", 200, HANDLED, "", request={"headers": {"origin": "https://library.example"}})
        )
        assert trace.span("RequestID").scope_added == ["request_id"]
        assert trace.span("RequestID").response_changes.added == {"x-request-id": "7"}
        setter = trace.header_set_by("access-control-allow-origin")
        assert setter is trace.span("CORSMiddleware")

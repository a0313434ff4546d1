"""Django REST framework: what each request's trace must say, read off `tests/apps/drf_app.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_lifecycle import Client, Trace, observe
from tests.apps import drf_app
from tests.engine import IS_PROFILING

LAYERS = ["middleware CommonMiddleware", "middleware logged_in"]
ADA, ROOT, EVE = ({"authorization": f"Token {name}"} for name in ("ada", "root", "eve"))
BOOKS, BOOK = "GET /api/books/$", "/api/books/(?P<pk>[^/.]+)/$"
KNOWN = ["dependency Token", "dependency IsAuthenticated"]
FINE = ("handled", None, None)
GOOD = {"title": "Emma", "pages": 400, "authors": [{"name": "Jane"}]}

Found = tuple[tuple[str | int, ...], str, str | None]


@dataclass(frozen=True)
class Claim:
    """One request and what its trace must say; `refused` is outcome, refusal and who refused."""

    asked: str
    status: int
    refused: tuple[str, str | None, str | None]
    route: str | None
    steps: list[str]
    found: list[Found] = field(default_factory=list)
    request: dict[str, Any] = field(default_factory=dict)


def books(asked: str, status: int, refused: Any, steps: list[str], found: Any = (), **request: Any) -> Claim:
    method = asked.partition(" ")[0]
    return Claim(asked, status, refused, f"{method} /api/books/$", steps, list(found), request)


def book(asked: str, status: int, refused: Any, steps: list[str], **request: Any) -> Claim:
    return Claim(asked, status, refused, f"{asked.partition(' ')[0]} {BOOK}", steps, [], request)


def v1(asked: str, status: int, refused: Any, steps: list[str], found: Any = (), **request: Any) -> Claim:
    method, _, path = asked.partition(" ")
    asked = f"{method} /api/v1/{path}"
    return Claim(asked, status, refused, f"{method} /api/v1/{path.partition('?')[0]}", steps, list(found), request)


def invalid(culprit: str) -> tuple[str, str, str]:
    return ("invalid", "validation", culprit)


CREATE = [*KNOWN, "handler Books.create"]
BY_TOKEN = ["dependency Token"]
CLAIMS = [
    # who asks
    books("GET /api/books/", 401, ("rejected", "authentication", "IsAuthenticated"), KNOWN),
    books(
        "GET /api/books/", 401, ("rejected", "authentication", "Token"), KNOWN[:1], headers={"authorization": "Token x"}
    ),
    books("GET /api/books/", 200, FINE, [*KNOWN, "handler Books.list", "validation passed"], headers=ADA),
    book("GET /api/books/1/", 200, FINE, [*KNOWN, "handler Books.retrieve", "dependency IsOwner"], headers=EVE),
    book("PUT /api/books/1/", 200, FINE, [*KNOWN, "handler Books.update", "dependency IsOwner"], headers=ADA),
    book(
        "PUT /api/books/1/",
        403,
        ("rejected", "permission", "IsOwner"),
        [*KNOWN, "handler Books.update", "dependency IsOwner"],
        headers=EVE,
    ),
    book(
        "GET /api/books/9/",
        404,
        ("handled", "not_found", "Books.retrieve"),
        [*KNOWN, "handler Books.retrieve"],
        headers=ADA,
    ),
    Claim(
        "POST /api/books/1/recall/",
        403,
        ("rejected", "permission", "IsAdminUser"),
        "POST /api/books/(?P<pk>[^/.]+)/recall/$",
        ["dependency Token", "dependency IsAdminUser"],
        request={"headers": ADA},
    ),
    Claim(
        "POST /api/books/1/recall/",
        200,
        FINE,
        "POST /api/books/(?P<pk>[^/.]+)/recall/$",
        ["dependency Token", "dependency IsAdminUser", "handler Books.recall"],
        request={"headers": ROOT},
    ),
    v1("GET who/", 401, ("rejected", "authentication", "IsAuthenticated"), KNOWN),
    v1("GET who/", 200, FINE, [*KNOWN, "handler who"], headers=ADA),
    v1(
        "GET either/",
        200,
        FINE,
        [*BY_TOKEN, "dependency IsAdminUser", "handler Either.get", "dependency IsAdminUser"],
        headers=ROOT,
    ),
    v1(
        "GET either/",
        200,
        FINE,
        [
            *BY_TOKEN,
            "dependency IsAdminUser",
            "handler Either.get",
            "dependency IsAdminUser",
            "dependency IsOwner",
        ],
        headers=ADA,
    ),
    v1("POST session/", 200, FINE, ["dependency SessionAuthentication", "handler Session.post"]),
    v1(
        "POST session/",
        403,
        ("rejected", "csrf", "SessionAuthentication"),
        ["dependency SessionAuthentication"],
        headers={"x-session": "ada"},
    ),
    v1("GET busy/", 200, FINE, [*BY_TOKEN, "dependency Twice", "handler Busy.get"]),
    v1("HEAD busy/", 200, FINE, [*BY_TOKEN, "dependency Twice", "handler Busy.get"]),
    v1(
        "GET busy/",
        429,
        ("rejected", "throttle", "Twice"),
        [*BY_TOKEN, "dependency Twice"],
        headers={"x-often": "yes"},
    ),
    # what is sent
    books("POST /api/books/", 201, FINE, [*CREATE, "validation passed"], headers=ADA, json=GOOD),
    books(
        "POST /api/books/",
        400,
        invalid("BookSerializer"),
        [*CREATE, "validation failed"],
        [(("pages",), "min_value", "0"), (("authors", 1, "name"), "max_length", "'Charlotte'")],
        headers=ADA,
        json={"title": "x", "pages": 0, "authors": [{"name": "Anne"}, {"name": "Charlotte"}]},
    ),
    books(
        "POST /api/books/",
        400,
        invalid("BookSerializer"),
        [*CREATE, "validation failed"],
        [(("non_field_errors",), "ghost", None)],
        headers=ADA,
        json={"title": "Ghost", "pages": 200},
    ),
    books(
        "POST /api/books/",
        400,
        invalid("BookSerializer"),
        [*CREATE, "validation failed"],
        [(("non_field_errors",), "invalid", None)],
        headers=ADA,
        json=[],
    ),
    books(
        "POST /api/books/",
        400,
        invalid("JSONParser"),
        [*CREATE, "validation failed"],
        [(("body",), "parse_error", None)],
        headers={**ADA, "content-type": "application/json"},
        content=b"{",
    ),
    Claim(
        "POST /api/books/bulk/",
        400,
        invalid("BookSerializer"),
        "POST /api/books/bulk/$",
        [*KNOWN, "handler Books.bulk", "validation failed"],
        [((1, "title"), "required", None)],
        {"headers": ADA, "json": [GOOD, {"pages": 1}]},
    ),
    Claim(
        "POST /api/books/bulk/",
        200,
        FINE,
        "POST /api/books/bulk/$",
        [*KNOWN, "handler Books.bulk", "validation passed"],
        request={"headers": ADA, "json": [GOOD]},
    ),
    Claim(
        "GET /api/books/?size=99",
        400,
        invalid("PageQuery"),
        BOOKS,
        [*KNOWN, "handler Books.list", "validation failed"],
        [(("size",), "max_value", "'99'")],
        {"headers": ADA},
    ),
    v1("GET shelves/", 200, FINE, [*BY_TOKEN, "handler Shelves.get"]),
    v1("POST shelves/", 201, FINE, [*BY_TOKEN, "handler Shelves.post", "validation passed"], json={"label": "abc"}),
    v1(
        "POST shelves/",
        400,
        invalid("ShelfSerializer"),
        [*BY_TOKEN, "handler Shelves.post", "validation failed"],
        [(("label",), "max_length", "'abcd'")],
        json={"label": "abcd"},
    ),
    v1("PUT upload/", 200, FINE, [*BY_TOKEN, "handler Upload.put"], files={"file": b"12345"}),
    v1(
        "PUT upload/",
        415,
        invalid("Request"),
        [*BY_TOKEN, "handler Upload.put", "validation failed"],
        [(("body",), "unsupported_media_type", None)],
        json={},
    ),
    v1(
        "PUT upload/",
        400,
        invalid("MultiPartParser"),
        [*BY_TOKEN, "handler Upload.put", "validation failed"],
        [(("body",), "parse_error", None)],
        content=b"x",
        headers={"content-type": "multipart/form-data"},
    ),
    v1("POST strict/", 200, FINE, [*BY_TOKEN, "handler Strict.post"], json={"a": 1}),
    v1(
        "GET strict/",
        406,
        ("rejected", "other", "DefaultContentNegotiation"),
        ["dependency DefaultContentNegotiation"],
        headers={"accept": "text/html"},
    ),
    # what the handler says
    v1("GET strict/", 200, FINE, [*BY_TOKEN, "handler Strict.get"]),
    v1("GET strict/?raise=crash", 500, ("error", None, None), [*BY_TOKEN, "handler Strict.get"]),
    v1("GET strict/?raise=gone", 404, ("handled", "not_found", "Strict.get"), [*BY_TOKEN, "handler Strict.get"]),
    v1("GET strict/?raise=denied", 403, ("handled", "permission", "Strict.get"), [*BY_TOKEN, "handler Strict.get"]),
    v1("GET strict/?raise=teapot", 418, ("handled", "other", "Strict.get"), [*BY_TOKEN, "handler Strict.get"]),
    v1("OPTIONS strict/", 200, FINE, [*BY_TOKEN, "handler Strict.options"]),
    v1("GET shown/", 200, FINE, [*BY_TOKEN, "handler Shown.get"], headers={"accept": "text/html"}),
    # no route, or not for this method
    Claim("PATCH /api/v1/strict/", 405, ("method_not_allowed", "method", "method_not_allowed"), None, BY_TOKEN),
    Claim(
        "DELETE /api/v1/who/",
        405,
        ("method_not_allowed", "method", "method_not_allowed"),
        None,
        KNOWN,
        request={"headers": ADA},
    ),
    Claim(
        "DELETE /api/books/1/",
        405,
        ("method_not_allowed", "method", "method_not_allowed"),
        None,
        KNOWN,
        request={"headers": ADA},
    ),
    Claim("GET /api/nope/", 404, ("not_found", "not_found", "not_found"), None, []),
    Claim("GET /api/v1/who", 301, ("redirected", None, None), None, []),
]


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[Claim], Trace]]:
    with drf_app.api_settings() as app, Client(app) as client:

        def asked(claim: Claim) -> Trace:
            method, _, url = claim.asked.partition(" ")
            return client.request(method, url, **claim.request)

        yield asked


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.asked} {claim.status} {claim.refused[2]}")
def test_the_trace_says_what_the_api_does(ask: Callable[[Claim], Trace], claim: Claim) -> None:
    for trace in (ask(claim), ask(claim)):
        assert trace.status == claim.status
        assert (trace.outcome, trace.refusal, trace.refused_by) == claim.refused
        assert trace.route == claim.route
        route = [] if claim.route is None else [f"route {claim.route}"]
        assert trace.path == [*LAYERS, *route, *claim.steps, f"response {claim.status}"]
        assert [(issue.loc, issue.type, issue.input) for issue in trace.validation_errors] == claim.found
        assert trace.framework == "django"
        assert trace.warnings == []


def test_a_handler_that_did_not_run_is_not_named(ask: Callable[[Claim], Trace]) -> None:
    for claim in CLAIMS:
        runs = any(step.startswith("handler ") for step in claim.steps)
        assert (ask(claim).handler is not None) == runs


def test_the_response_is_rendered_by_the_renderer_that_the_client_accepts() -> None:
    with drf_app.api_settings() as app, Client(app) as client:
        plain = client.get("/api/v1/strict/")
        shown = client.get("/api/v1/shown/", headers={"accept": "text/html"})
    assert [span.name for span in plain.spans("response")] == ["JSONRenderer"]
    assert [span.name for span in shown.spans("response")] == ["BrowsableAPIRenderer"]
    assert shown.spans("template") == []  # its own many templates are nobody's business


WRAPPED = {"EXCEPTION_HANDLER": f"{drf_app.__name__}.wrapped"}


@pytest.mark.parametrize(
    "claim",
    [claim for claim in CLAIMS if claim.refused[1] is not None and claim.refused[1] != "not_found"],
    ids=lambda claim: f"{claim.asked} {claim.status}",
)
def test_an_exception_handler_of_one_s_own_changes_neither_kind_nor_culprit(claim: Claim) -> None:
    method, _, url = claim.asked.partition(" ")
    with drf_app.api_settings(**WRAPPED) as app, Client(app) as client:
        trace = client.request(method, url, **claim.request)
    assert (trace.status, trace.outcome, trace.refusal, trace.refused_by) == (claim.status, *claim.refused)
    if trace.headers.get("content-type") == "application/json" and "books/bulk" not in url:
        assert list(trace.json()) == ["error"]


@pytest.mark.skipif(IS_PROFILING, reason="sys.setprofile does not tell of an exception caught in silence")
def test_who_answers_an_exception_is_the_handler_that_the_settings_name() -> None:
    with drf_app.api_settings(**WRAPPED) as app, Client(app) as client:
        trace = client.post("/api/v1/shelves/", json={"label": "abcd"})
    inner, outer = trace.exceptions
    assert (inner.type, inner.raised_in, inner.handled_by) == ("ValidationError", "ShelfSerializer", "Shelves.post")
    assert (outer.type, outer.raised_in, outer.handled_by) == ("ValidationError", "Shelves.post", "wrapped")


def test_the_framework_s_own_client_is_seen() -> None:
    from rest_framework.test import APIClient

    with drf_app.api_settings(), observe() as traces:
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION="Token eve")
        client.put("/api/books/1/", {}, format="json")
    (trace,) = traces
    assert (trace.status, trace.refusal, trace.refused_by) == (403, "permission", "IsOwner")
    assert trace.route == f"PUT {BOOK}"


def test_an_action_s_methods_are_those_of_its_route() -> None:
    with drf_app.api_settings() as app, Client(app) as client:
        trace = client.put("/api/books/1/recall/", headers=ROOT)
    chosen = next(candidate for candidate in trace.candidates if "recall" in candidate.pattern)
    assert (trace.status, chosen.methods) == (405, ("POST",))

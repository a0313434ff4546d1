"""A Flask shop, request by request: who refused and why, which route, which way, who changed what.

Each row is read off `tests/apps/flask_shop.py`, and has to be told the same through both clients.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from pytest_lifecycle import Client, Span, Trace, observe
from tests.apps import flask_shop

LAYERS = ["middleware RequestId", "middleware Maintenance"]
BEFORE = ["hook load_user", "hook throttle"]
AFTER = ["hook shout", "hook no_store"]
API_BEFORE = ["hook read_version", *BEFORE, "hook check_version"]
API_AFTER = ["hook sign", *AFTER]
STAMPED = {"RequestId": {"x-request-id": "1"}, "no_store": {"cache-control": "no-store"}}
API_STAMPED = {**STAMPED, "sign": {"set-cookie": "signed=yes; Path=/"}}

ADA, BOB, ROOT, EVE = ({"Authorization": name} for name in ("ada", "bob", "root", "eve"))


@dataclass(frozen=True)
class Row:
    """One request and what its trace must say."""

    method: str
    url: str
    status: int
    outcome: str
    steps: list[str]
    """What stands in `path` between the WSGI layers and the response."""
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    data: dict[str, str] | None = None
    content: bytes | None = None
    file: bytes | None = None
    refusal: str | None = None
    refused_by: str | None = None
    route: str | None = None
    handler: str | None = None
    stopped_at: str | None = None
    errors: list[tuple[tuple[str | int, ...], str]] = field(default_factory=list)
    added: dict[str, dict[str, str]] | None = None
    """The header lines that each layer and hook added."""
    nearest: list[str] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.status}"


def api(route: str, *inside: str, before: list[str] = API_BEFORE) -> list[str]:
    return [f"route {route}", *before, *inside, *API_AFTER]


def site(route: str, *inside: str) -> list[str]:
    return [f"route {route}", *BEFORE, *inside, *AFTER]


NUMBER = "/api/orders/<int:number>"

ROWS = [
    # -- read
    Row(
        "GET",
        "/api/orders/7",
        200,
        "handled",
        api(f"GET {NUMBER}", "handler OrderView.get"),
        route=f"GET {NUMBER}",
        handler="OrderView.get",
        added=API_STAMPED,
    ),
    Row(
        "HEAD",
        "/api/orders/7",
        200,
        "handled",
        api(f"HEAD {NUMBER}", "handler OrderView.get"),
        route=f"HEAD {NUMBER}",
        handler="OrderView.get",
    ),
    Row(
        "OPTIONS",
        "/api/orders/7",
        200,
        "short_circuited",
        api(f"OPTIONS {NUMBER}"),
        route=f"OPTIONS {NUMBER}",
    ),
    Row(
        "GET",
        "/api/orders/7",
        203,
        "handled",
        api(f"GET {NUMBER}", "handler OrderView.get"),
        headers={"X-Shout": "1"},
        route=f"GET {NUMBER}",
        handler="OrderView.get",
        added={**API_STAMPED, "shout": {"x-shouted": "1"}},
    ),
    Row(
        "GET",
        "/api/orders/0",
        404,
        "handled",
        api(f"GET {NUMBER}", "handler OrderView.get"),
        route=f"GET {NUMBER}",
        handler="OrderView.get",
    ),
    Row(
        "GET",
        "/api/orders/13",
        409,
        "handled",
        api(f"GET {NUMBER}", "handler OrderView.get"),
        route=f"GET {NUMBER}",
        handler="OrderView.get",
    ),
    Row(
        "GET",
        "/api/orders/8f14e45f-ceea-467f-a8e9-6b5a1d0f3c11/invoice",
        200,
        "handled",
        api("GET /api/orders/<uuid:key>/invoice", "handler invoice"),
        route="GET /api/orders/<uuid:key>/invoice",
        handler="invoice",
    ),
    Row(
        "GET",
        "/api/orders/?limit=5",
        200,
        "handled",
        api("GET /api/orders/", "handler list_orders"),
        route="GET /api/orders/",
        handler="list_orders",
    ),
    Row(
        "GET",
        "/api/orders/",
        400,
        "invalid",
        api("GET /api/orders/", "handler list_orders", "validation failed"),
        route="GET /api/orders/",
        handler="list_orders",
        refusal="validation",
        refused_by="Request",
        errors=[(("args", "limit"), "BadRequestKeyError")],
    ),
    # -- write
    Row(
        "POST",
        "/api/orders/",
        201,
        "handled",
        api("POST /api/orders/", "decorator login_required", "decorator json_required", "handler create_order"),
        headers=ADA,
        json={"quantity": 2},
        route="POST /api/orders/",
        handler="create_order",
    ),
    Row(
        "POST",
        "/api/orders/",
        422,
        "handled",
        api("POST /api/orders/", "decorator login_required", "decorator json_required", "handler create_order"),
        headers=ADA,
        json={"price": 2},
        route="POST /api/orders/",
        handler="create_order",
    ),
    Row(
        "POST",
        "/api/orders/",
        401,
        "short_circuited",
        api("POST /api/orders/", "decorator login_required"),
        json={"quantity": 2},
        route="POST /api/orders/",
        refusal="authentication",
        refused_by="login_required",
        stopped_at="decorator login_required",
    ),
    Row(
        "POST",
        "/api/orders/",
        400,
        "invalid",
        api("POST /api/orders/", "decorator login_required", "decorator json_required", "validation failed"),
        headers={**ADA, "Content-Type": "application/json"},
        content=b"{quantity: 2}",
        route="POST /api/orders/",
        refusal="validation",
        refused_by="Request",
        stopped_at="validation failed",
        errors=[(("body",), "BadRequest")],
    ),
    Row(
        "POST",
        "/api/orders/",
        415,
        "invalid",
        api("POST /api/orders/", "decorator login_required", "decorator json_required", "validation failed"),
        headers={**ADA, "Content-Type": "text/plain"},
        content=b"quantity=2",
        route="POST /api/orders/",
        refusal="validation",
        refused_by="Request",
        stopped_at="validation failed",
        errors=[(("body",), "UnsupportedMediaType")],
    ),
    Row(
        "POST",
        "/api/orders/",
        413,
        "invalid",
        api("POST /api/orders/", "decorator login_required", "decorator json_required", "validation failed"),
        headers={**ADA, "Content-Type": "application/json"},
        content=b"[" + b"1," * 400 + b"1]",
        route="POST /api/orders/",
        refusal="validation",
        refused_by="Request",
        errors=[(("body",), "RequestEntityTooLarge")],
    ),
    Row(
        "PUT",
        "/api/orders/7",
        200,
        "handled",
        api(f"PUT {NUMBER}", "decorator login_required", "decorator role_required", "handler OrderView.put"),
        headers=ADA,
        json={"quantity": 2},
        route=f"PUT {NUMBER}",
        handler="OrderView.put",
    ),
    Row(
        "PUT",
        "/api/orders/7",
        403,
        "short_circuited",
        api(f"PUT {NUMBER}", "decorator login_required", "decorator role_required"),
        headers=BOB,
        json={"quantity": 2},
        route=f"PUT {NUMBER}",
        refusal="permission",
        refused_by="role_required",
        stopped_at="decorator role_required",
    ),
    Row(
        "PUT",
        "/api/orders/7",
        500,
        "error",
        api(f"PUT {NUMBER}", "decorator login_required", "decorator role_required", "handler OrderView.put"),
        headers=ADA,
        json={"price": 2},
        route=f"PUT {NUMBER}",
        handler="OrderView.put",
    ),
    Row(
        "DELETE",
        "/api/orders/7",
        204,
        "handled",
        api(f"DELETE {NUMBER}", "decorator login_required", "handler OrderView.delete"),
        headers=BOB,
        route=f"DELETE {NUMBER}",
        handler="OrderView.delete",
    ),
    Row(
        "POST",
        "/api/orders/7/photo",
        201,
        "handled",
        api(f"POST {NUMBER}/photo", "decorator login_required", "handler upload"),
        headers=BOB,
        file=b"jpeg",
        route=f"POST {NUMBER}/photo",
        handler="upload",
    ),
    Row(
        "POST",
        "/api/orders/7/photo",
        400,
        "invalid",
        api(f"POST {NUMBER}/photo", "decorator login_required", "handler upload", "validation failed"),
        headers=BOB,
        data={"photo": "none"},
        route=f"POST {NUMBER}/photo",
        handler="upload",
        refusal="validation",
        refused_by="Request",
        errors=[(("files", "photo"), "BadRequestKeyError")],
    ),
    Row(
        "POST",
        "/api/orders/7/photo",
        413,
        "invalid",
        api(f"POST {NUMBER}/photo", "decorator login_required", "handler upload", "validation failed"),
        headers=BOB,
        file=b"jpeg" * 200,
        route=f"POST {NUMBER}/photo",
        handler="upload",
        refusal="validation",
        refused_by="Request",
        errors=[(("body",), "RequestEntityTooLarge")],
    ),
    # -- hooks that refuse
    Row(
        "GET",
        "/api/orders/7",
        401,
        "short_circuited",
        api(f"GET {NUMBER}", before=["hook read_version", "hook load_user"]),
        headers=EVE,
        route=f"GET {NUMBER}",
        refusal="authentication",
        refused_by="load_user",
        stopped_at="hook load_user",
    ),
    Row(
        "GET",
        "/nowhere",
        401,
        "short_circuited",
        ["hook load_user", *AFTER],
        headers=EVE,
        refusal="authentication",
        refused_by="load_user",
        stopped_at="hook load_user",
    ),
    Row(
        "GET",
        "/api/orders/7",
        429,
        "short_circuited",
        api(f"GET {NUMBER}", before=["hook read_version", *BEFORE]),
        headers={"X-Flood": "1"},
        route=f"GET {NUMBER}",
        refusal="throttle",
        refused_by="throttle",
        stopped_at="hook throttle",
    ),
    Row(
        "GET",
        "/api/orders/7",
        400,
        "short_circuited",
        api(f"GET {NUMBER}"),
        headers={"X-Api-Version": "2"},
        route=f"GET {NUMBER}",
        refusal="middleware",
        refused_by="check_version",
        stopped_at="hook check_version",
        added=API_STAMPED,
    ),
    Row(
        "GET",
        "/api/orders/7",
        503,
        "short_circuited",
        [],
        headers={"X-Closed": "1"},
        refusal="middleware",
        refused_by="Maintenance",
        stopped_at="middleware Maintenance",
        added={"RequestId": {"x-request-id": "1"}},
    ),
    # -- the admin's part
    Row(
        "GET",
        "/api/admin/report",
        200,
        "handled",
        api("GET /api/admin/report", "hook staff_only", "decorator role_required", "handler report"),
        headers=ROOT,
        route="GET /api/admin/report",
        handler="report",
        added=API_STAMPED,
    ),
    Row(
        "GET",
        "/api/admin/report",
        403,
        "short_circuited",
        api("GET /api/admin/report", "hook staff_only", "decorator role_required"),
        headers=ADA,
        route="GET /api/admin/report",
        refusal="permission",
        refused_by="role_required",
        stopped_at="decorator role_required",
    ),
    Row(
        "GET",
        "/api/admin/report",
        403,
        "short_circuited",
        api("GET /api/admin/report", "hook staff_only"),
        headers=BOB,
        route="GET /api/admin/report",
        refusal="permission",
        refused_by="staff_only",
        stopped_at="hook staff_only",
    ),
    Row(
        "GET",
        "/api/admin/download",
        200,
        "handled",
        api("GET /api/admin/download", "hook staff_only", "handler download"),
        headers=ADA,
        route="GET /api/admin/download",
        handler="download",
    ),
    # -- the site
    Row("GET", "/", 200, "handled", site("GET /", "handler index"), route="GET /", handler="index", added=STAMPED),
    Row("GET", "/rows", 200, "handled", site("GET /rows", "handler rows"), route="GET /rows", handler="rows"),
    Row(
        "POST",
        "/contact/",
        303,
        "handled",
        ["route POST /contact/", *BEFORE, "handler contact", "hook thank", *AFTER],
        data={"email": "a@b"},
        route="POST /contact/",
        handler="contact",
        added={**STAMPED, "thank": {"x-thanks": "a@b"}},
    ),
    Row(
        "POST",
        "/contact/",
        400,
        "invalid",
        site("POST /contact/", "handler contact", "validation failed"),
        data={"name": "a"},
        route="POST /contact/",
        handler="contact",
        refusal="validation",
        refused_by="Request",
        errors=[(("form", "email"), "BadRequestKeyError")],
    ),
    Row(
        "POST",
        "/login",
        401,
        "handled",
        site("POST /login", "handler login"),
        data={"name": "ada"},
        route="POST /login",
        handler="login",
    ),
    Row(
        "POST",
        "/login",
        200,
        "handled",
        site("POST /login", "handler login"),
        data={"name": "ada", "password": "secret"},
        route="POST /login",
        handler="login",
    ),
    Row(
        "GET",
        "/pages/a/b",
        200,
        "handled",
        site("GET /pages/<path:name>", "handler page"),
        route="GET /pages/<path:name>",
        handler="page",
    ),
    Row(
        "GET",
        "/crash",
        500,
        "error",
        site("GET /crash", "handler crash"),
        route="GET /crash",
        handler="crash",
        added=STAMPED,
    ),
    # -- routing
    Row(
        "GET", "/search", 200, "handled", site("GET /search/", "handler search"), route="GET /search/", handler="search"
    ),
    Row("GET", "/find", 308, "redirected", [*BEFORE, *AFTER]),
    Row("POST", "/contact", 308, "redirected", [*BEFORE, *AFTER], nearest=["/contact/ (differs: trailing slash)"]),
    Row("GET", "/api//orders/7", 308, "redirected", [*BEFORE, *AFTER]),
    Row(
        "GET",
        "/serch",
        404,
        "not_found",
        [*BEFORE, *AFTER],
        refusal="not_found",
        refused_by="not_found",
        nearest=["/search/ (is spelled differently)"],
    ),
    Row(
        "GET",
        "/api/orders/seven",
        404,
        "not_found",
        [*BEFORE, *AFTER],
        refusal="not_found",
        refused_by="not_found",
        nearest=[f'{NUMBER} ("seven" is no int)'],
    ),
    Row(
        "DELETE",
        "/api/orders/7/photo",
        405,
        "method_not_allowed",
        [*BEFORE, *AFTER],
        refusal="method",
        refused_by="method_not_allowed",
        nearest=[f"{NUMBER}/photo (takes POST, PUT)"],
    ),
]


@contextmanager
def our_client(app: Flask) -> Iterator[Callable[[Row], Trace]]:
    def ask(row: Row) -> Trace:
        files = None if row.file is None else {"photo": ("photo.jpg", row.file)}
        return client.request(
            row.method,
            row.url,
            headers=row.headers,
            json=row.json,
            data=row.data,
            content=row.content,
            files=files,
        )

    with Client(app) as client:
        yield ask


@contextmanager
def flask_client(app: Flask) -> Iterator[Callable[[Row], Trace]]:
    client = app.test_client()

    def ask(row: Row) -> Trace:
        data: Any = row.content or row.data
        if row.file is not None:
            data = {"photo": (io.BytesIO(row.file), "photo.jpg")}
        response = client.open(row.url, method=row.method, headers=row.headers, json=row.json, data=data)
        response.close()
        return traces[-1]

    with observe() as traces:
        yield ask


BOTH = pytest.mark.parametrize("client", [our_client, flask_client])


def added(trace: Trace) -> dict[str, dict[str, Any]]:
    """Give the header lines that each step added to the response that it was given."""
    return {span.name: span.response_changes.added for span in trace.spans() if span.response_changes.added}


@BOTH
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_whole_trip(client: Any, row: Row) -> None:
    with client(flask_shop.build()) as ask:
        for _ in range(2):
            check(ask(row), row)


def check(trace: Trace, row: Row) -> None:
    assert trace.path == [*LAYERS, *row.steps, f"response {row.status}"]
    assert (trace.status, trace.outcome) == (row.status, row.outcome)
    assert (trace.refusal, trace.refused_by) == (row.refusal, row.refused_by)
    assert (trace.route, trace.handler) == (row.route, row.handler)
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == row.errors
    assert trace.middleware_out == ["Maintenance", "RequestId"]
    assert trace.span("RequestId").scope_added == ["shop.request_id"]
    assert trace.warnings == []
    if row.stopped_at is not None:
        assert trace.stopped_at == row.stopped_at
    if row.added is not None:
        assert added(trace) == row.added
    if row.nearest is not None:
        assert trace.nearest[: len(row.nearest)] == row.nearest


def ours(app: Flask, method: str, url: str, **arguments: Any) -> Trace:
    with Client(app) as client:
        return client.request(method, url, **arguments)


def test_a_hook_that_gives_another_response_is_told_by_all_it_changed() -> None:
    trace = ours(flask_shop.build(), "GET", "/api/orders/7", headers={"X-Shout": "1"})
    changes = trace.span("shout").response_changes
    assert (changes.status, changes.body) == ((200, 203), "replaced")
    assert changes.changed["content-type"] == ("application/json", "text/html; charset=utf-8")
    assert changes.removed == ["set-cookie"]
    assert trace.json() == {"NUMBER": 7}


def test_who_set_which_header_and_cookie() -> None:
    app = flask_shop.build()
    thanked = ours(app, "POST", "/contact/", data={"email": "a@b"})
    signed = ours(app, "GET", "/api/orders/7")
    setters = [thanked.header_set_by(name) for name in ("X-Thanks", "Cache-Control", "X-Request-Id", "Location")]
    assert [span and span.name for span in setters] == ["thank", "no_store", "RequestId", None]
    assert signed.span("sign").response_changes.cookies == ["signed"]
    assert not signed.span("shout").response_changes


def test_what_hooks_put_into_g() -> None:
    trace = ours(flask_shop.build(), "GET", "/api/orders/7", headers=ADA)
    assert {span.name: span.scope_added for span in trace.spans("hook") if span.scope_added} == {
        "read_version": ["g.version"],
        "load_user": ["g.user", "g.roles"],
    }


@pytest.mark.parametrize(
    ("url", "headers", "content", "message"),
    [
        ("/api/orders/", {"Content-Type": "application/json"}, b"{]", "Failed to decode JSON object: Expecting"),
        ("/api/orders/", {"Content-Type": "text/plain"}, b"{}", "Did not attempt to load JSON data"),
        ("/contact/", {}, b"", "KeyError: 'email'"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_what_was_wrong_is_said_in_werkzeug_s_words(
    debug: bool, url: str, headers: dict[str, str], content: bytes, message: str
) -> None:
    app = flask_shop.build()
    if debug:
        app.config["DEBUG"] = True
    trace = ours(app, "POST", url, headers={**ADA, **headers}, content=content)
    assert trace.validation_errors[0].message.startswith(message)
    assert trace.outcome == "invalid"


def test_a_broken_body_that_the_view_answers_itself_is_no_refusal() -> None:
    from flask import request
    from werkzeug.exceptions import BadRequest

    app = Flask("lenient")

    @app.post("/")
    def lenient() -> Any:
        try:
            return request.get_json(force=True)
        except BadRequest:
            return "no JSON", 400

    trace = ours(app, "POST", "/", content=b"{]")
    assert (trace.status, trace.outcome, trace.validation, trace.refusal) == (400, "handled", "none", None)


def test_a_view_that_aborts_with_400_is_no_validation() -> None:
    from flask import abort

    app = Flask("strict")
    app.add_url_rule("/", view_func=lambda: abort(400), endpoint="index")
    trace = ours(app, "GET", "/")
    assert (trace.status, trace.outcome, trace.validation_errors) == (400, "handled", [])


def test_a_host_that_is_not_trusted_is_refused_by_flask() -> None:
    app = Flask("trusting")
    app.config["TRUSTED_HOSTS"] = ["shop.example"]
    app.add_url_rule("/", view_func=lambda: "index", endpoint="index")
    trace = ours(app, "GET", "/", headers={"host": "evil.example"})
    if "TRUSTED_HOSTS" in Flask("any").config:  # Flask 3.1
        assert (trace.status, trace.outcome) == (400, "short_circuited")
        assert (trace.refusal, trace.refused_by) == ("host", "Flask")


# -- templates


def given(template: Span) -> list[str]:
    """Give the names in a template's context; before 3.1.3 Flask itself put the session there."""
    return [name for name in template.attributes["context"] if name != "session"]


def test_templates_are_steps_with_their_names_and_context() -> None:
    app = flask_shop.build()
    index, rows = ours(app, "GET", "/"), ours(app, "GET", "/rows")
    (template,) = index.spans("template")
    assert (template.name, given(template)) == ("index.html", ["g", "request", "title"])
    assert template.parent is index.span("index")
    assert index.text == "<h1>shop</h1><p>footer</p>"
    (streamed,) = rows.spans("template")
    assert (streamed.name, given(streamed)) == ("rows.html", ["g", "request", "rows"])
    assert rows.text == "1,2,3,"


# -- exceptions


def test_an_error_handler_is_named_and_changes_neither_kind_nor_culprit() -> None:
    app = flask_shop.build()
    missing, sold_out = ours(app, "POST", "/contact/", data={"a": "b"}), ours(app, "GET", "/api/orders/13")
    assert [(error.type, error.handled_by) for error in missing.exceptions] == [("BadRequestKeyError", "bad_request")]
    assert [(error.type, error.raised_in, error.handled_by) for error in sold_out.exceptions] == [
        ("StockError", "OrderView.get", "no_stock")
    ]

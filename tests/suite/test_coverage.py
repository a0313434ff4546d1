"""What the requests of a run made of the routes that its apps declare."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI

from pytest_lifecycle import Client
from pytest_lifecycle._suite.coverage import Anonymous, Coverage, coverage_of
from pytest_lifecycle._suite.coverage_table import json_of, lines_of, map_markdown, markdown_of, percent_text
from pytest_lifecycle._suite.record import Record, record_of
from pytest_lifecycle._trace.declared import ANY, Declared, DeclaredMiddleware, DeclaredRoute


def asked(route: str | None, outcome: str = "handled", status: int | None = 200, **more: Any) -> Record:
    method, _, path = (route or more.pop("sent", "GET /nowhere")).partition(" ")
    handler = "view" if outcome == "handled" else None
    return Record("http", method, path, status, outcome, route=route, **{"handler": handler, **more})


def declaring(*routes: str, layers: tuple[DeclaredMiddleware, ...] = ()) -> Declared:
    parts = [route.partition(" ") for route in routes]
    return Declared(tuple(DeclaredRoute(method, pattern) for method, _, pattern in parts), layers)


def row(coverage: Coverage, route: str) -> Any:
    (found,) = [row for row in coverage.routes if str(row.route) == route]
    return found


REFUSED = {"outcome": "rejected", "status": 401, "refusal": "authentication", "refused_by": "current_user"}


def test_each_route_counts_its_outcomes_and_its_refusals() -> None:
    coverage = coverage_of(
        [
            asked("GET /orders/{id}"),
            asked("GET /orders/{id}", status=404),
            asked("GET /orders/{id}", status=410),
            asked("GET /orders/{id}", "invalid", 422, refusal="validation"),
            asked("GET /orders/{id}", **REFUSED),
            asked("GET /orders/{id}", "error", 500),
        ],
        declaring("GET /orders/{id}", "POST /orders"),
    )
    found = row(coverage, "GET /orders/{id}")
    assert found.outcomes == {"handled": 1, "not_found": 2, "invalid": 1, "rejected": 1, "error": 1}
    assert found.refusals == {"validation": 1, "authentication": 1}
    assert (coverage.reached, coverage.percent) == (1, 50.0)


@pytest.mark.parametrize(
    ("declared", "sent", "reached"),
    [
        ("GET /x", "GET /x", True),
        ("GET /x", "HEAD /x", True),
        ("GET /x", "POST /x", False),
        ("GET /x", "OPTIONS /x", False),
        ("OPTIONS /x", "OPTIONS /x", True),
        (f"{ANY} /x", "POST /x", True),
        (f"{ANY} /x", "HEAD /x", True),
        ("WEBSOCKET /x", "WEBSOCKET /x", True),
    ],
)
def test_a_request_counts_for_the_route_that_answers_its_method(declared: str, sent: str, reached: bool) -> None:
    coverage = coverage_of([asked(sent)], declaring(declared))
    assert bool(row(coverage, declared).requests) is reached


def test_a_route_that_no_app_declares_is_told_and_not_counted() -> None:
    coverage = coverage_of([asked("GET /x"), asked("GET /y")], declaring("GET /x", "GET /z"))
    assert (coverage.reached, len(coverage.counted)) == (1, 2)
    assert not row(coverage, "GET /y").is_declared
    assert "GET /y (not declared)" in "\n".join(lines_of(coverage))


def test_the_framework_s_own_routes_are_not_to_be_reached() -> None:
    docs = DeclaredRoute("GET", "/docs", builtin=True)
    coverage = coverage_of([asked("GET /x")], Declared((DeclaredRoute("GET", "/x"), docs)))
    assert coverage.percent == 100.0
    assert "/docs" not in "\n".join(lines_of(coverage))
    assert "/docs" not in markdown_of(coverage)


def test_omitted_routes_are_as_if_they_were_not_there() -> None:
    declared = declaring("GET /admin/users", "POST /x", "GET /x")
    coverage = coverage_of([asked("GET /admin/users"), asked("GET /x")], declared, omit=["/admin/*", "POST *"])
    assert [str(row.route) for row in coverage.routes] == ["GET /x"]
    assert coverage.percent == 100.0


ANONYMOUS = [
    ([], Anonymous.NEVER_ASKED),
    ([asked("GET /x", is_anonymous=False)], Anonymous.NEVER_ASKED),
    ([asked("GET /x")], Anonymous.ALLOWED),
    ([asked("GET /x", "invalid", 422, refusal="validation")], Anonymous.ALLOWED),
    ([asked("GET /x", "rejected", 429, refusal="throttle")], Anonymous.NEVER_ASKED),
    ([asked("GET /x", **REFUSED)], Anonymous.REFUSED),
    ([asked("GET /x", **{**REFUSED, "refusal": "permission", "status": 403})], Anonymous.REFUSED),
    ([asked("GET /x", "short_circuited", 302, redirect="/login")], Anonymous.REFUSED),
    ([asked("GET /x", "short_circuited", 503)], Anonymous.NEVER_ASKED),
    ([asked("GET /x", status=302, redirect="/thanks")], Anonymous.ALLOWED),
    ([asked("GET /x", **REFUSED, is_anonymous=False)], Anonymous.NEVER_ASKED),
    ([asked("GET /x", **REFUSED), asked("GET /x")], Anonymous.REFUSED),
    ([asked("GET /x"), asked("GET /x", **REFUSED)], Anonymous.REFUSED),
]


@pytest.mark.parametrize(("records", "anonymous"), ANONYMOUS)
def test_what_anonymous_requests_were_told(records: list[Record], anonymous: Anonymous) -> None:
    assert row(coverage_of(records, declaring("GET /x")), "GET /x").anonymous is anonymous


@pytest.mark.parametrize(
    ("sent", "guarded"),
    [
        ("GET /orders/7", "GET /orders/{id}"),
        ("GET /orders/new", "GET /orders/new"),
        ("HEAD /orders/7", "GET /orders/{id}"),
        ("PUT /files/a/b", f"{ANY} /files/<path:name>"),
        ("GET /old/1999/", "GET /^old/(?P<year>[0-9]{4})/$"),
    ],
)
def test_a_refusal_before_the_router_speaks_for_the_route_that_the_path_fits_best(sent: str, guarded: str) -> None:
    routes = (
        *("GET /orders/{id}", "GET /orders/new", "POST /orders/{id}", f"{ANY} /files/<path:name>"),
        "GET /^old/(?P<year>[0-9]{4})/$",
    )
    early = asked(None, "short_circuited", 401, sent=sent, refusal="authentication", refused_by="AuthMiddleware")
    coverage = coverage_of([early], declaring(*routes))
    assert [str(row.route) for row in coverage.routes if row.anonymous is Anonymous.REFUSED] == [guarded]
    assert coverage.reached == 0


def test_a_refusal_around_a_mounted_app_speaks_for_its_routes() -> None:
    early = asked("GET /admin", "short_circuited", 403, refusal="permission", refused_by="admin_only")
    early = replace(early, path="/admin/stats")
    coverage = coverage_of([early], declaring("GET /admin/stats", "GET /admin/{name}/x", "POST /admin/stats"))
    assert [str(row.route) for row in coverage.routes if row.anonymous is Anonymous.REFUSED] == ["GET /admin/stats"]
    assert all(row.is_declared for row in coverage.routes)
    assert (coverage.reached, coverage.unrouted) == (0, {"short_circuited": 1})


def test_a_framework_s_own_layer_that_answers_is_not_told_of() -> None:
    app = FastAPI()
    app.get("/orders/")(lambda: None)
    with Client(app) as client:
        record = record_of(client.get("/orders"))
    assert (record.outcome, record.stopped_by) == ("redirected", ())


def test_middleware_that_nothing_went_through_says_why() -> None:
    layers = (
        DeclaredMiddleware("Seen"),
        DeclaredMiddleware("Gate"),
        DeclaredMiddleware("Unused", active=False, reason="it raised MiddlewareNotUsed as it was loaded"),
        DeclaredMiddleware("Inner", where="mount /admin"),
    )
    records = [
        asked("GET /x", middleware=("Seen", "Gate")),
        asked(None, middleware=("Seen", "Gate"), stopped_by=("Gate",)),
    ]
    coverage = coverage_of(records, declaring("GET /x", layers=layers))
    assert [(layer.name, layer.requests, layer.answered, layer.why_unseen) for layer in coverage.middleware] == [
        ("Gate", 2, 1, ""),
        ("Inner", 0, 0, "around mount /admin"),
        ("Seen", 2, 0, ""),
        ("Unused", 0, 0, "it raised MiddlewareNotUsed as it was loaded"),
    ]


# -- how it is written


WHOLE = coverage_of(
    [
        asked("GET /orders/{id}", middleware=("CORS",)),
        asked("GET /orders/{id}", **REFUSED),
        asked("GET /", is_anonymous=False),
        asked(None, "not_found", 404),
        asked(None, "method_not_allowed", 405),
    ],
    declaring(
        *("POST /orders", "GET /", "GET /orders/{id}"),
        layers=(DeclaredMiddleware("CORS"), DeclaredMiddleware("Inner", where="mount /a")),
    ),
    lost=1,
)


def test_the_table_of_a_terminal() -> None:
    assert lines_of(WHOLE) == [
        "route             asked  anonymous    outcomes",
        "GET /                 1  never asked  handled 1",
        "POST /orders          0  never asked",
        "GET /orders/{id}      2  refused      handled 1, rejected 1; refused by authentication 1",
        "",
        "2 of 3 routes reached (66.6 %)",
        "never reached (1):",
        "  POST /orders",
        "reached, and never refused to an anonymous request (1):",
        "  GET / (never asked)",
        "no route was chosen: not_found 1, method_not_allowed 1",
        "middleware that never answered itself: CORS",
        "middleware that no request went through (1):",
        "  Inner (around mount /a)",
        "incomplete: 1 test took their process with them",
    ]


def test_the_table_in_markdown() -> None:
    lines = markdown_of(WHOLE).splitlines()
    assert lines[2:5] == [
        "| route | asked | anonymous | outcomes |",
        "| --- | --- | --- | --- |",
        "| GET / | 1 | never asked | handled 1 |",
    ]
    assert "- never reached (1):" in lines
    assert "  - POST /orders" in lines


def test_the_same_as_json() -> None:
    data = json.loads(json_of(WHOLE))
    assert data["schema"] == 1
    assert data["summary"] == {
        "routes": 3,
        "reached": 2,
        "percent": 66.67,
        "unrouted": {"method_not_allowed": 1, "not_found": 1},
        "lost": 1,
    }
    assert data["routes"][2] == {
        "method": "GET",
        "pattern": "/orders/{id}",
        "handler": None,
        "source": None,
        "declared": True,
        "builtin": False,
        "requests": 2,
        "outcomes": {"handled": 1, "rejected": 1},
        "refusals": {"authentication": 1},
        "anonymous": "refused",
    }
    assert data["middleware"][1] == {
        "name": "Inner",
        "declared": True,
        "active": True,
        "requests": 0,
        "answered": 0,
    }


def test_nothing_in_a_table_is_obeyed_by_a_terminal_or_by_markdown() -> None:
    declared = declaring("GET /\x1b[31m|`x`", layers=(DeclaredMiddleware("A\nB", active=False, reason="<b>"),))
    coverage = coverage_of([], declared)
    assert all(line.isprintable() for line in lines_of(coverage))
    assert "\x1b" not in markdown_of(coverage)
    assert "| GET /\\\\x1b\\[31m\\|\\`x\\` |" in map_markdown(declared)
    assert "\\<b\\>" in map_markdown(declared)


def test_a_map_of_apps_without_middleware_has_no_heading_for_it() -> None:
    layers = (DeclaredMiddleware("GZip", "app"),)
    routes = "# Routes\n\n| route | handler | dependencies | middleware, outermost first |\n| --- | --- | --- | --- |\n"
    assert map_markdown(declaring("GET /x")) == f"{routes}| GET /x |  |  |  |\n"
    assert map_markdown(declaring("GET /x", layers=layers)) == (
        f"{routes}| GET /x |  |  |  |\n\n# Middleware\n\n- GZip, around app\n"
    )


@pytest.mark.parametrize(("percent", "text"), [(100.0, "100"), (99.99, "99.9"), (0.0, "0"), (200 / 3, "66.6")])
def test_a_percentage_is_never_written_higher_than_it_is(percent: float, text: str) -> None:
    assert percent_text(percent) == text


def test_a_run_that_no_app_was_read_in_says_so() -> None:
    coverage = coverage_of([asked("GET /x")], Declared())
    assert coverage.percent == 0.0
    assert "no route is known: no app was asked whose declared routes can be read" in lines_of(coverage)


# -- several apps


def test_what_apps_declare_together_is_the_same_in_any_order() -> None:
    one = declaring("GET /b", "GET /a", layers=(DeclaredMiddleware("Z"), DeclaredMiddleware("A")))
    other = declaring("GET /a", "GET /c", layers=(DeclaredMiddleware("M"),))
    union = Declared.union([one, other, one])
    assert union == Declared.union([other, one])
    assert list(map(str, union.routes)) == ["GET /a", "GET /b", "GET /c"]
    assert [layer.name for layer in Declared.union([one, one]).middleware] == ["Z", "A"]


def test_declared_parts_come_back_from_json_as_they_were() -> None:
    route = DeclaredRoute("GET", "/x", "x", "view", ("a",), ("M",), ("shop.py", 3), builtin=True)
    declared = Declared((route, DeclaredRoute("GET", "/y")), (DeclaredMiddleware("M", "m:M", "app", False, "why"),))
    assert Declared.from_json(json.loads(json.dumps(declared.to_json()))) == declared

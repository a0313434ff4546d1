"""What each request to the Flask shop goes through. Flask routes first, then runs its hooks."""

from __future__ import annotations

from flask import Flask

from pytest_lifecycle import Client, Trace

MIDDLEWARE = ["RequestIDMiddleware", "GzipMiddleware"]
LAYERS = [f"middleware {name}" for name in MIDDLEWARE]
BEFORE = ["hook answer_preflight", "hook open_store", "hook load_user"]
AFTER = ["hook allow_origin"]
ADA = {"authorization": "Bearer ada-token"}
ROOT = {"authorization": "Bearer root-token"}
BROWSER = {"origin": "https://shop.example"}


def test_reading_an_order_goes_through_every_layer(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers=ADA)
    assert trace.path == [
        *LAYERS,
        "route GET /orders/<int:order_id>",
        *BEFORE,
        "decorator login_required",
        "handler OrderView.get",
        *AFTER,
        "response 200",
    ]
    assert trace.outcome == "handled"
    assert trace.framework == "flask"
    assert trace.interface == "wsgi"
    assert trace.json()["sku"] == "notebook"


def test_the_response_passes_the_layers_in_reverse(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers=ADA)
    assert trace.middleware == MIDDLEWARE
    assert trace.middleware_out == MIDDLEWARE[::-1]


def test_the_route_has_its_blueprint_s_prefix_and_name(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers=ADA)
    assert trace.route == "GET /orders/<int:order_id>"
    assert trace.route_name == "orders.order"
    assert trace.path_params == {"order_id": 42}


def test_creating_an_order(lifecycle: Client) -> None:
    trace = lifecycle.post("/orders/", headers=ADA, json={"sku": "pen", "quantity": 2})
    assert trace.path == [
        *LAYERS,
        "route POST /orders/",
        *BEFORE,
        "decorator login_required",
        "handler create_order",
        "validation passed",
        *AFTER,
        "response 201",
    ]
    assert trace.validation == "passed"


def test_a_bad_quantity_is_refused_inside_the_view(lifecycle: Client) -> None:
    trace = lifecycle.post("/orders/", headers=ADA, json={"sku": "pen", "quantity": "many"})
    assert trace.path == [
        *LAYERS,
        "route POST /orders/",
        *BEFORE,
        "decorator login_required",
        "handler create_order",
        "validation failed",
        *AFTER,
        "response 422",
    ]
    assert trace.outcome == "invalid"
    assert trace.handler == "create_order"
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == [(("quantity",), "int_parsing")]
    assert trace.exceptions[0].type == "ValidationError"
    assert trace.exceptions[0].handled_by == "answer_invalid"


def test_without_a_token_the_decorator_refuses(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42")
    assert trace.path == [
        *LAYERS,
        "route GET /orders/<int:order_id>",
        *BEFORE,
        "decorator login_required",
        *AFTER,
        "response 401",
    ]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "decorator login_required"
    assert trace.handler is None


def test_a_blueprint_s_hook_keeps_all_but_admins_out(lifecycle: Client) -> None:
    trace = lifecycle.get("/admin/stats", headers=ADA)
    assert trace.path == [
        *LAYERS,
        "route GET /admin/stats",
        *BEFORE,
        "hook require_admin",
        *AFTER,
        "response 403",
    ]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "hook require_admin"
    assert lifecycle.get("/admin/stats", headers=ROOT).handler == "read_stats"


def test_only_admins_delete_which_is_the_view_s_own_403(lifecycle: Client) -> None:
    trace = lifecycle.delete("/orders/42", headers=ADA)
    assert trace.status == 403
    assert trace.outcome == "handled"
    assert trace.handler == "OrderView.delete"
    assert lifecycle.delete("/orders/42", headers=ROOT).status == 204


def test_an_order_that_is_not_there_is_the_view_s_own_404(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/999", headers=ADA)
    assert trace.status == 404
    assert trace.outcome == "handled"
    assert trace.handler == "OrderView.get"
    assert trace.exceptions[0].type == "NotFound"
    assert trace.exceptions[0].handled_by == "answer_error"


def test_an_unknown_path_runs_the_hooks_and_no_view(lifecycle: Client) -> None:
    trace = lifecycle.get("/nope")
    assert trace.path == [*LAYERS, *BEFORE, *AFTER, "response 404"]
    assert trace.outcome == "not_found"
    assert trace.route is None
    assert trace.handler is None


def test_a_method_that_no_route_has(lifecycle: Client) -> None:
    trace = lifecycle.put("/orders/", headers=ADA)
    assert trace.path == [*LAYERS, *BEFORE, *AFTER, "response 405"]
    assert trace.outcome == "method_not_allowed"
    assert trace.route is None


def test_a_missing_slash_is_redirected_by_the_router(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders", headers=ADA)
    assert trace.path == [*LAYERS, *BEFORE, *AFTER, "response 308"]
    assert trace.outcome == "redirected"
    assert trace.headers["location"] == "http://testserver/orders/"


def test_a_redirect_that_is_followed_keeps_its_own_trace(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders", headers=ADA, follow_redirects=True)
    assert trace.handler == "list_orders"
    assert [earlier.outcome for earlier in trace.history] == ["redirected"]


def test_a_preflight_is_answered_by_the_first_hook(lifecycle: Client) -> None:
    trace = lifecycle.options("/orders/", headers={**BROWSER, "access-control-request-method": "GET"})
    assert trace.path == [*LAYERS, "route OPTIONS /orders/", "hook answer_preflight", *AFTER, "response 204"]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "hook answer_preflight"


def test_a_crash_is_answered_inside_the_layers_so_the_500_has_its_cors_header(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/7/unit-price", headers={**ADA, **BROWSER})
    assert trace.path == [
        *LAYERS,
        "route GET /orders/<int:order_id>/unit-price",
        *BEFORE,
        "decorator login_required",
        "handler read_unit_price",
        *AFTER,
        "response 500",
    ]
    assert trace.outcome == "error"
    assert trace.middleware_out == MIDDLEWARE[::-1]
    assert trace.headers["access-control-allow-origin"] == "https://shop.example"
    crash = trace.exceptions[0]
    assert (crash.type, crash.raised_in) == ("ZeroDivisionError", "read_unit_price")
    assert crash.crossed == ("login_required",)
    assert crash.handled_by is not None


def test_teardown_hooks_run_after_the_response(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers=ADA)
    assert trace.span("close_store").kind == "hook"
    assert "hook close_store" not in trace.path


def test_a_long_list_is_compressed(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/", headers={**ADA, "accept-encoding": "gzip"})
    assert trace.headers["content-encoding"] == "gzip"
    assert len(trace.json()) == 21


def test_the_framework_s_own_test_client_is_seen_too(lifecycle_app: Flask, lifecycle_traces: list[Trace]) -> None:
    lifecycle_app.test_client().get("/orders/42", headers=ADA)
    assert lifecycle_traces[-1].route == "GET /orders/<int:order_id>"
    assert lifecycle_traces[-1].middleware == MIDDLEWARE


def test_who_said_no(lifecycle: Client) -> None:
    refused = {
        "no token": lifecycle.get("/orders/42"),
        "no admin": lifecycle.get("/admin/stats", headers=ADA),
        "no number": lifecycle.post("/orders/", headers=ADA, json={"sku": "pen", "quantity": "many"}),
        "no such path": lifecycle.get("/order/42", headers=ADA),
    }
    assert {why: (trace.refusal, trace.refused_by) for why, trace in refused.items()} == {
        "no token": ("authentication", "login_required"),
        "no admin": ("permission", "require_admin"),
        "no number": ("validation", "NewOrder"),
        "no such path": ("not_found", "not_found"),
    }


def test_a_path_that_is_nearly_right_names_the_right_one(lifecycle: Client) -> None:
    assert lifecycle.get("/order/42", headers=ADA).nearest[0] == "/orders/<int:order_id> (is spelled differently)"


def test_who_set_which_header(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers={**ADA, **BROWSER})
    setters = {name: trace.header_set_by(name) for name in ("x-request-id", "access-control-allow-origin")}
    assert {name: setter.name for name, setter in setters.items() if setter is not None} == {
        "x-request-id": "RequestIDMiddleware",
        "access-control-allow-origin": "allow_origin",
    }

"""What each request to the FastAPI shop goes through."""

from __future__ import annotations

import pytest

from pytest_lifecycle import Client, Trace

from .main import app

MIDDLEWARE = ["timing", "RequestIDMiddleware", "CORSMiddleware", "GZipMiddleware", "MaintenanceMiddleware"]
LAYERS = [f"middleware {name}" for name in MIDDLEWARE]
ADA = {"authorization": "Bearer ada-token"}
ROOT = {"authorization": "Bearer root-token"}
BROWSER = {"origin": "https://shop.example"}


def test_reading_an_order_goes_through_every_layer(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers=ADA)
    assert trace.path == [
        *LAYERS,
        "route GET /orders/{order_id}",
        "dependency get_db",
        "dependency bearer",
        "dependency current_user",
        "validation passed",
        "handler read_order",
        "response 200",
    ]
    assert trace.outcome == "handled"
    assert trace.framework == "fastapi"
    assert trace.interface == "asgi"
    assert trace.json()["sku"] == "notebook"


def test_the_response_passes_the_layers_in_reverse(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers=ADA)
    assert trace.middleware == MIDDLEWARE
    assert trace.middleware_out == MIDDLEWARE[::-1]


def test_the_route_has_the_prefixes_of_its_routers(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42/invoice/unit-price", headers=ADA)
    assert trace.route == "GET /orders/{order_id}/invoice/unit-price"
    assert trace.route_name == "read_unit_price"
    assert trace.path_params == {"order_id": "42"}
    assert trace.handler == "read_unit_price"


def test_a_mounted_app_brings_its_own_middleware_and_dependencies(lifecycle: Client) -> None:
    trace = lifecycle.get("/admin/stats", headers=ROOT)
    assert trace.path == [
        *LAYERS,
        "middleware NoStoreMiddleware",
        "route GET /admin/stats",
        "dependency bearer",
        "dependency get_db",
        "dependency current_user",
        "dependency admin_only",
        "validation passed",
        "handler read_stats",
        "response 200",
    ]
    assert trace.headers["cache-control"] == "no-store"


def test_creating_an_order(lifecycle: Client) -> None:
    trace = lifecycle.post("/orders", headers=ADA, json={"sku": "pen", "quantity": 2})
    assert trace.status == 201
    assert trace.route == "POST /orders"
    assert trace.validation == "passed"
    assert trace.validation_errors == []
    assert trace.handler == "create_order"


def test_a_bad_quantity_is_refused_before_the_handler(lifecycle: Client) -> None:
    trace = lifecycle.post("/orders", headers=ADA, json={"sku": "pen", "quantity": "many"})
    assert trace.path == [
        *LAYERS,
        "route POST /orders",
        "dependency get_db",
        "dependency bearer",
        "dependency current_user",
        "validation failed",
        "response 422",
    ]
    assert trace.outcome == "invalid"
    assert trace.handler is None
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == [(("body", "quantity"), "int_parsing")]
    assert trace.stopped_at == "validation failed"


def test_a_bad_path_parameter_is_refused_after_the_dependencies(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/forty-two", headers=ADA)
    assert trace.status == 422
    assert trace.dependencies == ["get_db", "bearer", "current_user"]
    assert [issue.loc for issue in trace.validation_errors] == [("path", "order_id")]


def test_without_a_token_the_first_dependency_that_needs_it_refuses(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42")
    assert trace.path == [
        *LAYERS,
        "route GET /orders/{order_id}",
        "dependency get_db",
        "dependency bearer",
        "response 401",
    ]
    assert trace.outcome == "rejected"
    assert trace.stopped_at == "dependency bearer"
    assert trace.validation == "not reached"
    assert trace.exceptions[0].type == "HTTPException"
    assert trace.exceptions[0].raised_in == "bearer"
    assert trace.exceptions[0].crossed == ()


def test_only_admins_delete(lifecycle: Client) -> None:
    trace = lifecycle.delete("/orders/42", headers=ADA)
    assert trace.status == 403
    assert trace.outcome == "rejected"
    assert trace.dependencies == ["bearer", "get_db", "current_user", "admin_only"]
    assert trace.stopped_at == "dependency admin_only"
    assert lifecycle.delete("/orders/42", headers=ROOT).status == 204


def test_an_order_that_is_not_there_is_the_handlers_own_404(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/999", headers=ADA)
    assert trace.status == 404
    assert trace.outcome == "handled"
    assert trace.handler == "read_order"


def test_an_unknown_path_is_the_routers_404(lifecycle: Client) -> None:
    trace = lifecycle.get("/nope")
    assert trace.path == [*LAYERS, "response 404"]
    assert trace.outcome == "not_found"
    assert trace.route is None
    assert trace.handler is None


def test_a_method_that_no_route_has(lifecycle: Client) -> None:
    trace = lifecycle.put("/orders", headers=ADA)
    assert trace.path == [*LAYERS, "response 405"]
    assert trace.outcome == "method_not_allowed"
    assert trace.route is None


def test_a_slash_too_many_is_redirected_by_the_router(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/", headers=ADA)
    assert trace.path == [*LAYERS, "response 307"]
    assert trace.outcome == "redirected"
    assert trace.headers["location"] == "http://testserver/orders"


def test_a_redirect_that_is_followed_keeps_its_own_trace(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/", headers=ADA, follow_redirects=True)
    assert trace.handler == "list_orders"
    assert [earlier.outcome for earlier in trace.history] == ["redirected"]


def test_a_preflight_never_gets_past_cors(lifecycle: Client) -> None:
    trace = lifecycle.options("/orders", headers={**BROWSER, "access-control-request-method": "GET"})
    assert trace.path == [*LAYERS[:3], "response 200"]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "middleware CORSMiddleware"
    assert trace.middleware_out == ["CORSMiddleware", "RequestIDMiddleware", "timing"]


def test_maintenance_answers_before_the_router(lifecycle: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_MAINTENANCE", "on")
    trace = lifecycle.get("/orders/42", headers=ADA)
    assert trace.path == [*LAYERS, "response 503"]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "middleware MaintenanceMiddleware"
    assert trace.handler is None


def test_a_crash_flies_past_every_middleware_so_the_500_has_no_cors_header(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/7/invoice/unit-price", headers={**ADA, **BROWSER})
    assert trace.status == 500
    assert trace.outcome == "error"
    assert trace.handler == "read_unit_price"
    assert trace.middleware_out == []
    assert "access-control-allow-origin" not in trace.headers
    (crash,) = trace.exceptions
    assert (crash.type, crash.raised_in) == ("ZeroDivisionError", "read_unit_price")
    assert crash.crossed == tuple(MIDDLEWARE[::-1])


def test_a_long_list_is_compressed(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders", headers={**ADA, "accept-encoding": "gzip"})
    assert trace.headers["content-encoding"] == "gzip"
    assert len(trace.json()) == 21


@pytest.mark.filterwarnings("ignore")  # older test clients are themselves warned about, as they are imported
def test_the_framework_s_own_test_client_is_seen_too(lifecycle_traces: list[Trace]) -> None:
    from fastapi.testclient import TestClient

    with TestClient(app) as client:
        client.get("/orders/42", headers=ADA)
    assert lifecycle_traces[-1].route == "GET /orders/{order_id}"
    assert lifecycle_traces[-1].middleware == MIDDLEWARE


def test_who_said_no(lifecycle: Client) -> None:
    refused = {
        "no token": lifecycle.get("/orders/42"),
        "no admin": lifecycle.delete("/orders/42", headers=ADA),
        "no number": lifecycle.get("/orders/forty-two", headers=ADA),
        "no such path": lifecycle.get("/order", headers=ADA),
    }
    assert {why: (trace.refusal, trace.refused_by) for why, trace in refused.items()} == {
        "no token": ("authentication", "bearer"),
        "no admin": ("permission", "admin_only"),
        "no number": ("validation", "validation"),
        "no such path": ("not_found", "not_found"),
    }


def test_a_path_that_is_nearly_right_names_the_right_one(lifecycle: Client) -> None:
    assert lifecycle.get("/order", headers=ADA).nearest[0] == "/orders (is spelled differently)"
    assert lifecycle.put("/orders", headers=ADA).nearest[:2] == ["/orders (takes GET)", "/orders (takes POST)"]


def test_who_set_which_header(lifecycle: Client) -> None:
    trace = lifecycle.get("/admin/stats", headers=ROOT)
    setters = {name: trace.header_set_by(name) for name in ("server-timing", "x-request-id", "cache-control")}
    assert {name: setter.name for name, setter in setters.items() if setter is not None} == {
        "server-timing": "timing",
        "x-request-id": "RequestIDMiddleware",
        "cache-control": "NoStoreMiddleware",
    }


def test_the_database_is_opened_once_and_closed_after_the_response(lifecycle: Client) -> None:
    runs = lifecycle.get("/orders/42", headers=ADA).dependency_runs
    assert [(run.name, run.run, run.exit) for run in runs if run.name == "get_db"] == [
        ("get_db", "ran", "after response"),
        ("get_db", "cached", None),
    ]


def test_the_status_of_an_order_is_pushed_over_a_websocket(lifecycle: Client) -> None:
    with lifecycle.websocket("/orders/42/events", headers=ADA) as websocket:
        assert websocket.receive_json() == {"order": 42, "status": "packed"}
    assert websocket.trace.route == "WEBSOCKET /orders/{order_id}/events"
    assert websocket.trace.dependencies == ["bearer", "store_of", "current_listener"]
    with lifecycle.websocket("/orders/42/events") as websocket:
        assert not websocket.is_accepted
    assert (websocket.trace.status, websocket.trace.refused_by) == (401, "bearer")


def test_the_store_is_there_before_the_first_request(lifecycle: Client) -> None:
    assert lifecycle.lifespan is not None
    assert lifecycle.lifespan.path[-2:] == ["startup lifespan", "lifespan complete"]
    assert lifecycle.lifespan.root.scope_added == ["state.store"]

"""What each request to the bare ASGI shop goes through. Layers and handlers are found; no router is known."""

from __future__ import annotations

from pytest_lifecycle import Client

MIDDLEWARE = ["RequestIDMiddleware", "with_cors", "catching", "GzipMiddleware", "AuthMiddleware"]
LAYERS = [f"middleware {name}" for name in MIDDLEWARE]
ADA = {"authorization": "Bearer ada-token"}
ROOT = {"authorization": "Bearer root-token"}
BROWSER = {"origin": "https://shop.example"}


def test_reading_an_order_goes_through_every_layer(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers=ADA)
    assert trace.path == [*LAYERS, "handler read_order", "response 200"]
    assert trace.outcome == "handled"
    assert trace.framework is None
    assert trace.interface == "asgi"
    assert trace.route is None
    assert trace.validation == "none"
    assert trace.json()["sku"] == "notebook"


def test_the_response_passes_the_layers_in_reverse(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers={**ADA, **BROWSER, "accept-encoding": "gzip"})
    assert trace.middleware == MIDDLEWARE
    assert trace.middleware_out == MIDDLEWARE[::-1]


def test_creating_an_order(lifecycle: Client) -> None:
    trace = lifecycle.post("/orders", headers=ADA, json={"sku": "pen", "quantity": 2})
    assert trace.path == [*LAYERS, "handler create_order", "response 201"]


def test_a_bad_quantity_is_refused_by_the_handler(lifecycle: Client) -> None:
    trace = lifecycle.post("/orders", headers=ADA, json={"sku": "pen", "quantity": "many"})
    assert trace.path == [*LAYERS, "handler create_order", "response 422"]
    assert trace.outcome == "handled"


def test_without_a_token_the_auth_layer_answers(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42")
    assert trace.path == [*LAYERS, "response 401"]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "middleware AuthMiddleware"
    assert trace.handler is None


def test_a_gate_around_one_handler_is_a_layer_of_that_request(lifecycle: Client) -> None:
    refused = lifecycle.get("/admin/stats", headers=ADA)
    assert refused.path == [*LAYERS, "middleware admin_gate", "response 403"]
    assert refused.outcome == "short_circuited"
    assert refused.stopped_at == "middleware admin_gate"
    passed = lifecycle.get("/admin/stats", headers=ROOT)
    assert passed.path == [*LAYERS, "middleware admin_gate", "handler read_stats", "response 200"]


def test_an_order_that_is_not_there_is_the_handlers_own_404(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/999", headers=ADA)
    assert trace.path == [*LAYERS, "handler read_order", "response 404"]
    assert trace.outcome == "handled"


def test_an_unknown_path_is_answered_by_the_innermost_app_the_router(lifecycle: Client) -> None:
    trace = lifecycle.get("/nope", headers=ADA)
    assert trace.path == [*LAYERS, "handler Router", "response 404"]
    assert trace.middleware_out == MIDDLEWARE[::-1]


def test_a_method_that_no_route_has(lifecycle: Client) -> None:
    trace = lifecycle.put("/orders", headers=ADA)
    assert trace.path == [*LAYERS, "handler Router", "response 405"]
    assert trace.headers["allow"] == "GET, POST"


def test_a_slash_too_many_is_redirected(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/", headers=ADA, follow_redirects=True)
    assert trace.handler == "list_orders"
    assert [earlier.status for earlier in trace.history] == [307]


def test_a_preflight_never_gets_past_cors(lifecycle: Client) -> None:
    trace = lifecycle.options("/orders", headers={**BROWSER, "access-control-request-method": "GET"})
    assert trace.path == [*LAYERS[:2], "response 204"]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "middleware with_cors"
    assert trace.middleware_out == ["with_cors", "RequestIDMiddleware"]


def test_a_crash_flies_past_two_layers_to_the_one_that_catches_it(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/7/unit-price", headers={**ADA, **BROWSER})
    assert trace.path == [*LAYERS, "handler read_unit_price", "response 500"]
    assert trace.outcome == "error"
    assert trace.middleware_out == ["catching", "with_cors", "RequestIDMiddleware"]
    assert trace.headers["access-control-allow-origin"] == "https://shop.example"
    (crash,) = trace.exceptions
    assert (crash.type, crash.raised_in, crash.handled_by) == ("ZeroDivisionError", "read_unit_price", "catching")
    assert crash.crossed == ("AuthMiddleware", "GzipMiddleware")


def test_a_long_list_is_compressed(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders", headers={**ADA, "accept-encoding": "gzip"})
    assert trace.headers["content-encoding"] == "gzip"
    assert len(trace.json()) == 21


def test_who_said_no(lifecycle: Client) -> None:
    anonymous, user = lifecycle.get("/orders/42"), lifecycle.get("/admin/stats", headers=ADA)
    assert (anonymous.refusal, anonymous.refused_by) == ("authentication", "AuthMiddleware")
    assert (user.refusal, user.refused_by) == ("permission", "admin_gate")


def test_who_set_which_header(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42", headers={**ADA, **BROWSER})
    setters = {name: trace.header_set_by(name) for name in ("x-request-id", "access-control-allow-origin")}
    assert {name: setter.name for name, setter in setters.items() if setter is not None} == {
        "x-request-id": "RequestIDMiddleware",
        "access-control-allow-origin": "with_cors",
    }

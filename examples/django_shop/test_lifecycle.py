"""What each request to the Django shop goes through: the same through WSGI and through ASGI."""

from __future__ import annotations

from django.test import Client as DjangoClient

from pytest_lifecycle import Client, Trace

MIDDLEWARE = [
    "SecurityMiddleware",
    "request_id",
    "CorsMiddleware",
    "GZipMiddleware",
    "CommonMiddleware",
    "CsrfViewMiddleware",
    "AuthMiddleware",
]
LAYERS = [f"middleware {name}" for name in MIDDLEWARE]
HOOKS = ["hook CsrfViewMiddleware.process_view", "hook AuthMiddleware.process_view"]
ADA = {"authorization": "Bearer ada-token"}
ROOT = {"authorization": "Bearer root-token"}
BROWSER = {"origin": "https://shop.example"}


def test_reading_an_order_goes_through_every_layer(lifecycle: Client, interface: str) -> None:
    trace = lifecycle.get("/orders/42/", headers=ADA)
    assert trace.path == [
        *LAYERS,
        "route GET /orders/<int:order_id>/",
        *HOOKS,
        "decorator login_required",
        "handler read_order",
        "response 200",
    ]
    assert trace.outcome == "handled"
    assert trace.framework == "django"
    assert trace.interface == interface
    assert trace.json()["sku"] == "notebook"


def test_the_response_passes_the_layers_in_reverse(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42/", headers=ADA)
    assert trace.middleware == MIDDLEWARE
    assert trace.middleware_out == MIDDLEWARE[::-1]


def test_the_route_has_the_prefix_of_its_include(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42/", headers=ADA)
    assert trace.route == "GET /orders/<int:order_id>/"
    assert trace.route_name == "order"
    assert trace.path_params == {"order_id": 42}


def test_creating_an_order(lifecycle: Client) -> None:
    trace = lifecycle.post("/orders/", headers=ADA, json={"sku": "pen", "quantity": 2})
    assert trace.path == [
        *LAYERS,
        "route POST /orders/",
        *HOOKS,
        "decorator csrf_exempt",
        "decorator login_required",
        "handler OrderList.post",
        "validation passed",
        "response 201",
    ]
    assert trace.validation == "passed"


def test_a_bad_quantity_is_refused_by_the_form(lifecycle: Client) -> None:
    trace = lifecycle.post("/orders/", headers=ADA, json={"sku": "pen", "quantity": "many"})
    assert trace.path == [
        *LAYERS,
        "route POST /orders/",
        *HOOKS,
        "decorator csrf_exempt",
        "decorator login_required",
        "handler OrderList.post",
        "validation failed",
        "response 400",
    ]
    assert trace.outcome == "invalid"
    assert trace.handler == "OrderList.post"
    assert [(issue.loc, issue.message) for issue in trace.validation_errors] == [
        (("quantity",), "Enter a whole number.")
    ]


def test_without_a_token_the_decorator_refuses(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42/")
    assert trace.path == [
        *LAYERS,
        "route GET /orders/<int:order_id>/",
        *HOOKS,
        "decorator login_required",
        "response 401",
    ]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "decorator login_required"
    assert trace.handler is None


def test_a_middleware_s_process_view_keeps_all_but_admins_out(lifecycle: Client) -> None:
    trace = lifecycle.get("/admin/stats/", headers=ADA)
    assert trace.path == [*LAYERS, "route GET /admin/stats/", *HOOKS, "response 403"]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "hook AuthMiddleware.process_view"
    assert lifecycle.get("/admin/stats/", headers=ROOT).handler == "read_stats"


def test_a_form_without_its_csrf_token_is_refused(lifecycle: Client) -> None:
    trace = lifecycle.post("/newsletter/", data={"email": "ada@example.org"})
    assert trace.path == [*LAYERS, "route POST /newsletter/", HOOKS[0], "response 403"]
    assert trace.outcome == "rejected"
    assert trace.stopped_at == "hook CsrfViewMiddleware.process_view"
    assert trace.handler is None


def test_an_order_that_is_not_there_is_the_view_s_own_404(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/999/", headers=ADA)
    assert trace.status == 404
    assert trace.outcome == "handled"
    assert trace.handler == "read_order"


def test_an_unknown_path_is_the_resolver_s_404(lifecycle: Client) -> None:
    trace = lifecycle.get("/nope/")
    assert trace.path == [*LAYERS, "response 404"]
    assert trace.outcome == "not_found"
    assert trace.route is None
    assert trace.handler is None


def test_a_method_that_the_view_does_not_have(lifecycle: Client) -> None:
    trace = lifecycle.put("/orders/", headers=ADA)
    assert trace.path == [*LAYERS, *HOOKS, "decorator csrf_exempt", "decorator login_required", "response 405"]
    assert trace.outcome == "method_not_allowed"
    assert trace.route is None
    assert trace.handler is None


def test_a_missing_slash_is_redirected_by_common_middleware(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders", headers=ADA)
    assert trace.path == [*LAYERS, "response 301"]
    assert trace.outcome == "redirected"
    assert trace.headers["location"] == "/orders/"
    assert trace.route is None


def test_a_redirect_that_is_followed_keeps_its_own_trace(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders", headers=ADA, follow_redirects=True)
    assert trace.handler == "OrderList.get"
    assert [earlier.outcome for earlier in trace.history] == ["redirected"]


def test_a_preflight_never_gets_past_cors(lifecycle: Client) -> None:
    trace = lifecycle.options("/orders/", headers={**BROWSER, "access-control-request-method": "GET"})
    assert trace.path == [*LAYERS[:3], "response 204"]
    assert trace.outcome == "short_circuited"
    assert trace.stopped_at == "middleware CorsMiddleware"
    assert trace.middleware_out == ["CorsMiddleware", "request_id", "SecurityMiddleware"]


def test_a_crash_is_answered_inside_the_layers_so_the_500_has_its_cors_header(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/7/unit-price/", headers={**ADA, **BROWSER})
    assert trace.path == [
        *LAYERS,
        "route GET /orders/<int:order_id>/unit-price/",
        *HOOKS,
        "decorator login_required",
        "handler read_unit_price",
        "response 500",
    ]
    assert trace.outcome == "error"
    assert trace.middleware_out == MIDDLEWARE[::-1]
    assert trace.headers["access-control-allow-origin"] == "https://shop.example"
    crash = trace.exceptions[0]
    assert (crash.type, crash.raised_in) == ("ZeroDivisionError", "read_unit_price")
    assert crash.crossed == ("login_required",)
    assert crash.handled_by is not None


def test_a_long_list_is_compressed(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/", headers={**ADA, "accept-encoding": "gzip"})
    assert trace.headers["content-encoding"] == "gzip"
    assert len(trace.json()["orders"]) == 21


def test_the_framework_s_own_test_client_is_seen_too(lifecycle_traces: list[Trace]) -> None:
    DjangoClient(headers=ADA).get("/orders/42/")
    assert lifecycle_traces[-1].route == "GET /orders/<int:order_id>/"
    assert lifecycle_traces[-1].middleware == MIDDLEWARE


def test_who_said_no(lifecycle: Client) -> None:
    refused = {
        "no token": lifecycle.get("/orders/42/"),
        "no admin": lifecycle.get("/admin/stats/", headers=ADA),
        "no number": lifecycle.post("/orders/", headers=ADA, json={"sku": "pen", "quantity": "many"}),
        "no csrf token": lifecycle.post("/newsletter/", data={"email": "ada@example.org"}),
        "no such path": lifecycle.get("/order/42/", headers=ADA),
    }
    assert {why: (trace.refusal, trace.refused_by) for why, trace in refused.items()} == {
        "no token": ("authentication", "login_required"),
        "no admin": ("permission", "AuthMiddleware.process_view"),
        "no number": ("validation", "OrderForm"),
        "no csrf token": ("csrf", "CsrfViewMiddleware"),
        "no such path": ("not_found", "not_found"),
    }


def test_a_path_that_is_nearly_right_names_the_right_one(lifecycle: Client) -> None:
    assert lifecycle.get("/order/42/", headers=ADA).nearest[0] == "/orders/<int:order_id>/ (is spelled differently)"


def test_who_set_which_header(lifecycle: Client) -> None:
    trace = lifecycle.get("/orders/42/", headers={**ADA, **BROWSER})
    setters = {name: trace.header_set_by(name) for name in ("x-request-id", "access-control-allow-origin")}
    assert {name: setter.name for name, setter in setters.items() if setter is not None} == {
        "x-request-id": "request_id",
        "access-control-allow-origin": "CorsMiddleware",
    }

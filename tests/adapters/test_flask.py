"""Flask: hooks, blueprints, views of every kind, error handlers; through our client and through Flask's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask, Response, abort, request
from flask.views import MethodView
from werkzeug.wsgi import ClosingIterator

from pytest_lifecycle import Client, LifecycleError, Trace, observe
from tests.apps import flask_app

IN = ["middleware Stamp", "middleware Stamp"]
OUT = ["hook stamp"]


@dataclass(frozen=True)
class Claim:
    """One request and what its trace must say."""

    method: str
    url: str
    status: int
    outcome: str
    path: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    route: str | None = None
    route_name: str | None = None
    path_params: dict[str, Any] = field(default_factory=dict)
    handler: str | None = None
    validation: str = "not reached"
    errors: list[tuple[tuple[str | int, ...], str]] = field(default_factory=list)
    raised: list[tuple[str, str, str | None]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.status}"


ME = {"Authorization": "me"}

CLAIMS = [
    Claim(
        "GET",
        "/orders/7",
        200,
        "handled",
        [
            *IN,
            "route GET /orders/<int:number>",
            "hook open_shop",
            "handler read_order",
            "hook once",
            *OUT,
            "response 200",
        ],
        route="GET /orders/<int:number>",
        route_name="orders.read_order",
        path_params={"number": 7},
        handler="read_order",
        validation="none",
    ),
    Claim(
        "POST",
        "/orders/",
        201,
        "handled",
        [
            *IN,
            "route POST /orders/",
            "hook open_shop",
            "decorator login_required",
            "handler create_order",
            "validation passed",
            *OUT,
            "response 201",
        ],
        headers=ME,
        json={"quantity": 1},
        route="POST /orders/",
        route_name="orders.create_order",
        handler="create_order",
        validation="passed",
    ),
    Claim(
        "POST",
        "/orders/",
        422,
        "invalid",
        [
            *IN,
            "route POST /orders/",
            "hook open_shop",
            "decorator login_required",
            "handler create_order",
            "validation failed",
            *OUT,
            "response 422",
        ],
        headers=ME,
        json={"quantity": "many"},
        route="POST /orders/",
        route_name="orders.create_order",
        handler="create_order",
        validation="failed",
        errors=[(("quantity",), "int_parsing")],
        raised=[("ValidationError", "Order", "refuse")],
    ),
    Claim(
        "POST",
        "/orders/",
        401,
        "short_circuited",
        [*IN, "route POST /orders/", "hook open_shop", "decorator login_required", *OUT, "response 401"],
        json={"quantity": 1},
        route="POST /orders/",
        route_name="orders.create_order",
    ),
    Claim(
        "GET",
        "/orders/admin/stats",
        403,
        "short_circuited",
        [*IN, "route GET /orders/admin/stats", "hook open_shop", "hook admins_only", *OUT, "response 403"],
        headers=ME,
        route="GET /orders/admin/stats",
        route_name="orders.admin.stats",
        raised=[("Forbidden", "admins_only", "Flask.handle_http_exception")],
    ),
    Claim(
        "GET",
        "/orders/7",
        503,
        "short_circuited",
        [*IN, "route GET /orders/<int:number>", "hook open_shop", *OUT, "response 503"],
        headers={"X-Closed": "1"},
        route="GET /orders/<int:number>",
        route_name="orders.read_order",
        path_params={"number": 7},
    ),
    Claim(
        "GET",
        "/nope",
        404,
        "not_found",
        [*IN, "hook open_shop", *OUT, "response 404"],
        raised=[("NotFound", "Flask.dispatch_request", "Flask.handle_http_exception")],
    ),
    Claim(
        "PUT",
        "/orders/7",
        405,
        "method_not_allowed",
        [*IN, "hook open_shop", *OUT, "response 405"],
        raised=[("MethodNotAllowed", "Flask.dispatch_request", "Flask.handle_http_exception")],
    ),
    Claim(
        "GET",
        "/orders/slow",
        200,
        "handled",
        [*IN, "route GET /orders/slow", "hook open_shop", "handler slow", *OUT, "response 200"],
        route="GET /orders/slow",
        route_name="orders.slow",
        handler="slow",
        validation="none",
    ),
    Claim(
        "HEAD",
        "/box/3",
        200,
        "handled",
        [*IN, "route HEAD /box/<int:number>", "hook open_shop", "handler Box.get", *OUT, "response 200"],
        route="HEAD /box/<int:number>",
        route_name="box",
        path_params={"number": 3},
        handler="Box.get",
        validation="none",
    ),
    Claim(
        "PUT",
        "/box/3",
        401,
        "short_circuited",
        [*IN, "route PUT /box/<int:number>", "hook open_shop", "decorator login_required", *OUT, "response 401"],
        route="PUT /box/<int:number>",
        route_name="box",
        path_params={"number": 3},
    ),
    Claim(
        "GET",
        "/report",
        200,
        "handled",
        [
            *IN,
            "route GET /report",
            "hook open_shop",
            "decorator login_required",
            "handler Report.dispatch_request",
            *OUT,
            "response 200",
        ],
        headers=ME,
        route="GET /report",
        route_name="report",
        handler="Report.dispatch_request",
        validation="none",
    ),
    Claim(
        "GET",
        "/gone",
        410,
        "handled",
        [*IN, "route GET /gone", "hook open_shop", "handler gone", *OUT, "response 410"],
        route="GET /gone",
        route_name="gone",
        handler="gone",
        validation="none",
        raised=[("Gone", "gone", "Flask.handle_http_exception")],
    ),
    Claim(
        "GET",
        "/boom",
        500,
        "error",
        [*IN, "route GET /boom", "hook open_shop", "handler boom", *OUT, "response 500"],
        route="GET /boom",
        route_name="boom",
        handler="boom",
        validation="none",
        raised=[("LookupError", "boom", "Flask.handle_exception")],
    ),
]


@contextmanager
def our_client(app: Flask) -> Iterator[Callable[[Claim], Trace]]:
    with Client(app) as client:
        yield lambda claim: client.request(claim.method, claim.url, headers=claim.headers, json=claim.json)


@contextmanager
def flask_client(app: Flask) -> Iterator[Callable[[Claim], Trace]]:
    client = app.test_client()

    def ask(claim: Claim) -> Trace:
        client.open(claim.url, method=claim.method, headers=claim.headers, json=claim.json)
        return traces[-1]

    with observe() as traces:
        yield ask


def check(trace: Trace, claim: Claim) -> None:
    assert trace.path == claim.path
    assert (trace.status, trace.outcome) == (claim.status, claim.outcome)
    assert trace.middleware == trace.middleware_out == ["Stamp", "Stamp"]
    assert (trace.route, trace.route_name, trace.path_params) == (claim.route, claim.route_name, claim.path_params)
    assert (trace.handler, trace.validation) == (claim.handler, claim.validation)
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == claim.errors
    assert [(error.type, error.raised_in, error.handled_by) for error in trace.exceptions] == claim.raised
    assert (trace.framework, trace.interface, trace.warnings) == ("flask", "wsgi", [])


@pytest.mark.parametrize("client", [our_client, flask_client])
@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_each_request_is_told_the_same_through_both_clients_and_each_time(client: Any, claim: Claim) -> None:
    with client(flask_app.build()) as ask:
        for _ in range(3):
            check(ask(claim), claim)


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_an_app_that_ran_unobserved_before_is_told_the_same(claim: Claim) -> None:
    app = flask_app.build()
    app.test_client().open(claim.url, method=claim.method, headers=claim.headers, json=claim.json)
    with our_client(app) as ask:
        check(ask(claim), claim)


def test_a_missing_slash_is_a_redirect() -> None:
    with Client(flask_app.build()) as client:
        trace = client.post("/orders")
    assert (trace.status, trace.outcome, trace.route) == (308, "redirected", None)
    assert trace.path == [*IN, "hook open_shop", *OUT, "response 308"]


def test_a_teardown_hook_is_in_the_tree_and_not_in_the_path() -> None:
    with Client(flask_app.build()) as client:
        trace = client.get("/orders/7")
    assert trace.span("close_shop").kind == "hook"
    assert "hook close_shop" not in trace.path


def test_a_hook_that_answers_is_marked() -> None:
    with Client(flask_app.build()) as client:
        trace = client.get("/orders/7", headers={"X-Closed": "1"})
    assert trace.span("open_shop").short_circuited
    assert trace.stopped_at == "hook open_shop"


def test_options_are_answered_by_flask_itself() -> None:
    with Client(flask_app.build()) as client:
        trace = client.options("/orders/7")
    assert (trace.status, trace.handler, trace.route) == (200, None, "OPTIONS /orders/<int:number>")


def test_a_static_file_is_sent_by_flask_s_own_view() -> None:
    app = Flask(__name__, static_folder="../apps", static_url_path="/static")
    with Client(app) as client:
        trace = client.get("/static/flask_app.py")
    assert (trace.handler, trace.status) == ("send_static_file", 200)


def test_an_exception_that_flask_propagates_escapes() -> None:
    app = flask_app.build()
    app.testing = True
    with Client(app) as client:
        trace = client.get("/boom")
    assert (trace.status, trace.outcome) == (None, "error")
    assert [(error.type, error.handled_by) for error in trace.exceptions] == [("LookupError", None)]


def test_the_body_of_a_response_to_another_client_is_kept() -> None:
    with observe() as traces:
        flask_app.build().test_client().get("/orders/7")
    assert (traces[0].text, traces[0].headers["x-shop"]) == ("order 7", "1")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("url", "status"), [("/nowhere", 404), ("/boom", 500)])
def test_an_error_s_page_to_another_client_is_kept(url: str, status: int, method: str) -> None:
    with observe() as traces:
        answer = flask_app.build().test_client().open(url, method=method)
    assert (traces[0].status, traces[0].text) == (status, answer.text)


def test_what_is_made_of_another_app_s_body_is_no_page_of_it() -> None:
    app = Flask(__name__)

    @app.get("/")
    def upper() -> Response:
        def changed(environ: Any, start_response: Any) -> Any:
            inner = Response("aa")(environ, start_response)
            return ClosingIterator([piece.upper() * 2 for piece in inner], inner.close)

        return Response.force_type(changed, request.environ)  # type: ignore[arg-type]

    with observe() as traces:
        assert app.test_client().get("/").text == "AAAA"
    with pytest.raises(LifecycleError, match="not kept"):
        traces[0].text  # noqa: B018


def test_a_helper_that_is_also_a_hook_is_a_hook_only_where_flask_calls_it() -> None:
    app = Flask(__name__)

    @app.before_request
    def check_stock() -> None:
        """Look at the stock."""

    @app.get("/")
    def index() -> str:
        check_stock()
        return "index"

    with Client(app) as client:
        assert client.get("/").path == ["route GET /", "hook check_stock", "handler index", "response 200"]


def test_a_dispatch_of_the_user_s_own_is_a_step_around_the_method() -> None:
    class Guarded(MethodView):
        @flask_app.login_required
        def dispatch_request(self, **values: Any) -> Any:
            if "closed" in request.args:
                return "closed", 403
            if "gone" in request.args:
                abort(401)
            return super().dispatch_request(**values)

    class Orders(Guarded):
        def get(self) -> str:
            return "orders"

    app = Flask(__name__)
    app.add_url_rule("/orders", view_func=Orders.as_view("orders"))
    around = ["route GET /orders", "decorator login_required", "decorator Guarded.dispatch_request"]
    with Client(app, headers=ME) as client:
        for _ in range(2):
            assert client.get("/orders").path == [*around, "handler Orders.get", "response 200"]
        for query, status, refusal in (("closed", 403, "permission"), ("gone", 401, "authentication")):
            trace = client.get(f"/orders?{query}=1")
            assert trace.path == [*around, f"response {status}"]
            assert (trace.outcome, trace.refusal) == ("short_circuited", refusal)
            assert (trace.refused_by, trace.handler) == ("Guarded.dispatch_request", None)


class Limit:
    """A decorator that is an object."""

    def __call__(self, function: Callable[[], str]) -> Callable[[], str]:
        @functools.wraps(function)
        def limited() -> str:
            return function()

        return limited


def test_a_decorator_that_is_an_object_has_the_name_of_its_class() -> None:
    app = Flask("shop")

    @app.get("/")
    @Limit()
    def home() -> str:
        return "home"

    with Client(app) as client:
        assert client.get("/").path == ["route GET /", "decorator Limit", "handler home", "response 200"]

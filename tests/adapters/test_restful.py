"""Flask-RESTful and Flask-RESTX: what is around a resource's method, what their parsers and models refuse, who answers.

The shop is built with either of them: what they share is told the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flask_restful
import flask_restful.reqparse
import flask_restx
import flask_restx.reqparse
import pytest
from flask import Flask, abort, request

from pytest_lifecycle import Client, Trace

ME = {"Authorization": "me"}


def authenticate(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if request.headers.get("Authorization") != "me":
            abort(401)
        return method(*args, **kwargs)

    return wrapper


def opened(method: Callable[..., Any]) -> Callable[..., Any]:
    def closed() -> bool:
        return "closed" in request.args

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return ({"closed": True}, 403) if closed() else method(*args, **kwargs)

    return wrapper


def unwrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs) if "open" in request.args else abort(403)

    return wrapper


def build(library: Any) -> Flask:
    app = Flask(__name__)
    api = library.Api(app, prefix="/api")
    one = library.reqparse.RequestParser()
    one.add_argument("page", type=int, required=True, location="args", help="a number, please")
    all_wrong = library.reqparse.RequestParser(bundle_errors=True)
    all_wrong.add_argument("page", type=int, required=True, location="args")
    all_wrong.add_argument("size", type=int, location=["values", "headers"])
    strict = library.reqparse.RequestParser()
    strict.add_argument("page", type=int, location="args")
    body = library.reqparse.RequestParser()
    body.add_argument("price", location="json", type=int)

    class Orders(library.Resource):  # type: ignore[misc]
        method_decorators = [authenticate, opened]  # noqa: RUF012

        def get(self) -> Any:
            return one.parse_args()

        def post(self) -> Any:
            return all_wrong.parse_args()

        def put(self) -> Any:
            library.abort(404, message="no such order")

        def delete(self) -> Any:
            raise LookupError("no such order")

        def patch(self) -> Any:
            return strict.parse_args(strict=True)

    class Shut(library.Resource):  # type: ignore[misc]
        method_decorators = [unwrapped]  # noqa: RUF012

        def get(self) -> Any:
            return "open"

    class Prices(library.Resource):  # type: ignore[misc]
        def dispatch_request(self, *args: Any, **kwargs: Any) -> Any:
            if "stop" in request.args:
                abort(403)
            return super().dispatch_request(*args, **kwargs)

        def post(self) -> Any:
            return body.parse_args()

    api.add_resource(Orders, "/orders")
    api.add_resource(Shut, "/shut")
    api.add_resource(Prices, "/prices")
    return app


@pytest.fixture(params=[flask_restful, flask_restx], ids=lambda library: library.__name__)
def send(request: pytest.FixtureRequest) -> Callable[..., Trace]:
    app = build(request.param)

    def send(method: str, url: str, **arguments: Any) -> Trace:
        with Client(app) as client:
            return client.request(method, f"/api{url}", **{"headers": ME, **arguments})

    return send


def issues(trace: Trace) -> list[tuple[Any, str, str]]:
    return [(issue.loc, issue.message, issue.type) for issue in trace.validation_errors]


def test_method_decorators_are_steps_around_the_method(send: Callable[..., Trace]) -> None:
    for _ in range(2):
        trace = send("GET", "/orders?page=1")
        assert trace.path == [
            "route GET /api/orders",
            "decorator opened",
            "decorator authenticate",
            "handler Orders.get",
            "validation passed",
            "response 200",
        ]
        assert trace.warnings == []


def test_a_method_decorator_that_aborts_is_the_one_that_refused(send: Callable[..., Trace]) -> None:
    trace = send("GET", "/orders", headers={})
    assert trace.path == ["route GET /api/orders", "decorator opened", "decorator authenticate", "response 401"]
    assert (trace.handler, trace.refused_by, trace.refusal) == (None, "authenticate", "authentication")
    assert trace.exceptions[0].handled_by == "Api.handle_error"


def test_a_method_decorator_that_answers_is_the_one_that_refused(send: Callable[..., Trace]) -> None:
    trace = send("GET", "/orders?closed=1")
    assert trace.path == ["route GET /api/orders", "decorator opened", "response 403"]
    assert (trace.outcome, trace.refused_by, trace.refusal) == ("short_circuited", "opened", "permission")


def test_a_method_decorator_without_wraps_is_a_step_too(send: Callable[..., Trace]) -> None:
    trace = send("GET", "/shut")
    assert trace.path == ["route GET /api/shut", "decorator unwrapped", "response 403"]
    assert (trace.refused_by, trace.refusal) == ("unwrapped", "permission")
    assert send("GET", "/shut?open=1").handler == "Shut.get"


def test_a_dispatch_of_the_user_s_own_is_a_step(send: Callable[..., Trace]) -> None:
    trace = send("POST", "/prices?stop=1")
    assert trace.path == ["route POST /api/prices", "decorator Prices.dispatch_request", "response 403"]
    assert trace.refused_by == "Prices.dispatch_request"


def test_an_argument_that_is_refused_is_a_failed_validation(send: Callable[..., Trace]) -> None:
    trace = send("GET", "/orders")
    assert trace.path[-3:] == ["handler Orders.get", "validation failed", "response 400"]
    assert (trace.outcome, trace.refused_by, trace.refusal) == ("invalid", "RequestParser", "validation")
    [(loc, message, _)] = issues(trace)
    assert (loc, message.startswith("a number, please")) == (("args", "page"), True)


def test_all_arguments_that_are_refused_are_told(send: Callable[..., Trace]) -> None:
    found = issues(send("POST", "/orders?page=x&size=y"))
    assert [(loc, kind) for loc, _, kind in found] == [(("args", "page"), "ValueError"), (("size",), "ValueError")]


def test_an_argument_that_a_strict_parser_does_not_know_is_told(send: Callable[..., Trace]) -> None:
    trace = send("PATCH", "/orders?page=1&other=1", json={})
    assert (trace.status, trace.outcome) == (400, "invalid")
    assert issues(trace) == [(("other",), "Unknown argument", "unknown")]


def test_a_body_that_a_parser_cannot_read_is_refused_by_the_request() -> None:
    with Client(build(flask_restful)) as client:
        trace = client.post("/api/prices", content=b"{", headers={"content-type": "application/json"})
    assert (trace.status, trace.outcome, trace.refused_by) == (400, "invalid", "Request")
    assert trace.path[-3:] == ["handler Prices.post", "validation failed", "response 400"]


def test_what_a_resource_answers_by_raising_is_its_own_answer(send: Callable[..., Trace]) -> None:
    trace = send("PUT", "/orders")
    assert (trace.status, trace.outcome, trace.handler, trace.refusal) == (404, "handled", "Orders.put", None)


def test_a_crash_is_an_error_that_the_api_answered(send: Callable[..., Trace]) -> None:
    trace = send("DELETE", "/orders")
    assert (trace.status, trace.outcome) == (500, "error")
    assert [(error.type, error.handled_by) for error in trace.exceptions] == [("LookupError", "Api.handle_error")]


# -- what only Flask-RESTX has


def restx() -> Flask:
    app = Flask(__name__)
    api = flask_restx.Api(app)
    place = api.model("Place", {"town": flask_restx.fields.String(required=True)})
    order = api.model(
        "Order",
        {
            "price": flask_restx.fields.Integer(required=True),
            "places": flask_restx.fields.List(flask_restx.fields.Nested(place)),
        },
    )

    @api.route("/orders")
    class Orders(flask_restx.Resource):  # type: ignore[misc]
        @authenticate
        @api.expect(order, validate=True)  # type: ignore[untyped-decorator]
        def post(self) -> Any:
            return {}, 201

        def get(self) -> Any:
            raise LookupError("no orders")

        def put(self) -> Any:
            raise ZeroDivisionError

    @api.errorhandler(LookupError)  # type: ignore[untyped-decorator]
    def nothing_found(error: LookupError) -> Any:
        return {"message": str(error)}, 410

    @api.errorhandler  # type: ignore[untyped-decorator]
    def anything(error: Exception) -> Any:
        return {"message": "sorry"}, 418

    return app


def test_a_model_validates_before_anything_around_the_method_runs() -> None:
    with Client(restx()) as client:
        trace = client.post("/orders", json={"price": 1}, headers=ME)
        assert trace.path == [
            "route POST /orders",
            "validation passed",
            "decorator authenticate",
            "handler Orders.post",
            "response 201",
        ]


def test_what_a_model_refuses_is_told_field_by_field() -> None:
    with Client(restx()) as client:
        trace = client.post("/orders", json={"price": "x", "places": [{"town": "a"}, {}]})
    assert trace.path == ["route POST /orders", "validation failed", "response 400"]
    assert (trace.outcome, trace.handler, trace.refused_by) == ("invalid", None, "Order")
    assert {(issue.loc, issue.type, issue.input) for issue in trace.validation_errors} == {
        (("price",), "type", "'x'"),
        (("places", 1, "town"), "required", "{}"),
    }


def test_an_error_handler_of_the_api_is_the_one_that_answered() -> None:
    with Client(restx()) as client:
        trace = client.get("/orders")
        assert (trace.status, trace.outcome, trace.exceptions[0].handled_by) == (410, "handled", "nothing_found")
        trace = client.put("/orders")
        assert (trace.status, trace.outcome, trace.exceptions[0].handled_by) == (418, "handled", "anything")

"""What happens around every request: CORS, the store of this request, who is asking, errors as JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, Response, abort, current_app, g, json, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def install(app: Flask) -> None:
    app.before_request(answer_preflight)
    app.before_request(open_store)
    app.before_request(load_user)
    app.after_request(allow_origin)
    app.teardown_request(close_store)
    app.register_error_handler(ValidationError, answer_invalid)
    app.register_error_handler(HTTPException, answer_error)


def answer_preflight() -> Response | None:
    """Answer a browser that asks whether it may send the real request."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    allowed = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "authorization"}
    return Response(status=204, headers=allowed)


def open_store() -> None:
    g.store = current_app.extensions["store"]
    g.orders_before = dict(g.store.orders)


def load_user() -> None:
    g.user = g.store.user_of(request.headers.get("Authorization"))


def allow_origin(response: Response) -> Response:
    origin = current_app.config["ALLOWED_ORIGIN"]
    if request.headers.get("Origin") == origin:
        response.headers["Access-Control-Allow-Origin"] = origin
    return response


def close_store(error: BaseException | None) -> None:
    """Undo what a failed request wrote."""
    if error is not None and "orders_before" in g:
        g.store.orders = g.orders_before


def answer_invalid(error: ValidationError) -> tuple[Response, int]:
    return jsonify(errors=error.errors(include_url=False, include_context=False)), 422


def answer_error(error: HTTPException) -> BaseResponse:
    """Answer with JSON where Werkzeug would with a page; headers such as `Allow` stay."""
    response = error.get_response()
    response.set_data(json.dumps({"error": error.description}))
    response.content_type = "application/json"
    return response


def login_required(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    @wraps(view)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if g.user is None:
            abort(401, "Send a bearer token that we know.")
        return view(*args, **kwargs)

    return checked


def require_admin() -> tuple[Response, int] | None:
    """Guard a whole blueprint."""
    if g.user is None or not g.user.is_admin:
        return jsonify(error="For admins only."), 403
    return None

"""A Flask app with hooks, nested blueprints, views of every kind and every way to end a request."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from flask import Blueprint, Flask, Response, abort, after_this_request, request
from flask.views import MethodView, View
from pydantic import BaseModel, ValidationError

Environ = dict[str, Any]


class Order(BaseModel):
    quantity: int


class Stamp:
    """WSGI middleware around the app; the app has two of them."""

    def __init__(self, app: Any, name: str) -> None:
        self.app = app
        self.name = name

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        def stamping(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Stamp", self.name)], exc_info)

        return self.app(environ, stamping)  # type: ignore[no-any-return]


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if "Authorization" not in request.headers:
            return Response("who are you?", 401)
        return view(*args, **kwargs)

    return wrapped


class Box(MethodView):
    """A class-based view with two methods."""

    def get(self, number: int) -> str:
        return str(number)

    @login_required
    def put(self, number: int) -> str:
        return "put"


class Report(View):
    """A class-based view without methods, decorated."""

    decorators: ClassVar[list[Any]] = [login_required]

    def dispatch_request(self) -> str:
        return "report"


def build() -> Flask:
    """Make a new app."""
    app = Flask(__name__)
    orders = Blueprint("orders", __name__, url_prefix="/orders")
    admin = Blueprint("admin", __name__, url_prefix="/admin")

    @app.before_request
    def open_shop() -> Any:
        return ("closed", 503) if "X-Closed" in request.headers else None

    @admin.before_request
    def admins_only() -> None:
        if request.headers.get("Authorization") != "admin":
            abort(403)

    @app.after_request
    def stamp(response: Response) -> Response:
        response.headers["X-Shop"] = "1"
        return response

    @app.teardown_request
    def close_shop(error: BaseException | None) -> None:
        """Run after the response."""

    @app.errorhandler(ValidationError)
    def refuse(error: ValidationError) -> tuple[str, int]:
        return "invalid", 422

    @orders.get("/<int:number>")
    def read_order(number: int) -> str:
        @after_this_request
        def once(response: Response) -> Response:
            return response

        return f"order {number}"

    @orders.post("/")
    @login_required
    def create_order() -> tuple[dict[str, int], int]:
        order = Order.model_validate(request.get_json())
        return {"quantity": order.quantity}, 201

    @orders.get("/slow")
    async def slow() -> str:
        return "slow"

    @admin.get("/stats")
    def stats() -> str:
        return "stats"

    @app.get("/boom")
    def boom() -> str:
        raise LookupError("no such thing")

    @app.get("/gone")
    def gone() -> str:
        abort(410)

    app.add_url_rule("/box/<int:number>", view_func=Box.as_view("box"))
    app.add_url_rule("/report", view_func=Report.as_view("report"))
    orders.register_blueprint(admin)
    app.register_blueprint(orders)
    app.wsgi_app = Stamp(Stamp(app.wsgi_app, "inner"), "outer")  # type: ignore[method-assign]
    return app

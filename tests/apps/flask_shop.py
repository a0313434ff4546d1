"""A Flask shop: users and roles, nested blueprints, uploads, streams, templates, and many ways to be refused."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    after_this_request,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    send_file,
    session,
    stream_template,
    stream_with_context,
    url_for,
)
from flask.views import MethodView
from jinja2 import DictLoader
from werkzeug.exceptions import BadRequest, NotFound

Environ = dict[str, Any]
View = Callable[..., Any]

USERS = {"ada": {"clerk"}, "bob": set[str](), "root": {"clerk", "admin"}}
"""Who may ask, by the token that is sent, and what each of them is."""

TEMPLATES = {
    "layout.html": "<h1>{% block title %}{% endblock %}</h1>{% include 'footer.html' %}",
    "footer.html": "<p>footer</p>",
    "index.html": "{% extends 'layout.html' %}{% block title %}{{ title }}{% endblock %}",
    "rows.html": "{% for row in rows %}{{ row }},{% endfor %}",
}


class StockError(Exception):
    """There is nothing left."""


class RequestId:
    """WSGI middleware: every response says which request it belongs to."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        def stamping(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Request-Id", "1")], exc_info)

        environ["shop.request_id"] = "1"
        return self.app(environ, stamping)  # type: ignore[no-any-return]


class Maintenance:
    """WSGI middleware: answers itself while the shop is closed."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "HTTP_X_CLOSED" in environ:
            start_response("503 Service Unavailable", [("Retry-After", "60")])
            return [b"closed"]
        return self.app(environ, start_response)  # type: ignore[no-any-return]


def login_required(view: View) -> View:
    @functools.wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if g.user is None:
            abort(401)
        return view(*args, **kwargs)

    return checked


def role_required(role: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if role not in g.roles:
                return jsonify(error="role"), 403
            return view(*args, **kwargs)

        return checked

    return decorate


def json_required(view: View) -> View:
    @functools.wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        g.body = request.get_json()
        return view(*args, **kwargs)

    return checked


class OrderView(MethodView):
    """One order."""

    def get(self, number: int) -> Any:
        if number == 0:
            abort(404)
        if number == 13:
            raise StockError("none left")
        return jsonify(number=number)

    @login_required
    @role_required("clerk")
    def put(self, number: int) -> Any:
        body = request.get_json()
        return jsonify(number=number, quantity=body["quantity"])

    @login_required
    def delete(self, number: int) -> Any:
        return "", 204


def list_orders() -> Any:
    return jsonify(limit=int(request.args["limit"]))


@login_required
@json_required
def create_order() -> Any:
    if "quantity" not in g.body:
        abort(422)
    return jsonify(g.body), 201


def invoice(key: UUID) -> Any:
    return str(key)


@login_required
def upload(number: int) -> Any:
    photo = request.files["photo"]
    return jsonify(number=number, size=len(photo.read())), 201


@role_required("admin")
def report() -> Any:
    def rows() -> Iterator[str]:
        yield "number,quantity\n"
        yield "1,2\n"

    return Response(stream_with_context(rows()), mimetype="text/csv")


def download() -> Any:
    return send_file(io.BytesIO(b"%PDF"), mimetype="application/pdf")


def make_orders() -> Blueprint:
    orders = Blueprint("orders", __name__, url_prefix="/orders")
    orders.add_url_rule("/", view_func=list_orders)
    orders.add_url_rule("/", view_func=create_order, methods=["POST"])
    orders.add_url_rule("/<int:number>", view_func=OrderView.as_view("order"))
    orders.add_url_rule("/<uuid:key>/invoice", view_func=invoice)
    orders.add_url_rule("/<int:number>/photo", view_func=upload, methods=["POST", "PUT"])
    return orders


def make_admin() -> Blueprint:
    admin = Blueprint("admin", __name__, url_prefix="/admin")

    @admin.before_request
    def staff_only() -> None:
        if g.user is None or not g.roles:
            abort(403)

    admin.add_url_rule("/report", view_func=report)
    admin.add_url_rule("/download", view_func=download)
    return admin


def make_api() -> Blueprint:
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.url_value_preprocessor
    def read_version(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.version = request.headers.get("X-Api-Version", "1")

    @api.before_request
    def check_version() -> Any:
        return (jsonify(error="version"), 400) if g.version != "1" else None

    @api.after_request
    def sign(response: Response) -> Response:
        response.set_cookie("signed", "yes")
        return response

    api.register_blueprint(make_orders())
    api.register_blueprint(make_admin())
    return api


def index() -> Any:
    return render_template("index.html", title="shop")


def rows() -> Any:
    return stream_template("rows.html", rows=[1, 2, 3])


def contact() -> Any:
    email = request.form["email"]

    @after_this_request
    def thank(response: Response) -> Response:
        response.headers["X-Thanks"] = email
        return response

    return redirect(url_for("index"), 303)


def login() -> Any:
    if request.form.get("password") != "secret":
        return "wrong", 401
    session["user"] = request.form["name"]
    return "welcome"


def page(name: str) -> Any:
    return name


def crash() -> Any:
    raise ZeroDivisionError("no such thing")


def search() -> Any:
    return request.args.get("q", "")


def add_hooks(app: Flask) -> None:
    @app.before_request
    def load_user() -> None:
        token = request.headers.get("Authorization")
        if token is not None and token not in USERS:
            abort(401)
        g.user = token
        g.roles = USERS.get(token or "", set())

    @app.before_request
    def throttle() -> None:
        if "X-Flood" in request.headers:
            abort(429)

    @app.after_request
    def no_store(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.after_request
    def shout(response: Response) -> Response:
        if "X-Shout" not in request.headers:
            return response
        return Response(response.get_data(as_text=True).upper(), 203, {"X-Shouted": "1"})

    @app.teardown_request
    def close_till(error: BaseException | None) -> None:
        """Runs when all is done."""


def add_error_handlers(app: Flask) -> None:
    @app.errorhandler(BadRequest)
    def bad_request(error: BadRequest) -> Any:
        return jsonify(error="bad"), 400

    @app.errorhandler(NotFound)
    def not_found(error: NotFound) -> Any:
        return jsonify(error="no such page"), 404

    @app.errorhandler(StockError)
    def no_stock(error: StockError) -> Any:
        return jsonify(error=str(error)), 409


def build() -> Flask:
    """Make a new app."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="x", MAX_CONTENT_LENGTH=500)
    app.jinja_loader = DictLoader(TEMPLATES)
    add_hooks(app)
    add_error_handlers(app)
    app.register_blueprint(make_api())
    app.add_url_rule("/", view_func=index)
    app.add_url_rule("/rows", view_func=rows)
    app.add_url_rule("/contact/", view_func=contact, methods=["POST"])
    app.add_url_rule("/login", view_func=login, methods=["POST"])
    app.add_url_rule("/pages/<path:name>", view_func=page)
    app.add_url_rule("/pages/new", view_func=login, endpoint="new_page")
    app.add_url_rule("/crash", view_func=crash)
    app.add_url_rule("/search/", view_func=search, strict_slashes=False)
    app.add_url_rule("/find", redirect_to="/search/", endpoint="find")
    app.wsgi_app = RequestId(Maintenance(app.wsgi_app))  # type: ignore[method-assign]
    return app

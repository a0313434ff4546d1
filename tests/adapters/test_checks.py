"""Extensions that check: what they refuse is a rejection of its kind, and what they let pass is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.apps import django_app  # it configures Django

# isort: split
import flask_jwt_extended
import flask_restful
import flask_restx
import pytest
from asgi_csrf import asgi_csrf
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django_ratelimit.decorators import ratelimit
from flask import Flask, Response
from flask_httpauth import HTTPBasicAuth
from flask_limiter import Limiter
from flask_login import LoginManager, UserMixin, fresh_login_required, login_required, login_user
from flask_wtf.csrf import CSRFProtect, generate_csrf
from slowapi import Limiter as SlowLimiter
from slowapi import _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIASGIMiddleware, SlowAPIMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette_admin import BaseAdmin
from starlette_admin.auth import AdminUser, AuthProvider
from starlette_csrf.middleware import CSRFMiddleware

from pytest_lifecycle import Client, Trace

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
assert django_app

Refused = tuple[str, str | None, str | None]


def told(trace: Trace) -> Refused:
    assert trace.warnings == []
    return trace.outcome, trace.refusal, trace.refused_by


def flask_app() -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="secret" * 8, JWT_SECRET_KEY="secret" * 8)
    return app


# -- Flask


def test_a_form_without_a_csrf_token_is_refused_by_csrf_protect() -> None:
    app = flask_app()
    protect = CSRFProtect(app)

    @app.route("/form", methods=["GET", "POST"])
    def form() -> str:
        return generate_csrf()

    @app.post("/checked")
    @protect.exempt
    def checked() -> str:
        protect.protect()
        return "fine"

    with Client(app) as client:
        trace = client.post("/form", data={"name": "ada"})
        assert told(trace) == ("rejected", "csrf", "csrf_protect")
        assert trace.path == ["route POST /form", "hook csrf_protect", "response 400"]
        token = client.get("/form").text
        assert told(client.post("/form", data={"csrf_token": token})) == ("handled", None, None)
        client.cookies.clear()
        assert told(client.post("/checked")) == ("handled", None, None)  # a view that checks itself answers itself


def login_app(*, view: str | None = None) -> Flask:
    app = flask_app()
    manager = LoginManager(app)
    manager.login_view = manager.refresh_view = view

    class User(UserMixin):  # type: ignore[misc]
        id = "ada"

    manager.user_loader(lambda _: User())
    manager.request_loader(lambda request: User() if "X-Known" in request.headers else None)

    @app.get("/login")
    def login() -> str:
        login_user(User(), fresh=False)
        return "welcome"

    @app.get("/me")
    @login_required  # type: ignore[untyped-decorator]
    def me() -> str:
        return "ada"

    @app.get("/fresh")
    @fresh_login_required  # type: ignore[untyped-decorator]
    def fresh() -> str:
        return "ada"

    @app.get("/own")
    def own() -> Any:
        return manager.unauthorized()

    return app


def test_login_required_refuses_whether_it_answers_401_or_sends_to_the_login_page() -> None:
    with Client(login_app()) as client:
        trace = client.get("/me")
        assert (trace.status, told(trace)) == (401, ("rejected", "authentication", "login_required"))
    with Client(login_app(view="login")) as client:
        trace = client.get("/me")
        assert (trace.status, told(trace)) == (302, ("rejected", "authentication", "login_required"))
        assert told(client.get("/own")) == ("handled", None, None)
        client.get("/login")
        assert told(client.get("/me")) == ("handled", None, None)
        assert told(client.get("/fresh")) == ("rejected", "authentication", "fresh_login_required")


@pytest.fixture
def jwt_client() -> Iterator[Client]:
    app = flask_app()
    app.config["JWT_TOKEN_LOCATION"] = ["headers", "cookies"]
    flask_jwt_extended.JWTManager(app)

    @app.before_request
    def maybe_known() -> None:
        try:
            flask_jwt_extended.verify_jwt_in_request()
        except Exception:
            return

    @app.route("/me", methods=["GET", "POST"])
    @flask_jwt_extended.jwt_required()  # type: ignore[untyped-decorator]
    def me() -> str:
        return "ada"

    @app.get("/token")
    def token() -> Response:
        response = Response("welcome")
        flask_jwt_extended.set_access_cookies(response, flask_jwt_extended.create_access_token("ada"))
        return response

    with Client(app, base_url="https://testserver") as client:
        yield client


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer no.such.token"}, 422)])
def test_a_token_that_is_missing_or_none_is_not_authenticated(
    jwt_client: Client, headers: dict[str, str], status: int
) -> None:
    trace = jwt_client.get("/me", headers=headers)
    assert (trace.status, told(trace)) == (status, ("rejected", "authentication", "jwt_required"))
    assert trace.exceptions[-1].is_answer


def test_a_token_in_a_cookie_needs_one_against_csrf(jwt_client: Client) -> None:
    jwt_client.get("/token")
    assert told(jwt_client.get("/me")) == ("handled", None, None)
    assert told(jwt_client.post("/me")) == ("rejected", "csrf", "jwt_required")


def test_a_token_is_refused_in_an_api_only_where_the_api_answers_it() -> None:
    app = flask_app()
    flask_jwt_extended.JWTManager(app)
    without, answering = flask_restful.Api(app, prefix="/without"), flask_restx.Api(app, prefix="/answering")
    answering.errorhandler(flask_jwt_extended.exceptions.JWTExtendedException)(lambda error: ({}, 401))
    for library, api in ((flask_restful, without), (flask_restx, answering)):

        class Me(library.Resource):  # type: ignore[misc]
            method_decorators = [flask_jwt_extended.jwt_required()]  # noqa: RUF012

            def get(self) -> str:
                return "ada"

        api.add_resource(Me, "/me", endpoint=library.__name__)

    with Client(app) as client:
        trace = client.get("/without/me")
        assert (trace.status, trace.outcome, trace.exceptions[0].is_answer) == (500, "error", False)
        trace = client.get("/answering/me")
        assert (trace.status, told(trace)) == (401, ("rejected", "authentication", "jwt_required"))


def test_a_limit_of_flask_limiter_is_a_throttle() -> None:
    app = flask_app()
    limiter = Limiter(lambda: "me", app=app, default_limits=["2/hour"])

    @app.get("/")
    def index() -> str:
        return "index"

    @app.get("/once")
    @limiter.limit("1/hour")
    def once() -> str:
        return "once"

    @app.get("/inside")
    def inside() -> str:
        with limiter.limit("1/hour"):
            return "inside"

    with Client(app) as client:
        assert [told(client.get("/")) for _ in range(3)][1:] == [
            ("handled", None, None),
            ("rejected", "throttle", "Limiter._check_request_limit"),
        ]
        assert [told(client.get("/once"))[:2] for _ in range(2)] == [("handled", None), ("rejected", "throttle")]
        assert [told(client.get("/inside"))[:2] for _ in range(2)] == [("handled", None)] * 2


def basic_app() -> Flask:
    app = flask_app()
    auth = HTTPBasicAuth()
    auth.verify_password(lambda name, password: name if password == "right" else None)
    auth.get_user_roles(lambda user: [])

    @app.get("/me")
    @auth.login_required  # type: ignore[untyped-decorator]
    def me() -> str:
        return "ada"

    @app.get("/admin")
    @auth.login_required(role="admin")  # type: ignore[untyped-decorator]
    def admin() -> str:
        return "admin"

    return app


def test_flask_httpauth_says_by_its_status_why_it_refused() -> None:
    who = "HTTPAuth.login_required"
    with Client(basic_app()) as client:
        assert told(client.get("/me")) == ("rejected", "authentication", who)
        assert told(client.get("/me", auth=("ada", "right"))) == ("handled", None, None)
        assert told(client.get("/admin", auth=("ada", "right"))) == ("rejected", "permission", who)


# -- Django


@ratelimit(key="ip", rate="1/h", group="hard")  # type: ignore[untyped-decorator]
def hard(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fine")


@ratelimit(key="ip", rate="1/h", group="soft", block=False)  # type: ignore[untyped-decorator]
def soft(request: HttpRequest) -> HttpResponse:
    return HttpResponse("slow down" if getattr(request, "limited", False) else "fine")


urlpatterns = [path("hard", hard), path("soft", soft)]


@contextmanager
def in_limits() -> Iterator[Any]:
    """Give a Django project with limits that nobody has reached."""
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
        cache.clear()
        yield get_wsgi_application()


def test_a_limit_of_django_ratelimit_is_a_throttle_though_its_status_is_403() -> None:
    with in_limits() as app, Client(app) as client:
        assert told(client.get("/hard")) == ("handled", None, None)
        trace = client.get("/hard")
        assert (trace.status, told(trace)) == (403, ("rejected", "throttle", "ratelimit"))
        assert [told(client.get("/soft")) for _ in range(2)] == [("handled", None, None)] * 2


# -- ASGI


async def home(request: Request) -> PlainTextResponse:
    return PlainTextResponse("home")


def slow_app(*middleware: Any) -> Starlette:
    limiter = SlowLimiter(key_func=lambda: "me", default_limits=["1/hour"] if middleware else [])
    limited = home if middleware else limiter.limit("1/hour")(home)
    app = Starlette(routes=[Route("/", limited)], middleware=[Middleware(layer) for layer in middleware])
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    return app


@pytest.mark.parametrize(
    ("build", "who"),
    [
        (slow_app, "Limiter.__limit_decorator"),
        (lambda: slow_app(SlowAPIMiddleware), "SlowAPIMiddleware"),
        (lambda: slow_app(SlowAPIASGIMiddleware), "SlowAPIASGIMiddleware"),
    ],
)
def test_a_limit_of_slowapi_is_a_throttle(build: Callable[[], Starlette], who: str) -> None:
    with Client(build()) as client:
        assert told(client.get("/")) == ("handled", None, None)
        assert told(client.get("/")) == ("rejected", "throttle", who)


class OwnAnswer(CSRFMiddleware):
    """Says no in words of its own."""

    def _get_error_response(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("no", status_code=400)


def posted_app(layer: Any = CSRFMiddleware) -> Starlette:
    layers = [Middleware(layer, secret="secret")] if layer is not None else []
    return Starlette(routes=[Route("/", home, methods=["GET", "POST"])], middleware=layers)


@pytest.mark.parametrize("layer", [CSRFMiddleware, OwnAnswer])
def test_starlette_csrf_refuses_by_csrf_whatever_it_answers(layer: Any) -> None:
    with Client(posted_app(layer)) as client:
        token = client.get("/").cookies["csrftoken"]
        assert told(client.post("/")) == ("rejected", "csrf", layer.__name__)
        assert told(client.post("/", headers={"x-csrftoken": token})) == ("handled", None, None)


def wrapped_app() -> Any:
    return asgi_csrf(posted_app(None), signing_secret="secret")


def test_asgi_csrf_refuses_by_csrf() -> None:
    with Client(wrapped_app()) as client:
        trace = client.post("/", cookies={"session": "1"})
        assert told(trace) == ("rejected", "csrf", "app_wrapped_with_csrf")
        assert trace.path == ["middleware app_wrapped_with_csrf", "response 403"]
        client.cookies.clear()
        assert told(client.post("/")) == ("handled", None, None)


class Provider(AuthProvider):
    """Knows whoever says so."""

    async def authenticate(self, request: Request) -> AdminUser | None:
        return AdminUser(username="ada") if "known" in request.headers else None


def admin_app() -> Starlette:
    app = Starlette(routes=[Route("/", home)])
    BaseAdmin(auth_provider=Provider(), secret_key="secret").mount_to(app)
    return app


def test_starlette_admin_sends_to_the_login_page_whom_it_does_not_know() -> None:
    with Client(admin_app()) as client:
        trace = client.get("/admin/")
        assert (trace.status, told(trace)) == (303, ("rejected", "authentication", "AuthMiddleware"))
        assert (trace.route, trace.stopped_at) == (None, "middleware AuthMiddleware")
        assert client.get("/admin/", headers={"known": "1"}).refusal is None
        trace = client.post("/admin/login", data={"username": "ada"})
        assert told(trace) == ("rejected", "csrf", "CSRFMiddleware")

"""What apps declare, without a request: named as the traces of requests name it, and nothing of the app is changed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from a2wsgi import WSGIMiddleware
from fastapi import APIRouter, Depends, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from examples.fastapi_shop.main import app as fastapi_shop_example
from examples.flask_shop.app import create_app
from pytest_lifecycle import AsyncClient, Client, DeclaredMiddleware, DeclaredRoute, Trace
from tests.apps import (
    chat_app,
    django_app,
    django_shop,
    fastapi_app,
    flask_app,
    flask_shop,
    gallery_app,
    library_app,
)

TOKENS = {"gallery": "curator", "django shop": "root", "drf": "Token root", "flask shop": "clerk"}
"""What lets a request in, by the app; the others take any."""

VALUES = {"int": "1", "uuid": str(UUID(int=1)), "slug": "new", "path": "a/b", "drf_format_suffix": ".json"}
PARAMETER = re.compile(r"\{\w+(?::(\w+))?\}|<(?:(\w+):)?\w+>")
FRAMEWORKS_OWN = {"swagger_ui_html", "swagger_ui_redirect", "redoc_html", "openapi", "send_static_file"}


def path_of(pattern: str) -> str:
    """Make a path that fits a pattern."""
    pattern = re.sub(r"\(\?P<(\w+)>\[[^\]]*\][^)]*\)", lambda found: {"year": "1999"}.get(found[1], "1"), pattern)
    pattern = pattern.replace("^", "").replace("$", "").replace("\\.", ".").replace("/?", "")
    return PARAMETER.sub(lambda found: VALUES.get(found[1] or found[2] or "", "1"), pattern)


def ask(client: Client, route: DeclaredRoute, **arguments: Any) -> Trace:
    if route.method == "WEBSOCKET":
        with client.websocket(path_of(route.pattern), **arguments) as websocket:
            pass
        assert websocket.trace is not None
        return websocket.trace
    path = HOSTS.get(str(route), "") + path_of(route.pattern)
    if route.method == "ANY":  # a mount without routes, or a view of any method
        return client.get(path if path.endswith("/") else f"{path}/", **arguments)
    return client.request(route.method, path, **arguments)


@contextmanager
def built(app: object) -> Iterator[Any]:
    yield app


@contextmanager
def django_shop_app() -> Iterator[Any]:
    with django_shop.shop_settings():
        yield django_shop.build_wsgi()


@contextmanager
def drf_project() -> Iterator[Any]:
    pytest.importorskip("rest_framework")
    from tests.apps import drf_app

    with drf_app.api_settings() as app:
        yield app


def mixed() -> Starlette:
    """An app of every framework in one: mounts, hosts, routers, bridges, wrappers, middleware of every kind."""

    def function_made(app: Any) -> Any:
        async def around(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)

        return around

    async def dispatched(request: Request, call_next: Any) -> Response:
        return await call_next(request)  # type: ignore[no-any-return]

    async def end(request: Request) -> Response:
        return PlainTextResponse("end")

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("bare")(scope, receive, send)

    api = FastAPI(openapi_url=None, dependencies=[Depends(library_app.throttle)])
    api.add_api_route("/items/{item}", lambda item: item, methods=["GET", "PUT"])
    flask = Flask("inner")
    flask.add_url_rule("/page", view_func=flask_shop.search)
    return Starlette(
        routes=[
            Route(
                "/one", end, middleware=[Middleware(function_made), Middleware(BaseHTTPMiddleware, dispatch=dispatched)]
            ),
            Mount("/api", gallery_app.Timing(api), middleware=[Middleware(function_made)]),
            Mount("/bare", function_made(bare), name="bare"),
            Mount("/flask", WSGIMiddleware(flask_app.Stamp(flask, "x"))),
            Mount("/many", routes=[Route("/", end), Mount("/deep", Router([Route("/x", end, name="x")]))]),
            Host("testserver", Router([Route("/hosted", end)], middleware=[Middleware(gallery_app.Timing)])),
        ],
        middleware=[
            Middleware(function_made),
            Middleware(gallery_app.Timing),
            Middleware(BaseHTTPMiddleware, dispatch=dispatched),
        ],
    )


def two_flasks() -> Any:
    shop, admin = Flask("shop"), Flask("admin")
    shop.add_url_rule("/", view_func=flask_shop.index, methods=["POST"])
    admin.add_url_rule("/stats", view_func=flask_shop.search)
    return flask_app.Stamp(DispatcherMiddleware(shop, {"/admin": flask_app.Stamp(admin.wsgi_app, "x")}), "y")


APPS: dict[str, Callable[[Path], Any]] = {
    "fastapi": lambda _: built(fastapi_app.build()),
    "library": lambda _: built(library_app.build()),
    "chat": lambda _: built(chat_app.build()),
    "fastapi example": lambda _: built(fastapi_shop_example),
    "gallery": lambda path: built(gallery_app.build(path)),
    "flask": lambda _: built(flask_app.build()),
    "flask shop": lambda _: built(flask_shop.build()),
    "flask example": lambda _: built(create_app()),
    "django": lambda _: built(django_app.wsgi),
    "django shop": lambda _: django_shop_app(),
    "drf": lambda _: drf_project(),
    "mixed": lambda _: built(mixed()),
    "two flasks": lambda _: built(two_flasks()),
}

HOSTS = {"GET /v1": "http://api.gallery.example"}
"""The host that a route is for; the others take any."""

ELSEWHERE = {
    "GET /api/v1/books/latest": "GET /api/v1/books/{book_id}",  # the first one that fits takes it
    "GET /{page}/": "GET /{page}/",
    "ANY /pages/new/": "GET /pages/<slug:name>/",
}
"""Where requests for a declared route go that another route hides."""


@pytest.mark.parametrize("name", APPS)
def test_every_declared_route_is_named_as_the_traces_of_its_requests_name_it(name: str, tmp_path: Path) -> None:
    with APPS[name](tmp_path) as app, Client(app) as client:
        declared = client.routes()
        assert declared
        for route in declared:
            trace = ask(client, route, headers={"authorization": TOKENS.get(name, "Bearer ann")})
            written = str(route).replace("ANY ", "GET ")
            assert trace.route == ELSEWHERE.get(str(route), written)
            if trace.route != written:
                continue
            assert trace.route_name == route.name
            assert tuple(trace.middleware) == route.middleware
            if trace.handler is not None:
                assert trace.handler == route.handler
                ran = dict.fromkeys(trace.dependencies) if name == "drf" else trace.dependencies
                assert tuple(ran) == tuple(check for check in route.dependencies if name != "drf" or check in ran)
                assert trace.span(trace.handler).source == route.source


# -- what is declared without a request


def test_an_app_is_read_without_being_built_or_changed() -> None:
    app = library_app.build()
    before = {name: len(value) if isinstance(value, list) else value for name, value in vars(app).items()}
    branches = [vars(route).get("_effective_candidates") for route in app.router.routes]
    client = Client(app)
    assert client.routes() == client.routes()
    assert client.stack()
    assert {name: len(value) if isinstance(value, list) else value for name, value in vars(app).items()} == before
    assert app.middleware_stack is None
    assert app.openapi_schema is None
    assert [vars(route).get("_effective_candidates") for route in app.router.routes] == branches
    assert "url_path_for" not in vars(app)


def test_flask_s_url_map_stays_unsorted_until_flask_sorts_it() -> None:
    app = flask_shop.build()
    before = app.url_map._remap
    assert Client(app).routes()
    assert (app.url_map._remap, app._got_first_request) == (before, False)


def test_django_s_handler_is_not_loaded_and_its_resolver_not_asked() -> None:
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings
    from django.urls.resolvers import _get_cached_resolver

    handler = WSGIHandler.__new__(WSGIHandler)  # as it is before `load_middleware`
    with override_settings(ROOT_URLCONF="tests.apps.django_app"):
        asked = _get_cached_resolver.cache_info()
        assert str(Client(handler, interface="wsgi").routes()[0]) == "ANY /orders/<int:number>/"
        assert _get_cached_resolver.cache_info() == asked
    assert handler._middleware_chain is None


def test_django_s_translated_routes_are_in_the_language_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType

    from django.conf.urls.i18n import i18n_patterns
    from django.test import override_settings
    from django.urls import path
    from django.utils.translation import gettext_lazy, override

    urls = ModuleType("translated_urls")
    monkeypatch.setitem(sys.modules, urls.__name__, urls)
    shown = [path("shown/", django_app.forbidden), path(gettext_lazy("yes/"), django_app.forbidden)]
    vars(urls)["urlpatterns"] = [path("plain/", django_app.forbidden), *i18n_patterns(*shown)]
    with override_settings(ROOT_URLCONF=urls.__name__, LANGUAGE_CODE="de"), override("fr"):
        routes = list(map(str, Client(django_app.wsgi).routes()))
    assert routes == ["ANY /plain/", "ANY /de/shown/", "ANY /de/yes/"]


def test_a_client_of_async_tests_gives_the_same() -> None:
    app = library_app.build()
    assert AsyncClient(app).routes() == Client(app).routes()
    assert AsyncClient(app).stack() == Client(app).stack()


def test_an_app_that_no_adapter_knows_declares_its_wrappers_and_nothing_else() -> None:
    client = Client(gallery_app.Timing(library_app.legacy))
    assert client.routes() == []
    assert [layer.name for layer in client.stack()] == ["Timing"]


def test_the_stack_tells_what_each_middleware_is_around() -> None:
    assert [(layer.name, layer.where) for layer in Client(mixed()).stack()] == [
        ("around", "app"),
        ("Timing", "app"),
        ("dispatched", "app"),
        ("around", "route /one"),
        ("dispatched", "route /one"),
        ("around", "mount /api"),
        ("Timing", "mount /api"),
        ("around", "mount /bare"),
        ("WSGIMiddleware", "mount /flask"),
        ("Stamp", "mount /flask"),
        ("Timing", "host testserver"),
    ]


def test_wrappers_by_hand_come_before_the_app_s_own_middleware() -> None:
    app = gallery_app.Timing(fastapi_app.Tag(fastapi_app.build(), "x"))
    with Client(app) as client:
        names = [layer.name for layer in client.stack()]
        assert names == client.get("/health").middleware
    assert names[:3] == ["Timing", "Tag", "Tag"]


class Prefixed:
    """As many Flask apps have it: a wrapper put into the app whose settings it reads."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.wsgi_app = app.wsgi_app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        root = self.app.config["APPLICATION_ROOT"]
        environ["SCRIPT_NAME"] = root
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(root)
        return self.wsgi_app(environ, start_response)


@pytest.mark.parametrize(("root", "prefix"), [("/", ""), ("/shop", "/shop"), ("/shop/", "/shop")])
def test_a_wrapper_that_holds_the_app_it_is_a_part_of_hides_no_routes(root: str, prefix: str) -> None:
    flask = Flask("shop", static_folder=None)
    flask.config["APPLICATION_ROOT"] = root
    flask.add_url_rule("/orders/<int:order_id>", view_func=lambda order_id: str(order_id))
    flask.wsgi_app = Prefixed(flask)  # type: ignore[method-assign]
    client = Client(flask)
    trace = client.get(f"{prefix}/orders/7")
    assert (trace.text, trace.middleware, trace.route) == ("7", ["Prefixed"], f"GET {prefix}/orders/<int:order_id>")
    assert list(map(str, client.routes())) == ["GET /orders/<int:order_id>"]
    assert [layer.name for layer in client.stack()] == ["Prefixed"]


def test_methods_that_a_framework_adds_by_itself_are_no_routes() -> None:
    flask = Flask("shop", static_folder=None)
    flask.add_url_rule("/", view_func=flask_shop.index, methods=["GET", "PUT"])
    assert list(map(str, Client(flask).routes())) == ["GET /", "PUT /"]
    starlette = Starlette(routes=[Route("/", gallery_app.home, methods=["GET", "HEAD", "OPTIONS"])])
    assert list(map(str, Client(starlette).routes())) == ["GET /", "OPTIONS /"]


@pytest.mark.parametrize("app", [library_app.build(), FastAPI(), flask_app.build()])
def test_what_the_framework_declares_itself_is_marked(app: Any) -> None:
    own = {route.handler for route in Client(app).routes() if route.builtin}
    assert own <= FRAMEWORKS_OWN
    assert bool(own) is (app.__class__ is Flask or app.openapi_url is not None)


def test_dependencies_of_routers_within_routers_come_first_and_each_once() -> None:
    def outer() -> None: ...
    def middle() -> None: ...
    def shared() -> int:
        return 1

    def inner(value: int = Depends(shared), again: int = Depends(shared)) -> None: ...
    def fresh(value: int = Depends(shared, use_cache=False)) -> None: ...

    leaf = APIRouter(prefix="/leaf", dependencies=[Depends(inner)])
    leaf.add_api_route("/x", lambda: 1, dependencies=[Depends(fresh)])
    branch = APIRouter(prefix="/branch")
    branch.include_router(leaf, prefix="/v1", dependencies=[Depends(middle)])
    app = FastAPI(openapi_url=None, dependencies=[Depends(outer)])
    app.include_router(branch)
    with Client(app) as client:
        (route,) = client.routes()
        assert str(route) == "GET /branch/v1/leaf/x"
        assert route.dependencies == ("outer", "middle", "shared", "inner", "shared", "fresh")
        assert client.get("/branch/v1/leaf/x").dependencies == list(route.dependencies)


# -- declared, and not active


def test_middleware_added_after_the_app_was_asked_is_not_active() -> None:
    app = Starlette(routes=[Route("/", gallery_app.home)], middleware=[Middleware(gallery_app.Timing)])
    with Client(app) as client:
        client.get("/")
        app.user_middleware.append(Middleware(fastapi_app.Gate))
        assert client.stack() == [
            DeclaredMiddleware("Timing", "tests.apps.gallery_app:Timing"),
            DeclaredMiddleware(
                "Gate",
                "tests.apps.fastapi_app:Gate",
                active=False,
                reason="it was added after the app had been asked",
            ),
        ]
        assert client.routes()[0].middleware == ("Timing",)


class Unused:
    """Django middleware that is not to be used."""

    def __init__(self, get_response: Any) -> None:
        from django.core.exceptions import MiddlewareNotUsed

        raise MiddlewareNotUsed


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_django_middleware_that_asked_not_to_be_used_is_not_active(interface: str) -> None:
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.test import override_settings

    shop = django_shop.SETTINGS["MIDDLEWARE"]
    with override_settings(**django_shop.SETTINGS | {"MIDDLEWARE": [*shop[:3], f"{__name__}.Unused", *shop[3:]]}):
        app: Any = get_wsgi_application() if interface == "wsgi" else get_asgi_application()
        client = Client(app)
        assert [(layer.name, layer.reason) for layer in client.stack() if not layer.active] == [
            ("Unused", "it raised MiddlewareNotUsed as it was loaded")
        ]
        assert len(client.stack()) == len(shop) + 1
        assert "Unused" not in client.routes()[0].middleware


def test_the_routes_for_a_format_s_suffix_are_rest_framework_s_own() -> None:
    with drf_project() as app:
        routes = {str(route): route.builtin for route in Client(app).routes()}
    assert (routes["GET /api/books/$"], any(routes.values())) == (False, True)
    assert {route for route, is_builtin in routes.items() if is_builtin} == {
        route for route in routes if route.endswith(("\\.(?P<format>[a-z0-9]+)/?$", "<drf_format_suffix:format>"))
    }

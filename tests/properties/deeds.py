"""The same small app in six ways: whatever it is asked, it does what the test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any

import pydantic
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI, Header, Request, Response
from flask import Flask
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import tests.apps.django_app  # noqa: F401  (configures Django)

Headers = Mapping[str, str]


class Deed:
    """What the apps do: raise something, or answer with these headers."""

    def __init__(self) -> None:
        self.act: Callable[[], Headers] = dict

    def __call__(self) -> Headers:
        return self.act()


deed = Deed()


class Login(pydantic.BaseModel):
    user: int
    password: str = pydantic.Field(max_length=3)
    nested: dict[str, Any] = {}
    counts: dict[str, int] = {}


def fastapi_app() -> Any:
    app = FastAPI()

    @app.middleware("http")
    async def on_the_way_out(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers.update({name: value for name, value in deed().items() if name != "x-own"})
        return response

    @app.post("/login")
    async def login(login: Login, x_count: Annotated[int, Header()] = 0) -> None: ...

    @app.api_route("/reset/{token}", methods=["GET", "POST"])
    @app.api_route("/orders", methods=["GET", "POST"])
    async def act(request: Request, response: Response) -> None:
        await request.body()
        response.headers.update(deed())

    return app


def starlette_app() -> Any:
    async def act(request: Any) -> Any:
        await request.body()
        return PlainTextResponse("", headers=deed())

    both = ["GET", "POST"]
    inner = [Route("/orders", act, methods=both), Route("/reset/{token}", act, methods=both)]
    return Starlette(routes=[*inner, Mount("/tenants/{secret}", routes=inner)])


def flask_app() -> Any:
    app = Flask(__name__)

    @app.route("/orders", methods=["GET", "POST"])
    @app.route("/reset/<token>", methods=["GET", "POST"])
    @app.route("/login", methods=["POST"])
    def act(token: str = "") -> Any:
        flask_request.get_data()
        return "", 200, dict(deed())

    return app


def act_view(request: HttpRequest, token: str = "") -> HttpResponse:
    _ = request.body
    return HttpResponse("", headers=dict(deed()))


urlpatterns = [path("orders", act_view), path("reset/<str:token>", act_view), path("login", act_view)]


async def bare_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    await receive()
    lines = [(name.encode(), value.encode("latin-1")) for name, value in deed().items()]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body"})


def bare_wsgi(environ: Any, start_response: Any) -> Any:
    environ["wsgi.input"].read()
    start_response("200 OK", list(deed().items()))
    return []


def django_app() -> Any:
    return get_wsgi_application()


APPS: dict[str, Callable[[], Any]] = {
    "fastapi": cache(fastapi_app),
    "starlette": cache(starlette_app),
    "flask": cache(flask_app),
    "django": cache(django_app),
    "asgi": lambda: bare_asgi,
    "wsgi": lambda: bare_wsgi,
}
"""What makes each app, or gives the one that was made before."""


@contextmanager
def serving(framework: str) -> Iterator[Any]:
    """Give the app of a framework; Django's has settings of its own while it is asked."""
    if framework != "django":
        yield APPS[framework]()
        return
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
        yield APPS["django"]()

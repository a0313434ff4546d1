"""A gallery's Starlette app: authentication, roles, class endpoints, mounts, hosts, uploads, streaming, files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
    requires,
)
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

TOKENS = {"visitor": ["authenticated"], "curator": ["authenticated", "curator"]}


class Tokens(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        token = conn.headers.get("authorization")
        if token is None:
            return None
        if token not in TOKENS:
            raise AuthenticationError("unknown token")
        return AuthCredentials(TOKENS[token]), SimpleUser(token)


class Timing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        if request.url.path == "/teapot":
            return PlainTextResponse("short and stout", status_code=418)
        response: Response = await call_next(request)
        response.headers["x-took"] = "1"
        return response


class StolenPicture(Exception):
    """The picture is gone."""


class TooBig(Exception):
    """The upload is too big."""


async def home(request: Request) -> Response:
    return PlainTextResponse("welcome " * 200)


class Pictures(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return JSONResponse(["Guernica"])

    @requires("curator")
    async def post(self, request: Request) -> Response:
        data = await request.json()
        return JSONResponse(data, status_code=201, background=BackgroundTask(hang_up, data))


async def hang_up(data: object) -> None:
    """Hang the picture on a wall."""


async def picture(request: Request) -> Response:
    number = request.path_params["number"]
    if number == 404:
        raise HTTPException(404, "no such picture")
    if number == 13:
        raise StolenPicture("at night")
    if number == 500:
        raise ValueError("torn")
    if number == 501:
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("cannot count") from error
    return JSONResponse({"number": number})


def sync_picture(request: Request) -> Response:
    return PlainTextResponse("sync")


async def scan(request: Request) -> Response:
    async def rows() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"row\n"

    return StreamingResponse(rows())


async def upload(request: Request) -> Response:
    async with request.form() as form:
        content = await form["file"].read()  # type: ignore[union-attr]
    if len(content) > 10:
        raise TooBig
    return JSONResponse(len(content))


@requires("authenticated", redirect="home")
async def cellar(request: Request) -> Response:
    return PlainTextResponse("wine")


@requires(["authenticated", "curator"], status_code=404)
async def vault(request: Request) -> Response:
    return PlainTextResponse("gold")


async def stats(request: Request) -> Response:
    return JSONResponse(1)


async def api_root(request: Request) -> Response:
    return JSONResponse("api")


async def on_stolen(request: Request, error: Exception) -> Response:
    return PlainTextResponse("stolen", status_code=410)


def on_too_big(request: Request, error: Exception) -> Response:
    return PlainTextResponse("too big", status_code=413)


async def on_not_found(request: Request, error: Exception) -> Response:
    return PlainTextResponse("nothing here", status_code=404)


async def to_home(request: Request) -> Response:
    return RedirectResponse("/")


def build(static: Path) -> Starlette:
    """Make the app anew; `static` is the folder of its files."""
    office = Router(
        routes=[Route("/stats", stats), Route("/stats/{year:int}", stats, name="year")],
        middleware=[Middleware(Timing)],
    )
    return Starlette(
        routes=[
            Route("/", home, name="home"),
            Route("/pictures", Pictures),
            Route("/pictures/{number:int}", picture),
            Route("/pictures/{number:int}/scan", scan),
            Route("/sync/{name}", sync_picture, methods=["GET", "PUT"]),
            Route("/upload", upload, methods=["POST"]),
            Route("/cellar", cellar),
            Route("/vault", vault),
            Route("/old", to_home),
            Mount("/office", office, name="office"),
            Mount("/static", StaticFiles(directory=static), name="static"),
            Host("api.gallery.example", Router([Route("/v1", api_root)]), name="api"),
            Route("/{page}/", home),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["testserver", "*.gallery.example"]),
            Middleware(GZipMiddleware),
            Middleware(Timing),
            Middleware(AuthenticationMiddleware, backend=Tokens()),
        ],
        exception_handlers={StolenPicture: on_stolen, TooBig: on_too_big, 404: on_not_found},
    )

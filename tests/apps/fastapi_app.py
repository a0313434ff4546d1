"""A FastAPI app with six middleware, nested routers, mounts, dependencies and every way to end a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Tag:
    """Pure ASGI middleware that adds one header; the app has two of them."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app = app
        self.name = name.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tagging(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-tag", self.name)]}
            await send(message)

        await self.app(scope, receive, tagging)


class Gate(BaseHTTPMiddleware):
    """Answers 503 itself when the request asks for it."""

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.headers.get("x-closed"):
            return JSONResponse({"detail": "closed"}, status_code=503)
        return await call_next(request)


class Item(BaseModel):
    name: str
    quantity: int


def get_settings() -> dict[str, str]:
    return {"currency": "EUR"}


async def get_db(settings: Annotated[dict[str, str], Depends(get_settings)]) -> AsyncIterator[dict[str, Any]]:
    yield {"settings": settings}


def get_cursor(db: Annotated[dict[str, Any], Depends(get_db)]) -> Iterator[dict[str, Any]]:
    yield db


class Pages:
    def __init__(self, limit: int = 10) -> None:
        self.limit = limit


def current_user(authorization: Annotated[str | None, Header()] = None) -> str:
    if authorization is None:
        raise HTTPException(401, "who are you?")
    return authorization


async def admin(user: Annotated[str, Depends(current_user)]) -> str:
    if user != "admin":
        raise HTTPException(403, "admins only")
    return user


items = APIRouter(prefix="/items", tags=["items"])
v1 = APIRouter(prefix="/v1")


@items.get("/{item_id}", name="read-item")
async def read_item(
    item_id: int, cursor: Annotated[dict[str, Any], Depends(get_cursor)], pages: Annotated[Pages, Depends()]
) -> dict[str, int]:
    return {"id": item_id}


@items.post("/", status_code=201)
def create_item(item: Item, user: Annotated[str, Depends(current_user)], tasks: BackgroundTasks) -> Item:
    tasks.add_task(remember, item.name)
    return item


def remember(name: str) -> None:
    """Run in the background."""


@items.delete("/{item_id}", dependencies=[Depends(admin)])
async def delete_item(item_id: int) -> None:
    return None


v1.include_router(items)


async def plain(request: Request) -> Response:
    return Response("plain")


def build() -> FastAPI:
    """Make a new app, all layers and routes in."""
    app = FastAPI()
    inner = FastAPI()

    @inner.get("/deep/{name}")
    async def deep(name: str) -> str:
        return name

    @app.get("/boom")
    async def boom() -> None:
        raise LookupError("no such thing")

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("bare")(scope, receive, send)

    app.include_router(v1)
    app.mount("/inner", inner)
    app.mount("/bare", bare)
    app.add_route("/plain", plain)
    app.add_middleware(Tag, name="inner")
    app.add_middleware(Gate)
    app.add_middleware(GZipMiddleware, minimum_size=10_000)

    @app.middleware("http")
    async def timing(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
    app.add_middleware(Tag, name="outer")
    return app

"""A FastAPI app with every kind of layer, and the requests that all are asked to explain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.agreement.sending import Ask


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


class Audit:
    """Middleware of the mounted app only."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Seal:
    """Middleware of one route only."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Envelope:
    """Put around the app by hand."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class OutOfStock(Exception):
    """Nobody handles it: a crash."""


class SoldOut(Exception):
    """Has an exception handler."""


class NewOrder(BaseModel):
    quantity: int = Field(gt=0)


def get_db() -> Iterator[dict[int, str]]:
    yield {7: "seven lamps"}


async def current_user(authorization: Annotated[str | None, Header()] = None) -> str:
    if authorization is None:
        raise HTTPException(401, "who are you?")
    return authorization


def send_mail(number: int) -> None:
    """A background task that succeeds."""


async def print_label(number: int) -> None:
    """A background task that fails after the response was sent."""
    raise OutOfStock(f"no labels for {number}")


orders = APIRouter(prefix="/orders", dependencies=[Depends(current_user)])


@orders.get("/{number}")
async def read_order(number: int, db: Annotated[dict[int, str], Depends(get_db)]) -> dict[str, str]:
    if number not in db:
        raise HTTPException(404, "no such order")
    return {"order": db[number]}


@orders.post("", status_code=201)
def create_order(order: NewOrder, tasks: BackgroundTasks) -> dict[str, int]:
    tasks.add_task(send_mail, 8)
    return {"number": 8, "quantity": order.quantity}


@orders.post("/{number}/label", status_code=202)
async def order_label(number: int, tasks: BackgroundTasks) -> dict[str, int]:
    tasks.add_task(print_label, number)
    return {"number": number}


@orders.delete("/{number}")
async def cancel_order(number: int) -> None:
    raise OutOfStock(f"cannot cancel {number}")


@orders.put("/{number}")
def replace_order(number: int) -> None:
    raise SoldOut


async def sold_out(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "sold out"}, status_code=409)


async def report(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"the report of {request.path_params['year']}")


async def closed_book(request: Request) -> PlainTextResponse:
    raise OutOfStock("the books are gone")


api = FastAPI(exception_handlers={SoldOut: sold_out})
v1 = APIRouter(prefix="/v1")
v1.include_router(orders)
api.include_router(v1, prefix="/api")
books = Starlette(
    routes=[Route("/reports/{year:int}", report, middleware=[Middleware(Seal)]), Route("/closed", closed_book)],
    middleware=[Middleware(Audit)],
)
api.mount("/books", books)

# Starlette puts what is added last around what was added first.
api.add_middleware(Tag, name="inner")
api.add_middleware(Gate)


@api.middleware("http")
async def timing(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    return await call_next(request)


api.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
api.add_middleware(Tag, name="outer")

app = Envelope(api)

USER = {"authorization": "Bearer t"}

ASKS = {
    "read": Ask("GET", "/api/v1/orders/7", USER),
    "create, with a background task": Ask("POST", "/api/v1/orders", USER, json={"quantity": 2}),
    "a background task crashes": Ask("POST", "/api/v1/orders/7/label", USER),
    "invalid body": Ask("POST", "/api/v1/orders", USER, json={"quantity": "many"}),
    "invalid path parameter": Ask("GET", "/api/v1/orders/seven", USER),
    "a dependency refuses": Ask("GET", "/api/v1/orders/7"),
    "the handler answers 404": Ask("GET", "/api/v1/orders/8", USER),
    "no such route": Ask("GET", "/api/v1/nowhere", USER),
    "wrong method": Ask("PATCH", "/api/v1/orders/7", USER),
    "slash too many": Ask("GET", "/api/v1/orders/7/", USER),
    "an exception handler answers": Ask("PUT", "/api/v1/orders/7", USER),
    "the handler crashes": Ask("DELETE", "/api/v1/orders/7", USER),
    "a middleware answers": Ask("GET", "/api/v1/orders/7", {**USER, "x-closed": "1"}),
    "preflight": Ask(
        "OPTIONS", "/api/v1/orders/7", {"origin": "https://shop.example", "access-control-request-method": "GET"}
    ),
    "mounted app": Ask("GET", "/books/reports/1998"),
    "mounted app, no such route": Ask("GET", "/books/reports/last"),
    "mounted app crashes": Ask("GET", "/books/closed"),
}

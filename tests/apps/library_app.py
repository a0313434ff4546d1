"""A library's FastAPI app: auth, roles, throttling, nested includes, mounts, uploads, streaming, background work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import (
    APIRouter,
    BackgroundTasks,
    Depends,
    FastAPI,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    Security,
    UploadFile,
)
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer
from pydantic import BaseModel, Field
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]

TOKENS = {"reader-token": "reader", "admin-token": "admin"}
oauth = OAuth2PasswordBearer(tokenUrl="/token")
partner_key = APIKeyHeader(name="x-partner-key")


class Book(BaseModel):
    title: str = Field(min_length=2)
    pages: int = Field(gt=0)
    tags: list[str] = []


class OnLoan(Exception):
    """The book is not in the library."""


class RequestID:
    """Adds an id to the scope and to the response."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-request-id", b"7")]}
            await send(message)

        if scope["type"] == "http":
            scope["request_id"] = "7"
        await self.app(scope, receive, send_with_id)


class Maintenance:
    """Answers itself while the library is closed."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        if (b"x-closed", b"1") in scope.get("headers", ()):
            await PlainTextResponse("closed", status_code=503)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def throttle(x_burst: Annotated[int, Header()] = 0) -> None:
    if x_burst > 3:
        raise HTTPException(429, "too many requests")


async def current_user(token: Annotated[str, Depends(oauth)]) -> str:
    if token not in TOKENS:
        raise HTTPException(401, "unknown token")
    return TOKENS[token]


def require_admin(user: Annotated[str, Depends(current_user)]) -> str:
    if user != "admin":
        raise HTTPException(403, "admins only")
    return user


async def known_book(book_id: int) -> int:
    if book_id > 100:
        raise HTTPException(404, "no such book")
    return book_id


async def index_book(title: str) -> None:
    await asyncio.sleep(0)


def fail_to_index() -> None:
    raise RuntimeError("the index is down")


books = APIRouter(prefix="/books", tags=["books"])


@books.get("/")
async def list_books(page: Annotated[int, Query(ge=1)] = 1) -> list[str]:
    return ["Emma"]


@books.get("/export")
async def export_books() -> StreamingResponse:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"book %d\n" % number

    return StreamingResponse(lines(), media_type="text/plain")


@books.get("/broken-export")
async def broken_export() -> StreamingResponse:
    async def lines() -> AsyncIterator[bytes]:
        yield b"book 0\n"
        raise OSError("disk gone")

    return StreamingResponse(lines())


@books.get("/{book_id}")
async def read_book(book_id: Annotated[int, Depends(known_book)]) -> dict[str, int]:
    if book_id == 100:
        raise OnLoan("until Monday")
    if book_id == 99:
        raise HTTPException(410, "given away")
    return {"id": book_id}


@books.get("/latest")
async def read_latest() -> None:
    """Never reached: `/{book_id}` takes it."""


@books.post("/", status_code=201)
async def create_book(book: Book, tasks: BackgroundTasks, user: Annotated[str, Depends(current_user)]) -> Book:
    tasks.add_task(index_book, book.title)
    if book.title == "Ulysses":
        tasks.add_task(fail_to_index)
    return book


@books.put("/{book_id}/cover")
async def upload_cover(book_id: int, cover: UploadFile, user: Annotated[str, Depends(current_user)]) -> int:
    return len(await cover.read())


@books.delete("/{book_id}", status_code=204)
def delete_book(book_id: int, admin: Annotated[str, Depends(require_admin)]) -> None: ...


admin = APIRouter(prefix="/admin", dependencies=[Depends(require_admin)])


@admin.get("/stats")
def read_stats() -> float:
    return 1 / 0


@admin.get("/report", response_model=Book)
def read_report() -> dict[str, object]:
    return {"title": "Report", "pages": "many"}


def partner() -> FastAPI:
    """The app that partners see: mounted, with a key of its own and its own answer to what is invalid."""
    from fastapi.exceptions import RequestValidationError

    app = FastAPI(openapi_url=None)

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "invalid"}, status_code=400)

    @app.get("/orders/{order_id:int}")
    async def read_order(order_id: int, key: Annotated[str, Security(partner_key)]) -> int:
        return order_id

    @app.post("/orders")
    async def create_order(quantity: Annotated[int, Form()]) -> int:
        return quantity

    return app


async def legacy(scope: Message, receive: Any, send: Send) -> None:
    """A bare ASGI app."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"legacy"})


def build() -> FastAPI:
    """Make the app anew: middleware from the innermost to the outermost."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(Maintenance)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["testserver"])
    app.add_middleware(CORSMiddleware, allow_origins=["https://library.example"])
    app.add_middleware(RequestID)

    @app.exception_handler(OnLoan)
    async def on_loan(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=409)

    @app.get("/moved")
    async def moved() -> RedirectResponse:
        return RedirectResponse("/api/v1/books/")

    v1 = APIRouter(prefix="/v1", dependencies=[Depends(throttle)])
    v1.include_router(books)
    v1.include_router(admin)
    app.include_router(v1, prefix="/api")
    app.mount("/partner", partner())
    app.mount("/legacy", legacy)
    return app

"""The shop on FastAPI. Run it with ``fastapi run examples/fastapi_shop/main.py`` or any ASGI server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from fastapi import Depends, FastAPI, Request, Response
from fastapi.middleware import Middleware
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware

from .dependencies import Database, admin_only
from .middleware import MaintenanceMiddleware, NoStoreMiddleware, RequestIDMiddleware
from .routes import orders, users
from .store import Store


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    yield {"store": Store()}


app = FastAPI(
    title="Shop",
    lifespan=lifespan,
    middleware=[
        Middleware(RequestIDMiddleware),
        Middleware(
            CORSMiddleware,
            allow_origins=["https://shop.example"],
            allow_methods=["GET", "POST"],
            allow_headers=["authorization"],
        ),
        Middleware(GZipMiddleware, minimum_size=500),
        Middleware(MaintenanceMiddleware),
    ],
)


@app.middleware("http")  # added last, so outermost
async def timing(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    started = perf_counter()
    response = await call_next(request)
    response.headers["server-timing"] = f"app;dur={1000 * (perf_counter() - started):.1f}"
    return response


app.include_router(users)
app.include_router(orders)

admin = FastAPI(title="Shop, for admins", dependencies=[Depends(admin_only)])
admin.add_middleware(NoStoreMiddleware)


@admin.get("/stats")
async def read_stats(db: Database) -> dict[str, int]:
    return {"orders": len(db.orders)}


app.mount("/admin", admin)

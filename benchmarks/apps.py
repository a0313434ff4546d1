"""The apps that are measured."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def trivial(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in two messages."""
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


class PassThrough:
    """Hands everything on."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def layered(count: int) -> App:
    """Give the trivial app with so many layers around it."""
    app: App = trivial
    for _ in range(count):
        app = PassThrough(app)
    return app


def fastapi_app() -> Any:
    """Give a FastAPI app with CORS, gzip, five layers, a dependency and an async route."""
    from fastapi import Depends, FastAPI, WebSocket
    from fastapi.middleware.cors import CORSMiddleware
    from fastapi.middleware.gzip import GZipMiddleware

    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    app.add_middleware(GZipMiddleware)
    for _ in range(5):
        app.add_middleware(PassThrough)

    async def session() -> int:
        return 1

    @app.get("/orders/{order_id}")
    async def read_order(order_id: int, db: Annotated[int, Depends(session)]) -> dict[str, int]:
        return {"id": order_id, "db": db}

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app.add_api_websocket_route("/echo", echo)
    return app


def flask_app() -> Any:
    """Give a Flask app with two hooks."""
    from flask import Flask

    app = Flask("benchmark")

    @app.before_request
    def before() -> None:
        """Do nothing."""

    @app.get("/orders/<int:order_id>")
    def read_order(order_id: int) -> dict[str, int]:
        return {"id": order_id}

    return app


def django_app() -> Any:
    """Give a Django project with its usual middleware, as a WSGI app."""
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.urls import path

    def read_order(request: HttpRequest, order_id: int) -> HttpResponse:
        return JsonResponse({"id": order_id})

    class Urls:
        urlpatterns = (path("orders/<int:order_id>", read_order),)

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            DATABASES={},
            MIDDLEWARE=[
                "django.middleware.security.SecurityMiddleware",
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
                "django.middleware.clickjacking.XFrameOptionsMiddleware",
            ],
            ROOT_URLCONF=Urls,
            SECRET_KEY="benchmark",
        )
        import django

        django.setup()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()

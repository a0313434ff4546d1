"""A Django project whose views say which thread they run on."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

import tests.apps.django_app  # noqa: F401  (configures Django)


class SyncMiddleware:
    """Middleware that is sync only: under ASGI Django runs it, and all inside it, in a thread."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["x-middleware-thread"] = str(threading.get_ident())
        return response


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


def thread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(threading.get_ident()))


async def async_thread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(threading.get_ident()))


async def stuck(request: HttpRequest) -> HttpResponse:
    import asyncio

    await asyncio.Event().wait()
    return HttpResponse("never")


def boom(request: HttpRequest) -> HttpResponse:
    raise LookupError("broken")


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return StreamingHttpResponse(pieces())


urlpatterns = [
    path("hello", hello),
    path("thread", thread),
    path("async-thread", async_thread),
    path("stuck", stuck),
    path("boom", boom),
    path("stream", stream),
]


@contextmanager
def django(interface: str) -> Iterator[Any]:
    """Give the project's handler while its settings hold."""
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[f"{__name__}.SyncMiddleware"]):
        yield get_asgi_application() if interface == "asgi" else get_wsgi_application()

"""A Django project whose middleware is chosen anew for each test: `with django("module.Layer", ...) as app: ...`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tests.apps.django_app  # noqa: F401  (configures Django)

# isort: split

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils.decorators import async_only_middleware
from django.utils.deprecation import MiddlewareMixin

LONG_AGO = "Thu, 01 Jan 2026 00:00:00 GMT"


@contextlib.contextmanager
def django(*middleware: str, is_asgi: bool = False) -> Iterator[Any]:
    """Give the project with this middleware."""
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware, DEBUG_PROPAGATE_EXCEPTIONS=False):
        yield get_asgi_application() if is_asgi else get_wsgi_application()


class CorsMiddleware(MiddlewareMixin):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response["access-control-allow-origin"] = "*"
        return response


class DjangoStamp(MiddlewareMixin):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.content += b"<!-- stamped -->"
        return response


class SessionMiddleware(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        request.session = {}


class SyncLayer:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


@async_only_middleware
def async_layer(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    async def layer(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = await get_response(request)
        return response

    return layer


def django_hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello " * 200, headers={"last-modified": LONG_AGO})


async def django_async(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("hello")


def django_crash(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("no stock")


def read_twice(request: HttpRequest) -> HttpResponse:
    request.read()
    return HttpResponse(request.body)


def read_once(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body + request.body)


urlpatterns = [
    path("hello/", django_hello),
    path("async/", django_async),
    path("crash/", django_crash),
    path("read-twice/", read_twice),
    path("read-once/", read_once),
]

"""A Django project in one module: middleware of every style, views of every kind, forms, sync and async."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from django.conf import settings

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "tests.apps.django_app.timing",
            "tests.apps.django_app.Gate",
            "tests.apps.django_app.Modern",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        ROOT_URLCONF="tests.apps.django_app",
        SECRET_KEY="tests",
        USE_TZ=True,
    )

import django

django.setup()

from django import forms  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.exceptions import PermissionDenied  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path, re_path  # noqa: E402
from django.utils.decorators import method_decorator, sync_and_async_middleware  # noqa: E402
from django.utils.deprecation import MiddlewareMixin  # noqa: E402
from django.views import View  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from django.views.decorators.http import require_GET  # noqa: E402


@sync_and_async_middleware
def timing(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Function middleware, sync or async as its neighbours are."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            response: HttpResponse = await get_response(request)
            return response

    else:

        def middleware(request: HttpRequest) -> HttpResponse:  # type: ignore[misc]
            response: HttpResponse = get_response(request)
            return response

    return middleware


class Gate(MiddlewareMixin):
    """Old-style middleware with hooks."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.headers.get("X-Broken"):
            raise ValueError("the gate is broken")
        return HttpResponse("closed", status=503) if request.headers.get("X-Closed") else None

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        return HttpResponse("no", status=403) if request.headers.get("X-Stop") else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return HttpResponse("mended", status=409) if isinstance(error, KeyError) else None


class Modern:
    """New-style middleware, sync only: under ASGI Django runs it in a thread."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


class OrderForm(forms.Form):
    quantity = forms.IntegerField(min_value=1)


def read_order(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(f"order {number}")


async def slow(request: HttpRequest) -> HttpResponse:
    return HttpResponse("slow")


@csrf_exempt
def create_order(request: HttpRequest) -> HttpResponse:
    form = OrderForm(request.POST)
    if not form.is_valid():
        return JsonResponse(form.errors, status=400)
    return HttpResponse("created", status=201)


@require_GET
def only_get(request: HttpRequest) -> HttpResponse:
    return HttpResponse("got")


def boom(request: HttpRequest) -> HttpResponse:
    raise LookupError("no such thing")


def mended(request: HttpRequest) -> HttpResponse:
    raise KeyError("mend me")


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404("no such order")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def guarded(request: HttpRequest) -> HttpResponse:
    return HttpResponse("guarded")


class Box(View):
    """A class-based view."""

    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse(str(number))


@method_decorator(require_GET, name="dispatch")
class Decorated(View):
    """A class-based view with a decorated `dispatch`."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("decorated")


class AsyncBox(View):
    """An async class-based view."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("async box")


inner = [
    path("<int:number>/", read_order, name="read"),
    path("slow/", slow),
    path("", create_order, name="create"),
    path("token/", guarded),
]

urlpatterns = [
    path("orders/", include((inner, "orders"))),
    path("get/", only_get),
    path("boom/", boom),
    path("mended/", mended),
    path("missing/", missing),
    path("forbidden/", forbidden),
    path("box/<int:number>/", Box.as_view(), name="box"),
    path("decorated/", Decorated.as_view()),
    path("async-box/", AsyncBox.as_view()),
    re_path(r"^old/(?P<year>[0-9]{4})/$", lambda request, year: HttpResponse(year)),
]

wsgi: Callable[..., Any] = get_wsgi_application()
asgi: Callable[..., Awaitable[None]] = get_asgi_application()

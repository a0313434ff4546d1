"""A Django project in one module, and the requests that all are asked to explain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.utils.deprecation import MiddlewareMixin
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from tests.agreement.sending import Ask


def timing(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Function middleware."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware


class Gate(MiddlewareMixin):
    """Old-style middleware with hooks."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        return HttpResponse("closed", status=503) if request.headers.get("X-Closed") else None

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        return HttpResponse("stop", status=403) if request.headers.get("X-Stop") else None


class Envelope:
    """Put around the app by hand."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.app(environ, start_response)


class OutOfStock(Exception):
    """Nobody handles it: a crash."""


class OrderForm(forms.Form):
    quantity = forms.IntegerField(min_value=1)


def read_order(request: HttpRequest, number: int) -> HttpResponse:
    if number != 7:
        raise Http404("no such order")
    return HttpResponse("seven lamps")


@csrf_exempt
def create_order(request: HttpRequest) -> HttpResponse:
    form = OrderForm(request.POST)
    return HttpResponse("created", status=201) if form.is_valid() else JsonResponse(form.errors, status=400)


def sign(request: HttpRequest) -> HttpResponse:
    return HttpResponse("signed")


@require_GET
def catalogue(request: HttpRequest) -> HttpResponse:
    return HttpResponse("lamps")


def staff(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def crash(request: HttpRequest) -> HttpResponse:
    raise OutOfStock("no lamps")


def lost(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse("lost", status=404)


class Box(View):
    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse(f"box {number}")


orders = [path("<int:number>/", read_order, name="read"), path("", create_order, name="create"), path("sign/", sign)]

urlpatterns = [
    path("orders/", include((orders, "orders"))),
    path("catalogue/", catalogue),
    path("staff/", staff),
    path("crash/", crash),
    path("box/<int:number>/", Box.as_view(), name="box"),
]

handler404 = lost

app = Envelope(get_wsgi_application())

TOKEN = {"cookie": "csrftoken=" + "a" * 32, "x-csrftoken": "a" * 32}

ASKS = {
    "read": Ask("GET", "/orders/7/"),
    "valid form": Ask("POST", "/orders/", data={"quantity": "2"}),
    "invalid form": Ask("POST", "/orders/", data={"quantity": "many"}),
    "no CSRF token": Ask("POST", "/orders/sign/"),
    "the view answers 404": Ask("GET", "/orders/8/"),
    "no such route": Ask("GET", "/nowhere/"),
    "slash missing": Ask("GET", "/catalogue"),
    "wrong method for a decorated view": Ask("POST", "/catalogue/", TOKEN),
    "class-based view": Ask("GET", "/box/3/"),
    "wrong method for a class-based view": Ask("PUT", "/box/3/", TOKEN),
    "permission denied": Ask("GET", "/staff/"),
    "the view crashes": Ask("GET", "/crash/"),
    "a middleware answers": Ask("GET", "/orders/7/", {"x-closed": "1"}),
    "process_view answers": Ask("GET", "/orders/7/", {"x-stop": "1"}),
    "unknown host": Ask("GET", "/orders/7/", {"host": "elsewhere.example"}),
}

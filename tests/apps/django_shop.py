"""A Django shop: users and roles, includes two deep, forms of every kind, uploads, streams, templates, many refusals.

It needs its own settings while it is asked: `with shop_settings(): ...`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, ClassVar
from uuid import UUID

from tests.apps import django_shop_middleware
from tests.apps.django_shop_middleware import StockError

# isort: split

from django import forms
from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin, UserPassesTestMixin
from django.core.exceptions import PermissionDenied
from django.core.signals import request_finished
from django.db import models
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.test import override_settings
from django.urls import include, path, re_path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST
from django.views.generic import FormView, TemplateView
from jinja2 import DictLoader, Environment

OURS = django_shop_middleware.__name__

TEMPLATES = {
    "layout.html": "<h1>{% block title %}{% endblock %}</h1>{% include 'footer.html' %}",
    "footer.html": "<p>footer</p>",
    "index.html": "{% extends 'layout.html' %}{% block title %}{{ title }}{% endblock %}",
    "contact.html": "<form>{% csrf_token %}{{ form.errors }}</form>",
    "board.html": "<b>{{ board }}{{ motto }}</b>",
}

CATALOGUE = "catalogue " * 100


def jinja(**options: Any) -> Environment:
    return Environment(loader=DictLoader({"sign.html": "<i>{{ sign }}</i>"}), autoescape=True)


# -- forms


class OrderForm(forms.Form):
    quantity = forms.IntegerField(min_value=1)
    note = forms.CharField(required=False, max_length=5)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("note") == "none":
            raise forms.ValidationError("a note that says nothing", code="empty")
        return cleaned


class Product(models.Model):
    """What is sold. It is never stored."""

    name = models.CharField(max_length=5)
    price = models.IntegerField()

    class Meta:
        app_label = "shop"


class ProductForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Product
        fields = ("name", "price")


class PhotoForm(forms.Form):
    photo = forms.FileField()


class ContactForm(forms.Form):
    email = forms.EmailField()


class BulkFormSet(forms.formset_factory(OrderForm, can_delete=True)):  # type: ignore[misc]
    """Several orders at once."""


# -- views


class OrderList(LoginRequiredMixin, View):
    """All orders."""

    def get(self, request: Any) -> HttpResponse:
        return JsonResponse({"orders": []})

    def post(self, request: Any) -> HttpResponse:
        form = OrderForm(request.POST)
        if not form.is_valid():
            return JsonResponse(form.errors, status=400)
        return JsonResponse(form.cleaned_data, status=201)


class OrderView(View):
    """One order."""

    def get(self, request: Any, number: int) -> HttpResponse:
        if number == 0:
            raise Http404("no such order")
        if number == 13:
            raise StockError("none left")
        return JsonResponse({"number": number})

    @method_decorator(permission_required("shop.change_order"))
    def put(self, request: Any, number: int) -> HttpResponse:
        return JsonResponse({"number": number})


class OrderAdmin(PermissionRequiredMixin, View):
    """What only a clerk may do."""

    permission_required = "shop.change_order"

    def delete(self, request: Any, number: int) -> HttpResponse:
        return HttpResponse(status=204)


@login_required
@permission_required("shop.view_invoice", raise_exception=True)
def invoice(request: HttpRequest, key: UUID) -> HttpResponse:
    return HttpResponse(str(key))


@csrf_exempt
@require_POST
def photo(request: HttpRequest, number: int) -> HttpResponse:
    form = PhotoForm(request.POST, request.FILES)
    return HttpResponse("kept", status=201) if form.is_valid() else JsonResponse(form.errors, status=422)


def bulk(request: HttpRequest) -> HttpResponse:
    orders = BulkFormSet(request.POST)
    return HttpResponse("ordered", status=201) if orders.is_valid() else JsonResponse({"error": 1}, status=400)


def product(request: HttpRequest) -> HttpResponse:
    form = ProductForm(request.POST)
    return HttpResponse("made", status=201) if form.is_valid() else JsonResponse(form.errors, status=400)


class Contact(FormView):  # type: ignore[type-arg]
    """Shows its form again when it is wrong."""

    form_class = ContactForm
    template_name = "contact.html"
    success_url = "/"


def is_manager(user: Any) -> bool:
    return bool(user.username == "root")


@user_passes_test(is_manager)
def report(request: HttpRequest) -> StreamingHttpResponse:
    def rows() -> Iterator[str]:
        yield "number,quantity\n"
        yield "1,2\n"

    return StreamingHttpResponse(rows(), content_type="text/csv")


class Staff(UserPassesTestMixin, View):
    """The back room."""

    def test_func(self) -> bool:
        return is_manager(self.request.user)

    def get(self, request: Any) -> HttpResponse:
        return HttpResponse("welcome")


class Vault(View):
    """Checks in its own `dispatch`."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if "X-Key" not in request.headers:
            raise PermissionDenied("no key")
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: Any) -> HttpResponse:
        return HttpResponse("gold")


@csrf_exempt
@csrf_protect
def transfer(request: HttpRequest) -> HttpResponse:
    return HttpResponse("moved")


def index(request: HttpRequest) -> HttpResponse:
    return render(request, "index.html", {"title": "shop"})


def sign(request: HttpRequest) -> HttpResponse:
    return render(request, "sign.html", {"sign": "open"}, using="jinja2")


def board(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "board.html", {"board": "news"})


class About(TemplateView):
    """A template and nothing else."""

    template_name = "index.html"
    extra_context: ClassVar = {"title": "about"}


@require_http_methods(["GET", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    return HttpResponse("who are you?")


def cart(request: Any) -> HttpResponse:
    request.session["cart"] = [1]
    return HttpResponse("1 thing")


def catalogue(request: HttpRequest) -> HttpResponse:
    return HttpResponse(CATALOGUE)


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("not you")


def crash(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("no such thing")


def read_form(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.POST))


def whoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.get_host())


async def slow(request: HttpRequest) -> HttpResponse:
    return HttpResponse("slow")


async def ticker(request: HttpRequest) -> StreamingHttpResponse:
    async def ticks() -> AsyncIterator[str]:
        yield "tick "
        yield "tock"

    return StreamingHttpResponse(ticks())


class AsyncView(View):
    """An async class-based view."""

    async def get(self, request: Any) -> HttpResponse:
        return HttpResponse("async")


def page(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(name)


def archive(request: HttpRequest, year: str) -> HttpResponse:
    return HttpResponse(year)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return JsonResponse({"error": "not found"}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"error": "ours"}, status=500)


FINISHED: list[str] = []
"""What ran when a response was done."""


def close_till(sender: Any, **more: Any) -> None:
    FINISHED.append("till")


request_finished.connect(close_till)

handler404 = not_found
handler500 = server_error

orders: list[Any] = [
    path("", OrderList.as_view(), name="list"),
    path("bulk/", bulk, name="bulk"),
    path("<int:number>/", OrderView.as_view(), name="order"),
    path("<int:number>/admin/", OrderAdmin.as_view(), name="admin"),
    path("<int:number>/photo/", photo, name="photo"),
    path("<uuid:key>/invoice/", invoice, name="invoice"),
]

api: list[Any] = [path("v1/orders/", include((orders, "orders"))), path("v1/products/", product)]

urlpatterns: list[Any] = [
    path("", index, name="index"),
    path("api/", include((api, "api"))),
    path("contact/", Contact.as_view(), name="contact"),
    path("about/", About.as_view()),
    path("report/", report),
    path("staff/", Staff.as_view()),
    path("vault/", Vault.as_view()),
    path("transfer/", transfer),
    path("sign/", sign),
    path("board/", board),
    path("login/", login, name="login"),
    path("cart/", cart),
    path("catalogue/", catalogue),
    path("forbidden/", forbidden),
    path("crash/", crash),
    path("form/", csrf_exempt(read_form)),
    path("whoami/", whoami),
    path("slow/", slow),
    path("ticker/", ticker),
    path("async/", AsyncView.as_view()),
    path("pages/<slug:name>/", page),
    path("pages/new/", page, {"name": "new"}),
    re_path(r"^archive/(?P<year>[0-9]{4})/$", archive),
]

SETTINGS: dict[str, Any] = {
    "ALLOWED_HOSTS": ["testserver"],
    "AUTHENTICATION_BACKENDS": [f"{OURS}.Roles"],
    "DATA_UPLOAD_MAX_MEMORY_SIZE": 500,
    "LOGIN_URL": "/login/",
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        f"{OURS}.stamp",
        "django.middleware.gzip.GZipMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        f"{OURS}.TokenMiddleware",
        f"{OURS}.Till",
    ],
    "ROOT_URLCONF": "tests.apps.django_shop",
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", TEMPLATES)],
                "context_processors": ["django.template.context_processors.request"],
            },
        },
        {
            "BACKEND": "django.template.backends.jinja2.Jinja2",
            "NAME": "jinja2",
            "OPTIONS": {"environment": "tests.apps.django_shop.jinja"},
        },
    ],
}


def shop_settings(**more: Any) -> Any:
    """Give the shop's settings as a context manager: Django has one set of them in a process."""
    return override_settings(**{**SETTINGS, **more})


def build_wsgi() -> Callable[..., Any]:
    """Make a new WSGI app; the settings must be the shop's."""
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def build_asgi() -> Callable[..., Awaitable[None]]:
    """Make a new ASGI app; the settings must be the shop's."""
    from django.core.asgi import get_asgi_application

    return get_asgi_application()

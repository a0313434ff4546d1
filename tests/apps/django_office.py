"""A Django project with an admin site, paths in several languages, and views that Django cannot answer for."""

from __future__ import annotations

from typing import Any

from tests.apps import django_shop

# isort: split

from django.conf.urls.i18n import i18n_patterns
from django.contrib.admin.sites import AdminSite
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.gzip import gzip_page


class Office(AdminSite):
    """An admin site with a page of its own, and no login page of Django's."""

    def get_urls(self) -> list[Any]:
        return [
            path("report/", self.admin_view(report), name="report"),
            path("login/", self.login, name="login"),
            path("logout/", self.logout, name="logout"),
            path("", self.admin_view(self.index), name="index"),
        ]


def report(request: HttpRequest) -> HttpResponse:
    return HttpResponse("report")


def news(request: HttpRequest) -> HttpResponse:
    return HttpResponse("news")


def nothing(request: HttpRequest) -> None:
    """Forget to answer."""


def unrendered(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, "nowhere.html")


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("that is no path")


def bad(request: HttpRequest) -> HttpResponse:
    raise BadRequest("no such thing to ask for")


@method_decorator([csrf_protect, gzip_page], name="dispatch")
class Board(View):
    """What hangs on the wall."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("board")


urlpatterns = [
    path("admin/", Office().urls),
    path("nothing/", nothing),
    path("unrendered/", unrendered),
    path("suspicious/", suspicious),
    path("bad/", bad),
    path("board/", Board.as_view()),
    *i18n_patterns(path("news/", news)),
]


def office_settings() -> Any:
    """Give the project's settings as a context manager."""
    middleware = ["django.middleware.locale.LocaleMiddleware", f"{django_shop.OURS}.TokenMiddleware"]
    authenticated = ["django.contrib.sessions.middleware.SessionMiddleware"]
    authenticated += ["django.contrib.auth.middleware.AuthenticationMiddleware"]
    return django_shop.shop_settings(ROOT_URLCONF=__name__, USE_I18N=True, MIDDLEWARE=[*authenticated, *middleware])

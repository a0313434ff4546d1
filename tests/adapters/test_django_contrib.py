"""What Django brings along: the admin site's check, and the views for logging in that may answer before any method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django import VERSION
from django.http import HttpRequest, HttpResponse

from pytest_lifecycle import Client, Trace
from tests.apps import django_shop

USERS = {"root": {"is_staff": True}, "ada": {"is_staff": False}}


def users(get_response: Any) -> Any:
    """Log in whom the request's header names, without a database."""

    def middleware(request: HttpRequest) -> HttpResponse:
        from django.contrib.auth.models import AnonymousUser, User

        name = request.headers.get("authorization", "")
        request.user = User(username=name, **USERS[name]) if name else AnonymousUser()
        return get_response(request)  # type: ignore[no-any-return]

    return middleware


def report(request: HttpRequest) -> HttpResponse:
    return HttpResponse("report")


class Urls:
    """The URLconf."""

    def __init__(self) -> None:
        from django.contrib.admin.sites import AdminSite
        from django.contrib.auth.views import LoginView, PasswordChangeView
        from django.urls import path

        class Site(AdminSite):
            def get_urls(self) -> Any:
                return [path("report/", self.admin_view(report)), *super().get_urls()]

        login = LoginView.as_view(redirect_authenticated_user=True, template_name="index.html")
        change = PasswordChangeView.as_view(success_url="/", template_name="index.html")
        self.urlpatterns = (path("admin/", Site().urls), path("login/", login), path("password/", change))


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    settings = {
        "INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.admin"],
        "LOGIN_REDIRECT_URL": "/",
        "MIDDLEWARE": [f"{__name__}.users"],
    }
    with django_shop.shop_settings(**settings), django_shop.shop_settings(**settings, ROOT_URLCONF=Urls()):
        yield


def get(url: str, user: str = "") -> Trace:
    with Client(django_shop.build_wsgi()) as client:
        return client.get(url, headers={"authorization": user} if user else {})


def steps(trace: Trace) -> list[str]:
    """Give the steps after the route. Decorators stand apart: older Django has a `method_decorator` for each."""
    written = trace.path[trace.path.index(f"route {trace.route}") + 1 : -1]
    return [
        f"{kind} {name}" for kind, _, names in (step.partition(" ") for step in written) for name in names.split(", ")
    ]


@pytest.mark.parametrize(("user", "refusal"), [("", "authentication"), ("ada", "permission")])
@pytest.mark.parametrize(
    ("url", "around"), [("/admin/report/", "csrf_protect"), ("/admin/password_change/", "AdminSite.get_urls")]
)
def test_the_admin_site_turns_away_who_is_no_member_of_the_staff(
    url: str, around: str, user: str, refusal: str
) -> None:
    trace = get(url, user)
    assert steps(trace) == [f"decorator {around}", "decorator AdminSite.admin_view"]
    assert (trace.status, trace.outcome, trace.handler) == (302, "rejected", None)
    assert (trace.refusal, trace.refused_by) == (refusal, "AdminSite.admin_view")


def test_the_admin_site_lets_its_staff_in() -> None:
    trace = get("/admin/report/", "root")
    assert steps(trace) == ["decorator csrf_protect", "decorator AdminSite.admin_view", "handler report"]
    assert (trace.status, trace.outcome, trace.refusal) == (200, "handled", None)


AROUND_LOGIN = [
    *(["decorator login_not_required"] if VERSION >= (5, 1) else []),
    *("decorator sensitive_post_parameters", "decorator csrf_protect", "decorator never_cache"),
]


def test_a_login_view_that_sends_on_who_is_logged_in_answers_itself_and_refuses_nobody() -> None:
    trace = get("/login/", "ada")
    assert steps(trace) == [*AROUND_LOGIN, "decorator LoginView.dispatch"]
    assert (trace.status, trace.outcome, trace.refusal, trace.refused_by) == (302, "short_circuited", None, None)


def test_a_login_view_that_shows_its_form_is_handled_by_its_method() -> None:
    trace = get("/login/")
    assert steps(trace) == [*AROUND_LOGIN, "handler LoginView.get"]
    assert (trace.status, trace.outcome) == (200, "handled")


def test_decorators_made_of_middleware_are_called_as_they_are_written_also_around_a_method() -> None:
    trace = get("/password/")
    assert steps(trace) == ["decorator sensitive_post_parameters", "decorator csrf_protect", "decorator login_required"]
    assert (trace.outcome, trace.refusal, trace.refused_by) == ("rejected", "authentication", "login_required")

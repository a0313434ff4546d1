"""A Django shop, request by request: who refused and why, which route, which way.

Each row is told the same over WSGI and ASGI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django import VERSION

from pytest_lifecycle import Client, Trace
from tests.adapters.django_claims import ADA, BOB, LAYERS, NUMBER, ORDERS, ROWS, TOKEN, Row
from tests.apps import django_shop

Ask = Callable[[Row], Trace]


@pytest.fixture(autouse=True)
def shop() -> Iterator[None]:
    with django_shop.shop_settings():
        yield


@contextmanager
def asking(app: Any) -> Iterator[Ask]:
    def ask(row: Row) -> Trace:
        files = None if row.file is None else {"photo": ("photo.jpg", row.file)}
        headers = {**row.headers, **(TOKEN if row.token else {})}
        return client.request(row.method, row.url, headers=headers, data=row.data, files=files)

    with Client(app) as client:
        yield ask


def get(url: str, app: Any = None, **headers: str) -> Trace:
    with Client(app or django_shop.build_wsgi()) as client:
        return client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})


BOTH = pytest.mark.parametrize("build", [django_shop.build_wsgi, django_shop.build_asgi])


@BOTH
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_whole_trip(build: Any, row: Row) -> None:
    with asking(build()) as ask:
        for _ in range(2):
            check(ask(row), row)


def check(trace: Trace, row: Row) -> None:
    layers = LAYERS[: row.depth]
    assert trace.path == [*(f"middleware {name}" for name in layers), *row.steps, f"response {row.status}"]
    assert (trace.status, trace.outcome) == (row.status, row.outcome)
    assert (trace.refusal, trace.refused_by) == (row.refusal, row.refused_by)
    assert (trace.route, trace.handler) == (row.route, row.handler)
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == row.errors
    assert (trace.middleware, trace.middleware_out) == (layers, LAYERS[: row.passed or row.depth][::-1])
    assert len(trace.warnings) == len(row.warnings)
    assert all(expected in said for expected, said in zip(row.warnings, trace.warnings, strict=True))
    if row.stopped_at is not None:
        assert trace.stopped_at == row.stopped_at
    if row.validation is not None:
        assert trace.validation == row.validation
    if row.nearest is not None:
        assert trace.nearest[: len(row.nearest)] == row.nearest


# -- refusals


def test_a_host_that_is_not_allowed_is_refused_by_whoever_asked_for_it() -> None:
    layers = [name for name in django_shop.SETTINGS["MIDDLEWARE"] if not name.endswith("CommonMiddleware")]
    with django_shop.shop_settings(MIDDLEWARE=layers):
        trace = get("/whoami/", Host="evil.example")
    assert (trace.status, trace.outcome, trace.handler) == (400, "handled", "whoami")
    assert (trace.refusal, trace.refused_by) == ("host", "whoami")


def test_a_host_that_csrf_asks_for_in_vain_is_no_refusal_of_the_host() -> None:
    layers = [name for name in django_shop.SETTINGS["MIDDLEWARE"] if not name.endswith("CommonMiddleware")]
    headers = {**TOKEN, **ADA, "Host": "evil.example", "Origin": "http://evil.example"}
    with django_shop.shop_settings(MIDDLEWARE=layers), Client(django_shop.build_wsgi()) as client:
        trace = client.post(ORDERS, headers=headers, data={"quantity": "1"})
    assert (trace.status, trace.refusal, trace.refused_by) == (403, "csrf", "CsrfViewMiddleware")


@pytest.mark.skipif(VERSION < (5, 1), reason="LoginRequiredMiddleware came with Django 5.1")
@BOTH
def test_the_middleware_that_requires_a_login_refuses_as_a_hook(build: Any) -> None:
    guard = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    with django_shop.shop_settings(MIDDLEWARE=[*django_shop.SETTINGS["MIDDLEWARE"], guard]):
        refused, let_in = get("/whoami/", build()), get("/whoami/", build(), Authorization="ada")
    assert (refused.status, refused.outcome) == (302, "rejected")
    assert (refused.refusal, refused.refused_by) == ("authentication", "LoginRequiredMiddleware")
    assert refused.stopped_at == "hook LoginRequiredMiddleware.process_view"
    assert (let_in.outcome, let_in.refusal) == ("handled", None)


@pytest.mark.skipif(VERSION < (5, 1), reason="decorators of async views came with Django 5.1")
@pytest.mark.parametrize(
    ("token", "status", "outcome", "refusal", "handler"),
    [
        ({}, 302, "rejected", "authentication", None),
        (BOB, 302, "rejected", "permission", None),
        (ADA, 200, "handled", None, "sell"),
    ],
)
@BOTH
def test_checks_of_an_async_view_refuse_as_those_of_others(
    build: Any, token: dict[str, str], status: int, outcome: str, refusal: str | None, handler: str | None
) -> None:
    from django.contrib.auth.decorators import permission_required
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    @permission_required("shop.change_order")
    async def sell(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    class Module:
        urlpatterns = (path("sell/", sell),)

    with django_shop.shop_settings(ROOT_URLCONF=Module):
        trace = get("/sell/", build(), **token)
    assert (trace.status, trace.outcome, trace.refusal, trace.handler) == (status, outcome, refusal, handler)
    assert trace.refused_by == (refusal and "permission_required")


def test_a_refused_view_is_not_looked_up_for_who_asks() -> None:
    from django.contrib.auth.decorators import user_passes_test
    from django.http import HttpResponse
    from django.urls import path

    asked = []

    class Module:
        urlpatterns = (path("closed/", user_passes_test(lambda user: False)(lambda request: HttpResponse())),)

    def get_user(request: Any) -> Any:
        asked.append(request)

    with django_shop.shop_settings(ROOT_URLCONF=Module), pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.contrib.auth.middleware.get_user", get_user)
        trace = get("/closed/")
    assert (trace.status, trace.refusal, asked) == (302, "authentication", [])


def test_a_project_s_own_error_views_are_named_and_change_neither_kind_nor_culprit() -> None:
    missing, crashed, unknown = get(f"{ORDERS}0/"), get("/crash/"), get("/nowhere/")
    assert [(error.type, error.raised_in, error.handled_by) for error in missing.exceptions] == [
        ("Http404", "OrderView.get", "not_found")
    ]
    assert [(error.type, error.raised_in, error.handled_by) for error in crashed.exceptions] == [
        ("ZeroDivisionError", "crash", "server_error")
    ]
    assert [(error.type, error.handled_by) for error in unknown.exceptions] == [("Resolver404", "not_found")]


@BOTH
@pytest.mark.parametrize(
    ("content_type", "content", "kind"),
    [
        ("multipart/form-data", b"x", "MultiPartParserError"),
        ("multipart/form-data; boundary=\xe9", b"x", "MultiPartParserError"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_failed_validation(
    build: Any, content_type: str, content: bytes, kind: str
) -> None:
    with Client(build()) as client:
        trace = client.post("/form/", headers={"content-type": content_type.encode("latin-1")}, content=content)
    assert (trace.status, trace.outcome, trace.refused_by) == (400, "invalid", "HttpRequest")
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == [(("body",), kind)]
    assert trace.exceptions[0].raised_in == "read_form"


# -- routing


def test_every_pattern_is_told_with_why_it_did_not_match() -> None:
    with Client(django_shop.build_wsgi(), headers=TOKEN) as client:
        trace = client.patch(f"{ORDERS}7/")
    assert [(candidate.pattern, candidate.verdict) for candidate in trace.candidates] == [
        ("/", "path"),
        (ORDERS, "path"),
        (f"{ORDERS}bulk/", "path"),
        (NUMBER, "method"),
    ]
    assert trace.candidates[-1].reason == "PATCH is not one of GET, PUT"


def test_a_pattern_that_matched_is_the_last_one_tried() -> None:
    trace = get(f"{ORDERS}7/")
    assert [(candidate.verdict, candidate.name) for candidate in trace.candidates] == [
        ("path", "index"),
        ("path", "api:orders:list"),
        ("path", "api:orders:bulk"),
        ("matched", "api:orders:order"),
    ]
    assert trace.route_name == "api:orders:order"
    assert trace.candidates[-1].methods == ("GET", "PUT")


def test_patterns_that_are_included_twice_are_told_apart() -> None:
    from django.http import HttpResponse
    from django.urls import include, path

    shared = [path("<int:number>/", lambda request, number: HttpResponse(), name="one")]

    class Module:
        urlpatterns = (path("a/", include((shared, "a"))), path("b/", include((shared, "b"))))

    with django_shop.shop_settings(ROOT_URLCONF=Module):
        trace, missed = get("/b/7/"), get("/b/x/")
    assert [(candidate.name, candidate.verdict) for candidate in trace.candidates] == [
        ("a:one", "path"),
        ("b:one", "matched"),
    ]
    assert missed.nearest[0] == '/b/<int:number>/ ("x" is no int)'


def test_patterns_that_include_themselves_are_followed_once() -> None:
    from django.http import HttpResponse
    from django.urls import include, path

    class Module:
        urlpatterns: list[Any]

    Module.urlpatterns = [path("leaf/", lambda request: HttpResponse())]
    Module.urlpatterns.append(path("again/", include(Module.urlpatterns)))
    with django_shop.shop_settings(ROOT_URLCONF=Module):
        trace = get("/again/again/leaf/")
    assert (trace.status, trace.route, trace.warnings) == (200, "GET /again/again/leaf/", [])


def test_a_pattern_that_is_added_later_is_seen() -> None:
    from django.http import HttpResponse
    from django.urls import path

    class Module:
        urlpatterns: list[Any]

    Module.urlpatterns = [path("first/", lambda request: HttpResponse())]
    with django_shop.shop_settings(ROOT_URLCONF=Module), Client(django_shop.build_wsgi()) as client:
        assert len(client.get("/later/").candidates) == 1
        Module.urlpatterns.append(path("later/", lambda request: HttpResponse()))
        trace = client.get("/later/")
    assert [candidate.verdict for candidate in trace.candidates] == ["path", "matched"]


def test_translated_patterns_are_told_in_the_language_of_the_request() -> None:
    from django.conf.urls.i18n import i18n_patterns
    from django.http import HttpResponse
    from django.urls import path
    from django.utils import translation

    class Module:
        urlpatterns = tuple(i18n_patterns(path("news/", lambda request: HttpResponse())))

    with django_shop.shop_settings(ROOT_URLCONF=Module, USE_I18N=True):
        for language in ("en", "de", "en"):
            with translation.override(language):
                trace = get(f"/{language}/news/")
            assert [(tried.pattern, tried.verdict) for tried in trace.candidates] == [(f"/{language}/news/", "matched")]


@pytest.mark.parametrize(
    ("settings", "url", "who"),
    [
        ({}, "/about", ("CommonMiddleware", "APPEND_SLASH")),
        ({"SECURE_SSL_REDIRECT": True}, "/about/", ("SecurityMiddleware", "SECURE_SSL_REDIRECT")),
        ({"PREPEND_WWW": True}, "/about/", ("CommonMiddleware", "PREPEND_WWW")),
    ],
)
@BOTH
def test_a_redirect_says_who_sent_it_and_why(
    build: Any, settings: dict[str, Any], url: str, who: tuple[str, str]
) -> None:
    with django_shop.shop_settings(**settings):
        trace = get(url, build())
    assert (trace.status, trace.outcome, trace.handler) == (301, "redirected", None)
    assert [(span.name, span.attributes["reason"]) for span in trace.spans("middleware") if span.fact("reason")] == [
        who
    ]

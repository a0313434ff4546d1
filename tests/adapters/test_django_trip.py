"""A Django shop, request by request: who refused and why, which route, which way, who changed what.

Each row is read off `tests/apps/django_shop.py`, and has to be told the same over WSGI and ASGI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django import VERSION
from django.test import Client as DjangoClient

from pytest_lifecycle import Client, Trace, observe
from tests.apps import django_shop

LAYERS = [
    "SecurityMiddleware",
    "stamp",
    "GZipMiddleware",
    "SessionMiddleware",
    "CommonMiddleware",
    "CsrfViewMiddleware",
    "AuthenticationMiddleware",
    "TokenMiddleware",
    "Till",
]
HOOKS = ["hook CsrfViewMiddleware.process_view", "hook Till.process_view"]
FAILING = "hook Till.process_exception"
RENDERING = "hook Till.process_template_response"

ADA, BOB, ROOT, EVE = ({"Authorization": name} for name in ("ada", "bob", "root", "eve"))
TOKEN = {"Cookie": f"csrftoken={'a' * 32}", "X-CSRFToken": "a" * 32}

ORDERS = "/api/v1/orders/"
NUMBER = f"{ORDERS}<int:number>/"
KEY = "8f14e45f-ceea-467f-a8e9-6b5a1d0f3c11"


@dataclass(frozen=True)
class Row:
    """One request and what its trace must say."""

    method: str
    url: str
    status: int
    outcome: str
    steps: list[str]
    """What stands in `path` between the middleware and the response."""
    headers: dict[str, str] = field(default_factory=dict)
    token: bool = False
    data: dict[str, Any] | None = None
    file: bytes | None = None
    refusal: str | None = None
    refused_by: str | None = None
    route: str | None = None
    handler: str | None = None
    stopped_at: str | None = None
    validation: str | None = None
    errors: list[tuple[tuple[str | int, ...], str]] = field(default_factory=list)
    depth: int = len(LAYERS)
    """How many of the middleware were entered."""
    passed: int | None = None
    """How many of them the response left; None: as many as were entered."""
    nearest: list[str] | None = None
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.status} {self.refused_by or ''}".strip()


def handled(method: str, url: str, route: str, *inside: str, status: int = 200, **more: Any) -> Row:
    """Claim that the last handler inside answered."""
    handler = next(step for step in inside if step.startswith("handler ")).removeprefix("handler ")
    steps = [f"route {method} {route}", *HOOKS, *inside]
    return Row(method, url, status, "handled", steps, route=f"{method} {route}", handler=handler, **more)


def invalid(url: str, route: str, *inside: str, refused_by: str, status: int = 400, **more: Any) -> Row:
    """Claim that a validation inside of a POST's handler refused it."""
    row = handled("POST", url, route, *inside, status=status)
    return Row(
        "POST",
        url,
        status,
        "invalid",
        row.steps,
        route=row.route,
        handler=row.handler,
        refusal="validation",
        refused_by=refused_by,
        validation="failed",
        **more,
    )


def refused(
    method: str, url: str, status: int, kind: str, by: str, *inside: str, route: str, hooks: list[str] = HOOKS, **m: Any
) -> Row:
    """Claim that a check refused the request after it was routed, before its handler."""
    steps = [f"route {method} {route}", *hooks, *inside]
    inward = [step for step in steps if step not in (FAILING, RENDERING)]
    return Row(
        method,
        url,
        status,
        "rejected",
        steps,
        route=f"{method} {route}",
        refusal=kind,
        refused_by=by,
        stopped_at=inward[-1],
        **m,
    )


LOGIN = "decorator LoginRequiredMixin"
CLERK = "decorator PermissionRequiredMixin"
PERMITTED = "decorator permission_required"
POSTED = ["decorator csrf_exempt", "decorator require_http_methods"]
MANAGER = "decorator user_passes_test"
STAFF = "decorator UserPassesTestMixin"
BULK = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0"}

ROWS = [
    # -- read
    handled("GET", "/", "/", "handler index"),
    handled("HEAD", "/", "/", "handler index"),
    handled("GET", f"{ORDERS}7/", NUMBER, "handler OrderView.get"),
    handled("GET", ORDERS, ORDERS, LOGIN, "handler OrderList.get", headers=ADA),
    handled("GET", "/slow/", "/slow/", "handler slow"),
    handled("GET", "/async/", "/async/", "handler AsyncView.get"),
    handled("GET", "/archive/2024/", "/^archive/(?P<year>[0-9]{4})/$", "handler archive"),
    handled("GET", "/pages/old/", "/pages/<slug:name>/", "handler page"),
    handled("GET", "/cart/", "/cart/", "handler cart"),
    handled("GET", "/sign/", "/sign/", "handler sign"),
    handled("GET", "/board/", "/board/", "handler board", RENDERING),
    handled("GET", "/about/", "/about/", "handler About.get", RENDERING),
    handled("OPTIONS", f"{ORDERS}7/", NUMBER, "handler OrderView.options"),
    handled(
        "GET", f"{ORDERS}{KEY}/invoice/", f"{ORDERS}<uuid:key>/invoice/",
        "decorator login_required", PERMITTED, "handler invoice", headers=ROOT,
    ),
    # -- write
    handled(
        "POST", ORDERS, ORDERS, LOGIN, "handler OrderList.post", "validation passed",
        status=201, headers=ADA, token=True, data={"quantity": "2"}, validation="passed",
    ),
    invalid(
        ORDERS, ORDERS, LOGIN, "handler OrderList.post", "validation failed",
        headers=ADA, token=True, data={"quantity": "0"},
        refused_by="OrderForm", errors=[(("quantity",), "min_value")],
    ),
    invalid(
        ORDERS, ORDERS, LOGIN, "handler OrderList.post", "validation failed",
        headers=ADA, token=True, data={"quantity": "1", "note": "none"},
        refused_by="OrderForm", errors=[(("__all__",), "empty")],
    ),
    handled("PUT", f"{ORDERS}7/", NUMBER, PERMITTED, "handler OrderView.put", headers=ADA, token=True),
    handled(
        "DELETE", f"{ORDERS}7/admin/", f"{NUMBER}admin/", CLERK, "handler OrderAdmin.delete",
        status=204, headers=ADA, token=True,
    ),
    handled(
        "POST", f"{ORDERS}7/photo/", f"{NUMBER}photo/", *POSTED, "handler photo", "validation passed",
        status=201, file=b"jpeg", validation="passed",
    ),
    invalid(
        f"{ORDERS}7/photo/", f"{NUMBER}photo/", *POSTED, "handler photo", "validation failed",
        status=422, data={"photo": "none"}, refused_by="PhotoForm", errors=[(("photo",), "required")],
    ),
    handled(
        "POST", f"{ORDERS}bulk/", f"{ORDERS}bulk/", "handler bulk", "validation passed",
        status=201, token=True, data={**BULK, "form-0-quantity": "1", "form-1-quantity": "2"}, validation="passed",
    ),
    invalid(
        f"{ORDERS}bulk/", f"{ORDERS}bulk/", "handler bulk", "validation failed",
        token=True, data={**BULK, "form-0-quantity": "1", "form-1-quantity": "0"},
        refused_by="BulkFormSet", errors=[((1, "quantity"), "min_value")],
    ),
    invalid(
        f"{ORDERS}bulk/", f"{ORDERS}bulk/", "handler bulk", "validation failed",
        token=True, data={"form-0-quantity": "1"},
        refused_by="BulkFormSet", errors=[(("__all__",), "missing_management_form")],
    ),
    handled(
        "POST", "/api/v1/products/", "/api/v1/products/", "handler product", "validation passed",
        status=201, token=True, data={"name": "tea", "price": "3"}, validation="passed",
    ),
    invalid(
        "/api/v1/products/", "/api/v1/products/", "handler product", "validation failed",
        token=True, data={"name": "too long", "price": "x"},
        refused_by="ProductForm", errors=[(("name",), "max_length"), (("price",), "invalid")],
    ),
    handled(
        "POST", "/contact/", "/contact/", "handler Contact.post", "validation failed", RENDERING,
        token=True, data={"email": "nobody"}, validation="failed", errors=[(("email",), "invalid")],
    ),
    handled(
        "POST", "/contact/", "/contact/", "handler Contact.post", "validation passed",
        status=302, token=True, data={"email": "a@b.example"}, validation="passed",
    ),
    handled("GET", "/contact/", "/contact/", "handler Contact.get", RENDERING, validation="none"),
    # -- who may ask
    refused("GET", ORDERS, 302, "authentication", "LoginRequiredMixin", LOGIN, route=ORDERS),
    refused(
        "GET", f"{ORDERS}{KEY}/invoice/", 302, "authentication", "login_required", "decorator login_required",
        route=f"{ORDERS}<uuid:key>/invoice/",
    ),
    refused(
        "GET", f"{ORDERS}{KEY}/invoice/", 403, "permission", "permission_required",
        "decorator login_required", PERMITTED, FAILING, route=f"{ORDERS}<uuid:key>/invoice/", headers=ADA,
    ),
    refused(
        "PUT", f"{ORDERS}7/", 302, "permission", "permission_required", PERMITTED,
        route=NUMBER, headers=BOB, token=True,
    ),
    refused("PUT", f"{ORDERS}7/", 302, "authentication", "permission_required", PERMITTED, route=NUMBER, token=True),
    refused(
        "DELETE", f"{ORDERS}7/admin/", 403, "permission", "PermissionRequiredMixin", CLERK, FAILING,
        route=f"{NUMBER}admin/", headers=BOB, token=True,
    ),
    refused(
        "DELETE", f"{ORDERS}7/admin/", 302, "authentication", "PermissionRequiredMixin", CLERK,
        route=f"{NUMBER}admin/", token=True,
    ),
    refused("GET", "/report/", 302, "permission", "user_passes_test", MANAGER, route="/report/", headers=ADA),
    refused("GET", "/report/", 302, "authentication", "user_passes_test", MANAGER, route="/report/"),
    handled("GET", "/staff/", "/staff/", STAFF, "handler Staff.get", headers=ROOT),
    refused("GET", "/staff/", 403, "permission", "UserPassesTestMixin", STAFF, FAILING, route="/staff/", headers=ADA),
    refused("GET", "/staff/", 302, "authentication", "UserPassesTestMixin", STAFF, route="/staff/"),
    handled("GET", "/vault/", "/vault/", "decorator Vault.dispatch", "handler Vault.get", headers={"X-Key": "1"}),
    Row(
        "GET", "/vault/", 403, "short_circuited",
        ["route GET /vault/", *HOOKS, "decorator Vault.dispatch", FAILING],
        route="GET /vault/", refusal="permission", refused_by="Vault.dispatch", stopped_at="decorator Vault.dispatch",
    ),
    Row(
        "GET", f"{ORDERS}7/", 401, "short_circuited", [],
        headers=EVE, depth=8, refusal="authentication", refused_by="TokenMiddleware",
        stopped_at="middleware TokenMiddleware",
    ),
    # -- forged and broken
    refused(
        "POST", ORDERS, 403, "csrf", "CsrfViewMiddleware",
        route=ORDERS, hooks=HOOKS[:1], headers=ADA, data={"quantity": "2"},
    ),
    refused(
        "POST", "/transfer/", 403, "csrf", "csrf_protect", "decorator csrf_exempt", "decorator csrf_protect",
        route="/transfer/",
    ),
    handled(
        "POST", "/transfer/", "/transfer/", "decorator csrf_exempt", "decorator csrf_protect", "handler transfer",
        token=True,
    ),
    Row(
        "GET", "/whoami/", 400, "short_circuited", [],
        headers={"Host": "evil.example"}, depth=5, passed=4, refusal="host", refused_by="CommonMiddleware",
        stopped_at="middleware CommonMiddleware",
    ),
    invalid(
        "/form/", "/form/", "decorator csrf_exempt", "handler read_form", "validation failed", FAILING,
        data={"text": "x" * 600}, refused_by="HttpRequest", errors=[(("body",), "RequestDataTooBig")],
    ),
    Row(
        "GET", f"{ORDERS}7/", 503, "short_circuited", [f"route GET {NUMBER}", *HOOKS],
        headers={"X-Closed": "1"}, route=f"GET {NUMBER}", refusal="middleware", refused_by="Till.process_view",
        stopped_at="hook Till.process_view",
    ),
    # -- views that raise
    handled(
        "GET", f"{ORDERS}0/", NUMBER, "handler OrderView.get", FAILING,
        status=404, refusal="not_found", refused_by="OrderView.get",
    ),
    handled("GET", f"{ORDERS}13/", NUMBER, "handler OrderView.get", FAILING, status=409),
    handled(
        "GET", "/forbidden/", "/forbidden/", "handler forbidden", FAILING,
        status=403, refusal="permission", refused_by="forbidden",
    ),
    Row(
        "GET", "/crash/", 500, "error", ["route GET /crash/", *HOOKS, "handler crash", FAILING],
        route="GET /crash/", handler="crash",
    ),
    # -- routing
    handled(
        "GET", "/pages/new/", "/pages/<slug:name>/", "handler page",
        warnings=["/pages/new/"],
    ),
    Row("GET", "/about", 301, "redirected", [], nearest=["/about/ (differs: trailing slash)"]),
    Row(
        "GET", "/abuot/", 404, "not_found", [],
        refusal="not_found", refused_by="not_found", nearest=["/about/ (is spelled differently)"],
    ),
    Row(
        "GET", f"{ORDERS}seven/", 404, "not_found", [],
        refusal="not_found", refused_by="not_found", nearest=[f'{NUMBER} ("seven" is no int)'],
    ),
    Row(
        "PATCH", f"{ORDERS}7/", 405, "method_not_allowed", HOOKS, token=True,
        refusal="method", refused_by="method_not_allowed", nearest=[f"{NUMBER} (takes GET, PUT)"],
    ),
    Row(
        "GET", f"{ORDERS}7/photo/", 405, "method_not_allowed", [*HOOKS, *POSTED],
        refusal="method", refused_by="require_http_methods", nearest=[f"{NUMBER}photo/ (takes POST)"],
    ),
]  # fmt: skip

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


# -- who changed what


@BOTH
def test_what_each_middleware_did_to_the_response(build: Any) -> None:
    trace = get("/cart/", build())
    added = {span.name: sorted(span.response_changes.added) for span in trace.spans() if span.response_changes.added}
    assert added == {
        "CommonMiddleware": ["content-length"],
        "SessionMiddleware": ["set-cookie", "vary"],
        "stamp": ["x-request-id"],
        "SecurityMiddleware": ["cross-origin-opener-policy", "referrer-policy", "x-content-type-options"],
    }
    assert trace.span("SessionMiddleware").response_changes.cookies == ["sessionid"]
    setters = [trace.header_set_by(name) for name in ("Set-Cookie", "X-Request-Id", "Content-Length", "Content-Type")]
    assert [span and span.name for span in setters] == ["SessionMiddleware", "stamp", "CommonMiddleware", None]


@BOTH
def test_a_compressed_body_is_told_with_who_compressed_it(build: Any) -> None:
    trace = get("/catalogue/", build(), Accept_Encoding="gzip")
    changes = trace.span("GZipMiddleware").response_changes
    assert (changes.body, changes.added["content-encoding"]) == ("compressed", "gzip")
    assert changes.changed["content-length"][0] == str(len(django_shop.CATALOGUE))
    others = {span.name for span in trace.spans("middleware") if span.response_changes.body}
    assert others == {"GZipMiddleware"}
    assert trace.text == django_shop.CATALOGUE


@BOTH
def test_two_instances_of_one_class_are_told_apart(build: Any) -> None:
    twice = ["tests.apps.django_shop.Counting", "tests.apps.django_shop.Shouting", "tests.apps.django_shop.Counting"]
    with django_shop.shop_settings(MIDDLEWARE=twice):
        trace = get("/whoami/", build())
    outer, inner = trace.spans("middleware", "Counting")
    assert inner.response_changes.added == {"x-count": "1"}
    assert outer.response_changes.added == {"x-count": "1"}
    shouting = trace.span("Shouting").response_changes
    assert (shouting.status, shouting.body, shouting.removed) == ((200, 203), "replaced", ["x-count"])
    assert shouting.added == {"x-shouted": "1"}
    assert trace.header_set_by("x-count") is outer


def test_a_layer_that_makes_the_response_itself_changed_nothing() -> None:
    trace = get("/whoami/", Authorization="eve")
    assert not trace.span("TokenMiddleware").response_changes
    assert trace.span("CommonMiddleware").response_changes.added == {"content-length": "18"}


def test_an_answer_to_an_exception_is_what_the_layers_outside_are_compared_with() -> None:
    trace = get("/whoami/", Host="evil.example")
    assert trace.middleware_out == ["SessionMiddleware", "GZipMiddleware", "stamp", "SecurityMiddleware"]
    assert trace.span("stamp").response_changes.added == {"x-request-id": "1"}
    assert not trace.span("CommonMiddleware").response_changes


@BOTH
def test_a_hook_s_changes_to_a_response_that_is_still_to_be_rendered(build: Any) -> None:
    trace = get("/board/", build())
    hook = trace.span("Till.process_template_response")
    assert hook.response_changes.added == {"x-board": "1"}
    assert trace.header_set_by("x-board") is hook
    assert trace.text == "<b>news!</b>"


@BOTH
def test_what_middleware_sets_on_the_request(build: Any) -> None:
    trace = get("/whoami/", build(), Authorization="ada")
    added = {span.name: span.scope_added for span in trace.spans("middleware") if span.scope_added}
    users = ["user"] if VERSION < (5, 0) else ["user", "auser"]
    assert added == {
        "stamp": ["request_id"],
        "SessionMiddleware": ["session"],
        "AuthenticationMiddleware": users,
        "TokenMiddleware": ["tenant"],
    }


def test_a_stream_is_neither_read_nor_compared() -> None:
    trace = get("/report/", Authorization="root", Accept_Encoding="gzip")
    assert (trace.outcome, trace.text) == ("handled", "number,quantity\n1,2\n")
    assert {span.response_changes.body for span in trace.spans()} == {None, "compressed"}
    assert trace.span("GZipMiddleware").response_changes.body == "compressed"


def test_an_async_stream_is_neither_read_nor_compared() -> None:
    trace = get("/ticker/", django_shop.build_asgi(), Accept_Encoding="identity")
    assert (trace.outcome, trace.text) == ("handled", "tick tock")
    assert {span.response_changes.body for span in trace.spans()} == {None}


def test_django_s_own_client_has_the_same_changes_told() -> None:
    with observe() as traces:
        DjangoClient().get("/cart/")
    assert traces[0].span("SessionMiddleware").response_changes.cookies == ["sessionid"]
    assert traces[0].header_set_by("set-cookie") is traces[0].span("SessionMiddleware")
    assert "sessionid" in traces[0].cookies


# -- templates


@BOTH
@pytest.mark.parametrize(
    ("url", "name", "context", "inside", "text"),
    [
        ("/", "index.html", ["title"], "index", "<h1>shop</h1><p>footer</p>"),
        ("/sign/", "sign.html", ["csrf_input", "csrf_token", "request", "sign"], "sign", "<i>open</i>"),
        ("/board/", "board.html", ["board", "motto"], "_get_response", "<b>news!</b>"),
        ("/about/", "index.html", ["motto", "title", "view"], "_get_response", "<h1>about</h1><p>footer</p>"),
    ],
)
def test_templates_are_steps_with_their_names_and_context(
    build: Any, url: str, name: str, context: list[str], inside: str, text: str
) -> None:
    trace = get(url, build())
    (template,) = trace.spans("template")
    assert (template.name, template.attributes["context"]) == (name, context)
    assert template.parent is not None
    assert template.parent.name.removesuffix("_async") == inside
    assert trace.text == text


# -- forms


def test_what_a_form_saw_is_kept_but_not_compared() -> None:
    with Client(django_shop.build_wsgi(), headers={**TOKEN, **ADA}) as client:
        single = client.post(ORDERS, data={"quantity": "many", "note": "far too long"})
        several = client.post(f"{ORDERS}bulk/", data={**BULK, "form-0-quantity": "x"})
    assert [(issue.loc, issue.input) for issue in single.validation_errors] == [
        (("quantity",), "'many'"),
        (("note",), "'far too long'"),
    ]
    assert [(issue.loc, issue.input) for issue in several.validation_errors] == [((0, "quantity"), "'x'")]


def test_a_form_that_is_to_be_deleted_may_be_wrong() -> None:
    data = {**BULK, "form-0-quantity": "0", "form-0-DELETE": "on", "form-1-quantity": "0"}
    with Client(django_shop.build_wsgi(), headers=TOKEN) as client:
        trace = client.post(f"{ORDERS}bulk/", data=data)
    assert [issue.loc for issue in trace.validation_errors] == [(1, "quantity")]


def test_a_set_of_forms_is_one_validation() -> None:
    data = {**BULK, "form-0-quantity": "1", "form-1-quantity": "2"}
    with Client(django_shop.build_wsgi(), headers=TOKEN) as client:
        trace = client.post(f"{ORDERS}bulk/", data=data)
    assert [span.name for span in trace.spans("validation")] == ["passed"]


def test_an_error_that_the_view_adds_is_a_validation_of_its_own() -> None:
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def register(request: HttpRequest) -> HttpResponse:
        form = django_shop.ContactForm(request.POST)
        if form.is_valid():
            form.add_error("email", "is taken")
            form.add_error(None, {"email": ["is ugly"]})
        return HttpResponse(status=400)

    class Module:
        urlpatterns = (path("register/", register),)

    with django_shop.shop_settings(ROOT_URLCONF=Module), Client(django_shop.build_wsgi(), headers=TOKEN) as client:
        trace = client.post("/register/", data={"email": "a@b.example"})
    assert [step for step in trace.path if step.startswith("validation")] == [
        "validation passed",
        "validation failed",
        "validation failed",
    ]
    assert (trace.outcome, trace.refused_by) == ("invalid", "ContactForm")
    assert [(issue.loc, issue.message, issue.input) for issue in trace.validation_errors] == [
        (("email",), "is taken", "'a@b.example'"),
        (("email",), "is ugly", "'a@b.example'"),
    ]


# -- decorators


def managers_only(view: Any) -> Any:
    """A decorator of the project's own, made with one of Django's."""
    from django.contrib.auth.decorators import user_passes_test

    return user_passes_test(lambda user: bool(user.username == "root"))(view)


def test_decorators_are_called_as_they_are_written() -> None:
    from django.contrib.auth.decorators import login_required, permission_required
    from django.http import HttpResponse
    from django.urls import path
    from django.utils.decorators import method_decorator
    from django.views import View
    from django.views.decorators.csrf import ensure_csrf_cookie
    from django.views.decorators.gzip import gzip_page
    from django.views.decorators.http import require_safe

    class Both(View):
        @method_decorator([login_required, permission_required("shop.view_invoice")])
        def get(self, request: Any) -> HttpResponse:
            return HttpResponse()

    @ensure_csrf_cookie
    @gzip_page
    @require_safe
    @managers_only
    def view(request: Any) -> HttpResponse:
        return HttpResponse()

    class Module:
        urlpatterns = (path("view/", view), path("both/", Both.as_view()))

    with django_shop.shop_settings(ROOT_URLCONF=Module):
        one, both = get("/view/", Authorization="root"), get("/both/", Authorization="root")
    assert [span.name for span in one.spans("decorator")] == [
        "ensure_csrf_cookie",
        "gzip_page",
        "require_http_methods",
        "managers_only",
    ]
    assert [span.name for span in both.spans("decorator")] == ["login_required, permission_required"]
    assert both.handler == "Both.get"


# -- after the response


@BOTH
def test_what_runs_when_the_response_is_done_is_no_step_of_the_way_in(build: Any) -> None:
    django_shop.FINISHED.clear()
    trace = get("/whoami/", build())
    assert django_shop.FINISHED == ["till"]
    assert trace.path[-2:] == ["handler whoami", "response 200"]

"""Inside a Django project: who changed what, templates, forms, decorators; over WSGI and ASGI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django import VERSION
from django.test import Client as DjangoClient

from pytest_lifecycle import Client, Trace, observe
from tests.adapters.django_claims import ADA, BULK, ORDERS, TOKEN
from tests.apps import django_shop


@pytest.fixture(autouse=True)
def shop() -> Iterator[None]:
    with django_shop.shop_settings():
        yield


def get(url: str, app: Any = None, **headers: str) -> Trace:
    with Client(app or django_shop.build_wsgi()) as client:
        return client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})


BOTH = pytest.mark.parametrize("build", [django_shop.build_wsgi, django_shop.build_asgi])


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
    twice = [f"{django_shop.OURS}.{name}" for name in ("Counting", "Shouting", "Counting")]
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

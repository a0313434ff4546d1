"""Django's admin site, paths in several languages, and what Django itself raises; over WSGI and ASGI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pytest_lifecycle import Client, Trace
from tests.apps import django_office, django_shop


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with django_office.office_settings():
        yield


@pytest.fixture(params=[django_shop.build_wsgi, django_shop.build_asgi])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(request.param()) as client:
        yield client


def flights(trace: Trace) -> list[tuple[str, str, str | None, bool]]:
    return [(error.type, error.raised_in, error.handled_by, error.is_answer) for error in trace.exceptions]


@pytest.mark.parametrize("url", ["/admin/", "/admin/report/"])
@pytest.mark.parametrize(("headers", "refusal"), [({}, "authentication"), ({"Authorization": "bob"}, "permission")])
def test_the_admin_refuses_whom_it_sends_to_its_login_page(
    client: Client, url: str, headers: dict[str, str], refusal: str
) -> None:
    trace = client.get(url, headers=headers)
    assert (trace.status, trace.outcome, trace.handler) == (302, "rejected", None)
    assert (trace.refusal, trace.refused_by) == (refusal, "AdminSite.admin_view")


def test_a_path_that_lacks_its_language_is_redirected(client: Client) -> None:
    trace = client.get("/news/")
    assert (trace.status, trace.outcome, trace.refusal) == (302, "redirected", None)
    assert trace.span("LocaleMiddleware").attributes["reason"] == "i18n_patterns"


def test_a_path_that_no_language_has_is_not_found(client: Client) -> None:
    trace = client.get("/views/")
    assert (trace.status, trace.outcome, trace.refusal) == (404, "not_found", "not_found")


@pytest.mark.parametrize(("url", "error"), [("/nothing/", "ValueError"), ("/unrendered/", "TemplateDoesNotExist")])
def test_a_crash_in_django_itself_is_told(client: Client, url: str, error: str) -> None:
    trace = client.get(url)
    assert (trace.status, trace.outcome, trace.handler) == (500, "error", url.strip("/"))
    ((kind, raised_in, handled_by, is_answer),) = flights(trace)
    assert (kind, handled_by, is_answer) == (error, "response_for_exception", False)
    assert raised_in in ("_get_response", "_get_response_async")


@pytest.mark.parametrize(("url", "error"), [("/suspicious/", "SuspiciousOperation"), ("/bad/", "BadRequest")])
def test_what_django_answers_with_400_is_no_crash(client: Client, url: str, error: str) -> None:
    trace = client.get(url)
    assert (trace.status, trace.outcome) == (400, "handled")
    assert flights(trace) == [(error, url.strip("/"), "response_for_exception", True)]


def test_a_decorator_made_of_middleware_is_called_as_it_is_written(client: Client) -> None:
    trace = client.get("/board/")
    assert [span.name for span in trace.spans("decorator")] == ["csrf_protect, gzip_page"]
    assert trace.handler == "Board.get"


def test_what_a_module_validates_as_it_is_imported_is_no_validation_of_the_request(
    client: Client, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import pydantic\npydantic.TypeAdapter(int).validate_python('1')\n"
    (tmp_path / "office_imported_late.py").write_text(f"{source}urlpatterns = []\n")
    monkeypatch.syspath_prepend(tmp_path)
    with django_shop.shop_settings(ROOT_URLCONF="office_imported_late"):
        first, second = client.get("/"), client.get("/")
    assert first.validation == second.validation == "not reached"

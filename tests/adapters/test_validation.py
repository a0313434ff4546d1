"""Whoever validates a request's data shows as a validation, with what is wrong as data and who found it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import cattrs
import marshmallow
import msgspec
import pydantic
import pytest
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pytest_lifecycle import Client, observe
from pytest_lifecycle import _session as session
from pytest_lifecycle.adapters import Kind
from tests.apps import django_app
from tests.apps import validating_app as app

Issue = tuple[tuple[str | int, ...], str, str | None]
"""Where, what kind, and what the validator saw there."""


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(app.build()) as client:
        yield client


PASSED: dict[str, dict[str, Any]] = {
    "/pydantic/model_validate": {"json": {"items": [{"price": 1}]}},
    "/pydantic/TypeAdapter": {"json": [{"price": 1}]},
    "/marshmallow": {"json": {"items": [{"price": 1}]}},
    "/webargs?page=1": {"json": {"price": 1}},
    "/wtforms": {"data": {"name": "ada"}},
    "/cattrs": {"json": {"lines": [{"price": 1}]}},
}


@pytest.mark.parametrize("url", PASSED)
def test_what_is_found_good_is_a_validation_that_passed(client: Client, url: str) -> None:
    trace = client.post(url, **PASSED[url])
    assert (trace.status, trace.outcome, trace.validation) == (200, "handled", "passed")
    assert (trace.validation_errors, trace.refusal) == ([], None)
    assert "validation passed" in trace.path


FAILED: list[tuple[str, dict[str, Any], str, list[Issue]]] = [
    (
        "/pydantic/model_validate",
        {"json": {"items": [{"price": 1}, {"price": "x"}]}},
        "Order",
        [(("items", 1, "price"), "int_parsing", "'x'")],
    ),
    ("/pydantic/constructor", {"json": {"items": [{}]}}, "Order", [(("items", 0, "price"), "missing", "{}")]),
    ("/pydantic/TypeAdapter", {"json": [{"price": None}]}, "list[Item]", [((0, "price"), "int_type", "None")]),
    ("/pydantic/RootModel", {"json": [1, "x"]}, "Prices", [((1,), "int_parsing", "'x'")]),
    ("/pydantic/dataclass", {"json": {"price": "x"}}, "Sale", [(("price",), "int_parsing", "'x'")]),
    (
        "/pydantic/validate_call",
        {"json": {"price": 1, "percent": 200}},
        "discounted",
        [(("percent",), "less_than_equal", "200")],
    ),
    (
        "/marshmallow",
        {"json": {"items": [{"price": "x"}, {}, {"price": 0}]}},
        "OrderSchema",
        [(("items", 0, "price"), "", "'x'"), (("items", 1, "price"), "", None), (("items", 2, "price"), "", "0")],
    ),
    (
        "/marshmallow",
        {"json": {"items": [{"price": 1}] * 3}},
        "OrderSchema",
        [((), "", str({"items": [{"price": 1}] * 3}))],
    ),
    ("/webargs?page=x", {"json": {"price": 1}}, "GeneratedSchema", [(("query", "page"), "", "'x'")]),
    ("/webargs?page=1", {"json": {}}, "GeneratedSchema", [(("json", "price"), "", None)]),
    (
        "/wtforms",
        {"data": {"name": "", "address-zip": "123456", "tags-0": "ok", "tags-1": "long"}},
        "OrderForm",
        [(("name",), "", "''"), (("address", "zip"), "", "'123456'"), (("tags", 1), "", "'long'")],
    ),
    ("/msgspec", {"content": b'[{"price":1},{"price":"x"}]'}, "msgspec", [((1, "price"), "ValidationError", None)]),
    ("/msgspec", {"content": b"[{"}, "msgspec", [((), "DecodeError", None)]),
    (
        "/cattrs",
        {"json": {"lines": [{"price": 1}, {"price": "x"}]}},
        "Cart",
        [(("lines", 1, "price"), "ValueError", None)],
    ),
    ("/cattrs", {"json": {}}, "Cart", [(("lines",), "KeyError", None)]),
    ("/attrs", {"json": {"price": "x"}}, "Line", [(("price",), "TypeError", "'x'")]),
]


@pytest.mark.parametrize(("url", "arguments", "culprit", "issues"), FAILED)
def test_what_is_refused_says_who_refused_what(
    client: Client, url: str, arguments: dict[str, Any], culprit: str, issues: list[Issue]
) -> None:
    trace = client.post(url, **arguments)
    assert trace.status == 422
    assert (trace.outcome, trace.validation, trace.refusal, trace.refused_by) == (
        "invalid",
        "failed",
        "validation",
        culprit,
    )
    assert [(issue.loc, issue.type, issue.input) for issue in trace.validation_errors] == issues
    assert all(issue.message for issue in trace.validation_errors)
    assert len(trace.spans(Kind.VALIDATION)) == (2 if "page=x" in url else 1)  # the body is looked at first


def test_a_refusal_that_is_answered_with_200_is_no_refusal_of_the_request(client: Client) -> None:
    trace = client.post("/tolerant", json={"items": [{}]})
    assert (trace.status, trace.outcome, trace.refusal) == (200, "handled", None)
    assert (trace.validation, [issue.loc for issue in trace.validation_errors]) == ("failed", [("items", 0, "price")])


def test_a_body_that_is_no_json_is_refused_by_webargs_parser(client: Client) -> None:
    trace = client.post("/webargs?page=1", content=b"{", headers={"content-type": "application/json"})
    assert (trace.status, trace.outcome, trace.refusal, trace.refused_by) == (
        400,
        "invalid",
        "validation",
        "FlaskParser",
    )
    assert [(issue.loc, issue.type) for issue in trace.validation_errors] == [(("json",), "JSONDecodeError")]


def test_a_form_that_is_shown_for_the_first_time_is_no_validation(client: Client) -> None:
    assert client.get("/wtforms").validation == "none"


def test_several_validations_stand_in_order(client: Client) -> None:
    trace = client.post("/twice", json={"items": [{"price": 1}]})
    assert trace.spans(Kind.VALIDATION)[0].attributes["refused_by"] == "OrderSchema"
    assert trace.path[-4:] == ["handler twice", "validation passed", "validation passed", "response 200"]


def test_a_validation_that_an_error_handler_answers_keeps_its_culprit(client: Client) -> None:
    trace = client.post("/twice", json={"items": [{}]})
    assert (trace.status, trace.validation) == (500, "failed")
    assert [issue.loc for issue in trace.validation_errors] == [("items", 0, "price")]


def test_an_async_handler_s_validation_is_told_alike() -> None:
    async def order(request: Request) -> JSONResponse:
        try:
            app.Order.model_validate(await request.json())
        except pydantic.ValidationError as error:
            return JSONResponse(error.errors(include_url=False), 422)
        return JSONResponse("fine")

    with Client(Starlette(routes=[Route("/", order, methods=["POST"])])) as client:
        trace = client.post("/", json={"items": 1})
    assert (trace.outcome, trace.refused_by) == ("invalid", "Order")


def test_a_django_view_s_validation_is_told_alike() -> None:
    @csrf_exempt
    def create_order(request: HttpRequest) -> JsonResponse:
        try:
            app.OrderSchema().load(json.loads(request.body))
        except marshmallow.ValidationError as error:
            return JsonResponse(error.messages, status=422)
        return JsonResponse({})

    with override_settings(ROOT_URLCONF=(path("orders", create_order),)), Client(django_app.wsgi) as client:
        trace = client.post("/orders", json={"items": [{"price": "x"}]})
    assert trace.path[-3:] == ["handler create_order", "validation failed", "response 422"]
    assert (trace.refusal, trace.refused_by) == ("validation", "OrderSchema")
    assert [issue.loc for issue in trace.validation_errors] == [("items", 0, "price")]


def refuse(*given: object) -> None:
    raise ValueError("refused")


@attrs.define
class Validated:
    price: int = attrs.field(validator=refuse)


@attrs.define
class Converted:
    price: int = attrs.field(converter=refuse)


@attrs.define
class Prepared:
    price: int

    def __attrs_pre_init__(self) -> None:
        refuse()


@attrs.define
class Finished:
    price: int

    def __attrs_post_init__(self) -> None:
        refuse()


@pytest.mark.parametrize("cls", [Validated, Converted, Prepared, Finished])
def test_wherever_an_attrs_class_refuses_it_is_told(cls: type) -> None:
    async def order(request: Request) -> JSONResponse:
        try:
            cls(1)
        except ValueError as error:
            return JSONResponse(str(error), 422)
        return JSONResponse("fine")

    with Client(Starlette(routes=[Route("/", order)])) as client:
        trace = client.get("/")
    assert (trace.validation, trace.refused_by) == ("failed", cls.__name__)
    assert [(issue.message, issue.type) for issue in trace.validation_errors] == [("refused", "ValueError")]


@attrs.define
class Unchecked:
    price: int = 1


def test_an_attrs_class_that_checks_nothing_costs_no_events() -> None:
    with observe():
        Unchecked(2)
        recorder = session._session._recorder
        assert recorder is not None
        assert id(Unchecked.__init__.__code__) not in recorder.watchlist.table


def test_validation_outside_any_request_leaves_nothing() -> None:
    with observe() as traces:
        app.OrderSchema().load({"items": []})
        app.Order(items=[])
        cattrs.structure({"lines": []}, app.Cart)
        msgspec.json.decode(b"[]", type=list[app.Packed])
        with pytest.raises(TypeError):
            app.Line("x")  # type: ignore[arg-type]
    assert traces == []

"""The data that files and other tools get."""

from __future__ import annotations

import json
from decimal import Decimal
from uuid import UUID

from pytest_lifecycle import Trace
from pytest_lifecycle._trace.facts import ValidationIssue

from .conftest import Step, sketched


class Order:
    """An object of the app's, whose `repr` must not be asked for."""

    def __repr__(self) -> str:
        raise AssertionError("repr of the app's object")


def order_request() -> Trace:
    trace = sketched(
        ("middleware Auth", [("route GET /orders/{order_id}", []), ("handler read_order", [])]),
        url="http://testserver/orders/42?token=s3cret",
    )
    trace.span("GET /orders/{order_id}").attributes.update(
        {
            "route_name": "read_order",
            "path_params": {"order_id": 42, "reset_token": "s3cret", "key": UUID(int=1), "price": Decimal("1.5")},
        }
    )
    trace._exchange.cross(trace.span("Auth"))
    trace._exchange.raw_headers = [(b"Content-Type", b"text/plain"), (b"Set-Cookie", b"sid=s3cret")]
    return trace


def test_the_whole_schema() -> None:
    params = {
        "order_id": 42,
        "reset_token": "[redacted]",
        "key": "00000000-0000-0000-0000-000000000001",
        "price": "1.5",
    }
    plain = {
        "target": "",
        "short_circuited": False,
        "exception": None,
        "attributes": {},
        "response_changes": None,
        "children": [],
    }
    route = {"verdict": "matched", "route_name": "read_order", "path_params": params}
    assert order_request().to_dict(timings=False) == {
        "schema": 1,
        "protocol": "http",
        "method": "GET",
        "url": "http://testserver/orders/42?token=[redacted]",
        "interface": "asgi",
        "framework": None,
        "status": 200,
        "outcome": "handled",
        "refusal": None,
        "refused_by": None,
        "middleware": ["Auth"],
        "middleware_out": ["Auth"],
        "route": "GET /orders/{order_id}",
        "route_name": "read_order",
        "path_params": params,
        "candidates": [],
        "dependencies": [],
        "dependency_runs": [],
        "validation": "none",
        "validation_errors": [],
        "response_errors": [],
        "handler": "read_order",
        "exceptions": [],
        "path": ["middleware Auth", "route GET /orders/{order_id}", "handler read_order", "response 200"],
        "stopped_at": "handler read_order",
        "headers": [["content-type", "text/plain"], ["set-cookie", "[redacted]"]],
        "close_code": None,
        "close_reason": None,
        "closed_by": None,
        "history": [],
        "warnings": [],
        "spans": {
            **plain,
            "kind": "app",
            "name": "asgi",
            "builtin": True,
            "children": [
                {
                    **plain,
                    "kind": "middleware",
                    "name": "Auth",
                    "builtin": False,
                    "children": [
                        {
                            **plain,
                            "kind": "routing",
                            "name": "GET /orders/{order_id}",
                            "builtin": False,
                            "attributes": route,
                        },
                        {**plain, "kind": "handler", "name": "read_order", "builtin": False},
                    ],
                }
            ],
        },
    }


def test_times_are_in_seconds_from_the_start_of_the_request() -> None:
    data = order_request().to_dict()
    auth = data["spans"]["children"][0]
    assert data["duration"] == 0.004
    assert [auth["start"], auth["duration"], auth["self_time"]] == [0.0, 0.003, 0.001]
    assert [child["start"] for child in auth["children"]] == [0.0, 0.001]


def test_without_times_the_same_request_gives_the_same_data() -> None:
    first, second = order_request(), order_request()
    for trace in (first, second):
        trace.warnings.append(f"{object()!r} was left open")
    assert first.to_dict(timings=False) == second.to_dict(timings=False)


def test_whatever_an_adapter_notes_becomes_json() -> None:
    trace = order_request()
    trace.span("read_order").attributes.update(
        {
            "order": Order(),
            "password": "s3cret",
            "ratio": float("nan"),
            "set": {"b", "a"},
            "bytes": b"s3cret",
            "errors": (ValidationIssue(("body", "password"), "s3cret is weak", "weak"),),
            "nested": {1: [Order, {"api_key": "s3cret"}]},
        }
    )
    loop: list[object] = []
    loop.append(loop)
    trace.span("Auth").attributes["loop"] = loop
    text = json.dumps(trace.to_dict(), allow_nan=False)
    attributes = json.loads(text)["spans"]["children"][0]["children"][1]["attributes"]
    assert "s3cret" not in text
    assert attributes == {
        "order": "<Order>",
        "password": "[redacted]",
        "ratio": "nan",
        "set": ["a", "b"],
        "bytes": "<bytes>",
        "errors": [{"loc": ["body", "password"], "message": "[redacted]", "type": "weak", "input": None}],
        "nested": {"1": ["<type>", {"api_key": "[redacted]"}]},
    }


def test_a_deep_tree_needs_no_recursion_of_ours() -> None:
    step: Step = ("handler home", [])
    for _ in range(250):
        step = ("middleware Pass", [step])
    assert json.loads(json.dumps(sketched(step).to_dict()))["middleware"] == ["Pass"] * 250

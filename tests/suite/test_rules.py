"""What each form of rule says of requests to real apps, and which names a run has shown."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from flask import Flask, redirect
from flask import request as flask_request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from pytest_lifecycle import Client, Rule, Trace
from pytest_lifecycle._suite.rules.ruleset import Ruleset
from pytest_lifecycle._suite.rules.steps import Sightings
from tests.conftest import SketchTrace


class Logging(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Callable[..., Any]) -> Response:
        response: Response = await call_next(request)
        return response


class Gate(Logging):
    async def dispatch(self, request: Request, call_next: Callable[..., Any]) -> Response:
        if "x-banned" in request.headers:
            return PlainTextResponse("no", 403)
        return await super().dispatch(request, call_next)


def get_db() -> dict[int, str]:
    return {42: "an order"}


def current_user(authorization: Annotated[str | None, Header()] = None) -> str:
    if authorization is None:
        raise HTTPException(401)
    return "ada"


def fake_user() -> str:
    return "bob"


def build(*layers: Any, overrides: bool = False) -> FastAPI:
    """Make the shop with these layers, the outermost first."""
    app = FastAPI()
    for layer in reversed(layers):
        app.add_middleware(layer)
    if overrides:
        app.dependency_overrides[current_user] = fake_user

    @app.get("/orders/{order_id}")
    def read_order(
        order_id: int, db: Annotated[Any, Depends(get_db)], user: Annotated[str, Depends(current_user)]
    ) -> str:
        return str(db[order_id])

    @app.get("/open/{order_id}")
    def read_open(order_id: int, db: Annotated[Any, Depends(get_db)]) -> str:
        return str(db[order_id])

    @app.get("/leave")
    def leave() -> RedirectResponse:
        return RedirectResponse("http://testserver/orders/1")

    @app.get("/crash")
    def crash() -> None:
        raise RuntimeError("no stock")

    return app


SHOP = build(Logging, Gate)
TOKEN = {"authorization": "Bearer t"}


def ask(path: str, app: Any = SHOP, method: str = "GET", **headers: str) -> Trace:
    with Client(app, lifespan=False) as client:
        return client.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})


def said(rule: str | Rule, trace: Trace) -> str | None:
    """Give what a rule says of a request; None where it is kept."""
    found = [violation.seen for violation in Ruleset.read([rule]).violations(trace)]
    assert len(found) < 2
    return found[0] if found else None


MIDDLEWARE = "the middleware was [Logging, Gate]"
REFUSED = "401: current_user refused it (authentication): ; the handler read_order did not run"


@pytest.mark.parametrize(
    ("rule", "path", "expected"),
    [
        ("Logging before Gate", "/orders/42", None),
        ("Gate before Logging", "/orders/42", MIDDLEWARE),
        ("gate before Logging", "/orders/42", "gate did not run; " + MIDDLEWARE),
        ("Gate before Nobody", "/orders/42", None),
        ("middleware Gate before middleware Logging", "/orders/42", MIDDLEWARE),
        ("dependency Gate before Logging", "/orders/42", "Gate did not run; " + MIDDLEWARE),
        ("current_user before read_order", "/orders/42", None),
        ("current_user before read_open", "/orders/42", None),
        (
            "current_user before read_open",
            "/open/42",
            "current_user did not run; the path was [middleware Logging, middleware Gate,"
            " route GET /open/{order_id}, dependency get_db, validation passed, handler read_open, response 200]",
        ),
        (
            "dependency current_user before dependency get_db",
            "/orders/42",
            "the path was [middleware Logging, middleware Gate, route GET /orders/{order_id}, dependency get_db,"
            " dependency current_user, validation passed, handler read_order, response 200]",
        ),
        ("Logging outermost", "/orders/42", None),
        ("Gate outermost", "/orders/42", MIDDLEWARE),
        ("Gate innermost", "/orders/42", None),
        ("Logging innermost", "/orders/42", MIDDLEWARE),
        ("Nobody innermost", "/orders/42", MIDDLEWARE),
        ("Nobody innermost", "/nowhere", None),
        ("Logging sees every response", "/orders/42", None),
        ("Logging sees every response", "/nowhere", None),
        (
            "Logging sees every response, errors too",
            "/crash",
            "the response left through none; it was entered; 500: RuntimeError(no stock) raised in crash, crossed Gate,"
            " Logging; answered by ServerErrorMiddleware; the response did not pass Logging, Gate",
        ),
        (
            "CORSMiddleware sees every response",
            "/open/42",
            "the response left through [Gate, Logging]; it was not entered; 200: the handler read_open answered",
        ),
        ("dependency current_user runs on /orders/*", "/orders/42", None),
        ("dependency current_user runs on /orders/*", "/open/42", None),
        (
            "dependency current_user runs except /leave",
            "/open/42",
            "the handler read_open ran without it; the path was [middleware Logging, middleware Gate,"
            " route GET /open/{order_id}, dependency get_db, validation passed, handler read_open, response 200]",
        ),
        ("dependency current_user runs", "/nowhere", None),
        ("no 5xx", "/orders/42", None),
        ("no 404", "/nowhere", "404: no route matched GET /nowhere"),
        ("no 4xx on /orders/*", "/nowhere", None),
        ("no not_found except GET /nowhere", "/nowhere", None),
        ("no not_found except POST /nowhere", "/nowhere", "404: no route matched GET /nowhere"),
        (
            "no invalid",
            "/orders/x",
            "422: validation refused path.order_id (Input should be a valid integer, unable to"
            " parse string as an integer); the handler read_order did not run",
        ),
        ("no validation when anonymous", "/orders/x", None),
        ("no handler before validation", "/orders/42", None),
        ("no handler before validation", "/orders/x", None),
        ("body read once", "/orders/42", None),
        ("no redirect from https to http", "/leave", None),
        ("no redirect from https to http", "https://testserver/orders/42", None),
        ("no redirect from https to http", "https://testserver/leave", "it was sent to http://testserver/orders/1"),
    ],
)
def test_a_rule_and_a_request_with_credentials(rule: str, path: str, expected: str | None) -> None:
    assert said(rule, ask(path, **TOKEN)) == expected


@pytest.mark.parametrize(
    ("rule", "path", "expected"),
    [
        ("every route under /orders is refused by authentication when anonymous", "/orders/42", None),
        ("every route under /orders is refused by authentication", "/nowhere", None),
        ("GET /orders/* refused by current_user", "/orders/42", None),
        (
            "GET /orders/* refused by permission",
            "/orders/42",
            "401: current_user refused it (authentication); the handler read_order did not run",
        ),
        (
            "every route under /open is refused by authentication when anonymous",
            "/open/42",
            "200: the handler read_open answered",
        ),
        ("every route under /open is refused by authentication", "/open", None),
        ("POST /open/* refused by authentication", "/open/42", None),
        ("/open/{order_id} refused by authentication", "/open/42", "200: the handler read_open answered"),
        (
            "no authentication on /orders/*",
            "/orders/42",
            "401: current_user refused it (authentication); the handler read_order did not run",
        ),
    ],
)
def test_a_rule_and_a_request_without_credentials(rule: str, path: str, expected: str | None) -> None:
    found = said(rule, ask(path))
    assert (found or "").replace(": Unauthorized", "").replace(": 401", "") == (expected or "")


def test_with_credentials_nothing_has_to_be_refused() -> None:
    rule = "every route under /open is refused by authentication when anonymous"
    assert said(rule, ask("/open/42", **TOKEN)) is None


def test_a_preflight_needs_no_credentials() -> None:
    def cors(app: Any) -> CORSMiddleware:
        return CORSMiddleware(app, allow_origins=["*"])

    preflight = {"origin": "https://shop.example", "access_control_request_method": "GET"}
    trace = ask("/orders/42", build(cors), "OPTIONS", **preflight)
    assert trace.status == 200
    assert said("every route under /orders is refused by authentication when anonymous", trace) is None


def login_required(view: Callable[[], str]) -> Callable[[], Any]:
    @functools.wraps(view)
    def wrapped() -> Any:
        return view() if "authorization" in flask_request.headers else redirect("/login")

    return wrapped


def test_a_decorator_that_sends_strangers_to_the_login_refuses_them() -> None:
    flask = Flask(__name__)

    @flask.get("/orders")
    @login_required
    def read_orders() -> str:
        return "orders"

    rule = "GET /orders refused by {} when anonymous"
    trace = ask("/orders", flask)
    assert trace.status == 302
    assert said(rule.format("login_required"), trace) is None
    assert said(rule.format("Gate"), trace) == "302: decorator login_required answered itself; no handler ran"
    assert said("GET /orders refused by login_required", ask("/orders", flask, **TOKEN)) == (
        "200: the handler read_orders answered"
    )


def test_an_override_counts_for_what_it_stands_for() -> None:
    trace = ask("/orders/42", build(overrides=True))
    assert trace.dependencies == ["get_db", "fake_user"]
    assert said("dependency current_user runs on /orders/*", trace) is None
    assert said("get_db before current_user", trace) is None
    assert said("current_user before get_db", trace) is not None


def test_who_answers_itself_short_circuits() -> None:
    assert said("Gate never short-circuits", ask("/open/42")) is None
    assert said("Gate never short-circuits", ask("/open/42", x_banned="1")) == "Gate answered itself"
    assert said("Logging never short-circuits", ask("/open/42", x_banned="1")) is None


def test_an_exception_that_leaves_the_app_is_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("no stock")

    trace = ask("/", app)
    assert trace.status is None
    assert [said(f"no {end}", trace) for end in ("5xx", "500", "error")] == [
        "no response: RuntimeError(no stock) raised in app; nobody answered it"
    ] * 3
    assert said("no 4xx", trace) is None


def test_validation_inside_a_handler_is_after_its_start() -> None:
    from pydantic import BaseModel

    class Order(BaseModel):
        quantity: int

    flask = Flask(__name__)

    @flask.post("/orders")
    def create() -> str:
        return str(Order.model_validate_json(flask_request.get_data()).quantity)

    with Client(flask) as client:
        trace = client.post("/orders", content=b'{"quantity": 3}')
    assert trace.text == "3"
    assert said("no handler before validation", trace) == "the handler create was running when validation passed"


# -- rules in Python


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (lambda trace: None, None),
        (lambda trace: True, None),
        (lambda trace: False, "its predicate returned False"),
        (lambda trace: f"{trace.status} is not 201", "200 is not 201"),
        (lambda trace: trace.nothing, "its predicate raised AttributeError: 'Trace' object has no attribute 'nothing'"),
        (lambda trace: "password=hunter2\x1b[31m", "password=[redacted]"),
    ],
)
def test_a_predicate_says_what_it_saw(predicate: Callable[[Trace], Any], expected: str | None) -> None:
    assert said(Rule("mine", predicate), ask("/open/42")) == expected


def test_an_assertion_in_a_predicate_is_its_answer() -> None:
    def predicate(trace: Trace) -> None:
        raise AssertionError

    assert said(Rule("mine", predicate), ask("/open/42")) == "its assertion failed"


def test_traps_are_off_until_asked_for_and_can_be_allowed() -> None:
    trace = ask("/crash", build(lambda app: CORSMiddleware(app, allow_origins=["*"])))

    def rules_broken(*rules: str) -> list[str]:
        return [violation.rule for violation in Ruleset.read(rules).violations(trace)]

    assert rules_broken() == []
    assert rules_broken("traps") == ["cors-skipped-on-errors"]
    assert rules_broken("cors-skipped-on-errors", "traps") == ["cors-skipped-on-errors"]
    assert rules_broken("traps", "allow cors-skipped-on-errors") == []
    assert rules_broken("allow traps on /crash", "traps") == []
    assert rules_broken("traps", "allow cors-skipped-on-errors on /other") == ["cors-skipped-on-errors"]
    assert rules_broken("traps", "allow body-consumed-twice") == ["cors-skipped-on-errors"]
    assert rules_broken("cors-skipped-on-errors except /crash") == []


# -- names that requests have shown


def missing(rules: list[str], *traces: Trace, through_json: bool = False) -> list[str]:
    ruleset = Ruleset.read(rules)
    mentions = [mention for _, found in ruleset.mentions() for mention in found]
    sightings = Sightings(mentions)
    for trace in traces:
        sightings.look_at(trace)
    if through_json:
        elsewhere = Sightings(mentions)
        elsewhere.add(sightings.take_fresh())
        sightings = elsewhere
    return list(sightings.missing(mentions))


@pytest.mark.parametrize("through_json", [False, True])
def test_names_that_were_shown_are_not_missing(through_json: bool) -> None:
    rules = [
        "Logging before Gate",
        "dependency current_user runs on /orders/*, GET /open/{order_id}",
        "GET /orders/* refused by current_user when anonymous",
    ]
    traces = [ask("/orders/42"), ask("/open/42")]
    assert missing(rules, *traces, through_json=through_json) == []
    assert missing(rules, ask("/orders/42", **TOKEN), through_json=through_json) == [
        "no request was ever made to GET /open/{order_id}; seen were: GET /orders/{order_id}."
        " Did you mean '/orders/{order_id}'?",
        "no request was ever made to GET /orders/* (when anonymous); seen were: GET /orders/{order_id}",
    ]


def test_names_are_not_alike_for_both_being_called_middleware() -> None:
    gate = ask("/orders/42", build(lambda app: CORSMiddleware(app, allow_origins=["*"])), **TOKEN)
    said_of = {
        name: missing([f"{name} outermost"], gate)[0].partition(". ")[2] for name in ("NoStoreMiddleware", "Cors")
    }
    assert said_of == {"NoStoreMiddleware": "", "Cors": "Did you mean 'CORSMiddleware'?"}


def test_a_kind_of_refusal_with_a_typo_is_told_as_one() -> None:
    (said,) = missing(["/orders/* refused by authentification"], ask("/orders/42"))
    assert said.startswith("no request ever showed a step 'authentification'; seen were: ")
    assert said.endswith(". Did you mean 'authentication'?")


def test_a_rule_is_told_as_it_was_written() -> None:
    rules = ["Gate runs under /admin", "Gate runs on /orders/*, under /admin", "Gate runs on POST under /admin"]
    assert [rule for rule, _ in Ruleset.read(rules).mentions()] == rules


def test_a_name_that_is_nowhere_comes_with_the_nearest() -> None:
    assert missing(
        ["Loging before Gate", "hook Gate runs", "handler read_orders runs"], ask("/orders/42", **TOKEN)
    ) == [
        "no request ever showed a step 'Loging';"
        " seen were: Gate, Logging, current_user, get_db, read_order. Did you mean 'Logging'?",
        "no request ever showed a hook 'Gate'; none was seen",
        "no request ever showed a handler 'read_orders'; seen were: read_order. Did you mean 'read_order'?",
    ]


def test_an_override_shows_the_name_of_what_it_stands_for() -> None:
    assert missing(["dependency current_user runs"], ask("/orders/42", build(overrides=True))) == []


def test_a_message_lists_a_dozen_names() -> None:
    def layer(number: int) -> type:
        return type(f"Layer{number:02}", (Logging,), {})

    (text,) = missing(["Nobody outermost"], ask("/open/42", build(*map(layer, range(14)))))
    assert text.endswith("Layer10, Layer11 and 2 more")


def test_what_a_request_brings_reaches_no_terminal_as_it_is(sketch: SketchTrace) -> None:
    trace = sketch(("route G\x1b[31mT /orders", ()), method="G\x1b[31mT", url="http://testserver/orders?token=hunter2")
    assert missing(["no 5xx on /other"], trace) == [
        r"no request was ever made to /other; seen were: G\x1b[31mT /orders. Did you mean '/orders'?"
    ]
    (violation,) = Ruleset.read(["no 2xx"]).violations(trace)
    assert violation.request == r"G\x1b[31mT /orders (route /orders) -> 200"

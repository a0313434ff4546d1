"""Werkzeug without Flask: its responses are responses, what it makes an app of a function is that function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pydantic
import pytest
from werkzeug.exceptions import Forbidden
from werkzeug.test import Client as WerkzeugClient
from werkzeug.wrappers import Request, Response

from pytest_lifecycle import Client, Trace, observe

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Item(pydantic.BaseModel):
    n: int


@Request.application
def shop(request: Request) -> Response:
    if request.path == "/forbidden":
        raise Forbidden
    return Response("shop")


class Office:
    """An app in the way of Werkzeug's tutorial."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return self.wsgi_app(environ, start_response)

    def wsgi_app(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return self.dispatch(Request(environ))(environ, start_response)

    def dispatch(self, request: Request) -> Response:
        try:
            item = Item.model_validate_json(request.get_data())
        except pydantic.ValidationError:
            return Response("no item", 422)
        return Response(str(item.n))


class Router:
    """Hands itself on with the environ, as Pyramid's router does."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return policy(environ, self)(environ, start_response)

    def view(self, environ: Environ) -> Response:
        return Response("routed")


def policy(environ: Environ, router: Router) -> Response:
    return router.view(environ)


def ours(app: Any, method: str = "GET", url: str = "/", **arguments: Any) -> Trace:
    with Client(app, interface="wsgi") as client:
        return client.request(method, url, **arguments)


def werkzeug_s(app: Any, method: str = "GET", url: str = "/") -> Trace:
    with observe() as traces:
        WerkzeugClient(app).open(url, method=method)
    return traces[0]


@pytest.mark.parametrize("ask", [ours, werkzeug_s])
@pytest.mark.parametrize(("url", "status", "text"), [("/", 200, "shop"), ("/forbidden", 403, None)])
def test_a_function_that_is_made_an_app_is_the_handler(ask: Any, url: str, status: int, text: str | None) -> None:
    trace = ask(shop, "GET", url)
    assert trace.path == ["handler shop", f"response {status}"]
    assert (trace.outcome, trace.handler) == ("handled", "shop")
    assert text is None or trace.text == text


@pytest.mark.parametrize("ask", [ours, werkzeug_s])
def test_the_app_that_gives_a_response_is_the_handler_and_not_the_response(ask: Any) -> None:
    trace = ask(Office(), "POST")
    assert (trace.handler, trace.path[0], trace.path[-1]) == ("Office", "handler Office", "response 422")


def test_a_router_that_is_handed_on_is_no_server() -> None:
    assert ours(Router()).path == ["handler Router", "response 200"]


def test_an_app_that_no_adapter_knows_validates_as_others_do() -> None:
    good = ours(Office(), "POST", content=b'{"n": 1}')
    bad = ours(Office(), "POST", content=b'{"n": "x"}')
    assert good.path == ["handler Office", "validation passed", "response 200"]
    assert (bad.outcome, bad.refusal, bad.refused_by) == ("invalid", "validation", "Item")
    assert [(issue.loc, issue.input) for issue in bad.validation_errors] == [(("n",), "'x'")]


def test_an_asgi_app_that_no_adapter_knows_validates_as_others_do() -> None:
    async def answer(send: Any, status: int) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        try:
            Item.model_validate_json(message["body"])
        except pydantic.ValidationError:
            await answer(send, 422)
        else:
            await answer(send, 200)

    with Client(app, lifespan=False) as client:
        trace = client.post("/", content=b'{"n": "x"}')
    assert (trace.outcome, trace.refused_by, trace.handler) == ("invalid", "Item", "app")

"""Layers that are written ``def __call__(self, *args)``: what they are called with tells them from all else."""

from __future__ import annotations

import asyncio
import functools
import warnings
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock
from wsgiref.validate import validator

import httpx
import pytest
from asgiref.sync import async_to_sync
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from werkzeug.middleware.lint import LintMiddleware

from pytest_lifecycle import Client, Trace, observe

App = Callable[..., Any]


def wsgi_app() -> Flask:
    app = Flask(__name__)
    app.get("/")(lambda: "hello")
    return app


async def read(request: Request) -> Response:
    return PlainTextResponse("hello")


def asgi_app() -> Starlette:
    return Starlette(routes=[Route("/", read)])


INSIDE = {
    "wsgi": ["route GET /", "handler <lambda>", "response 200"],
    "asgi": ["route GET /", "handler read", "response 200"],
}
APPS: dict[str, Callable[[], Any]] = {"wsgi": wsgi_app, "asgi": asgi_app}
both = pytest.mark.parametrize("interface", ["wsgi", "asgi"])


def asked(app: Any, interface: str, **arguments: Any) -> Trace:
    with Client(app, interface=interface) as client:
        return client.get("/", **arguments)


class Passing:
    """Its twin for ASGI is a coroutine function, as servers want it."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.app(*args, **kwargs)


class AsyncPassing(Passing):
    async def __call__(self, *args: Any) -> Any:
        return await self.app(*args)


class Resting(Passing):
    def __call__(self, environ: dict[str, Any], *rest: Any) -> Any:
        return self.app({**environ, "seen": 1}, *rest)


class AsyncResting(Passing):
    async def __call__(self, scope: dict[str, Any], *rest: Any) -> Any:
        return await self.app({**scope, "seen": 1}, *rest)


def passing(app: App) -> App:
    def through(*args: Any) -> Any:
        return app(*args)

    return through


def async_passing(app: App) -> App:
    async def through(*args: Any, **kwargs: Any) -> Any:
        return await app(*args, **kwargs)

    return through


@pytest.mark.parametrize(
    ("interface", "layer", "name"),
    [
        ("wsgi", Passing, "Passing"),
        ("wsgi", Resting, "Resting"),
        ("wsgi", passing, "through"),
        ("wsgi", LintMiddleware, "LintMiddleware"),
        ("wsgi", validator, "lint_app"),
        ("asgi", AsyncPassing, "AsyncPassing"),
        ("asgi", AsyncResting, "AsyncResting"),
        ("asgi", async_passing, "through"),
    ],
)
def test_a_layer_of_any_arguments_is_a_middleware(interface: str, layer: Any, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the checkers find is not what is tested
        trace = asked(layer(APPS[interface]()), interface)
    assert trace.path == [f"middleware {name}", *INSIDE[interface]]
    assert (trace.middleware_out, trace.warnings) == ([name], [])


@pytest.mark.parametrize(("interface", "layer"), [("wsgi", Passing), ("asgi", AsyncPassing)])
def test_it_stands_in_order_and_each_time(interface: str, layer: Any) -> None:
    app = layer(layer(APPS[interface]()))
    for _ in range(2):
        assert asked(app, interface).middleware == [layer.__name__] * 2


def test_it_may_hold_its_like_by_any_name() -> None:
    class Chained:
        def __init__(self, chain: App) -> None:
            self.chain = chain

        def __call__(self, *args: Any) -> Any:
            return self.chain(*args)

    assert asked(Chained(Chained(wsgi_app())), "wsgi").middleware == ["Chained", "Chained"]


@pytest.mark.parametrize(("interface", "layer"), [("wsgi", Resting), ("asgi", AsyncResting)])
def test_what_it_puts_into_the_request_is_told(interface: str, layer: Any) -> None:
    assert asked(layer(APPS[interface]()), interface).span(layer.__name__).scope_added == ["seen"]


def test_what_it_changes_of_the_response_is_told() -> None:
    class Adding(Passing):
        def __call__(self, *args: Any) -> Any:
            def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
                return args[1](status, [*headers, ("x-by", "adding")], *more)

            return self.app(args[0], start)

    assert asked(Adding(wsgi_app()), "wsgi").span("Adding").response_changes.added == {"x-by": "adding"}


@pytest.mark.parametrize(("interface", "layer"), [("wsgi", Passing), ("asgi", AsyncPassing)])
def test_other_clients_requests_begin_with_it(interface: str, layer: Any) -> None:
    app = layer(APPS[interface]())
    with observe() as traces:
        if interface == "wsgi":
            with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://a.test") as client:
                assert client.get("/").text == "hello"
        else:
            asyncio.run(_ask(app))
    assert [(trace.url, trace.path) for trace in traces] == [
        ("http://a.test/", [f"middleware {layer.__name__}", *INSIDE[interface]])
    ]


async def _ask(app: Any) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a.test") as client:
        assert (await client.get("/")).text == "hello"


# -- what is none


def test_a_decorator_of_a_layer_s_method_is_no_layer() -> None:
    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    class Decorated(Passing):
        @decorated
        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            return self.app(environ, start_response)

    assert asked(Decorated(wsgi_app()), "wsgi").path == ["middleware Decorated", *INSIDE["wsgi"]]


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_a_function_is_a_layer_only_where_it_is_called_as_one() -> None:
    """Whatever the same decorator made shares its code, which is looked at as it first runs."""
    app = wsgi_app()
    shout = decorated(str.upper)
    app.add_url_rule("/loud", "loud", lambda: shout("loud"))
    app.add_url_rule("/view", "view", decorated(lambda: "view"))
    with Client(decorated(app.__call__), interface="wsgi") as client:
        assert client.get("/loud").path == ["middleware wrapper", "route GET /loud", "handler <lambda>", "response 200"]
        assert client.get("/view").path[1:] == [
            *("route GET /view", "decorator decorated", "handler <lambda>", "response 200")
        ]


@both
def test_what_carries_any_call_is_no_layer(interface: str) -> None:
    app = APPS[interface]()
    inner = Mock(wraps=app)
    if interface == "asgi":
        in_between = async_to_sync(app)
        with observe() as traces:
            in_between({**SCOPE}, _receive, _send)
        assert traces[0].path == INSIDE["asgi"]
    else:
        assert asked(inner, "wsgi").path == INSIDE["wsgi"]


SCOPE = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}


async def _receive() -> dict[str, Any]:
    return {"type": "http.request"}


async def _send(message: dict[str, Any]) -> None: ...


def test_a_context_manager_that_takes_the_request_is_no_layer() -> None:
    @contextmanager
    def logged(given: dict[str, Any], start: Any) -> Any:
        yield

    class Logging(Passing):
        def __call__(self, *args: Any) -> Iterable[bytes]:
            with logged(*args):
                return self.app(*args)  # type: ignore[no-any-return]

    assert asked(Logging(wsgi_app()), "wsgi").middleware == ["Logging"]


def test_what_it_makes_for_itself_is_a_part_of_it() -> None:
    class Responder:
        def __init__(self, app: App) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    class Making(Passing):
        async def __call__(self, *args: Any) -> None:
            await Responder(self.app)(*args)

    trace = asked(Making(asgi_app()), "asgi")
    assert trace.path == ["middleware Making", *INSIDE["asgi"]]
    assert trace.span("Responder").builtin

"""The routes of a router are looked at once for all tests, and again once they are others."""

from __future__ import annotations

import gc
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import pytest
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.routing import Rule

from pytest_lifecycle import Client, Trace
from pytest_lifecycle import _session as session
from tests.apps import django_app


class Shop(NamedTuple):
    """An app with a route, and what adds one more."""

    app: Any
    add: Callable[[], object]
    around: AbstractContextManager[object] = nullcontext()


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("page")


def starlette_shop() -> Shop:
    app = Starlette(routes=[Route("/", page)])
    return Shop(app, lambda: app.router.routes.append(Route("/late", page)))


def flask_shop() -> Shop:
    app = Flask("shop")
    app.add_url_rule("/", "page", lambda: "page")
    return Shop(app, lambda: app.url_map.add(Rule("/late", endpoint="page")))


def django_shop() -> Shop:
    def view(request: object) -> HttpResponse:
        return HttpResponse("page")

    urls: Any = types.ModuleType("urls")
    urls.urlpatterns = [path("", view)]
    add = lambda: urls.urlpatterns.append(path("late", view))  # noqa: E731
    return Shop(django_app.wsgi, add, override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[]))


SHOPS = [starlette_shop, flask_shop, django_shop]


@pytest.fixture(params=SHOPS)
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    made: Shop = request.param()
    with made.around:
        yield made


@pytest.fixture(params=[session.whole_run, nullcontext], ids=["all tests observed", "some tests observed"])
def run(request: pytest.FixtureRequest) -> Iterator[None]:
    with request.param():
        yield


def ask(app: Any, url: str) -> Trace:
    """Ask as a test of its own does."""
    with Client(app) as client:
        return client.get(url)


@pytest.mark.usefixtures("run")
def test_a_router_is_looked_at_once_for_all_tests(shop: Shop) -> None:
    first, second = ask(shop.app, "/"), ask(shop.app, "/")
    assert first.route is not None
    assert second.route == first.route
    assert second._exchange.routing[0].routes is first._exchange.routing[0].routes


@pytest.mark.usefixtures("run")
def test_a_route_that_was_added_between_two_tests_is_known(shop: Shop) -> None:
    before = [candidate.pattern for candidate in ask(shop.app, "/no").candidates]
    shop.add()
    after = [candidate.pattern for candidate in ask(shop.app, "/no").candidates]
    late = ask(shop.app, "/late")
    assert [pattern for pattern in after if pattern not in before] == ["/late"]
    assert (late.status, late.route) == (200, "GET /late")


@pytest.mark.usefixtures("run")
def test_a_route_that_took_the_place_of_its_like_between_two_tests_is_the_one() -> None:
    async def other(request: Request) -> PlainTextResponse:
        return PlainTextResponse("other")

    app = Starlette(routes=[Route("/first", page), Route("/", page)])
    before = ask(app, "/")
    app.router.routes[:] = [Route("/", other)]
    after = ask(app, "/")
    assert (before.route, before.handler) == ("GET /", "page")
    assert (after.route, after.handler) == ("GET /", "other")
    assert [candidate.pattern for candidate in after.candidates] == ["/"]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("make", [starlette_shop, flask_shop])
def test_what_is_known_of_a_router_keeps_no_app(make: Callable[[], Shop]) -> None:
    made = make()
    ask(made.app, "/")
    gone = weakref.ref(made.app)
    del made
    gc.collect()
    assert gone() is None

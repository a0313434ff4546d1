"""Jinja's templates as steps, under Starlette and in any app that renders one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import jinja2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from pytest_lifecycle import Client, Trace

SOURCES = {
    "layout.html": "<main>{% block body %}{% endblock %}</main>",
    "cart.html": (
        "{% extends 'layout.html' %}{% import 'macros.html' as m %}{% block body %}{{ m.row(items) }}{% endblock %}"
    ),
    "macros.html": "{% macro row(items) %}{% include 'item.html' %}{{ items }}{% endmacro %}",
    "item.html": "item",
    "outer.html": "{{ inner() }}",
    "broken.html": "{{ 1 / 0 }}",
}
LOADER = jinja2.DictLoader(SOURCES)
SYNC = jinja2.Environment(loader=LOADER, autoescape=True)
ASYNC = jinja2.Environment(loader=LOADER, autoescape=True, enable_async=True)
TEMPLATES = Jinja2Templates(env=SYNC)


async def cart(request: Request) -> Response:
    return TEMPLATES.TemplateResponse(request, "cart.html", {"items": 3})


async def awaited(request: Request) -> Response:
    return HTMLResponse(await ASYNC.get_template("cart.html").render_async({"a": 1}, items=3))


async def streamed(request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        async for piece in ASYNC.get_template("cart.html").generate_async(items=3):
            yield piece

    return StreamingResponse(pieces())


async def from_string(request: Request) -> Response:
    return HTMLResponse(SYNC.from_string("{{ secret }}").render(secret="s3cret"))


async def nested(request: Request) -> Response:
    return HTMLResponse(SYNC.get_template("outer.html").render(inner=SYNC.get_template("item.html").render))


async def broken(request: Request) -> Response:
    return HTMLResponse(SYNC.get_template("broken.html").render())


def ask(handler: Callable[..., Any]) -> Trace:
    app = Starlette(routes=[Route("/", handler)])
    with Client(app) as client:
        return client.get("/")


def templates(trace: Trace) -> list[tuple[str, list[str]]]:
    return [(span.name, span.attributes["context"]) for span in trace.spans("template")]


@pytest.mark.parametrize(
    ("handler", "context", "text"),
    [
        (cart, ["items", "request"], "<main>item3</main>"),
        (awaited, ["a", "items"], "<main>item3</main>"),
        (streamed, ["items"], "<main>item3</main>"),
    ],
)
def test_only_the_template_that_was_asked_for_is_a_step(
    handler: Callable[..., Any], context: list[str], text: str
) -> None:
    trace = ask(handler)
    assert (templates(trace), trace.text) == ([("cart.html", context)], text)
    assert trace.path == ["route GET /", f"handler {handler.__name__}", "response 200"]


def test_a_template_that_renders_another_one_is_one_step() -> None:
    assert templates(ask(nested)) == [("outer.html", ["inner"])]


def test_a_template_made_of_a_string_has_no_name_and_shows_no_values() -> None:
    trace = ask(from_string)
    assert templates(trace) == [("<template>", ["secret"])]
    assert "s3cret" not in str(trace)


def test_an_exception_in_a_template_is_raised_in_it() -> None:
    (error,) = ask(broken).exceptions
    assert (error.type, error.raised_in) == ("ZeroDivisionError", "broken.html")

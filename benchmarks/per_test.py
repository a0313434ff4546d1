"""What it costs a test that one request of it is observed, in apps of a few and of many routes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from pytest_lifecycle import _session, observe

from .apps import Message
from .measure import Contestant, in_turns
from .requests import SCOPE


def flask_of(routes: int) -> Callable[[], object]:
    """Give a request to a Flask app with so many routes."""
    from flask import Flask

    app = Flask("benchmark")
    for number in range(routes):
        app.add_url_rule(f"/{number}/<int:page>", str(number), lambda page: "page")
    client = app.test_client()
    return lambda: client.get(f"/{routes - 1}/7")


def starlette_of(routes: int) -> Callable[[], object]:
    """Give a request to a Starlette app with so many routes."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("page")

    app: Any = Starlette(routes=[Route(f"/{number}/{{page}}", page) for number in range(routes)])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        """Take it."""

    return lambda: asyncio.run(app({**SCOPE, "path": f"/{routes - 1}/7"}, receive, send))


def own_cost(make: Callable[[int], Callable[[], object]], routes: int, *, rounds: int, repeats: int) -> float:
    """Give the seconds that are added to a test with one request, where every test of the run is observed.

    Args:
        make: Gives a request to an app with so many routes.
        routes: How many.
        rounds: How many rounds to measure.
        repeats: How many tests a round has.
    """
    request = make(routes)
    stack = ExitStack()

    def alone() -> Callable[[int], None]:
        def run(count: int) -> None:
            for _ in range(count):
                request()

        return run

    def observed() -> Callable[[int], None]:
        stack.enter_context(_session.whole_run())

        def run(count: int) -> None:
            for _ in range(count):
                with observe():
                    request()

        return run

    contestants = [Contestant("alone", alone), Contestant("observed", observed, stack.close)]
    times = in_turns(contestants, rounds=rounds, repeats=repeats)
    return times["observed"] - times["alone"]

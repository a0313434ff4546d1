"""A traced request against untraced ones by other clients."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from pytest_lifecycle import Client

from .apps import App, Message
from .measure import Contestant, in_turns

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", b"testserver"), (b"accept-encoding", b"gzip")],
    "client": ("127.0.0.1", 50000),
    "server": ("testserver", 80),
}


def traced(app: Any, url: str) -> Contestant:
    """Give our client's whole request: the trace, its path read."""
    stack = ExitStack()

    def prepare() -> Callable[[int], None]:
        client = stack.enter_context(Client(app))

        def run(repeats: int) -> None:
            for _ in range(repeats):
                assert client.get(url).path

        return run

    return Contestant("traced", prepare, stack.close)


def raw(app: App, url: str) -> Contestant:
    """Give the bare call, awaited in a loop that runs."""

    async def call(repeats: int) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            """Take it."""

        for _ in range(repeats):
            await app({**SCOPE, "path": url, "raw_path": url.encode()}, receive, send)

    return Contestant("raw call", lambda: lambda repeats: asyncio.run(call(repeats)))


def starlette_client(app: Any, url: str) -> Contestant:
    """Give Starlette's TestClient, inside its `with`."""
    stack = ExitStack()

    def prepare() -> Callable[[int], None]:
        client = stack.enter_context(quiet_test_client(without_lifespan(app)))

        def run(repeats: int) -> None:
            for _ in range(repeats):
                client.get(url)

        return run

    return Contestant("TestClient", prepare, stack.close)


def quiet_test_client(app: Any) -> Any:
    """Make Starlette's TestClient; it warns of httpx where there is no httpx2."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    return TestClient(app)


def without_lifespan(app: Any) -> Any:
    """Give an app that TestClient can start: a bare one has no lifespan."""
    if hasattr(app, "router"):
        return app

    async def started(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return started


def httpx_transport(app: Any, url: str) -> Contestant:
    """Give `httpx.AsyncClient` with `httpx.ASGITransport`."""
    import httpx

    async def ask(repeats: int) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            for _ in range(repeats):
                await client.get(url)

    return Contestant("ASGITransport", lambda: lambda repeats: asyncio.run(ask(repeats)))


def test_client(make: Callable[[], Any], name: str, url: str) -> Contestant:
    """Give a framework's own client."""

    def prepare() -> Callable[[int], None]:
        client = make()

        def run(repeats: int) -> None:
            for _ in range(repeats):
                client.get(url)

        return run

    return Contestant(name, prepare)


def against_asgi_clients(app: Any, url: str, *, rounds: int, repeats: int) -> dict[str, float]:
    """Give times in seconds: traced, raw, TestClient, ASGITransport."""
    contestants = [traced(app, url), raw(app, url), starlette_client(app, url), httpx_transport(app, url)]
    return in_turns(contestants, rounds=rounds, repeats=repeats)


def against_own_client(
    app: Any, make: Callable[[], Any], name: str, url: str, *, rounds: int, repeats: int
) -> dict[str, float]:
    """Give times in seconds: traced, and the framework's own client, untraced."""
    return in_turns([traced(app, url), test_client(make, name, url)], rounds=rounds, repeats=repeats)

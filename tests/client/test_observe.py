"""`observe()` collects what any client asks, and nothing more."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
from flask import Flask
from werkzeug.test import Client as WerkzeugClient

from pytest_lifecycle import AsyncClient, Client, observe
from tests.drive.bare import Receive, Scope, Send, hello, respond, wsgi_hello


def test_it_collects_the_traces_of_every_client_in_order() -> None:
    with observe() as traces:
        with Client(hello) as one, Client(wsgi_hello) as two:
            one.get("/one")
            two.get("/two")
        WerkzeugClient(wsgi_hello).get("/three")
    assert [(trace.interface, trace.url.rpartition("/")[2], trace.status) for trace in traces] == [
        ("asgi", "one", 200),
        ("wsgi", "two", 200),
        ("wsgi", "three", 200),
    ]


def test_a_request_of_ours_is_collected_once_and_is_the_very_trace() -> None:
    with Client(hello) as client, observe() as traces:
        trace = client.get("/")
    assert traces == [trace]


def test_what_comes_after_the_block_is_not_collected() -> None:
    with Client(hello) as client:
        client.get("/before")
        with observe() as traces:
            client.get("/inside")
        client.get("/after")
    assert [trace.url for trace in traces] == ["http://testserver/inside"]


def test_blocks_can_be_nested() -> None:
    with observe() as outer:
        WerkzeugClient(wsgi_hello).get("/one")
        with observe() as inner:
            WerkzeugClient(wsgi_hello).get("/two")
        WerkzeugClient(wsgi_hello).get("/three")
    assert [trace.url.rpartition("/")[2] for trace in outer] == ["one", "two", "three"]
    assert [trace.url.rpartition("/")[2] for trace in inner] == ["two"]


def test_the_traces_are_there_though_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), observe() as traces:
        WerkzeugClient(wsgi_hello).get("/")
        raise ZeroDivisionError
    assert [trace.status for trace in traces] == [200]


def test_it_sees_httpx_s_transports() -> None:
    app: Any = hello

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            await client.get("/asgi")

    with observe() as traces:
        asyncio.run(main())
        with httpx.Client(transport=httpx.WSGITransport(wsgi_hello), base_url="http://testserver") as client:
            client.get("/wsgi")
    assert [(trace.interface, trace.text) for trace in traces] == [("asgi", "hello"), ("wsgi", "hello")]


def asked_with(server: object) -> list[tuple[str, int | None, list[str]]]:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": "a=1", "headers": [], "server": server}

    async def send(message: Any) -> None:
        """Take it."""

    with observe() as traces:
        asyncio.run(hello(scope, None, send))  # type: ignore[arg-type]
    return [(trace.url, trace.status, trace.warnings) for trace in traces]


@pytest.mark.parametrize("server", ["localhost", None, 7, ["localhost"]])
def test_a_scope_that_no_server_would_make_is_traced(server: object) -> None:
    assert asked_with(server) == [("http://localhost/?a=1", 200, [])]


def test_what_comes_only_once_in_a_scope_is_not_used_up() -> None:
    server = iter(["localhost", 80])
    assert asked_with(server) == [("http://localhost/?a=1", 200, [])]
    assert list(server) == ["localhost", 80]


def test_an_app_that_ran_unobserved_before_is_seen() -> None:
    app = Flask(__name__)

    @app.get("/orders/<int:number>")
    def read_order(number: int) -> str:
        return str(number)

    for _ in range(100):
        app.test_client().get("/orders/7")
    with observe() as traces:
        app.test_client().get("/orders/7")
    assert traces[0].path == ["route GET /orders/<int:number>", "handler read_order", "response 200"]


def test_threads_and_tasks_have_traces_of_their_own() -> None:
    barrier = threading.Barrier(4)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        barrier.wait(10)
        start_response("200 OK", [])
        return []

    with observe() as traces:
        threads = [threading.Thread(target=WerkzeugClient(app).get, args=(f"/{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(trace.url.rpartition("/")[2] for trace in traces) == ["0", "1", "2", "3"]
    assert {tuple(trace.path) for trace in traces} == {("handler app", "response 200")}


async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
    """Ask another app, and answer with what that says."""
    async with AsyncClient(hello) as client:
        traces = await asyncio.gather(client.get("/left"), client.get("/right"))
    await respond(send, body=b" ".join(trace.content for trace in traces))


def test_requests_made_by_an_app_are_traces_with_a_parent() -> None:
    with Client(proxy, lifespan=False) as client, observe() as traces:
        trace = client.get("/")
    assert trace.text == "hello hello"
    assert [seen.url.rpartition("/")[2] for seen in traces] == ["left", "right", ""]
    for inner in traces[:2]:
        assert inner.parent is not None
        assert inner.parent.exchange is trace.root.exchange
        assert inner.path == ["handler hello", "response 200"]
    assert trace.parent is None
    assert trace.path == ["handler proxy", "response 200"]

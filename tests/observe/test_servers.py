"""Real servers on loopback, asked by a real client over a socket: their requests are seen like any other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import uvicorn
from flask import Flask
from werkzeug.serving import make_server as make_werkzeug_server

from pytest_lifecycle import observe
from tests.adapters.fastapi_claims import CLAIMS
from tests.adapters.test_fastapi import check
from tests.apps import fastapi_app


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def running_uvicorn() -> Iterator[str]:
    config = uvicorn.Config(fastapi_app.build(), port=0, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def flask_app() -> Flask:
    app = Flask(__name__)

    @app.get("/orders/<int:number>")
    def read_order(number: int) -> str:
        return str(number)

    return app


def test_uvicorn_s_requests_are_told_like_any_other() -> None:
    claims = [claim for claim in CLAIMS if claim.outcome != "redirected"]
    limits = httpx.Limits(max_keepalive_connections=0)
    with observe() as traces, running_uvicorn() as url, httpx.Client(base_url=url, limits=limits) as client:
        for claim in claims:
            client.request(claim.method, claim.url, **claim.arguments)
    traces.sort(key=lambda trace: trace.root.start)  # one with a background task ends after the next has begun
    for trace, claim in zip(traces, claims, strict=True):
        check(trace, claim)


def test_the_response_is_kept_as_it_left_the_app() -> None:
    with observe() as traces, running_uvicorn() as url:
        answer = httpx.get(f"{url}/health")
    assert (traces[0].json(), traces[0].status) == (answer.json(), answer.status_code)
    assert traces[0].url == f"{url}/health"


def test_wsgiref_s_and_werkzeug_s_requests_are_told_like_any_other() -> None:
    app = flask_app()
    servers = [
        make_server("127.0.0.1", 0, app, handler_class=QuietHandler),
        make_werkzeug_server("127.0.0.1", 0, app, request_handler=None),
    ]
    with observe() as traces:
        for server in servers:
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            httpx.get(f"http://127.0.0.1:{server.server_port}/orders/7")
            thread.join()
            server.server_close()
    assert [trace.handler for trace in traces] == ["read_order", "read_order"]
    assert {tuple(trace.path[:-1]) for trace in traces} == {("route GET /orders/<int:number>", "handler read_order")}
    assert {trace.status for trace in traces} == {200}

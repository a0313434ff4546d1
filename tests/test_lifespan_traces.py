"""Lifespans as traces: what starts and stops an app, in which order, with what, and what nobody starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from pytest_lifecycle import AsyncClient, Client, LifespanFailed, Trace, observe
from pytest_lifecycle import _session as session
from pytest_lifecycle.adapters import Kind
from tests.apps import chat_app
from tests.drive.bare import Receive, Scope, Send, hello, respond


@pytest.fixture
def finished() -> Iterator[list[Trace]]:
    """Every trace that is published, lifespans among them."""
    traces: list[Trace] = []
    session.subscribe(traces.append)
    yield traces
    session.unsubscribe(traces.append)


@asynccontextmanager
async def pool(app: object) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def helper(what: str) -> AsyncIterator[str]:
    yield what


@asynccontextmanager
async def outer(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    async with pool(app):
        yield {"pool": object()}


def test_startup_is_known_while_the_app_runs_and_shutdown_once_it_is_closed() -> None:
    client = Client(chat_app.build())
    assert client.lifespan is None
    with client:
        assert client.lifespan is not None
        assert client.lifespan.path == [
            "middleware ConnectionID",
            "middleware CORSMiddleware",
            "middleware Gate",
            "startup lifespan",
            "startup archive",
            "lifespan complete",
        ]
    trace = client.lifespan
    assert [step for step in trace.path if "middleware" not in step] == [
        "startup lifespan",
        "startup archive",
        "shutdown archive",
        "shutdown lifespan",
        "lifespan complete",
    ]
    assert (trace.protocol, trace.method, trace.status, trace.outcome) == ("lifespan", "LIFESPAN", None, "handled")
    assert trace.framework == "fastapi"


def test_what_the_app_puts_into_its_state_is_named() -> None:
    with Client(chat_app.build()) as client:
        pass
    assert client.lifespan is not None
    # FastAPI puts an included router's state first (`_merge_lifespan_context`).
    assert client.lifespan.root.scope_added == ["state.archive", "state.rooms"]


def test_the_lifespan_of_a_mounted_app_that_nobody_runs_is_a_warning() -> None:
    with Client(chat_app.build()) as client:
        pass
    assert client.lifespan is not None
    assert client.lifespan.warnings == [
        "the lifespan parrot_lifespan of the app mounted at /birds does not run: Starlette runs the outermost app's"
        " only. Enter it in that one's lifespan."
    ]


def test_a_mounted_app_s_lifespan_that_the_outer_one_enters_stands_inside_it() -> None:
    @asynccontextmanager
    async def inner_lifespan(app: Starlette) -> AsyncIterator[None]:
        yield

    inner = Starlette(lifespan=inner_lifespan)

    @asynccontextmanager
    async def outer_lifespan(app: Starlette) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            yield

    with Client(Starlette(routes=[Mount("/inner", inner)], lifespan=outer_lifespan)) as client:
        pass
    trace = client.lifespan
    assert trace is not None
    assert trace.warnings == []
    assert trace.path == [
        "startup outer_lifespan",
        "startup inner_lifespan",
        "shutdown outer_lifespan",
        "shutdown inner_lifespan",
        "lifespan complete",
    ]
    for kind in (Kind.STARTUP, Kind.SHUTDOWN):
        (around, within) = trace.spans(kind)
        assert within.parent is around
        assert around.start <= within.start


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_lifespans_that_a_lifespan_enters_for_its_app_stand_inside_it(framework: Any) -> None:
    @asynccontextmanager
    async def connected(app: Starlette) -> AsyncIterator[None]:
        async with helper("a connection"):
            yield

    def joined(*lifespans: Any) -> Any:
        @asynccontextmanager
        async def all_of_them(app: Starlette) -> AsyncIterator[None]:
            async with AsyncExitStack() as stack:
                for lifespan in lifespans:
                    await stack.enter_async_context(lifespan(app))
                yield

        return all_of_them

    async def named(app: Starlette, name: str) -> AsyncIterator[None]:
        async with helper(name):
            yield

    lifespan = joined(connected, outer, asynccontextmanager(partial(named, name="last")))
    with Client(framework(lifespan=lifespan)) as client:
        pass
    trace = client.lifespan
    assert trace is not None
    names = [[child.name for child in trace.span("all_of_them").children], [trace.span("outer").children[0].name]]
    assert names == [["connected", "outer", "named"], ["pool"]]
    assert trace.path == [
        *("startup all_of_them", "startup connected", "startup outer", "startup pool", "startup named"),
        *("shutdown all_of_them", "shutdown named", "shutdown outer", "shutdown pool", "shutdown connected"),
        "lifespan complete",
    ]


def test_the_time_between_startup_and_shutdown_belongs_to_neither() -> None:
    with Client(Starlette(lifespan=outer)) as client:
        running = client.lifespan
        assert running is not None
        for _ in range(3):
            client.get("/")
    trace = client.lifespan
    assert trace is not None
    startup, shutdown = trace.spans(Kind.STARTUP, "outer")[0], trace.spans(Kind.SHUTDOWN, "outer")[0]
    moments = {message.type: message.at + trace.root.start for message in trace.messages}
    assert startup.start + startup.duration <= moments["lifespan.startup.complete"]
    assert shutdown.start >= moments["lifespan.shutdown"]


def test_event_handlers_are_steps() -> None:
    app = FastAPI()

    def connect() -> None:
        """Sync."""

    async def disconnect() -> None:
        """Async."""

    app.router.on_startup.append(connect)
    app.router.on_shutdown.append(disconnect)
    with Client(app) as client:
        pass
    assert client.lifespan is not None
    assert client.lifespan.path == ["startup connect", "shutdown disconnect", "lifespan complete"]


def test_a_lifespan_that_is_a_class_is_named_by_its_methods() -> None:
    class Resources:
        def __init__(self, app: Starlette) -> None:
            """Keep nothing."""

        async def __aenter__(self) -> None:
            """Open."""

        async def __aexit__(self, *error: object) -> None:
            """Close."""

    with Client(Starlette(lifespan=Resources)) as client:
        pass
    assert client.lifespan is not None
    assert client.lifespan.path == [
        "startup Resources.__aenter__",
        "shutdown Resources.__aexit__",
        "lifespan complete",
    ]


def test_a_startup_that_fails_is_a_trace_with_the_exception(finished: list[Trace]) -> None:
    @asynccontextmanager
    async def broken(app: FastAPI) -> AsyncIterator[None]:
        raise ConnectionError("no database")
        yield

    client = Client(FastAPI(lifespan=broken))
    with pytest.raises(ConnectionError, match="no database"):
        client.get("/")
    (trace,) = finished
    assert client.lifespan is not None
    assert client.lifespan.path == trace.path
    assert (trace.outcome, trace.path) == ("error", ["startup broken", "lifespan failed"])
    assert [(raised.type, raised.raised_in) for raised in trace.exceptions] == [("ConnectionError", "broken")]
    assert str(trace).startswith("LIFESPAN -> failed ")


def test_a_shutdown_that_fails_is_the_shutdown_s() -> None:
    @asynccontextmanager
    async def broken(app: FastAPI) -> AsyncIterator[None]:
        yield
        raise OSError("disk full")

    client = Client(FastAPI(lifespan=broken))
    client.get("/")
    with pytest.raises(OSError, match="disk full"):
        client.close()
    trace = client.lifespan
    assert trace is not None
    assert (trace.outcome, trace.path) == ("error", ["startup broken", "shutdown broken", "lifespan failed"])
    (startup,), (shutdown,) = trace.spans(Kind.STARTUP), trace.spans(Kind.SHUTDOWN)
    assert startup.exception is None
    assert isinstance(shutdown.exception, OSError)


def test_a_bare_app_s_messages_are_told(finished: list[Trace]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
        else:
            await respond(send)

    with Client(app) as client:
        client.get("/")
    assert client.lifespan is not None
    assert [(message.direction, message.type, message.step) for message in client.lifespan.messages] == [
        ("in", "lifespan.startup", "app"),
        ("out", "lifespan.startup.complete", "app"),
        ("in", "lifespan.shutdown", "app"),
        ("out", "lifespan.shutdown.complete", "app"),
    ]
    assert [trace.protocol for trace in finished] == ["http", "lifespan"]


def test_a_reported_failure_is_a_trace(finished: list[Trace]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(LifespanFailed, match="startup failed: no"):
        Client(app).get("/")
    assert [message.type for message in finished[0].messages] == ["lifespan.startup", "lifespan.startup.failed"]


@pytest.mark.parametrize("app", [hello, Flask("shop")])
def test_an_app_without_a_lifespan_has_no_such_trace(app: Any, finished: list[Trace]) -> None:
    with Client(app) as client:
        client.get("/")
    assert client.lifespan is None
    assert [trace.protocol for trace in finished] == ["http"]


def test_requests_during_startup_are_traces_of_their_own() -> None:
    class Warm:
        def __init__(self, app: Starlette) -> None:
            """Keep nothing."""

        async def __aenter__(self) -> None:
            async with AsyncClient(hello, lifespan=False) as client:
                await client.get("/warm")

        async def __aexit__(self, *error: object) -> None:
            """Do nothing."""

    with observe() as traces, Client(Starlette(lifespan=Warm)):
        pass
    (trace,) = traces
    assert trace.url.endswith("/warm")
    assert trace.parent is not None
    assert trace.parent.name == "Warm.__aenter__"


def test_async_clients_have_it_too() -> None:
    async def main() -> Trace | None:
        async with AsyncClient(chat_app.build()) as client:
            await client.get("/")
        return client.lifespan

    trace = asyncio.run(main())
    with Client(chat_app.build()) as client:
        client.get("/")
    assert trace is not None
    assert client.lifespan is not None
    assert trace.to_dict(timings=False) == client.lifespan.to_dict(timings=False)


def test_starlette_s_client_is_seen_as_ours_is_and_its_lifespan_is_no_request(finished: list[Trace]) -> None:
    with observe() as traces, TestClient(chat_app.build()) as other:
        other.get("/")
    with Client(chat_app.build()) as client:
        client.get("/")
    assert [trace.protocol for trace in traces] == ["http"]
    theirs = next(trace for trace in finished if trace.protocol == "lifespan")
    assert client.lifespan is not None
    assert theirs.path == client.lifespan.path
    assert theirs.warnings == client.lifespan.warnings
    assert [message[:3] for message in theirs.messages] == [message[:3] for message in client.lifespan.messages]


def test_an_included_router_s_lifespan_runs_and_is_no_warning() -> None:
    app = FastAPI(lifespan=chat_app.lifespan)
    app.include_router(APIRouter(lifespan=chat_app.archive), prefix="/archive")
    with Client(app) as client:
        pass
    assert client.lifespan is not None
    assert client.lifespan.warnings == []

"""What the observer promises: it changes nothing, harms nothing, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_lifecycle import Client, Kind, observe
from pytest_lifecycle import _session as session
from pytest_lifecycle._observe.recorder import CURRENT
from pytest_lifecycle.adapters import Adapter, Call, Probe
from tests.apps import fastapi_app, flask_app

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


# -- it changes nothing


class Layer:
    """Does one of the things that middleware does."""

    def __init__(self, app: App, deed: str) -> None:
        self.app = app
        self.deed = deed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-stamp", self.deed.encode())]}
            await send(message)

        if self.deed == "stamp":
            await self.app(scope, receive, stamped)
        elif self.deed == "answer":
            await answer(send, 418)
        elif self.deed == "raise":
            raise LookupError(self.deed)
        elif self.deed == "catch":
            try:
                await self.app(scope, receive, send)
            except LookupError:
                await answer(send, 500)
        elif self.deed == "task":
            await asyncio.create_task(self.app(scope, receive, send))  # type: ignore[arg-type]
        elif self.deed == "copy":
            await self.app(dict(scope), receive, send)
        else:
            await self.app(scope, receive, send)


async def answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"end"})


async def end(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", scope["path"].encode())]})
    await send({"type": "http.response.body", "body": message["body"]})


def called(app: App, path: str, body: bytes) -> tuple[list[Message], str | None]:
    """Call an app without any client; give its messages and the name of what it raised."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "asgi": {"version": "3.0"}}
    try:
        asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    except LookupError as error:
        return messages, repr(error)
    return messages, None


def expected_path(deeds: list[str]) -> tuple[list[str], list[str]]:
    """Give the middleware that a model of the stack enters, and those that its response leaves."""
    entered: list[str] = []
    ending = "end"
    for deed in deeds:
        entered.append(deed)
        if deed in ("answer", "raise"):
            ending = deed
            break
    if ending != "raise":
        return entered, entered[::-1]
    catchers = [index for index, deed in enumerate(entered) if deed == "catch"]
    return entered, entered[: catchers[-1] + 1][::-1] if catchers else []


deeds = st.lists(st.sampled_from(["pass", "stamp", "answer", "raise", "catch", "task", "copy"]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(deeds=deeds, path=st.sampled_from(["/", "/a/b"]), body=st.binary(max_size=20))
def test_any_stack_answers_the_same_observed_and_unobserved(deeds: list[str], path: str, body: bytes) -> None:
    app: App = end
    for deed in reversed(deeds):
        app = Layer(app, deed)
    unobserved = called(app, path, body)
    with observe() as traces:
        observed = called(app, path, body)
    assert observed == unobserved
    entered, left = expected_path(deeds)
    if entered:
        (trace,) = traces
        assert (len(trace.middleware), len(trace.middleware_out)) == (len(entered), len(left))
        assert trace.status == (unobserved[0][0]["status"] if unobserved[0] else None)


def test_the_app_s_own_objects_are_as_they_were() -> None:
    app = fastapi_app.build()
    with Client(app) as client:
        client.get("/health")
    stack = app.middleware_stack
    attributes = dict(vars(app))
    with Client(app) as client:
        client.get("/health")
        assert app.middleware_stack is stack
    assert {name: value for name, value in vars(app).items() if name != "state"} == {
        name: value for name, value in attributes.items() if name != "state"
    }
    assert not hasattr(app, "__wrapped__")


# -- it harms nothing


class Faulty(Adapter):
    """Raises in whichever callback it is told to."""

    name = "faulty"

    def __init__(self, function: object, where: str) -> None:
        self.function = function
        self.where = where

    def probes(self) -> Iterable[Probe]:
        def fail(*arguments: Any) -> Any:
            raise RuntimeError("out of order")

        callbacks: dict[str, Any] = {self.where: fail, "span": self.where != "passing"}
        yield Probe(self.function, Kind.INTERNAL, **callbacks)


def helped() -> str:
    return "helped"


@pytest.mark.parametrize(
    "where", ["name", "applies", "describe", "entering", "leaving", "answering", "passing", "raising"]
)
def test_an_adapter_that_fails_is_named_and_the_rest_of_the_trace_stands(where: str) -> None:
    app = Flask(__name__)

    @app.get("/")
    def index() -> str:
        if where == "raising":
            try:
                broken()
            except ValueError:
                return helped()
        return helped()

    def broken() -> None:
        raise ValueError

    adapter = Faulty(broken if where == "raising" else helped, where)
    session.add_adapters([adapter])
    try:
        with Client(app) as client:
            first, second = client.get("/"), client.get("/")
    finally:
        session.remove_adapters([adapter])
    assert (first.text, first.path) == ("helped", ["route GET /", "handler index", "response 200"])
    assert len(first.warnings) == 1
    assert first.warnings[0].startswith("the faulty adapter failed")
    assert "out of order" in first.warnings[0]
    assert second.warnings == []


def test_an_adapter_that_cannot_start_is_named_in_each_trace() -> None:
    class Unable(Adapter):
        name = "unable"

        def probes(self) -> Iterable[Probe]:
            raise ImportError("no such library")

    adapter = Unable()
    session.add_adapters([adapter])
    try:
        with Client(flask_app.build()) as client:
            trace = client.get("/orders/7")
    finally:
        session.remove_adapters([adapter])
    assert trace.warnings == ["the unable adapter is off (ImportError: no such library)."]
    assert trace.handler == "read_order"


def test_an_adapter_of_one_s_own_adds_its_steps() -> None:
    class Own(Adapter):
        name = "own"

        def probes(self) -> Iterable[Probe]:
            def entering(call: Call) -> None:
                assert call.span is not None
                call.span.attributes["asked"] = True

            yield Probe(helped, Kind.DEPENDENCY, entering=entering)

    app = FastAPI()

    @app.get("/")
    async def index() -> str:
        return helped()

    adapter = Own()
    session.add_adapters([adapter])
    try:
        with Client(app) as client:
            trace = client.get("/")
    finally:
        session.remove_adapters([adapter])
    assert trace.path == ["route GET /", "handler index", "dependency helped", "response 200"]
    assert trace.span("helped").attributes == {"asked": True}


# -- it leaves nothing behind


def census() -> dict[str, object]:
    """Say what is switched on in this process."""
    tools: list[str | None] = []
    events = 0
    if sys.version_info >= (3, 12):
        tools = [sys.monitoring.get_tool(tool) for tool in range(6)]
        events = sum(sys.monitoring.get_events(tool) for tool, name in enumerate(tools) if name is not None)
    return {
        "tools": tools,
        "events": events,
        "profile": sys.getprofile(),
        "thread profile": threading.getprofile(),
        "current": CURRENT.get(),
    }


def end_of(workers: set[threading.Thread]) -> None:
    """Wait for anyio's workers: their loop tells them to end, and until then they hold what they ran last."""
    for worker in workers:
        worker.join(timeout=10)


def threads() -> set[threading.Thread]:
    """Give the threads that run now; others' of tests before this one may end meanwhile."""
    return set(threading.enumerate())


@pytest.mark.parametrize("url", ["/health", "/boom", "/v1/items/x", "/nope"])
def test_nothing_is_on_after_a_client_is_closed(url: str) -> None:
    before, running = census(), threads()
    with Client(fastapi_app.build()) as client:
        client.get(url)
    assert census() == before
    end_of(threads() - running)
    assert threads() <= running


def test_nothing_is_on_after_an_observed_block_that_fails() -> None:
    before = census()
    with pytest.raises(ZeroDivisionError), observe():
        raise ZeroDivisionError
    assert census() == before


@pytest.mark.parametrize("url", ["/health", "/boom", "/v1/items/x", "/v1/items/3"])
def test_app_and_trace_are_freed_once_nobody_holds_them(url: str) -> None:
    app, running = fastapi_app.build(), threads()
    with Client(app) as client:
        trace = client.get(url)
        assert trace.path
    references = [weakref.ref(app), weakref.ref(trace), weakref.ref(trace.root), weakref.ref(client)]
    del app, client, trace
    end_of(threads() - running)
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


def test_a_trace_that_is_kept_does_not_keep_the_app() -> None:
    app, running = fastapi_app.build(), threads()
    with Client(app) as client:
        trace = client.get("/health")
    reference = weakref.ref(app)
    del app, client
    end_of(threads() - running)
    gc.collect()
    assert reference() is None
    assert trace.handler == "health"


def test_the_same_request_gives_the_same_trace_a_hundred_times() -> None:
    with Client(fastapi_app.build()) as client:
        shapes = {str(client.get("/v1/items/3").to_dict(timings=False)) for _ in range(100)}
    assert len(shapes) == 1

"""An app cannot tell that it is observed, and its trace is what a model of the app says."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_lifecycle import AsyncClient, Client, Trace, observe
from tests.properties.asgi_plans import HANDLERS, LAYERS, Log, Message, Model, Plan, Refused, build

plans = st.builds(
    Plan,
    st.lists(st.sampled_from(LAYERS), max_size=6).map(tuple),
    st.sampled_from(HANDLERS),
)
bodies = st.binary(max_size=8)
thorough = settings(max_examples=150, deadline=None, derandomize=True)


@dataclass
class Raw:
    """What a bare caller sees of an app: no client, no observer."""

    messages: list[Message]
    error: tuple[Any, ...] | None
    events: list[tuple[str, str, int, bool]]


def described(error: BaseException | None) -> tuple[Any, ...] | None:
    """Write an exception out: its class, its arguments, the functions it came through, what led to it."""
    if error is None:
        return None
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)][1:]
    return type(error), error.args, names, described(error.__context__), described(error.__cause__)


async def call(plan: Plan, body: bytes) -> Raw:
    """Call an app as the specification says, and write down all that comes of it."""
    log, sent = Log(), []
    app = build(plan, log)
    received = 0

    async def receive() -> Message:
        nonlocal received
        received += 1
        if received > 1:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(dict(message))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/plans",
        "raw_path": b"/plans",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
    error: tuple[Any, ...] | None = None
    try:
        await app(scope, receive, send)
    except Refused as raised:
        error = described(raised)
    return Raw(sent, error, log.events)


def check(trace: Trace, plan: Plan) -> None:
    """Compare a trace with what the model of the plan says."""
    model = Model(plan)
    assert trace.middleware == model.entered
    assert trace.status == model.status
    assert len(trace.spans("handler", "endpoint")) == model.handled
    escaped = [error for error in trace.exceptions if error.handled_by is None]
    assert [error.raised_in for error in escaped] == ([model.escapes] if model.escapes else [])
    if model.escapes:
        assert trace.outcome == "error"
    assert trace.path[-1] == ("no response" if model.status is None else f"response {model.status}")


@thorough
@given(plans, bodies)
def test_observed_and_unobserved_an_app_does_the_same(plan: Plan, body: bytes) -> None:
    unobserved = asyncio.run(call(plan, body))
    with observe() as traces:
        observed = asyncio.run(call(plan, body))
        again = asyncio.run(call(plan, body))
    assert observed == again == unobserved
    first, second = traces
    check(first, plan)
    assert first.path == second.path


@thorough
@given(plans, bodies)
def test_our_client_gets_what_a_bare_caller_gets(plan: Plan, body: bytes) -> None:
    raw = asyncio.run(call(plan, body))
    log = Log()
    with Client(build(plan, log), lifespan=False, timeout=2) as client:
        trace = client.post("/plans", content=body)
    start = next((message for message in raw.messages if message["type"] == "http.response.start"), None)
    assert trace.status == (start and start["status"])
    if start is not None:
        assert [(name.encode(), value.encode()) for name, value in trace.headers.multi_items()] == start["headers"]
    assert trace.content == content_of(raw)
    assert log.events == raw.events
    check(trace, plan)


def content_of(raw: Raw) -> bytes:
    """Give the body of the first response; what an app sends after the end of it, no client sees."""
    body, started = b"", False
    for message in raw.messages:
        started = started or message["type"] == "http.response.start"
        if started and message["type"] == "http.response.body":
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
    return body


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(plans, min_size=2, max_size=8))
def test_concurrent_requests_never_mix_their_steps(several: list[Plan]) -> None:
    async def ask_all() -> list[Trace]:
        clients = [AsyncClient(build(plan, Log()), lifespan=False) for plan in several]
        try:
            return await asyncio.gather(*(client.post("/plans", content=b"b") for client in clients))
        finally:
            for client in clients:
                await client.aclose()

    for plan, trace in zip(several, asyncio.run(ask_all()), strict=True):
        check(trace, plan)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(plans)
def test_an_app_that_ran_before_it_was_observed_is_seen_whole(plan: Plan) -> None:
    async def before_and_after() -> list[Trace]:
        app = build(plan, Log())
        await asked(app)
        with observe() as traces:
            await asked(app)
        return traces

    (trace,) = asyncio.run(before_and_after())
    check(trace, plan)


async def asked(app: Callable[..., Any]) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        """Take it."""

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    try:
        await app(scope, receive, send)
    except Refused as error:
        described(error)  # with sys.setprofile an exception is known once a function is called while it is handled

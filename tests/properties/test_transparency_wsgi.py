"""A WSGI app cannot tell that it is observed, and its trace is what a model of the app says."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_lifecycle import Client, Trace, observe
from tests.properties.asgi_plans import Log, Plan, Refused
from tests.properties.test_transparency import described
from tests.properties.wsgi_plans import HANDLERS, LAYERS, Environ, Headers, Model, build, close

plans = st.builds(Plan, st.lists(st.sampled_from(LAYERS), max_size=6).map(tuple), st.sampled_from(HANDLERS))
thorough = settings(max_examples=150, deadline=None, derandomize=True)
HANDLER_NAMES = ("eager", "lazy", "streaming")


@dataclass
class Raw:
    """What a bare caller sees of an app: no client, no observer."""

    starts: list[tuple[str, Headers, object]]
    pieces: list[bytes]
    error: tuple[Any, ...] | None
    events: list[tuple[str, str, int, bool]]


def environ_of(body: bytes) -> Environ:
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/plans",
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def call(plan: Plan, body: bytes) -> Raw:
    """Call an app as PEP 3333 says, and write down all that comes of it."""
    log, raw = Log(), Raw([], [], None, [])

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> Any:
        raw.starts.append((status, list(headers), exc_info and exc_info[0]))
        return raw.pieces.append

    given: object = None
    try:
        given = build(plan, log)(environ_of(body), start_response)
        raw.pieces.extend(given)  # type: ignore[arg-type]
    except Refused as error:
        raw.error = described(error)
    finally:
        close(given)
    raw.events = log.events
    return raw


def check(trace: Trace, plan: Plan) -> None:
    """Compare a trace with what the model of the plan says."""
    model = Model(plan)
    assert trace.middleware == model.entered
    assert sum(len(trace.spans("handler", name)) for name in HANDLER_NAMES) == model.handled
    escaped = [error for error in trace.exceptions if error.handled_by is None]
    assert [error.raised_in for error in escaped] == ([model.escapes] if model.escapes else [])
    if model.escapes:
        assert trace.outcome == "error"


@thorough
@given(plans, st.binary(max_size=8))
def test_observed_and_unobserved_an_app_does_the_same(plan: Plan, body: bytes) -> None:
    unobserved = call(plan, body)
    with observe() as traces:
        observed, again = call(plan, body), call(plan, body)
    assert observed == again == unobserved
    first, second = traces
    check(first, plan)
    assert first.path == second.path


@thorough
@given(plans, st.binary(max_size=8))
def test_our_client_gets_what_a_bare_caller_gets(plan: Plan, body: bytes) -> None:
    raw, log = call(plan, body), Log()
    with Client(build(plan, log), interface="wsgi") as client:
        trace = client.post("/plans", content=body)
    assert trace.content == b"".join(raw.pieces)
    if raw.error is None:
        status, headers, _ = raw.starts[-1]
        assert trace.status == int(status[:3])
        assert trace.headers.multi_items() == [(name.lower(), value) for name, value in headers]
    assert log.events == raw.events
    check(trace, plan)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(plans, min_size=2, max_size=8))
def test_concurrent_threads_never_mix_their_steps(several: list[Plan]) -> None:
    def ask(plan: Plan) -> Trace:
        with Client(build(plan, Log()), interface="wsgi") as client:
            return client.post("/plans", content=b"b")

    with ThreadPoolExecutor(len(several)) as pool:
        for plan, trace in zip(several, pool.map(ask, several), strict=True):
            check(trace, plan)

"""Any WSGI app is the same observed and unobserved, and its trace is what a model of the app says.

The oracle is a bare call of the app (`wsgi_apps.call`), not a client of ours.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from hypothesis import example, given
from hypothesis import strategies as st

from pytest_lifecycle import Client, Trace, observe

from . import wsgi_apps
from .effort import brief, thorough
from .model import facts_of
from .plans import Body, Deed, Form, Handler, Layer, Plan, Point, Request, requests, wsgi_plans
from .worlds import Seen, World
from .wsgi_model import Walk


def called(plan: Plan, request: Request) -> Seen:
    """Build an app and call it."""
    world = World()
    return wsgi_apps.call(wsgi_apps.build(plan, world), world, request)


def agree(trace: Trace, plan: Plan, seen: Seen) -> None:
    """Check a trace against the model of its app, and against what a bare call gave."""
    assert facts_of(trace, plan) == Walk(plan).facts()
    headers = [(name.encode(), value.encode()) for name, value in trace.headers.multi_items()]
    assert (trace.status, headers) == (seen.status, seen.headers)


LATE_INNER = Plan((Layer(Deed.ITERABLE), Layer(Deed.ADD, Form.GENERATOR)))
"""The inner app is a generator function, which begins after the layer around it has returned."""


@thorough
@given(wsgi_plans, requests)
@example(LATE_INNER, Request())
def test_any_app_is_the_same_observed_and_unobserved_and_its_trace_is_the_model_s(plan: Plan, request: Request) -> None:
    unobserved = called(plan, request)
    with observe() as traces:
        observed = called(plan, request)
    assert observed == unobserved
    if not Walk(plan).is_cut:
        (trace,) = traces
        agree(trace, plan, unobserved)
        assert not [warning for warning in trace.warnings if "adapter" in warning]


@thorough
@given(wsgi_plans, requests)
@example(LATE_INNER, Request())
@example(Plan(LATE_INNER.layers, Handler(fails=Point.BEFORE)), Request())
@example(Plan((Layer(Deed.ITERABLE),), Handler(pieces=(b"1",), fails=Point.MIDWAY, body=Body.GENERATOR)), Request())
def test_our_client_gives_what_a_bare_call_gives_and_the_model_s_trace(plan: Plan, request: Request) -> None:
    seen = called(plan, request)
    with Client(wsgi_apps.build(plan, World())) as client:
        trace = client.request(
            request.method, request.path, headers=[*request.headers], content=b"".join(request.pieces)
        )
    agree(trace, plan, seen)
    assert trace.content == b"".join(seen.pieces)


@brief
@given(wsgi_plans, requests)
def test_an_app_that_ran_unobserved_has_the_same_trace_each_time_after(plan: Plan, request: Request) -> None:
    world = World()
    app = wsgi_apps.build(plan, world)
    wsgi_apps.call(app, world, request)
    with observe() as traces:
        for _ in range(2):
            world.visits.clear()
            wsgi_apps.call(app, world, request)
    if not Walk(plan).is_cut:
        one, two = traces
        assert facts_of(one, plan) == facts_of(two, plan) == Walk(plan).facts()


def meeting(plans: list[Plan], request: Request) -> list[Seen]:
    """Call each app in a thread of its own, all at once; the threads take turns as often as they can."""
    together = Barrier(len(plans))

    def meet(number: int, plan: Plan) -> Seen:
        together.wait(10)
        return called(plan, request.at(f"/{number}"))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(plans)) as pool:
            return [*pool.map(meet, range(len(plans)), plans)]
    finally:
        sys.setswitchinterval(interval)


@brief
@given(st.lists(wsgi_plans, min_size=2, max_size=3), requests)
def test_requests_in_threads_never_mix(plans: list[Plan], request: Request) -> None:
    unobserved = meeting(plans, request)
    with observe() as traces:
        observed = meeting(plans, request)
    assert observed == unobserved
    for number, plan in enumerate(plans):
        if not Walk(plan).is_cut:
            (trace,) = (trace for trace in traces if trace.url.endswith(f"/{number}"))
            agree(trace, plan, unobserved[number])

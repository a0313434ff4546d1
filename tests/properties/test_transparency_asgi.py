"""Any ASGI app is the same observed and unobserved, and its trace is what a model of the app says.

The oracle is a bare call of the app (`asgi_apps.call`), not a client of ours.
"""

from __future__ import annotations

import asyncio

import trio
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_lifecycle import AsyncClient, Client, Trace, observe

from . import asgi_apps
from .asgi_model import Walk
from .effort import brief, thorough
from .model import facts_of
from .plans import Deed, Form, Handler, Layer, Plan, Point, Request, asgi_plans, portable_plans, requests
from .worlds import Seen, World


async def called(plan: Plan, request: Request) -> Seen:
    """Build an app and call it."""
    world = World()
    return await asgi_apps.call(asgi_apps.build(plan, world), world, request)


def agree(trace: Trace, plan: Plan, seen: Seen) -> None:
    """Check a trace against the model of its app, and against what a bare call gave."""
    assert facts_of(trace, plan) == Walk(plan).facts()
    headers = [(name.encode(), value.encode()) for name, value in trace.headers.multi_items()]
    assert (trace.status, headers, trace.content) == (seen.status, seen.headers, b"".join(seen.pieces))


SECOND_ANSWER = Plan((Layer(Deed.TWICE), Layer(Deed.ADD), Layer(Deed.ANSWER)))
"""The first answer goes nowhere: the layer that answers again has not changed it."""

HELD_BACK = Plan((Layer(Deed.SWALLOW), Layer(Deed.HOLD)), Handler(fails=Point.STARTED))
"""The layer that answers never saw the start that was held back: it has not changed it."""

HIDDEN_INNER = Plan((Layer(Deed.PASS),), Handler(form=Form.DECORATED))
"""The layer's inner app is a decorator's wrapper, which takes any arguments."""


@thorough
@given(asgi_plans, requests)
@example(SECOND_ANSWER, Request())
@example(HELD_BACK, Request())
@example(HIDDEN_INNER, Request())
def test_any_app_is_the_same_observed_and_unobserved_and_its_trace_is_the_model_s(plan: Plan, request: Request) -> None:
    unobserved = asyncio.run(called(plan, request))
    with observe() as traces:
        observed = asyncio.run(called(plan, request))
    assert observed == unobserved
    (trace,) = traces
    agree(trace, plan, unobserved)
    assert not [warning for warning in trace.warnings if "adapter" in warning]


@thorough
@given(asgi_plans, requests)
def test_our_client_gives_what_a_bare_call_gives_and_the_model_s_trace(plan: Plan, request: Request) -> None:
    seen = asyncio.run(called(plan, request))
    with Client(asgi_apps.build(plan, World()), lifespan=False) as client:
        trace = client.request(
            request.method, request.path, headers=[*request.headers], content=b"".join(request.pieces)
        )
    agree(trace, plan, seen)


async def asked(plan: Plan, request: Request, world: World) -> Trace:
    """Ask an app through the client for running loops."""
    async with AsyncClient(asgi_apps.build(plan, world), lifespan=False) as client:
        return await client.request(request.method, request.path, headers=[*request.headers])


@brief
@given(asgi_plans, requests)
def test_our_client_in_a_running_loop_gives_the_same(plan: Plan, request: Request) -> None:
    async def both() -> tuple[Seen, Trace]:
        return await called(plan, request), await asked(plan, request, World())

    seen, trace = asyncio.run(both())
    agree(trace, plan, seen)


@brief
@given(portable_plans, requests)
def test_our_client_on_trio_gives_the_same(plan: Plan, request: Request) -> None:
    seen = asyncio.run(called(plan, request))
    agree(trio.run(asked, plan, request, World(pause=trio.lowlevel.checkpoint)), plan, seen)


@brief
@given(asgi_plans, requests)
def test_an_app_that_ran_unobserved_has_the_same_trace_each_time_after(plan: Plan, request: Request) -> None:
    world = World()
    app = asgi_apps.build(plan, world)

    async def call() -> None:
        world.visits.clear()
        world.spawned.clear()
        await asgi_apps.call(app, world, request)

    asyncio.run(call())
    with observe() as traces:
        asyncio.run(call())
        asyncio.run(call())
    one, two = traces
    assert facts_of(one, plan) == facts_of(two, plan) == Walk(plan).facts()


@brief
@given(st.lists(asgi_plans, min_size=2, max_size=4), requests)
def test_requests_that_run_at_the_same_time_never_mix(plans: list[Plan], request: Request) -> None:
    async def meeting() -> list[Seen]:
        return await asyncio.gather(*(called(plan, request.at(f"/{number}")) for number, plan in enumerate(plans)))

    unobserved = asyncio.run(meeting())
    with observe() as traces:
        observed = asyncio.run(meeting())
    assert observed == unobserved
    assert len(traces) == len(plans)
    for number, plan in enumerate(plans):
        (trace,) = (trace for trace in traces if trace.url.endswith(f"/{number}"))
        agree(trace, plan, unobserved[number])

"""Any ASGI app is the same observed and unobserved, and its trace is what a model of the app says.

The oracle is a bare call of the app (`asgi_apps.call`), not a client of ours.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_lifecycle import AsyncClient, Client, Trace, observe
from tests.drive.bare import AsgiApp

from . import asgi_apps
from .asgi_model import facts_for
from .model import facts_of
from .plans import Plan, Request, asgi_plans, portable_plans, requests
from .worlds import Seen, World

thorough = settings(max_examples=int(os.environ.get("EX","150")), deadline=None, derandomize="EX" not in os.environ, report_multiple_bugs=False)
brief = settings(max_examples=40, deadline=None, derandomize=True)


async def called(plan: Plan, request: Request) -> Seen:
    """Build an app and call it."""
    world = World()
    return await asgi_apps.call(asgi_apps.build(plan, world), world, request)


def body_of(seen: Seen) -> bytes:
    return b"".join(seen.pieces)


def agree(trace: Trace, plan: Plan, seen: Seen) -> None:
    """Check a trace against the model of its app, and against what a bare call gave."""
    assert facts_of(trace, plan) == facts_for(plan)
    headers = [(name.encode(), value.encode()) for name, value in trace.headers.multi_items()]
    assert (trace.status, headers, trace.content) == (seen.status, seen.headers, body_of(seen))


@thorough
@given(asgi_plans, requests)
def test_any_app_is_the_same_observed_and_unobserved_and_its_trace_is_the_model_s(plan: Plan, request: Request) -> None:
    unobserved = asyncio.run(called(plan, request))
    with observe() as traces:
        observed = asyncio.run(called(plan, request))
    assert observed == unobserved
    (trace,) = traces
    agree(trace, plan, unobserved)
    assert trace.warnings == []

"""Any WSGI app is the same observed and unobserved, and its trace is what a model of the app says.

The oracle is a bare call of the app (`wsgi_apps.call`), not a client of ours.
"""

from __future__ import annotations
import os

from hypothesis import example, given, settings

from pytest_lifecycle import Client, observe

from . import wsgi_apps
from .plans import Plan, Request, requests, wsgi_plans
from .model import facts_of
from .wsgi_model import facts_for
from .worlds import Seen, World

thorough = settings(max_examples=int(os.environ.get("EX","150")), deadline=None, derandomize="EX" not in os.environ, report_multiple_bugs=False)


def called(plan: Plan, request: Request) -> Seen:
    """Build an app and call it."""
    world = World()
    return wsgi_apps.call(wsgi_apps.build(plan, world), world, request)


@thorough
@given(wsgi_plans, requests)
def test_any_app_is_the_same_observed_and_unobserved(plan: Plan, request: Request) -> None:
    unobserved = called(plan, request)
    with observe() as traces:
        observed = called(plan, request)
    assert observed == unobserved


@thorough
@given(wsgi_plans, requests)
def test_any_trace_of_our_client_s_is_the_model_s(plan: Plan, request: Request) -> None:
    world = World()
    seen = called(plan, request)
    with Client(wsgi_apps.build(plan, world)) as client:
        trace = client.request(
            request.method, request.path, headers=[*request.headers], content=b"".join(request.pieces)
        )
    assert (trace.status, trace.content) == (seen.status, b"".join(seen.pieces))
    assert facts_of(trace, plan) == facts_for(plan)

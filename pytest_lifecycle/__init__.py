"""Trace a request through a Python web app, from the server's call to the response, without touching the app.

Everything public is here; modules are imported when a name is first used, so that the pytest plugin starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._client import AsyncClient as AsyncClient
    from ._client import Client as Client
    from ._client import observe as observe
    from ._errors import DeadlineExceeded as DeadlineExceeded
    from ._errors import LifecycleError as LifecycleError
    from ._errors import LifespanFailed as LifespanFailed
    from ._errors import UsageProblem as UsageProblem
    from ._errors import WebSocketClosed as WebSocketClosed
    from ._suite.rules.ruleset import Rule as Rule
    from ._trace.changes import ResponseChanges as ResponseChanges
    from ._trace.declared import DeclaredMiddleware as DeclaredMiddleware
    from ._trace.declared import DeclaredRoute as DeclaredRoute
    from ._trace.dependencies import DependencyRun as DependencyRun
    from ._trace.exchange import Message as Message
    from ._trace.facts import Outcome as Outcome
    from ._trace.facts import RaisedException as RaisedException
    from ._trace.facts import Refusal as Refusal
    from ._trace.facts import Validation as Validation
    from ._trace.facts import ValidationIssue as ValidationIssue
    from ._trace.routing import RouteCandidate as RouteCandidate
    from ._trace.span import Kind as Kind
    from ._trace.span import Span as Span
    from ._trace.trace import Trace as Trace

_HOMES = {
    "AsyncClient": "._client",
    "Client": "._client",
    "DeadlineExceeded": "._errors",
    "DeclaredMiddleware": "._trace.declared",
    "DeclaredRoute": "._trace.declared",
    "DependencyRun": "._trace.dependencies",
    "Kind": "._trace.span",
    "LifecycleError": "._errors",
    "LifespanFailed": "._errors",
    "Message": "._trace.exchange",
    "Outcome": "._trace.facts",
    "RaisedException": "._trace.facts",
    "Refusal": "._trace.facts",
    "ResponseChanges": "._trace.changes",
    "RouteCandidate": "._trace.routing",
    "Rule": "._suite.rules.ruleset",
    "Span": "._trace.span",
    "Trace": "._trace.trace",
    "UsageProblem": "._errors",
    "Validation": "._trace.facts",
    "ValidationIssue": "._trace.facts",
    "WebSocketClosed": "._errors",
    "observe": "._client",
}

__all__ = [
    "AsyncClient",
    "Client",
    "DeadlineExceeded",
    "DeclaredMiddleware",
    "DeclaredRoute",
    "DependencyRun",
    "Kind",
    "LifecycleError",
    "LifespanFailed",
    "Message",
    "Outcome",
    "RaisedException",
    "Refusal",
    "ResponseChanges",
    "RouteCandidate",
    "Rule",
    "Span",
    "Trace",
    "UsageProblem",
    "Validation",
    "ValidationIssue",
    "WebSocketClosed",
    "observe",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

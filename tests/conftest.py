"""What the tests share: pytest in pytest, and traces sketched by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

import pytest

from pytest_lifecycle._trace.exchange import Exchange
from pytest_lifecycle._trace.facts import Verdict
from pytest_lifecycle._trace.span import Kind, Span
from pytest_lifecycle._trace.trace import Trace

pytest_plugins = ["pytester"]

Step = tuple[str, Sequence["Step"]] | tuple[str, Sequence["Step"], dict[str, Any]]
"""A step as ``"kind name"``, the steps inside it, and what to set on its span."""
SketchTrace = Callable[..., Trace]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project whose pytest runs use the plugin, installed or not, and no other that it does not name."""
    if not any(entry.value == "pytest_lifecycle.plugin" for entry in entry_points(group="pytest11")):
        pytester.plugins.append("pytest_lifecycle.plugin")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:cacheprovider")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    return pytester


@pytest.fixture
def sketch() -> SketchTrace:
    """Makes a trace of steps written down by hand; every step takes a millisecond more than what is in it."""
    return sketched


def sketched(
    *steps: Step, method: str = "GET", url: str = "http://testserver/orders/42", status: int | None = 200
) -> Trace:
    """Make a trace of these steps."""
    exchange = Exchange("asgi", method, url)
    exchange.root.start = 0.0
    exchange.root._end = _add(exchange.root, steps, 0.0) + 0.001
    if status is not None:
        exchange.respond(status, [])
        exchange.responded_at = None
    return Trace(exchange)


def _add(parent: Span, steps: Sequence[Step], moment: float) -> float:
    for step in steps:
        kind, _, name = step[0].partition(" ")
        span = Span(
            Kind.ROUTING if kind == "route" else Kind(kind), name, parent=parent, exchange=parent.exchange, start=moment
        )
        if kind == "route":
            span.attributes["verdict"] = Verdict.MATCHED
        parent.children.append(span)
        for attribute, value in (step[2] if len(step) == 3 else {}).items():
            setattr(span, attribute, value)
        span._end = moment = _add(span, step[1], moment) + 0.001
    return moment

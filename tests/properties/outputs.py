"""All that is ever shown or stored of a trace."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pytest_lifecycle import LifecycleError, Trace
from pytest_lifecycle._show.diff import explain
from pytest_lifecycle._show.explain import why
from pytest_lifecycle._show.redact import DEFAULT
from pytest_lifecycle._show.report import section
from pytest_lifecycle._show.tree import render
from pytest_lifecycle._suite.record import record_of
from pytest_lifecycle._suite.rules.violation import told, violation_of


def texts(trace: Trace) -> Iterator[str]:
    """Give what people read, in lines of ours."""
    yield str(trace)
    yield render(trace, builtin=True)
    yield section([trace], redactor=DEFAULT)
    yield "\n".join(why(trace))
    yield "\n".join(explain(trace.path, ["middleware Missing", "response 204"]))
    yield "\n".join(trace.warnings)
    yield "\n".join(told(violation_of("no 5xx", trace, f"saw {trace.url} and {trace.exceptions} and {trace.warnings}")))


def reprs(trace: Trace) -> Iterator[str]:
    """Give what pytest writes of a trace and of what it is made of."""
    yield repr(trace)
    yield repr(trace.headers)
    for values in (
        *(trace.exceptions, trace.validation_errors, trace.response_errors, trace.candidates),
        *(trace.messages, trace.dependency_runs, trace.spans(), trace.history),
    ):
        yield repr(values)
    for span in trace.spans():
        yield repr(span.response_changes)
        yield repr(span.scope_added)
    if trace.status is None:
        try:
            _ = trace.response
        except LifecycleError as error:
            yield str(error)


def stored(trace: Trace) -> Iterator[str]:
    """Give what goes into files."""
    yield json.dumps(trace.to_dict())
    yield json.dumps(trace.to_dict(timings=False), ensure_ascii=False)


def recorded(trace: Trace) -> str:
    """Give what reports, baselines and workers of xdist hold of it."""
    return json.dumps(record_of(trace).to_json())

"""A trace as plain data that JSON can hold; the schema that files and other tools rely on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .._trace.span import Span
from .._trace.timing import self_times
from .redact import ACTIVE, REDACTED, Redactor

if TYPE_CHECKING:
    from .._trace.changes import ResponseChanges
    from .._trace.facts import RaisedException, ValidationIssue
    from .._trace.routing import RouteCandidate
    from .._trace.trace import Trace

SCHEMA: Final = 1
"""The version of the schema; it grows when a key changes its meaning or goes."""

DEPTH_LIMIT: Final = 6
"""How deep values inside a step's attributes are followed."""

_ADDRESS: Final = re.compile(r"\bat 0x[0-9a-fA-F]+")
_WRITTEN_OUT: Final = (UUID, Decimal, Fraction, datetime, date, time, timedelta, PurePath)


def to_dict(trace: Trace, *, timings: bool = True, redactor: Redactor | None = None) -> dict[str, Any]:
    """Give the trace as JSON-safe data with a stable order of keys, without secrets and without bodies.

    Args:
        trace: What to give.
        timings: Whether times are in it, in seconds. Without them two traces of the same request are equal.
        redactor: What takes secrets out; None for the one of the running configuration.
    """
    redactor = redactor or ACTIVE.get()
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "protocol": trace.protocol,
        "method": trace.method,
        "url": redactor.url(trace.url, trace.path_params),
        "interface": trace.interface,
        "framework": trace.framework,
        "status": trace.status,
        "outcome": str(trace.outcome),
        "refusal": None if trace.refusal is None else str(trace.refusal),
        "refused_by": trace.refused_by,
        "middleware": list(trace.middleware),
        "middleware_out": list(trace.middleware_out),
        "route": trace.route,
        "route_name": trace.route_name,
        "path_params": _mapping(trace.path_params, redactor, DEPTH_LIMIT),
        "candidates": [_candidate(candidate, redactor) for candidate in trace.candidates],
        "dependencies": list(trace.dependencies),
        "dependency_runs": [asdict(run) for run in trace.dependency_runs],
        "validation": str(trace.validation),
        "validation_errors": [_issue(issue, redactor) for issue in trace.validation_errors],
        "response_errors": [_issue(issue, redactor) for issue in trace.response_errors],
        "handler": trace.handler,
        "exceptions": [_exception(raised, redactor) for raised in trace.exceptions],
        "path": list(trace.path),
        "stopped_at": trace.stopped_at,
        "headers": [list(line) for line in redactor.headers(trace.headers.multi_items())],
        "close_code": trace.close_code,
        "close_reason": None if trace.close_reason is None else _text(trace.close_reason, redactor),
        "closed_by": trace.closed_by,
        "history": [redactor.url(earlier.url, earlier.path_params) for earlier in trace.history],
        "warnings": [_text(warning, redactor) for warning in trace.warnings],
    }
    if timings:
        data["duration"] = round(trace.duration, 9)
        data["messages"] = [{**message._asdict(), "at": round(message.at, 9)} for message in trace.messages]
    data["spans"] = _spans(trace.root, timings, redactor)
    return data


def _issue(issue: ValidationIssue, redactor: Redactor) -> dict[str, Any]:
    message = redactor.issue(issue.loc, issue.message)
    given = None if issue.input is None else REDACTED if message is None else _text(issue.input, redactor)
    return {
        "loc": list(issue.loc),
        "message": REDACTED if message is None else _stable(message),
        "type": issue.type,
        "input": given,
    }


def _candidate(candidate: RouteCandidate, redactor: Redactor) -> dict[str, Any]:
    return {
        "pattern": candidate.pattern,
        "methods": list(candidate.methods),
        "verdict": candidate.verdict,
        "reason": _text(candidate.reason, redactor),
        "name": candidate.name,
    }


def _exception(raised: RaisedException, redactor: Redactor) -> dict[str, Any]:
    return {
        "type": raised.type,
        "message": _text(raised.message, redactor),
        "raised_in": raised.raised_in,
        "handled_by": raised.handled_by,
        "crossed": list(raised.crossed),
        "causes": [_text(cause, redactor) for cause in raised.causes],
        "is_answer": raised.is_answer,
    }


# -- spans


def _spans(root: Span, timings: bool, redactor: Redactor) -> dict[str, Any]:
    """Give the tree; with a stack of its own, since a deep one must not meet the recursion limit."""
    own = self_times(root) if timings else None
    top = _span(root, root, own, redactor)
    pending = [(root, top)]
    while pending:
        span, data = pending.pop()
        for child in span.children:
            inner = _span(child, root, own, redactor)
            data["children"].append(inner)
            pending.append((child, inner))
    return top


def _span(span: Span, root: Span, own: dict[int, float] | None, redactor: Redactor) -> dict[str, Any]:
    data: dict[str, Any] = {
        "kind": str(span.kind),
        "name": _stable(span.name),
        "target": span.target,
        "builtin": span.builtin,
        "short_circuited": span.short_circuited,
        "exception": None if span.exception is None else type(span.exception).__qualname__,
        "attributes": _mapping(span.attributes, redactor, DEPTH_LIMIT),
        "response_changes": _changes(span.response_changes, redactor),
    }
    if own is not None:
        data["start"] = round(span.start - root.start, 9)
        data["duration"] = round(span.duration, 9)
        data["self_time"] = round(own.get(id(span), 0.0), 9)
    data["children"] = []
    return data


def _changes(changes: ResponseChanges, redactor: Redactor) -> dict[str, Any] | None:
    """Give what a layer did to the response; None for nothing. Header values follow the rules for headers."""
    if not changes:
        return None

    def value(name: str, values: str | list[str] | tuple[str, str]) -> Any:
        if isinstance(values, str):
            return REDACTED if redactor.hides(name) else _text(values, redactor)
        return [value(name, one) for one in values]

    return {
        "status": None if changes.status is None else list(changes.status),
        "added": {name: value(name, values) for name, values in changes.added.items()},
        "changed": {name: value(name, values) for name, values in changes.changed.items()},
        "removed": list(changes.removed),
        "cookies": list(changes.cookies),
        "body": changes.body,
    }


# -- values


def _mapping(values: Mapping[Any, object], redactor: Redactor, depth: int) -> dict[str, Any]:
    return {
        str(name): REDACTED if redactor.hides(str(name)) else plain(value, redactor, depth - 1)
        for name, value in values.items()
    }


def plain(value: object, redactor: Redactor, depth: int = DEPTH_LIMIT) -> Any:
    """Give a value as JSON can hold it: a value by what it says, any other object by its class alone.

    An object's own `repr` is never asked for: it may hold secrets, run the app's code, or differ from run to run.
    """
    try:
        return _plain(value, type(value), redactor, depth)
    except Exception:  # the app's own code, which runs in a subclass of such a type
        return f"<{type(value).__qualname__}>"


def _plain(value: Any, kind: type, redactor: Redactor, depth: int) -> Any:
    if issubclass(kind, Enum):
        return plain(value.value, redactor, depth)
    if value is None or issubclass(kind, (bool, int)):
        return value
    if issubclass(kind, float):
        return value if math.isfinite(value) else str(value)
    if issubclass(kind, str):
        return _text(value, redactor)
    if issubclass(kind, _WRITTEN_OUT):
        return str(value)
    return _container(value, kind, redactor, depth)


def _container(value: Any, kind: type, redactor: Redactor, depth: int) -> Any:
    if depth > 0 and issubclass(kind, dict):
        return _mapping(value, redactor, depth)
    if depth > 0 and issubclass(kind, (list, tuple)):
        return [_fields(item, redactor, depth - 1) for item in value]
    if depth > 0 and issubclass(kind, (set, frozenset)):
        return sorted((plain(item, redactor, depth - 1) for item in value), key=str)
    return f"<{kind.__qualname__}>"


def _fields(value: object, redactor: Redactor, depth: int) -> Any:
    """Give what validation found as a mapping; anything else as it is."""
    from .._trace.facts import ValidationIssue

    return _issue(value, redactor) if type(value) is ValidationIssue else plain(value, redactor, depth)


def _text(text: str, redactor: Redactor) -> str:
    return _stable(redactor.text(text))


def _stable(text: str) -> str:
    """Take out what differs from run to run though nothing changed: the addresses of objects."""
    return _ADDRESS.sub("at 0x...", text)

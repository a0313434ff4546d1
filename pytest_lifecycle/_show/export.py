"""A trace as plain data that JSON can hold; the schema that files and other tools rely on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
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
from .named import REDACTED
from .redact import Redactor
from .secrets import redactor_of

if TYPE_CHECKING:
    from .._trace.changes import ResponseChanges
    from .._trace.dependencies import DependencyRun
    from .._trace.exchange import Message
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
    redactor = redactor_of(trace, redactor)
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "protocol": trace.protocol,
        "method": _stable(trace.method),
        "url": _stable(redactor.url(trace.url, trace.path_params)),
        "interface": trace.interface,
        "framework": trace.framework,
        "status": trace.status,
        "outcome": str(trace.outcome),
        "refusal": None if trace.refusal is None else str(trace.refusal),
        "refused_by": _name(trace.refused_by),
        "middleware": _names(trace.middleware),
        "middleware_out": _names(trace.middleware_out),
        "route": _name(trace.route),
        "route_name": _name(trace.route_name),
        "path_params": _mapping(trace.path_params, redactor, DEPTH_LIMIT),
        "candidates": [_candidate(candidate, redactor) for candidate in trace.candidates],
        "dependencies": _names(trace.dependencies),
        "dependency_runs": [_run(run) for run in trace.dependency_runs],
        "validation": str(trace.validation),
        "validation_errors": [_issue(issue, redactor) for issue in trace.validation_errors],
        "response_errors": [_issue(issue, redactor) for issue in trace.response_errors],
        "handler": _name(trace.handler),
        "exceptions": [_exception(raised, redactor) for raised in trace.exceptions],
        "path": _names(trace.path),
        "stopped_at": _name(trace.stopped_at),
        "headers": [_names(line) for line in redactor.headers(trace.headers.multi_items())],
        "close_code": trace.close_code,
        "close_reason": None if trace.close_reason is None else _text(trace.close_reason, redactor),
        "closed_by": trace.closed_by,
        "history": [_stable(redactor.url(earlier.url, earlier.path_params)) for earlier in trace.history],
        "warnings": [_text(warning, redactor) for warning in trace.warnings],
    }
    if timings:
        data["duration"] = round(trace.duration, 9)
        data["messages"] = [_message(message, redactor) for message in trace.messages]
    data["spans"] = _spans(trace.root, timings, redactor)
    return data


def _issue(issue: ValidationIssue, redactor: Redactor) -> dict[str, Any]:
    message = redactor.issue(issue.loc, issue.message)
    given = None if issue.input is None else REDACTED if message is None else _text(issue.input, redactor)
    return {
        "loc": [_stable(redactor.known.out_of(part)) if isinstance(part, str) else part for part in issue.loc],
        "message": REDACTED if message is None else _stable(message),
        "type": _text(issue.type, redactor),
        "input": given,
    }


def _candidate(candidate: RouteCandidate, redactor: Redactor) -> dict[str, Any]:
    return {
        "pattern": _stable(candidate.pattern),
        "methods": _names(candidate.methods),
        "verdict": candidate.verdict,
        "reason": _text(candidate.reason, redactor),
        "name": _name(candidate.name),
    }


def _exception(raised: RaisedException, redactor: Redactor) -> dict[str, Any]:
    return {
        "type": _stable(raised.type),
        "message": _text(raised.message, redactor),
        "raised_in": _stable(raised.raised_in),
        "handled_by": _name(raised.handled_by),
        "crossed": _names(raised.crossed),
        "causes": [_text(cause, redactor) for cause in raised.causes],
        "is_answer": raised.is_answer,
    }


def _run(run: DependencyRun) -> dict[str, Any]:
    return {name: _name(value) for name, value in asdict(run).items()}


def _message(message: Message, redactor: Redactor) -> dict[str, Any]:
    words = {"type": _text(message.type, redactor), "step": _stable(message.step)}
    return {**message._asdict(), **words, "at": round(message.at, 9)}


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
        "target": _stable(span.target),
        "builtin": span.builtin,
        "short_circuited": span.short_circuited,
        "exception": _name(None if span.exception is None else type(span.exception).__qualname__),
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
        "added": {_stable(name): value(name, values) for name, values in changes.added.items()},
        "changed": {_stable(name): value(name, values) for name, values in changes.changed.items()},
        "removed": _names(changes.removed),
        "cookies": _names(changes.cookies),
        "body": changes.body,
    }


# -- values


def _mapping(values: Mapping[Any, object], redactor: Redactor, depth: int) -> dict[str, Any]:
    return {
        _key(name, redactor): REDACTED if redactor.hides(_key(name, redactor)) else plain(value, redactor, depth - 1)
        for name, value in values.items()
    }


def _key(name: object, redactor: Redactor) -> str:
    """Give a mapping's key; one that is no plain value by its class alone."""
    return _text(str(name), redactor) if isinstance(name, (str, int, float)) else f"<{type(name).__qualname__}>"


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
    if issubclass(kind, int) and not issubclass(kind, bool):
        return value if redactor.known.out_of(str(value)) == str(value) else REDACTED
    if value is None or issubclass(kind, bool):
        return value
    if issubclass(kind, float):
        return value if math.isfinite(value) else str(value)
    if issubclass(kind, str):
        return _text(value, redactor)
    if issubclass(kind, _WRITTEN_OUT):
        return _text(str(value), redactor)
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
    """Take out what differs from run to run though nothing changed (addresses of objects), and what is no Unicode."""
    return _ADDRESS.sub("at 0x...", text).encode("utf-8", "backslashreplace").decode()


def _name(name: object) -> str | None:
    """Write a name; an object that gives anything for it has none."""
    return _stable(name) if issubclass(type(name), str) else None  # type: ignore[arg-type]


def _names(names: Iterable[str]) -> list[str]:
    return [_stable(name) for name in names]

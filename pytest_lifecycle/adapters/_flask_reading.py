"""What Werkzeug refuses while a request's data is read: broken JSON, a missing field, a wrong type, a body too large.

Read from werkzeug/wrappers/request.py, werkzeug/{wsgi,formparser}.py, werkzeug/datastructures/ and flask/wrappers.py.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from .._observe.probe import Call
from .._trace.facts import Validation, ValidationIssue
from .._trace.span import Kind, Span

READERS = ("werkzeug.wrappers.request", "werkzeug.datastructures", "werkzeug.formparser", "werkzeug.wsgi")
"""The modules that read a request's data."""

SOURCES = ("form", "args", "files", "values", "headers", "cookies")
"""The parts of a request that are looked into by key."""


def running_context() -> Any:
    """Give Flask's context of the running request."""
    from flask import globals as flask_globals

    variable = getattr(flask_globals, "_cv_request", None) or flask_globals._cv_app
    return variable.get(None)


def running_request() -> Any:
    """Give the running request."""
    return running_context().request


def note_unreadable(call: Call, error: object, request: Any) -> None:
    """Note a failed validation where an exception that is about to be answered says that the data cannot be read.

    One that the user's own code raises, with `abort` or as it is, says nothing about that.
    """
    from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, SecurityError, UnsupportedMediaType

    if not isinstance(error, (BadRequest, RequestEntityTooLarge, UnsupportedMediaType)):
        return
    if isinstance(error, SecurityError) or error is request.routing_exception:
        return
    source = _read_by(error.__traceback__)
    if source is None:
        return
    around = next((span for raised, span in call.exchange.raised if raised is error), call.parent)
    if around is None:
        return
    failed = Span(
        Kind.VALIDATION, Validation.FAILED.value, parent=around, thread=around.thread, exchange=around.exchange
    )
    failed.close()
    failed.attributes.update(errors=(_issue(error, source, request),), refused_by=type(request).__qualname__)
    around.children.append(failed)


def _read_by(traceback: TracebackType | None) -> object | None:
    """Give the `self` of the innermost reader that the exception passed; None where it passed none."""
    reader = None
    while traceback is not None:
        frame = traceback.tb_frame
        if str(frame.f_globals.get("__name__", "")).startswith(READERS):
            reader = frame.f_locals.get("self", traceback)
        traceback = traceback.tb_next
    return reader


def _issue(error: Any, source: object, request: Any) -> ValidationIssue:
    from werkzeug.exceptions import BadRequestKeyError

    kind = type(error).__qualname__
    if isinstance(error, BadRequestKeyError) and error.args:
        key = error.args[0]
        held = vars(request)  # what was looked into was kept there; nothing is read for us
        where = next((name for name in SOURCES if held.get(name) is source), "body")
        return ValidationIssue((where, key if isinstance(key, (str, int)) else str(key)), f"KeyError: {key!r}", kind)
    cause: Any = error.__cause__
    told = cause if type(cause) is type(error) else error  # outside of debug mode, Flask hides what is wrong
    return ValidationIssue(("body",), str(told.description), kind)

"""What becomes of an exception in Flask: an answer of the framework's own, or a crash.

Read from flask/app.py and flask/sansio/app.py.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from .._observe.probe import Call, plain_name
from .._trace.span import Kind, Span
from ._flask_reading import note_unreadable
from .checks import note_check


def answers(call: Call, request: Any, *, who: str = "Flask.handle_http_exception") -> None:
    """An `HTTPException` is handled: it is an answer, also where it knows no status, as in ``abort(response)``."""
    error, exchange = call["e"], call.exchange
    exchange.answers.add(id(error))
    note_check(exchange, error)
    if id(error) not in exchange.caught:
        note_unreadable(call, error, request)
        exchange.caught[id(error)] = who


def crashed(call: Call) -> None:
    """Nothing handled the exception: Flask logs it and answers 500, or lets it escape."""
    error, exchange = call["e"], call.exchange
    exchange.errors.append(error)
    if call.parent is not None and all(known is not error for known, _ in exchange.raised):
        exchange.raised.append((error, _raising_step(call.parent, error)))
    app = call.owner
    propagates = app.config["PROPAGATE_EXCEPTIONS"]
    if not (app.testing or app.debug if propagates is None else propagates):
        exchange.caught[id(error)] = "Flask.handle_exception"


def _raising_step(around: Span, error: BaseException) -> Span:
    """Add a step of Flask's own, that raised: `make_response` and its like are none as long as they work."""
    from flask import Flask

    name = f"{plain_name(Flask.__qualname__)}.{_last_of_flask(error.__traceback__)}"
    step = Span(Kind.INTERNAL, name, builtin=True, parent=around, thread=around.thread, exchange=around.exchange)
    step.exception = error
    step.close()
    around.children.append(step)
    return step


def _last_of_flask(traceback: TracebackType | None) -> str:
    """Name the innermost function of Flask's app that the exception passed."""
    name = "wsgi_app"
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") in ("flask.app", "flask.sansio.app"):
            name = traceback.tb_frame.f_code.co_name
        traceback = traceback.tb_next
    return name

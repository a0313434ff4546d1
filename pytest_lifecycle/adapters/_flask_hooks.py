"""Flask's hooks: what they put into `g`, and what they do to the response.

Read from flask/{app,ctx}.py.
"""

from __future__ import annotations

from typing import Any

from .._observe.probe import Call, Probe
from .._trace.span import Kind
from .werkzeug import head_of


def before(function: Any) -> Probe:
    """Give the probe for a hook on the way in."""
    return Probe(function, Kind.HOOK, entering=_begun, leaving=_answered)


def after(function: Any) -> Probe:
    """Give the probe for a hook that gets the response and gives one."""
    return Probe(function, Kind.HOOK, entering=_given_response, leaving=_gave_response)


def teardown(function: Any) -> Probe:
    """Give the probe for a hook that runs when the response is done."""
    return Probe(function, Kind.HOOK, entering=lambda call: _note(call, "after_response"))


def _note(call: Call, attribute: str) -> None:
    if call.span is not None:
        call.span.attributes[attribute] = True


def _begun(call: Call) -> None:
    if call.span is not None:
        call.span._scope_size = (len(_shared()), 0)


def _answered(call: Call) -> None:
    _see_shared(call)
    if call.span is not None:
        call.span.short_circuited = call.error is None and call.result is not None


def _given_response(call: Call) -> None:
    _begun(call)
    _note(call, "after")
    span, code = call.span, call.frame.f_code
    if span is not None and code.co_argcount:
        names = code.co_varnames[: code.co_argcount]
        span._inner_head = next((head for name in names if (head := head_of(call[name])) is not None), None)


def _gave_response(call: Call) -> None:
    _see_shared(call)
    span = call.span
    if span is not None and call.error is None:
        span._outer_head = head_of(call.result)
        call.exchange.cross(span)


def _shared() -> dict[str, Any]:
    """Give what Flask's `g` of the running request holds."""
    from flask import globals as flask_globals

    context = flask_globals._cv_app.get(None)
    return getattr(getattr(context, "g", None), "__dict__", {})


def _see_shared(call: Call) -> None:
    """Note what was put into `g` since the hook began: a key that is new stands behind the others."""
    span, held = call.span, _shared()
    if span is not None and len(held) > span._scope_size[0]:
        span.attributes["scope_added"] = [f"g.{key}" for key in [*held][span._scope_size[0] :]]

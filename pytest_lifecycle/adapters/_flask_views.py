"""Flask's views: decorators, class-based views, and what a class of them does before it calls its method.

Read from flask/views.py; Flask 2.3 to 3.1.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from .._observe.probe import Call, Probe, code_of, handler_chain, plain_name
from .._trace.span import Kind
from ._restful_views import hands_on, is_added


def view_chain(view: Any, endpoint: str, method: str) -> list[Probe]:
    """Give the probes of a view: its decorators, then the function, or the method of a class-based view.

    Args:
        view: What the app holds for the endpoint.
        endpoint: The endpoint.
        method: The request's method in lower case.
    """
    from flask.views import MethodView

    view_class = getattr(view, "view_class", None)
    if view_class is None:
        is_static = endpoint.rpartition(".")[2] == "static" and view.__module__.startswith("flask")
        return handler_chain(view, name="send_static_file" if is_static else None)
    around = [probe for probe in handler_chain(view)[:-1] if not is_added(probe.code)]
    verb = "dispatch_request"
    if issubclass(view_class, MethodView):
        around += _dispatch_chain(view_class)
        verb = "get" if method == "head" and not hasattr(view_class, "head") else method
    function = getattr(view_class, verb, None)
    if function is None:
        return around
    return around + handler_chain(function, name=f"{plain_name(view_class.__qualname__)}.{verb}")


def _dispatch_chain(view_class: Any) -> Iterator[Probe]:
    """Give what stands around the method: each `dispatch_request` of the user's own, and its decorators."""
    from flask.views import MethodView, View

    for cls in view_class.__mro__:
        dispatch = cls.__dict__.get("dispatch_request")
        if dispatch is None or cls in (MethodView, View) or hands_on(cls):
            continue
        yield from handler_chain(dispatch)[:-1]
        function = inspect.unwrap(dispatch)
        if code_of(function) is not None:
            name = f"{plain_name(cls.__qualname__)}.dispatch_request"
            yield Probe(function, Kind.DECORATOR, name=name, leaving=_dispatched)


def _dispatched(call: Call) -> None:
    if call.span is not None:
        call.span.short_circuited = call.error is None and not call.span.reached_inner

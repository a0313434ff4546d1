"""Flask's views: decorators, class-based views, and what a class of them does before it calls its method.

Read from flask/views.py; Flask 2.3 to 3.1.
"""

from __future__ import annotations

from typing import Any

from .._observe.probe import Probe, handler_chain, plain_name
from ._dispatching import dispatch_chain
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
        around += dispatch_chain(view_class, verb, _only_hands_on)
        verb = "get" if method == "head" and not hasattr(view_class, "head") else method
    function = getattr(view_class, verb, None)
    if function is None:
        return around
    return around + handler_chain(function, name=f"{plain_name(view_class.__qualname__)}.{verb}")


def _only_hands_on(cls: type) -> bool:
    from flask.views import MethodView, View

    return cls in (MethodView, View) or hands_on(cls)

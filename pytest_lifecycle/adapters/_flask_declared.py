"""What a Flask app declares: the rules of its URL map, and the WSGI middleware around it.

Read from flask/{app,views}.py and werkzeug/{routing,middleware/dispatcher}. Hooks are no middleware.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from .._observe.contract import Inside
from .._observe.probe import Probe, location_of, name_of
from .._trace.declared import ANY, WEBSOCKET, Declared, DeclaredMiddleware, DeclaredRoute
from .._trace.span import Kind

Chain = Callable[[Any, str, str], list[Probe]]
"""Gives the probes of a view, by its endpoint and a method in lower case."""


def declared(app: Any, inside: Inside, chain: Chain) -> Declared | None:
    """Give what an app declares; None for one that is not Flask's or werkzeug's."""
    from flask import Flask

    if isinstance(app, Flask):
        stack = app.wsgi_app
        if isinstance(stack, types.MethodType) and stack.__self__ is app:
            return Declared(tuple(_routes(app, chain)))
        return inside(stack)
    if isinstance(app, types.MethodType) and isinstance(app.__self__, Flask):
        return Declared(tuple(_routes(app.__self__, chain)))
    dispatcher = getattr(sys.modules.get("werkzeug.middleware.dispatcher"), "DispatcherMiddleware", None)
    if dispatcher is not None and isinstance(app, dispatcher):
        return _dispatched(app, inside)
    return None


def _dispatched(dispatcher: Any, inside: Inside) -> Declared:
    parts = [
        (inside(app) or Declared((DeclaredRoute(ANY, ""),))).within(prefix=prefix, where=f"mount {prefix}")
        for prefix, app in dispatcher.mounts.items()
    ]
    layer = DeclaredMiddleware(name_of(dispatcher), location_of(dispatcher))
    return Declared.joined([inside(dispatcher.app) or Declared(), *parts]).within([layer])


def _routes(app: Any, chain: Chain) -> Iterator[DeclaredRoute]:
    for rule in app.url_map._rules:  # `iter_rules` would sort them first
        if rule.build_only or rule.redirect_to is not None or rule.alias:
            continue
        view = app.view_functions.get(rule.endpoint)
        for method in _methods(rule):
            handler = None if view is None else _handler(chain(view, rule.endpoint, method.lower()))
            yield DeclaredRoute(
                method,
                rule.rule,
                str(rule.endpoint),
                None if handler is None else str(handler.name),
                source=None if handler is None else (handler.code.co_filename, handler.code.co_firstlineno),
                builtin=_is_builtin(view),
            )


def _methods(rule: Any) -> list[str]:
    if rule.websocket:
        return [WEBSOCKET]
    methods = set(rule.methods or ())
    if "GET" in methods:
        methods.discard("HEAD")
    if getattr(rule, "provide_automatic_options", False):
        methods.discard("OPTIONS")
    return sorted(methods) if rule.methods else [ANY]


def _handler(probes: list[Probe]) -> Probe | None:
    return next((probe for probe in reversed(probes) if probe.kind is Kind.HANDLER), None)


def _is_builtin(view: object) -> bool:
    """Whether Flask declared the rule itself: for the static files of an app or a blueprint."""
    return getattr(view, "__module__", "").partition(".")[0] == "flask"

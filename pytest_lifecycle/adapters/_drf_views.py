"""API views as Django's resolver holds them: what runs for a request, and what the user wrote around it.

Read from rest_framework/{views,viewsets,decorators}.py; 3.15 to 3.18.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from .._observe.probe import Probe, code_of, handler_chain, nested_code, plain_name
from ._django_refusals import held_in


class ApiHandler(NamedTuple):
    """What an API view runs for a method.

    Attributes:
        function: The method of the class, or the function that `@api_view` was put on.
        name: What the handler is called; None: by its own name.
    """

    function: object
    name: str | None


def api_class(view: Any) -> Any:
    """Give the class of what `as_view` of an `APIView` gave; None for any other view."""
    base = getattr(sys.modules.get("rest_framework.views"), "APIView", None)
    cls = getattr(view, "cls", None)
    return cls if isinstance(base, type) and isinstance(cls, type) and issubclass(cls, base) else None


def wrappers_of(view: Any) -> list[object]:
    """Give the decorators around an API view, outermost first, without the `csrf_exempt` that `as_view` adds."""
    made = _made_by_classes()
    chain: list[object] = []
    while code_of(view) not in made and (inner := getattr(view, "__wrapped__", None)) is not None:
        chain.append(view)
        view = inner
    return chain[:-1]


def method_chain(view: Any, api: Any, method: str, named: Callable[[Probe], Probe]) -> list[Probe]:
    """Give the probes of what an API view runs for a method, named as Django's other views are."""
    found = api_handler(view, api, method)
    return [] if found is None else [named(probe) for probe in handler_chain(found.function, name=found.name)]


def _made_by_classes() -> list[types.CodeType]:
    from django.views.generic.base import View
    from rest_framework.viewsets import ViewSetMixin

    return [*nested_code(View.as_view, "view"), *nested_code(ViewSetMixin.as_view, "view")]


def api_handler(view: Any, cls: Any, method: str) -> ApiHandler | None:
    """Give what an API view runs for a method in lower case; None where it takes no such method."""
    if method not in view.initkwargs.get("http_method_names", cls.http_method_names):
        return None
    name = _method_name(view, method)
    function = getattr(cls, name, None)
    if function is None:
        return None
    if code_of(function) in _made_by_decorator():
        return ApiHandler(held_in(function)["func"], None)
    return ApiHandler(function, f"{plain_name(cls.__qualname__)}.{name}")


def _method_name(view: Any, method: str) -> str:
    """Name the method of the class: a view set's action, and GET's in the place of a HEAD of its own."""
    actions = getattr(view, "actions", None) or {}
    for asked in (method, "get") if method == "head" else (method,):
        if asked in actions:
            return str(actions[asked])
        if hasattr(view.cls, asked):
            return asked
    return method


def _made_by_decorator() -> list[types.CodeType]:
    from rest_framework.decorators import api_view

    return nested_code(api_view, "handler")

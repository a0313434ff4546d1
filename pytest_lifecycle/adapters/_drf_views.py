"""The views of Django REST framework, as the resolver holds them.

Read from rest_framework/{views,viewsets,decorators}.py, versions 3.15 to 3.18.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from .._observe.probe import Probe, code_of, handler_chain, plain_name
from ._django_refusals import held_in

CSRF = "django.views.decorators.csrf"


def api_class(view: Any) -> Any:
    """Give the class of an API view; None for any other view."""
    views = sys.modules.get("rest_framework.views")
    cls = getattr(view, "cls", None)
    return cls if views is not None and isinstance(cls, type) and issubclass(cls, views.APIView) else None


def wrappers_of(view: Any) -> Iterator[Any]:
    """Give the decorators around an API view, without the one that the framework itself puts there."""
    inner = getattr(view, "__wrapped__", None)
    while inner is not None and code_of(view) is not None and not _is_made_by_class(view):
        is_own = _is_made_by_class(inner) and getattr(view, "__globals__", {}).get("__name__") == CSRF
        if not is_own:
            yield view
        view, inner = inner, getattr(inner, "__wrapped__", None)


def _is_made_by_class(view: Any) -> bool:
    """Whether this is what `as_view` made; it says that it wraps the class, or a method of it."""
    code = code_of(view)
    return code is not None and code.co_qualname.endswith("as_view.<locals>.view")


def method_chain(view: Any, cls: Any, method: str, named: Callable[[Probe], Probe]) -> list[Probe]:
    """Give the probes of what handles a method: a class's method, a view set's action, or a function.

    Args:
        view: The view as the resolver holds it.
        cls: Its class.
        method: The request's method in lower case.
        named: Gives a decorator the name that it was written with.
    """
    actions = getattr(view, "actions", None)
    if method == "head" and not hasattr(cls, "head") and method not in (actions or {}):
        method = "get"
    if actions is not None and method != "options":
        name = actions.get(method)
    else:
        name = method if method in cls.http_method_names else None
    function = getattr(cls, name, None) if name is not None else None
    if function is None:
        return []
    written = _written_function(function)
    if written is not None:
        return [named(probe) for probe in handler_chain(written)]
    return [named(probe) for probe in handler_chain(function, name=f"{plain_name(cls.__qualname__)}.{name}")]


def _written_function(method: Any) -> Any:
    """Give the function that `@api_view` made a method of; None for any other method."""
    code = code_of(method)
    if code is None or code.co_qualname != "api_view.<locals>.decorator.<locals>.handler":
        return None
    return held_in(method).get("func")

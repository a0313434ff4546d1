"""What Flask-RESTful and Flask-RESTX put around a resource's method: their own wrapper, and `method_decorators`.

Read from flask_restful/__init__.py, 0.3.10, and flask_restx/{api,resource}.py, 1.3.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from .._observe.probe import Call, Probe, attribute_of, code_of, decorator_name, nested_code, unwrapped
from .._trace.span import Kind
from ._dispatching import wrapper_left

LIBRARIES = ("flask_restful", "flask_restx")


def _imported(name: str) -> Iterator[Any]:
    """Give what those of the libraries that are imported have under this name."""
    for library in LIBRARIES:
        found = getattr(sys.modules.get(library), name, None)
        if found is not None:
            yield found


def is_added(code: types.CodeType) -> bool:
    """Whether a wrapper around a view is the one that an `Api` adds to make a response of what a resource returns."""
    return any(code in nested_code(api.output, "wrapper") for api in _imported("Api"))


def hands_on(cls: type) -> bool:
    """Whether a class is a library's own, whose `dispatch_request` calls the method."""
    return any(cls is resource for resource in _imported("Resource"))


def decorators_for(resource: Any, method: str) -> list[Any]:
    """Give what a resource puts around a method as it calls it."""
    given = resource.method_decorators
    return [*(given.get(method.lower(), ()) if isinstance(given, Mapping) else given)]


def wrapper_probes(decorators: list[Any]) -> list[Probe]:
    """Give the probes of the wrappers that these decorators make, anew for each request."""
    return [
        Probe(code, Kind.DECORATOR, name=decorator_name(code), applies=_is_around_method, leaving=wrapper_left)
        for decorator in decorators
        for code in _inside(code_of(decorator))
    ]


def _inside(code: types.CodeType | None) -> Iterator[types.CodeType]:
    for inner in code.co_consts if code is not None else ():
        if isinstance(inner, types.CodeType):
            yield inner
            yield from _inside(inner)


def _is_around_method(call: Call) -> bool:
    """Whether the resource calls this: it holds the method with all that is around it, found through `__wrapped__`."""
    dispatching = [code_of(resource.dispatch_request) for resource in _imported("Resource")]
    frame = call.frame.f_back
    while frame is not None and frame.f_code not in dispatching:
        frame = frame.f_back
    method = None if frame is None else frame.f_locals.get("meth")
    while method is not None:
        if code_of(method) is call.frame.f_code:
            return True
        method = attribute_of(unwrapped(method), "__wrapped__")
    return False

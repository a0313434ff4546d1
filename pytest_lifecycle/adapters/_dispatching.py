"""What a class of views does before it calls its method: Flask's `dispatch_request`, Starlette's `dispatch`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from .._observe.probe import Call, Probe, code_of, handler_chain, plain_name
from .._trace.span import Kind


def dispatch_chain(view_class: Any, name: str, is_library_s: Callable[[type], bool]) -> Iterator[Probe]:
    """Give what stands around the method: each such function of the user's own, and its decorators.

    Args:
        view_class: The class.
        name: What the function is called.
        is_library_s: Whether a class is the library's, whose function only calls the method.
    """
    for cls in view_class.__mro__:
        dispatch = cls.__dict__.get(name)
        if dispatch is None or is_library_s(cls):
            continue
        yield from handler_chain(dispatch)[:-1]
        function = inspect.unwrap(dispatch)
        if code_of(function) is not None:
            yield Probe(function, Kind.DECORATOR, name=f"{plain_name(cls.__qualname__)}.{name}", leaving=wrapper_left)


def wrapper_left(call: Call) -> None:
    """What is around a method returned: it answered itself, unless it handed the request on."""
    if call.span is not None:
        call.span.short_circuited = call.error is None and not call.span.reached_inner

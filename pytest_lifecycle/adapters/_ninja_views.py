"""django-ninja's operations as Django's resolver holds them: one view for a path, with an operation for each method.

Read from ninja/{operation,router}.py, 1.4 to 1.7.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from .._observe.probe import Call, Probe, attribute_of, code_of, handler_chain, name_of, unwrapped
from .._trace.span import Kind
from ._shape import closure_of, owner_name

AUTHENTICATION, THROTTLE = "authentication", "throttle"


def path_view(view: Any) -> Any:
    """Give the `PathView` whose view this is; None for any other view."""
    made_by = getattr(sys.modules.get("ninja.operation"), "PathView", None)
    if made_by is None:
        return None
    while (inner := attribute_of(unwrapped(view), "__wrapped__")) is not None:
        view = inner
    owner = getattr(view, "__self__", None) or closure_of(view).get("self")  # before 1.5: a method
    return owner if isinstance(owner, made_by) else None


def methods_taken(owner: Any) -> set[str]:
    """Give the methods that a `PathView` has operations for."""
    return {method for operation in owner.operations for method in operation.methods}


def checks_of_operation(owner: Any, method: str) -> tuple[str, ...]:
    """Name the checks of a `PathView`'s operation for a method in lower case, in the order they run."""
    operation = _operation(owner, method)
    return () if operation is None else tuple(name_of(check) for _, check in _checks(operation))


def operation_chain(owner: Any, method: str, named: Callable[[Probe], Probe]) -> list[Probe]:
    """Give the probes of an operation: what `decorate_view` put around it, its checks, then the function.

    Args:
        owner: The `PathView`.
        method: The request's method in lower case.
        named: Names a decorator as Django's other views do.
    """
    operation = _operation(owner, method)
    if operation is None:
        return []
    around = handler_chain(operation.run)[:-1]
    checks = [probe for meaning, check in _checks(operation) for probe in _check(meaning, check)]
    return [*map(named, around), *checks, *map(named, handler_chain(operation.view_func))]


def _operation(owner: Any, method: str) -> Any:
    return next((operation for operation in owner.operations if method.upper() in operation.methods), None)


def _checks(operation: Any) -> Iterator[tuple[str, Any]]:
    """Give the checks of an operation in the order they run, each with what it checks."""
    for check in operation.auth_callbacks:
        yield AUTHENTICATION, check
    for check in operation.throttle_objects:
        yield THROTTLE, check


def _check(meaning: str, check: Any) -> Iterator[Probe]:
    function = check if meaning == AUTHENTICATION else check.allow_request
    if code_of(function) is None:
        return

    def began(call: Call) -> None:
        if call.span is not None:
            call.span.attributes["check"] = meaning

    def answered(call: Call) -> None:
        if call.span is not None and call.error is None:
            call.span.attributes["allowed"] = bool(call.result)

    is_function = isinstance(unwrapped(function), types.FunctionType) and function is check
    yield Probe(
        function,
        Kind.DEPENDENCY,
        name=name_of(check) if is_function else owner_name,
        entering=began,
        leaving=answered,
        carries=types.CoroutineType,
    )

"""Who is asking, and whether they may: the authentication, permission and throttle classes of an API view.

Read from rest_framework/{views,request,permissions}.py; 3.15 to 3.18.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any, final

from .._observe.probe import Call, Probe, code_of, plain_name
from .._observe.watching import Once
from .._trace.span import Kind, Span
from ._shape import owner_name

AUTHENTICATION, PERMISSION, THROTTLE = "authentication", "permission", "throttle"

METHODS = {
    "authenticate": AUTHENTICATION,
    "has_permission": PERMISSION,
    "has_object_permission": PERMISSION,
    "allow_request": THROTTLE,
}
"""The methods that check, each with what it checks."""


@final
class Checks:
    """The checks that were seen, each watched from then on.

    Args:
        watch: Watches a function.
    """

    def __init__(self, watch: Callable[[Probe], object]) -> None:
        self._watch = watch
        self._watched = Once()

    def forget(self) -> None:
        """Drop what was seen."""
        self._watched.forget()

    def found(self, checks: object) -> None:
        """Watch the classes of these checks; what lets everybody in without a word of the user's own is none."""
        for check in checks if isinstance(checks, list | tuple) else ():
            for part in parts_of(check):
                for method, meaning in METHODS.items():
                    self.once(getattr(type(part), method, None), functools.partial(_check_probe, meaning))

    def once(self, function: object, make: Callable[[types.CodeType], Probe]) -> None:
        """Watch a function, if it is not watched yet."""
        code = code_of(function) if function is not None else None
        if code is not None and code not in _unspoken():
            self._watched(code, lambda code: self._watch(make(code)))


def _unspoken() -> list[types.CodeType | None]:
    from rest_framework.permissions import BasePermission

    return [code_of(BasePermission.has_permission), code_of(BasePermission.has_object_permission)]


def _check_probe(meaning: str, code: types.CodeType) -> Probe:
    def noted(call: Call) -> None:
        if call.span is not None:
            call.span.attributes["check"] = meaning

    def answered(call: Call) -> None:
        if call.span is not None and call.error is None:
            call.span.attributes["allowed"] = call.result is not None and call.result is not False

    return Probe(
        code,
        Kind.DEPENDENCY,
        name=owner_name,
        applies=lambda call: _is_a_check(call, meaning),
        entering=noted,
        leaving=answered if meaning != AUTHENTICATION else None,
    )


def _is_a_check(call: Call, meaning: str) -> bool:
    """Whether the view checks, not a check as a part of itself, and not the browsable API to know what to show."""
    parent = call.parent
    if parent is None:
        return False
    return all(
        span.kind is not Kind.RESPONSE and span.fact("check") != meaning for span in (parent, *parent.ancestors())
    )


# -- permissions that are made of others


def parts_of(check: Any) -> Iterator[Any]:
    """Give what a permission is made of by `&`, `|` and `~`; of any other check itself."""
    operands = _operands(check)
    if not operands:
        yield check
    for operand in operands:
        yield from parts_of(operand)


def written(check: Any) -> str:
    """Write a check as the user did: ``IsAdminUser | IsOwner``."""
    from rest_framework.permissions import NOT, OR

    operands = [f"({written(part)})" if len(_operands(part)) > 1 else written(part) for part in _operands(check)]
    if not operands:
        return plain_name(type(check).__qualname__)
    if isinstance(check, NOT):
        return f"~{operands[0]}"
    return (" | " if isinstance(check, OR) else " & ").join(operands)


def is_conjunction(check: Any) -> bool:
    """Whether all its parts must allow: then the one that ran last is the one that did not."""
    from rest_framework.permissions import AND

    operands = _operands(check)
    return not operands or (isinstance(check, AND) and all(map(is_conjunction, operands)))


def _operands(check: Any) -> list[Any]:
    from rest_framework.permissions import AND, NOT, OR

    if not isinstance(check, AND | OR | NOT):
        return []
    return [operand for name in ("op1", "op2") if (operand := vars(check).get(name)) is not None]


def checks_in(root: Span, meaning: str) -> list[Span]:
    """Give the checks of one kind that ran, in order."""
    return [span for span in root.walk() if span.kind is Kind.DEPENDENCY and span.fact("check") == meaning]

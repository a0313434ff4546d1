"""The small values that a trace is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, final


class Outcome(StrEnum):
    """How a request ended."""

    HANDLED = "handled"
    SHORT_CIRCUITED = "short_circuited"
    REDIRECTED = "redirected"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INVALID = "invalid"
    REJECTED = "rejected"
    ERROR = "error"
    NO_RESPONSE = "no_response"


class Validation(StrEnum):
    """What validation said of a request."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    NONE = "none"


class Verdict(StrEnum):
    """What a router said of a request; an adapter notes it on a routing span as ``attributes["verdict"]``."""

    MATCHED = "matched"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REDIRECTED = "redirected"


@final
@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """One thing that validation found wrong.

    Attributes:
        loc: Where: ``("body", "price")`` for FastAPI, ``("price",)`` for a field of a form or a model.
        message: What is wrong, in the validator's words.
        type: The validator's own name for the kind of mistake, such as ``"int_parsing"``.
    """

    loc: tuple[str | int, ...]
    message: str
    type: str


@final
@dataclass(frozen=True, slots=True)
class RaisedException:
    """One exception that left a step of the request.

    Attributes:
        type: The `__qualname__` of its class.
        message: `str()` of it.
        raised_in: The name of the step it was raised in.
        handled_by: The name of the step that caught it; None where it escaped the app.
        crossed: The names of the layers it flew past, innermost first.
        exception: The exception itself; not compared.
    """

    type: str
    message: str
    raised_in: str
    handled_by: str | None
    crossed: tuple[str, ...] = ()
    exception: BaseException | None = field(default=None, compare=False, repr=False)


def issue(error: dict[str, Any]) -> ValidationIssue:
    """Make an issue of one entry of pydantic's (and FastAPI's) `errors()`."""
    return ValidationIssue(
        loc=tuple(error.get("loc", ())), message=str(error.get("msg", "")), type=str(error.get("type", ""))
    )

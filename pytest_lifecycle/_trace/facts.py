"""The small values that a trace is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, final

from .told import ToldValue


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


class Refusal(StrEnum):
    """What kind of no a request was told."""

    VALIDATION = "validation"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    THROTTLE = "throttle"
    CSRF = "csrf"
    HOST = "host"
    NOT_FOUND = "not_found"
    METHOD = "method"
    MIDDLEWARE = "middleware"
    OTHER = "other"


@final
@dataclass(frozen=True, slots=True, repr=False)
class ValidationIssue(ToldValue):
    """One thing that validation found wrong.

    Attributes:
        loc: Where: ``("body", "price")`` for FastAPI, ``("price",)`` for a field of a form or a model.
        message: What is wrong, in the validator's words.
        type: The validator's own name for the kind of mistake, such as ``"int_parsing"``.
        input: What the validator saw there, written out and cut (see `shortened`); None where it does not say. It is
            not compared, and taken out wherever a secret may be in it.
    """

    loc: tuple[str | int, ...]
    message: str
    type: str
    input: str | None = field(default=None, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True, repr=False)
class RaisedException(ToldValue):
    """One exception that left a step of the request.

    Attributes:
        type: The `__qualname__` of its class.
        message: `str()` of it.
        raised_in: The name of the step it was raised in.
        handled_by: The name of the step that caught it; None where it escaped the app.
        crossed: The names of the layers it flew past, innermost first.
        causes: What led to it, the nearest first: its ``__cause__`` or ``__context__``, and theirs in turn, each as
            ``"Type: message"``.
        is_answer: Whether it was meant as the answer that was given: an `HTTPException`, not a crash.
        exception: The exception itself, a group of one member included; not compared.
    """

    type: str
    message: str
    raised_in: str
    handled_by: str | None
    crossed: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    is_answer: bool = False
    exception: BaseException | None = field(default=None, compare=False, repr=False)


def issue(error: dict[str, Any]) -> ValidationIssue:
    """Make an issue of one entry of pydantic's (and FastAPI's) `errors()`."""
    return ValidationIssue(
        loc=tuple(error.get("loc", ())),
        message=str(error.get("msg", "")),
        type=str(error.get("type", "")),
        input=shortened(error["input"]) if "input" in error else None,
    )


INPUT_LIMIT = 80
"""How many characters of a value are kept, of what a validator saw or of an argument."""

PLAIN = (bool, int, float, complex, str, bytes, type(None))


def shortened(value: object, limit: int = INPUT_LIMIT) -> str:
    """Write a value out in so many characters at most.

    Only plain values and containers of them are written; of anything else the class is named, since its `repr` is the
    app's code and may hold secrets.
    """
    text = _written(value, 3, limit)
    return text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _written(value: object, depth: int, limit: int) -> str:
    if type(value) in (str, bytes):
        return repr(value[: limit + 1])  # type: ignore[index]
    if type(value) in PLAIN:
        return repr(value)
    if depth and type(value) is dict:
        shown = [f"{_written(k, 0, limit)}: {_written(v, depth - 1, limit)}" for k, v in list(value.items())[:limit]]
        return "{" + ", ".join(shown) + "}"
    if depth and type(value) in (list, tuple):
        return "[" + ", ".join(_written(item, depth - 1, limit) for item in value[:limit]) + "]"  # type: ignore[index]
    return f"<{type(value).__qualname__}>"

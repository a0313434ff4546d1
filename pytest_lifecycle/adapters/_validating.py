"""What adapters of validation libraries share: whose validation counts, and errors as nested data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from .._observe.probe import Call, plain_name
from .._trace.facts import Validation, ValidationIssue, shortened
from .._trace.span import Kind, Span

USER_CODE = frozenset({Kind.APP, Kind.HANDLER, Kind.DEPENDENCY, Kind.HOOK, Kind.DECORATOR, Kind.MIDDLEWARE})

Loc = tuple[str | int, ...]


IMPORTER = "<frozen importlib._bootstrap>"
"""The file that the frames of an import are from."""


def is_in_user_code(call: Call) -> bool:
    """Whether user code validates, not the framework around it, nor a validation as a part of itself."""
    around = call.parent
    if around is None or not (_is_users(around) or _is_part_of_users_app(around)):
        return False
    return not _is_importing(call.frame.f_back, around._frame)


def _is_users(span: Span) -> bool:
    return span.kind in USER_CODE and not span.builtin


def _is_part_of_users_app(span: Span) -> bool:
    """Whether an app that no adapter knows goes on in a method of its own: ``__call__`` in ``wsgi_app``."""
    around = span.parent
    return span.kind is Kind.INTERNAL and around is not None and around.kind is Kind.APP and not around.builtin


def _is_importing(frame: FrameType | None, around: FrameType | None) -> bool:
    """Whether a module is imported inside the step around: what is validated as it loads is no data of the request."""
    while frame is not None and frame is not around:
        if frame.f_code.co_filename == IMPORTER:
            return True
        frame = frame.f_back
    return False


def left(call: Call) -> None:
    """An exception that left a validation refused the data, whatever it is: on CPython 3.11 that may not be seen."""
    if call.error is not None and call.span is not None:
        call.span.name = Validation.FAILED.value


def class_name(cls: Any) -> str:
    """Name a class as a culprit."""
    return plain_name(str(getattr(cls, "__qualname__", cls)))


def note_failure(span: Span, issues: Sequence[ValidationIssue], culprit: str) -> None:
    """Say what a validation found wrong, and who validated."""
    span.name = Validation.FAILED.value
    span.attributes.update(errors=tuple(issues), refused_by=culprit)


def add_failure(around: Span, issues: Sequence[ValidationIssue], culprit: str) -> None:
    """Add a validation that is known by its refusal only, inside the step that asked for it."""
    span = Span(Kind.VALIDATION, Validation.FAILED.value, parent=around, thread=around.thread, exchange=around.exchange)
    note_failure(span, issues, culprit)
    span.close()
    around.children.append(span)


def issues_in(found: Any, data: Any, loc: Loc = ()) -> Iterator[ValidationIssue]:
    """Take nested messages apart: keys and indices lead to lists of texts.

    Args:
        found: The messages: a mapping, a list of texts, or a list with something nested at each index.
        data: What was validated, as deep as `found`; for what the validator saw.
        loc: Where in the whole this is.
    """
    if isinstance(found, Mapping):
        for key, inner in found.items():
            yield from issues_in(inner, _at(data, key), (*loc, key))
    elif isinstance(found, list | tuple) and not all(isinstance(message, str) for message in found):
        for at, inner in enumerate(found):
            yield from issues_in(inner, _at(data, at), (*loc, at))
    else:
        seen = None if data is None else shortened(data)
        for message in found if isinstance(found, list | tuple) else [found]:
            yield ValidationIssue(loc, str(message), "", seen)


def at_loc(data: Any, loc: Loc) -> Any:
    """Give what stands at this place of nested data; None where nothing does."""
    for key in loc:
        data = _at(data, key)
    return data


def _at(data: Any, key: Any) -> Any:
    if isinstance(data, Mapping):
        return data.get(key)
    if isinstance(data, list | tuple) and isinstance(key, int) and key < len(data):
        return data[key]
    return None

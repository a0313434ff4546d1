"""Serializers: the outermost one is a validation, with all that is nested in it.

Read from rest_framework/{serializers,exceptions}.py; 3.15 to 3.18.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .._observe.probe import Call, Probe, plain_name
from .._trace.facts import Validation, ValidationIssue, shortened
from .._trace.span import Kind, Span
from ._validating import left, note_failure

Loc = tuple[str | int, ...]


def serializer_probes() -> Iterable[Probe]:
    """Give what validates, and `is_valid`, which holds what was wrong: on CPython 3.11 its exception is not seen."""
    from rest_framework.serializers import BaseSerializer, ListSerializer, Serializer

    for cls in (BaseSerializer, ListSerializer):
        yield Probe(cls.is_valid, span=False, applies=_is_new, leaving=_is_valid_left)
    for cls in (Serializer, ListSerializer):
        yield Probe(
            cls.run_validation,
            Kind.VALIDATION,
            name=Validation.PASSED.value,
            applies=_is_outermost,
            entering=_name_culprit,
            leaving=left,
            raising=_validation_raised,
        )


def issues_of(detail: Any, data: Any = None, loc: Loc = ()) -> Iterator[ValidationIssue]:
    """Take the detail of a `ValidationError` apart: keys and indices lead to lists of `ErrorDetail`.

    Args:
        detail: The errors, in whatever form one of DRF's versions gives them.
        data: What was validated there, as far as it is plain data.
        loc: Where in the whole this is.
    """
    if isinstance(detail, dict):
        for key, inner in detail.items():
            yield from issues_of(inner, _at(data, key), (*loc, key))
    elif isinstance(detail, list | tuple):
        for at, inner in enumerate(detail):
            is_nested = isinstance(inner, dict | list | tuple)
            yield from issues_of(inner, _at(data, at) if is_nested else data, (*loc, at) if is_nested else loc)
    else:
        seen = None if data is None else shortened(data)
        yield ValidationIssue(loc or _whole(), str(detail), str(getattr(detail, "code", "")), seen)


def _whole() -> Loc:
    from rest_framework.settings import api_settings

    return (str(api_settings.NON_FIELD_ERRORS_KEY),)


def _at(data: Any, key: Any) -> Any:
    """Give what was sent at a place, without asking anything that is not plain data or a form's."""
    from django.utils.datastructures import MultiValueDict

    if isinstance(data, MultiValueDict):
        values = data.getlist(key) or [None]
        return values[0] if len(values) == 1 else values
    if type(data) is dict:
        return data.get(key)
    return data[key] if type(data) is list and isinstance(key, int) and key < len(data) else None


def _is_outermost(call: Call) -> bool:
    """Whether data is validated for the request, not as a part of another validation or to draw a form."""
    parent = call.parent
    if parent is None:
        return False
    return all(span.kind not in (Kind.VALIDATION, Kind.RESPONSE) for span in (parent, *parent.ancestors()))


def _is_new(call: Call) -> bool:
    return _is_outermost(call) and "_validated_data" not in vars(call.owner)


def _is_valid_left(call: Call) -> None:
    held = vars(call.owner)
    errors = held.get("_errors")
    validations = [] if call.parent is None else [s for s in call.parent.children if s.kind is Kind.VALIDATION]
    if errors and validations:
        note_failure(validations[-1], tuple(issues_of(errors, held.get("initial_data"))), _serializer_name(call.owner))


def _name_culprit(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["refused_by"] = _serializer_name(call.owner)


def _validation_raised(span: Span, error: BaseException) -> None:
    from rest_framework.exceptions import ValidationError

    if isinstance(error, ValidationError):
        note_failure(span, tuple(issues_of(error.detail)), span.fact("refused_by"))


def _serializer_name(serializer: Any) -> str:
    """Name a serializer by its class; what `many=True` makes around it is called as it is."""
    from rest_framework.serializers import ListSerializer

    named = serializer.child if type(serializer) is ListSerializer else serializer
    return plain_name(type(named).__qualname__)

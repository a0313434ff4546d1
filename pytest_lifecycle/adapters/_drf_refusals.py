"""Who refused a request in Django REST framework: exceptions that become answers, parsers, serializers.

Read from rest_framework/{views,exceptions,parsers,negotiation,serializers}.py, versions 3.15 to 3.18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, name_of
from .._trace.facts import Refusal, Validation, ValidationIssue
from .._trace.span import Kind, Span
from ._django_refusals import CULPRITS
from ._validating import add_failure, class_name, is_in_user_code, issues_in, left, note_failure


@final
class SerializersAdapter(Adapter):
    """Validation by serializers; one inside another is part of it."""

    name = "django"
    distribution = "djangorestframework"
    supports = ">=3.15"
    module = "rest_framework.serializers"

    def probes(self) -> Iterable[Probe]:
        from rest_framework.serializers import BaseSerializer, ListSerializer, Serializer

        for function in (Serializer.run_validation, ListSerializer.run_validation):
            yield Probe(
                function,
                Kind.VALIDATION,
                name=Validation.PASSED.value,
                applies=is_in_user_code,
                entering=_note_serializer,
                leaving=left,
                raising=_invalid,
            )
        for function in (BaseSerializer.is_valid, ListSerializer.is_valid):
            yield Probe(function, span=False, applies=is_in_user_code, leaving=_found_invalid)


def _note_serializer(call: Call) -> None:
    if call.span is not None:
        serializer = call.owner
        call.span.attributes["refused_by"] = class_name(type(getattr(serializer, "child", serializer)))


def _invalid(span: Span, error: BaseException) -> None:
    from rest_framework.exceptions import ValidationError

    if isinstance(error, ValidationError):
        data = _first(error, "data", lambda frame: frame.f_code.co_name == "run_validation")
        note_failure(span, list(issues_in(error.detail, data)), span.fact("refused_by"))


def _found_invalid(call: Call) -> None:
    """The serializer keeps what was wrong, also where nothing was seen of the exception (CPython 3.11)."""
    serializer, around = call.owner, call.parent
    span = around.children[-1] if around is not None and around.children else None
    errors = getattr(serializer, "_errors", None)
    if span is not None and span.kind is Kind.VALIDATION and errors and not span.fact("errors"):
        note_failure(span, list(issues_in(errors, serializer.initial_data)), span.fact("refused_by"))


# -- what the view makes answers of


def handling(call: Call) -> None:
    """The view makes a response of an exception, by the handler that the settings name."""
    error, exchange = call["exc"], call.exchange
    refusal = _meaning(error)
    exchange.caught[id(error)] = name_of(call.owner.get_exception_handler())
    if refusal is None:
        return
    exchange.answers.add(id(error))
    passed = [span for raised, span in exchange.raised if raised is error]
    culprit = next((span for span in passed if span.kind in CULPRITS and not span.builtin), None)
    if culprit is not None and culprit.fact("refusal") is None and refusal is not Refusal.VALIDATION:
        culprit.attributes["refusal"] = refusal


def _meaning(error: BaseException) -> Refusal | None:
    """Say what kind of no an exception stands for; None for a crash."""
    from django.core.exceptions import PermissionDenied
    from django.http import Http404
    from rest_framework import exceptions

    kinds: list[tuple[type[BaseException], Refusal]] = [
        (Http404, Refusal.NOT_FOUND),
        (PermissionDenied, Refusal.PERMISSION),
        (exceptions.NotFound, Refusal.NOT_FOUND),
        (exceptions.PermissionDenied, Refusal.PERMISSION),
        (exceptions.NotAuthenticated, Refusal.AUTHENTICATION),
        (exceptions.AuthenticationFailed, Refusal.AUTHENTICATION),
        (exceptions.Throttled, Refusal.THROTTLE),
        (exceptions.MethodNotAllowed, Refusal.METHOD),
        (exceptions.ValidationError, Refusal.VALIDATION),
        (exceptions.ParseError, Refusal.VALIDATION),
        (exceptions.UnsupportedMediaType, Refusal.VALIDATION),
    ]
    for cls, refusal in kinds:
        if isinstance(error, cls):
            return refusal
    is_refusal = isinstance(error, exceptions.APIException) and error.status_code < 500
    return Refusal.OTHER if is_refusal else None


def unreadable(around: Span, error: BaseException) -> None:
    """The body could not be parsed, by this parser or by any."""
    from rest_framework.exceptions import APIException
    from rest_framework.parsers import BaseParser

    if isinstance(error, APIException):
        found = ValidationIssue(("body",), str(error.detail), str(getattr(error.detail, "code", "")))
        add_failure(around, [found], _owner_in(error, BaseParser) or "Request")


def not_acceptable(around: Span, error: BaseException) -> None:
    """No renderer gives what the client accepts."""
    from rest_framework.negotiation import BaseContentNegotiation

    span = Span(
        Kind.DEPENDENCY,
        _owner_in(error, BaseContentNegotiation) or "content negotiation",
        parent=around,
        thread=around.thread,
        exchange=around.exchange,
    )
    span.exception = error
    span.attributes.update(rejected=True, refusal=Refusal.OTHER)
    span.close()
    around.children.append(span)


# -- what an exception passed


def _owner_in(error: BaseException, cls: type) -> str | None:
    """Name the object of this class whose method an exception passed."""
    owner = _first(error, "self", lambda frame: isinstance(frame.f_locals.get("self"), cls))
    return None if owner is None else class_name(type(owner))


def _first(error: BaseException, name: str, fits: Callable[[Any], bool]) -> Any:
    """Give a variable of the outermost fitting frame that an exception passed."""
    traceback = error.__traceback__
    while traceback is not None:
        if fits(traceback.tb_frame):
            return traceback.tb_frame.f_locals.get(name)
        traceback = traceback.tb_next
    return None

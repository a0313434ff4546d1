"""Who refused a request to an API view, and why: read as the view gets the exception, before any handler of it does.

Read from rest_framework/{views,request,exceptions,authentication}.py; 3.15 to 3.18.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from .._observe.probe import Call, code_of, name_of, plain_name
from .._trace.facts import Refusal, Validation, ValidationIssue, Verdict
from .._trace.span import Kind, Span
from ._django_refusals import CULPRITS
from ._django_routes import refuse_method
from ._drf_checks import PERMISSION, THROTTLE, checks_in, is_conjunction, parts_of, written
from ._drf_serializers import issues_of
from ._validating import add_failure

BY_STATUS = {401: Refusal.AUTHENTICATION, 403: Refusal.PERMISSION, 429: Refusal.THROTTLE}
"""What an exception of the user's own says by its status."""


def handling(call: Call) -> None:
    """A view handles an exception: note which step refused the request by raising it, if it stands for a refusal."""
    if _is_handled_around(call.frame):
        return
    error = call[call.frame.f_code.co_varnames[1]]
    refusal = _meaning(error)
    if refusal is not None or _is_answer(error):
        call.exchange.answers.add(id(error))
    if refusal is None:
        return
    if refusal is Refusal.VALIDATION:
        _note_invalid(call, error)
    elif refusal is Refusal.METHOD and not _passed(call, error):
        _note_method(call, error)
    else:
        _note_refusal(call, error, refusal)


def handled(call: Call) -> None:
    """The exception handler made a response of it."""
    handler = call.values.get("exception_handler")
    if call.error is None and call.result is not None and handler is not None:
        call.exchange.caught[id(call["exc"])] = name_of(handler)


def unreadable(around: Span, error: BaseException) -> None:
    """The request's data could not be parsed: the parser said no, or none of them takes its content type."""
    from rest_framework.exceptions import APIException
    from rest_framework.request import Request

    frame = _frame_of(error, code_of(Request._parse))
    if frame is None or not isinstance(error, APIException):
        return
    values = frame.f_locals
    culprit = plain_name(type(values.get("parser") or values["self"]).__qualname__)
    found = ValidationIssue(("body",), str(error.detail), str(error.get_codes()))
    _note_failure(around, error, (found,), culprit)


def _is_handled_around(frame: FrameType) -> bool:
    """Whether a view's own `handle_exception` hands on to the one that it overrides."""
    around = frame.f_back
    return around is not None and around.f_code.co_name == frame.f_code.co_name


# -- what an exception stands for


def _meaning(error: BaseException) -> Refusal | None:
    from django.core.exceptions import PermissionDenied
    from django.http import Http404
    from rest_framework import exceptions as api

    meanings: list[tuple[tuple[type[BaseException], ...], Refusal]] = [
        ((api.NotAuthenticated, api.AuthenticationFailed), Refusal.AUTHENTICATION),
        ((api.PermissionDenied, PermissionDenied), Refusal.PERMISSION),
        ((api.Throttled,), Refusal.THROTTLE),
        ((api.MethodNotAllowed,), Refusal.METHOD),
        ((api.ValidationError, api.ParseError, api.UnsupportedMediaType), Refusal.VALIDATION),
        ((api.NotFound, Http404), Refusal.NOT_FOUND),
        ((api.NotAcceptable,), Refusal.OTHER),
    ]
    for types, refusal in meanings:
        if isinstance(error, types):
            if refusal is Refusal.PERMISSION and _is_forged(error):
                return Refusal.CSRF
            return refusal
    if isinstance(error, api.APIException) and error.status_code < 500:
        return BY_STATUS.get(error.status_code, Refusal.OTHER)
    return None


def _is_answer(error: BaseException) -> bool:
    from rest_framework.exceptions import APIException

    return isinstance(error, APIException)


def _is_forged(error: BaseException) -> bool:
    from rest_framework.authentication import SessionAuthentication

    return _frame_of(error, code_of(SessionAuthentication.enforce_csrf)) is not None


# -- who raised it


def _passed(call: Call, error: BaseException) -> list[Span]:
    """Give the steps that the exception left, the innermost first."""
    return [
        span
        for raised, span in call.exchange.raised
        if raised is error and not span.builtin and (span.kind in CULPRITS or span.kind is Kind.VALIDATION)
    ]


def _note_refusal(call: Call, error: BaseException, refusal: Refusal) -> None:
    culprit = _check_behind(call, error) or next(iter(_passed(call, error)), None) or _unknown(call, error)
    if culprit.fact("refusal") is not None:
        return
    culprit.attributes["refusal"] = refusal
    if culprit.kind is Kind.DEPENDENCY:
        culprit.attributes["rejected"] = True
    _raised_in(culprit, error)


def _note_method(call: Call, error: BaseException) -> None:
    """The view has no method to run: nothing else was tried after its pattern."""
    span = call.mark(Kind.ROUTING, "method_not_allowed", verdict=Verdict.METHOD_NOT_ALLOWED)
    span.builtin = True
    refuse_method(call.exchange)
    _raised_in(span, error)


def _check_behind(call: Call, error: BaseException) -> Span | None:
    """Give the check that returned False; one that raised is the first step that the exception left."""
    from rest_framework.views import APIView

    passed = _passed(call, error)
    if passed and passed[0].kind is Kind.DEPENDENCY:
        return None
    for function in (APIView.check_permissions, APIView.check_object_permissions):
        frame = _frame_of(error, code_of(function))
        if frame is not None:
            return _permission_behind(call, frame.f_locals.get("permission"))
    if _frame_of(error, code_of(APIView.check_throttles)) is not None:
        refusing = [span for span in checks_in(call.exchange.root, THROTTLE) if not span.fact("allowed")]
        return refusing[-1] if refusing else None
    return None


def _permission_behind(call: Call, permission: Any) -> Span | None:
    if permission is None:
        return None
    names = {plain_name(type(part).__qualname__) for part in parts_of(permission)}
    ran = [span for span in checks_in(call.exchange.root, PERMISSION) if span.name in names]
    span = ran[-1] if ran else call.mark(Kind.DEPENDENCY, written(permission), check=PERMISSION, allowed=False)
    if not is_conjunction(permission):
        span.attributes["refused_by"] = written(permission)
    return span


def _unknown(call: Call, error: BaseException) -> Span:
    """Make a step for what refused without being one: content negotiation, versioning, an overridden method."""
    from rest_framework.views import APIView

    who = ""
    for frame in _frames(error):
        owner = frame.f_locals.get("self") if frame.f_code.co_varnames[:1] == ("self",) else None
        if isinstance(owner, APIView):
            if not str(frame.f_globals.get("__name__")).startswith("rest_framework."):
                who = f"{plain_name(type(owner).__qualname__)}.{frame.f_code.co_name}"
        elif owner is not None:
            who = plain_name(type(owner).__qualname__)
    who = who or plain_name(type(call.owner).__qualname__)
    return call.mark(Kind.DEPENDENCY, who, check="request")


def _raised_in(span: Span, error: BaseException) -> None:
    """Note that an exception came from a step that it did not leave: it was raised for what the step returned."""
    if span.exchange is None:
        return
    raised = span.exchange.raised
    places = [at for at, (known, _) in enumerate(raised) if known is error]
    if not any(raised[at][1] is span for at in places):
        raised.insert(places[0] if places else len(raised), (error, span))


# -- what is not valid


def _note_invalid(call: Call, error: Any) -> None:
    passed, issues = _passed(call, error), tuple(issues_of(error.detail))
    failed = next((span for span in passed if span.kind is Kind.VALIDATION), None)
    failed = failed or _serializer_behind(call, error) or _validation_behind(call, issues)
    if failed is None:
        around = passed[0] if passed else call.parent
        if around is None:
            return
        culprit = passed[0].name if passed else plain_name(type(call.owner).__qualname__)
        failed = _note_failure(around, error, issues, culprit)
    failed.attributes["refusal"] = Refusal.VALIDATION


def _serializer_behind(call: Call, error: BaseException) -> Span | None:
    """Give the validation whose errors `is_valid` raised anew."""
    from rest_framework.serializers import BaseSerializer, ListSerializer

    if all(_frame_of(error, code_of(cls.is_valid)) is None for cls in (BaseSerializer, ListSerializer)):
        return None
    validations = [span for span in call.exchange.root.walk() if span.kind is Kind.VALIDATION]
    return validations[-1] if validations and validations[-1].name == Validation.FAILED else None


def _validation_behind(call: Call, issues: tuple[ValidationIssue, ...]) -> Span | None:
    """Give the validation that found the same before: ``ValidationError(form.errors)`` raises its errors anew."""
    raised = {(issue.loc, issue.message) for issue in issues}
    for span in call.exchange.root.walk():
        if raised and span.kind is Kind.VALIDATION:
            found = {(issue.loc, issue.message) for issue in span.fact("errors") or ()}
            if raised <= found:
                return span
    return None


def _note_failure(around: Span, error: BaseException, issues: tuple[ValidationIssue, ...], culprit: str) -> Span:
    add_failure(around, issues, culprit)
    failed = around.children[-1]
    _raised_in(failed, error)
    return failed


# -- where an exception was


def _frames(error: BaseException) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _frame_of(error: BaseException, code: CodeType | None) -> FrameType | None:
    """Give the innermost frame of a function that an exception came through."""
    found = [frame for frame in _frames(error) if frame.f_code is code]
    return found[-1] if found else None

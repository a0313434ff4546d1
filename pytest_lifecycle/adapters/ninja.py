"""django-ninja: its checks, what its validation says, its error handling. Builds on Django's adapter.

Read from ninja/{operation,main,errors}.py and ninja/security/, 1.4 to 1.7. The operation that runs, and its checks, are
told by Django's adapter.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, name_of, unwrapped
from .._trace.facts import Refusal, Validation, ValidationIssue, Verdict, issue
from .._trace.span import Kind, Span
from .._trace.story import BY_STATUS
from ._django_routes import refuse_method
from ._ninja_views import AUTHENTICATION, THROTTLE
from ._shape import source_of
from ._validating import left


@final
class NinjaAdapter(Adapter):
    """The operations of a `NinjaAPI`."""

    name = "ninja"
    distribution = "django-ninja"
    supports = ">=1.4"
    module = "ninja.main"

    def probes(self) -> Iterable[Probe]:
        from ninja.main import NinjaAPI
        from ninja.operation import AsyncOperation, Operation, PathView

        yield Probe(
            Operation._get_values,
            Kind.VALIDATION,
            name=Validation.PASSED.value,
            applies=lambda call: bool(call.owner.models),
            leaving=left,
            raising=_refused,
        )
        yield Probe(Operation._result_to_response, Kind.RESPONSE, builtin=True, raising=_response_refused)
        if hasattr(Operation, "_stream_response"):  # 1.6 and newer
            for function in (Operation._stream_response, AsyncOperation._async_stream_response):
                yield Probe(function, span=False, entering=_streaming)
        yield Probe(NinjaAPI.on_exception, span=False, entering=_handling, leaving=_handled)
        yield Probe(
            PathView._not_allowed, Kind.ROUTING, name="method_not_allowed", builtin=True, entering=_refuse_method
        )


def _streaming(call: Call) -> None:
    """An operation is a generator: it answers while the response is sent, when no step of the request is left."""
    function = inspect.unwrap(call.owner.view_func)
    call.mark(Kind.HANDLER, name_of(function)).source = source_of(function)


# -- what is not valid


def _refused(span: Span, error: BaseException) -> None:
    """Note what is wrong with the request's data, or that its body cannot be parsed at all."""
    from ninja.errors import HttpError, ValidationError

    if isinstance(error, ValidationError):
        span.attributes["errors"] = tuple(issue(found) for found in error.errors)
    elif isinstance(error, HttpError):
        cause = error.__cause__ or error
        span.attributes["errors"] = (ValidationIssue(("body",), error.message, type(cause).__name__),)


def _response_refused(span: Span, error: BaseException) -> None:
    """The operation gave what its declared response does not allow: an error of the app's, not of the request."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        span.attributes["errors"] = tuple(issue(dict(found)) for found in error.errors(include_url=False))


# -- who refused


def _handling(call: Call) -> None:
    """An exception is answered, which a check or the operation raised, or which says what a check returned."""
    from django.http import Http404
    from ninja.errors import HttpError, ValidationError

    error = call["exc"]
    if not isinstance(error, HttpError | ValidationError | Http404):
        return
    call.exchange.answers.add(id(error))
    culprit = _culprit(call, error)
    refusal = None if culprit is None else _meaning(error, culprit)
    if culprit is None or refusal is None:
        return
    if culprit.fact("refusal") is None:
        culprit.attributes["refusal"] = refusal
    if culprit.kind is Kind.DEPENDENCY:
        culprit.attributes["rejected"] = True


def _meaning(error: Any, culprit: Span) -> Refusal | None:
    """Say what an exception stands for: a plain `HttpError` of the operation is its answer, whatever the status."""
    from django.http import Http404
    from ninja.errors import HttpError

    if isinstance(error, Http404):
        return Refusal.NOT_FOUND
    if culprit.kind is Kind.DEPENDENCY:
        return BY_STATUS.get(error.status_code, Refusal.OTHER)
    if culprit.kind is Kind.VALIDATION or type(error) is HttpError:
        return None
    return BY_STATUS.get(error.status_code)


def _culprit(call: Call, error: BaseException) -> Span | None:
    from ninja.errors import AuthenticationError

    passed = next((span for raised, span in call.exchange.raised if raised is error and not span.builtin), None)
    if passed is not None:
        return passed
    wanted = AUTHENTICATION if isinstance(error, AuthenticationError) else THROTTLE
    refusing = [
        span
        for span in call.exchange.root.walk()
        if span.kind is Kind.DEPENDENCY and span.fact("check") == wanted and not span.fact("allowed")
    ]
    return refusing[-1] if refusing else None


def _handled(call: Call) -> None:
    """An exception handler made a response of it, the API's own or one of the user's."""
    handler: Any = call.values.get("handler")
    if call.error is None and handler is not None:
        is_own = getattr(unwrapped(handler), "__module__", "").startswith("ninja.")
        call.exchange.caught[id(call["exc"])] = "NinjaAPI.on_exception" if is_own else name_of(handler)


def _refuse_method(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["verdict"] = Verdict.METHOD_NOT_ALLOWED
        refuse_method(call.exchange)

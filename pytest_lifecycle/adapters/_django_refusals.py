"""Who refused a request in Django, and why: exceptions that Django makes answers of, CSRF, access checks.

Read from django/core/handlers/exception.py, django/contrib/auth/{decorators,mixins}.py and django/middleware/csrf.py.
"""

from __future__ import annotations

import sys
from types import FrameType, TracebackType
from typing import Any

from .._observe.probe import Call, name_of
from .._trace.facts import Refusal, Validation, ValidationIssue
from .._trace.span import Kind, Span

ADMIN = "django.contrib.admin.sites"
GUARDS = frozenset({"django.contrib.auth.decorators", "django.contrib.auth.mixins", ADMIN})
"""The modules whose code checks who asks before a view runs."""

MIDDLEWARE_DECORATORS = {
    "CsrfViewMiddleware": "csrf_protect",
    "_EnsureCsrfToken": "requires_csrf_token",
    "_EnsureCsrfCookie": "ensure_csrf_cookie",
    "GZipMiddleware": "gzip_page",
    "CacheMiddleware": "cache_page",
    "ConditionalGetMiddleware": "conditional_page",
}
"""What Django calls the decorators that it makes of middleware; those made of others are called as these are."""

CULPRITS = frozenset({Kind.HANDLER, Kind.DECORATOR, Kind.HOOK, Kind.MIDDLEWARE, Kind.DEPENDENCY})
"""The steps that can say no by raising."""


def converting(call: Call) -> None:
    """A layer makes a response of an exception: where a middleware raised it, the response did not pass that one."""
    error, span = call["exc"], call.parent
    if span is None:
        return
    exchange = call.exchange
    exchange.caught[id(error)] = "response_for_exception"
    if span.kind is Kind.MIDDLEWARE:
        span.attributes["converted"] = True
    if all(known is not error for known, _ in exchange.raised):
        exchange.raised.append((error, span))  # it left no step: Django itself raised it, or a middleware
    _note_refusal(call, error)


def _note_refusal(call: Call, error: BaseException) -> None:
    """Note which step refused the request by raising this exception, if it stands for a refusal."""
    refusal = _meaning(error)
    if refusal is not None or _is_answer(error):
        call.exchange.answers.add(id(error))
    if refusal is None:
        return
    passed = [span for raised, span in call.exchange.raised if raised is error]
    culprit = next((span for span in passed if span.kind in CULPRITS and not span.builtin), None)
    if culprit is None or culprit.fact("refusal") is not None:
        return
    if refusal is Refusal.VALIDATION:
        _note_unreadable(culprit, error)
        return
    culprit.attributes["refusal"] = refusal
    if culprit.kind is Kind.DECORATOR and not culprit.reached_inner and _passed_guard(error.__traceback__):
        culprit.attributes["rejected"] = True


def _meaning(error: BaseException) -> Refusal | None:
    from django.core import exceptions
    from django.http import Http404, UnreadablePostError
    from django.http.multipartparser import MultiPartParserError
    from django.urls import Resolver404

    unreadable: list[type[BaseException]] = [MultiPartParserError, UnreadablePostError]
    unreadable += [exceptions.RequestDataTooBig, exceptions.TooManyFieldsSent]
    unreadable += [getattr(exceptions, "TooManyFilesSent", exceptions.TooManyFieldsSent)]
    if isinstance(error, exceptions.DisallowedHost):
        return Refusal.HOST
    if isinstance(error, exceptions.PermissionDenied):
        return Refusal.PERMISSION
    if isinstance(error, Http404) and not isinstance(error, Resolver404):
        return Refusal.NOT_FOUND
    return Refusal.VALIDATION if isinstance(error, tuple(unreadable)) else None


def _is_answer(error: BaseException) -> bool:
    """Whether Django makes an answer of it that is no crash, though not a refusal of one kind."""
    from django.core.exceptions import BadRequest, SuspiciousOperation
    from django.http import Http404

    return isinstance(error, BadRequest | SuspiciousOperation | Http404)


def _note_unreadable(around: Span, error: BaseException) -> None:
    """Note that the request's data could not be read: it is broken, or too much."""
    failed = Span(
        Kind.VALIDATION, Validation.FAILED.value, parent=around, thread=around.thread, exchange=around.exchange
    )
    failed.close()
    found = ValidationIssue(("body",), str(error), type(error).__qualname__)
    failed.attributes.update(errors=(found,), refused_by="HttpRequest")
    around.children.append(failed)


def _passed_guard(traceback: TracebackType | None) -> bool:
    """Whether an exception passed one of Django's own access checks."""
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") in GUARDS:
            return True
        traceback = traceback.tb_next
    return False


def handler_found(call: Call) -> None:
    """A project's own `handler404` and its like is the one that answers the exception."""
    handler, asking = call.result, call.frame.f_back
    if handler is None or asking is None or getattr(handler, "__module__", "").startswith("django.views."):
        return
    values = asking.f_locals
    error = values.get("exception") or (values.get("exc_info") or (None, None))[1]
    if isinstance(error, BaseException):
        call.exchange.caught[id(error)] = name_of(handler)


def token_refused(call: Call) -> None:
    """`CsrfViewMiddleware` rejects, as a hook or as a decorator around the view."""
    span = call.parent
    if span is None or call.error is not None or call.result is None:
        return
    span.attributes.update(rejected=True, refusal=Refusal.CSRF)
    if span.kind is Kind.HOOK:
        span.attributes["refused_by"] = type(call.owner).__qualname__


def turned_away(call: Call) -> bool:
    """Note the refusal where one of Django's access checks answered in the view's place; give whether it was one."""
    who = guard_name(call)
    if who is None or call.span is None:
        return False
    refused_by_guard(call.span, call.frame, who)
    return True


def refused_by_guard(span: Span, frame: FrameType, who: str) -> None:
    """Note that an access check turned somebody away: it does not know them, or they may not.

    Args:
        span: The step that it is, or is a part of.
        frame: Where it ran: the request is among its variables.
        who: Its name.
    """
    refusal = Refusal.PERMISSION if _is_logged_in(frame) else Refusal.AUTHENTICATION
    span.attributes.update(rejected=True, refusal=refusal)
    if who != span.name:
        span.attributes["refused_by"] = who


def guard_name(call: Call) -> str | None:
    """Name the access check that a decorator is, or one of those that `method_decorator` was given; None for others."""
    module = call.frame.f_globals.get("__name__")
    if module == "django.contrib.auth.decorators":
        return _test_name(call.values.get("test_func"))
    if module in ("django.contrib.auth.mixins", ADMIN):
        return call.span.name if call.span is not None else None
    return next((name_given(decorator) for decorator in decorators_given(call) if _checks(decorator)), None)


def _checks(decorator: Any) -> bool:
    """Whether a decorator is one of Django's access checks; `login_not_required` is a mark for a middleware."""
    module = "django.contrib.auth.decorators"
    mark = getattr(sys.modules.get(module), "login_not_required", None)
    return getattr(decorator, "__module__", None) == module and decorator is not mark


def decorators_given(call: Call) -> list[Any]:
    """Give what `method_decorator` was given: one decorator or several, which it keeps the last one first."""
    given = call.values.get("decorators", ()) if call.frame.f_code.co_name == "_wrapper" else ()
    return [*given][::-1]


def name_given(decorator: Any) -> str:
    """Name one of those by the function that it was made in, if any: ``permission_required("shop.add")``."""
    held = held_in(decorator) if hasattr(decorator, "__code__") else {}
    if "test_func" in held:
        return _test_name(held["test_func"])
    if "middleware_class" in held:
        return middleware_decorator(held["middleware_class"])
    return _outer_name(decorator)


def middleware_decorator(middleware: type) -> str:
    """Name the decorator that is made of a middleware's class."""
    return MIDDLEWARE_DECORATORS.get(middleware.__qualname__, middleware.__qualname__)


def held_in(function: Any) -> dict[str, Any]:
    """Give what a function's closure holds, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells}


def _outer_name(function: Any) -> str:
    return str(getattr(function, "__qualname__", name_of(function))).partition(".<locals>")[0]


def _test_name(test: Any) -> str:
    """Name an access check by who made its test: `login_required`, or a decorator of the project's own."""
    return _outer_name(test) if ".<locals>." in getattr(test, "__qualname__", "") else "user_passes_test"


def _is_logged_in(frame: FrameType) -> bool:
    """Whether the user who was turned away is known; one that nobody has looked up yet is left so."""
    values = frame.f_locals
    request = values.get("request") or getattr(values.get("self"), "__dict__", {}).get("request")
    held = getattr(request, "__dict__", {})
    known = (values.get("auser"), *(held.get(name) for name in ("_cached_user", "_acached_user", "user")))
    user = next((user for user in known if user is not None), None)
    return bool(getattr(getattr(user, "__dict__", {}).get("_wrapped", user), "is_authenticated", False))
